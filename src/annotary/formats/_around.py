"""The box around whatever has an extent, for formats that have boxes only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from annotary.formats import _columns as columns
from annotary.formats import _marks as marks
from annotary.formats._columns import Polygons
from annotary.formats._losses import mark_id
from annotary.formats._marks import Corners
from annotary.model.image import CUBOID, MASK, POINT_START, POLYGON, WORDS, Image, ImageSet, Mark
from annotary.model.ledger import Ledger

_REASONS = {
    POLYGON: "a polygon became the box around it",
    MASK: "a mask became the box around it",
    CUBOID: "a cuboid became the box around it",
}

_AHEAD = 64
"""So many images of a file are read before the first of them is written."""


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


def measured(found: Iterable[Image]) -> Iterator[Image]:
    """Images of a file, whose polygons are measured many at a time."""
    images = iter(found)
    while some := list(islice(images, _AHEAD)):
        drawn = [mark for image in some for mark in image.marks if mark.kind == POLYGON and mark.ring is None]
        texts = [bytes(mark.polygon) for mark in drawn]
        # Points as the store has them come in sheets.
        usual = drawn and not any([text.startswith(POINT_START) for text in texts])
        made = columns.rings(texts, again=False) if usual else None
        if made is not None:
            bounds, areas, *_ = made
            for mark, *extent in zip(drawn, *bounds.tolist(), areas.tolist(), strict=True):
                mark.extent = tuple(extent)
        yield from some


def filled_boxes(ledger: Ledger, polygons: Polygons) -> None:
    """Enter polygons as the boxes around them, as `around` does."""
    left, top, right, bottom = polygons.bounds
    with np.errstate(all="ignore"):
        whole = (right - left) * (bottom - top)
        shares = (polygons.areas / whole).tolist()
    ious = [share if area else None for share, area in zip(shares, whole.tolist(), strict=True)]
    ids = (one.feature_id for one in polygons.marks)
    ledger.approximated_all(WORDS[POLYGON], _REASONS[POLYGON], ids, ious)
