"""YOLO detection: data.yaml, images/ and labels/ by split, a line a box."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from annotary.formats import Format, Part, TrainingOptions
from annotary.formats import _marks as marks
from annotary.formats._losses import drop, mark_id, no_answers
from annotary.formats._names import Names
from annotary.formats._yolo_files import Index, data_yaml, folder
from annotary.formats._yolo_files import read_boxes as read
from annotary.model.image import BOX, CUBOID, MASK, POLYGON, TRAIN, Image, ImageSet, Mark

_ROUND = 1e-3
"""So many pixels beyond the border are a matter of rounding, not of the annotation."""
_WORDS = {
    POLYGON: "a polygon became the box around it",
    MASK: "a mask became the box around it",
    CUBOID: "a cuboid became the box around it",
}


class Options(TrainingOptions, frozen=True):
    """What a YOLO data set has beside the rest."""

    confidence: Annotated[bool, Meta(description="write a prediction's confidence as a sixth number")] = True

    def one_file(self) -> bool:
        """Always a folder."""
        return False


def write(found: ImageSet, options: Options) -> Iterator[Part]:
    """A label file for each image, its picture where there is one, then the index of images and data.yaml."""
    names = Names(found.ledger)
    index = Index()
    for image in found.images():
        split = image.split or TRAIN
        stem = names.path(image.name, image.id, ending="")
        picture = index.add(image, split, stem)
        yield Part(f"labels/{split}/{stem}.txt", _lines(found, image, options.confidence))
        yield from found.picture(image, picture)
    yield from index.parts()
    yield data_yaml(found.classes, index.splits)


def _lines(found: ImageSet, image: Image, confidence: bool) -> bytes:
    lines: list[str] = []
    written: list[Mark] = []
    ledger, classes = found.ledger, found.classes
    if image.marks and not (image.width and image.height):
        for mark in image.marks:
            drop(ledger, image, mark, "the image's size is not known")
        no_answers(ledger, image, [], "YOLO")
        return b""
    for mark in image.marks:
        try:
            numbers = _numbers(found, image, mark)
        except ValueError as error:
            drop(ledger, image, mark, str(error))
            continue
        line = "%d %.8f %.8f %.8f %.8f" % (classes.index(mark.name), *numbers)  # noqa: UP031 -- fastest
        if confidence and mark.confidence is not None:
            line += f" {mark.confidence:.8g}"
        elif mark.confidence is not None:
            ledger.changed("repaired", mark.word, "its confidence is left out", mark_id(image, mark))
        lines.append(line)
        written.append(mark)
        ledger.wrote(mark.word)
    no_answers(ledger, image, written, "YOLO")
    return ("\n".join(lines) + "\n").encode() if lines else b""


def _numbers(found: ImageSet, image: Image, mark: Mark) -> tuple[float, float, float, float]:
    """Centre and size of the box around a mark, as shares of the image; raises ValueError."""
    kind = mark.kind
    if kind not in _WORDS and kind != BOX:
        raise ValueError(f"YOLO detection has no {mark.word}")
    left, top, right, bottom = marks.corners(mark, image, found.pixels)
    width, height = image.width, image.height
    if kind != BOX:
        around = (right - left) * (bottom - top)
        # What fills a shape is inside its box: shared area over the area of both is the share it fills.
        iou = marks.area(mark, image, found.pixels) / around if around and kind != CUBOID else None
        found.ledger.approximated(mark.word, _WORDS[kind], mark_id(image, mark), iou)
    if left < -_ROUND or top < -_ROUND or right > width + _ROUND or bottom > height + _ROUND:
        if left > width or top > height or right < 0 or bottom < 0:
            raise ValueError("it lies outside its image")
        left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
        found.ledger.changed("clipped", mark.word, "it reaches beyond its image", mark_id(image, mark))
    return (
        (left + right) / 2 / width,
        (top + bottom) / 2 / height,
        (right - left) / width,
        (bottom - top) / height,
    )


FORMAT = Format(
    title="YOLO detection",
    options=Options,
    write=write,
    read=read,
    images=True,
    folder=folder,
    says="boxes, scores; whatever else has an extent as the box around it",
)
