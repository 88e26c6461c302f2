"""The walk of docs/first-five-minutes.md, by the page alone, on the program as it is installed."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from annotary import Client
from tests._server import serving
from tests.browser.conftest import SIZE, Watched

SECONDS = 20_000


def drop(page: Page, path: Path) -> None:
    """A file or folder of this machine dropped on the page, as from a window of the desktop."""
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 640, "y": 400, "data": data})


def test_from_the_printed_address_to_a_yolo_data_set(browser: Browser, shared: Path, tmp_path: Path) -> None:
    data = shared / "data" / "coco20"
    folder = tmp_path / "crossing"
    folder.mkdir()
    shutil.copyfile(data / "instances.json", folder / "instances.json")
    shutil.copytree(data / "images", folder / "images")
    said = json.loads((data / "instances.json").read_text())
    (car,) = [one["id"] for one in said["categories"] if one["name"] == "car"]
    with_cars = {one["image_id"] for one in said["annotations"] if one["category_id"] == car}
    with serving(str(tmp_path / "store"), tmp_path / "log") as server:
        (address,) = re.findall(r"http://\S*login\S+", server.said())
        watched = Watched(server.url)
        context = browser.new_context(base_url=server.url, viewport=SIZE, accept_downloads=True)  # type: ignore[arg-type]
        context.on("page", watched.watch)
        context.set_default_timeout(SECONDS)
        page = context.new_page()
        page.goto(address)
        page.wait_for_url(f"{server.url}/")
        expect(page.get_by_text("A COCO file with its images")).to_be_visible()

        drop(page, folder)
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        dialog.get_by_role("button", name="Import", exact=True).click()
        page.wait_for_url("**/imports/*")
        expect(page.locator('#import-state[data-status="COMPLETE"]')).to_be_visible()
        page.get_by_role("link", name="Open crossing").click()

        page.locator('[data-class="car"]').click()
        page.wait_for_url("**/rows?class=car")
        tiles = page.locator("#grid [data-row]")
        expect(tiles).to_have_count(len(with_cars))
        for at in range(len(with_cars)):
            assert is_drawn(tiles.nth(at).locator("image"))

        tiles.first.click()
        page.wait_for_url("**/rows/*class=car")
        stage = page.locator('[data-view="stage"]')
        assert is_drawn(stage.locator("image"))
        expect(stage.locator('[data-kind="polygon"]').first).to_be_visible()

        page.go_back()
        page.locator("#export").click()
        page.wait_for_url("**/export?class=car")
        page.locator("select[name=to]").select_option("yolo")
        page.wait_for_url("**/export?class=car&to=yolo")
        expect(page.locator("#option-images")).to_have_value("copy")
        expect(page.locator(f'[data-pictures="{len(with_cars)}"]')).to_contain_text("into the archive")
        page.get_by_role("button", name=f"Export {len(with_cars)} rows").click()
        page.wait_for_url("**/exports/*")
        with page.expect_download() as waiting:
            page.locator("#download").click()
        archive = zipfile.ZipFile(waiting.value.path())
        pictures = [name for name in archive.namelist() if name.endswith(".jpg")]
        assert len(pictures) == len(with_cars)
        for name in pictures:
            label = re.sub(r"\bimages/", "labels/", name).replace(".jpg", ".txt")
            assert archive.read(label).count(b"\n") >= 1
            with Image.open(archive.open(name)) as picture:
                picture.load()
        with Client(tmp_path / "again") as here:
            archive.close()
            report = here.load(waiting.value.path(), project="again", format="yolo")
            assert report.rows == len(with_cars)
        context.close()
        watched.check()


def is_drawn(picture: Locator) -> bool:
    """Whether an image of a drawing is there, and can be decoded."""
    expect(picture).to_be_visible()
    return bool(
        picture.evaluate(
            """picture => new Promise((found) => {
                const copy = new Image();
                copy.onload = () => found(copy.naturalWidth > 0);
                copy.onerror = () => found(false);
                copy.src = picture.href.baseVal;
            })"""
        )
    )
