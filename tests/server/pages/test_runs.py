"""The page of a model run, as the server sends it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import annotary
from annotary.engine import evaluation
from annotary.engine.core import Engine
from annotary.engine.sessions import open_local_session
from annotary.server.cookies import COOKIE
from annotary.server.pages import drawing, runs
from tests._live import Live, live
from tests.browser._rows import SCRIPT, box

HTML = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}
PLACE = "/m/model/run"
ROWS = 30


def _label(id: str, *boxes: dict[str, Any]) -> dict[str, Any]:
    annotations = {"objects": boxes, "classifications": [], "relationships": []}
    return {"label_kind": "Default", "version": "1.0.0", "id": id, "annotations": annotations}


def _row(number: int) -> dict[str, Any]:
    """A car that is found ever better, a dog that is missed, a car that is nowhere."""
    car, dog = box(f"car{number}", SCRIPT, 0, 0, 100, 100), box(f"dog{number}", "dog", 200, 0, 50, 50)
    said = [
        box(f"said{number}", SCRIPT, 30 - number, 0, 100, 100, confidence=0.9),
        box(f"false{number}", SCRIPT, 300, 300, 20, 20, confidence=0.1),
    ]
    labels = [_label(f"label{number}", car, dog)]
    predictions = [_label(f"prediction{number}", *said)]
    run = {"name": "r", "run_data_row_id": f"in{number}", "labels": labels, "predictions": predictions}
    return {
        "data_row": {"id": f"row{number}", "external_id": f"row{number}", "row_data": f"{number}.png"},
        "media_attributes": {"height": 400, "width": 500},
        "experiments": {"model": {"name": "m", "runs": {"run": run}}},
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("run")
    with live(str(folder / "store")) as server:
        path = folder / "run.ndjson"
        path.write_text("".join(json.dumps(_row(number)) + "\n" for number in range(ROWS)))
        client = annotary.Client(server.url, api_key=server.key)
        client.load(path)
        client.close()
        yield server


@pytest.fixture
def browser(server: Live) -> Iterator[httpx.Client]:
    engine = Engine(server.service.engine.store)
    cookies = {COOKIE: open_local_session(engine, "default", seconds=600)}
    with httpx.Client(base_url=server.url, headers=HTML, cookies=cookies, timeout=60) as http:
        yield http


def _rows(text: str) -> list[str]:
    return re.findall(r'data-row="([^"]*)"', text)


def test_the_page_is_there_before_its_scores(browser: httpx.Client) -> None:
    text = browser.get(f"{PLACE}?iou=0.6").text
    assert f'data-load="{PLACE}/scores?iou=0.6"' in text
    assert "30 rows" in text
    assert f'href="{PLACE}/rows/row0?iou=0.6"' in text


def test_scores_count_and_show_the_worst_rows_first(browser: httpx.Client) -> None:
    text = browser.get(f"{PLACE}/scores").text
    counts = dict(re.findall(r'data-count="(\w+)">([\d,]+)<', text))
    assert counts == {"right": "30", "spurious": "30", "missed": "30", "confused": "0"}
    assert _rows(text) == [f"row{number}" for number in range(runs.SHOWN)]
    assert _rows(browser.get(f"{PLACE}/scores?page=2").text) == [
        f"row{number}" for number in range(runs.SHOWN, ROWS)
    ]
    # Missed objects and false positives are red on the small pictures, the others in their class's colour.
    assert text.count(f'stroke="{drawing.FAULT}"') == 2 * runs.SHOWN
    assert SCRIPT not in text and "style=" not in text


def test_thresholds_are_those_of_the_evaluation(browser: httpx.Client, server: Live) -> None:
    for query in ("iou=0.9", "iou=0.5&confidence=0.2"):
        found = browser.get(f"{PLACE}?{query}&format=json").json()["evaluation"]
        client = annotary.Client(server.url, api_key=server.key)
        asked = {name: float(value) for name, value in (one.split("=") for one in query.split("&"))}
        truth = client.get_model_run("run").evaluate(limit=1000, **asked)
        client.close()
        assert found["confusion"] == [list(line) for line in truth.confusion]
        assert [one["data_row_id"] for one in found["worst"]] == [one.data_row_id for one in truth.worst]


@pytest.mark.parametrize(
    ("query", "said"),
    [("iou=2", "iou"), ("iou=x", "is not a number"), ("confidence=-1", "confidence"), ("page=9", "page")],
)
def test_what_cannot_be_is_said(browser: httpx.Client, query: str, said: str) -> None:
    answer = browser.get(f"{PLACE}/scores?{query}")
    assert answer.status_code == 400 and said in answer.text


def test_a_state_is_measured_once(browser: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []
    whole = evaluation._measured

    def counted(*given: Any) -> Any:
        measured.append(given)
        return whole(*given)

    monkeypatch.setattr(evaluation, "_measured", counted)
    texts = [browser.get(f"{PLACE}/scores?iou=0.55").text for _ in range(3)]
    assert len(measured) == 1 and len(set(texts)) == 1
    browser.get(f"{PLACE}/scores?iou=0.65")
    assert len(measured) == 2


def test_a_large_run_is_measured_when_it_is_asked_for(
    browser: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "AT_ONCE", 10)
    text = browser.get(f"{PLACE}?iou=0.35").text
    assert "data-load" not in text and "annotary evaluate --model-run run --iou 0.35" in text
    (address,) = re.findall(r'href="([^"]*measure=1)"', text)
    assert "data-load" in browser.get(address.replace("&amp;", "&")).text
    browser.get(f"{PLACE}/scores?iou=0.35")
    assert "data-load" in browser.get(f"{PLACE}?iou=0.35").text


def test_averages_are_left_out_of_large_runs(browser: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "AP50" in browser.get(f"{PLACE}/scores?iou=0.45").text
    monkeypatch.setattr(runs, "AVERAGED", 10)
    text = browser.get(f"{PLACE}/scores?iou=0.45").text
    assert "AP50" not in text and "AP is left out of runs of more than 10 rows" in text
    assert _rows(text) == [f"row{number}" for number in range(runs.SHOWN)]


def test_a_row_has_what_goes_with_what(browser: httpx.Client, server: Live) -> None:
    found = browser.get(f"{PLACE}/rows/row3?format=json").json()
    client = annotary.Client(server.url, api_key=server.key)
    match = client.get_model_run("run").match("row3")
    client.close()
    assert found["match"]["missed"] == list(match.missed) == ["dog3"]
    assert [one["prediction"] for one in found["match"]["pairs"]] == ["said3"]
    assert (found["show"], found["position"], found["previous"], found["next"]) == ("both", 4, "row2", "row4")
    strict = browser.get(f"{PLACE}/rows/row3?iou=0.95&format=json").json()
    assert strict["match"]["pairs"] == []
    text = browser.get(f"{PLACE}/rows/row3?iou=0.95").text
    assert f'href="{PLACE}/rows/row4?iou=0.95"' in text


def test_a_run_of_another_model_is_not_found(browser: httpx.Client) -> None:
    for path in ("/m/other/run", "/m/model/nowhere", f"{PLACE}/rows/nowhere", "/m/other/run/rows/row1"):
        assert browser.get(path).status_code == 404
