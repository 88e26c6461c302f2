"""Shapes: their corners, boxes, areas and pixels, and how much two of them share.

Coordinates are pixels from the top left corner, x to the right, y down; pixel (x, y) covers [x, x+1) x
[y, y+1). So the box of a mask is left = its first column, right = its last column + 1, and its area the
pixels inside. A ring is an n x 2 array of corners without the first one again at the end. A shape of several
rings is one of two things: parts, whose union counts, as COCO has it; or rings, even-odd over all of them, so
that a ring in a ring is a hole. Pixels are pycocotools' pixels. What is wrong with a shape is a ValueError.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import hypot, inf, pi
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pycocotools import _mask as coco  # type: ignore[import-untyped]

from annotary.formats import _rle as rle
from annotary.formats._png import MAX_PIXELS, Mask, check_size
from annotary.formats._rle import Rle
from annotary.model.annotation import (
    BoxObject,
    CuboidObject,
    LineObject,
    MaskObject,
    PointObject,
    PolygonObject,
    PolylineObject,
    Shape,
)
from annotary.model.geometry import Box, Face, Point

Ring = NDArray[np.float64]

# Beyond this a double no longer tells the halves of a pixel from each other with room to spare.
FAR = 1e9

# pycocotools follows an outline in fifths of a pixel and keeps every step: this many take some 300 MB.
_STEPS = 10_000_000

# A line's ends are discs of this many corners.
_DISC = 32
_PIXEL = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])

# Shapes are compared on a grid of this many pixels a side; an outline is true to a fifth of one.
_GRID = 512


class Clipped(NamedTuple):
    """A box inside the image, None when nothing of it is; whether anything was cut off."""

    box: Box | None
    cut: bool


def ring(points: Ring | Iterable[Point | Sequence[float]]) -> Ring:
    """Corners as an n x 2 array, open; ValueError unless they are pairs of finite numbers within 1e9."""
    if not isinstance(points, np.ndarray):
        points = [(one.x, one.y) if isinstance(one, Point) else one for one in points]
    try:
        corners = np.array(points, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError("a point is a pair of numbers x and y") from error
    if not corners.size:
        return np.zeros((0, 2))
    if corners.ndim != 2 or corners.shape[1] != 2:
        raise ValueError("a point is a pair of numbers x and y")
    if not (np.abs(corners) <= FAR).all():
        raise ValueError(f"a coordinate is not a number or beyond {FAR:.0f} pixels")
    return corners[:-1] if len(corners) > 1 and (corners[0] == corners[-1]).all() else corners


def flat_ring(numbers: Sequence[float]) -> Ring:
    """The ring of COCO's x, y, x, y, ...; ValueError as `ring`, or on an odd count."""
    if len(numbers) % 2:
        raise ValueError(f"a polygon of {len(numbers)} numbers: x and y are wanted in turn")
    try:
        flat = np.array(numbers, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError("a point is a pair of numbers x and y") from error
    return ring(flat.reshape(-1, 2) if flat.ndim == 1 else flat)


def points_of(one: Ring, *, closed: bool = False) -> tuple[Point, ...]:
    """The corners as points; closed repeats the first as the last."""
    points = tuple(Point(x=x, y=y) for x, y in one.tolist())
    return (*points, points[0]) if closed and points else points


def corners(shape: Shape | Box) -> Ring:
    """A box's 4, a cuboid's 8, or the points themselves, as n x 2; ValueError for a mask."""
    match shape:
        case Box():
            left, top, right, bottom = shape.corners()
            return ring([(left, top), (right, top), (right, bottom), (left, bottom)])
        case BoxObject():
            return corners(shape.bounding_box)
        case PolygonObject():
            return ring(shape.polygon)
        case PolylineObject() | LineObject():
            return ring(shape.line)
        case PointObject():
            return ring([shape.point])
        case CuboidObject():
            whole = shape.cuboid if isinstance(shape.cuboid.front, Face) else shape.cuboid.with_corners()
            faces = [face for face in (whole.front, whole.back) if isinstance(face, Face)]
            return ring([getattr(face, name) for face in faces for name in Face.__struct_fields__])
        case MaskObject():
            raise ValueError("a mask has no corners: its pixels are behind a link")


def outline(shape: Shape | Box) -> Ring:
    """The ring a shape fills: its own, a cuboid's convex hull; fewer than 3 corners fill nothing."""
    found = corners(shape)
    return convex_hull(found) if isinstance(shape, CuboidObject) else found


# Boxes


def box_of(points: Ring) -> Box:
    """The smallest upright box around points; ValueError without any."""
    if not len(points):
        raise ValueError("no points, no box")
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return Box(left=left, top=top, width=right - left, height=bottom - top)


def mask_box(mask: Mask) -> Box | None:
    """The box of the pixels inside: right = last column + 1; None when there are none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    left, top = int(columns[0]), int(rows[0])
    return Box(left=left, top=top, width=int(columns[-1]) + 1 - left, height=int(rows[-1]) + 1 - top)


def clip_box(box: Box, height: int, width: int) -> Clipped:
    """The box's part inside the image; a box without area inside or on the border stays."""
    left, top, right, bottom = box.corners()
    x0, x1 = max(left, 0), min(right, width)
    y0, y1 = max(top, 0), min(bottom, height)
    if (x0, y0, x1, y1) == (left, top, right, bottom):
        return Clipped(box, False)
    outside = x1 < x0 or y1 < y0 or (x1 == x0 and right > left) or (y1 == y0 and bottom > top)
    if outside:
        return Clipped(None, True)
    return Clipped(Box(left=x0, top=y0, width=x1 - x0, height=y1 - y0), True)


def box_iou(one: Box, other: Box) -> float:
    """Shared area over the area of both, 0 to 1; equal boxes without area: 1."""
    left, top, right, bottom = one.corners()
    other_left, other_top, other_right, other_bottom = other.corners()
    across = max(0.0, min(right, other_right) - max(left, other_left))
    down = max(0.0, min(bottom, other_bottom) - max(top, other_top))
    shared = across * down
    every = one.width * one.height + other.width * other.height - shared
    if every <= 0:
        return float(one == other)
    return min(1.0, shared / every)


def rotated_rectangle(points: Ring) -> Ring:
    """The rectangle of least area around points, any angle: 4 x 2, clockwise on the screen from the top left.

    The first corner is the one nearest to the top left of the upright box around it.
    """
    hull = convex_hull(points)
    if not len(hull):
        raise ValueError("no points, no rectangle")
    if len(hull) < 3:
        start, end = hull[0], hull[-1]
        return np.array([start, end, end, start])
    best, least = hull, inf
    for start, end in zip(hull, np.roll(hull, -1, axis=0), strict=True):
        along = (end - start) / hypot(*(end - start))
        axes = np.array([along, (-along[1], along[0])])
        turned = hull @ axes.T
        low, high = turned.min(axis=0), turned.max(axis=0)
        area = float(np.prod(high - low))
        if area < least * (1 - 1e-12):
            least = area
            best = np.array([low, (high[0], low[1]), high, (low[0], high[1])]) @ axes
    first = int(np.argmin(np.round(best - best.min(axis=0), 9).sum(axis=1)))
    return np.roll(best, -first, axis=0)


def convex_hull(points: Ring) -> Ring:
    """The convex hull, clockwise on the screen from the leftmost corner, without corners on its edges."""
    ordered: list[tuple[float, float]] = [(x, y) for x, y in np.unique(points, axis=0).tolist()]
    if len(ordered) < 3:
        return np.array(ordered, np.float64).reshape(-1, 2)
    return np.array([*_half_hull(ordered), *_half_hull(ordered[::-1])])


# Areas


def ring_area(one: Ring) -> float:
    """Area by the shoelace formula, never negative."""
    if len(one) < 3:
        return 0.0
    # From its first corner, so that the side that closes the ring adds nothing.
    x, y = (one - one[0]).T
    return abs(float(x[:-1] @ y[1:] - y[:-1] @ x[1:])) / 2


def parts_area(parts: Iterable[Ring], holes: Iterable[Ring] = ()) -> float:
    """The parts' areas less the holes'; parts that overlap count twice, as COCO's tools have it."""
    return sum(map(ring_area, parts)) - sum(map(ring_area, holes))


# Pixels


def fill_parts(
    parts: Sequence[Ring],
    height: int,
    width: int,
    *,
    holes: Sequence[Ring] = (),
    max_pixels: int = MAX_PIXELS,
) -> Rle:
    """pycocotools' pixels of the union of parts less the holes; fewer than 3 corners fill nothing."""
    check_size(height, width, max_pixels)
    filled = rle.union(_fill(parts, height, width))
    return rle.difference(filled, rle.union(_fill(holes, height, width))) if holes else filled


def fill_rings(rings: Sequence[Ring], height: int, width: int, *, max_pixels: int = MAX_PIXELS) -> Rle:
    """pycocotools' pixels of each ring, even-odd over all of them: a ring in a ring is a hole."""
    check_size(height, width, max_pixels)
    return rle.odd(_fill(rings, height, width))


def fill_box(box: Box, height: int, width: int) -> Rle:
    """pycocotools' pixels of a box."""
    return fill_parts([corners(box)], height, width)


def fill_line(points: Ring, thickness: float, height: int, width: int) -> Rle:
    """A line with round joints and ends, a single point as a disc; ValueError when thinner than a pixel.

    The pixels that hold its points are part of it, so nothing inside the image vanishes.
    """
    if not 1 <= thickness <= FAR:
        raise ValueError(f"a line's thickness is from 1 to {FAR:.0f} pixels, not {thickness}")
    angles = np.linspace(0, 2 * pi, _DISC, endpoint=False)
    disc = np.stack([np.cos(angles), np.sin(angles)], axis=1) * (thickness / 2)
    parts = [one + disc for one in points] + [np.floor(one) + _PIXEL for one in points]
    for start, end in pairwise(points):
        along = end - start
        if length := hypot(*along):
            side = np.array([-along[1], along[0]]) * (thickness / 2 / length)
            parts.append(np.array([start + side, end + side, end - side, start - side]))
    return fill_parts(parts, height, width)


def shape_iou(one: Sequence[Ring], other: Sequence[Ring]) -> float:
    """Shared area over the area of both, each even-odd over its rings, on a grid spread over both of them.

    It takes milliseconds; where one lies within the other, as in its box, the ratio of areas is the IoU.
    """
    every = np.concatenate([np.zeros((0, 2)), *one, *other])
    if not len(every):
        return 1.0
    low, extent = every.min(axis=0), np.ptp(every, axis=0)
    # The two sides may be stretched differently: it changes no ratio of areas.
    scale = np.divide(_GRID, extent, out=np.zeros(2), where=extent > 0)
    grids = [fill_rings([(ring - low) * scale for ring in rings], _GRID, _GRID) for rings in (one, other)]
    return rle.iou(*grids)


def _fill(rings: Sequence[Ring], height: int, width: int) -> list[Rle]:
    """Each ring's pixels; at least one mask, so that nothing is an empty mask."""
    flat = [_traceable(ring, height, width).reshape(-1).tolist() for ring in rings if len(ring) > 2]
    found = coco.frPoly(flat or [[0.0] * 6], height, width)
    return [Rle(height, width, one["counts"]) for one in found]


def _traceable(one: Ring, height: int, width: int) -> Ring:
    """The ring, cut just outside the image where following it takes too long; ValueError if it still does."""
    if _steps(one) <= _STEPS:
        return one
    one = clip_ring(one, -1, -1, width + 1, height + 1)
    if len(one) > 2 and _steps(one) > _STEPS:
        raise ValueError(f"an outline of {len(one)} corners is longer than {_STEPS // 5} pixels")
    return one


def _steps(one: Ring) -> float:
    """The points pycocotools visits along a ring."""
    return 5 * float(np.abs(np.roll(one, -1, axis=0) - one).max(axis=1).sum()) + len(one)


def clip_ring(one: Ring, left: float, top: float, right: float, bottom: float) -> Ring:
    """The part of a ring inside a box (Sutherland-Hodgman): pieces stay joined along the border."""
    for axis, sign, limit in ((0, 1, left), (0, -1, -right), (1, 1, top), (1, -1, -bottom)):
        if not len(one):
            break
        beyond = sign * one[:, axis] - limit
        following, next_beyond = np.roll(one, -1, axis=0), np.roll(beyond, -1)
        crosses = (beyond < 0) != (next_beyond < 0)
        share = np.divide(beyond, beyond - next_beyond, out=np.zeros(len(one)), where=crosses)
        cuts = one + (following - one) * share[:, np.newaxis]
        cuts[:, axis] = sign * limit
        woven = np.stack([one, cuts], axis=1).reshape(-1, 2)
        one = woven[np.stack([beyond >= 0, crosses], axis=1).reshape(-1)]
    return one


def _half_hull(ordered: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """One side of the convex hull of sorted points, without its last point."""
    hull: list[tuple[float, float]] = []
    for x, y in ordered:
        while len(hull) > 1:
            (ax, ay), (bx, by) = hull[-2:]
            if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                break
            hull.pop()
        hull.append((x, y))
    return hull[:-1]
