"""CSV: a line an object, with everything that is known of it; images without objects have a line too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import msgspec

from annotary.formats import Format, Part, Reading, Source, TrainingOptions
from annotary.formats import _records as tables
from annotary.formats._bodies import one_by_one, with_bodies
from annotary.formats._csv_lines import Columns, Lines, header, lines
from annotary.formats._disk import Groups
from annotary.formats._json import shown
from annotary.formats._record_text import number, take_text, text_of
from annotary.formats._records import KINDS, Record
from annotary.model.corpus import Notice, Problem
from annotary.model.image import Image, ImageSet, Mark

COLUMNS = (
    "image", "image_id", "global_key", "row_data", "image_width", "image_height", "split",
    "kind", "class", "class_index", "object_id", "left", "top", "width", "height",
    "geometry", "confidence", "answers", "carried",
)  # fmt: skip
IMAGE, CLASS, FILE = "image", "class", "file"
"""What else a line may be of: an image itself, a class, the whole file."""
_REQUIRED = {"image", "kind", "class"}
_SPLITS = ("train", "val", "test")
_row = msgspec.json.Decoder(list[str]).decode
_encode = msgspec.json.Encoder().encode


class Options(TrainingOptions, frozen=True):
    """What every training format has."""

    def one_file(self) -> bool:
        """Always one file."""
        return True


def write(found: ImageSet, options: Options) -> Iterator[Part]:
    """The lines of each image, then those of the classes and of the whole."""
    out = Lines()
    out.add(*COLUMNS)
    for _, lines_of in with_bodies(found, _prepared(found, options)):
        # The header comes with the first.
        yield Part("", out.taken() + lines_of)
    blank = ("",) * 7
    for one in found.classes:
        out.add(*blank, CLASS, one.name, one.index, *("",) * 8, tables.said_of(one))
    if found.carried:
        out.add(*blank, FILE, *("",) * 10, _encode(found.carried).decode())
    yield Part("", out.taken())


def _prepared(found: ImageSet, options: Options) -> Callable[[Image], bytes]:
    del options
    return partial(_lines, found)


def _lines(found: ImageSet, image: Image) -> bytes:
    out = Lines()
    about = (*tables.named(found, image), image.width or "", image.height or "", image.split)
    objects = list(tables.records(found, image))
    answers = tables.answers(image.answers)
    carried = tables.carried_of(found, image)
    if not objects or answers or carried:
        out.add(*about, IMAGE, *("",) * 9, answers, carried)
    for one in objects:
        box = [number(side) for side in one.box] if one.box else [""] * 4
        confidence = "" if one.confidence is None else number(one.confidence)
        geometry = text_of(one)
        of = (one.kind, one.name, tables.class_index(found.classes, one), one.id)
        out.add(*about, *of, *box, geometry, confidence, one.answers, one.carried)
    return out.taken()


# Reading


def read(source: Source, options: Options, reading: Reading) -> Iterator[Image]:
    """Images in the order of their first lines."""
    del options
    held = Groups()
    try:
        columns = Columns(())
        for place, row in lines(source.chunks(), "", reading.report):
            if not columns.names:
                columns = _columns(row, place, reading)
                continue
            kind = columns.of(row, "kind")
            if kind in (CLASS, FILE):
                _of_all(columns, row, place, reading)
                continue
            key = "\x1f".join(
                columns.of(row, name) for name in ("image", "global_key", "image_id", "row_data")
            )
            held.add([(key, _encode([place, *row]))])
        for at, group in enumerate(held.each()):
            image = _read_image(columns, held.of(group), reading)
            if not image.width and (size := source.size_of(image.local)) is not None:
                image.width, image.height = size
            image.number = at
            yield image
    finally:
        held.close()


def _columns(row: list[str], place: str, reading: Reading) -> Columns:
    columns = Columns(row)
    if missing := sorted(_REQUIRED - set(columns.names)):
        reading.report(
            Problem(
                place=place, value=missing[0], reason=f"a column is missing; wanted are {', '.join(COLUMNS)}"
            )
        )
    for name in columns.names:
        if name not in COLUMNS:
            reading.notify(Notice(place=place, value=shown(name), reason="this column is not taken over"))
    return columns


def _of_all(columns: Columns, row: list[str], place: str, reading: Reading) -> None:
    """A line of a class, or of the whole file."""
    carried = columns.of(row, "carried")
    try:
        if columns.of(row, "kind") == FILE:
            reading.carried.update(msgspec.json.decode(tables.object_of(carried)))
            return
        name = columns.of(row, "class")
        if not name:
            raise ValueError("a class without a name")
        tables.take_class(reading.classes, name, _whole(columns.of(row, "class_index")), carried)
    except ValueError as error:
        reading.report(
            Problem(place=place, value=shown(carried or columns.of(row, "class_index")), reason=str(error))
        )


def _read_image(columns: Columns, held: list[bytes], reading: Reading) -> Image:
    rows = [_row(one) for one in held]
    first = rows[0][1:]
    image = Image(
        external_id=columns.of(first, "image"),
        id=columns.of(first, "image_id"),
        global_key=columns.of(first, "global_key"),
        place=rows[0][0],
    )
    image.row_data = columns.of(first, "row_data") or image.external_id
    image.local = image.external_id
    image.split = columns.of(first, "split")
    try:
        if image.split and image.split not in _SPLITS:
            raise ValueError(f"the split is one of {', '.join(_SPLITS)}, or empty, not {shown(image.split)}")
        image.width = tables.size(_whole(columns.of(first, "image_width")))
        image.height = tables.size(_whole(columns.of(first, "image_height")))
    except ValueError as error:
        reading.report(Problem(place=rows[0][0], value=shown(image.external_id), reason=str(error)))
        image.split = ""
    for place, *row in rows:
        kind = columns.of(row, "kind")
        try:
            if kind == IMAGE:
                _own(image, columns, row)
            else:
                image.marks.append(_mark(columns, row, place, reading))
        except ValueError as error:
            reading.ledger.refused(kind if kind in KINDS else "object", str(error), place)
    return image


def _own(image: Image, columns: Columns, row: list[str]) -> None:
    if answers := columns.of(row, "answers"):
        image.answers = tables.checked_answers(answers)
    if carried := columns.of(row, "carried"):
        image.coco = tables.object_of(carried)


def _mark(columns: Columns, row: list[str], place: str, reading: Reading) -> Mark:
    one = Record(columns.of(row, "kind"), columns.of(row, "class"), columns.of(row, "object_id"))
    sides = [columns.of(row, name) for name in ("left", "top", "width", "height")]
    if one.kind == "box" and all(sides):
        left, top, width, height = map(_number, sides)
        one.box = left, top, width, height
    if geometry := columns.of(row, "geometry"):
        take_text(one, geometry)
    if confidence := columns.of(row, "confidence"):
        one.confidence = _number(confidence)
    one.answers, one.carried = columns.of(row, "answers"), columns.of(row, "carried")
    mark = tables.mark_of(one, place)
    index = _whole(columns.of(row, "class_index"))
    if one.ends is None and mark.name not in reading.classes.by_name:
        reading.classes.add(mark.name, index)
    return mark


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is not a number") from None


def _whole(text: str) -> int | None:
    if not text:
        return None
    found = _number(text)
    if not abs(found) < 1 << 53 or found != int(found):
        raise ValueError(f"{shown(text)} is not a whole number")
    return int(found)


def _starts(start: bytes) -> bool:
    return set(header(start)) > _REQUIRED and b"\0" not in start


FORMAT = Format(
    title="CSV: a line an object",
    options=Options,
    write=write,
    read=read,
    prepare=one_by_one(_prepared),
    images=True,
    starts=_starts,
    ending=".csv",
    says="everything: boxes, polygons, lines, points, masks, cuboids, relationships, answers, scores, splits",
)
