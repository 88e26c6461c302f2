"""The page of a data row in a real browser: what is drawn, and what people do with it."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import annotary
from annotary.server.pages.rendering import part
from tests.browser import _rows
from tests.browser.conftest import Site, Watched, until

KINDS = {
    "ImageBoundingBox": "box",
    "ImagePolygon": "polygon",
    "ImagePolyline": "polyline",
    "ImagePoint": "point",
    "ImageSegmentationMask": "mask",
    "ImageCuboid": "cuboid",
    "ImageUnidirectionalRelationship": "relationship",
    "ImageBidirectionalRelationship": "relationship",
}
FRAME = 1000 / 60
UNDER = "((x, y) => document.elementFromPoint(x, y)?.closest('[data-feature]')?.dataset.feature)"
WATCH = """() => {
  const times = window.frameTimes = [];
  let last = 0;
  window.watching = true;
  const next = (now) => {
    if (last) times.push(now - last);
    last = now;
    if (window.watching) requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
}"""
NAMED = "one => one.ariaLabel || one.textContent.trim() || one.labels?.[0]?.textContent"
BACKGROUND = "one => getComputedStyle(one).backgroundColor"


class Found(NamedTuple):
    """A row of the demo: its address, its JSON as exported, all that one label has."""

    address: str
    row: dict[str, Any]
    objects: list[dict[str, Any]]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The objects of a kind."""
        return [one for one in self.objects if one["annotation_kind"] == kind]


@pytest.fixture(scope="module")
def rows(site: Site) -> list[dict[str, Any]]:
    """The demo's rows as exported."""
    client = annotary.Client(site.url, api_key=site.live.key)
    details = dict.fromkeys(("label_details", "data_row_details"), True)
    found = list(client.get_project(site.project.id).export(params=details).stream())
    client.close()
    return found


@pytest.fixture(scope="module")
def every(site: Site, rows: list[dict[str, Any]]) -> Found:
    """A row of one label that has every kind."""
    for row in rows:
        labels = row["projects"][site.project.id]["labels"]
        if len(labels) != 1:
            continue
        annotations = labels[0]["annotations"]
        objects = [*annotations["objects"], *annotations["relationships"]]
        if {one["annotation_kind"] for one in objects} == set(KINDS):
            return Found(_address(site.project.id, row["data_row"]["id"]), row, objects)
    raise AssertionError("no row of the demo has every kind")


@pytest.fixture(scope="module")
def hard(site: Site, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A project of rows that are hard to draw: their addresses by external id."""
    client = annotary.Client(site.url, api_key=site.live.key)
    lines, coco = _rows.written(tmp_path_factory.mktemp("hard"))
    client.load(lines)
    client.load(coco, project=_rows.PROJECT)
    found = [row["data_row"] for row in client.get_project(_rows.PROJECT).export().stream()]
    client.close()
    return {row["external_id"]: _address(_rows.PROJECT, row["id"]) for row in found}


def _address(project: str, row: str) -> str:
    return f"/p/{part(project)}/rows/{part(row)}"


def opened(page: Page, address: str) -> Locator:
    """The stage of a row's page, with all that comes later."""
    page.goto(address)
    stage = page.locator(".stage")
    expect(stage).to_have_attribute("data-drawn", re.compile("."))
    page.wait_for_load_state("networkidle")
    return stage


def shape(page: Page, id: str) -> Locator:
    """The shape of an object on the image."""
    return page.locator(f'.shapes [data-feature="{id}"]')


def entry(page: Page, id: str) -> Locator:
    """What the list has of an object."""
    return page.locator(f'[data-object="{id}"]')


def zoom(page: Page) -> float:
    return float(page.locator(".stage").get_attribute("data-zoom") or 0)


def test_every_kind_is_drawn_and_listed(page: Page, every: Found) -> None:
    opened(page, every.address)
    for kind, word in KINDS.items():
        for one in every.of(kind):
            id = one["feature_id"]
            expect(entry(page, id)).to_have_attribute("data-kind", word)
            expect(entry(page, id)).to_contain_text(one["name"])
            place = page.locator(".links" if word == "relationship" else ".shapes")
            expect(place.locator(f'[data-feature="{id}"][data-kind="{word}"]')).to_have_count(1)
    listed = page.locator("[data-object]").count()
    assert listed == len({one["feature_id"] for one in every.objects})


def test_shapes_lie_where_the_export_says(page: Page, every: Found) -> None:
    stage = opened(page, every.address)
    frame, k = stage.bounding_box(), zoom(page)
    assert frame is not None
    width, height = (every.row["media_attributes"][name] for name in ("width", "height"))
    left = frame["x"] + (frame["width"] - k * width) / 2
    top = frame["y"] + (frame["height"] - k * height) / 2
    for one in every.of("ImageBoundingBox"):
        drawn = shape(page, one["feature_id"]).locator(".edge").evaluate("one => one.getBBox().toJSON?.() ?? "
            "(({x, y, width, height}) => ({x, y, width, height}))(one.getBBox())")  # fmt: skip
        box = one["bounding_box"]
        assert [drawn[name] for name in ("x", "y", "width", "height")] == pytest.approx(
            [box["left"], box["top"], box["width"], box["height"]], abs=0.01
        )
        seen = shape(page, one["feature_id"]).bounding_box()
        assert seen is not None
        assert seen["x"] == pytest.approx(left + k * box["left"], abs=3)
        assert seen["y"] == pytest.approx(top + k * box["top"], abs=3)


def test_a_cuboid_has_the_corners_of_the_export(page: Page, every: Found) -> None:
    opened(page, every.address)
    for one in every.of("ImageCuboid"):
        drawn = shape(page, one["feature_id"])
        for name, face in (("area", "front"), ("back", "back")):
            path = drawn.locator(f".{name}").get_attribute("d") or ""
            numbers = [float(number) for number in re.findall(r"-?[\d.]+(?:e-?\d+)?", path)]
            corners = [
                one["cuboid"][face][corner][axis]
                for corner in ("top_left", "top_right", "bottom_right", "bottom_left")
                for axis in ("x", "y")
            ]
            assert numbers == pytest.approx(corners, abs=0.001)


def test_a_mask_shows_its_pixels_and_is_found_under_the_cursor(page: Page, every: Found, site: Site) -> None:
    opened(page, every.address)
    client = annotary.Client(site.url, api_key=site.live.key)
    for one in every.of("ImageSegmentationMask"):
        pixels = client.mask(one["feature_id"])
        ys, xs = pixels.nonzero()
        drawn = shape(page, one["feature_id"]).locator(".pixels")
        assert [float(drawn.get_attribute(name) or "nan") for name in ("x", "y", "width", "height")] == (
            pytest.approx([xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1], abs=1.5)
        )
    client.close()


def test_answers_are_a_tree_under_what_they_are_about(page: Page, every: Found, site: Site) -> None:
    opened(page, every.address)
    labels = every.row["projects"][site.project.id]["labels"]
    asked = [("[data-section=image]", labels[0]["annotations"]["classifications"])]
    asked += [(f'[data-object="{one["feature_id"]}"]', one["classifications"]) for one in every.objects]
    depth = 0
    for place, classifications in asked:
        for said, at in _flat(classifications, 1):
            depth = max(depth, at)
            tree = page.locator(f"{place} {' .tree ' * at} li").filter(has_text=said)
            expect(tree.first).to_be_attached()
    assert depth >= 2


def _flat(classifications: list[Any], depth: int) -> Iterator[tuple[str, int]]:
    for one in classifications:
        answers = [one["radio_answer"]] if "radio_answer" in one else one.get("checklist_answers", [])
        for answer in answers:
            yield answer["name"], depth
            yield from _flat(answer["classifications"], depth + 1)
        if "text_answer" in one:
            yield one["text_answer"]["content"], depth


def test_hovering_in_the_list_lights_the_shape_and_the_reverse(page: Page, every: Found) -> None:
    opened(page, every.address)
    id = every.of("ImageBoundingBox")[0]["feature_id"]
    entry(page, id).hover()
    expect(shape(page, id)).to_have_class(re.compile(r"\blit\b"))
    expect(page.locator(f'.tag.lit[data-of="{id}"]')).to_be_visible()
    page.locator(".side h1").hover()
    expect(shape(page, id)).not_to_have_class(re.compile(r"\blit\b"))
    smallest = min(
        every.of("ImageBoundingBox"),
        key=lambda one: one["bounding_box"]["width"] * one["bounding_box"]["height"],
    )
    shape(page, smallest["feature_id"]).hover(force=True)
    expect(entry(page, smallest["feature_id"])).to_have_class(re.compile(r"\blit\b"))
    expect(entry(page, smallest["feature_id"])).to_be_in_viewport()


def test_a_relationship_lights_both_its_ends(page: Page, every: Found) -> None:
    opened(page, every.address)
    for kind, ends in (
        ("ImageUnidirectionalRelationship", "unidirectional_relationship"),
        ("ImageBidirectionalRelationship", "bidirectional_relationship"),
    ):
        one = every.of(kind)[0]
        entry(page, one["feature_id"]).hover()
        for end in one[ends].values():
            expect(shape(page, end)).to_have_class(re.compile(r"\blit\b"))
        tips = page.locator(f'.links [data-feature="{one["feature_id"]}"] .tip').get_attribute("d") or ""
        assert tips.count("Z") == (2 if kind.startswith("ImageBi") else 1)


def test_a_click_zooms_to_the_object_and_escape_lets_go(page: Page, every: Found) -> None:
    opened(page, every.address)
    whole, one = zoom(page), every.of("ImageBoundingBox")[0]
    id = one["feature_id"]
    entry(page, id).locator("button").click()
    until(page, f"document.querySelector('.stage').dataset.zoom > {whole}")
    assert f"object={id}" in page.url
    frame, seen = page.locator(".stage").bounding_box(), shape(page, id).bounding_box()
    assert frame is not None and seen is not None
    assert seen["x"] + seen["width"] / 2 == pytest.approx(frame["x"] + frame["width"] / 2, abs=3)
    page.reload()
    expect(entry(page, id).locator("button")).to_have_attribute("aria-current", "true")
    page.keyboard.press("Escape")
    expect(entry(page, id).locator("button")).not_to_have_attribute("aria-current", "true")
    assert "object=" not in page.url


def test_the_wheel_zooms_at_the_cursor_and_dragging_moves(page: Page, every: Found) -> None:
    opened(page, every.address)
    id = every.of("ImageBoundingBox")[0]["feature_id"]
    before, k = shape(page, id).bounding_box(), zoom(page)
    assert before is not None
    x, y = before["x"] + before["width"] / 2, before["y"] + before["height"] / 2
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    until(page, f"document.querySelector('.stage').dataset.zoom > {1.5 * k}")
    after = shape(page, id).bounding_box()
    assert after is not None
    assert after["x"] + after["width"] / 2 == pytest.approx(x, abs=1)
    assert after["y"] + after["height"] / 2 == pytest.approx(y, abs=1)
    page.mouse.down()
    page.mouse.move(x + 40, y - 30, steps=4)
    page.mouse.up()
    page.wait_for_timeout(100)
    moved = shape(page, id).bounding_box()
    assert moved is not None
    assert (moved["x"] - after["x"], moved["y"] - after["y"]) == pytest.approx((40, -30), abs=1)
    assert "object=" not in page.url
    page.keyboard.press("f")
    until(page, f"document.querySelector('.stage').dataset.zoom == '{k:.3f}'")


def test_keys_hide_everything_and_the_names(page: Page, every: Found) -> None:
    opened(page, every.address)
    id = every.of("ImageBoundingBox")[0]["feature_id"]
    page.keyboard.press("h")
    expect(shape(page, id)).to_be_hidden()
    expect(page.get_by_role("button", name="Hide all")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("h")
    expect(shape(page, id)).to_be_visible()
    assert page.locator(".tag").count() > 3
    page.keyboard.press("l")
    expect(page.locator(".tag")).to_have_count(0)
    page.reload()
    expect(page.get_by_role("button", name="Names")).to_have_attribute("aria-pressed", "false")


def test_names_have_their_size_at_any_zoom(page: Page, every: Found) -> None:
    opened(page, every.address)
    sizes = set()
    for _ in range(3):
        tag = page.locator(".tag").first
        sizes.add(tag.evaluate("one => [getComputedStyle(one).fontSize, one.offsetHeight].join()"))
        page.get_by_role("button", name="Zoom in").click()
        page.wait_for_timeout(100)
    assert sizes == {"11px,16"}


def test_points_have_their_size_at_any_zoom_and_pixels_are_crisp_near_by(page: Page, every: Found) -> None:
    stage = opened(page, every.address)
    id = every.of("ImagePoint")[0]["feature_id"]
    expect(stage).not_to_have_class(re.compile("crisp"))
    entry(page, id).locator("button").click()
    until(page, "document.querySelector('.stage').dataset.zoom > 3")
    expect(stage).to_have_class(re.compile("crisp"))
    assert stage.locator("image").first.evaluate("one => getComputedStyle(one).imageRendering") == "pixelated"
    frame = stage.bounding_box()
    assert frame is not None
    x, y = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    page.mouse.move(2, 2)
    for far, hit in ((0, True), (8, True), (16, False)):
        found = page.evaluate(f"{UNDER}({x + far}, {y})")
        assert (found == id) is hit, far


def test_the_fill_is_what_the_slider_says_and_is_kept(page: Page, every: Found) -> None:
    opened(page, every.address)
    polygon = shape(page, every.of("ImagePolygon")[0]["feature_id"]).locator(".area")
    mask = shape(page, every.of("ImageSegmentationMask")[0]["feature_id"]).locator(".pixels")
    page.mouse.move(2, 2)
    page.get_by_label("Fill").fill("60")
    for again in (False, True):
        if again:
            page.reload()
            page.wait_for_load_state("networkidle")
        opacities = [one.evaluate("one => getComputedStyle(one).fillOpacity") for one in (polygon, mask)]
        assert opacities == ["0.6", "0.3"]


def test_a_class_is_hidden_and_shown_by_its_chip(page: Page, every: Found) -> None:
    opened(page, every.address)
    one = every.of("ImageBoundingBox")[0]
    chip = page.locator(f'[data-class="{one["name"]}"]')
    expect(chip).to_have_attribute("aria-pressed", "true")
    colours = {
        chip.locator(".swatch").evaluate(BACKGROUND),
        entry(page, one["feature_id"]).locator(".swatch").evaluate(BACKGROUND),
        shape(page, one["feature_id"]).evaluate("one => getComputedStyle(one).stroke"),
        page.locator(f".tag.label:has-text('{one['name']}')").first.evaluate(BACKGROUND),
    }
    assert len(colours) == 1
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "false")
    expect(shape(page, one["feature_id"])).to_have_count(0)
    page.reload()
    expect(chip).to_have_attribute("aria-pressed", "false")
    chip.click()
    expect(shape(page, one["feature_id"])).to_have_count(1)


def test_keys_go_to_the_rows_before_and_after(page: Page, rows: list[dict[str, Any]], site: Site) -> None:
    ids = [row["data_row"]["id"] for row in rows]
    opened(page, _address(site.project.id, ids[1]))
    expect(page.locator("[data-position]")).to_have_text(f"2 of {len(ids)}")
    page.keyboard.press("k")
    page.wait_for_url(f"**/rows/{ids[2]}")
    page.keyboard.press("j")
    page.wait_for_url(f"**/rows/{ids[1]}")
    page.keyboard.press("j")
    page.wait_for_url(f"**/rows/{ids[0]}")
    expect(page.locator(".stage")).to_have_attribute("data-row", ids[0])
    page.keyboard.press("j")
    page.wait_for_timeout(200)
    assert page.url.endswith(ids[0])


def test_rows_before_and_after_are_those_of_the_filter(
    page: Page, rows: list[dict[str, Any]], site: Site
) -> None:
    def has_dog(row: dict[str, Any]) -> bool:
        labels = row["projects"][site.project.id]["labels"]
        return any(one["name"] == "dog" for label in labels for one in label["annotations"]["objects"])

    dogs = [row["data_row"]["id"] for row in rows if has_dog(row)]
    assert 1 < len(dogs) < len(rows)
    opened(page, f"{_address(site.project.id, dogs[0])}?class=dog")
    for number, id in enumerate(dogs[1:4], 2):
        page.keyboard.press("k")
        page.wait_for_url(f"**/rows/{id}?class=dog")
        expect(page.locator("[data-position]")).to_have_text(f"{number} of {len(dogs)}")


def test_a_row_of_several_labels_shows_the_one_that_is_picked(
    page: Page, rows: list[dict[str, Any]], site: Site
) -> None:
    several = next(row for row in rows if len(row["projects"][site.project.id]["labels"]) > 1)
    labels = several["projects"][site.project.id]["labels"]
    opened(page, _address(site.project.id, several["data_row"]["id"]))
    picker = page.get_by_label(f"{len(labels)} labels of this row")
    for label in (labels[1], labels[0]):
        picker.select_option(label["id"])
        expect(page).to_have_url(re.compile(f"label={label['id']}"))
        objects, links = (label["annotations"][name] for name in ("objects", "relationships"))
        expect(page.locator("[data-object]")).to_have_count(len(objects) + len(links))
    page.reload()
    expect(picker).to_have_value(labels[0]["id"])
    text = picker.locator("option").nth(0).inner_text()
    assert (labels[0]["label_details"]["created_by"] or "") in text


def test_a_class_that_covers_most_of_the_image_starts_hidden(page: Page, hard: dict[str, str]) -> None:
    opened(page, hard[_rows.COVERED])
    for name, shown in (("ground", "false"), ("patch", "true")):
        expect(page.locator(f'[data-class="{name}"]')).to_have_attribute("aria-pressed", shown)
    (ground, patch) = (page.locator(f'[data-kind="mask"]:has-text("{name}")') for name in ("ground", "patch"))
    expect(page.locator(".shapes .mask")).to_have_count(1)
    ground.hover()
    expect(page.locator(".above .mask.lit")).to_have_count(1)
    patch.hover()
    expect(page.locator(".shapes .mask.lit")).to_have_count(1)


def test_the_hole_of_a_polygon_is_a_hole(page: Page, hard: dict[str, str]) -> None:
    stage = opened(page, hard["holed"])
    frame, k = stage.bounding_box(), zoom(page)
    assert frame is not None
    x, y = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    assert page.evaluate(f"{UNDER}({x}, {y})") is None
    assert page.evaluate(f"{UNDER}({x + 400 * k}, {y})") == "holed"
    outline = shape(page, "holed").locator(".edge").get_attribute("d") or ""
    assert outline.count("M") == 2 and "M500 250L700 450" not in outline


def test_identical_boxes_say_so(page: Page, hard: dict[str, str]) -> None:
    opened(page, hard["twins"])
    for id in ("twin1", "twin2"):
        expect(entry(page, id)).to_contain_text("2 identical")
    expect(entry(page, "single")).not_to_contain_text("identical")
    expect(page.locator(".tag").filter(has_text="\u00d72")).to_have_count(1)


def test_an_image_that_is_not_there_is_a_grey_canvas_with_the_reason(
    page: Page, hard: dict[str, str]
) -> None:
    stage = opened(page, hard["twins"])
    expect(page.locator("[data-view=missing]")).to_contain_text("The image is not here (2000 \u00d7 1500):")
    canvas = stage.locator(".canvas")
    assert [canvas.get_attribute(name) for name in ("width", "height")] == ["2000", "1500"]
    expect(shape(page, "single")).to_be_visible()


def test_names_that_mean_harm_are_inert_and_legible(page: Page, hard: dict[str, str]) -> None:
    said: list[str] = []
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    opened(page, hard["hostile"])
    for number, name in enumerate(_rows.NAMES):
        shown = name.replace("\u202e", "\u2066\\u202e\u2069")[:60]
        expect(page.locator(f'[data-of="hostile{number}"]')).to_contain_text(shown.strip())
        one = entry(page, f"hostile{number}")
        expect(one.locator(".entry")).to_contain_text(shown.strip())
        box, side = one.bounding_box(), page.locator(".side").bounding_box()
        assert box is not None and side is not None
        assert box["x"] + box["width"] <= side["x"] + side["width"]
    expect(page.locator("main script:not([type='application/json'])")).to_have_count(0)
    expect(page.locator("main img")).to_have_count(0)
    whole = page.locator("[data-section=image] details")
    whole.locator("summary").click()
    assert whole.locator(".whole").inner_text().strip() == _rows.ENDLESS.strip()
    for tag in page.locator(".tag").all():
        seen = tag.bounding_box()
        assert seen is not None and seen["width"] <= 180 and seen["height"] == 16
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert said == []


def _frames(page: Page) -> list[float]:
    """How long each frame took while the image was dragged about."""
    page.evaluate(WATCH)
    page.mouse.move(500, 400)
    page.mouse.down()
    for step in range(60):
        page.mouse.move(500 + 120 * math.sin(step / 6), 400 + 90 * math.cos(step / 5))
    page.mouse.up()
    found: list[float] = page.evaluate("() => { window.watching = false; return window.frameTimes; }")
    return found


def test_three_thousand_polygons_are_boxes_until_one_zooms_in_and_move_smoothly(
    page: Page, hard: dict[str, str]
) -> None:
    stage = opened(page, hard["busy-3000"])
    expect(stage).to_have_attribute("data-drawn", "boxes")
    frames = _frames(page)
    assert statistics.median(frames) < 3 * FRAME, sorted(frames)
    page.mouse.move(200, 300)
    seen = page.evaluate("document.querySelector('.stage').classList.contains('over-shape')")
    assert seen, "boxes are found under the cursor too"
    for _ in range(2):
        page.mouse.wheel(0, -400)
        page.wait_for_timeout(150)
    expect(stage).to_have_attribute("data-drawn", "shapes")
    assert 0 < page.locator(".shapes .polygon").count() < 3000
    frames = _frames(page)
    assert statistics.median(frames) < 3 * FRAME, sorted(frames)


def test_a_finger_moves_and_two_zoom(browser: Browser, site: Site, watched: Watched, every: Found) -> None:
    context = browser.new_context(
        base_url=site.url, viewport={"width": 820, "height": 1180}, has_touch=True, is_mobile=True
    )
    context.add_cookies([site.cookie()])  # type: ignore[list-item]
    page = context.new_page()
    watched.watch(page)
    opened(page, every.address)
    cdp, k = context.new_cdp_session(page), zoom(page)
    id = every.of("ImageBoundingBox")[0]["feature_id"]
    before = shape(page, id).bounding_box()

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (300, 300))
    for step in range(1, 6):
        touch("touchMove", (300 + 10 * step, 300 + 4 * step))
    touch("touchEnd")
    page.wait_for_timeout(200)
    after = shape(page, id).bounding_box()
    assert before is not None and after is not None
    assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((50, 20), abs=2)
    assert zoom(page) == pytest.approx(k, abs=0.001)
    touch("touchStart", (300, 300), (400, 300))
    for step in range(1, 6):
        touch("touchMove", (300 - 10 * step, 300), (400 + 10 * step, 300))
    touch("touchEnd")
    page.wait_for_timeout(200)
    assert zoom(page) == pytest.approx(2 * k, rel=0.02)
    context.close()


def test_everything_is_reached_by_keyboard(page: Page, every: Found) -> None:
    stage = opened(page, every.address)
    stage.focus()
    k = zoom(page)
    page.keyboard.press("+")
    until(page, f"document.querySelector('.stage').dataset.zoom > {k}")
    first = page.locator("[data-section=objects] button.entry").first
    first.focus()
    id = page.locator("[data-section=objects] [data-object]").first.get_attribute("data-object") or ""
    expect(shape(page, id)).to_have_class(re.compile(r"\blit\b"))
    page.keyboard.press("ArrowDown")
    expect(page.locator("[data-section=objects] button.entry").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("[data-section=objects] button.entry").nth(1)).to_have_attribute(
        "aria-current", "true"
    )
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    for control in page.locator("button, a[href], input, select, [role=application]").all():
        if control.is_visible():
            name = control.evaluate(
                "one => one.ariaLabel || one.textContent.trim() || one.labels?.[0]?.textContent"
            )
            assert name, control.evaluate("one => one.outerHTML")


def test_the_same_page_as_json_is_the_export(page: Page, every: Found, site: Site) -> None:
    page.goto(every.address)
    page.get_by_text("About this row").click()
    address = page.get_by_role("link", name="This page as JSON").get_attribute("href") or ""
    found = page.request.get(site.url + address).json()
    assert found["row"]["data_row"]["id"] == every.row["data_row"]["id"]
    part_of = site.project.id
    drawn = found["row"]["projects"][part_of]["labels"][0]["annotations"]
    assert json.dumps(drawn) == json.dumps(every.row["projects"][part_of]["labels"][0]["annotations"])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 720), (820, 1180)])
def test_the_image_owns_most_of_the_window(
    page: Page, every: Found, theme: Any, size: tuple[int, int]
) -> None:
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    stage = opened(page, every.address)
    frame = stage.bounding_box()
    assert frame is not None
    if size[0] > size[1]:
        assert frame["width"] >= 0.75 * size[0] and frame["height"] >= 0.9 * size[1]
    else:
        assert frame["width"] == size[0] and frame["height"] >= 0.5 * size[1]
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
