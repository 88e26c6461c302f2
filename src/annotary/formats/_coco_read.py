"""COCO's JSON read in constant memory: its arrays may come in any order, each in any order of images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

from annotary.formats import Reading, Source
from annotary.formats._disk import Groups
from annotary.formats._json import Broken, shown
from annotary.formats._members import Slice, members
from annotary.model.corpus import Problem
from annotary.model.geometry import Box
from annotary.model.image import BOX, MASK, NOTHING, POLYGON, TEST, TRAIN, VAL, Image, Mark

_ARRAYS = frozenset(("images", "annotations", "categories"))


class _Ref(msgspec.Struct, gc=False):
    image_id: int | str


class Picture(msgspec.Struct, gc=False):
    """An element of `images`; `split` is annotary's own."""

    id: int | str
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
    score: float | None = None


_refs = msgspec.json.Decoder(list[_Ref]).decode
_ref = msgspec.json.Decoder(_Ref).decode
_raws = msgspec.json.Decoder(list[Raw]).decode
_picture = msgspec.json.Decoder(Picture).decode
_annotations = msgspec.json.Decoder(list[Annotation]).decode
_annotation = msgspec.json.Decoder(Annotation).decode
_category = msgspec.json.Decoder(Category).decode
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


def read(source: Source, reading: Reading, said: Any) -> Iterator[Image]:
    """Images in the order of the file, each with its annotations; `said` is what the writer keeps of one."""
    keep = msgspec.json.Decoder(list[said]).decode
    index = Groups()
    pictures = Groups()
    try:
        names: dict[int, str] = {}
        carried: dict[str, Any] = {}
        try:
            for part in members(_wrapped(source), _ARRAYS):
                _take(part, reading, index, pictures, names, carried)
        except Broken as broken:
            reading.report(broken.problem)
            return
        if carried:
            reading.carried["coco"] = {**carried, **reading.carried.get("coco", {})}
        yield from _images(reading, index, pictures, names, keep, source)
    finally:
        index.close()
        pictures.close()


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
    part: Slice,
    reading: Reading,
    index: Groups,
    pictures: Groups,
    names: dict[int, str],
    carried: dict[str, Any],
) -> None:
    match part.key:
        case "annotations" if part.first >= 0:
            index.add(_grouped(part, reading))
        case "images" if part.first >= 0:
            pictures.add((part.first + at, bytes(raw)) for at, raw in enumerate(part.elements))
        case "categories" if part.first >= 0:
            for at, raw in enumerate(part.elements):
                _take_category(raw, part.place(at), reading, names)
        case _:
            try:
                carried[part.key] = msgspec.json.decode(part.data)
            except msgspec.DecodeError as error:
                reading.report(Problem(place=f"$.{part.key}", value=part.key, reason=str(error)))


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


def _grouped(part: Slice, reading: Reading) -> Iterator[tuple[int | str, bytes]]:
    """The annotations of a slice by image; those of one image in a row are one entry."""
    raws = part.elements
    try:
        refs = _refs(part.data)
    except msgspec.ValidationError:
        raws, refs = _sound(part, raws, reading)
    last: int | str | None = None
    held: list[Raw] = []
    for ref, raw in zip(refs, raws, strict=True):
        if ref.image_id != last and held:
            yield last, b",".join(held)  # type: ignore[misc]
            held = []
        last = ref.image_id
        held.append(raw)
    if held:
        yield last, b",".join(held)  # type: ignore[misc]


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


