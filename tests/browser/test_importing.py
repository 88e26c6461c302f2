"""Import at the page, in a real browser: files chosen and dropped, problems, checking first, calling off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from annotary.operations.projects import FindProjects, Summarize
from tests.browser.conftest import Site

COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
    "categories": [{"id": 7, "name": "car"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 7, "bbox": [4, 5, 10, 12], "area": 120, "iscrowd": 0}
    ],
}


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """A COCO file with its picture, in a folder."""
    from PIL import Image

    folder = tmp_path / "crossing"
    (folder / "images").mkdir(parents=True)
    (folder / "instances.json").write_text(json.dumps(COCO))
    Image.new("RGB", (64, 48), "#7799bb").save(folder / "images" / "a.png")
    (folder / ".DS_Store").write_bytes(b"not meant")
    return folder


def form(page: Page) -> Locator:
    """The dialog of an import, opened by its button."""
    page.get_by_role("button", name="Import", exact=True).first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog


def ended(page: Page) -> Locator:
    """The report of an import that is over."""
    page.wait_for_url("**/imports/*")
    report = page.locator("#import-state:not([data-running])")
    expect(report).to_be_visible(timeout=20_000)
    return report


def test_a_file_is_imported_and_its_project_opened(page: Page, site: Site, coco: Path) -> None:
    page.goto("/")
    dialog = form(page)
    dialog.locator("[data-files]").set_input_files(coco / "instances.json")
    dialog.get_by_label("Project").fill("One file")
    dialog.get_by_role("button", name="Import", exact=True).click()
    report = ended(page)
    expect(report).to_have_attribute("data-status", "COMPLETE")
    expect(report).to_contain_text("1 row, 1 label, 1 annotation")
    report.get_by_role("link", name="Open One file").click()
    expect(page.get_by_role("heading", name="One file")).to_be_visible()
    expect(page.locator("[data-count=rows] .much")).to_have_text("1")
    expect(page.get_by_role("link", name="Import instances.json")).to_be_visible()


def test_a_folder_goes_as_one_archive_and_its_name_is_the_project(page: Page, site: Site, coco: Path) -> None:
    page.goto("/")
    dialog = form(page)
    dialog.locator("[data-folder]").set_input_files(coco)
    expect(dialog.locator(".files li")).to_have_count(2)
    dialog.get_by_role("button", name="Import", exact=True).click()
    report = ended(page)
    expect(report).to_have_attribute("data-status", "COMPLETE")
    (project,) = site.engine.call(FindProjects(name="crossing"))
    summary = site.engine.call(Summarize(kind="project", id=project.id))
    assert (summary.rows, summary.by_class) == (1, {"car": 1})
    # The picture came along, and is shown.
    page.goto(f"/p/{project.id}/rows")
    row = page.locator("#grid [data-row]").get_attribute("data-row")
    small = page.request.get(f"/api/v1/data-rows/{row}/thumbnail")
    assert (small.status, small.headers["content-type"]) == (200, "image/jpeg")


def test_files_dropped_anywhere_open_the_form(page: Page, site: Site) -> None:
    page.goto(f"/p/{site.project.id}")
    handle = page.evaluate_handle(
        """(text) => {
            const data = new DataTransfer();
            data.items.add(new File([text], "dropped.json", { type: "application/json" }));
            return data;
        }""",
        json.dumps(COCO),
    )
    page.dispatch_event("body", "dragenter", {"dataTransfer": handle})
    expect(page.get_by_text("Drop to import")).to_be_visible()
    page.dispatch_event("body", "drop", {"dataTransfer": handle})
    expect(page.get_by_text("Drop to import")).to_be_hidden()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".files")).to_contain_text("dropped.json")
    expect(dialog.get_by_label("Project")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_checking_first_stores_nothing_then_it_is_imported(page: Page, site: Site, coco: Path) -> None:
    page.goto("/")
    dialog = form(page)
    dialog.locator("[data-files]").set_input_files(coco / "instances.json")
    dialog.get_by_label("Project").fill("Checked first")
    dialog.get_by_text("Only check, store nothing").click()
    dialog.get_by_role("button", name="Import", exact=True).click()
    report = ended(page)
    expect(report).to_contain_text("Only checked, nothing stored")
    assert site.engine.call(FindProjects(name="Checked first")) == []
    first = page.url
    report.get_by_role("button", name="Import it now").click()
    page.wait_for_url(lambda url: url != first)
    expect(ended(page)).to_have_attribute("data-status", "COMPLETE")
    assert len(site.engine.call(FindProjects(name="Checked first"))) == 1


def test_problems_are_a_table_and_can_be_left_out(page: Page, site: Site, tmp_path: Path) -> None:
    hostile = '<img src=x onerror="alert(1)">'
    bad = {"id": 2, "image_id": 1, "category_id": 99, "bbox": [1, 1, 2, 2], "area": 4, "iscrowd": 0}
    worse = {"id": 2, "file_name": hostile, "width": "wide", "height": 48}
    broken = {**COCO, "images": [*COCO["images"], worse], "annotations": [*COCO["annotations"], bad]}
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    page.goto("/")
    dialog = form(page)
    dialog.locator("[data-files]").set_input_files(tmp_path / "broken.json")
    dialog.get_by_label("Project").fill("Broken")
    dialog.get_by_role("button", name="Import", exact=True).click()
    report = ended(page)
    expect(report).to_have_attribute("data-status", "FAILED")
    expect(report).to_contain_text("Nothing was stored")
    expect(report.locator("table").first).to_contain_text("broken.json")
    first = page.url
    report.get_by_role("button", name="Import without the rows that have a problem").click()
    page.wait_for_url(lambda url: url != first)
    expect(ended(page)).to_have_attribute("data-status", "COMPLETE")
    assert len(site.engine.call(FindProjects(name="Broken"))) == 1


def test_what_is_no_data_set_is_told_so(page: Page, tmp_path: Path) -> None:
    (tmp_path / "holiday.txt").write_text("nothing of interest")
    page.goto("/")
    dialog = form(page)
    dialog.locator("[data-files]").set_input_files(tmp_path / "holiday.txt")
    dialog.get_by_role("button", name="Import", exact=True).click()
    report = ended(page)
    expect(report).to_have_attribute("data-status", "FAILED")
    expect(report).to_contain_text("holiday.txt")
