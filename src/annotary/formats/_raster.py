"""Pixels: shapes drawn as masks, and the PNG functions under one name.

A mask is a bool array, height x width. Pixel (x, y) covers [x, x+1) x [y, y+1), origin top left, and belongs
to a shape when its centre does. A centre on the outline belongs to the shape below the outline, to the right
one where it is vertical: shapes that share an edge neither overlap nor leave a gap.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil, floor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from annotary.formats._png import (
    MAX_PIXELS,
    Colour,
    Mask,
    check_size,
    composite,
    decode_colour,
    decode_mask,
    encode_mask,
    render_mask_8bit,
    size_of,
)
from annotary.formats._rle import blank_bits, flip_below, settle

__all__ = [
    "MAX_PIXELS",
    "Colour",
    "Mask",
    "Point",
    "composite",
    "decode_colour",
    "decode_mask",
    "encode_mask",
    "fill_box",
    "fill_convex_hull",
    "fill_point",
    "fill_polygon",
    "fill_rings",
    "render_mask_8bit",
    "size_of",
    "stroke_polyline",
]

Point = tuple[float, float]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Beyond this a double no longer tells the halves of a pixel from each other with room to spare.
_FAR = 1e9

# A thin line between two pixels goes to the one that holds its points: the one on the right or below.
_NUDGE = 1e-6

# Crossings of outlines and pixel columns held at once; bounds memory for an outline of a million corners.
_CROSSINGS = 1 << 20


def fill_polygon(points: Sequence[Point], height: int, width: int) -> Mask:
    """The inside of one ring by the even-odd rule; ValueError on coordinates not finite or beyond 1e9."""
    return fill_rings([points], height, width)


def fill_rings(rings: Sequence[Sequence[Point]], height: int, width: int) -> Mask:
    """The inside of rings, open or closed, even-odd over all of them: a ring in a ring is a hole."""
    mask = _blank(height, width)
    _add_rings(mask, [_points(ring) for ring in rings])
    return mask


def fill_box(left: float, top: float, width: float, height: float, *, shape: tuple[int, int]) -> Mask:
    """A box in an image of shape (height, width); negative extents reach to the left and up."""
    mask = _blank(*shape)
    (x0, y0), (x1, y1) = np.sort(_points([(left, top), (left + width, top + height)]), axis=0).tolist()
    rows, columns = _covered(y0, y1, shape[0]), _covered(x0, x1, shape[1])
    mask[rows, columns] = True
    return mask


def fill_point(x: float, y: float, height: int, width: int, radius: float = 3.0) -> Mask:
    """A disc of that radius in pixels; the pixel that holds the point is always part of it."""
    if not radius >= 0:
        raise ValueError(f"a radius is a number from 0, not {radius}")
    mask = _blank(height, width)
    _add_disc(mask, _points([(x, y)])[0], radius)
    return mask


def stroke_polyline(points: Sequence[Point], height: int, width: int, thickness: float = 1.0) -> Mask:
    """A line with round joints and ends; thickness in pixels, ValueError below 1: it would fall apart."""
    if not 1 <= thickness <= _FAR:
        raise ValueError(f"a line's thickness is from 1 to {_FAR:.0f} pixels, not {thickness}")
    mask = _blank(height, width)
    corners = _points(points)
    for corner in corners:
        _add_disc(mask, corner, thickness / 2)
    for start, end in pairwise(corners):
        along = end - start
        length = float(np.hypot(*along))
        if length:
            side = np.array([-along[1], along[0]]) * (thickness / 2 / length)
            strip = np.array([start + side, end + side, end - side, start - side])
            _add_rings(mask, [strip + _NUDGE])
    return mask


def fill_convex_hull(points: Sequence[Point], height: int, width: int) -> Mask:
    """The convex hull of the points, such as the outline of a cuboid's eight corners."""
    corners: list[Point] = [(x, y) for x, y in np.unique(_points(points), axis=0).tolist()]
    return fill_polygon([*_half_hull(corners), *_half_hull(corners[::-1])], height, width)


# Checks


def _blank(height: int, width: int) -> Mask:
    """A mask with nothing inside; ValueError when it would have no pixels or too many."""
    check_size(height, width)
    return np.zeros((height, width), np.bool_)


