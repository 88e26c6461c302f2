"""Pictures of classes and objects with their legend, as `masks` writes them: what stands there, and read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

from annotary.errors import Invalid
from annotary.formats import Options, Reading, Source
from annotary.formats import _label_png as pictures
from annotary.formats._json import Document, Member, documents, problem_of
from annotary.formats._label_png import Labels
from annotary.formats._png import MAX_PIXELS
from annotary.model.corpus import Problem
from annotary.model.image import MASK, NOTHING, Classes, Image, Mark

LEGEND, OBJECTS = "legend.json", "objects.jsonl"


class ClassLine(msgspec.Struct, omit_defaults=True):
    """A class: its value in the pictures, and all else that is known of it."""

    value: int
    name: str
    index: int = -1
    color: str = ""
    category: dict[str, Any] = {}


class Legend(msgspec.Struct, omit_defaults=True):
    """The file `legend.json`."""

    masks: str
    classes: list[ClassLine]
    carried: dict[str, Any] = {}


class ObjectLine(msgspec.Struct, omit_defaults=True):
    """An object: its number in the picture of objects, its value in that of classes."""

    number: int
    value: int
    name: str
    id: str = ""
    confidence: float | None = None
    coco: Raw = NOTHING


class ImageLine(msgspec.Struct, omit_defaults=True):
    """A line of `objects.jsonl`."""

    image: str
    width: int = 0
    height: int = 0
    split: str = ""
    key: str = ""
    address: str = ""
    picture: str = ""
    class_picture: str = ""
    object_picture: str = ""
    coco: Raw = NOTHING
    objects: list[ObjectLine] = []


_legend_decoder = msgspec.json.Decoder(Legend)
_line_decoder = msgspec.json.Decoder(ImageLine)


def read(source: Source, options: Options, reading: Reading) -> Iterator[Image]:
    """Images whose marks are masks."""
    del options
    legend = _legend(source, reading.classes)
    reading.carried.update(legend.carried)
    names = {one.value: one.name for one in legend.classes}
    for document in documents(Member(source, OBJECTS)):  # type: ignore[arg-type]
        place = f"{OBJECTS}, {document.place}"
        try:
            line = _line_decoder.decode(document.data)
        except msgspec.DecodeError as error:
            reading.report(problem_of(error, Document(document.data, place)))
            continue
        try:
            yield _image(source, line, names, reading, place)
        except ValueError as error:
            value = line.object_picture or line.image
            reading.report(Problem(place=place, value=value, reason=str(error)))


def _legend(source: Source, classes: Classes) -> Legend:
    data = source.neighbour(LEGEND)
    if data is None:
        raise Invalid(f"{source.name} has no {LEGEND}")
    try:
        found = _legend_decoder.decode(data)
    except msgspec.DecodeError as error:
        raise Invalid(f"{source.name}, {LEGEND}: {error}") from None
    for one in sorted(found.classes, key=lambda one: one.value):
        classes.add(one.name, one.index if one.index >= 0 else None, color=one.color, category=one.category)
    return found


def _image(source: Source, line: ImageLine, names: dict[int, str], reading: Reading, place: str) -> Image:
    image = Image(
        external_id=line.image,
        global_key=line.key,
        row_data=line.address or line.image,
        width=line.width,
        height=line.height,
        split=line.split,
        coco=line.coco,
        place=place,
    )
    image.local = source.located(line.picture) if line.picture else ""
    if not line.objects:
        return image
    png = source.neighbour(line.object_picture)
    if png is None:
        raise ValueError("this picture of objects is not there")
    numbers = pictures.decode_labels(png, max_pixels=MAX_PIXELS).labels
    if numbers.shape != (line.height, line.width):
        height, width = numbers.shape
        raise ValueError(
            f"a picture of {width} x {height} pixels of an image of {line.width} x {line.height}"
        )
    image.marks = list(_marks(line, numbers, names, reading))
    return image


def _marks(line: ImageLine, numbers: Labels, names: dict[int, str], reading: Reading) -> Iterator[Mark]:
    found = pictures.masks_of(numbers)
    for one in line.objects:
        if one.number not in found:
            reading.ledger.refused("mask", "no pixel has its number", one.id or f"{line.image} {one.number}")
            continue
        yield Mark(
            kind=MASK,
            name=one.name or names.get(one.value, str(one.value)),
            feature_id=one.id,
            confidence=one.confidence,
            coco=one.coco,
            rle=found[one.number],
        )


def claims(source: Source) -> bool:
    data = source.neighbour(LEGEND)
    try:
        return data is not None and bool(_legend_decoder.decode(data).masks)
    except msgspec.DecodeError:
        return False
