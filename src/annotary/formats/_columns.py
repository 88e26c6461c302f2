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
from msgspec import Raw

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
_START = np.frombuffer(POINT_START, np.uint8)
_COMMA, _LINE, _SPACE, _CLOSE = b",\n ]"


class Rings(NamedTuple):
    """What is measured of rings in order: `bounds` are left, top, right, bottom, 4 x n.

    `text` is the JSON of their numbers, a line each; `starts` and `ends` say where they begin and end in it.
    Where the last point is the first one once more (`closed`), it counts for nothing and is after the end.
    """

    bounds: Column
    areas: Column
    text: bytes
    starts: Column
    ends: Column
    closed: Column

    def texts(self) -> list[bytes]:
        """What `Mark.flat_text` gives of each."""
        letters = np.frombuffer(self.text, np.uint8).copy()
        # In place of the comma before what does not count.
        letters[self.ends[self.closed]] = _CLOSE
        whole = letters.tobytes()
        places = zip(self.starts.tolist(), (self.ends + 1).tolist(), strict=True)
        return [whole[start:end] for start, end in places]


_NO_PLACES = np.empty(0, np.int64)
_NO_RINGS = Rings(np.empty((4, 0)), np.empty(0), b"[]", _NO_PLACES, _NO_PLACES, np.empty(0, np.bool_))


class Shapes(NamedTuple):
    """The boxes and polygons of a sheet in order: `ends` is where each image's begin, and all end.

    `boxes` are left, top, width, height, 4 x n, `rings` what is measured of the `polygons`.
    """

    marks: list[Drawn]
    names: list[str]
    is_box: Column
    ends: Column
    boxes: Column
    polygons: list[Drawn]
    rings: Rings


def drawn(sheet: Sheet) -> Shapes | None:
    """The boxes and polygons among a sheet's marks; None where one is not laid out as usual."""
    codes = np.frombuffer(bytes(map(_CODES.__getitem__, sheet.kinds)), np.uint8)
    there = codes > 0
    marks = list(compress(sheet.marks, there.tolist()))
    is_box = codes[there] == 1
    polygons = list(compress(marks, (~is_box).tolist()))
    boxes = _boxes(list(compress(marks, is_box.tolist())))
    measured = rings([one.polygon for one in polygons], again=True) if polygons else _NO_RINGS
    if boxes is None or measured is None:
        return None
    ends = np.concatenate(([0], np.cumsum(there)))[[0, *sheet.ends]]
    return Shapes(marks, [one.name for one in marks], is_box, ends, boxes, polygons, measured)


def _head(count: int) -> int:
    """Bytes before the elements of a packed array."""
    return 1 if count < 16 else 3 if count < 1 << 16 else 5


def _boxes(marks: list[Drawn]) -> Column | None:
    places = [one.bounding_box for one in marks]
    if None in places:
        return None
    found = np.frombuffer(_packed(places), _PLACE, len(places), _head(len(places)))
    return np.array([found[name] for name in _NAMES], np.float64)


def rings(found: Sequence[Raw | bytes], *, again: bool) -> Rings | None:
    """What is measured of rings by their JSON: numbers in a row; with `again`, points as the store has them.

    `again` says, too, that a last point which is the first one once more counts for nothing. None where one
    is not laid out as usual, or has fewer than three points.
    """
    text = b"\n".join(found)
    if again:
        if not _are_points(text):
            return None
        text = text.translate(None, POINT_LETTERS)
    if not text.endswith(b"]"):
        return None
    letters = np.frombuffer(text, np.uint8)
    commas, lines = np.flatnonzero(letters == _COMMA), np.flatnonzero(letters == _LINE)
    try:
        values = _flat(_in_one(letters, lines).data)
    except msgspec.DecodeError:
        return None
    stops = np.append(lines, len(text))
    before = np.searchsorted(commas, stops)
    counts = np.diff(before, prepend=0) + 1
    if len(counts) != len(found) or (counts % 2).any() or len(values) != counts.sum():
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
        areas = _areas(xs, ys, points, ends)
    stops = np.where(closed, commas[before - 2], stops - 1)
    return Rings(bounds, areas, text, np.append(0, lines + 1), stops, closed)


def _in_one(letters: Column, lines: Column) -> Column:
    """Arrays on lines as one array: to look for what stands between two of them takes ten times as long."""
    one = letters.copy()
    one[lines - 1] = _COMMA
    one[lines] = one[lines + 1] = _SPACE
    return one


def _are_points(text: bytes) -> bool:
    """Whether all lines begin as the JSON of points does."""
    letters = np.frombuffer(text, np.uint8)
    starts = np.append(0, np.flatnonzero(letters == _LINE) + 1)
    if starts[-1] + len(_START) > len(letters):
        return False
    return bool((letters[starts[:, None] + np.arange(len(_START))] == _START).all())


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
