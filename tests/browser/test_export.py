"""From a class to its rows, to an export, and back again: in a real browser, on the demo and on real data."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from annotary import Client
from annotary.engine.core import Engine
from annotary.engine.runner import LOCK_NAME
from annotary.engine.sessions import open_local_session
from annotary.server.cookies import COOKIE
from annotary.store import Store
from tests._live import live
from tests._server import SCRIPT, quiet_environment, start
from tests.browser.conftest import SIZE, Site, Watched

SECONDS = 20_000
FORMATS = ("labelbox-v2", "coco", "yolo")


class Place(NamedTuple):
    """A project in the browser's server."""

    id: str
    name: str

    @property
    def address(self) -> str:
        """Its overview."""
        return f"/p/{self.id}"


@pytest.fixture(scope="module", params=["demo", "coco20", "bccd-voc20"])
def place(request: pytest.FixtureRequest, site: Site) -> Place:
    """The demo, and real data, imported as users do."""
    if request.param == "demo":
        return Place(site.project.id, site.project.name)
    data = request.getfixturevalue("shared") / "data" / request.param
    with Client(site.url, api_key=site.live.key) as client:
        if request.param == "coco20":
            client.load(data / "instances.json", project="coco20", images=data / "images")
        else:
            client.load(data / "Annotations", project="bccd-voc20", format="voc", images=data / "JPEGImages")
        (project,) = client.get_projects(request.param)
    return Place(project.id, project.name)


def matching(page: Page) -> int:
    """The count above the grid, when it is there."""
    count = page.locator("#matching[data-rows]")
    expect(count).to_be_visible(timeout=SECONDS)
    return int(count.get_attribute("data-rows") or "")


def exported(page: Page) -> Path:
    """Press Export, wait for its end, download the file; it is what the page says of it."""
    page.get_by_role("button", name=re.compile(r"^Export")).click()
    page.wait_for_url("**/exports/*")
    with page.expect_download() as waiting:
        page.locator("#download").click(timeout=SECONDS)
    path = Path(waiting.value.path())
    assert hashlib.sha256(path.read_bytes()).hexdigest() == page.locator("[data-sha256]").inner_text()
    named = path.with_name(f"{path.name}-{waiting.value.suggested_filename}")
    shutil.copyfile(path, named)
    return named


def chosen(page: Page, format: str) -> None:
    """The format of the form, and all that follows from it."""
    page.locator("select[name=to]").select_option(format)
    expect(page.locator(f'#options[data-format="{format}"]')).to_be_attached()
    if format != "labelbox-v2":
        page.wait_for_url(f"**to={format}*")
    settled(page)


def settled(page: Page) -> None:
    """All that comes later into view is there: what is clicked does not move under the pointer."""
    page.evaluate("scrollTo(0, 0)")
    expect(page.locator("form [data-load], #losses[data-load], [aria-busy=true]")).to_have_count(
        0, timeout=SECONDS
    )


