"""The viewer's pure functions in a real browser: shapes, views, masks, names as numbers and text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page

from annotary.model.base import to_json
from annotary.model.geometry import Cuboid, Point, Vector, cuboid_faces
from annotary.server.pages.static_files import static_path


@pytest.fixture
def page(page: Page) -> Page:
    """A page of ours, from which modules may be loaded."""
    page.goto("/settings")
    return page


def call(page: Page, module: str, function: str, *given: Any) -> Any:
    """What a function of one of our modules gives."""
    script = "async ([path, name, given]) => (await import(path))[name](...given)"
    return page.evaluate(script, [static_path(module), function, list(given)])


CUBOIDS = [
    (Point(x=10, y=20), Vector(x=0, y=0, z=0), Vector(x=4, y=6, z=8)),
    (
        Point(x=471.3865039809925, y=290.2026420642194),
        Vector(x=-0.09555240231309381, y=-0.01230432698902435, z=0.0005883091290516909),
        Vector(x=34.8, y=44.6, z=78.0),
    ),
    (Point(x=-5, y=3.5), Vector(x=1.2, y=-2.1, z=0.7), Vector(x=100, y=1, z=33)),
]


@pytest.mark.parametrize(("center", "rotation", "size"), CUBOIDS)
def test_the_corners_of_a_cuboid_are_those_of_the_export(
    page: Page, center: Point, rotation: Vector, size: Vector
) -> None:
    cuboid = json.loads(to_json(Cuboid(center=center, rotation=rotation, size=size)))
    for drawn, face in zip(
        call(page, "geometry.js", "cuboidFaces", cuboid), cuboid_faces(center, rotation, size), strict=True
    ):
        for name in ("top_left", "top_right", "bottom_left", "bottom_right"):
            truth = getattr(face, name)
            assert drawn[name]["x"] == pytest.approx(truth.x, abs=1e-9)
            assert drawn[name]["y"] == pytest.approx(truth.y, abs=1e-9)


def test_bounds_of_every_kind(page: Page) -> None:
    points = [{"x": 3, "y": 9}, {"x": 1, "y": 4}, {"x": 7, "y": 5}]
    cuboid = {
        "center": {"x": 10, "y": 20},
        "rotation": {"x": 0, "y": 0, "z": 0},
        "size": {"x": 4, "y": 6, "z": 8},
    }
    for given, bounds in (
        ({"bounding_box": {"left": 1, "top": 2, "width": 3, "height": 4}}, [1, 2, 4, 6]),
        ({"polygon": points}, [1, 4, 7, 9]),
        ({"line": points}, [1, 4, 7, 9]),
        ({"point": {"x": 2, "y": 3}}, [2, 3, 2, 3]),
        ({"cuboid": cuboid}, [8, 17, 12, 23]),
        ({"mask": {"url": "x"}}, None),
    ):
        assert call(page, "geometry.js", "boundsOf", given) == bounds


def test_the_seam_between_a_ring_and_its_hole_is_not_drawn(page: Page) -> None:
    corners = [(0, 0), (9, 0), (9, 9), (3, 3), (6, 3), (6, 6), (3, 3), (9, 9), (0, 9), (0, 0)]
    ring = [{"x": x, "y": y} for x, y in corners]
    path = "M0 0L9 0L9 9M3 3L6 3L6 6L3 3M9 9L0 9L0 0"
    assert call(page, "geometry.js", "outlinePath", ring) == path
    filled = "M0 0L9 0L9 9L3 3L6 3L6 6L3 3L9 9L0 9L0 0Z"
    assert call(page, "geometry.js", "ringPath", ring) == filled


def test_a_ring_without_seams_is_drawn_around(page: Page) -> None:
    ring = [{"x": 0, "y": 0}, {"x": 1.23456, "y": 0}, {"x": 0, "y": 1}, {"x": 0, "y": 0}]
    assert call(page, "geometry.js", "outlinePath", ring) == "M0 0L1.235 0L0 1L0 0Z"


def test_the_point_under_the_cursor_stays_where_it_is(page: Page) -> None:
    view = {"k": 2, "x": 10, "y": 20}
    near = call(page, "geometry.js", "zoomed", view, 1.5, 110, 220)
    assert near == {"k": 3, "x": -40, "y": -80}
    for seen in (view, near):
        assert call(page, "geometry.js", "toImage", seen, {"x": 110, "y": 220}) == {"x": 50, "y": 100}
    assert call(page, "geometry.js", "zoomed", view, 1000, 0, 0)["k"] == 64


def test_an_image_fits_in_the_middle_of_the_stage(page: Page) -> None:
    image, stage = {"width": 200, "height": 100}, {"width": 424, "height": 424}
    assert call(page, "geometry.js", "fit", image, stage) == {"k": 2, "x": 12, "y": 112}


def test_going_to_a_box_shows_it_in_the_middle_and_not_too_near(page: Page) -> None:
    stage = {"width": 560, "height": 360}
    assert call(page, "geometry.js", "around", [100, 100, 200, 150], stage) == {"k": 4, "x": -320, "y": -320}
    assert call(page, "geometry.js", "around", [5, 5, 5, 5], stage) == {"k": 8, "x": 240, "y": 140}


def test_some_of_the_image_stays_on_the_stage(page: Page) -> None:
    image, stage = {"width": 100, "height": 100}, {"width": 300, "height": 300}
    away = call(page, "geometry.js", "kept", {"k": 1, "x": -9999, "y": 9999}, image, stage)
    assert away == {"k": 1, "x": -52, "y": 252}


def test_an_arrow_is_curved_and_its_head_points_along_it(page: Page) -> None:
    made = call(page, "geometry.js", "arrow", {"x": 0, "y": 0}, {"x": 100, "y": 0}, {"both": True})
    assert made["curve"] == "M0 0Q50 -18 100 0"
    assert len(made["heads"]) == 2
    assert made["heads"][0].startswith("M100 0L") and made["heads"][1].startswith("M0 0L")
    one_way = call(page, "geometry.js", "arrow", {"x": 5, "y": 5}, {"x": 5, "y": 5})
    assert one_way["curve"] == "M5 5Q5 -7 5 5" and len(one_way["heads"]) == 1


def test_identical_objects_are_counted_within_class_and_kind(page: Page) -> None:
    box = {"left": 1, "top": 2, "width": 3, "height": 4}
    objects = [
        {"feature_id": "a", "annotation_kind": "ImageBoundingBox", "name": "car", "bounding_box": box},
        {"feature_id": "b", "annotation_kind": "ImageBoundingBox", "name": "car", "bounding_box": box},
        {"feature_id": "c", "annotation_kind": "ImageBoundingBox", "name": "dog", "bounding_box": box},
        {"feature_id": "d", "annotation_kind": "ImageSegmentationMask", "name": "car", "mask": {"url": "x"}},
        {"feature_id": "e", "annotation_kind": "ImageSegmentationMask", "name": "car", "mask": {"url": "x"}},
    ]
    script = "async ([path, given]) => Object.fromEntries((await import(path)).identical(given))"
    assert page.evaluate(script, [static_path("geometry.js"), objects]) == {"a": 2, "b": 2}


def test_names_that_would_cover_others_are_left_out(page: Page) -> None:
    rectangles = [[0, 0, 100, 16], [90, 10, 190, 26], [101, 0, 150, 9], [0, 17, 50, 33]]
    assert call(page, "geometry.js", "placed", rectangles) == [0, 2, 3]


def test_text_on_a_colour_has_the_higher_contrast(page: Page) -> None:
    for colour, ink in (
        ("#ffffff", "#000000"),
        ("#f8e71c", "#000000"),
        ("#000075", "#ffffff"),
        ("#9013fe", "#ffffff"),
    ):
        assert call(page, "geometry.js", "ink", colour) == ink


def test_the_rim_of_a_mask_follows_its_pixels(page: Page) -> None:
    """Three pixels in an L, of a picture half as large as the image."""
    script = "async ([path, bits, place]) => (await import(path)).rimOf(Uint8Array.from(bits), 2, place)"
    hole = page.evaluate(
        script.replace("2, place", "3, place"),
        [static_path("masks.js"), [1, 1, 1, 1, 0, 1, 1, 1, 1], {"left": 0, "top": 0, "wide": 1, "high": 1}],
    )
    assert hole == "M0 0H3V3H0ZM1 1V2H2V1Z"
    place = {"left": 3, "top": 1, "wide": 2, "high": 2}
    rim = page.evaluate(script, [static_path("masks.js"), [1, 0, 1, 1], place])
    assert rim == "M6 2H8V4H10V6H6Z"


def test_only_our_own_masks_are_asked_for(page: Page) -> None:
    base = "http://here:1/x"
    assert call(page, "masks.js", "ownPath", f"{base}/masks/a", base) == "/masks/a"
    for url in ("http://elsewhere/masks/a", "http://here:1/xevil/masks", "//here:1/x/masks", ""):
        assert call(page, "masks.js", "ownPath", url, base) is None


def test_names_show_what_they_hide(page: Page) -> None:
    assert call(page, "names.js", "plain", "a\u202eb\x00") == "a\u2066\\u202e\u2069b\u2066\\u0000\u2069"
    assert call(page, "names.js", "plain", "x" * 10, 4) == "xxxx…"
    assert call(page, "names.js", "plain", "👩‍👩‍👧 مركبة") == "👩‍👩‍👧 مركبة"
