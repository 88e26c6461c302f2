"""Shapes on tiled imagery: v1 writes them as GeoJSON, in coordinates of the map, not of pixels."""

from __future__ import annotations

from typing import Any


def pixel_geometry(kind: Any, geometry: Any) -> tuple[str, Any] | None:
    """The key and the value by which other images show the same numbers; None where it is no such shape.

    >>> pixel_geometry("point", {"coordinates": [-99.5, 19]})
    ('point', {'x': -99.5, 'y': 19})
    """
    try:
        found = geometry["coordinates"]
        match kind:
            case "point":
                return "point", _point(found)
            case "polyline" | "line":
                return "line", [_point(one) for one in _ring(found)]
            case "polygon":
                return "polygon", _open([_point(one) for one in _ring(found)])
            case "rectangle":
                return "bbox", _box([_point(one) for one in _ring(found)])
    except (TypeError, KeyError, ValueError):
        pass
    return None


def _ring(given: Any) -> list[Any]:
    """The points of a line or polygon; those with holes or of several parts are none."""
    if isinstance(given[0][0], list):
        (given,) = given
    return list(given)


def _point(given: Any) -> dict[str, Any]:
    x, y, *_ = given
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in (x, y)):
        raise ValueError("a coordinate is a number")
    return {"x": x, "y": y}


def _open(ring: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return ring[:-1] if len(ring) > 1 and ring[0] == ring[-1] else ring


def _box(ring: list[dict[str, Any]]) -> dict[str, Any]:
    xs, ys = [point["x"] for point in ring], [point["y"] for point in ring]
    top, left = min(ys), min(xs)
    return {"top": top, "left": left, "height": max(ys) - top, "width": max(xs) - left}
