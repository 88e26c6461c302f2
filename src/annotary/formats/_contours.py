"""Outlines of masks: exact rings along the edges of pixels, and simpler ones.

Corners lie on whole coordinates, where pixels meet. Pixels that touch only in a corner are not joined
inside and are joined outside, so rings never cross; a ring may pass a corner twice. Filled even-odd, or by
pycocotools part by part less the holes, the rings give the mask back, pixel for pixel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from annotary.formats import _geometry as geometry
from annotary.formats import _rle as rle
from annotary.formats._geometry import Ring
from annotary.formats._png import Mask, check_mask

Ints = NDArray[np.int64]

# Bounds time and memory: 4 million corners take some 2 seconds and half a gigabyte.
_CORNERS = 4_000_000


class Region(NamedTuple):
    """A connected piece of a mask: its outer ring and the rings of its holes."""

    outer: Ring
    holes: tuple[Ring, ...] = ()

    def rings(self) -> tuple[Ring, ...]:
        """The outer ring, then the holes."""
        return (self.outer, *self.holes)

    def area(self) -> float:
        """The outer ring's area less the holes'."""
        return geometry.parts_area([self.outer], self.holes)


class Simplified(NamedTuple):
    """Regions with fewer corners, and how well they cover the mask, 0 to 1."""

    regions: tuple[Region, ...]
    iou: float


def trace(mask: Mask) -> tuple[Region, ...]:
    """The mask's pieces from top to bottom, exact; outer rings clockwise on the screen, holes the other way.

    ValueError for a mask of more than 4 million corners: noise, not a shape.
    """
    check_mask(mask)
    box = geometry.mask_box(mask)
    if box is None:
        return ()
    left, top = int(box.left), int(box.top)
    padded = np.pad(mask[top : top + int(box.height), left : left + int(box.width)], 1)
    grid = _corners(padded)
    rings, owner = _cycles(grid.below)
    points = np.stack([grid.x + left, grid.y + top], axis=1).astype(np.float64)
    first = np.array([ring[0] for ring in rings])
    inside = padded[grid.y[first] + 1, grid.x[first] + 1]
    holes = np.flatnonzero(~inside)
    held: dict[int, list[Ring]] = {}
    for hole, parent in zip(holes.tolist(), _parents(grid, owner, rings, holes), strict=True):
        held.setdefault(parent, []).append(points[rings[hole][::-1]])
    outers = np.flatnonzero(inside).tolist()
    return tuple(Region(points[rings[outer]], tuple(held.get(outer, ()))) for outer in outers)


def simplify(regions: Iterable[Region], mask: Mask, tolerance: float) -> Simplified:
    """Rings whose corners are at most tolerance pixels off, and the IoU of their pixels with the mask.

    A hole that shrinks below three corners is filled; an outer ring that would keeps its corners.
    """
    simpler = []
    for region in regions:
        outer = thin(region.outer, tolerance)
        holes = [thin(hole, tolerance) for hole in region.holes]
        kept = tuple(hole for hole in holes if len(hole) > 2)
        simpler.append(Region(outer if len(outer) > 2 else region.outer, kept))
    return Simplified(tuple(simpler), coverage(simpler, mask))


def coverage(regions: Sequence[Region], mask: Mask) -> float:
    """IoU of the regions' pixels, even-odd, with the mask's."""
    filled = geometry.fill_rings([ring for region in regions for ring in region.rings()], *mask.shape)
    return rle.iou(filled, rle.of_mask(mask))


def thin(ring: Ring, tolerance: float) -> Ring:
    """The ring without corners nearer than tolerance to the line that replaces them (Douglas-Peucker)."""
    if len(ring) < 4 or not tolerance > 0:
        return ring
    far = int(np.argmax(((ring - ring[0]) ** 2).sum(axis=1)))
    closed = np.concatenate([ring, ring[:1]])
    kept = np.zeros(len(closed), np.bool_)
    kept[[0, far]] = True
    spans = [(0, far), (far, len(ring))]
    while spans:
        start, end = spans.pop()
        if end - start < 2:
            continue
        along = closed[end] - closed[start]
        offsets = closed[start + 1 : end] - closed[start]
        length = float(np.hypot(*along))
        if length:
            distances = np.abs(offsets[:, 0] * along[1] - offsets[:, 1] * along[0]) / length
        else:
            distances = np.hypot(offsets[:, 0], offsets[:, 1])
        worst = int(np.argmax(distances))
        if distances[worst] > tolerance:
            middle = start + 1 + worst
            kept[middle] = True
            spans += [(start, middle), (middle, end)]
    return ring[kept[:-1]]


def bridge(region: Region) -> Ring:
    """One ring that enters each hole by a line without width, straight up from its topmost corner.

    For rings along pixels even-odd and pycocotools fill it exactly as the region.
    """
    joined = region.outer
    for hole in sorted(region.holes, key=lambda ring: (ring[:, 1].min(), ring[:, 0].min())):
        first = int(np.lexsort((hole[:, 0], hole[:, 1]))[0])
        turned = np.roll(hole, -first, axis=0)
        x, y = turned[0]
        start, end = joined, np.roll(joined, -1, axis=0)
        low, high = np.minimum(start[:, 0], end[:, 0]), np.maximum(start[:, 0], end[:, 0])
        run = end[:, 0] - start[:, 0]
        share = np.divide(x - start[:, 0], run, out=np.zeros(len(joined)), where=run != 0)
        height = np.where(
            run != 0, start[:, 1] + share * (end[:, 1] - start[:, 1]), np.maximum(start[:, 1], end[:, 1])
        )
        reached = (low <= x) & (x <= high) & (height <= y)
        if not reached.any():
            continue
        edge = int(np.argmax(np.where(reached, height, -np.inf)))
        foot = np.array([[x, height[edge]]])
        joined = np.concatenate([joined[: edge + 1], foot, turned, turned[:1], foot, joined[edge + 1 :]])
    return joined


# Tracing


class _Grid(NamedTuple):
    """Corners by row: x, y, the other end of the side up or down; and their order by column."""

    x: Ints
    y: Ints
    below: Ints
    order: Ints


def _corners(padded: Mask) -> _Grid:
    """The corners of a mask with an empty margin; 2k and 2k + 1 are the ends of a side across."""
    across = padded[1:] ^ padded[:-1]
    diagonal = across[:, 1:] & across[:, :-1] & (padded[:-1, 1:] ^ padded[:-1, :-1])
    places = np.flatnonzero((across[:, 1:] ^ across[:, :-1]) | diagonal)
    twice = diagonal.reshape(-1)[places]
    if len(places) + int(twice.sum()) > _CORNERS:
        raise ValueError(f"the outline of the mask has more than {_CORNERS} corners")
    # Where two pixels touch only in a corner it stands twice: the turn on the left, then that on the right.
    places, twice = np.repeat(places, 1 + twice), np.repeat(twice, 1 + twice)
    y, x = np.divmod(places, padded.shape[1] - 1)
    second = np.concatenate([np.zeros(1, np.bool_), places[1:] == places[:-1]])
    # Each turn stays with its own pixel: from the upper one the side goes up, from the lower one down.
    lower = second ^ (twice & ~padded[y, x])
    order = np.lexsort((lower, y, x))
    below = np.empty_like(order)
    below[order] = order[np.arange(len(order)) ^ 1]
    return _Grid(x, y, below, order)


def _cycles(below: Ints) -> tuple[list[list[int]], Ints]:
    """Each ring's corners clockwise from its top left one, from top to bottom; the ring of each corner."""
    down = below.tolist()
    owner = [-1] * len(down)
    rings: list[list[int]] = []
    for start in range(0, len(down), 2):
        if owner[start] >= 0:
            continue
        ring: list[int] = []
        corner = start
        while not ring or corner != start:
            beside = corner ^ 1
            owner[corner] = owner[beside] = len(rings)
            ring += (corner, beside)
            corner = down[beside]
        rings.append(ring)
    return rings, np.array(owner)


def _parents(grid: _Grid, owner: Ints, rings: list[list[int]], holes: Ints) -> list[int]:
    """The outer ring around each hole: that of the first side left of the pixel above its first corner."""
    if not holes.size:
        return []
    sides = grid.order.reshape(-1, 2)
    tops, ends = grid.y[sides[:, 0]], grid.y[sides[:, 1]]
    lengths = ends - tops
    rows = (
        np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths) + np.repeat(tops, lengths)
    )
    stride = int(grid.x.max()) + 1
    places = rows * stride + np.repeat(grid.x[sides[:, 0]], lengths)
    by_place = np.argsort(places)
    first = np.array([rings[hole][0] for hole in holes])
    wanted = (grid.y[first] - 1) * stride + grid.x[first]
    found = by_place[np.searchsorted(places, wanted, side="right", sorter=by_place) - 1]
    beside = owner[np.repeat(sides[:, 0], lengths)[found]].tolist()
    # A hole may have another hole on its left; that one begins higher up, so it is settled already.
    parents: dict[int, int] = {}
    for hole, ring in zip(holes.tolist(), beside, strict=True):
        parents[hole] = parents.get(ring, ring)
    return list(parents.values())
