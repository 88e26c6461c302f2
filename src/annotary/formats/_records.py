"""Objects as tables have them: a record says all that is known of one, whatever its kind."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

import msgspec
from msgspec import UNSET, Raw

from annotary.formats import _marks as marks
from annotary.formats._losses import drop, mark_id
from annotary.formats._rle import Rle
from annotary.formats._stored import DIGEST, GEOMETRY, current, digest
from annotary.model.annotation import Ends
from annotary.model.geometry import Box, Cuboid, Point, cuboid_gap
from annotary.model.image import (
    ARROW,
    BOND,
    BOX,
    CUBOID,
    MASK,
    POINT,
    POLYGON,
    POLYLINE,
    WORDS,
    Class,
    Classes,
    Image,
    ImageSet,
    Mark,
)

KINDS: dict[str, str] = {
    "box": BOX,
    "polygon": POLYGON,
    "polyline": POLYLINE,
    "point": POINT,
    "mask": MASK,
    "cuboid": CUBOID,
    "relationship": ARROW,
}
"""The kinds as tables spell them."""
_NO_OBJECT = "what was carried with it is no object, and is left out"
_NEAR = 1e-6
"""So far may a cuboid's corners be from those that follow from its centre, rotation and size."""
_SCHEMA = ("feature_schema_id", "value")
"""What an answer says of the store it is in: ids of its questions, and their names a second time."""
_members = msgspec.json.Decoder(dict[str, Raw]).decode
_cuboid = msgspec.json.Decoder(Cuboid).decode
_answers = msgspec.json.Decoder(list[dict[str, Any]]).decode
_encode = msgspec.json.Encoder().encode


class Record(msgspec.Struct, gc=False):
    """One object. `rings` are the x, y, ... of a polygon, polyline or point, or the parts of a mask whose
    union counts; `rle` is a mask's pixels; `box` is left, top, width, height around anything but a
    relationship. `answers` and `carried` are JSON, empty where there is nothing.
    """

    kind: str
    name: str
    id: str = ""
    box: tuple[float, float, float, float] | None = None
    rings: list[list[float]] | None = None
    rle: Rle | None = None
    cuboid: str = ""
    ends: Ends | None = None
    directed: bool = True
    confidence: float | None = None
    answers: str = ""
    carried: str = ""


def records(found: ImageSet, image: Image) -> Iterator[Record]:
    """An image's objects, and its questions as written; what cannot be said goes into the ledger."""
    ledger = found.ledger
    for mark in image.marks:
        try:
            made = record(mark, image, found)
        except ValueError as error:
            drop(ledger, image, mark, str(error))
            continue
        ledger.wrote(mark.word)
        if mark.answered:
            ledger.wrote("answer", mark.answer_count())
        yield made
    if image.answers:
        ledger.wrote("answer", image.answer_count())


def record(mark: Mark, image: Image, found: ImageSet) -> Record:
    """The record of a mark; raises ValueError that says why there is none."""
    word = WORDS.get(mark.kind)
    if word is None:
        raise ValueError(f"tables have no {mark.kind}")
    made = Record(word, mark.name, mark.feature_id, confidence=mark.confidence)
    if mark.answered:
        made.answers = answers(mark.classifications)
    match word:
        case "relationship":
            made.ends, made.directed = marks.ends(mark), mark.kind == ARROW
        case "cuboid":
            made.cuboid = _plain_cuboid(mark)
            # Its box is around the corners that a reader will find, to the last digit.
            mark.cuboid = Raw(made.cuboid.encode())
        case "mask":
            # A mask's pixels are looked at before its box: that may be only what a file says.
            parts = marks.parts(mark)
            if parts is None:
                made.rle = marks.run_lengths(mark, image, found.pixels)
            else:
                made.rings = [_finite(one) for one in parts]
        case "polygon" | "polyline" | "point":
            made.rings = [_finite(one) for one in marks.rings(mark)]
    if word != "relationship":
        made.box = _box(mark, image, found)
    if mark.coco:
        made.carried = _carried(mark, image, found)
    return made


