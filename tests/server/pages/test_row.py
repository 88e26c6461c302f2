"""The page of a data row, as the server sends it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import annotary
from annotary.engine.core import Engine
from annotary.engine.sessions import open_local_session
from annotary.server.cookies import COOKIE
from annotary.server.pages import drawing
from tests._live import Live, live
from tests.browser import _rows

HTML = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}
PLACE = f"/p/{_rows.PROJECT}/rows"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("row")
    with live(str(folder / "store")) as server:
        twins = _rows.identical()
        label = twins["projects"][_rows.PROJECT]["labels"][0]
        label["label_details"] = {
            "created_at": "2026-01-02T03:04:05.000+00:00",
            "created_by": "mara@example.com",
        }
        second = {**label, "id": "second", "is_benchmark_reference": True, "annotations": {"objects": []}}
        twins["projects"][_rows.PROJECT]["labels"].append(second)
        path = folder / "rows.ndjson"
        rows = [twins, _rows.hostile(), _rows.busy(3)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        client = annotary.Client(server.url, api_key=server.key)
        client.load(path)
        client.close()
        yield server


@pytest.fixture
def browser(server: Live) -> Iterator[httpx.Client]:
    engine = Engine(server.service.engine.store)
    cookies = {COOKIE: open_local_session(engine, "default", seconds=600)}
    with httpx.Client(base_url=server.url, headers=HTML, cookies=cookies) as http:
        yield http


def embedded(text: str) -> Any:
    """The data that the viewer reads."""
    (found,) = re.findall(r'<script type="application/json" id="row-data">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


def test_the_viewer_gets_the_row_as_it_is_exported(browser: httpx.Client, server: Live) -> None:
    answer = browser.get(f"{PLACE}/twins")
    assert answer.status_code == 200
    found = embedded(answer.text)
    client = annotary.Client(server.url, api_key=server.key)
    details = ("attachments", "metadata_fields", "data_row_details", "project_details", "label_details")
    params = dict.fromkeys((*details, "performance_details"), True)
    (row,) = (
        client.get_project(_rows.PROJECT).export(params=params, filters={"data_row_ids": ["twins"]}).stream()
    )
    client.close()
    assert found["row"] == row
    assert browser.get(f"{PLACE}/twins?format=json").json() == found
    assert found["colours"] == {"car": drawing.colour("car", found["colours"])}
    assert (found["position"], found["previous"], found["next"]) == (1, None, "hostile")
    assert found["image"]["url"] is None and found["image"]["reason"]


def test_neighbours_are_within_the_filter_and_keep_it(browser: httpx.Client) -> None:
    text = browser.get(f"{PLACE}/hostile?external_id=hostile&external_id=busy-3").text
    assert "1 of 2" in text
    assert 'rel="prev"' not in text
    (after,) = re.findall(r'href="([^"]*)" rel="next"', text)
    assert html.unescape(after) == f"{PLACE}/busy-3?external_id=hostile&external_id=busy-3"


def test_labels_are_told_apart(browser: httpx.Client) -> None:
    text = browser.get(f"{PLACE}/twins").text
    assert "2 labels of this row" in text
    first, second = re.findall(r'<option value="([^"]*)">([^<]*)</option>', text)
    assert first == ("label-twins", "1 \u00b7 mara@example.com \u00b7 2026-01-02")
    assert second[0] == "second" and second[1].endswith("benchmark")


def test_names_that_mean_harm_stay_names(browser: httpx.Client) -> None:
    text = browser.get(f"{PLACE}/hostile").text
    assert _rows.SCRIPT not in text and _rows.IMAGE_TAG not in text
    scripts = re.findall(r"<script\b[^>]*>", text)
    assert len(scripts) == 3 and sum("src=" in one for one in scripts) == 2
    names = {
        one["name"]
        for one in embedded(text)["row"]["projects"][_rows.PROJECT]["labels"][0]["annotations"]["objects"]
    }
    assert names == set(_rows.NAMES)
    assert "style=" not in text


def test_what_is_not_there_is_not_found(browser: httpx.Client) -> None:
    for path in (f"{PLACE}/nowhere", "/p/nowhere/rows/twins"):
        answer = browser.get(path)
        assert answer.status_code == 404 and "nowhere" in answer.text


def test_a_small_picture_that_is_not_there_is_no_error_where_many_are_shown(browser: httpx.Client) -> None:
    address = drawing.thumbnail_of("twins")
    answer = browser.get(address)
    assert (answer.status_code, answer.content) == (204, b"")
    assert browser.get(address.partition("?")[0]).status_code == 404


def test_who_is_not_logged_in_logs_in_and_comes_back(server: Live) -> None:
    answer = httpx.get(f"{server.url}{PLACE}/twins?class=car", headers=HTML)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=/p/")
