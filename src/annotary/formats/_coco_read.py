"""COCO's JSON read in constant memory: its arrays may come in any order, each in any order of images."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from annotary.formats import Reading, Source
from annotary.formats._disk import Joined
from annotary.formats._json import Broken, shown
from annotary.formats._members import Slice, members
from annotary.model.corpus import Problem
from annotary.model.geometry import Box
from annotary.model.image import BOX, MASK, NOTHING, POLYGON, TEST, TRAIN, VAL, Image, Mark

_ARRAYS = frozenset(("images", "annotations", "categories"))


ImageId = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)] | str
"""What an image may be called: larger numbers are none for databases."""


class _Ref(msgspec.Struct, gc=False):
    image_id: ImageId


class Picture(msgspec.Struct, gc=False):
    """An element of `images`; `split` is annotary's own."""

    id: ImageId
    file_name: str
    width: int = 0
    height: int = 0
    coco_url: str = ""
    flickr_url: str = ""
    split: Any = ""


class Category(msgspec.Struct):
    """An element of `categories`, as far as it must be."""

    id: int
    name: str


class Annotation(msgspec.Struct, gc=False):
    """An element of `annotations`; `score` makes it one of a results file."""

    category_id: int
    id: int | None = None
    image_id: int | str | None = None
    bbox: list[float] | None = None
    segmentation: Raw = NOTHING
    area: Raw = NOTHING
    iscrowd: Any = None
    score: float | None = None


class _Plain(Annotation, gc=False, forbid_unknown_fields=True):
    """An annotation that says nothing else."""


_AHEAD = 64
_MOST = 1 << 20
"""The annotations of so many images are decoded together, or of so many bytes."""
_Listed = tuple[int, bytes, list[bytes]]
"""An image's number, its element, and its annotations."""
_refs = msgspec.json.Decoder(list[_Ref]).decode
_ref = msgspec.json.Decoder(_Ref).decode
_pictures = msgspec.json.Decoder(list[Picture]).decode
_picture = msgspec.json.Decoder(Picture).decode
_plain = msgspec.json.Decoder(list[_Plain]).decode
_annotations = msgspec.json.Decoder(list[Annotation]).decode
_annotation = msgspec.json.Decoder(Annotation).decode
_category = msgspec.json.Decoder(Category).decode
_number = msgspec.json.Decoder(float).decode
_START = re.compile(rb'\A[\xef\xbb\xbf\s]*\{\s*"(info|licenses|images|annotations|categories|type)"\s*:')
_OTHER = re.compile(rb'"segments_info"\s*:')
_NO_SHAPE = (b"", b"[]", b"null")
_RESULTS = re.compile(rb'\A[\xef\xbb\xbf\s]*\[\s*\{[^{}]*"(image_id|category_id)"\s*:')


def starts(start: bytes) -> bool:
    """Whether a file begins as COCO instances or their results do."""
    if _RESULTS.match(start):
        return True
    if not _START.match(start) or _OTHER.search(start):
        return False
    return (
        b'"items"' not in start
        and re.search(rb'"(images|annotations|categories)"\s*:\s*\[', start) is not None
    )


def read(source: Source, reading: Reading) -> Iterator[Image]:
    """Images in the order of the file, each with its annotations."""
    index = Joined()
    try:
        names: dict[int, str] = {}
        carried: dict[str, Any] = {}
        listed = False
        try:
            for part in members(_wrapped(source), _ARRAYS):
                listed = listed or bool(part.key == "images" and part.elements)
                _take(part, reading, index, names, carried)
        except Broken as broken:
            reading.report(broken.problem)
            return
        if carried:
            reading.carried["coco"] = {**carried, **reading.carried.get("coco", {})}
        yield from _images(reading, index, names)
        yield from _orphans(reading, index, names, results=not listed)
    finally:
        index.close()


