"""Pixels: each belongs to exactly what it shows."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from annotary.sample.draw import alone, draw, mask, owners
from annotary.sample.scene import scene
from annotary.sample.things import Block, Car, Dog, Pedestrian, Road, Sky, Trailer, Tree

NUMBERS = range(0, 60, 3)


def holes(pixels):
    """The pixels outside a mask that no way around it reaches."""
    around = np.pad(pixels, 1).astype(np.uint8)
    image = Image.fromarray(around)
    ImageDraw.floodfill(image, (0, 0), 1)
    return int((np.asarray(image) == 0).sum())


def extent(pixels):
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def test_a_picture_has_the_size_of_its_scene():
    view = scene(1, 0)
    picture = draw(view)
    assert picture.mode == "RGB"
    assert picture.size == (view.width, view.height)
    assert owners(view).shape == (view.height, view.width)


@pytest.mark.parametrize("index", NUMBERS)
def test_the_nearest_thing_owns_a_pixel(index):
    view = scene(1, index)
    nearest = np.zeros((view.height, view.width), np.uint8)
    for number, thing in enumerate(view.things, 1):
        nearest[alone(view, thing)] = number
    drawn, covered = owners(view), nearest > 0
    # Only a leash is nobody's.
    assert ((drawn == nearest) | (drawn == 0))[covered].all()
    free = {0} | {number for number, thing in enumerate(view.things, 1) if isinstance(thing, Sky | Road)}
    assert set(np.unique(drawn[~covered])) <= free


@pytest.mark.parametrize("index", NUMBERS)
def test_another_colour_changes_the_pixels_of_its_thing_and_no_others(index):
    view = scene(1, index)
    before = np.asarray(draw(view)).astype(int)
    for thing in view.things:
        if isinstance(thing, Car | Tree | Block | Dog | Trailer):
            recoloured = replace(thing, colour=tuple((part + 128) % 256 for part in thing.colour))
            things = tuple(recoloured if other is thing else other for other in view.things)
            after = np.asarray(draw(replace(view, things=things))).astype(int)
            changed = (before != after).any(axis=2)
            assert not (changed & ~mask(view, thing)).any()


def test_masks_have_holes():
    found = {Road: 0, Sky: 0, Tree: 0}
    for index in range(60):
        view = scene(1, index)
        for thing in view.things:
            if type(thing) in found and holes(mask(view, thing)) > 20:
                found[type(thing)] += 1
    assert all(count > 10 for count in found.values()), found


def test_cars_stand_in_the_road_and_leave_holes():
    view = next(
        view
        for view in (scene(1, index) for index in range(60))
        for car in view.things
        if isinstance(car, Car) and car.depth < 25 and mask(view, car).sum() > 2000
    )
    road = next(thing for thing in view.things if isinstance(thing, Road))
    assert holes(mask(view, road)) > 2000


@pytest.mark.parametrize("index", NUMBERS)
def test_boxes_are_exact(index):
    view = scene(1, index)
    for thing in view.things:
        if isinstance(thing, Car | Pedestrian | Dog | Trailer):
            left, top, width, height = thing.box
            inside = left >= 0 and top >= 0 and left + width <= view.width and top + height <= view.height
            if inside and min(width, height) >= 8:
                assert extent(alone(view, thing)) == (left, top, left + width, top + height), thing.name


@pytest.mark.parametrize("index", NUMBERS)
def test_cuboids_reach_their_corners_and_not_beyond(index):
    view = scene(1, index)
    for thing in view.things:
        if isinstance(thing, Block):
            corners = [*thing.cuboid.face(1).values(), *thing.cuboid.face(-1).values()]
            left, top = np.min(corners, axis=0)
            right, bottom = np.max(corners, axis=0)
            if left >= 0 and top >= 0 and right <= view.width and bottom <= view.height:
                # The outermost pixels are those in which the outermost corners lie.
                wanted = (int(left), int(top), int(right) + 1, int(bottom) + 1)
                assert extent(alone(view, thing)) == wanted


def test_an_empty_street_is_drawn_and_holds_nothing():
    view = next(view for view in (scene(1, index) for index in range(60)) if not view.things)
    assert not owners(view).any()
    assert len(draw(view).getcolors(1 << 24)) > 20
