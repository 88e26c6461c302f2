"""Datumaro's shapes: what each annotation type says, there and back."""

from __future__ import annotations

from math import isfinite, pi, sin
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Raw

from annotary.formats import _geometry as geometry
from annotary.formats import _rle as rle
from annotary.model.geometry import Box, Cuboid, Face, Point
from annotary.model.image import BOX, CUBOID, MASK, POINT, POLYGON, POLYLINE, Mark

Json = dict[str, Any]
ELLIPSE = 64
"""An ellipse becomes a polygon of so many corners."""
_WORDS = {"bbox": "box", "points": "point", "ellipse": "polygon", "cuboid_2d": "polygon"}
_FAR = 1e9


class Told(NamedTuple):
    """What the ledger says of a type that is taken over as something like it."""

    reason: str
    kinds: tuple[str, ...]
    iou: float | None = None


APPROXIMATED = {
    "ellipse": Told(
        f"an ellipse became a polygon of {ELLIPSE} corners",
        (POLYGON,),
        ELLIPSE * sin(2 * pi / ELLIPSE) / (2 * pi),
    ),
    "cuboid_2d": Told("a cuboid became the outline around its corners", (POLYGON,)),
    "points": Told("several points of one object became a line through them", (POLYLINE,)),
}


def word(kind: str) -> str:
    """A type as the ledger spells it."""
    return _WORDS.get(kind, kind)


def shape(kind: str, one: Json) -> Mark:
    """The mark of an annotation, without its name; raises ValueError."""
    match kind:
        case "bbox":
            left, top, width, height = _numbers(one.get("bbox"), 4)
            if width < 0 or height < 0:
                raise ValueError("a width or height below 0")
            return Mark(kind=BOX, bounding_box=Box(left=left, top=top, width=width, height=height))
        case "polygon" | "polyline":
            return Mark(kind=POLYGON if kind == "polygon" else POLYLINE, ring=_numbers(one.get("points")))
        case "points":
            numbers = _numbers(one.get("points"))
            if len(numbers) == 2:
                return Mark(kind=POINT, point=Point(x=numbers[0], y=numbers[1]))
            return Mark(kind=POLYLINE, ring=numbers)
        case "ellipse":
            return Mark(kind=POLYGON, ring=ellipse_ring(_numbers(one.get("points"), 4)))
        case "mask":
            said = one.get("rle")
            if not isinstance(said, dict):
                raise ValueError("a mask without its rle")
            return Mark(kind=MASK, rle=rle.of_segmentation(said))
        case "cuboid_2d":
            return _cuboid(one)
    raise ValueError("a type of annotation that annotary does not have")


def _numbers(given: Any, count: int = 0) -> list[float]:
    if not isinstance(given, list) or (len(given) != count if count else len(given) < 2 or len(given) % 2):
        raise ValueError(f"a list of {count or 'an even count of'} numbers is wanted")
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in given):
        raise ValueError("a coordinate is not a number")
    if not all(isfinite(one) and abs(one) < _FAR for one in given):
        raise ValueError(f"a coordinate is beyond {_FAR:.0f} pixels")
    return [float(one) for one in given]


def ellipse_ring(box: list[float]) -> list[float]:
    """Corners of an upright ellipse by the box around it: left, top, right, bottom."""
    left, top, right, bottom = box
    angles = np.linspace(0, 2 * pi, ELLIPSE, endpoint=False)
    x = (left + right) / 2 + np.cos(angles) * (right - left) / 2
    y = (top + bottom) / 2 + np.sin(angles) * (bottom - top) / 2
    ring: list[float] = np.stack([x, y], axis=1).reshape(-1).tolist()
    return ring


def _cuboid(one: Json) -> Mark:
    """annotary's own cuboid where the annotation has one, else the outline around its corners."""
    if "cuboid" in one:
        try:
            msgspec.convert(one["cuboid"], Cuboid)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
        return Mark(kind=CUBOID, cuboid=Raw(msgspec.json.encode(one["cuboid"])))
    return Mark(kind=POLYGON, ring=hull(one.get("points")))


def hull(points: Any) -> list[float]:
    """The outline around eight corners."""
    if not isinstance(points, list) or len(points) != 8:
        raise ValueError("a cuboid of other than 8 corners")
    corners = geometry.flat_ring([number for pair in points for number in _numbers(pair, 2)])
    ring: list[float] = geometry.convex_hull(corners).reshape(-1).tolist()
    return ring


def kept(kind: str, one: Json) -> Json:
    """What a mark does not say of its annotation's shape."""
    if kind in ("ellipse", "cuboid_2d") and "cuboid" not in one:
        return {kind: one.get("points")}
    visibility = one.get("visibility")
    if kind == "points" and (len(one["points"]) > 2 or visibility not in (None, [2])):
        return {"points": visibility if isinstance(visibility, list) else []}
    return {}


def as_it_was(said: Json, ring: list[float]) -> Json | None:
    """The type and points of what became a polygon or line, if that is still where it was."""
    try:
        for kind, ring_of in (("ellipse", ellipse_ring), ("cuboid_2d", hull)):
            if kind in said and np.allclose(ring_of(said[kind]), ring, rtol=0, atol=1e-6):
                return {"type": kind, "points": said[kind]}
    except (TypeError, ValueError):
        # Not what it was, or not what a reader put there.
        return None
    return None


def cuboid_points(cuboid: Cuboid) -> list[list[float]]:
    """The eight corners in Datumaro's order: the top from front left, then the bottom from back left."""
    whole = cuboid.with_corners()
    front, back = whole.front, whole.back
    assert isinstance(front, Face) and isinstance(back, Face)
    corners = (
        *(front.top_left, back.top_left, back.top_right, front.top_right),
        *(back.bottom_left, back.bottom_right, front.bottom_right, front.bottom_left),
    )
    return [[one.x, one.y] for one in corners]