def _wrapped(source: Source) -> Iterator[bytes]:
    """A results file as if its array were a member."""
    chunks = source.chunks()
    first = next(chunks, b"")
    if first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        yield b'{"annotations":' + first.removeprefix(b"\xef\xbb\xbf")
        yield from chunks
        yield b"}"
        return
    yield first
    yield from chunks


def _take(
    part: Slice, reading: Reading, index: Joined, names: dict[int, str], carried: dict[str, Any]
) -> None:
    match part.key:
        case "annotations" if part.first >= 0:
            _take_annotations(part, reading, index)
        case "images" if part.first >= 0:
            index.want(_keys(part), part.elements)
        case "categories" if part.first >= 0:
            for at, raw in enumerate(part.elements):
                _take_category(raw, part.place(at), reading, names)
        case _:
            try:
                carried[part.key] = msgspec.json.decode(part.data)
            except msgspec.DecodeError as error:
                reading.report(Problem(place=f"$.{part.key}", value=part.key, reason=str(error)))


def _keys(part: Slice) -> list[int | str | None]:
    """The ids of a slice's images; None for what is none, which is told when it is read again."""
    try:
        return [one.id for one in _pictures(part.data)]
    except msgspec.DecodeError:
        return [_key(raw) for raw in part.elements]


def _key(raw: Raw) -> int | str | None:
    try:
        return _picture(raw).id
    except msgspec.DecodeError:
        return None


def _take_category(raw: Raw, place: str, reading: Reading, names: dict[int, str]) -> None:
    try:
        one = _category(raw)
        plain = msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        reading.report(
            Problem(place=place, value=shown(bytes(raw).decode(errors="replace")), reason=str(error))
        )
        return
    if one.id in names:
        reading.report(Problem(place=place, value=str(one.id), reason="this category id is there twice"))
        return
    plain.pop("name")
    names[one.id] = one.name
    reading.classes.add(one.name, category=plain)


def _take_annotations(part: Slice, reading: Reading, index: Joined) -> None:
    raws = part.elements
    try:
        refs = _refs(part.data)
    except msgspec.ValidationError:
        raws, refs = _sound(part, raws, reading)
    index.add([one.image_id for one in refs], raws)


def _sound(part: Slice, raws: list[Raw], reading: Reading) -> tuple[list[Raw], list[_Ref]]:
    """Those annotations that say which image is theirs."""
    sound, refs = [], []
    for at, raw in enumerate(raws):
        try:
            refs.append(_ref(raw))
            sound.append(raw)
        except msgspec.DecodeError as error:
            reading.ledger.refused("annotation", str(error).split(" - at")[0], part.place(at))
    return sound, refs


def _images(reading: Reading, index: Joined, names: dict[int, str]) -> Iterator[Image]:
    for some in _together(index.all()):
        texts = [text for *_, texts in some for text in texts]
        read = _read_together(b"[%b]" % b",".join(texts))
        for number, data, own in some:
            place = f"$.images[{number}]"
            try:
                one = _picture(data)
            except msgspec.DecodeError as error:
                value = shown(data.decode(errors="replace"))
                reading.report(Problem(place=place, value=value, reason=str(error)))
                continue
            said = _one_by_one(own, reading, one.file_name) if read is None else zip(read, own, strict=False)
            yield Image(
                number=number,
                external_id=one.file_name,
                global_key="",
                row_data=one.coco_url or one.flickr_url or one.file_name,
                width=max(one.width, 0),
                height=max(one.height, 0),
                marks=_marks(islice(said, len(own)), names, reading, one.file_name),
                split=one.split if one.split in (TRAIN, VAL, TEST) else "",
                coco=Raw(data),
                place=place,
                local=one.file_name,
            )


def _read_together(text: bytes) -> Iterator[Annotation] | None:
    """Annotations, Plain if none says more; None where one is none."""
    try:
        return iter(_plain(text))
    except msgspec.DecodeError:
        pass
    try:
        return iter(_annotations(text))
    except msgspec.DecodeError:
        return None


