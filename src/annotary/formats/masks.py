"""Masks as pictures: one of classes and one of objects an image, and a legend of what the numbers mean.

    legend.json          classes with value, index, name and colour; legend.csv is the same as a table
    objects.jsonl        a line an image: its files, its size, and its objects in the order they were painted
    classes/NAME.png     a pixel is its class's value, 0 is background; 8 bits with a palette, or 16 bits grey
    objects/NAME.png     a pixel is its object's number in that line, from 1; 8 or 16 bits likewise
    images/NAME          the image's own file

With splits the pictures are below `train/`, `val/` and `test/`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta, Raw

from annotary.errors import Invalid
from annotary.formats import Format, Part, TrainingOptions
from annotary.formats import _geometry as geometry
from annotary.formats import _label_png as pictures
from annotary.formats import _marks as marks
from annotary.formats._bodies import one_by_one, with_bodies
from annotary.formats._disk import Later
from annotary.formats._label_png import Labels, Palette
from annotary.formats._losses import drop, mark_id, no_answers
from annotary.formats._masks_read import (
    LEGEND,
    OBJECTS,
    ClassLine,
    ImageLine,
    Legend,
    ObjectLine,
    claims,
    read,
)
from annotary.formats._names import Names
from annotary.formats._png import MAX_PIXELS
from annotary.formats._rle import Rle
from annotary.formats._stored import DIGEST, GEOMETRY
from annotary.model.image import (
    BOX,
    CUBOID,
    MASK,
    NOTHING,
    POINT,
    POLYGON,
    WORDS,
    Image,
    ImageSet,
    Mark,
)

_COLOUR = re.compile(r"#([0-9a-fA-F]{6})")
_MOST = (1 << 16) - 1
# What the pictures say in place of the COCO annotation that a mark came from.
_REPLACED = ("image_id", "category_id", *GEOMETRY, DIGEST)
_members = msgspec.json.Decoder(dict[str, Raw]).decode


class Options(TrainingOptions, frozen=True):
    """What a user may choose."""

    first_value: Annotated[
        int, Meta(ge=1, le=255, description="the value of class 0 in the pictures; 0 is the background")
    ] = 1
    fill: Annotated[
        bool, Meta(description="boxes and cuboids are painted too, filled; else they are left out")
    ] = False
    line_width: Annotated[
        float, Meta(ge=0, description="lines and points are painted so many pixels wide; 0 leaves them out")
    ] = 0

    order: Annotated[
        Literal["drawn", "size"],
        Meta(description="what lies on top: what was drawn last, or the smaller of two"),
    ] = "drawn"

    def one_file(self) -> bool:
        """Pictures are files of their own."""
        return False


def write(found: ImageSet, options: Options) -> Iterator[Part]:
    """The pictures of each image, then the list of objects and the legend."""
    bodies = _Bodies(found, options)
    names = Names(found.ledger)
    lines = Later()
    for image, body in with_bodies(found, bodies.of):
        yield from _files(found, image, body, names, lines)
    yield Part(OBJECTS, b"")
    for chunk in lines.chunks():
        yield Part(OBJECTS, chunk)
    classes = bodies.legend()
    legend = Legend("annotary", classes, found.carried)
    text = msgspec.json.format(msgspec.json.encode(legend), indent=2)
    yield Part(LEGEND, text + b"\n")
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["value", "index", "name", "color"])
    rows.writerows([one.value, one.index, one.name, one.color] for one in classes)
    yield Part("legend.csv", table.getvalue().encode())


class _Body(NamedTuple):
    """The pictures of an image's classes and objects, if it has any, and its objects as JSON."""

    pictures: tuple[bytes, bytes] | None
    objects: bytes


def _files(found: ImageSet, image: Image, body: _Body, names: Names, lines: Later) -> Iterator[Part]:
    """One image's parts; its line is put by."""
    folder = f"{image.split}/" if image.split else ""
    path = names.path(image.name, image.id, ending=".png")
    line = ImageLine(image=image.name, width=image.width, height=image.height, split=image.split)
    line.key, line.coco = image.global_key, image.coco
    line.address = image.row_data if image.row_data != image.name else ""
    if body.pictures is not None:
        line.class_picture, line.object_picture = f"{folder}classes/{path}", f"{folder}objects/{path}"
        yield Part(line.class_picture, body.pictures[0])
        yield Part(line.object_picture, body.pictures[1])
    line.picture = f"{folder}images/{path.removesuffix('.png')}{_ending(image.name)}"
    text = msgspec.json.encode(line)
    if body.objects != b"[]":
        # The last member, and left out where it is empty like all others.
        text = text[:-1] + b',"objects":' + body.objects + b"}"
    lines.add(text + b"\n")
    yield from found.picture(image, line.picture)


def _prepared(found: ImageSet, options: Options) -> Callable[[Image], _Body]:
    return _Bodies(found, options).of


