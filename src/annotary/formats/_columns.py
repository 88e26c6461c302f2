"""The boxes and polygons of a sheet as columns of numbers: bounds, areas, and the text of coordinates.

To decode coordinates and to add them up one polygon after the other costs more in Python than all else that
is done with a mark. `Mark.flat`, `min`, `max` and `area_of` remain the definition: what is measured here is
the same to the last digit, and what is not laid out as the store lays it out is not measured here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import NamedTuple

import msgspec
import numpy as np

from annotary.model.image import BOX, MASK, POINT, POINT_LETTERS, POINT_START, POLYGON, POLYLINE
from annotary.model.sheet import Drawn, Place, Sheet

Column = np.ndarray
_flat = msgspec.json.Decoder(list[float]).decode
_packed = msgspec.msgpack.Encoder().encode
# MessagePack has each float in nine bytes, and in a struct its name before it: as long in each of them. From
# there to a column takes a fifth of the time that numpy takes from a list.
_FLOAT = np.dtype([("kind", "u1"), ("value", ">f8")])
_NAMES = Place.__struct_fields__
_PLACE = np.dtype(
    [("size", "u1")]
    + [part for name in _NAMES for part in ((f"of {name}", f"V{len(name) + 2}"), (name, ">f8"))]
)
_CODES = {BOX: 1, POLYGON: 2, POLYLINE: 0, POINT: 0, MASK: 0}
_LETTERS = POINT_LETTERS + b"[]"
Rings = tuple[Column, Column, list[str], list[bool]]
"""Of rings in order: left, top, right, bottom, 4 x n; areas; the numbers as JSON without brackets; whether
the last point is the first one once more, and counts for nothing."""


class Polygons(NamedTuple):
    """Polygons of a sheet in order, and what is measured of them as Rings."""

    marks: Sequence[Drawn]
    bounds: Column
    areas: Column
    texts: list[str]
    closed: list[bool]

    def flat_texts(self) -> list[str]:
        """What `Mark.flat_text` gives, without brackets."""
        return [
            text[: text.rfind(",", 0, text.rfind(","))] if again else text
            for text, again in zip(self.texts, self.closed, strict=True)
        ]


class Shapes(NamedTuple):
    """The boxes and polygons of a sheet in order: `ends` is where each image's begin, and all end.

    `boxes` are left, top, width, height, 4 x n.
    """

    marks: list[Drawn]
    names: list[str]
    is_box: Column
    ends: Column
    boxes: Column
    polygons: Polygons


def drawn(sheet: Sheet) -> Shapes | None:
    """The boxes and polygons among a sheet's marks; None where one is not laid out as usual."""
    codes = np.frombuffer(bytes(map(_CODES.__getitem__, sheet.kinds)), np.uint8)
    there = codes > 0
    marks = list(compress(sheet.marks, there.tolist()))
    is_box = codes[there] == 1
    boxes = _boxes(list(compress(marks, is_box.tolist())))
    polygons = _polygons(list(compress(marks, (~is_box).tolist())))
    if boxes is None or polygons is None:
        return None
    ends = np.concatenate(([0], np.cumsum(there)))[[0, *sheet.ends]]
    return Shapes(marks, [one.name for one in marks], is_box, ends, boxes, polygons)


def _head(count: int) -> int:
    """Bytes before the elements of a packed array."""
    return 1 if count < 16 else 3 if count < 1 << 16 else 5


def _boxes(marks: list[Drawn]) -> Column | None:
    places = [one.bounding_box for one in marks]
    if None in places:
        return None
    found = np.frombuffer(_packed(places), _PLACE, len(places), _head(len(places)))
    return np.array([found[name] for name in _NAMES], np.float64)


def _polygons(marks: list[Drawn]) -> Polygons | None:
    if not marks:
        return Polygons((), np.empty((4, 0)), np.empty(0), [], [])
    found = [bytes(one.polygon) for one in marks]
    if not all([text.startswith(POINT_START) for text in found]):
        return None
    measured = rings(found, again=True)
    return None if measured is None else Polygons(marks, *measured)


def rings(found: list[bytes], *, again: bool) -> Rings | None:
    """What is measured of rings by their JSON: points as the store has them, or numbers in a row.

    `again` says that a last point which is the first one once more counts for nothing. None where one is not
    laid out as usual, or has fewer than three points.
    """
    text = b"\n".join(found).translate(None, _LETTERS)
    try:
        values = _flat(b"[%b]" % text.replace(b"\n", b","))
    except msgspec.DecodeError:
        return None
    texts = text.decode().split("\n")
    counts = np.array([one.count(",") for one in texts]) + 1
    if len(texts) != len(found) or (counts % 2).any() or len(values) != counts.sum():
        return None
    flat = np.frombuffer(_packed(values), _FLOAT, len(values), _head(len(values)))["value"]
    xs, ys = flat[::2].astype(np.float64), flat[1::2].astype(np.float64)
    points = counts // 2
    ends = np.cumsum(points)
    starts = ends - points
    closed = (xs[starts] == xs[ends - 1]) & (ys[starts] == ys[ends - 1]) & again
    if (points - closed).min() < 3:
        return None
    lows, highs = np.minimum.reduceat, np.maximum.reduceat
    bounds = np.array([lows(xs, starts), lows(ys, starts), highs(xs, starts), highs(ys, starts)])
    if not closed.all():
        # So that every ring ends where it begins.
        at = ends[~closed]
        xs, ys = np.insert(xs, at, xs[starts[~closed]]), np.insert(ys, at, ys[starts[~closed]])
        points = points + ~closed
        ends = np.cumsum(points)
    with np.errstate(all="ignore"):
        return bounds, _areas(xs, ys, points, ends), texts, closed.tolist()


def _areas(xs: Column, ys: Column, points: Column, ends: Column) -> Column:
    """The areas of closed rings as `area_of` has them: a ring's products are added one after the other."""
    of = np.repeat(np.arange(len(points)), points)[:-1]
    ahead, behind = xs[:-1] * ys[1:], ys[:-1] * xs[1:]
    # From one ring to the next there is no side; the last one of a ring is taken by itself.
    between, last = ends[:-1] - 1, ends - 2
    ahead[between] = behind[between] = 0
    final = behind[last]
    behind[last] = 0
    count = len(points)
    total = np.bincount(of, ahead, count) - np.bincount(of, behind, count) - final
    areas: Column = np.abs(total) / 2
    return areas
