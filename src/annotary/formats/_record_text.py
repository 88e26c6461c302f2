"""The geometry of records as text: well-known text of points, JSON of run-lengths, cuboids and ends."""

from __future__ import annotations

from itertools import chain
from typing import Any

import msgspec
from msgspec import Raw

from annotary.formats import _rle as rle
from annotary.formats._records import Record
from annotary.model.annotation import Ends
from annotary.model.image import NOTHING

_encode = msgspec.json.Encoder().encode


def text_of(one: Record) -> str:
    """Well-known text of points, JSON of run-lengths, cuboids and ends; empty for a box."""
    if one.rle is not None:
        return _encode(one.rle.segmentation()).decode()
    if one.cuboid:
        return one.cuboid
    if one.ends is not None:
        said = {"source": one.ends.source, "target": one.ends.target, "directed": one.directed}
        return _encode(said).decode()
    if one.rings is None:
        return ""
    match one.kind:
        case "point":
            return f"POINT ({_pairs(one.rings[0])})"
        case "polyline":
            return f"LINESTRING ({_pairs(one.rings[0])})"
        case "polygon":
            return f"POLYGON (({_pairs(_closed(one.rings[0]))}))"
    return f"MULTIPOLYGON ({', '.join(f'(({_pairs(_closed(ring))}))' for ring in one.rings)})"


def _closed(ring: list[float]) -> list[float]:
    return [*ring, *ring[:2]]


def _pairs(ring: list[float]) -> str:
    texts = [number(one) for one in ring]
    return ", ".join(f"{x} {y}" for x, y in zip(texts[::2], texts[1::2], strict=True))


def number(value: float) -> str:
    """The shortest text that is the same number.

    >>> number(3.0), number(0.1)
    ('3', '0.1')
    """
    return repr(float(value)).removesuffix(".0")


_WKT = {"POINT": "point", "LINESTRING": "polyline", "POLYGON": "polygon", "MULTIPOLYGON": "mask"}


class _Text(msgspec.Struct, gc=False):
    size: Any = None
    counts: Any = None
    center: Raw = NOTHING
    source: str | None = None
    target: str | None = None
    directed: bool = True


_text = msgspec.json.Decoder(_Text).decode


def take_text(one: Record, text: str) -> None:
    """Put a geometry's text into its record; raises ValueError."""
    if text.lstrip().startswith("{"):
        try:
            said = _text(text)
        except msgspec.DecodeError as error:
            raise ValueError(f"geometry: {error}") from None
        if said.center:
            one.cuboid = text
        elif said.source is not None and said.target is not None:
            one.ends, one.directed = Ends(source=said.source, target=said.target), said.directed
        else:
            one.rle = rle.of_segmentation({"size": said.size, "counts": said.counts})
        return
    word, _, rest = text.strip().partition("(")
    kind = _WKT.get(word.strip().upper())
    if kind is None or not rest.endswith(")"):
        raise ValueError("geometry is POINT, LINESTRING, POLYGON or MULTIPOLYGON, or a JSON object")
    if kind == "polygon":
        kind = _polygon(one, rest[:-1])
    elif kind == "mask":
        parts = rest[:-1].strip().removeprefix("((").removesuffix("))")
        one.rings = [_opened(_ring(part)) for part in _split(parts)]
    else:
        one.rings = [_ring(rest[:-1])]
    if kind != one.kind and not (one.kind == "mask" and kind == "polygon"):
        raise ValueError(f"{word.strip()} is no geometry of a {one.kind}")


def _polygon(one: Record, text: str) -> str:
    rings = text.strip().removeprefix("(").removesuffix(")").split("),")
    if len(rings) > 1:
        raise ValueError("a polygon with holes; write it as a mask with run-lengths")
    one.rings = [_opened(_ring(rings[0]))]
    return "polygon"


def _split(text: str) -> list[str]:
    parts = ["".join(part.split("((")) for part in text.split(")),")]
    if any("(" in part or ")" in part for part in parts):
        raise ValueError("a part with holes; write the mask with run-lengths")
    return parts


def _ring(text: str) -> list[float]:
    try:
        pairs = [pair.split() for pair in text.split(",")]
        found = [float(word) for word in chain.from_iterable(pairs)]
    except ValueError:
        raise ValueError("geometry: a coordinate that is not a number") from None
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError("geometry: a point is x and y")
    return found


def _opened(ring: list[float]) -> list[float]:
    """Without the last point where it repeats the first, as well-known text wants it."""
    return ring[:-2] if len(ring) > 2 and ring[:2] == ring[-2:] else ring
