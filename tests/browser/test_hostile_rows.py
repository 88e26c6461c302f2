"""Names that mean harm on the grid, in the filter, in an export and in the history: inert, legible."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from annotary import Client
from tests.browser._rows import ENDLESS, IMAGE_TAG, PROJECT, SCRIPT, written
from tests.browser.conftest import Site, Watched

SECONDS = 20_000
NAMES = (SCRIPT, IMAGE_TAG, ENDLESS)


@pytest.fixture(scope="module")
def hard(site: Site, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A project whose names mean harm; gives its id."""
    lines, _ = written(tmp_path_factory.mktemp("hard"))
    with Client(site.url, api_key=site.live.key) as client:
        client.load(lines)
    return PROJECT


@pytest.fixture
def quiet(page: Page, watched: Watched) -> Page:
    """A tab in which a dialog, which only a script of a name could open, is an error."""

    def opened(dialog: object) -> None:
        watched.wrong.append(f"a dialog: {dialog}")

    page.on("dialog", opened)
    return page


def test_the_grid_and_its_filter(quiet: Page, hard: str) -> None:
    quiet.goto(f"/p/{hard}/rows")
    facets = quiet.locator('#facets [data-filter="class"]')
    expect(facets.first).to_be_visible(timeout=SECONDS)
    values = [one.get_attribute("data-value") for one in facets.all()]
    assert {SCRIPT, IMAGE_TAG} <= set(values)
    for name in (SCRIPT, IMAGE_TAG):
        quiet.goto(f"/p/{hard}/rows")
        choice = facets.nth(values.index(name))
        expect(choice).to_contain_text(name[:30])
        choice.click()
        quiet.wait_for_url("**/rows?class=*")
        expect(quiet.locator("#grid [data-row]")).to_have_count(1)
        expect(quiet.locator(".chip")).to_have_text(re.compile(re.escape(f"class: {name[:40]}")))
        expect(quiet.locator("#grid .tile")).to_contain_text(IMAGE_TAG[:20])
    assert quiet.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_form_the_export_and_the_history(quiet: Page, hard: str) -> None:
    for name in NAMES:
        quiet.goto(f"/p/{hard}/rows")
        quiet.evaluate(
            "([id, name]) => location.assign(`/p/${id}/export?` + new URLSearchParams({ class: name }))",
            [hard, name],
        )
        quiet.wait_for_url("**/export?class=*")
        expect(quiet.locator("#preview pre")).to_be_visible(timeout=SECONDS)
        expect(quiet.locator("#losses[data-rows]")).to_be_visible(timeout=SECONDS)
        assert name in (quiet.locator("#text-curl").text_content() or "").replace("'\"'\"'", "'").replace(
            '\\"', '"'
        )
        assert quiet.evaluate("document.documentElement.scrollWidth <= innerWidth")
        quiet.get_by_role("button", name=re.compile("^Export 1 row")).click()
        quiet.wait_for_url("**/exports/*")
        expect(quiet.locator("#download")).to_be_visible(timeout=SECONDS)
        expect(quiet.locator(".facts").last).to_contain_text(name[:40])
    quiet.goto("/exports")
    expect(quiet.locator("[data-task]")).to_have_count(len(NAMES))
    expect(quiet.locator("table")).to_contain_text(SCRIPT)
    assert quiet.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_error_says_the_value_and_no_more(quiet: Page, hard: str, watched: Watched) -> None:
    watched.allowed.append("400 (Bad Request)")
    for page in ("rows", "export"):
        quiet.goto(f"/p/{hard}/{page}?kind=%3Cscript%3Ealert(1)%3C/script%3E")
        expect(quiet.get_by_role("heading", name="That cannot be done")).to_be_visible()
        expect(quiet.locator("main")).to_contain_text("<script>alert(1)</script>")


def test_pictures_of_hard_rows(quiet: Page, hard: str) -> None:
    """Rows of thousands of polygons are drawn in part, and say so."""
    quiet.goto(f"/p/{hard}/rows")
    tile = quiet.locator('[data-row="busy-3000"]')
    expect(tile).to_contain_text("more objects")
    assert int(tile.locator("[data-shapes]").get_attribute("data-shapes") or "") <= 200
