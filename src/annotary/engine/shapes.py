"""A row's objects as they are compared: boxes, pixels, and how much two of them share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import _mask as coco  # type: ignore[import-untyped]

from annotary.formats import _marks as marks
from annotary.formats._marks import Corners, Pixels
from annotary.model.image import BOX, CUBOID, MASK, POLYGON, Image, Mark

COMPARED = (BOX, POLYGON, MASK, CUBOID)
"""The kinds that have an area; of a cuboid the box around it is compared."""
Overlaps = NDArray[np.float64]


class Shape:
    """One object of a row with the box around it; `pixels()` gives pycocotools' run-lengths."""

    __slots__ = ("box", "crowd", "image", "mark")

    def __init__(self, mark: Mark, image: Image, box: Corners, crowd: bool = False) -> None:
        self.mark = mark
        self.image = image
        self.box = box
        self.crowd = crowd

    @property
    def area(self) -> float:
        """The area of the box around it."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)

    @property
    def extent(self) -> list[float]:
        """The box as COCO has it: left, top, width, height."""
        left, top, right, bottom = self.box
        return [left, top, right - left, bottom - top]

    def pixels(self, source: Pixels) -> dict[str, Any]:
        """Its pixels as pycocotools holds them; raises ValueError."""
        found = marks.run_lengths(self.mark, self.image, source)
        return {"size": [found.height, found.width], "counts": found.counts}


def shapes(image: Image, pixels: Pixels) -> tuple[list[Shape], list[Mark]]:
    """The objects that can be compared, and those that cannot: no area, broken, or pixels elsewhere."""
    found: list[Shape] = []
    rest: list[Mark] = []
    for mark in image.marks:
        if mark.kind not in COMPARED:
            rest.append(mark)
            continue
        try:
            box = marks.corners(mark, image, pixels)
        except (ValueError, LookupError):
            rest.append(mark)
            continue
        crowd = bool(mark.coco) and bool(marks.carried(mark).get("iscrowd"))
        found.append(Shape(mark, image, box, crowd))
    return found, rest


def overlaps(some: Sequence[Shape], others: Sequence[Shape], crowds: Sequence[bool] = ()) -> Overlaps:
    """The IoU of the boxes around each of some with each of others, as pycocotools computes it.

    With one of the others that is a crowd it is the share of the first that lies in it.
    """
    if not some or not others:
        return np.zeros((len(some), len(others)))
    # Objects without area share none with anything, and equal boxes divide nothing by nothing.
    with np.errstate(invalid="ignore"):
        found = coco.iou(
            np.array([one.extent for one in some], np.double),
            np.array([one.extent for one in others], np.double),
            [int(one) for one in crowds] or [0] * len(others),
        )
    return np.nan_to_num(np.asarray(found, np.float64).reshape(len(some), len(others)))