def _images(
    reading: Reading, index: Groups, pictures: Groups, names: dict[int, str], keep: Any, source: Source
) -> Iterator[Image]:
    known = Groups()
    number = -1
    for number, data in enumerate(pictures.all()):
        place = f"$.images[{number}]"
        try:
            one = _picture(data)
        except msgspec.DecodeError as error:
            reading.report(
                Problem(place=place, value=shown(data.decode(errors="replace")), reason=str(error))
            )
            continue
        known.add([(one.id, b"")])
        texts = index.of(one.id)
        found = _marks(b"[" + b",".join(texts) + b"]", names, reading, keep, one.file_name) if texts else []
        yield Image(
            number=number,
            external_id=one.file_name,
            global_key="",
            row_data=one.coco_url or one.flickr_url or one.file_name,
            width=max(one.width, 0),
            height=max(one.height, 0),
            marks=found,
            split=one.split if one.split in (TRAIN, VAL, TEST) else "",
            coco=Raw(data),
            place=place,
            local=one.file_name,
        )
    yield from _orphans(reading, index, known, names, keep, results=number < 0)
    known.close()


def _orphans(
    reading: Reading, index: Groups, known: Groups, names: dict[int, str], keep: Any, *, results: bool
) -> Iterator[Image]:
    """Annotations of images that the file does not list: in a results file all, elsewhere losses."""
    for key in index.each():
        if not results and known.of(key):
            continue
        texts = b"[" + b",".join(index.of(key)) + b"]"
        if results:
            id = Raw(msgspec.json.encode({"id": key}))
            found = _marks(texts, names, reading, keep, str(key))
            name = str(key)
            yield Image(
                external_id=name, row_data=name, marks=found, coco=id, place=f"image {key}", joins=key
            )
        else:
            for raw in _raws(texts):
                ref = shown(bytes(raw).decode(errors="replace"))
                reading.ledger.refused("annotation", f"its image {key} is not listed", ref)


def _marks(text: bytes, names: dict[int, str], reading: Reading, keep: Any, image: str) -> list[Mark]:
    raws = _raws(text)
    try:
        found = _annotations(text)
        said = keep(text)
    except msgspec.ValidationError:
        return [mark for raw in raws for mark in _one_by_one(raw, names, reading, keep, image)]
    made = []
    for one, raw, kept in zip(found, raws, said, strict=True):
        mark = _mark(one, raw, names, reading, image)
        if mark is not None:
            mark.said = kept
            made.append(mark)
    return made


def _one_by_one(raw: Raw, names: dict[int, str], reading: Reading, keep: Any, image: str) -> list[Mark]:
    """An annotation beside which stands a wrong one; nothing if it is the wrong one itself."""
    try:
        one = _annotation(raw)
        kept = keep(b"[" + bytes(raw) + b"]")[0]
    except msgspec.ValidationError as error:
        reading.ledger.refused(
            "annotation", str(error), f"{image}: {shown(bytes(raw).decode(errors='replace'))}"
        )
        return []
    mark = _mark(one, raw, names, reading, image)
    if mark is None:
        return []
    mark.said = kept
    return [mark]


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
    text = bytes(one.segmentation)
    if text.startswith(b"{"):
        return Mark(kind=MASK, name=name, coco=raw, confidence=one.score, id=str(one.id))
    parts = text.count(b"[") - 1
    if parts > 1:
        return Mark(kind=MASK, name=name, coco=raw, confidence=one.score, id=str(one.id))
    if parts == 1 and (commas := text.count(b",")) >= 5 and commas % 2:
        ring = Raw(text[text.index(b"[", 1) : text.index(b"]") + 1])
        return Mark(kind=POLYGON, name=name, polygon=ring, coco=raw, confidence=one.score, id=str(one.id))
    box = one.bbox
    if box is None or len(box) != 4 or box[2] < 0 or box[3] < 0:
        reason = "neither a box of x, y, width, height nor a polygon of 3 points"
        reading.ledger.refused("annotation", reason, f"{image}: annotation {one.id}")
        return None
    if text not in _NO_SHAPE:
        reason = "what is no polygon of 3 points or more became its box"
        reading.ledger.changed("repaired", "box", reason, f"{image}: annotation {one.id}")
    bounding_box = Box(left=box[0], top=box[1], width=box[2], height=box[3])
    return Mark(
        kind=BOX, name=name, bounding_box=bounding_box, coco=raw, confidence=one.score, id=str(one.id)
    )
