"""Logging in at the page: the address that is good once, keys, the cookie, where one goes from there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from annotary.errors import Unauthenticated
from annotary.server.settings import Settings
from annotary.server.tickets import Tickets
from tests._live import Live, live
from tests._server import SCRIPT, quiet_environment, serving

HTML = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(str(tmp_path_factory.mktemp("sessions") / "store")) as server:
        yield server


@pytest.fixture
def browser(server: Live) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers=HTML) as http:
        yield http


def test_the_address_logs_in_once(server: Live, browser: httpx.Client) -> None:
    ticket = server.service.tickets.new("default", 60)
    # Looking at the address, as a preview of a link does, does not use it up.
    for _ in range(2):
        assert f'value="{ticket}"' in browser.get("/login", params={"once": ticket}).text
    answer = browser.post("/login", data={"once": ticket, "next": "/settings?x=1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/settings?x=1")
    assert browser.get("/").status_code == 200
    with httpx.Client(base_url=server.url, headers=HTML) as another:
        answer = another.post("/login", data={"once": ticket})
        assert answer.status_code == 401
        assert "this address was good once" in answer.text
        assert "set-cookie" not in answer.headers


def test_the_cookie_is_kept_from_scripts_and_other_sites(server: Live, browser: httpx.Client) -> None:
    answer = browser.post("/login", data={"key": server.key})
    said = answer.headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=strict" in said
    assert "path=/" in said
    assert "max-age=1209600" in said
    assert "secure" not in said
    assert server.key.lower() not in said


def test_behind_https_the_cookie_is_secure(tmp_path: Path) -> None:
    with live(str(tmp_path / "store"), Settings()) as server:
        object.__setattr__(server.service.engine, "base_url", "https://labels.example.org")
        with httpx.Client(base_url=server.url, headers=HTML) as http:
            assert "secure" in http.post("/login", data={"key": server.key}).headers["set-cookie"].lower()


def test_a_wrong_key_is_told_on_the_form_and_not_repeated(browser: httpx.Client) -> None:
    answer = browser.post("/login", data={"key": "ann_wrong<script>", "next": "/settings"})
    assert answer.status_code == 401
    assert "not known here" in answer.text
    assert "ann_wrong" not in answer.text
    assert 'value="/settings"' in answer.text
    assert browser.post("/login", data={"key": " "}).status_code == 400


def test_another_site_logs_nobody_in(server: Live) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        answer = httpx.post(f"{server.url}/login", data={"key": server.key}, headers=headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "next",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/login", "x"],
)
def test_one_goes_on_to_this_server_only(server: Live, browser: httpx.Client, next: str) -> None:
    assert browser.post("/login", data={"key": server.key, "next": next}).headers["location"] == "/"
    assert browser.get("/login", params={"next": next}).headers["location"] == "/"


def test_a_ticket_is_good_for_a_time() -> None:
    tickets = Tickets()
    with pytest.raises(Unauthenticated, match="good once"):
        tickets.taken(tickets.new("default", -1))
    with pytest.raises(Unauthenticated):
        tickets.taken("")


def test_serve_prints_a_line_with_its_url_and_one_that_logs_in(tmp_path: Path) -> None:
    with serving(str(tmp_path / "store"), tmp_path / "log") as server:
        first, second = server.said().splitlines()[:2]
        assert first.endswith(f" at {server.url}")
        way_in = second.split()[-1]
        assert way_in.startswith(f"{server.url}/login?once=")
        ticket = way_in.partition("=")[2]
        with httpx.Client(base_url=server.url, headers=HTML) as http:
            assert http.get(way_in).status_code == 200
            assert http.post("/login", data={"once": ticket}).status_code == 303
            cookies = dict(http.cookies)
            assert http.get("/").status_code == 200
        said = server.said()
        assert said.count(ticket) == 1, "the log does not repeat it"
        assert cookies["annotary-session"] not in said
    # The server starts again: who was logged in still is, the address of before is not good any more.
    with serving(str(tmp_path / "store"), tmp_path / "log2") as server:
        with httpx.Client(base_url=server.url, headers=HTML, cookies=cookies) as http:
            assert http.get("/").status_code == 200
        assert httpx.post(f"{server.url}/login", data={"once": ticket}).status_code == 401


def test_serve_tells_programs_both_addresses_in_json(tmp_path: Path) -> None:
    command = [SCRIPT, "--at", tmp_path / "store", "--json", "serve", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=quiet_environment()
    ) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        process.terminate()
    assert said["login"].startswith(f"{said['url']}/login?once=")


def test_an_organisation_that_is_not_there_is_not_served(tmp_path: Path) -> None:
    command = [SCRIPT, "--at", tmp_path / "store", "--org", "nowhere", "serve", "--port", "0"]
    made = subprocess.run(command, capture_output=True, text=True, env=quiet_environment(), timeout=60)
    assert made.returncode == 1
    assert "no organisation 'nowhere'" in made.stderr
