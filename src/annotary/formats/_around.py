"""The box around whatever has an extent, for formats that have boxes only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, compress, repeat
from typing import NamedTuple

import numpy as np

from annotary.formats import _columns as columns
from annotary.formats import _marks as marks
from annotary.formats._bodies import batches
from annotary.formats._columns import Column, Rings
from annotary.formats._losses import mark_id
from annotary.formats._marks import Corners
from annotary.model.image import (
    BOX,
    CUBOID,
    MASK,
    NO_ANSWERS,
    POINT_START,
    POLYGON,
    WORDS,
    Image,
    ImageSet,
    Mark,
)
from annotary.model.ledger import Ledger
from annotary.model.sheet import Drawn

_REASONS = {
    POLYGON: "a polygon became the box around it",
    MASK: "a mask became the box around it",
    CUBOID: "a cuboid became the box around it",
}


def around(found: ImageSet, image: Image, mark: Mark, format: str) -> Corners:
    """Left, top, right, bottom around anything but a box, and in the ledger what share of it is filled.

    Raises ValueError for what has no extent.
    """
    kind = mark.kind
    if kind not in _REASONS:
        raise ValueError(f"{format} has no {mark.word}")
    if mark.extent is not None:
        left, top, right, bottom, filled = mark.extent
    elif kind == POLYGON:
        numbers = mark.flat()
        if not numbers:
            raise ValueError("a polygon without a point")
        xs, ys = numbers[::2], numbers[1::2]
        left, top, right, bottom = min(xs), min(ys), max(xs), max(ys)
        filled = marks.area_of(xs, ys)
    else:
        left, top, right, bottom = marks.corners(mark, image, found.pixels)
        filled = marks.area(mark, image, found.pixels) if kind != CUBOID else 0.0
    whole = (right - left) * (bottom - top)
    # What fills a shape is inside its box: shared area over the area of both is the share it fills.
    iou = filled / whole if whole and kind != CUBOID else None
    found.ledger.approximated(WORDS[kind], _REASONS[kind], mark_id(image, mark), iou)
    return left, top, right, bottom


def together(found: Iterable[Image]) -> Iterator[list[Image]]:
    """Images of a file some at a time, and their polygons measured."""
    return map(measured, batches(found))


def measured(some: list[Image]) -> list[Image]:
    """Images whose polygons are measured together, where they stand as in a file."""
    drawn = [mark for image in some for mark in image.marks if mark.kind == POLYGON and mark.ring is None]
    texts = [bytes(mark.polygon) for mark in drawn]
    # Points as the store has them come in sheets.
    usual = drawn and not any([text.startswith(POINT_START) for text in texts])
    made = columns.rings(texts, again=False) if usual else None
    if made is not None:
        for mark, *extent in zip(drawn, *made.bounds.tolist(), made.areas.tolist(), strict=True):
            mark.extent = tuple(extent)
    return some


class Extents(NamedTuple):
    """The boxes around all marks of some images, in order: `ends` is where each image's begin, and all end.

    `boxes` are left, top, width, height of those that are boxes, 4 x n; `corners` left, top, right, bottom
    of all; `filled` is how much of each of the others is the mark.
    """

    images: list[Image]
    marks: list[Mark]
    is_box: Column
    ends: Column
    boxes: Column
    corners: Column
    filled: Column

    def of(self, kind: str) -> Column:
        """Which marks are of a kind."""
        return np.array([mark.kind == kind for mark in self.marks], np.bool_)

    def ids(self, chosen: Column) -> Iterator[str]:
        """What the ledger calls some of them."""
        counts = np.diff(self.ends).tolist()
        images = chain.from_iterable(map(repeat, self.images, counts))
        pairs = compress(zip(images, self.marks, strict=True), chosen.tolist())
        return (mark_id(image, mark) for image, mark in pairs)

    def tell(self, ledger: Ledger) -> None:
        """Enter what `around` enters of each, and that they came out."""
        kinds = [mark.kind for mark in self.marks]
        left, top, right, bottom = self.corners[:, ~self.is_box]
        others = [kind for kind in kinds if kind != BOX]
        ious = _shares(right - left, bottom - top, self.filled)
        for kind in dict.fromkeys(kinds):
            ledger.wrote(WORDS[kind], kinds.count(kind))
            if kind != BOX:
                found = [iou for iou, one in zip(ious, others, strict=True) if one == kind]
                ledger.approximated_all(WORDS[kind], _REASONS[kind], self.ids(self.of(kind)), found)


def extents(images: list[Image]) -> Extents | None:
    """The boxes around the marks of images; None where one has none yet, or anything is answered."""
    marks = [mark for image in images for mark in image.marks]
    is_box = np.array([mark.kind == BOX for mark in marks], np.bool_)
    places = [mark.bounding_box for mark in marks if mark.kind == BOX]
    others = [mark.extent for mark in marks if mark.kind != BOX]
    if (
        None in places
        or None in others
        or any([mark.classifications not in NO_ANSWERS for mark in marks])
        or any([image.answers for image in images])
    ):
        return None
    boxes = np.array([(one.left, one.top, one.width, one.height) for one in places if one], np.float64)
    boxes = boxes.reshape(-1, 4).T
    around = np.array(others, np.float64).reshape(-1, 5).T
    corners = np.empty((4, len(marks)))
    # Coordinates may be as large as numbers are; so is what follows from them then.
    with np.errstate(all="ignore"):
        corners[:, is_box] = np.concatenate((boxes[:2], boxes[:2] + boxes[2:]))
    corners[:, ~is_box] = around[:4]
    ends = np.cumsum([0, *[len(image.marks) for image in images]])
    return Extents(images, marks, is_box, ends, boxes, corners, around[4])


def _shares(widths: Column, heights: Column, areas: Column) -> list[float | None]:
    """What share of its box each fills; None of a box without an area."""
    with np.errstate(all="ignore"):
        whole = widths * heights
        shares = (areas / whole).tolist()
    return [share if area else None for share, area in zip(shares, whole.tolist(), strict=True)]


def filled_boxes(ledger: Ledger, polygons: list[Drawn], rings: Rings) -> None:
    """Enter polygons as the boxes around them, as `around` does."""
    left, top, right, bottom = rings.bounds
    ious = _shares(right - left, bottom - top, rings.areas)
    ids = (one.feature_id for one in polygons)
    ledger.approximated_all(WORDS[POLYGON], _REASONS[POLYGON], ids, ious)