def _together(found: Iterator[_Listed]) -> Iterator[list[_Listed]]:
    """Some images at a time: fewer where they have many annotations."""
    some: list[_Listed] = []
    size = 0
    for one in found:
        some.append(one)
        size += sum(map(len, one[2]))
        if len(some) == _AHEAD or size > _MOST:
            yield some
            some, size = [], 0
    if some:
        yield some


def _orphans(reading: Reading, index: Joined, names: dict[int, str], *, results: bool) -> Iterator[Image]:
    """Annotations of images that the file does not list: in a results file all, elsewhere losses."""
    for key, texts in index.others():
        if results:
            id, name = Raw(msgspec.json.encode({"id": key})), str(key)
            found = _marks(_one_by_one(texts, reading, name), names, reading, name)
            yield Image(
                external_id=name, row_data=name, marks=found, coco=id, place=f"image {key}", joins=key
            )
        else:
            for text in texts:
                ref = shown(text.decode(errors="replace"))
                reading.ledger.refused("annotation", f"its image {key} is not listed", ref)


def _one_by_one(texts: Iterable[bytes], reading: Reading, image: str) -> Iterator[tuple[Annotation, bytes]]:
    """Those annotations that are any; the others are refused."""
    for text in texts:
        try:
            yield _annotation(text), text
        except msgspec.DecodeError as error:
            value = shown(text.decode(errors="replace"))
            reading.ledger.refused("annotation", str(error), f"{image}: {value}")


def _marks(
    said: Iterable[tuple[Annotation, bytes]], names: dict[int, str], reading: Reading, image: str
) -> list[Mark]:
    found = [_mark(one, Raw(text), names, reading, image) for one, text in said]
    return [mark for mark in found if mark is not None]


def _mark(one: Annotation, raw: Raw, names: dict[int, str], reading: Reading, image: str) -> Mark | None:
    name = names.get(one.category_id)
    if name is None:
        if names:
            reason = f"category {one.category_id} is not listed"
            reading.ledger.refused("annotation", reason, f"{image}: annotation {one.id}")
            return None
        # A results file names no categories.
        name = str(one.category_id)
        reading.classes.add(name, category={"id": one.category_id})
    made = _drawn(one, reading, image)
    if made is None:
        return None
    made.name, made.coco, made.confidence, made.id = name, raw, one.score, str(one.id)
    if isinstance(one, _Plain):
        made.crowd = one.iscrowd in (1, True)
    return made


def _drawn(one: Annotation, reading: Reading, image: str) -> Mark | None:
    """A mark as far as it is drawn."""
    text = bytes(one.segmentation)
    parts = text.count(b"[") - 1
    if parts > 1 or text.startswith(b"{"):
        return Mark(kind=MASK, extent=_extent(one))
    if parts == 1 and (commas := text.count(b",")) >= 5 and commas % 2:
        return Mark(kind=POLYGON, polygon=Raw(text[text.index(b"[", 1) : text.index(b"]") + 1]))
    box = one.bbox
    if box is None or len(box) != 4 or box[2] < 0 or box[3] < 0:
        reason = "neither a box of x, y, width, height nor a polygon of 3 points"
        reading.ledger.refused("annotation", reason, f"{image}: annotation {one.id}")
        return None
    if text not in _NO_SHAPE:
        reason = "what is no polygon of 3 points or more became its box"
        reading.ledger.changed("repaired", "box", reason, f"{image}: annotation {one.id}")
    return Mark(kind=BOX, bounding_box=Box(left=box[0], top=box[1], width=box[2], height=box[3]))


def _extent(one: Annotation) -> tuple[float, float, float, float, float] | None:
    """Box and area as the file says them."""
    box = one.bbox
    if box is None or len(box) != 4:
        return None
    try:
        area = _number(one.area)
    except msgspec.DecodeError:
        return None
    return box[0], box[1], box[0] + box[2], box[1] + box[3], area