def _points(points: ArrayLike) -> Floats:
    """Points as an n x 2 array; ValueError unless every coordinate is a finite number within 1e9 pixels."""
    try:
        corners = np.array(points, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError("a point is a pair of numbers x and y") from error
    if not corners.size:
        return np.zeros((0, 2))
    if corners.ndim != 2 or corners.shape[1] != 2:
        raise ValueError("a point is a pair of numbers x and y")
    if not (np.abs(corners) <= _FAR).all():
        raise ValueError(f"a coordinate is not a number or beyond {_FAR:.0f} pixels")
    return corners


# Outlines


def _covered(low: float, high: float, size: int) -> slice:
    """The pixels of 0..size whose centres are in [low, high)."""
    first, last = (min(max(ceil(edge - 0.5), 0), size) for edge in (low, high))
    return slice(first, last)


def _add_rings(mask: Mask, rings: Sequence[Floats]) -> None:
    """Set the pixels inside the rings, even-odd; works on the part of the mask they reach."""
    starts = np.concatenate([np.zeros((0, 2)), *rings])
    if not len(starts):
        return
    ends = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    edges = np.hstack([starts, ends])
    (x0, y0), (x1, y1) = edges[:, :2].min(axis=0), edges[:, :2].max(axis=0)
    rows, columns = _covered(y0, y1, mask.shape[0]), _covered(x0, x1, mask.shape[1])
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if height <= 0 or width <= 0:
        return
    bits = blank_bits(height, width)
    for crossed_rows, crossed_columns in _crossings(edges, columns):
        # Above the part counts as its first row; below the part there is nothing to turn over.
        local = np.clip(crossed_rows, rows.start, rows.stop) - rows.start
        reached = local < height
        flip_below(bits, local[reached].astype(np.int64), crossed_columns[reached] - columns.start)
    mask[rows, columns] |= settle(bits, width)


def _crossings(edges: Floats, columns: slice) -> Iterator[tuple[Floats, Ints]]:
    """For each edge (n x 4) and pixel column it crosses: the first row with its centre on or below it."""
    # Always from left to right, so that an edge rounds the same way in the two shapes that share it.
    edges = np.where(edges[:, :1] > edges[:, 2:3], edges[:, [2, 3, 0, 1]], edges)
    first = np.clip(np.ceil(edges[:, 0] - 0.5), columns.start, columns.stop).astype(np.int64)
    last = np.clip(np.ceil(edges[:, 2] - 0.5), columns.start, columns.stop).astype(np.int64)
    spans = last - first
    ends = np.cumsum(spans)
    batches = np.searchsorted(ends, np.arange(_CROSSINGS, ends[-1], _CROSSINGS), side="right")
    for some in np.split(np.arange(len(edges)), batches):
        count = spans[some]
        offsets = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        column = np.repeat(first[some], count) + offsets
        left, top, right, bottom = np.repeat(edges[some], count, axis=0).T
        run, rise, x = right - left, bottom - top, column + 0.5 - left
        row = np.ceil(top + x * (rise / run) - 0.5)
        # The division rounds. The products do not where coordinates are halves or eighths of a pixel: they
        # have the last word on a centre that lies on the edge.
        too_low = (row - 0.5 - top) * run >= x * rise
        too_high = (row + 0.5 - top) * run < x * rise
        yield row - too_low + too_high, column


def _add_disc(mask: Mask, centre: Floats, radius: float) -> None:
    """Set the pixels whose centres are nearer than the radius, and the one that holds the centre."""
    x, y = centre.tolist()
    height, width = mask.shape
    if 0 <= x < width and 0 <= y < height:
        mask[floor(y), floor(x)] = True
    reach = min(radius, 4 * _FAR) + 1
    rows, columns = _covered(y - reach, y + reach, height), _covered(x - reach, x + reach, width)
    down = np.arange(rows.start, rows.stop)[:, np.newaxis] + 0.5 - y
    across = np.arange(columns.start, columns.stop) + 0.5 - x
    mask[rows, columns] |= down * down + across * across < radius * radius


def _half_hull(corners: Sequence[Point]) -> list[Point]:
    """One side of the convex hull of sorted points, without its last point."""
    hull: list[Point] = []
    for x, y in corners:
        while len(hull) > 1:
            (ax, ay), (bx, by) = hull[-2:]
            if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                break
            hull.pop()
        hull.append((x, y))
    return hull[:-1]
