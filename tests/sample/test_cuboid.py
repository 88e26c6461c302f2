"""Corners against the formula written a second way, and against the published sample."""

import math

import numpy as np
import pytest

from annotary.sample.cuboid import CORNERS, Cuboid, product, rotation_matrix, rotation_vector
from annotary.sample.identity import dice

PUBLISHED = Cuboid(
    centre=(589.1436087437497, 301.76757252135343),
    rotation=(-0.23864773605446826, 0.30897007369484236, 0.6676434268107659),
    size=(25.0, 25.0, 35.0),
)


def some_cuboid(number):
    luck = dice("cuboid", number)
    return Cuboid(
        centre=(luck.uniform(0, 900), luck.uniform(0, 600)),
        rotation=(luck.uniform(-1.5, 1.5), luck.uniform(-1.5, 1.5), luck.uniform(-1.5, 1.5)),
        size=(luck.uniform(5, 90), luck.uniform(5, 90), luck.uniform(5, 90)),
    )


def formula(cuboid):
    """R = I + sin(a) K + (1 - cos(a)) K K, with the cross product matrix K of the unit axis."""
    vector = np.array(cuboid.rotation)
    angle = float(np.linalg.norm(vector))
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    half = np.array(cuboid.size) / 2
    return {
        depth: {
            name: np.array(cuboid.centre) + (turn @ (half * (right, down, depth)))[:2]
            for name, (right, down) in CORNERS.items()
        }
        for depth in (1, -1)
    }


@pytest.mark.parametrize("number", range(20))
def test_corners_follow_the_formula(number):
    cuboid = some_cuboid(number)
    for depth, corners in formula(cuboid).items():
        for name, corner in cuboid.face(depth).items():
            assert corner == pytest.approx(tuple(corners[name]), abs=1e-10)


def test_the_published_cuboid_comes_out_to_the_last_digits():
    front, back = PUBLISHED.face(1), PUBLISHED.face(-1)
    assert front["top_left"] == pytest.approx((591.3950896879612, 290.64520273387444), abs=1e-12)
    assert front["bottom_right"] == pytest.approx((594.0077276798871, 323.8679943409492), abs=1e-12)
    assert back["top_right"] == pytest.approx((602.8449300138775, 293.8666516062221), abs=1e-12)
    assert back["bottom_left"] == pytest.approx((568.326687593273, 298.69044140436796), abs=1e-12)


@pytest.mark.parametrize("number", range(5))
def test_the_centre_is_the_mean_of_the_corners(number):
    cuboid = some_cuboid(number)
    corners = [*cuboid.face(1).values(), *cuboid.face(-1).values()]
    assert tuple(np.mean(corners, axis=0)) == pytest.approx(cuboid.centre, abs=1e-10)


def test_a_vector_comes_back_from_its_matrix():
    for vector in [(0.0, 0.0, 0.0), (0.3, -0.2, 0.9), (-1.5, 0.1, 0.0), (0.0, 1e-4, 0.0)]:
        assert rotation_vector(rotation_matrix(vector)) == pytest.approx(vector, abs=1e-9)


def test_a_product_turns_the_second_way_first():
    first, second = rotation_matrix((0.4, 0.0, 0.0)), rotation_matrix((0.0, 0.7, 0.0))
    assert np.array(product(first, second)) == pytest.approx(np.array(first) @ np.array(second))
