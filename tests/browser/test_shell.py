"""The frame of every page, in a real browser: logging in and out, themes."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Site


def test_who_is_not_logged_in_logs_in_by_key_and_goes_where_they_wanted(
    context: BrowserContext, site: Site
) -> None:
    page = context.new_page()
    page.goto("/settings?x=1")
    page.get_by_label("API key").fill(site.live.key)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/settings?x=1")
    expect(page.get_by_role("heading", name="Settings", exact=True)).to_be_visible()


def test_somebody_logged_in_sees_the_projects(page: Page, site: Site) -> None:
    page.goto("/")
    expect(page.get_by_text(site.project.name)).to_be_visible()
