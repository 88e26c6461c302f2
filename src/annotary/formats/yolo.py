"""YOLO detection: data.yaml, images/ and labels/ by split, a line a box."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

from msgspec import Meta

from annotary.formats import Format, Part, Reading, Source, TrainingOptions
from annotary.formats._around import around
from annotary.formats._losses import mark_id
from annotary.formats._yolo_boxes import lines, lines_of
from annotary.formats._yolo_files import DETECT, task_of
from annotary.formats._yolo_lines import (
    DETECTION,
    OUTLINES,
    OUTSIDE,
    REACHES,
    ROUND,
    Lines,
    box,
    read_set,
    write_set,
)
from annotary.model.image import Image, ImageSet, Mark
from annotary.model.sheet import Sheet

_TITLE = "YOLO"


class Options(TrainingOptions, frozen=True):
    """What a YOLO data set has beside the rest."""

    confidence: Annotated[bool, Meta(description="write a prediction's confidence as a sixth number")] = True

    def one_file(self) -> bool:
        """Always a folder."""
        return False

    def sheets(self) -> bool:
        """Always."""
        return True


def write(found: ImageSet, options: Options) -> Iterator[Part]:
    """Label files, pictures, the index of images and data.yaml."""
    return write_set(found, _lines(options))


def _lines(options: Options) -> Lines:
    return Lines(_numbers, DETECT, _TITLE, options.confidence, _together)


def _together(found: ImageSet, some: Sheet | list[Image]) -> list[bytes] | None:
    return lines(found, some, _TITLE) if isinstance(some, Sheet) else lines_of(found, some)


def _prepared(found: ImageSet, options: Options) -> Callable[[Sheet | list[Image]], list[bytes] | None]:
    text_of = _lines(options).of(found)

    def made(some: Sheet | list[Image]) -> list[bytes] | None:
        texts = _together(found, some)
        return texts if texts is not None or isinstance(some, Sheet) else [text_of(one) for one in some]

    return made


def read(source: Source, options: Options, reading: Reading) -> Iterator[Image]:
    """Images with the boxes of their label files."""
    del options
    return read_set(source, reading, _box)


def _box(found: list[float], image: Image) -> Mark:
    if len(found) > 5:
        raise ValueError(OUTLINES)
    return box(found, image)


def _is_detection(source: Source) -> bool:
    return task_of(source) == DETECT


def _numbers(found: ImageSet, image: Image, mark: Mark) -> tuple[float, float, float, float]:
    """Centre and size of the box around a mark, as shares of the image; raises ValueError."""
    width, height = image.width, image.height
    box = mark.bounding_box
    if box is not None:
        left, top = box.left, box.top
        right, bottom = left + box.width, top + box.height
    else:
        left, top, right, bottom = around(found, image, mark, DETECTION)
    if left < -ROUND or top < -ROUND or right > width + ROUND or bottom > height + ROUND:
        if left > width or top > height or right < 0 or bottom < 0:
            raise ValueError(OUTSIDE)
        left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
        found.ledger.changed("clipped", mark.word, REACHES, mark_id(image, mark))
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
    prepare=_prepared,
    images=True,
    folder=_is_detection,
    says="boxes, scores; whatever else has an extent as the box around it",
)
