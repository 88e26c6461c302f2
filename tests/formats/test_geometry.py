"""Shapes against pycocotools, pixels counted one by one, and real polygons."""

import json
import math
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as pycoco

from annotary.formats import _geometry as geometry
from annotary.model.annotation import (
    BoxObject,
    CuboidObject,
    MaskObject,
    PointObject,
    PolygonObject,
    PolylineObject,
)
from annotary.model.geometry import Box, Cuboid, Point, Vector

SQUARE = geometry.ring([(1, 1), (9, 1), (9, 9), (1, 9)])
HOLE = geometry.ring([(3, 3), (3, 6), (6, 6), (6, 3)])


def refused(message, function, *arguments, **options):
    with pytest.raises(ValueError, match=message):
        function(*arguments, **options)


def pycoco_mask(parts, height, width):
    """As users of COCO do it."""
    found = pycoco.merge(
        pycoco.frPyObjects([np.asarray(part).ravel().tolist() for part in parts], height, width)
    )
    return geometry.Rle(height, width, found["counts"]).mask()


coordinates = st.one_of(
    st.integers(-20, 60).map(float), st.integers(-40, 120).map(lambda n: n / 2), st.floats(-20, 60, width=32)
)
rings = st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=9)
sizes = st.tuples(st.integers(1, 45), st.integers(1, 45))
boxes = st.builds(
    Box,
    left=st.integers(-10, 20),
    top=st.integers(-10, 20),
    width=st.integers(0, 20),
    height=st.integers(0, 20),
)


@given(st.lists(rings, min_size=1, max_size=3), sizes)
def test_parts_are_filled_as_pycocotools_fills_them(parts, size):
    filled = geometry.fill_parts([geometry.ring(part) for part in parts], *size)
    assert (filled.mask() == pycoco_mask(parts, *size)).all()
    closed = [geometry.ring([*part, part[0]]) for part in parts]
    assert geometry.fill_parts(closed, *size) == filled


@given(st.lists(rings, min_size=1, max_size=3), sizes)
def test_rings_are_filled_even_odd(parts, size):
    filled = geometry.fill_rings([geometry.ring(part) for part in parts], *size)
    assert (filled.mask() == np.logical_xor.reduce([pycoco_mask([part], *size) for part in parts])).all()


@given(rings, rings, sizes)
def test_holes_are_taken_away(part, hole, size):
    filled = geometry.fill_parts([geometry.ring(part)], *size, holes=[geometry.ring(hole)])
    assert (filled.mask() == pycoco_mask([part], *size) & ~pycoco_mask([hole], *size)).all()


def test_shapes_that_fill_nothing():
    for points in [], [(3, 3)], [(1, 1), (9, 9)], [(2, 2), (5, 2), (8, 2)], [(-9, -9), (-5, -9), (-5, -5)]:
        ring = geometry.ring(points)
        assert geometry.fill_parts([ring], 10, 10).area() == geometry.fill_rings([ring], 10, 10).area() == 0
    assert geometry.fill_parts([], 10, 10).area() == geometry.fill_rings([], 10, 10).area() == 0
    assert geometry.fill_parts([geometry.ring([(3, 3)]), SQUARE], 10, 10).area() == 64


def test_far_coordinates_cost_neither_time_nor_memory():
    far = geometry.ring([(-1e9, -1e9), (1e9, -1e9), (1e9, 1e9), (-1e9, 1e9)])
    tracemalloc.start()
    assert geometry.fill_parts([far], 10, 10).mask().all()
    assert geometry.fill_parts([np.add(far, (0, 1e9 + 5))], 10, 10).mask().sum(axis=0).tolist() == [5] * 10
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    zigzag = np.tile([(0.0, 0.0), (9000.0, 9000.0)], (5000, 1))
    refused(
        "an outline of 10000 corners is longer than 2000000 pixels", geometry.fill_parts, [zigzag], 9000, 9000
    )


@given(rings)
def test_a_ring_cut_to_a_box_fills_the_same_inside_it(part):
    ring = geometry.ring(part)
    cut = geometry.clip_ring(ring, -1, -1, 31, 21)
    if len(cut):
        assert (cut >= -1 - 1e-6).all() and (cut <= (31 + 1e-6, 21 + 1e-6)).all()
    whole, less = (geometry.fill_rings([one], 20, 30).mask() for one in (ring, cut))
    # The cut moves corners, and pycocotools rounds them to fifths of a pixel: one pixel a crossed side.
    assert np.count_nonzero(whole != less) <= 30


@pytest.mark.parametrize("points", [[(1, 2, 3)], [(1, 2), (3,)], [("a", 1)], [{}], [1, 2], [None]])
def test_what_is_no_point_is_refused(points):
    refused("a point is a pair of numbers", geometry.ring, points)


