"""YOLO oriented boxes: data.yaml, images/ and labels/ by split, a line the four corners of a rectangle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from msgspec import Meta

from annotary.formats import Format, Part, Reading, Source, TrainingOptions
from annotary.formats import _geometry as geometry
from annotary.formats import _marks as marks
from annotary.formats._geometry import Ring
from annotary.formats._losses import mark_id
from annotary.formats._yolo_files import OBB, task_of
from annotary.formats._yolo_lines import ROUND, Lines, box, outline, prepared, read_set, shares, write_set
from annotary.model.geometry import Box
from annotary.model.image import BOX, CUBOID, MASK, POLYGON, Image, ImageSet, Mark

_GOOD = 0.99
"""Four corners that share as much with the rectangle around them are one, but for rounding."""
_WORDS = {
    POLYGON: "a polygon became the smallest rectangle around it",
    MASK: "a mask became the smallest rectangle around it",
    CUBOID: "a cuboid became the smallest rectangle around its corners",
}


class Options(TrainingOptions, frozen=True):
    """What a YOLO data set has beside the rest."""

    confidence: Annotated[bool, Meta(description="write a prediction's confidence as the last number")] = True

    def one_file(self) -> bool:
        """Always a folder."""
        return False


def write(found: ImageSet, options: Options) -> Iterator[Part]:
    """Label files, pictures, the index of images and data.yaml."""
    return write_set(found, _lines(options))


def _lines(options: Options) -> Lines:
    return Lines(_numbers, OBB, "YOLO oriented boxes", options.confidence)


def read(source: Source, options: Options, reading: Reading) -> Iterator[Image]:
    """Images with upright boxes, and polygons of four corners."""
    del options
    return read_set(source, reading, _rectangle)


def _rectangle(found: list[float], image: Image) -> Mark:
    """An upright box if it begins top left and goes round clockwise, as boxes are written; else a polygon."""
    if len(found) < 6:
        return box(found, image)
    if len(found) not in (8, 9):
        raise ValueError("neither four corners nor a box: other outlines are read by yolo-seg")
    mark = outline(found, image)
    left, top, right, top_too, right_too, bottom, left_too, bottom_too = found[:8]
    straight = (left, top, right, bottom) == (left_too, top_too, right_too, bottom_too)
    if not straight or right < left or bottom < top:
        return mark
    width, height = image.width, image.height
    mark.kind, mark.ring = BOX, None
    mark.bounding_box = Box(
        left=left * width, top=top * height, width=(right - left) * width, height=(bottom - top) * height
    )
    return mark


def _numbers(found: ImageSet, image: Image, mark: Mark) -> list[float]:
    """The corners of the rectangle around a mark as shares of the image; raises ValueError."""
    if mark.kind != BOX and mark.kind not in _WORDS:
        raise ValueError(f"YOLO oriented boxes have no {mark.word}")
    ring, area = _points(found, image, mark)
    if not len(ring):
        raise ValueError("a mask without a pixel" if mark.kind == MASK else "an outline without points")
    if mark.kind != BOX:
        around = geometry.rotated_rectangle(ring)
        outer = geometry.ring_area(around)
        # What fills a shape is inside its rectangle: the share it fills is the IoU.
        share = min(area / outer, 1.0) if outer else None
        reason = _WORDS[mark.kind]
        if mark.kind == POLYGON and len(ring) == 4:
            # Programs lay the rectangle around four corners themselves; as they stand nothing is lost.
            around, reason = (
                ring,
                "four corners that are no rectangle: programs take the smallest around them",
            )
        if around is not ring or share is None or share < _GOOD:
            found.ledger.approximated(mark.word, reason, mark_id(image, mark), share)
        ring = around
    return shares(_inside(found, image, mark, ring), image)


def _points(found: ImageSet, image: Image, mark: Mark) -> tuple[Ring, float]:
    """Points that the rectangle is laid around, and the area of what they belong to."""
    if mark.kind != MASK:
        ring = geometry.flat_ring(marks.rings(mark)[0])
        return ring, geometry.ring_area(ring)
    parts = marks.outline(mark, image, found.pixels).parts
    return np.concatenate([np.zeros((0, 2)), *parts]), marks.area(mark, image, found.pixels)


def _inside(found: ImageSet, image: Image, mark: Mark, ring: Ring) -> Ring:
    """The corners, those beyond the image on its border: programs refuse a whole file for one of them."""
    border = (image.width, image.height)
    if (ring >= -ROUND).all() and (ring <= np.add(border, ROUND)).all():
        return ring
    low, high = ring.min(axis=0), ring.max(axis=0)
    if (high < 0).any() or (low > border).any():
        raise ValueError("it lies outside its image")
    found.ledger.changed("clipped", mark.word, "it reaches beyond its image", mark_id(image, mark))
    moved: Ring = np.clip(ring, 0, border)
    return moved


def _is_oriented(source: Source) -> bool:
    return task_of(source) == OBB


FORMAT = Format(
    title="YOLO oriented boxes",
    options=Options,
    write=write,
    read=read,
    prepare=prepared(_lines),
    images=True,
    folder=_is_oriented,
    says="boxes and rotated rectangles exactly, scores; whatever else as the smallest rectangle around it",
)
