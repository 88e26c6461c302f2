"""Cuboids in orthographic projection: eight corners from centre, rotation vector and size."""

import math
from dataclasses import dataclass

Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]
Point = tuple[float, float]

CORNERS = {"top_left": (-1, -1), "top_right": (1, -1), "bottom_left": (-1, 1), "bottom_right": (1, 1)}
"""Signs of x and y at each corner of a face; y points down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuboid:
    """A box in space: centre on the image, rotation as axis times angle in radians, size in pixels."""

    centre: Point
    rotation: Vector
    size: Vector

    def face(self, depth: int) -> dict[str, Point]:
        """The four corners of the front (depth 1) or the back (depth -1) face."""
        turn = rotation_matrix(self.rotation)
        x, y, z = (extent / 2 for extent in self.size)
        return {name: self._seen(turn, (i * x, j * y, depth * z)) for name, (i, j) in CORNERS.items()}

    def _seen(self, turn: Matrix, offset: Vector) -> Point:
        (a, b, _) = turned(turn, offset)
        return self.centre[0] + a, self.centre[1] + b


def rotation_matrix(rotation: Vector) -> Matrix:
    """The matrix of a rotation vector, by the formula of Rodrigues.

    >>> rotation_matrix((0.0, 0.0, 0.0))
    ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    """
    angle = math.hypot(*rotation)
    if angle == 0:
        return (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
    x, y, z = (part / angle for part in rotation)
    c, s = math.cos(angle), math.sin(angle)
    k = 1 - c
    return (
        (c + k * x * x, k * x * y - s * z, k * x * z + s * y),
        (k * y * x + s * z, c + k * y * y, k * y * z - s * x),
        (k * z * x - s * y, k * z * y + s * x, c + k * z * z),
    )


def rotation_vector(turn: Matrix) -> Vector:
    """The rotation vector of a matrix that turns by less than half a circle."""
    angle = math.acos(max(-1.0, min(1.0, (turn[0][0] + turn[1][1] + turn[2][2] - 1) / 2)))
    if angle == 0:
        return 0.0, 0.0, 0.0
    k = angle / (2 * math.sin(angle))
    return k * (turn[2][1] - turn[1][2]), k * (turn[0][2] - turn[2][0]), k * (turn[1][0] - turn[0][1])


def turned(turn: Matrix, offset: Vector) -> Vector:
    """An offset after the turn."""
    x, y, z = (row[0] * offset[0] + row[1] * offset[1] + row[2] * offset[2] for row in turn)
    return x, y, z


def product(first: Matrix, second: Matrix) -> Matrix:
    """The turn that does `second`, then `first`."""
    columns = tuple(zip(*second, strict=True))
    a, b, c = (turned(first, (column[0], column[1], column[2])) for column in columns)
    return (a[0], b[0], c[0]), (a[1], b[1], c[1]), (a[2], b[2], c[2])