def test_numbers_that_are_none_are_refused():
    for points in [(0, math.nan), (1, 1)], [(0, math.inf)], [(2e9, 0)]:
        refused("a coordinate is not a number or beyond", geometry.ring, points)
    refused("a polygon of 3 numbers", geometry.flat_ring, [1, 2, 3])
    refused("no points", geometry.box_of, geometry.ring([]))
    refused("no points", geometry.rotated_rectangle, geometry.ring([]))
    refused("too many pixels", geometry.fill_parts, [SQUARE], 10**5, 10**5)
    refused("no pixels", geometry.fill_rings, [SQUARE], 0, 5)
    refused("thickness is from 1", geometry.fill_line, SQUARE, 0.5, 10, 10)
    refused("a mask has no corners", geometry.corners, MaskObject())


def test_corners_of_every_shape():
    points = (Point(x=0, y=0), Point(x=4, y=0), Point(x=4, y=3), Point(x=0, y=0))
    assert geometry.corners(PolygonObject(polygon=points)).tolist() == [[0, 0], [4, 0], [4, 3]]
    assert geometry.points_of(geometry.ring(points), closed=True) == points
    assert geometry.corners(PolylineObject(line=points[:2])).tolist() == [[0, 0], [4, 0]]
    assert geometry.corners(PointObject(point=points[1])).tolist() == [[4, 0]]
    box = Box(left=1, top=2, width=3, height=4)
    assert geometry.corners(BoxObject(bounding_box=box)).tolist() == [[1, 2], [4, 2], [4, 6], [1, 6]]
    turned = Vector(x=0, y=0, z=math.pi / 4)
    cuboid = Cuboid(center=Point(x=10, y=10), rotation=turned, size=Vector(x=2, y=2, z=5))
    drawn = CuboidObject(cuboid=cuboid)
    assert geometry.corners(drawn).shape == (8, 2)
    assert (geometry.corners(CuboidObject(cuboid=cuboid.with_corners())) == geometry.corners(drawn)).all()
    around = geometry.box_of(geometry.outline(drawn))
    assert np.allclose(around.corners(), (10 - 2**0.5, 10 - 2**0.5, 10 + 2**0.5, 10 + 2**0.5))


@given(boxes, boxes)
def test_boxes_share_what_their_pixels_share(one, other):
    masks = []
    for box in one, other:
        masks.append(np.zeros((60, 60), bool))
        left, top, right, bottom = (int(edge) + 10 for edge in box.corners())
        masks[-1][top:bottom, left:right] = True
    either = np.count_nonzero(masks[0] | masks[1])
    expected = np.count_nonzero(masks[0] & masks[1]) / either if either else float(one == other)
    assert geometry.box_iou(one, other) == pytest.approx(expected)


@given(boxes, st.integers(1, 30), st.integers(1, 30))
def test_a_box_is_clipped_to_the_image(box, height, width):
    clipped = geometry.clip_box(box, height, width)
    left, top, right, bottom = box.corners()
    assert clipped.cut == (left < 0 or top < 0 or right > width or bottom > height)
    full = geometry.fill_box(box, height, width)
    if clipped.box is None:
        assert full.area() == 0
    else:
        assert geometry.fill_box(clipped.box, height, width) == full
        assert geometry.clip_box(clipped.box, height, width) == (clipped.box, False)
        # What had an area keeps one.
        assert (clipped.box.width > 0, clipped.box.height > 0) == (box.width > 0, box.height > 0)


def test_a_box_of_pixels_is_the_mask_s_own_box():
    mask = np.zeros((20, 30), bool)
    assert geometry.mask_box(mask) is None
    mask[3:7, 10:30] = True
    box = geometry.mask_box(mask)
    assert box == Box(left=10, top=3, width=20, height=4)
    assert (geometry.fill_box(box, 20, 30).mask() == mask).all()


@given(st.lists(st.tuples(st.integers(-30, 30), st.integers(-30, 30)), min_size=1, max_size=12))
def test_a_rotated_rectangle_holds_its_points_and_is_smallest(points):
    ring = geometry.ring([*points, points[0]] if len(points) > 1 else points)
    found = geometry.rotated_rectangle(ring)
    sides = np.roll(found, -1, axis=0) - found
    assert np.allclose((sides * np.roll(sides, 1, axis=0)).sum(axis=1), 0, atol=1e-9)
    turns = sides[:, 0] * np.roll(sides, -1, axis=0)[:, 1] - sides[:, 1] * np.roll(sides, -1, axis=0)[:, 0]
    assert (turns >= -1e-9).all()  # clockwise on the screen
    for start, side in zip(found, sides, strict=True):
        assert (side[0] * (ring - start)[:, 1] - side[1] * (ring - start)[:, 0] >= -1e-6).all()
    least = min(
        float(np.prod(np.ptp(ring @ np.array([(c, -s), (s, c)]), axis=0)))
        for c, s in ((math.cos(a), math.sin(a)) for a in np.linspace(0, math.pi / 2, 91))
    )
    assert geometry.ring_area(found) <= least + 1e-6