def test_a_class_bar_leads_to_as_many_rows_as_it_says(page: Page, place: Place) -> None:
    page.goto(place.address)
    bars = page.locator("[data-class]")
    expect(bars.first).to_be_visible(timeout=SECONDS)
    told = [
        (bar.get_attribute("data-class"), int(bar.get_attribute("data-rows") or "")) for bar in bars.all()
    ]
    assert len(told) >= 3
    for name, rows in (told[0], told[len(told) // 2], told[-1]):
        page.goto(place.address)
        page.locator(f'[data-class="{name}"]').click()
        page.wait_for_url("**/rows?class=*")
        assert matching(page) == rows
        expect(page.locator("#grid [data-row]")).to_have_count(min(rows, 60))
        expect(page.locator("#export")).to_have_text(re.compile(rf"Export {rows:,} rows?"), timeout=SECONDS)


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_filtered_is_exported_and_can_be_imported_again(
    page: Page, place: Place, format: str, tmp_path: Path, site: Site
) -> None:
    page.goto(f"{place.address}/rows")
    box = page.locator('#facets [data-filter="class"]').nth(1)
    name, rows = box.get_attribute("data-value"), int(box.get_attribute("data-rows") or "")
    box.click()
    page.wait_for_url("**/rows?class=*")
    assert matching(page) == rows
    expect(page.locator("#export")).to_contain_text(f"Export {rows:,} row", timeout=SECONDS)
    page.locator("#export").click()
    page.wait_for_url("**/export?class=*")
    expect(page.locator("#count")).to_contain_text(f"{rows:,} of", timeout=SECONDS)
    chosen(page, format)
    expect(page.locator("#losses[data-rows]")).to_be_visible(timeout=SECONDS)
    path = exported(page)
    with Client(site.url, api_key=site.live.key) as there, Client(tmp_path / "again") as here:
        task = there.get_project(place.id).export(filters={"class_names": [name]}, format=format)
        export = task.open(counted=True)
        for _ in export.parts:
            pass
        assert export.done == rows
        ledger = export.findings.ledger.document()
        report = here.load(path, project=None if format == "labelbox-v2" else "again")
        assert report.rows == rows
        if format == "labelbox-v2":
            assert report.annotations == export.annotations
            assert report.labels == export.labels
        else:
            came_out = {one["kind"]: one["out"] for one in ledger["balance"]}
            assert report.annotations == sum(came_out.values())


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("tongue", ["python", "cli", "curl"])
def test_the_copied_programs_write_the_same_bytes(
    page: Page, site: Site, format: str, tongue: str, tmp_path: Path
) -> None:
    page.goto(f"/p/{site.project.id}/export?class=car&workflow_status=Done&labels=latest")
    settled(page)
    chosen(page, format)
    page.locator("#params:not([data-same]) input[name=label_details], #params[data-same]").first.click()
    if format == "labelbox-v2":
        page.wait_for_url("**label_details=1*")
    text = page.locator(f"#text-{tongue}").text_content() or ""
    page.locator(f'label[for="copy-{tongue}"]').click()
    expect(page.locator(f"#text-{tongue}")).to_be_visible()
    assert "latest" in text
    assert ("label_details" in text.replace("-", "_")) == (format == "labelbox-v2")
    environment = {
        **quiet_environment(),
        "ANNOTARY_API_KEY": site.live.key,
        "PATH": f"{SCRIPT.parent}{os.pathsep}{os.environ['PATH']}",
    }
    program = [sys.executable, "-c", text] if tongue == "python" else ["sh", "-c", text]
    done = subprocess.run(
        program, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    path = exported(page)
    (written,) = [one for one in tmp_path.iterdir() if one.name != "losses.json"]
    assert path.name.endswith(written.name)
    assert written.read_bytes() == path.read_bytes()


def test_the_form_follows_what_is_chosen(page: Page, site: Site) -> None:
    page.goto(f"/p/{site.project.id}/export?workflow_status=Done")
    expect(page.locator("#go")).to_have_text(re.compile(r"Export 27 rows"), timeout=SECONDS)
    preview = page.locator("#preview pre")
    expect(preview).to_contain_text('"data_row"', timeout=SECONDS)
    expect(preview).not_to_contain_text("label_details")
    page.locator("input[name=label_details]").check()
    expect(preview).to_contain_text("label_details", timeout=SECONDS)
    expect(page.locator("#text-cli")).to_contain_text("--label-details")
    expect(page.locator("#text-curl")).to_contain_text('"label_details":true')
    expect(page.locator("#losses")).to_contain_text("Nothing", timeout=SECONDS)
    chosen(page, "yolo")
    expect(page.locator("#losses tr[data-loss]").first).to_be_visible(timeout=SECONDS)
    page.get_by_label("split", exact=True).fill("0.8,0.2,x")
    expect(page.locator("#wrong")).to_contain_text("split: '0.8,0.2,x'")
    expect(page.locator("#go")).to_be_disabled()
    page.get_by_label("split", exact=True).fill("0.8,0.1,0.1")
    expect(page.locator("#wrong")).to_be_hidden()
    expect(page.locator("#text-python")).to_contain_text("'split': [0.8, 0.1, 0.1]")
    page.reload()
    expect(page.get_by_label("split", exact=True)).to_have_value("0.8,0.1,0.1")
    settled(page)
    page.get_by_role("link", name="Remove done").click()
    page.wait_for_url(lambda url: "workflow_status" not in url)
    assert "to=yolo" in page.url
    assert "split=0.8" in page.url
    expect(page.locator("#count")).to_contain_text("60 of 60 rows", timeout=SECONDS)


def test_a_filter_without_rows_says_what_to_remove(page: Page, site: Site) -> None:
    page.goto(f"/p/{site.project.id}/rows?workflow_status=Done&no_objects=1&class=car")
    ways = page.locator("#relaxed [data-filter]")
    expect(ways.first).to_be_visible(timeout=SECONDS)
    assert matching(page) == 0
    best = ways.first
    rows = int(best.get_attribute("data-rows") or "")
    assert rows > 0
    best.click()
    page.wait_for_url(lambda url: "no_objects" not in url or "class" not in url)
    assert matching(page) == rows


def test_the_grid_is_walked_by_keys_and_found_again(page: Page, site: Site) -> None:
    page.goto(f"/p/{site.project.id}/rows?workflow_status=Done")
    tiles = page.locator("#grid .tile")
    expect(tiles.first).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(tiles.nth(0)).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    at = page.evaluate("[...document.querySelectorAll('#grid .tile')].indexOf(document.activeElement)")
    assert at > 2
    row = tiles.nth(at).get_attribute("data-row")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/rows/{row}?workflow_status=Done")
    page.go_back()
    expect(page.locator(f'[data-row="{row}"]')).to_be_focused()
    page.locator("#size").fill("400")
    width = page.locator("#grid .tile").first.bounding_box()
    assert width is not None
    assert width["width"] >= 390
    page.reload()
    again = page.locator("#grid .tile").first.bounding_box()
    assert again is not None
    assert again["width"] == width["width"]


def test_facets_and_fields_narrow_the_grid(page: Page, site: Site, watched: Watched) -> None:
    page.goto(f"/p/{site.project.id}/rows")
    done = page.locator('#facets [data-filter="workflow_status"][data-value="DONE"]')
    rows = done.get_attribute("data-rows")
    done.click()
    page.wait_for_url("**/rows?workflow_status=Done")
    assert str(matching(page)) == rows
    expect(page.locator('#facets [data-value="DONE"]')).to_have_attribute("aria-checked", "true")
    first = page.locator("#grid [data-row]").first.get_attribute("data-row") or ""
    page.get_by_label("Data row ids").fill(first)
    page.get_by_label("Data row ids").blur()
    page.wait_for_url(f"**data_row_id={first}*")
    assert matching(page) == 1
    page.get_by_role("link", name="Remove done").click()
    page.wait_for_url(f"**/rows?data_row_id={first}")
    # Ids and keys exclude each other, as in the API.
    watched.allowed.append("400 (Bad Request)")
    page.get_by_label("Global keys").fill("nothing")
    page.get_by_label("Global keys").blur()
    expect(page.get_by_role("heading", name="That cannot be done")).to_be_visible()


def test_the_history_says_what_was_exported_and_does_it_again(
    page: Page, site: Site, watched: Watched
) -> None:
    page.goto(f"/p/{site.project.id}/export?class=car&to=coco")
    exported(page)
    id = page.url.rpartition("/")[2]
    page.goto("/exports")
    line = page.locator(f'[data-task="{id}"]')
    expect(line).to_contain_text(site.project.name)
    expect(line).to_contain_text("class: car")
    expect(line).to_contain_text("coco")
    line.get_by_role("button", name="Run again").click()
    page.wait_for_url("**/exports/*")
    expect(page.locator("#download")).to_be_visible(timeout=SECONDS)
    assert not page.url.endswith(id)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    page.wait_for_url("**/exports")
    expect(page.locator(f'[data-task="{id}"]')).to_be_visible()
    page.locator(f'[data-task="{id}"]').get_by_role("button", name="Delete").click()
    expect(page.locator(f'[data-task="{id}"]')).to_have_count(0)
    watched.allowed.append("404 (Not Found)")
    page.goto(f"/exports/{id}")
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()


@pytest.fixture
def idle(browser: Browser, demo_store: Path, tmp_path: Path) -> Iterator[Page]:
    """A tab on a server whose worker does nothing: what is queued stays queued."""
    shutil.copytree(demo_store, tmp_path / "store")
    with live(str(tmp_path / "store"), works=False) as server:
        engine = Engine(server.service.engine.store, base_url=server.url)
        with tab(browser, server.url, open_local_session(engine, "default", seconds=3600)) as (page, watched):
            yield page
            watched.check()


def tab(browser: Browser, url: str, session: str) -> _Tab:
    """A tab that is logged in, in a window of its own, watched."""
    return _Tab(browser, url, session)


class _Tab:
    def __init__(self, browser: Browser, url: str, session: str) -> None:
        self._watched = Watched(url)
        self._context: BrowserContext = browser.new_context(
            base_url=url,
            viewport=SIZE,
            accept_downloads=True,  # type: ignore[arg-type]
        )
        self._context.on("page", self._watched.watch)
        self._context.add_cookies([{"name": COOKIE, "value": session, "url": url}])

    def __enter__(self) -> tuple[Page, Watched]:
        return self._context.new_page(), self._watched

    def __exit__(self, *reason: object) -> None:
        self._context.close()


def test_an_export_that_waits_can_be_cancelled(idle: Page) -> None:
    idle.goto("/")
    idle.locator("h2 a").first.click()
    idle.get_by_role("link", name="Export", exact=True).first.click()
    idle.get_by_role("button", name=re.compile("^Export")).click()
    idle.wait_for_url("**/exports/*")
    expect(idle.get_by_role("heading", name="Waiting for a worker")).to_be_visible()
    idle.reload()
    expect(idle.get_by_role("heading", name="Waiting for a worker")).to_be_visible()
    idle.get_by_role("button", name="Cancel").click()
    expect(idle.get_by_role("heading", name="It was cancelled")).to_be_visible()
    expect(idle.locator("#download")).to_have_count(0)
    idle.goto("/exports")
    expect(idle.locator("[data-task]")).to_contain_text("cancelled")


def test_an_export_outlives_a_reload_and_the_servers_death(
    browser: Browser, demo_store: Path, tmp_path: Path
) -> None:
    target = tmp_path / "store"
    shutil.copytree(demo_store, target)
    log = tmp_path / "log"
    # While this lock is held the server's own worker waits; what it would be at, the test says.
    lock = (target / LOCK_NAME).open("a")
    fcntl.flock(lock, fcntl.LOCK_EX)
    server = start(str(target), log)
    store = Store.open(str(target))
    try:
        session = open_local_session(Engine(store), "default", seconds=3600)
        with tab(browser, server.url, session) as (page, watched):
            # The server is away for a moment: that is what the test is about.
            watched.allowed.append("net::ERR_CONNECTION_REFUSED")
            watched.allowed.append("net::ERR_EMPTY_RESPONSE")
            watched.allowed.append("net::ERR_CONNECTION_RESET")
            page.goto("/")
            page.locator("h2 a").first.click()
            page.get_by_role("link", name="Export", exact=True).first.click()
            page.get_by_role("button", name=re.compile("^Export")).click()
            page.wait_for_url("**/exports/*")
            taken = store.tasks.claim("a worker that dies", None, Engine(store).now())
            assert taken is not None
            expect(page.get_by_role("heading", name="Exporting")).to_be_visible()
            page.reload()
            expect(page.get_by_role("heading", name="Exporting")).to_be_visible()
            server.kill()
            fcntl.flock(lock, fcntl.LOCK_UN)
            port = int(server.url.rpartition(":")[2])
            server = start(str(target), log, port=port)
            # The page that stayed open finds the server again, and the export at its end.
            expect(page.get_by_role("heading", name="Done")).to_be_visible(timeout=SECONDS)
            with page.expect_download() as waiting:
                page.locator("#download").click()
            data = Path(waiting.value.path()).read_bytes()
            assert hashlib.sha256(data).hexdigest() == page.locator("[data-sha256]").inner_text()
            assert data.count(b"\n") == 60
            watched.check()
    finally:
        server.kill()
        store.close()
        lock.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_in_both_themes_without_an_error(
    browser: Browser, site: Site, watched: Watched, theme: str
) -> None:
    context = browser.new_context(base_url=site.url, viewport=SIZE, color_scheme=theme)  # type: ignore[arg-type]
    context.on("page", watched.watch)
    context.add_cookies([site.cookie()])  # type: ignore[list-item]
    page = context.new_page()
    home, run = f"/p/{site.project.id}", f"/m/{site.run.model_id}/{site.run.id}"
    for address in (
        f"{home}/rows",
        f"{home}/rows?class=car&kind=box&workflow_status=Done&last_activity_at=2020-01-01,-",
        f"{home}/rows?class=car&no_objects=1",
        f"{home}/export",
        f"{home}/export?to=yolo&split=x",
        f"{run}/export?to=coco",
        "/exports",
    ):
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 200, address
        page.wait_for_load_state("networkidle")
        # A busy machine may ask for a part only after the network was idle.
        expect(page.locator(".loading"), address).to_have_count(0, timeout=SECONDS)
        assert page.get_by_text("not available now").count() == 0, address
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 200) == (theme == "dark")
    context.close()


def test_the_basics_work_without_script(browser: Browser, site: Site, watched: Watched) -> None:
    context = browser.new_context(base_url=site.url, java_script_enabled=False, accept_downloads=True)
    context.on("page", watched.watch)
    context.add_cookies([site.cookie()])  # type: ignore[list-item]
    page = context.new_page()
    page.goto(f"/p/{site.project.id}/rows")
    page.get_by_label("Another class").fill("car")
    page.get_by_label("Status").select_option("Done")
    page.get_by_role("button", name="Apply").click()
    assert page.url.endswith("/rows?workflow_status=Done&class=car")
    expect(page.locator("#grid [data-row]")).to_have_count(27)
    page.locator("#export").click()
    page.locator("select[name=to]").select_option("coco")
    page.get_by_role("button", name="Apply").click()
    assert "to=coco" in page.url
    page.get_by_role("button", name=re.compile("^Export")).click()
    expect(page.locator("#download")).to_be_visible(timeout=SECONDS)
    context.close()
