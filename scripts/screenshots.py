"""Pictures of every page on the demo, light and dark, in the sizes of a laptop and a tablet.

All go into the folder `screenshots`; the two that the README shows into `docs/pictures`, small.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests._server import SCRIPT, Server, quiet_environment, serving

ROOT = Path(__file__).parent.parent
SIZES = {"laptop": (1280, 720), "tablet": (820, 1180)}
SHOWN = {"row-laptop-light": "row", "rows-laptop-dark": "rows"}
"""Those of the README."""
BYTES = 200_000
SECONDS = 20_000


def places(server: Server) -> Iterator[tuple[str, str]]:
    """Every page, by a name for its picture."""
    http = httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {server.key()}"})
    with http:
        project = http.get("/api/v1/projects").json()[0]["id"]
        run = http.get("/api/v1/model-runs").json()[0]
        rows = http.get(f"/p/{project}/rows", params={"format": "json"})
        row = _first_row(rows.json()) if rows.status_code == 200 else None
    yield "projects", "/"
    yield "search", "/?q=nothing+is+called+this"
    yield "model-runs", "/?tab=runs"
    yield "overview", f"/p/{project}"
    yield "rows", f"/p/{project}/rows"
    yield "rows-filtered", f"/p/{project}/rows?class=car&workflow_status=Done"
    if row is not None:
        yield "row", f"/p/{project}/rows/{row}"
    yield "export", f"/p/{project}/export?class=car"
    yield "exports", "/exports"
    yield "model-run", f"/m/{run['model_id']}/{run['id']}"
    yield "settings", "/settings"
    yield "api", "/docs"
    yield "not-found", "/p/nothing"


def _first_row(page: Any) -> str | None:
    found = page.get("page", page)
    rows = found.get("rows") if isinstance(found, dict) else None
    return rows[0]["data_row_id"] if rows else None


def take(browser: Browser, server: Server, folder: Path, only: str) -> None:
    key = server.key("admin", name="Mara")
    for size, (width, height) in SIZES.items():
        for theme in ("light", "dark"):
            context = browser.new_context(
                base_url=server.url,
                viewport={"width": width, "height": height},
                color_scheme=theme,  # type: ignore[arg-type]
                reduced_motion="reduce",
            )
            page = context.new_page()
            page.set_default_timeout(SECONDS)
            page.goto("/settings")
            _picture(page, folder / f"login-{size}-{theme}.png")
            page.get_by_label("API key").fill(key)
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url("**/settings")
            for name, path in places(server):
                if only in name:
                    page.goto(path)
                    _picture(page, folder / f"{name}-{size}-{theme}.png")
            context.close()


def _picture(page: Page, path: Path) -> None:
    page.wait_for_load_state("networkidle")
    page.screenshot(path=path)
    print(path)


def small(picture: Path, target: Path) -> None:
    """A picture in few enough colours and pixels for a README."""
    target.parent.mkdir(parents=True, exist_ok=True)
    image = Image.open(picture).convert("RGB")
    for colours in (256, 128, 64, 32):
        image.quantize(colours, kmeans=4, dither=Image.Dither.NONE).save(target, optimize=True)
        if target.stat().st_size < BYTES:
            return
    raise SystemExit(f"{target} has {target.stat().st_size:,} bytes, more than {BYTES:,}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=ROOT / "screenshots", help="the folder for all of them")
    parser.add_argument("--only", default="", help="pages with this in their names")
    given = parser.parse_args()
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("no chromium on this machine; install it and try again")
    given.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        store = Path(work) / "annotary-demo"
        subprocess.run(
            [SCRIPT, "demo", store], check=True, env=quiet_environment(), stdout=subprocess.DEVNULL
        )
        with serving(str(store), Path(work) / "log") as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            take(browser, server, given.to, given.only)
            browser.close()
    for name, shown in SHOWN.items():
        if (given.to / f"{name}.png").exists():
            small(given.to / f"{name}.png", ROOT / "docs" / "pictures" / f"{shown}.png")


if __name__ == "__main__":
    main()