@pytest.mark.parametrize("angle", np.linspace(-3, 3, 13).tolist())
def test_a_rectangle_is_found_again(angle):
    turn = np.array([(math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))])
    given = np.array([(-20.0, -5.0), (20, -5), (20, 5), (-20, 5)]) @ turn + 100
    found = geometry.rotated_rectangle(given)
    assert np.allclose(sorted(found.tolist()), sorted(given.tolist()))
    assert found.sum(axis=1).min() == pytest.approx(found[0].sum())


def test_areas():
    assert geometry.ring_area(SQUARE) == geometry.ring_area(SQUARE[::-1]) == 64
    assert geometry.parts_area([SQUARE], [HOLE]) == 55
    assert geometry.ring_area(SQUARE + 1e8) == 64
    assert geometry.ring_area(geometry.ring([(1, 1), (5, 5)])) == 0
    assert geometry.fill_rings([SQUARE, HOLE], 10, 10).area() == 55


def test_shapes_share_areas_at_any_place_and_size():
    for scale, shift in (1, 0), (1e-3, 0.5), (1e6, -1e8), (37.5, 12.25):
        square, hole = SQUARE * scale + shift, HOLE * scale + shift
        half = geometry.ring([(1, 1), (5, 1), (5, 9), (1, 9)]) * scale + shift
        assert geometry.shape_iou([square], [square]) == 1
        assert geometry.shape_iou([square], [half]) == pytest.approx(0.5, abs=0.005)
        assert geometry.shape_iou([square, hole], [square]) == pytest.approx(55 / 64, abs=0.005)
        assert geometry.shape_iou([square], [square + 20 * scale]) == 0
    assert geometry.shape_iou([], []) == geometry.shape_iou([SQUARE[:1]], [SQUARE[:1]]) == 1
    assert geometry.shape_iou([SQUARE], []) == 0
    thin = SQUARE * (1, 0.01)
    assert geometry.shape_iou([thin], [thin * (1, 2) - (0, 0.01)]) == pytest.approx(0.5, abs=0.005)


def test_a_line_has_a_width_and_never_vanishes():
    upright = geometry.fill_line(geometry.ring([(3, 2), (3, 5)]), 1, 9, 9).mask()
    assert upright[2:6, 3].all()
    assert geometry.fill_line(geometry.ring([(3.99, 5.01)]), 1, 9, 9).mask()[5, 3]
    assert geometry.fill_line(geometry.ring([(900, 5)]), 4, 9, 9).area() == 0
    for seed in range(20):
        points = np.random.default_rng(seed).uniform(2, 58, (4, 2))
        thickness = 1 + seed / 4
        mask = geometry.fill_line(points, thickness, 60, 60).mask()
        centres = np.mgrid[:60, :60][::-1].transpose(1, 2, 0) + 0.5
        distance = np.full((60, 60), np.inf)
        for start, end in pairwise(points):
            along = np.clip((centres - start) @ (end - start) / ((end - start) ** 2).sum(), 0, 1)
            distance = np.minimum(
                distance,
                np.hypot(*np.moveaxis(centres - start - along[..., np.newaxis] * (end - start), -1, 0)),
            )
        assert mask[distance < thickness / 2 - 0.8].all()
        assert not mask[distance > thickness / 2 + 0.8].any()


@pytest.mark.parametrize(
    ("name", "pixels", "several"), [("instances.json", 1_464_655, 6), ("rle.json", 911_185, 15)]
)
def test_real_polygons_are_equal_pixel_for_pixel(shared, name, pixels, several):
    coco = json.loads((shared / "data/coco20" / name).read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in coco["images"]}
    for each in coco["annotations"]:
        size, given = sizes[each["image_id"]], each["segmentation"]
        theirs = pycoco.frPyObjects(given, *size)
        if isinstance(given, dict):
            pixels -= pycoco.area(theirs)
            continue
        parts = [geometry.flat_ring(part) for part in given]
        filled = geometry.fill_parts(parts, *size)
        assert filled.counts == pycoco.merge(theirs)["counts"]
        pixels -= filled.area()
        several -= len(parts) > 1
        left, top, right, bottom = geometry.box_of(np.concatenate(parts)).corners()
        assert np.allclose((left, top, right - left, bottom - top), each["bbox"], atol=0.01)
    assert pixels == several == 0