def _box(mark: Mark, image: Image, found: ImageSet) -> tuple[float, float, float, float] | None:
    box = mark.bounding_box
    if box is not None:
        _finite([box.left, box.top, box.width, box.height])
        return box.left, box.top, box.width, box.height
    try:
        left, top, right, bottom = marks.corners(mark, image, found.pixels)
    except ValueError:
        # A mask without a pixel, a polygon without a point: kept, but there is nothing to be around.
        return None
    return left, top, right - left, bottom - top


def _finite(numbers: list[float]) -> list[float]:
    if not all(map(isfinite, numbers)):
        raise ValueError("a coordinate is not a finite number")
    if len(numbers) % 2:
        raise ValueError("half a point")
    return numbers


def _plain_cuboid(mark: Mark) -> str:
    """Centre, rotation and size; the corners only where they do not follow from these."""
    try:
        found = _cuboid(mark.cuboid)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
    if cuboid_gap(found) < _NEAR:
        found = msgspec.structs.replace(found, front=UNSET, back=UNSET)
    return _encode(found).decode()


def answers(text: Raw) -> str:
    """Answers as JSON, without the ids of their questions in the store."""
    if not text or bytes(text) == b"[]":
        return ""
    return _encode([_without(one) for one in msgspec.json.decode(text)]).decode()


def _without(one: Any) -> Any:
    if isinstance(one, dict):
        return {key: _without(value) for key, value in one.items() if key not in _SCHEMA}
    return [_without(value) for value in one] if isinstance(one, list) else one


def _carried(mark: Mark, image: Image, found: ImageSet) -> str:
    """What a COCO file said beside what the record says."""
    try:
        said = _members(mark.coco)
    except (msgspec.DecodeError, RecursionError):
        found.ledger.changed("repaired", mark.word, _NO_OBJECT, mark_id(image, mark))
        return ""
    said.pop(DIGEST, None)
    if mark.kind in (POLYGON, MASK):
        said.pop("segmentation", None)
    elif mark.kind == BOX:
        said.pop("bbox", None)
    if mark.kind != MASK and any(key in said for key in GEOMETRY):
        # So that what it says of the geometry is not believed of another one.
        said[DIGEST] = Raw(_encode(digest(mark, "")))
    return _encode(said).decode() if said else ""


# Reading


def mark_of(one: Record, place: str) -> Mark:
    """The mark of a record; raises ValueError that says what is wrong with it."""
    kind = KINDS.get(one.kind)
    if kind is None:
        raise ValueError(f"the kind is one of {', '.join(KINDS)}, not {one.kind!r:.40}")
    if not one.name:
        raise ValueError("an object without a class")
    if one.confidence is not None and not 0 <= one.confidence <= 1:
        raise ValueError(f"a confidence of {one.confidence}; it is from 0 to 1")
    made = Mark(kind=kind, name=one.name, feature_id=one.id, confidence=one.confidence, id=place)
    _shape(made, one)
    if one.answers:
        made.classifications = checked_answers(one.answers)
    if one.carried:
        made.coco = object_of(one.carried)
        if kind != MASK:
            made.coco = current(made, "")
    if made.parts is not None:
        # The store holds a mask's pixels; its parts are what a COCO file said of it.
        said = _members(made.coco) if made.coco else {}
        made.coco = Raw(_encode({**said, "segmentation": made.parts}))
    return made


def _shape(made: Mark, one: Record) -> None:
    match made.kind:
        case "ImageBoundingBox":
            if one.box is None:
                raise ValueError("a box without left, top, width and height")
            left, top, width, height = one.box
            if not all(map(isfinite, one.box)) or width < 0 or height < 0:
                raise ValueError("a box's numbers are finite, its width and height not below 0")
            made.bounding_box = Box(left=left, top=top, width=width, height=height)
        case "ImagePolygon" | "ImagePolyline":
            made.ring = _single(one)
        case "ImagePoint":
            ring = _single(one)
            if len(ring) != 2:
                raise ValueError("a point is one x and one y")
            made.point = Point(x=ring[0], y=ring[1])
        case _:
            _other_shape(made, one)


