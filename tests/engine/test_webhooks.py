"""Webhooks: told of what happened and of nothing else, signed, again when it did not arrive; the guard."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from annotary.engine import guard
from annotary.engine.core import Engine
from annotary.engine.delivering import ATTEMPTS, deliver_next, signature
from annotary.errors import Conflict, Invalid, NotFound, Unavailable
from annotary.operations.imports import StartImport
from annotary.operations.labels import CreateReview, DeleteLabels, SaveLabel
from annotary.operations.projects import CreateProject, GetProject
from annotary.operations.users import CreateOrganization
from annotary.operations.webhooks import ChangeWebhook, CreateWebhook, DeleteWebhook, FindWebhooks
from tests.engine.test_runner import EXPORT, at_work, ended, sent
from tests.engine.world import World, annotated, box

SECRET = "a secret of ours"


class Listener:
    """A server that remembers what it was told."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[tuple[int, dict[str, str]]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status, headers = outer.statuses.pop(0) if outer.statuses else (200, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *said: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://hooks.example:{self.server.server_port}/hook"

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.heard]


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """A listener under a name of its own, at an address that was allowed for it."""
    made = Listener()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    monkeypatch.setenv("ANNOTARY_FETCH_HOSTS", "other.example, hooks.example")
    known = {"hooks.example": "127.0.0.1", "other.example": "127.0.0.1"}
    look_up(monkeypatch, known)
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def look_up(monkeypatch: pytest.MonkeyPatch, known: dict[str, str]) -> list[str]:
    """Names with addresses as we like; which names were asked for."""
    asked: list[str] = []
    whole = socket.getaddrinfo

    def found(host: str, port: int, *given: Any, **more: Any) -> Any:
        if host not in known:
            return whole(host, port, *given, **more)
        asked.append(host)
        family = socket.AF_INET6 if ":" in known[host] else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (known[host], port))]

    monkeypatch.setattr(guard.socket, "getaddrinfo", found)
    return asked


def deliver_all(engine: Engine) -> None:
    while deliver_next(engine.store):
        pass


def hooked(engine: Engine, url: str, *topics: Any, **more: Any) -> str:
    return engine.call(CreateWebhook(url=url, topics=topics, secret=SECRET, **more)).id


def test_labels_and_reviews_are_told_of(world: World, listener: Listener) -> None:
    topics = ("LABEL_CREATED", "LABEL_UPDATED", "LABEL_DELETED", "REVIEW_CREATED")
    hooked(world.engine, listener.url, *topics, project_id="streets")
    hooked(world.engine, listener.url, "LABEL_DELETED")
    label = world.label(0)
    given = annotated(box(3))
    again = SaveLabel(project_id="streets", data_row_id=world.ids[0], annotations=given, label_id=label.id)
    world.call(again)
    world.call(CreateReview(project_id="streets", label_id=label.id, score=1))
    world.call(DeleteLabels(project_id="streets", label_ids=(label.id,)))
    deliver_all(world.engine)
    events = listener.events()
    assert sorted(one["event"] for one in events) == sorted([*topics, "LABEL_DELETED"])
    assert all(one["label_id"] == label.id and one["project_id"] == "streets" for one in events)
    for headers, body in listener.heard:
        wanted = signature(SECRET, headers["x-annotary-timestamp"], body)
        assert headers["x-annotary-signature"] == wanted
        assert headers["host"].startswith("hooks.example")
    assert SECRET not in str(listener.heard)


def test_what_did_not_happen_is_not_told_of(world: World, listener: Listener) -> None:
    hooked(world.engine, listener.url, "LABEL_DELETED")
    label = world.label(0)
    with pytest.raises(NotFound):
        world.call(DeleteLabels(project_id="streets", label_ids=(label.id, "nobody")))
    deliver_all(world.engine)
    assert listener.events() == []


def test_only_those_who_asked_are_told(world: World, listener: Listener) -> None:
    engine = world.engine
    engine.call(CreateOrganization(name="other"))
    other = Engine(engine.store.seen_as("other"), clock=engine.clock)
    hooked(other, listener.url, "LABEL_CREATED")
    off = hooked(engine, listener.url, "LABEL_CREATED")
    engine.call(ChangeWebhook(webhook_id=off, status="INACTIVE"))
    gone = hooked(engine, listener.url, "LABEL_CREATED")
    world.label(0)
    engine.call(DeleteWebhook(webhook_id=gone))
    deliver_all(engine)
    assert listener.events() == []
    with pytest.raises(NotFound):
        other.call(ChangeWebhook(webhook_id=off, status="ACTIVE"))
    assert [one.id for one in engine.call(FindWebhooks())] == [off]
    engine.call(ChangeWebhook(webhook_id=off, status="REVOKED"))
    with pytest.raises(Conflict, match="was revoked"):
        engine.call(ChangeWebhook(webhook_id=off, status="ACTIVE"))


