"""The geometry of marks: boxes around them, rings, pixels, areas; what is wrong with one is a ValueError."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import add, mul
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from annotary.formats import _contours as contours
from annotary.formats import _geometry as geometry
from annotary.formats import _rle as rle
from annotary.formats._geometry import Ring
from annotary.formats._losses import LINK_ONLY
from annotary.formats._rle import Rle
from annotary.model.annotation import Ends
from annotary.model.geometry import Cuboid
from annotary.model.image import BOX, CUBOID, MASK, NOTHING, POINT, POLYGON, Image, Mark

Pixels = Callable[[str], bytes]
Corners = tuple[float, float, float, float]
"""Left, top, right, bottom."""


class _Coco(msgspec.Struct, gc=False):
    segmentation: Raw = NOTHING
    bbox: Raw = NOTHING
    area: Raw = NOTHING


_coco = msgspec.json.Decoder(_Coco).decode
_parts = msgspec.json.Decoder(list[list[float]]).decode
_box = msgspec.json.Decoder(tuple[float, float, float, float]).decode
_number = msgspec.json.Decoder(float).decode
_cuboid = msgspec.json.Decoder(Cuboid).decode
_ends = msgspec.json.Decoder(Ends).decode


def _no_pixels(name: str) -> bytes:
    raise KeyError(name)


class Unknown(ValueError):
    """A mask known only by a link: its pixels are elsewhere."""


class Outline(NamedTuple):
    """The rings of a shape: parts, whose union counts, less the holes; `exact` unless pixels were traced."""

    parts: list[Ring]
    holes: list[Ring]


def parts(mark: Mark) -> list[list[float]] | None:
    """A mask's parts as a COCO file had them; None where it has none."""
    if mark.parts is None and mark.coco and mark.rle is None and mark.png is None:
        text = bytes(_coco(mark.coco).segmentation)
        if text.startswith(b"["):
            try:
                mark.parts = _parts(text)
            except msgspec.DecodeError:
                raise ValueError("the parts of a polygon are lists of numbers") from None
    return mark.parts


def check_run_lengths(mark: Mark, image: Image) -> None:
    """Raises ValueError where the run-lengths of a COCO file do not fill their image."""
    text = bytes(_coco(mark.coco).segmentation)
    if text.startswith(b"{"):
        width, height = rle.size_of(msgspec.json.decode(text))
        if image.width and (width, height) != (image.width, image.height):
            raise ValueError(
                f"the mask is of {width} x {height} pixels, its image of {image.width} x {image.height}"
            )


def _said(decode: Callable[[Raw], Any], text: Raw) -> Any:
    """What a COCO file says, unless it is of another kind than it should be."""
    try:
        return decode(text) if text else None
    except msgspec.DecodeError:
        return None


def run_lengths(mark: Mark, image: Image, pixels: Pixels = _no_pixels) -> Rle:
    """The pixels of a box, polygon or mask, as pycocotools has them; raises Unknown, ValueError."""
    if mark.kind == MASK:
        return _mask(mark, image, pixels)
    size = (image.height, image.width)
    return geometry.fill_parts([geometry.flat_ring(ring) for ring in rings(mark)], *size)


def _mask(mark: Mark, image: Image, pixels: Pixels) -> Rle:
    if mark.rle is None:
        found = parts(mark)
        if found is not None:
            rings = [geometry.flat_ring(one) for one in found]
            mark.rle = geometry.fill_parts(rings, image.height, image.width)
        elif mark.png is not None:
            mark.rle = rle.of_png(mark.png)
        elif mark.feature_id in image.masks:
            mark.rle = rle.of_png(pixels(image.masks[mark.feature_id]))
        elif mark.coco and bytes(text := _coco(mark.coco).segmentation).startswith(b"{"):
            mark.rle = rle.of_segmentation(msgspec.json.decode(text))
        else:
            raise Unknown(LINK_ONLY)
    found_rle: Rle = mark.rle
    return found_rle


def png(mark: Mark, image: Image) -> bytes:
    """A mask's pixels as a PNG; raises Unknown, ValueError."""
    return mark.png if mark.png is not None else run_lengths(mark, image).png()


