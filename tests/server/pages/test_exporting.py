"""The grid, the form of an export, an export's page and the history, as they are asked for over HTTP."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import httpx
import pytest

from annotary.engine.core import Engine
from annotary.engine.sessions import open_local_session
from annotary.operations.users import CreateKey
from annotary.server.cookies import COOKIE
from tests._live import Live, live
from tests.engine.world import Clock, World

HTML = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}
SECONDS = 30
PROJECT = "/p/streets"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(str(tmp_path_factory.mktemp("exporting") / "store")) as server:
        clock = Clock()
        World(Engine(server.service.engine.store, clock=clock), clock).label()
        yield server


@pytest.fixture
def person(server: Live) -> Iterator[httpx.Client]:
    """An administrator's browser."""
    engine = Engine(server.service.engine.store)
    cookies = {COOKIE: open_local_session(engine, "default", seconds=600)}
    with httpx.Client(base_url=server.url, headers=HTML, cookies=cookies) as http:
        yield http


@pytest.fixture
def program(server: Live) -> Iterator[httpx.Client]:
    """A program with an administrator's key, which is told in JSON."""
    headers = {"Authorization": f"Bearer {server.key}", "Accept": "application/json"}
    with httpx.Client(base_url=server.url, headers=headers) as http:
        yield http


def token(person: httpx.Client) -> str:
    """What the forms of a person's pages carry."""
    found = re.search(r'name="csrf" content="([^"]+)"', person.get("/exports").text)
    assert found is not None
    return found[1]


def started(person: httpx.Client, query: str) -> str:
    """Start an export; its id, when it is over."""
    answer = person.post(f"{PROJECT}/export?{query}", data={"csrf": token(person)})
    assert answer.status_code == 303, answer.text
    place = answer.headers["location"]
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        state = person.get(place, params={"part": "state"}).text
        if "data-alive" not in state:
            return str(place.rpartition("/")[2])
        time.sleep(0.05)
    raise AssertionError(state)


def test_the_form_without_script_leads_to_its_short_address(person: httpx.Client) -> None:
    answer = person.get(f"{PROJECT}/rows?workflow_status=&class_lines=car%0D%0Abus&last_activity_at_from=")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{PROJECT}/rows?class=car&class=bus"


def test_programs_get_what_the_pages_show(program: httpx.Client) -> None:
    rows = program.get(f"{PROJECT}/rows").json()
    assert len(rows["rows"]) == 6
    assert program.get(f"{PROJECT}/matching").json() == {"rows": 6, "of": 6}
    assert set(program.get(f"{PROJECT}/facets").json()) == {
        *("classes", "kinds", "statuses", "batches", "no_objects")
    }
    wanted = program.get(f"{PROJECT}/export?to=coco&split=0.8,0.2,0").json()["wanted"]
    assert wanted["format"] == "coco"
    assert wanted["options"] == {"split": [0.8, 0.2, 0.0]}
    assert program.get(f"{PROJECT}/export?to=coco&split=x").json()["error"].startswith("split: 'x'")


