"""What holds for every page: its policy, its JSON, its errors, static files, hostile names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

import httpx
import pytest

from annotary.engine.core import Engine
from annotary.engine.sessions import open_local_session
from annotary.operations.ontologies import CreateOntology
from annotary.operations.projects import CreateProject
from annotary.operations.users import CreateKey
from annotary.server.cookies import COOKIE
from tests._live import Live, live

HTML = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}
HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202eright to left\u202c",
    "tab\tand\nline",
    "x" * 10_000,
    "\u05d0\u05d1 \u0627\u0644",
)
STATIC = files("annotary.server.pages") / "static"
STATIC_LIMIT = 250_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(str(tmp_path_factory.mktemp("frame") / "store")) as server:
        engine = Engine(server.service.engine.store)
        for at, name in enumerate(HOSTILE):
            question = {"type": "radio", "name": name, "options": [{"value": "v", "label": name}]}
            tool = {"tool": "rectangle", "name": name, "classifications": [question]}
            ontology = engine.call(CreateOntology(name=f"o{at}", normalized={"tools": [tool]}))
            engine.call(
                CreateProject(id=f"hostile{at}", name=name, description=name, ontology_id=ontology.id)
            )
        yield server


@pytest.fixture
def browser(server: Live) -> Iterator[httpx.Client]:
    engine = Engine(server.service.engine.store)
    cookies = {COOKIE: open_local_session(engine, "default", seconds=600)}
    with httpx.Client(base_url=server.url, headers=HTML, cookies=cookies) as http:
        yield http


PAGES = (
    "/",
    "/?tab=runs",
    "/?q=%3Cscript%3E",
    "/p/hostile0",
    "/p/hostile0/counts",
    "/settings",
    "/docs",
    "/nowhere",
)


@pytest.mark.parametrize("path", PAGES)
def test_the_policy_is_strict_and_the_page_keeps_to_it(browser: httpx.Client, path: str) -> None:
    answer = browser.get(path)
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert policy.startswith(
        "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'"
    )
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    text = answer.text
    assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", text), "an inline script"
    assert not re.search(r"\sstyle\s*=|<style|\son[a-z]+\s*=\s*[\"']", text), "an inline style or handler"
    assert not re.search(r"(src|href|action)=\"(https?:)?//", text), "something from elsewhere"


@pytest.mark.parametrize("at", range(len(HOSTILE)))
def test_hostile_names_are_inert_and_legible(browser: httpx.Client, at: int) -> None:
    pages = [browser.get(path).text for path in ("/", f"/p/hostile{at}", f"/p/hostile{at}/counts")]
    for text in pages:
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "49" not in re.findall(r'<bdi class="name"[^>]*>([^<]*)', text)
        assert "\u202e" not in re.sub(r"<title>.*?</title>", "", text), "the line would be turned around"
    assert max(map(len, pages[1].split("\n"))) < 12_000


def test_hostile_names_come_whole_to_programs(browser: httpx.Client) -> None:
    found = browser.get("/", params={"format": "json"}).json()["projects"]
    assert {one["project"]["name"] for one in found} == set(HOSTILE)


def test_a_page_is_json_for_programs(server: Live, browser: httpx.Client) -> None:
    for path in ("/", "/p/hostile0", "/settings", "/docs"):
        page = browser.get(path).text
        address = re.search(r'href="([^"]*format=json)"', page)
        assert address, path
        by_cookie = browser.get(address[1].replace("&amp;", "&"))
        headers = {"Authorization": f"Bearer {server.key}", "Accept": "application/json"}
        by_key = httpx.get(server.url + path, headers=headers)
        assert by_cookie.headers["content-type"] == "application/json"
        if path != "/settings":
            assert by_cookie.json() == by_key.json()


def test_errors_are_pages_for_people_and_json_for_programs(server: Live, browser: httpx.Client) -> None:
    for path in ("/p/nothing", "/nowhere/<b>", "/imports/nothing"):
        answer = browser.get(path)
        assert answer.status_code == 404
        assert 'data-status="404"' in answer.text
        assert "<b>" not in answer.text.replace("<b></b>", "").split("<main")[1].split("</main>")[0]
        answer = httpx.get(server.url + path, headers={"Authorization": f"Bearer {server.key}"})
        assert answer.json()["error"]["code"] == "not_found"
    assert browser.get("/api/v1/nowhere").headers["content-type"] == "application/json"
    assert browser.put("/").status_code == 405


def test_a_role_that_does_not_reach_gets_a_page_that_says_so(server: Live) -> None:
    key = Engine(server.service.engine.store).call(CreateKey(name="only looks", role="reader")).key
    with httpx.Client(base_url=server.url, headers=HTML) as http:
        http.post("/login", data={"key": key})
        page = http.get("/settings").text
        assert "Make a key" not in page
        csrf = re.search(r'name="csrf" content="(\w+)"', page)
        assert csrf
        answer = http.post("/settings/keys", data={"csrf": csrf[1], "name": "mine", "role": "admin"})
        assert answer.status_code == 403
        assert "Not allowed" in answer.text
        assert 'data-opens="import"' not in http.get("/").text


def test_what_nobody_foresaw_is_a_page_too(
    server: Live, browser: httpx.Client, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(self: object, operation: object) -> None:
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr(Engine, "call", broken)
    answer = browser.get("/")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text
    assert "secret" not in answer.text
    assert "a secret of the house" in capfd.readouterr().err


def test_static_files_are_kept_for_ever_under_their_hash(server: Live, browser: httpx.Client) -> None:
    page = browser.get("/").text
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(addresses) >= 3
    for address in addresses:
        answer = httpx.get(server.url + address)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        etag = answer.headers["etag"]
        again = httpx.get(server.url + address, headers={"If-None-Match": etag})
        assert (again.status_code, again.content) == (304, b"")
    old = httpx.get(f"{server.url}/static/0000000000000000/base.css")
    assert old.headers["cache-control"] == "no-cache"
    for path in ("..%2Fshell.py", "%2e%2e", "nothing.js", "base.css%00"):
        assert httpx.get(f"{server.url}/static/0/{path}").status_code == 404


def test_static_files_are_ours_and_small() -> None:
    total = 0
    for file in STATIC.iterdir():
        body = file.read_bytes()
        total += len(body)
        assert file.name.endswith((".css", ".js", ".svg")), file.name
        text = body.decode()
        assert not re.search(r"https?://(?!www\.w3\.org/)", text), file.name
        assert "eval(" not in text and "innerHTML" not in text, file.name
    assert total < STATIC_LIMIT, f"{total:,} bytes"


def test_the_theme_is_remembered(browser: httpx.Client) -> None:
    assert "data-theme" not in browser.get("/").text.split(">")[1]
    answer = browser.post("/theme", data={"theme": "dark", "next": "/settings"})
    assert answer.headers["location"] == "/settings"
    assert '<html lang="en" data-theme="dark">' in browser.get("/").text
    browser.post("/theme", data={"theme": "<script>", "next": "//evil.example"})
    assert '<html lang="en">' in browser.get("/").text


def test_a_key_is_shown_once(server: Live, browser: httpx.Client) -> None:
    csrf = re.search(r'name="csrf" content="(\w+)"', browser.get("/settings").text)
    assert csrf
    form = {"csrf": csrf[1], "name": "training <b>", "role": "member"}
    made = browser.post("/settings/keys", data=form)
    key = re.search(r"ann_[\w-]{43}", made.text)
    assert made.status_code == 200 and key
    assert "training &lt;b&gt;" in made.text
    assert key[0] not in browser.get("/settings").text
    again = browser.post("/settings/keys", data=form)
    assert again.status_code == 409
    assert "already" in again.text
    headers = {"Authorization": f"Bearer {key[0]}"}
    assert httpx.get(f"{server.url}/api/v1/projects", headers=headers).status_code == 200
    browser.post("/settings/revoked", data={"csrf": csrf[1], "name": "training <b>"})
    assert httpx.get(f"{server.url}/api/v1/projects", headers=headers).status_code == 401


def test_projects_come_by_their_latest_activity_a_page_at_a_time(server: Live, browser: httpx.Client) -> None:
    engine = Engine(server.service.engine.store)
    for at in range(60):
        engine.call(CreateProject(id=f"many{at:03}", name=f"Many {at}"))
    first = browser.get("/", params={"q": "MANY"})
    assert len(re.findall(r'data-project="many', first.text)) == 40
    later = re.search(r'href="(/\?q=MANY[^"]*)"', first.text)
    assert later
    second = browser.get(later[1].replace("&amp;", "&"))
    shown = re.findall(r'data-project="(many\d+)"', first.text + second.text)
    assert len(shown) == len(set(shown)) == 60
