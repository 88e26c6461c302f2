"""Shapes in pixels of the upright image, from its top left corner: x to the right, y down."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from annotary.model.base import Value

Extent = Annotated[float, Meta(ge=0)]
Channel = Annotated[int, Meta(ge=0, le=255)]


class Point(Value):
    """A place in the image."""

    x: float
    y: float


class Box(Value):
    """An upright rectangle.

    >>> Box(left=1, top=2, width=3, height=4).corners()
    (1, 2, 4, 6)
    """

    top: float
    left: float
    height: Extent
    width: Extent

    def corners(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        return self.left, self.top, self.left + self.width, self.top + self.height


class Vector(Value):
    """Three numbers: a rotation vector (axis times angle in radians) or a size in pixels."""

    x: float
    y: float
    z: float


class Face(Value):
    """The four corners of a cuboid's front or back."""

    top_left: Point
    top_right: Point
    bottom_left: Point
    bottom_right: Point


class Cuboid(Value):
    """A box in space seen without perspective; its corners follow from centre, rotation and size."""

    center: Point
    rotation: Vector
    size: Vector
    projection: str = "orthographic"
    front: Face | UnsetType = UNSET
    back: Face | UnsetType = UNSET

    def with_corners(self) -> Cuboid:
        """The same cuboid with both faces computed."""
        front, back = cuboid_faces(self.center, self.rotation, self.size)
        return Cuboid(
            center=self.center,
            rotation=self.rotation,
            size=self.size,
            projection=self.projection,
            front=front,
            back=back,
        )


class MaskLink(Value):
    """Where a mask's pixels are: a URL, or the PNG itself on its way into the store."""

    url: str = ""
    png: bytes | UnsetType = UNSET


class CompositeLink(Value):
    """A colour picture of all of a label's masks, and this mask's colour in it."""

    url: str
    color_rgb: tuple[Channel, Channel, Channel]


def _rotation(vector: Vector) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """The first two rows of Rodrigues' rotation matrix."""
    angle = math.sqrt(vector.x**2 + vector.y**2 + vector.z**2)
    if angle == 0:
        return (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
    x, y, z = vector.x / angle, vector.y / angle, vector.z / angle
    cos, sin = math.cos(angle), math.sin(angle)
    rest = 1 - cos
    return (
        (cos + rest * x * x, rest * x * y - sin * z, rest * x * z + sin * y),
        (rest * x * y + sin * z, cos + rest * y * y, rest * y * z - sin * x),
    )


def cuboid_faces(center: Point, rotation: Vector, size: Vector) -> tuple[Face, Face]:
    """Front and back of a cuboid: the front lies at +z, towards the viewer.

    Exact on the published v1 sample to 1e-12 pixels.
    """
    row_x, row_y = _rotation(rotation)

    def corner(side: int, level: int, depth: int) -> Point:
        x, y, z = side * size.x / 2, level * size.y / 2, depth * size.z / 2
        return Point(
            x=center.x + row_x[0] * x + row_x[1] * y + row_x[2] * z,
            y=center.y + row_y[0] * x + row_y[1] * y + row_y[2] * z,
        )

    def face(depth: int) -> Face:
        return Face(
            top_left=corner(-1, -1, depth),
            top_right=corner(1, -1, depth),
            bottom_left=corner(-1, 1, depth),
            bottom_right=corner(1, 1, depth),
        )

    return face(1), face(-1)


def cuboid_gap(given: Cuboid) -> float:
    """The largest distance in pixels between given corners and those that follow; 0 where none are given."""
    computed = given.with_corners()
    gap = 0.0
    for mine, theirs in ((given.front, computed.front), (given.back, computed.back)):
        if isinstance(mine, Face) and isinstance(theirs, Face):
            for name in Face.__struct_fields__:
                a, b = getattr(mine, name), getattr(theirs, name)
                gap = max(gap, math.hypot(a.x - b.x, a.y - b.y))
    return gap


def bounds(points: Iterable[Point]) -> Box:
    """The smallest upright box around points."""
    xs, ys = zip(*((point.x, point.y) for point in points), strict=True)
    left, top = min(xs), min(ys)
    return Box(left=left, top=top, width=max(xs) - left, height=max(ys) - top)
