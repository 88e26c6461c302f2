"""Scenes: the same every time, and of every kind in a small sample."""

import hashlib
import os
import subprocess
import sys

import pytest

from annotary.sample.scene import scene
from annotary.sample.things import (
    Block,
    Building,
    Car,
    Dog,
    LaneMarking,
    Pedestrian,
    Pole,
    Road,
    Sky,
    TrafficLight,
    Trailer,
    Tree,
)

KINDS = {Block, Building, Car, Dog, LaneMarking, Pedestrian, Pole, Road, Sky, TrafficLight, Trailer, Tree}

PRINT = """
import hashlib
from annotary.sample.draw import draw
from annotary.sample.truth import predictions, row
from annotary.sample.identity import uuids
from annotary.sample.scene import scene
from annotary.sample.workload import workload
view = scene(5, 4)
parts = [view, row(5, 4), predictions(view, uuids("run", 5, 4)), list(workload(3, seed=5))]
print(hashlib.sha256(repr(parts).encode() + draw(view).tobytes()).hexdigest())
"""


def printed(hash_seed):
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", PRINT], env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_two_processes_make_the_same_sample():
    assert printed("1") == printed("2")


def test_a_scene_is_a_value():
    assert scene(3, 8) == scene(3, 8)
    assert hash(scene(3, 8)) == hash(scene(3, 8))
    assert scene(3, 8) != scene(3, 9)
    assert scene(3, 8) != scene(4, 8)


@pytest.mark.parametrize("seed", [1, 2, 77])
def test_every_kind_occurs_within_sixty(seed):
    views = [scene(seed, index) for index in range(60)]
    assert {type(thing) for view in views for thing in view.things} == KINDS
    assert {thing.kind for view in views for thing in view.things if isinstance(thing, Block)} == {
        "truck",
        "delivery box",
    }
    assert {link.kind for view in views for link in view.relations} == {"walks", "belongs_to", "next_to"}
    assert {view.light for view in views} == {"day", "dusk", "night"}
    assert {kind for view in views for kind in view.weather} == {"clear", "rain", "fog", "wind"}
    assert {view.street_lights for view in views if view.light == "night"} == {True, False}
    assert 2 <= sum(not view.things for view in views) <= 5


def test_things_stand_far_to_near_under_names_of_their_own():
    for index in range(60):
        view = scene(1, index)
        depths = [thing.depth for thing in view.things]
        assert depths == sorted(depths, reverse=True)
        names = [thing.name for thing in view.things]
        assert len(set(names)) == len(names) < 255
        assert {end for link in view.relations for end in (link.source, link.target)} <= set(names)


def test_pictures_are_small():
    sizes = {(view.width, view.height) for view in (scene(1, index) for index in range(60))}
    assert len(sizes) > 2
    assert all(880 <= width <= 1000 and 600 <= height <= 660 for width, height in sizes)


def test_a_large_sample_does_not_repeat_itself():
    seen = {hashlib.sha256(repr(scene(1, index).things).encode()).digest() for index in range(0, 40_000, 400)}
    assert len(seen) > 90
