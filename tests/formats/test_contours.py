"""Outlines of masks: filled again they are the mask."""

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from annotary.formats import _contours as contours
from annotary.formats import _geometry as geometry
from annotary.formats import _rle as rle
from annotary.formats._label_png import decode_labels


@st.composite
def masks(draw):
    """Noise of any density, with blocks set and cleared, so that pieces, holes and touching corners occur."""
    height, width = draw(st.integers(1, 14)), draw(st.integers(1, 14))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    mask = rng.random((height, width)) < draw(st.sampled_from([0, 0.05, 0.3, 0.5, 0.7, 0.95, 1]))
    for inside in draw(st.lists(st.booleans(), max_size=5)):
        (top, bottom), (left, right) = np.sort(rng.integers(0, 15, 2)), np.sort(rng.integers(0, 15, 2))
        mask[top:bottom, left:right] = inside
    return mask


def pieces(mask):
    """The number of pieces whose pixels share sides, by flooding."""
    todo, count = {tuple(place) for place in np.argwhere(mask).tolist()}, 0
    while todo:
        count += 1
        edge = [todo.pop()]
        while edge:
            row, column = edge.pop()
            near = todo & {(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)}
            edge += near
            todo -= near
    return count


@given(masks())
def test_traced_and_filled_is_the_same(mask):
    regions = contours.trace(mask)
    rings = [ring for region in regions for ring in region.rings()]
    assert (geometry.fill_rings(rings, *mask.shape).mask() == mask).all()
    assert len(regions) == pieces(mask)
    assert sum(region.area() for region in regions) == mask.sum()


@given(masks())
def test_every_region_has_its_own_holes(mask):
    covered = np.zeros_like(mask)
    for region in contours.trace(mask):
        filled = geometry.fill_parts([region.outer], *mask.shape, holes=region.holes).mask()
        assert not (covered & filled).any()
        assert filled.sum() == region.area()
        assert pieces(filled) == 1
        covered |= filled
    assert (covered == mask).all()


@given(masks())
def test_one_ring_with_bridges_is_filled_the_same(mask):
    for region in contours.trace(mask):
        ring = contours.bridge(region)
        filled = geometry.fill_parts([region.outer], *mask.shape, holes=region.holes)
        assert geometry.fill_parts([ring], *mask.shape) == filled
        assert geometry.ring_area(ring) == region.area()


@given(masks())
def test_rings_turn_at_every_corner_and_in_their_own_direction(mask):
    for region in contours.trace(mask):
        for ring, clockwise in [(region.outer, True), *((hole, False) for hole in region.holes)]:
            sides = np.roll(ring, -1, axis=0) - ring
            assert ((sides == 0).sum(axis=1) == 1).all()
            assert (np.sign(sides[0::2]) * np.sign(sides[1::2]) == 0).all()
            x, y = ring.T
            doubled = x @ np.roll(y, -1) - y @ np.roll(x, -1)
            assert (doubled > 0) == clockwise


def test_a_ring_in_a_hole_is_a_region_of_its_own():
    mask = np.ones((9, 11), bool)
    mask[1:8, 1:10] = False
    mask[2:7, 2:9] = True
    mask[3:5, 3:5] = mask[3:6, 6:8] = False
    outer, inner = contours.trace(mask)
    assert [len(outer.holes), len(inner.holes)] == [1, 2]
    assert outer.outer.tolist() == [[0, 0], [11, 0], [11, 9], [0, 9]]
    assert outer.area() == 99 - 63 and inner.area() == 35 - 4 - 6
    assert contours.trace(~np.ones((3, 3), bool)) == ()


def test_noise_is_refused_before_it_costs(monkeypatch):
    monkeypatch.setattr(contours, "_CORNERS", 100)
    with pytest.raises(ValueError, match="more than 100 corners"):
        contours.trace(np.indices((20, 20)).sum(axis=0) % 2 == 0)
    with pytest.raises(ValueError, match="two-dimensional"):
        contours.trace(np.zeros((3, 3, 3), bool))


@given(masks(), st.floats(0, 5))
def test_simpler_rings_are_measured(mask, tolerance):
    simpler = contours.simplify(contours.trace(mask), mask, tolerance)
    rings = [ring for region in simpler.regions for ring in region.rings()]
    filled = geometry.fill_rings(rings, *mask.shape).mask()
    either = (filled | mask).sum()
    assert simpler.iou == ((filled & mask).sum() / either if either else 1)
    assert len(simpler.regions) == len(contours.trace(mask))
    assert all(len(ring) > 2 for ring in rings)


@pytest.mark.parametrize("tolerance", [0.5, 1.0, 3.0])
def test_corners_left_out_are_near_the_line(tolerance):
    angles = np.linspace(0, 2 * np.pi, 500, endpoint=False)
    ring = np.stack([np.cos(angles) * 90 + 100, np.sin(angles) * 50 + 60], axis=1)
    thinner = contours.thin(ring, tolerance)
    assert len(thinner) < 60
    assert contours.thin(ring, 0) is ring
    for corner in ring:
        ends = np.roll(thinner, -1, axis=0)
        along = ends - thinner
        share = np.clip(((corner - thinner) * along).sum(axis=1) / (along**2).sum(axis=1), 0, 1)
        nearest = thinner + share[:, np.newaxis] * along
        assert np.hypot(*(nearest - corner).T).min() <= tolerance + 1e-9


def test_a_circle_becomes_a_polygon_of_few_corners_that_covers_it():
    rows, columns = np.mgrid[:200, :200] + 0.5
    mask = np.hypot(rows - 100, columns - 100) < 80
    simpler = contours.simplify(contours.trace(mask), mask, 1.0)
    assert simpler.iou > 0.97
    assert len(simpler.regions[0].outer) < 80 < len(contours.trace(mask)[0].outer)


def test_real_objects_come_back(shared):
    folder = shared / "data/labelme/instance_segmentation/data_dataset_voc/SegmentationObject"
    for path in sorted(folder.iterdir()):
        labels = decode_labels(path.read_bytes()).labels
        assert (labels == np.asarray(Image.open(io.BytesIO(path.read_bytes())))).all()
        for label in np.unique(labels):
            mask = labels == label
            regions = contours.trace(mask)
            assert contours.coverage(regions, mask) == 1
            assert contours.simplify(regions, mask, 1.0).iou > 0.9
    coco = json.loads((shared / "data/coco20/rle.json").read_text())
    for each in coco["annotations"]:
        if each["iscrowd"]:
            mask = rle.of_segmentation(each["segmentation"]).mask()
            regions = contours.trace(mask)
            joined = [contours.bridge(region) for region in regions]
            assert geometry.fill_parts(joined, *mask.shape) == rle.of_mask(mask)