def _other_shape(made: Mark, one: Record) -> None:
    if made.kind == MASK:
        made.rle = one.rle
        if one.rle is None:
            if not one.rings:
                raise ValueError("a mask without run-lengths and without parts")
            made.parts = [_finite(ring) for ring in one.rings]
    elif made.kind == CUBOID:
        try:
            _cuboid(one.cuboid)
        except msgspec.DecodeError as error:
            raise ValueError(f"no cuboid: {error}") from None
        made.cuboid = Raw(one.cuboid.encode())
    elif one.ends is None:
        raise ValueError("a relationship without its two ends")
    elif one.directed:
        made.unidirectional_relationship = Raw(_encode(one.ends))
    else:
        made.kind, made.bidirectional_relationship = BOND, Raw(_encode(one.ends))


def _single(one: Record) -> list[float]:
    if one.rings is None or len(one.rings) != 1 or not one.rings[0]:
        raise ValueError(f"a {one.kind} without points")
    return _finite(one.rings[0])


def checked_answers(text: str) -> Raw:
    """Answers as Labelbox spells them; raises ValueError."""
    from annotary.model.annotation import Classification

    try:
        _answers(text)
        msgspec.json.decode(text, type=tuple[Classification, ...])
    except msgspec.DecodeError as error:
        raise ValueError(f"answers: {error}") from None
    except RecursionError:
        raise ValueError("answers nested too deeply") from None
    return Raw(text.encode())


def carried_of(found: ImageSet, image: Image) -> str:
    """What a COCO file said of an image; empty where that is nothing, or no object."""
    if not image.coco:
        return ""
    try:
        _members(image.coco)
    except (msgspec.DecodeError, RecursionError):
        found.ledger.changed("repaired", "image", _NO_OBJECT, image.name)
        return ""
    return bytes(image.coco).decode()


def object_of(text: str) -> Raw:
    """A JSON object that is carried; raises ValueError."""
    try:
        _members(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"what is carried is a JSON object: {error}") from None
    return Raw(text.encode())


def named(found: ImageSet, image: Image) -> tuple[str, str, str, str]:
    """External id, data row's id, global key and address; what is not Unicode is spelt `?`."""
    names = (image.external_id, image.id, image.global_key, image.row_data)
    if all(map(_is_unicode, names)):
        return names
    found.ledger.changed("renamed", "image", "a name that is not Unicode", ascii(image.name))
    name, id, key, address = (one.encode("utf-8", "replace").decode() for one in names)
    return name, id, key, address


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def class_index(classes: Classes, one: Record) -> int | None:
    """The number of an object's class; relationships have none."""
    return None if one.ends is not None else classes.index(one.name)


def size(value: int | None) -> int:
    """An image's width or height; raises ValueError."""
    if value is not None and not 0 <= value < 1 << 31:
        raise ValueError(f"an image's width and height are whole numbers from 0, not {value}")
    return value or 0


# Classes


def said_of(one: Class) -> str:
    """What a class says beside name and number, as JSON; empty where that is nothing."""
    said: dict[str, Any] = {}
    if one.color:
        said["color"] = one.color
    if one.category:
        said["category"] = one.category
    return _encode(said).decode() if said else ""


class _Said(msgspec.Struct):
    color: str = ""
    category: dict[str, Any] = {}


def take_class(classes: Classes, name: str, index: int | None, said: str) -> None:
    """A class as `said_of` wrote it; raises ValueError."""
    try:
        more = msgspec.json.decode(said, type=_Said) if said else _Said()
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"what a class carries: {error}") from None
    classes.add(
        name, index if index is not None and index >= 0 else None, color=more.color, category=more.category
    )
