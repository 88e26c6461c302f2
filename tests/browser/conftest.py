"""A real Chromium on a server with the demo; an error or a request elsewhere in any tab fails the test."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from annotary.engine.core import Engine
from annotary.engine.sessions import open_local_session
from annotary.model.project import ModelRun, Project
from annotary.server.cookies import COOKIE
from tests._live import Live, live

SIZE = {"width": 1280, "height": 720}


def until(page: Page, expression: str) -> None:
    """Wait until an expression is true, asked from outside: the content policy lets no page evaluate text."""
    deadline = time.monotonic() + 10
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"never true: {expression}"
        page.wait_for_timeout(20)


class Site(NamedTuple):
    """A running server on a copy of the demo's store, and what is in it."""

    url: str
    live: Live
    engine: Engine
    project: Project
    run: ModelRun

    def cookie(self) -> dict[str, str]:
        """The cookie of somebody who has just logged in, an administrator."""
        token = open_local_session(self.engine, "default", seconds=3600)
        return {"name": COOKIE, "value": token, "url": self.url}


class Watched:
    """What went wrong in the tabs of a context; `allowed` are parts of errors that are meant to be."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self.wrong: list[str] = []
        self.allowed: list[str] = []

    def watch(self, page: Page) -> None:
        """Take note of all that a tab does."""
        page.on("pageerror", lambda error: self.wrong.append(f"page error: {error}"))
        page.on("console", self._said)
        page.on("request", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.wrong.append(f"console: {message.text} ({message.location.get('url')})")

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if (
            parts.scheme in ("http", "https", "ws", "wss")
            and f"{parts.scheme}://{parts.netloc}" != self._origin
        ):
            self.wrong.append(f"a request off the origin: {request.url}")

    def check(self) -> None:
        """Raises AssertionError where something went wrong."""
        found = [one for one in self.wrong if not any(part in one for part in self.allowed)]
        assert not found, "\n".join(found)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on this machine; scripts/chromium.sh says how `make test` gets one")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def site(demo_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server on a copy of the demo's store, for the tests of one module."""
    target = tmp_path_factory.mktemp("site") / "store"
    shutil.copytree(demo_store, target)
    with live(str(target)) as server:
        engine = Engine(server.service.engine.store, base_url=server.url)
        (project,), (run,) = engine.store.find(Project), engine.store.find(ModelRun)
        yield Site(server.url, server, engine, project, run)


@pytest.fixture
def watched(site: Site) -> Iterator[Watched]:
    """What goes wrong in the tabs of a test; checked at its end."""
    watched = Watched(site.url)
    yield watched
    watched.check()


@pytest.fixture
def context(browser: Browser, site: Site, watched: Watched) -> Iterator[BrowserContext]:
    """A fresh browser window where nobody is logged in."""
    context = browser.new_context(base_url=site.url, viewport=SIZE, accept_downloads=True)  # type: ignore[arg-type]
    context.on("page", watched.watch)
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, site: Site) -> Page:
    """A tab of somebody who is logged in as an administrator; paths are relative to the server."""
    context.add_cookies([site.cookie()])  # type: ignore[list-item]
    return context.new_page()
