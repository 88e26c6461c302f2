"""The frame of every page, in a real browser: logging in and out, themes, keyboard, links from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from annotary.operations.ontologies import CreateOntology
from annotary.operations.projects import CreateProject, DeleteProject
from tests._server import serving
from tests.browser.conftest import SIZE, Site, Watched, until

THEMES = ("light", "dark")
SIZES = (SIZE, {"width": 820, "height": 1180})


def paths(site: Site) -> list[str]:
    """The pages of the frame."""
    home = f"/p/{site.project.id}"
    return ["/", "/?tab=runs", "/?q=nothing+like+it", home, "/settings", "/docs", "/login"]


def settled(page: Page, path: str) -> None:
    """Go to a page and wait until all that comes later is there."""
    page.goto(path)
    until(page, "() => ![...document.querySelectorAll('[data-load]')].some((one) => one.checkVisibility())")


def test_who_is_not_logged_in_logs_in_by_key_and_goes_where_they_wanted(
    context: BrowserContext, site: Site, watched: Watched
) -> None:
    page = context.new_page()
    page.goto("/settings?x=1")
    page.get_by_label("API key").fill("ann_wrong")
    watched.allowed.append("401")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("not known here")
    page.get_by_label("API key").fill(site.live.key)
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings?x=1")
    expect(page.get_by_role("heading", name="Settings", exact=True)).to_be_visible()
    page.get_by_role("banner").get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    page.goto("/")
    expect(page.get_by_label("API key")).to_be_visible()


def test_the_address_that_serve_prints_opens_the_page_logged_in(browser: Browser, tmp_path: Path) -> None:
    with serving(str(tmp_path / "store"), tmp_path / "log") as server:
        way_in = re.search(r"http://\S+/login\?once=\w+", server.said())
        assert way_in
        watched = Watched(server.url)
        context = browser.new_context()
        context.on("page", watched.watch)
        page = context.new_page()
        page.goto(way_in[0])
        expect(page.get_by_role("heading", name="Projects")).to_be_visible()
        expect(page.get_by_text("No project yet")).to_be_visible()
        assert page.url == f"{server.url}/"
        context.close()
        watched.check()


def test_a_link_from_another_site_finds_who_is_logged_in(page: Page, site: Site, watched: Watched) -> None:
    watched.allowed.append("elsewhere.example")
    # The first request comes without the cookie, which other sites' links never carry.
    page.route(
        "http://elsewhere.example/",
        lambda route: route.fulfill(
            content_type="text/html", body=f'<a href="{site.url}/settings">look at this</a>'
        ),
    )
    page.goto("http://elsewhere.example/")
    page.get_by_text("look at this").click()
    expect(page.get_by_role("heading", name="Settings", exact=True)).to_be_visible()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES, ids=["laptop", "tablet"])
def test_every_page_fits_and_is_quiet(
    browser: Browser, site: Site, watched: Watched, theme: str, size: dict[str, int]
) -> None:
    context = browser.new_context(base_url=site.url, viewport=size, color_scheme=theme)  # type: ignore[arg-type]
    context.on("page", watched.watch)
    context.add_cookies([site.cookie()])  # type: ignore[list-item]
    page = context.new_page()
    for path in paths(site):
        settled(page, path)
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0, f"{path} is {over} pixels too wide"
        assert page.locator(".loading:visible").count() == 0, path
    context.close()


def test_the_theme_is_chosen_and_kept(page: Page) -> None:
    page.goto("/settings")
    page.get_by_role("button", name="Dark", exact=True).click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.goto("/")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.get_by_role("button", name="Theme: dark").click()
    page.wait_for_url("**/")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark


def test_text_is_dark_enough_on_its_ground(page: Page, site: Site) -> None:
    """Contrast AA: 4.5 to 1 for text of any size, on every page, in both themes."""
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        for path in paths(site):
            settled(page, path)
            poor = page.evaluate(CONTRAST)
            assert poor == [], (theme, path, poor[:5])


CONTRAST = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const known = new Map();
    const parse = (colour) => {
        if (!known.has(colour)) known.set(colour, drawn(colour));
        return known.get(colour);
    };
    const drawn = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => {
        const linear = (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
        const [R, G, B] = [r, g, b].map((c) => linear(c / 255));
        return 0.2126 * R + 0.7152 * G + 0.0722 * B;
    };
    const ground = (one) => {
        for (; one; one = one.parentElement) {
            const colour = parse(getComputedStyle(one).backgroundColor);
            if (colour[3] > 250) return colour;
        }
        return [255, 255, 255, 255];
    };
    const poor = [];
    for (const one of document.querySelectorAll("body *")) {
        const own = [...one.childNodes].filter((node) => node.nodeType === 3);
        const text = own.map((node) => node.data).join("").trim();
        if (!text || one.closest(":disabled, svg, [aria-hidden=true]")) continue;
        if (!one.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
        const style = getComputedStyle(one);
        const [a, b] = [light(parse(style.color)), light(ground(one))].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < 4.5) poor.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)} ${style.color}`);
    }
    return poor;
}"""