def test_an_archive_has_the_pictures_in_it_unless_they_are_declined(
    program: httpx.Client, person: httpx.Client
) -> None:
    def wanted(query: str) -> object:
        return program.get(f"{PROJECT}/export?{query}").json()["wanted"].get("options", {})

    assert wanted("to=yolo") == {"images": "copy"}
    assert wanted("to=yolo&images=skip") == {"images": "skip"}
    assert wanted("to=yolo&images=link") == wanted("to=coco") == wanted("to=csv") == {}
    assert "images=link" in person.get(f"{PROJECT}/export?to=yolo&images=link").text
    losses = f"{PROJECT}/export/losses"
    told = program.get(f"{losses}?to=yolo").json()
    assert told["pictures"] == {"there": 0, "of": told["rows"], "bytes": 0}
    assert "None of the pictures is to be had here" in person.get(f"{losses}?to=yolo").text
    assert "No pictures" in person.get(f"{losses}?to=yolo&images=link").text
    assert "data-pictures" not in person.get(f"{losses}?to=coco").text


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        (f"{PROJECT}/rows?workflow_status=done", 400, "none of ToLabel"),
        (f"{PROJECT}/rows?after=nothing", 404, "no data row"),
        (f"{PROJECT}/export/nothing", 404, "no part"),
        (f"{PROJECT}/export/preview?to=nothing", 400, "unknown format"),
        (f"{PROJECT}/export/preview?to=ontology", 400, "is read, not written"),
        ("/p/nothing/rows", 404, "nothing"),
        ("/p/nothing/export", 404, "nothing"),
        ("/m/nothing/nothing/export", 404, "nothing"),
        ("/exports/nothing", 404, "no task"),
        ("/exports?after=nothing", 404, "no task"),
    ],
)
def test_what_is_wrong_is_said(program: httpx.Client, path: str, status: int, reason: str) -> None:
    answer = program.get(path)
    assert answer.status_code == status
    assert reason in answer.json()["error"]["message"]


def test_what_is_wrong_about_the_form_is_said_in_it(person: httpx.Client) -> None:
    page = person.get(f"{PROJECT}/export?to=yolo&split=x")
    assert page.status_code == 200
    assert re.search(r'id="wrong" role="alert">.*split: &#39;x&#39;', page.text)
    assert re.search(r'id="go" disabled', page.text)
    answer = person.post(f"{PROJECT}/export?to=yolo&split=x", data={"csrf": token(person)})
    assert answer.status_code == 400


def test_an_export_is_asked_for_once_more_and_removed(person: httpx.Client, program: httpx.Client) -> None:
    id = started(person, "to=coco&class=car")
    told = program.get(f"/exports/{id}").json()
    assert told["filter"] == "class: car"
    assert told["task"]["status"] == "COMPLETE"
    assert told["task"]["file"]["name"].endswith("-coco.json")
    assert told["task"]["bytes"] == told["task"]["file"]["bytes"]
    assert told["form"] == f"{PROJECT}/export?class=car&to=coco"
    again = person.post(f"/exports/{id}/again", data={"csrf": token(person)})
    assert again.status_code == 303
    assert again.headers["location"] not in ("/exports", f"/exports/{id}")
    removed = person.post(f"/exports/{id}/delete", data={"csrf": token(person)})
    assert removed.headers["location"] == "/exports"
    assert program.get(f"/exports/{id}").status_code == 404
    assert program.get(f"/api/v1/tasks/{id}/result").status_code == 404


def test_the_history_has_pages(person: httpx.Client, program: httpx.Client) -> None:
    ids = [started(person, "workflow_status=Done") for _ in range(3)]
    first = program.get("/exports").json()
    assert [one["task"]["id"] for one in first["exports"]][:3] == ids[::-1]
    older = program.get("/exports", params={"after": ids[1]}).json()
    assert older["exports"][0]["task"]["id"] == ids[0]


def test_nothing_is_started_without_the_pages_token(person: httpx.Client) -> None:
    for path in (f"{PROJECT}/export", "/exports/x/cancel", "/exports/x/again", "/exports/x/delete"):
        assert person.post(path, data={}).status_code == 403
        assert person.post(path, data={"csrf": "guessed"}).status_code == 403


def test_a_reader_exports_but_neither_cancels_nor_removes(server: Live) -> None:
    engine = Engine(server.service.engine.store)
    key = engine.call(CreateKey(name=f"reader {time.time_ns()}", role="reader")).key
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}", **HTML}) as http:
        answer = http.post(f"{PROJECT}/export")
        assert answer.status_code == 303
        place = answer.headers["location"]
        assert "Cancel" not in http.get(place).text
        assert http.post(f"{place}/delete").status_code == 403
        assert http.post(f"{place}/again").status_code == 403