class _Bodies:
    """What is written of an image without knowing any other but for the classes."""

    def __init__(self, found: ImageSet, options: Options) -> None:
        self.found = found
        self.options = options
        self.ledger = found.ledger
        self.palettes: dict[int, Palette] = {}

    def legend(self) -> list[ClassLine]:
        """The classes with their values and colours."""
        palette = self._palette()
        return [
            ClassLine(self._value(one.name), one.name, one.index, "#" + bytes(colour).hex(), one.category)
            for one in self.found.classes
            for colour in [palette[self._value(one.name) % 256]]
        ]

    def of(self, image: Image) -> _Body:
        """The body of an image."""
        kept = self._kept(image)
        written: list[Mark] = []
        objects: list[ObjectLine] = []
        pair = None
        if 0 < image.width * image.height <= MAX_PIXELS:
            painted = pictures.paint((one for _, one in kept), image.height, image.width)
            values, numbers = [], []
            for (mark, _), area, hidden in zip(kept, painted.areas, painted.hidden, strict=True):
                values.append(self._value(mark.name))
                if self._came_out(image, mark, area, hidden):
                    written.append(mark)
                    objects.append(_object(len(written), values[-1], mark))
                # What is hidden has no pixel, and no number: the numbers of the others follow each other.
                numbers.append(len(written))
            pair = (
                self._picture(painted.labels(values), self._palette()),
                self._picture(painted.labels(numbers), pictures.voc_palette()),
            )
        no_answers(self.ledger, image, written, "a mask")
        return _Body(pair, msgspec.json.encode(objects))

    def _kept(self, image: Image) -> list[tuple[Mark, Rle]]:
        """The marks that can be painted, with their pixels."""
        kept: list[tuple[Mark, Rle]] = []
        for mark in image.marks:
            try:
                if len(kept) == _MOST:
                    raise ValueError(f"a picture has numbers for {_MOST:,} objects")
                kept.append((mark, self._pixels(mark, image)))
            except ValueError as error:
                drop(self.ledger, image, mark, str(error))
        if self.options.order == "size":
            kept.sort(key=lambda one: -one[1].area())
        return kept

    def _pixels(self, mark: Mark, image: Image) -> Rle:
        """A mark's pixels; ValueError says why it has none."""
        if not image.width or not image.height:
            raise ValueError("the image's size is not known")
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"the image has more than {MAX_PIXELS:,} pixels")
        if mark.kind not in (MASK, POLYGON):
            if mark.kind in (BOX, CUBOID) and not self.options.fill:
                raise ValueError("it has no pixels of its own; fill paints it")
            if mark.kind not in (BOX, CUBOID):
                return self._stroke(mark, image)
        found = marks.run_lengths(mark, image, self.found.pixels)
        if (found.height, found.width) != (image.height, image.width):
            raise ValueError("the mask is not of its image's size")
        if not found.area():
            raise ValueError("it covers no pixel")
        return found

    def _stroke(self, mark: Mark, image: Image) -> Rle:
        if WORDS.get(mark.kind) not in ("polyline", WORDS[POINT]):
            raise ValueError("masks have no relationships")
        if not self.options.line_width:
            raise ValueError("it has no pixels of its own; a line width paints it")
        points = geometry.flat_ring(marks.rings(mark)[0])
        return geometry.fill_line(points, max(1, self.options.line_width), image.height, image.width)

    def _came_out(self, image: Image, mark: Mark, area: int, hidden: int) -> bool:
        """Whether anything of it is to be seen; enters into the ledger what is not."""
        if area == hidden:
            drop(self.ledger, image, mark, "other objects cover all of it")
            return False
        id = mark_id(image, mark)
        if hidden:
            share = (area - hidden) / area
            self.ledger.approximated(mark.word, "other objects cover a part of it", id, share)
        elif mark.kind != MASK:
            self.ledger.approximated(mark.word, "painted in whole pixels", id)
        self.ledger.wrote(mark.word)
        return True

    def _value(self, name: str) -> int:
        value = self.found.classes.index(name) + self.options.first_value
        if not 0 < value <= _MOST:
            raise Invalid(f"class {name!r} would have the value {value}; values are from 1 to {_MOST}")
        return value

    def _palette(self) -> Palette:
        """Pascal VOC's colours, and where the ontology has one its own."""
        count = len(self.found.classes)
        if count not in self.palettes:
            palette = pictures.voc_palette()
            for one in self.found.classes:
                colour = _COLOUR.fullmatch(one.color)
                if colour and self._value(one.name) < 256:
                    palette[self._value(one.name)] = list(bytes.fromhex(colour[1]))
            self.palettes = {count: palette}
        return self.palettes[count]

    def _picture(self, labels: Labels, palette: Palette) -> bytes:
        if int(labels.max()) < 256:
            return pictures.encode_palette(labels, palette)
        return pictures.encode_grey(labels, depth=16)


def _object(number: int, value: int, mark: Mark) -> ObjectLine:
    said = {}
    if mark.coco:
        said = {key: one for key, one in _members(mark.coco).items() if key not in _REPLACED}
    coco = Raw(msgspec.json.encode(said)) if said else NOTHING
    return ObjectLine(number, value, mark.name, mark.feature_id, mark.confidence, coco)


def _ending(name: str) -> str:
    """The image's own ending, if it has one."""
    found = re.search(r"\.[A-Za-z0-9]{1,5}$", name)
    return found[0] if found else ""


FORMAT = Format(
    title="Masks: pictures of classes and objects, with a legend",
    options=Options,
    write=write,
    read=read,
    prepare=one_by_one(_prepared),
    images=True,
    folder=claims,
    says="masks and polygons in whole pixels, boxes and lines on request; what lies on top hides the rest",
)
