"""A project's overview: what an index knows is there at once, what has to be read says so until it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from annotary.engine import summaries
from annotary.engine.core import Engine
from annotary.engine.loading import import_sources
from annotary.engine.sessions import open_local_session
from annotary.engine.summaries import count_ahead
from annotary.model.export import ProjectScope
from annotary.operations.looking import FindRows
from annotary.operations.model_runs import AddRunRows, CreateModel, CreateModelRun
from annotary.server.cookies import COOKIE
from tests._live import Live, live
from tests.test_filters import ROWS, ROWS_MADE


class Lines:
    name = "generated"

    def chunks(self) -> Any:
        yield b"\n".join(map(msgspec.json.encode, ROWS_MADE)) + b"\n"

    def neighbour(self, path: str) -> bytes | None:
        return None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Live]:
    with live(str(tmp_path / "store")) as server:
        import_sources(server.service.engine, [Lines()], format="labelbox-v2")
        yield server


def counts(server: Live) -> str:
    engine = Engine(server.service.engine.store)
    cookies = {COOKIE: open_local_session(engine, "default", seconds=600)}
    with httpx.Client(base_url=server.url, headers={"accept": "text/html"}, cookies=cookies) as http:
        answer = http.get("/p/project-1/counts")
    assert answer.status_code == 200
    return answer.text


def shown(text: str) -> dict[str, str]:
    found = re.findall(r'data-count="(\w+)">.*?<div class="(much[^"]*)">([\d,]+)<', text, re.DOTALL)
    return {name: "waits" if "loading" in kind else number for name, kind, number in found}


def test_what_is_being_counted_is_said_and_looked_at_again(
    server: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = shown(counts(server))
    assert whole["rows"] == str(ROWS) and "waits" not in whole.values()
    monkeypatch.setattr(summaries, "MOST", 10)
    monkeypatch.setattr(summaries, "WORTH", 10)
    text = counts(server)
    assert shown(text) == {**whole, "labels": "waits", "annotations": "waits"}
    assert f"0 of {ROWS} rows so far" in text
    assert 'data-load="/p/project-1/counts" data-wait="3"' in text
    classes = re.findall(r'data-class="([^"]*)" data-rows="(\d+)"', text)
    count_ahead(server.service.engine.store, lambda: False)
    text = counts(server)
    assert shown(text) == whole
    assert "data-load" not in text
    assert sorted(re.findall(r'data-class="([^"]*)" data-rows="(\d+)"', text)) == sorted(classes)


def test_model_runs_are_those_with_rows_of_the_project(server: Live) -> None:
    engine = Engine(server.service.engine.store)
    engine.call(CreateModel(name="detector", id="model"))
    for name in ("of its rows", "of nothing"):
        engine.call(CreateModelRun(model_id="model", name=name, id=name))
    row = engine.call(FindRows(scope=ProjectScope(id="project-1"))).rows[0].data_row_id
    engine.call(AddRunRows(model_run_id="of its rows", data_row_ids=(row,)))
    cookies = {COOKIE: open_local_session(engine, "default", seconds=600)}
    with httpx.Client(base_url=server.url, headers={"accept": "text/html"}, cookies=cookies) as http:
        page = http.get("/p/project-1").text
    assert "of its rows" in page
    assert "of nothing" not in page
