"""Label Studio's shapes in per cent of the image, there and back.

Rectangles turn clockwise about their top left corner, ellipses about their centre; both in pixels, not in
per cent. Source: the result formats in Label Studio's documentation of its tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import cos, isfinite, pi, radians, sin
from typing import Any, NamedTuple

import numpy as np

from annotary.formats import _rle as rle
from annotary.formats import _runs as runs
from annotary.formats._geometry import Ring
from annotary.model.geometry import Box, Point
from annotary.model.image import BOX, MASK, POINT, POLYGON, POLYLINE, Mark

DIGITS = 10
"""Decimals of a per cent: far below what a screen shows, and the same again when they are read."""
ELLIPSE = 64
"""An ellipse becomes a polygon of so many corners."""
ELLIPSE_IOU = ELLIPSE * sin(2 * pi / ELLIPSE) / (2 * pi)
_FAR = 1e6
Value = Mapping[str, Any]


class Size(NamedTuple):
    """The image's, in pixels."""

    width: int
    height: int


def _number(value: Value, key: str, default: float | None = None) -> float:
    found = value.get(key, default)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise ValueError(f"{key} is not a number")
    if not isfinite(found) or abs(found) > _FAR:
        raise ValueError(f"{key} is beyond {_FAR:.0f} per cent")
    return float(found)


def shape(kind: str, value: Value, size: Size) -> Mark:
    """The mark of a region's value, without its name; `kind` is `rectangle`, ...; raises ValueError."""
    match kind:
        case "rectangle":
            return _rectangle(value, size)
        case "ellipse":
            return Mark(kind=POLYGON, ring=ellipse_ring(value, size).reshape(-1).tolist())
        case "polygon":
            ring = _points(value, size)
            return Mark(kind=POLYLINE if value.get("closed") is False else POLYGON, ring=ring)
        case "keypoint":
            x, y = _number(value, "x"), _number(value, "y")
            return Mark(kind=POINT, point=Point(x=x * size.width / 100, y=y * size.height / 100))
        case "brush":
            if value.get("format", "rle") != "rle" or not isinstance(value.get("rle"), list):
                raise ValueError("a brush without its rle")
            return Mark(kind=MASK, rle=rle.of_mask(runs.unpack_brush(value["rle"], size.height, size.width)))
    raise ValueError(f"{kind} is no shape on an image")


def _rectangle(value: Value, size: Size) -> Mark:
    if _number(value, "width") < 0 or _number(value, "height") < 0:
        raise ValueError("a width or height below 0")
    if _number(value, "rotation", 0) % 360:
        return Mark(kind=POLYGON, ring=rectangle_ring(value, size).reshape(-1).tolist())
    box = Box(
        left=_number(value, "x") * size.width / 100,
        top=_number(value, "y") * size.height / 100,
        width=_number(value, "width") * size.width / 100,
        height=_number(value, "height") * size.height / 100,
    )
    return Mark(kind=BOX, bounding_box=box)


def rectangle_ring(value: Value, size: Size) -> Ring:
    """The corners of a rectangle that may be turned, clockwise, 4 x 2 in pixels."""
    turned = radians(_number(value, "rotation", 0))
    start = np.array([_number(value, "x") * size.width, _number(value, "y") * size.height]) / 100
    across = np.array([cos(turned), sin(turned)]) * _number(value, "width") * size.width / 100
    down = np.array([-sin(turned), cos(turned)]) * _number(value, "height") * size.height / 100
    return np.array([start, start + across, start + across + down, start + down])


def ellipse_ring(value: Value, size: Size) -> Ring:
    """Corners on an ellipse that may be turned, clockwise, in pixels."""
    turned = radians(_number(value, "rotation", 0))
    angles = np.linspace(0, 2 * pi, ELLIPSE, endpoint=False)
    x = np.cos(angles) * _number(value, "radiusX") * size.width / 100
    y = np.sin(angles) * _number(value, "radiusY") * size.height / 100
    along = np.stack([x * cos(turned) - y * sin(turned), x * sin(turned) + y * cos(turned)], axis=1)
    centre: Ring = np.array([_number(value, "x") * size.width, _number(value, "y") * size.height]) / 100
    return along + centre


def _points(value: Value, size: Size) -> list[float]:
    points = value.get("points")
    if not isinstance(points, list):
        raise ValueError("a polygon without points")
    made: list[float] = []
    for one in points:
        if not isinstance(one, list) or len(one) != 2:
            raise ValueError("a point is a pair of numbers x and y")
        pair = {"x": one[0], "y": one[1]}
        made += (_number(pair, "x") * size.width / 100, _number(pair, "y") * size.height / 100)
    return made


def same(ring: Ring, numbers: list[float]) -> bool:
    """Whether a ring is that of x, y, x, y, ..., but for rounding."""
    return ring.size == len(numbers) and bool(np.allclose(ring.reshape(-1), numbers, rtol=0, atol=1e-6))


def percent(number: float, side: int) -> float:
    """A length as per cent of the image's side."""
    return round(number * 100 / side, DIGITS)


def box_value(box: Box, size: Size) -> dict[str, Any]:
    """The value of an upright rectangle."""
    return {
        "x": percent(box.left, size.width),
        "y": percent(box.top, size.height),
        "width": percent(box.width, size.width),
        "height": percent(box.height, size.height),
        "rotation": 0,
    }


def points_value(numbers: list[float], size: Size, *, closed: bool) -> dict[str, Any]:
    """The value of a polygon; one that is not closed is a line."""
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    points = [[percent(x, size.width), percent(y, size.height)] for x, y in pairs]
    return {"points": points, "closed": closed}