def test_everything_is_reached_by_keyboard_with_visible_focus(page: Page, site: Site) -> None:
    page.goto("/")
    page.wait_for_load_state("networkidle")
    reached = set()
    for _ in range(25):
        page.keyboard.press("Tab")
        what = page.evaluate(
            """() => {
                const one = document.activeElement;
                if (one === document.body) return ["BODY", true];
                const { outlineStyle, outlineWidth } = getComputedStyle(one);
                const seen = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
                const words = one.textContent.trim() || one.ariaLabel || one.placeholder || one.tagName;
                return [words.slice(0, 40), seen];
            }"""
        )
        if what[0] == "BODY":
            break
        assert what[1], f"focus on {what[0]!r} is not seen"
        reached.add(what[0])
    assert {"To the content", "Projects", "Settings", "Import", site.project.name} <= reached


def test_a_project_links_to_what_it_counts(page: Page, site: Site) -> None:
    page.goto("/")
    line = page.locator(f"[data-project='{site.project.id}']")
    expect(line.locator(".numbers")).to_contain_text("60 rows")
    expect(line.locator("[data-status=DONE]")).to_have_count(1)
    line.get_by_role("link", name=site.project.name).click()
    expect(page.locator("[data-count=rows] .much")).to_have_text("60")
    done = page.locator(".legend [data-status=DONE]")
    expect(done).to_have_attribute("href", f"/p/{site.project.id}/rows?workflow_status=Done")


def test_keys_are_made_shown_once_and_revoked(page: Page) -> None:
    page.goto("/settings")
    page.get_by_label("Name of the new key").fill("made here")
    page.get_by_role("button", name="Make a key").click()
    expect(page.locator("#new-key")).to_contain_text("ann_")
    page.goto("/settings")
    expect(page.locator("#new-key")).to_have_count(0)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("row", name="made here").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("row", name="made here")).to_have_count(0)


def test_hostile_names_are_drawn_as_text(page: Page, site: Site) -> None:
    made = []
    for at, name in enumerate(
        (
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "x" * 10_000,
            "\u202egnp.exe",
            "\u05d0\u05d1 a",
        )
    ):
        tool = {"tool": "rectangle", "name": name}
        ontology = site.engine.call(CreateOntology(name=f"hostile {at}", normalized={"tools": [tool]}))
        made.append(site.engine.call(CreateProject(name=name, ontology_id=ontology.id)))
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
    for path in ("/", *(f"/p/{one.id}" for one in made)):
        settled(page, path)
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0, path
        assert page.evaluate("document.querySelectorAll('main img[src=x], main script').length") == 0
        tall = page.evaluate("document.querySelector('h1').getBoundingClientRect().height")
        assert tall < 100, f"the name takes {tall} pixels"
    for one in made:
        site.engine.call(DeleteProject(project_id=one.id))