def test_an_event_that_did_not_arrive_is_told_again_and_given_up_in_the_end(
    world: World, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[int] = []
    store = world.engine.store
    postpone = type(store.deliveries).postpone

    def at_once(self: Any, id: str, milliseconds: int) -> None:
        pauses.append(milliseconds)
        postpone(self, id, -1)

    monkeypatch.setattr(type(store.deliveries), "postpone", at_once)
    hooked(world.engine, listener.url, "LABEL_CREATED")
    listener.statuses = [(500, {}), (302, {"Location": "http://127.0.0.1/"}), (200, {})]
    world.label(0)
    deliver_all(world.engine)
    assert len(listener.heard) == 3, "a redirect is no arrival, and is not followed"
    assert len({body for _, body in listener.heard}) == 1
    assert pauses[0] < pauses[1]
    listener.statuses = [(500, {})] * (ATTEMPTS + 5)
    listener.heard.clear()
    world.label(1)
    deliver_all(world.engine)
    assert len(listener.heard) == ATTEMPTS


def test_the_ends_of_tasks_are_told_of(world: World, listener: Listener) -> None:
    hooked(world.engine, listener.url, "EXPORT_COMPLETE", "IMPORT_FAILED")
    queued = Engine(world.engine.store, clock=world.clock, queued=True)
    bad = queued.call(StartImport(source=sent(queued, {"row_data": 7}), format="data-rows", dataset="d"))
    good = queued.call(EXPORT)
    with at_work(queued.store):
        ended(queued, bad.id)
        ended(queued, good.id)
        for _ in range(100):
            if len(listener.heard) == 2:
                break
            threading.Event().wait(0.05)
    told = {one["event"]: one["task_id"] for one in listener.events()}
    assert told == {"EXPORT_COMPLETE": good.id, "IMPORT_FAILED": bad.id}


def test_a_webhook_of_a_project_hears_of_imports_that_name_it_by_name(
    world: World, listener: Listener
) -> None:
    project = world.call(GetProject(project_id="streets"))
    assert project.name != project.id
    for id in ("streets", world.call(CreateProject(name="another")).id):
        new = CreateWebhook(
            url=listener.url, topics=("IMPORT_COMPLETE", "IMPORT_FAILED"), secret=SECRET, project_id=id
        )
        world.call(new)
    queued = Engine(world.engine.store, clock=world.clock, queued=True)
    line = {"uuid": "1", "dataRow": {"globalKey": "key-1"}, "name": "light", "point": {"x": 1, "y": 1}}
    good = StartImport(source=sent(queued, line), format="labelbox-ndjson", project=project.name)
    bad = StartImport(source=sent(queued, {"uuid": 7}), format="labelbox-ndjson", project=project.name)
    with at_work(queued.store):
        done = [ended(queued, queued.call(one).id) for one in (good, bad)]
        for _ in range(100):
            if len(listener.heard) == 2:
                break
            threading.Event().wait(0.05)
    assert [one.status for one in done] == ["COMPLETE", "FAILED"], done
    told = {one["event"]: (one["task_id"], one["project_id"]) for one in listener.events()}
    assert told == {
        "IMPORT_COMPLETE": (done[0].id, "streets"),
        "IMPORT_FAILED": (done[1].id, "streets"),
    }


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "http://",
        "https:///path",
        "http://user:word@example.org/",
        "http://example.org:99999/",
        "http://example.org/a b",
        "http://exämple.org/",
        "javascript:alert(1)",
        "http://[::1",
        "http://example.org/\r\nX: y",
    ],
)
def test_what_is_no_address_is_refused_at_once(engine: Engine, url: str) -> None:
    with pytest.raises(Invalid, match="url: "):
        hooked(engine, url, "LABEL_CREATED")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_a_name_that_leads_to_a_private_place_is_refused(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.delenv("ANNOTARY_FETCH_HOSTS", raising=False)
    look_up(monkeypatch, {"evil.example": address})
    with pytest.raises(Invalid, match="not an address of the public internet"):
        guard.request("GET", "http://evil.example/")
    bracketed = f"[{address}]" if ":" in address else address
    with pytest.raises(Invalid, match="not an address of the public internet"):
        guard.request("GET", f"http://{bracketed}/")


def test_a_webhook_at_a_private_place_is_refused_when_it_is_made(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANNOTARY_FETCH_HOSTS", raising=False)
    look_up(monkeypatch, {"evil.example": "10.1.2.3", "good.example": "93.184.216.34"})
    for host in ("evil.example", "127.0.0.1", "[::1]", "169.254.169.254", "2130706433", "127.1"):
        with pytest.raises(Invalid, match="not an address of the public internet"):
            hooked(engine, f"http://{host}/hook", "LABEL_CREATED")
    assert engine.call(FindWebhooks()) == []
    made = hooked(engine, "http://good.example/hook", "LABEL_CREATED")
    with pytest.raises(Invalid, match="not an address of the public internet"):
        engine.call(ChangeWebhook(webhook_id=made, url="http://evil.example/hook"))
    assert [one.url for one in engine.call(FindWebhooks())] == ["http://good.example/hook"]
    monkeypatch.setenv("ANNOTARY_FETCH_HOSTS", "evil.example")
    hooked(engine, "http://evil.example/hook", "LABEL_CREATED")
    with pytest.raises(Invalid, match="ANNOTARY_FETCH_HOSTS"):
        hooked(engine, "http://good.example/hook", "LABEL_CREATED")


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "017700000001", "localhost", "127.1"])
def test_other_spellings_of_this_machine_are_refused(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.delenv("ANNOTARY_FETCH_HOSTS", raising=False)
    with pytest.raises((Invalid, Unavailable), match=r"public internet|not to be found"):
        guard.request("GET", f"http://{host}/")


def test_a_name_is_looked_up_once_and_each_redirect_is_checked(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = look_up(monkeypatch, {"hooks.example": "127.0.0.1", "inner.example": "127.0.0.1"})
    guard.request("POST", listener.url, body=b"x")
    assert asked == ["hooks.example"]
    port = listener.server.server_port
    listener.statuses = [(307, {"Location": f"http://inner.example:{port}/"})]
    with pytest.raises(Invalid, match="not among those"):
        guard.request("POST", listener.url, body=b"x", redirects=guard.REDIRECTS)
    listener.statuses = [(307, {"Location": "/hook"})] * 10
    answer = guard.request("POST", listener.url, body=b"x", redirects=guard.REDIRECTS)
    assert answer.status == 307, "they end"
