"""What comes later to a page has its place from the beginning: nothing moves under the pointer."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site

MOST = 0.02
"""The layout shift of a page, as browsers measure it: the share of the window that moves, times how far."""
WATCH = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) window.shifts.push(one.value);
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/p/{project}",
        "/p/{project}/rows?workflow_status=Done",
        "/p/{project}/export?workflow_status=Done",
        "/p/{project}/export?to=yolo&split=0.8,0.1,0.1",
        "/p/{project}/export?to=coco",
        "/exports",
        "/settings",
    ],
)
def test_nothing_moves(page: Page, site: Site, path: str) -> None:
    page.add_init_script(WATCH)
    page.goto(path.format(project=site.project.id))
    page.wait_for_load_state("networkidle")
    expect(page.locator(".loading:visible")).to_have_count(0, timeout=20_000)
    page.wait_for_timeout(300)
    assert sum(page.evaluate("window.shifts")) < MOST


@pytest.mark.parametrize("width", [820, 1024, 1280])
def test_the_export_form_fits_the_window(page: Page, site: Site, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 768})
    page.goto(f"/p/{site.project.id}/export?to=yolo")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
