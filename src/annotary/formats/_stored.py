"""Marks as the store holds them: objects whose geometry is checked, and what a COCO file said beside it.

A COCO annotation says its geometry several times over: `segmentation`, `bbox`, `area`. What the object in
the store does not say stays with it under `coco`, with a digest of the geometry it belonged to. Where the
object has another geometry by then, only that is true, and what COCO said of the old one is left out.
"""

from __future__ import annotations

from array import array
from hashlib import sha256
from itertools import chain
from math import isfinite
from typing import Any
from zlib import crc32

import msgspec
from msgspec import Raw

from annotary.formats import _marks as marks
from annotary.model.annotation import (
    Arrow,
    Bond,
    BoxObject,
    Classification,
    CuboidObject,
    Drawn,
    MaskObject,
    PointObject,
    PolygonObject,
    PolylineObject,
)
from annotary.model.geometry import Cuboid, MaskLink, Point
from annotary.model.image import (
    BOND,
    BOX,
    CUBOID,
    MASK,
    NOTHING,
    POINT,
    POLYGON,
    POLYLINE,
    WORDS,
    Image,
    Mark,
)

DIGEST = "geometry_digest"
"""The key beside those of COCO."""
GEOMETRY = ("segmentation", "bbox", "area")
_members = msgspec.json.Decoder(dict[str, Raw]).decode
_cuboid = msgspec.json.Decoder(Cuboid).decode
_answers = msgspec.json.Decoder(tuple[Classification, ...]).decode


class _Digest(msgspec.Struct, gc=False):
    geometry_digest: Any = ""


_digest = msgspec.json.Decoder(_Digest).decode


# Into the store


def stored(mark: Mark, image: Image) -> tuple[Drawn, dict[str, Any]]:
    """The object, and what is carried under `coco`; raises ValueError that says what is wrong with it."""
    fields: dict[str, Any] = {"feature_id": mark.feature_id, "name": mark.name}
    try:
        if mark.classifications:
            fields["classifications"] = _answers(mark.classifications)
        if mark.confidence is not None:
            fields["confidence"] = mark.confidence
        drawn = _drawn(mark, image, fields)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
    return drawn, _carried(mark, drawn) if mark.coco else {}


def _drawn(mark: Mark, image: Image, fields: dict[str, Any]) -> Drawn:
    match mark.kind:
        case "ImageBoundingBox" if mark.bounding_box is not None:
            box = mark.bounding_box
            _finite((box.left, box.top, box.width, box.height))
            if box.width < 0 or box.height < 0:
                raise ValueError("a box's width or height is below 0")
            return BoxObject(bounding_box=box, **fields)
        case "ImagePolygon":
            points = _points(mark.flat(), 3, "a polygon")
            return PolygonObject(polygon=(*points, points[0]), **fields)
        case "ImagePolyline":
            return PolylineObject(line=_points(mark.flat(), 1, "a polyline"), **fields)
        case "ImagePoint" if mark.point is not None:
            _finite((mark.point.x, mark.point.y))
            return PointObject(point=mark.point, **fields)
        case "ImageCuboid":
            return CuboidObject(cuboid=_cuboid(mark.cuboid), **fields)
        case "ImageSegmentationMask":
            return MaskObject(mask=MaskLink(png=_png(mark, image)), **fields)
        case "ImageUnidirectionalRelationship" | "ImageBidirectionalRelationship":
            return _joined(mark, image, fields)
    raise ValueError(f"{mark.kind} is not stored from training formats")


def _joined(mark: Mark, image: Image, fields: dict[str, Any]) -> Drawn:
    """A relationship whose ends are objects of its image."""
    ends = marks.ends(mark)
    for end in (ends.source, ends.target):
        if not any(one.feature_id == end and WORDS[one.kind] != "relationship" for one in image.marks):
            raise ValueError("a relationship to an object that is not there")
    if mark.kind == BOND:
        return Bond(bidirectional_relationship=ends, **fields)
    return Arrow(unidirectional_relationship=ends, **fields)


def _png(mark: Mark, image: Image) -> bytes:
    """A mask's pixels, as many as its image has."""
    found = marks.run_lengths(mark, image)
    if image.width and (found.width, found.height) != (image.width, image.height):
        raise ValueError(
            f"the mask is of {found.width} x {found.height} pixels,"
            f" its image of {image.width} x {image.height}"
        )
    return mark.png if mark.png is not None else found.png()


def _points(numbers: list[float], least: int, word: str) -> tuple[Point, ...]:
    if len(numbers) % 2:
        raise ValueError(f"{word} with half a point")
    if len(numbers) < 2 * least:
        raise ValueError(f"{word} of fewer than {least} points")
    _finite(numbers)
    return tuple(Point(x=x, y=y) for x, y in zip(numbers[::2], numbers[1::2], strict=True))


def _finite(numbers: list[float] | tuple[float, ...]) -> None:
    if not all(map(isfinite, numbers)):
        raise ValueError("a coordinate is not a finite number")


def _carried(mark: Mark, drawn: Drawn) -> dict[str, Any]:
    """What a COCO annotation says that its object in the store does not."""
    said: dict[str, Any] = msgspec.json.decode(mark.coco)
    if mark.kind == POLYGON:
        said.pop("segmentation", None)
    elif mark.kind == BOX:
        said.pop("bbox", None)
    if any(key in said for key in GEOMETRY):
        png = drawn.mask.png if isinstance(drawn, MaskObject) and isinstance(drawn.mask, MaskLink) else b""
        assert isinstance(png, bytes)
        said[DIGEST] = digest(mark, sha256(png).hexdigest() if png else "")
    return said


# Out of the store


def digest(mark: Mark, pixels: str) -> str:
    """Eight or sixteen digits that differ for another kind or geometry; `pixels` is a mask's own hash."""
    numbers: list[float] | tuple[float, ...]
    if mark.kind == MASK:
        return pixels[:16]
    if mark.kind == BOX and (box := mark.bounding_box) is not None:
        numbers = (box.left, box.top, box.width, box.height)
    elif mark.kind in (POLYGON, POLYLINE):
        numbers = mark.flat()
    elif mark.kind == POINT and mark.point is not None:
        numbers = (mark.point.x, mark.point.y)
    elif mark.kind == CUBOID:
        numbers = list(chain.from_iterable(marks.cuboid_corners(mark).tolist()))
    else:
        numbers = ()
    return f"{crc32(array('d', numbers).tobytes(), len(mark.kind)):08x}"


def current(mark: Mark, pixels: str) -> Raw:
    """What COCO said of a stored mark, without the geometry of another one it may once have had."""
    text = mark.coco
    try:
        said = _digest(text).geometry_digest
        if said and (said == digest(mark, pixels) or (mark.kind == MASK and not pixels)):
            # Of a mask without pixels here, only what COCO said is known.
            return text
        members = _members(text)
    except msgspec.DecodeError:
        # Somebody else's key of this name.
        return NOTHING
    if mark.kind == MASK and not pixels and not said:
        return text
    return Raw(msgspec.json.encode({key: one for key, one in members.items() if key not in GEOMETRY}))