def rings(mark: Mark) -> list[list[float]]:
    """The rings of anything but a mask: a box's or cuboid's outline, a polygon, a line, a point."""
    if mark.kind == BOX:
        left, top, right, bottom = corners(mark)
        return [[left, top, right, top, right, bottom, left, bottom]]
    if mark.kind == POINT:
        assert mark.point is not None
        return [[mark.point.x, mark.point.y]]
    if mark.kind == CUBOID:
        return [geometry.convex_hull(cuboid_corners(mark)).reshape(-1).tolist()]
    return [mark.flat()]


def outline(mark: Mark, image: Image, pixels: Pixels = _no_pixels) -> Outline:
    """The parts and holes of any mark; a mask's are its own, else along the edges of its pixels."""
    if mark.kind != MASK:
        return Outline([geometry.flat_ring(ring) for ring in rings(mark)], [])
    found = parts(mark)
    if found is not None:
        return Outline([geometry.flat_ring(one) for one in found], [])
    regions = contours.trace(_mask(mark, image, pixels).mask())
    return Outline([one.outer for one in regions], [hole for one in regions for hole in one.holes])


def cuboid_corners(mark: Mark) -> Ring:
    """The eight corners of a cuboid, 8 x 2."""
    from annotary.model.annotation import CuboidObject

    return geometry.corners(CuboidObject(cuboid=_cuboid(mark.cuboid)))


def ends(mark: Mark) -> Ends:
    """The feature ids that a relationship joins; raises ValueError."""
    try:
        return _ends(mark.unidirectional_relationship or mark.bidirectional_relationship)
    except msgspec.DecodeError:
        raise ValueError("a relationship without its two ends") from None


def corners(mark: Mark, image: Image | None = None, pixels: Pixels = _no_pixels) -> Corners:
    """The smallest upright box around any mark; a mask's from parts or pixels. Raises ValueError if empty."""
    box = mark.bounding_box
    if box is not None:
        return box.left, box.top, box.left + box.width, box.top + box.height
    if mark.kind == MASK:
        if mark.coco and (said := _said(_box, _coco(mark.coco).bbox)) is not None:
            return said[0], said[1], said[0] + said[2], said[1] + said[3]
        numbers = [one for part in parts(mark) or () for one in part]
        if not numbers:
            assert image is not None
            found = _mask(mark, image, pixels).box()
            if found is None:
                raise ValueError("a mask without a pixel")
            left, top, width, height = found
            return left, top, left + width, top + height
    else:
        numbers = mark.flat() if mark.kind == POLYGON else [one for ring in rings(mark) for one in ring]
    xs, ys = numbers[::2], numbers[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def area(mark: Mark, image: Image, pixels: Pixels = _no_pixels) -> float:
    """Pixels inside: a box's and polygon's by its numbers, a mask's counted, or as its COCO file says."""
    if mark.kind == BOX:
        left, top, right, bottom = corners(mark)
        return (right - left) * (bottom - top)
    if mark.kind == MASK:
        if mark.coco and (said := _said(_number, _coco(mark.coco).area)) is not None:
            return float(said)
        return float(_mask(mark, image, pixels).area())
    return sum(flat_area(ring) for ring in rings(mark))


def flat_area(ring: list[float]) -> float:
    """The area of a ring x, y, x, y, ..., never negative."""
    return area_of(ring[::2], ring[1::2])


def area_of(xs: list[float], ys: list[float]) -> float:
    """The area of a ring of these coordinates, never negative."""
    if len(xs) < 3:
        return 0.0
    # One product after the other: `sum` adds floats otherwise from Python 3.12 on, and `_columns` cannot.
    ahead, behind = reduce(add, map(mul, xs, ys[1:])), reduce(add, map(mul, ys, xs[1:]))
    total = ahead + xs[-1] * ys[0] - behind - ys[-1] * xs[0]
    return float(abs(total) / 2)


def carried(mark: Mark) -> dict[str, Any]:
    """What a COCO file said of the mark; empty for marks from elsewhere."""
    return msgspec.json.decode(mark.coco) if mark.coco else {}
