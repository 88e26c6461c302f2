"""Who is let in at all: keys, tokens, and what stays secret. Who may do what is in test_matrix.

The routes are those of the application. One that stands in no table here fails the test.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from starlette.routing import Route

from annotary.engine.core import Engine, handlers
from annotary.model.project import Role
from annotary.operations.users import CreateKey, CreateOrganization
from annotary.server.app import routes
from annotary.server.rest import ROOT
from annotary.server.signing import Grant
from tests._live import Live, live
from tests.engine.world import Clock, World, box, mask

NOBODY = ("/healthz", "/login", "/login/known", "/theme", "/static/{digest}/{name}")
PAGES: dict[str, Role] = {
    "/": "reader",
    "/docs": "reader",
    "/settings": "reader",
    "/logout": "reader",
    "/p/{project_id}": "reader",
    "/p/{project_id}/summary": "reader",
    "/p/{project_id}/strip": "reader",
    "/p/{project_id}/counts": "reader",
    "/p/{project_id}/rows": "reader",
    "/p/{project_id}/matching": "reader",
    "/p/{project_id}/facets": "reader",
    "/p/{project_id}/relaxed": "reader",
    "/p/{project_id}/rows/{row_id}": "reader",
    "/p/{project_id}/export": "reader",
    "/p/{project_id}/export/{part}": "reader",
    "/m/{model_id}/{run_id}/export": "reader",
    "/m/{model_id}/{run_id}/export/{part}": "reader",
    "/exports": "reader",
    "/exports/{task_id}": "reader",
    "/exports/{task_id}/cancel": "member",
    "/exports/{task_id}/again": "member",
    "/exports/{task_id}/delete": "member",
    "/m/{model_id}/{run_id}": "reader",
    "/m/{model_id}/{run_id}/scores": "reader",
    "/m/{model_id}/{run_id}/rows/{row_id}": "reader",
    "/imports/{task_id}": "reader",
    "/settings/keys": "admin",
    "/settings/revoked": "admin",
    "/settings/ended": "reader",
}
"""Pages for people, and the least role that may open them: who is not logged in is sent to log in."""
KEYED: dict[str, Role] = {
    "/adv/adv/v1/embeddings": "reader",
    f"{ROOT}/openapi.json": "reader",
    "/readyz": "reader",
    "/metrics": "reader",
    "/graphql": "reader",
    "/_gql": "reader",
    "/masks/feature/{feature_id}": "reader",
    "/masks/label/{label_id}": "reader",
    "/files/{file_id}": "reader",
    f"{ROOT}/files": "member",
    f"{ROOT}/files/{{file_id}}": "reader",
    f"{ROOT}/tasks/{{task_id}}/result": "reader",
    f"{ROOT}/tasks/{{task_id}}/problems": "reader",
    f"{ROOT}/exports/rows": "reader",
    f"{ROOT}/exports/masks": "reader",
    f"{ROOT}/data-rows/{{data_row_id}}/image": "reader",
    f"{ROOT}/data-rows/{{data_row_id}}/thumbnail": "reader",
    f"{ROOT}/projects/{{project_id}}/masks.zip": "reader",
    f"{ROOT}/model-runs/{{run_id}}/masks.zip": "reader",
    f"{ROOT}/projects/{{project_id}}/annotations/{{feature_id}}/index/1/mask": "reader",
    f"{ROOT}/projects/{{project_id}}/annotations/{{feature_id}}/mask": "reader",
    f"{ROOT}/models/{{model_id}}/annotations/{{feature_id}}/index/1/mask": "reader",
    f"{ROOT}/models/{{model_id}}/annotations/{{feature_id}}/mask": "reader",
}
"""Routes that are not operations, and the least role that may use them."""
OPERATIONS = {(one.route.method, ROOT + one.route.path): one for one in handlers()}
SDK = "/files/created-rows/"
ANYBODY = {
    ("GET", "/healthz"): 200,
    ("GET", "/login"): 200,
    ("GET", "/login/known"): 200,
    ("POST", "/login"): 400,  # neither a key nor an address that is good once
    ("POST", "/theme"): 303,
    ("GET", "/static/{digest}/{name}"): 404,
}
"""What those get whom nobody knows."""
ROLES: tuple[Role, ...] = ("reader", "member", "admin")


class House(NamedTuple):
    """A server on a store with two organisations; things of the first one, keys of each role of both."""

    server: Live
    keys: dict[tuple[str, Role], str]
    things: dict[str, str]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    target = str(tmp_path_factory.mktemp("house") / "store")
    with live(target) as server:
        engine = Engine(server.service.engine.store)
        engine.call(CreateOrganization(name="other"))
        world = World(engine, Clock())
        label = world.label(0, box(), mask("road-1"))
        keys = {}
        for org in ("default", "other"):
            its = Engine(engine.store.seen_as(org))
            for role in ROLES:
                keys[org, role] = its.call(CreateKey(name=role, role=role)).key
        http = httpx.Client(
            base_url=server.url, headers={"Authorization": f"Bearer {keys['default', 'admin']}"}
        )
        with http:
            query = {"scope": {"kind": "project", "id": "streets"}}
            task = http.post(f"{ROOT}/exports", json={"query": query}).json()
            while task["status"] != "COMPLETE":
                time.sleep(0.05)
                task = http.get(f"{ROOT}/tasks/{task['id']}").json()
        things = {
            "project_id": "streets",
            "label_id": label.id,
            "feature_id": "road-1",
            "task_id": task["id"],
            "file_id": task["file"]["id"],
            "data_row_id": world.ids[0],
            "ontology_id": "street",
            "row_id": world.ids[0],
            "model_id": "model",
            "run_id": "run",
        }
        yield House(server, keys, things)


def every_route(server: Live) -> list[tuple[str, Route]]:
    """Each method and path, save those that requests of the vendor's SDK alone lead to."""
    found = []
    for route in routes(server.service):
        assert isinstance(route, Route), route
        if type(route) is Route and not route.path.startswith(SDK):
            found += [(method, route) for method in sorted((route.methods or set()) - {"HEAD"})]
    return found


def placed(path: str, things: dict[str, str]) -> str:
    for name, value in things.items():
        path = path.replace(f"{{{name}}}", value)
    return path.replace("{kind}", "project").replace("{id}", "streets").replace("{part}", "count")


def needed(method: str, route: Route) -> Role | None:
    """The least role of a route; None for anybody. A route in no table fails."""
    if (method, route.path) in OPERATIONS:
        return OPERATIONS[method, route.path].needs
    if route.path in NOBODY:
        return None
    if route.path in PAGES:
        return PAGES[route.path]
    assert route.path in KEYED, f"say in this test who may use {method} {route.path}"
    return KEYED[route.path]


def test_every_route_wants_a_key(house: House) -> None:
    with httpx.Client(base_url=house.server.url) as http:
        for method, route in every_route(house.server):
            path = placed(route.path, house.things)
            wanted = 401 if needed(method, route) else ANYBODY[method, route.path]
            for headers in ({}, {"Authorization": "Bearer nope"}, {"Authorization": "nope"}):
                answer = http.request(method, path, headers=headers)
                said = answer.status_code
                if path in ("/graphql", "/_gql"):
                    # The SDK reads errors out of an answer that is otherwise well.
                    assert "data" not in answer.json() or answer.json()["data"] is None, path
                    continue
                assert said == wanted, (method, path, headers, answer.text)


def test_a_token_opens_one_object_for_a_time(house: House) -> None:
    signer, things = house.server.service.signer, house.things
    later = int(time.time()) + 60

    def token(expires: int | None = later, **fields: Any) -> str:
        return signer.token(
            Grant(**{"org": "default", "kind": "file", "id": things["file_id"], **fields}), expires
        )

    with httpx.Client(base_url=house.server.url) as http:
        file, picture = f"/files/{things['file_id']}", "/masks/feature/road-1"

        def status(path: str, token: str) -> int:
            return http.get(path, params={"token": token}).status_code

        assert status(file, token()) == 200
        assert status(picture, token(kind="mask", id="road-1")) == 200
        assert status(picture, token()) == 404
        assert status(file, token(kind="mask")) == 404
        assert status(file, token(id="another")) == 404
        assert status(file, token(org="other")) == 404
        assert status(file, token(expires=int(time.time()) - 60)) == 401
        whole = token()
        for wrong in ("", "x", whole[:-2], whole + "A", "eyJhbGciOiJub25lIn0.e30.", "." * 2000):
            assert status(file, wrong) == 401, wrong


def test_a_revoked_key_opens_nothing(house: House) -> None:
    admin = {"Authorization": f"Bearer {house.keys['default', 'admin']}"}
    with httpx.Client(base_url=house.server.url) as http:
        made = http.post(f"{ROOT}/keys", json={"name": "short", "role": "reader"}, headers=admin).json()
        reader = {"Authorization": f"Bearer {made['key']}"}
        assert http.get(f"{ROOT}/projects", headers=reader).status_code == 200
        assert http.delete(f"{ROOT}/keys/short", headers=admin).status_code == 204
        assert http.get(f"{ROOT}/projects", headers=reader).status_code == 401


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Mode": "navigate"}
OWN = {"Sec-Fetch-Site": "same-origin"}


@contextmanager
def logged_in(house: House, org: str, role: Role) -> Iterator[httpx.Client]:
    """A browser of somebody who logged in with a key of that role."""
    with httpx.Client(base_url=house.server.url, headers=BROWSER) as http:
        answer = http.post("/login", data={"key": house.keys[org, role]}, headers=OWN)
        assert answer.status_code == 303, answer.text
        yield http


def test_who_is_not_logged_in_is_sent_to_log_in_and_back(house: House) -> None:
    with httpx.Client(base_url=house.server.url, headers=BROWSER) as http:
        for path in PAGES:
            if path in ("/logout", "/settings/keys", "/settings/revoked", "/settings/ended") or path.endswith(
                ("/cancel", "/again", "/delete")
            ):
                # Only forms lead there.
                continue
            page = placed(path, house.things)
            answer = http.get(page, params={"class": "a&b"})
            assert answer.status_code == 303, page
            there = httpx.URL(answer.headers["location"])
            assert there.path == "/login"
            assert there.params["next"] == f"{page}?class=a%26b"
            assert http.get(page, params={"format": "json"}).status_code == 401
        http.cookies.set("annotary-session", "nonsense")
        assert http.get("/settings").headers["location"].startswith("/login")


def test_a_session_reads_what_its_key_reads_and_sees_nothing_of_others(house: House) -> None:
    """Every route that reads, by cookie: the same status as by key, for each role and both organisations."""
    for org, role in house.keys:
        key = {"Authorization": f"Bearer {house.keys[org, role]}"}
        with logged_in(house, org, role) as browser, httpx.Client(base_url=house.server.url) as http:
            for method, route in every_route(house.server):
                path = placed(route.path, house.things)
                if method != "GET" or "{" in path or route.path in NOBODY:
                    continue
                by_key, by_cookie = http.get(path, headers=key), browser.get(path)
                assert by_cookie.status_code == by_key.status_code, (org, role, path, by_cookie.text)
                if org == "other" and "{" in route.path:
                    assert by_cookie.status_code in (404, 403), (path, by_cookie.status_code)


def test_nothing_is_changed_by_a_cookie_alone(house: House) -> None:
    """Every route that changes something: denied without the page's token, or where another site asks."""
    with logged_in(house, "default", "admin") as browser:
        token = meta(browser.get("/").text)
        asked = 0
        for method, route in every_route(house.server):
            if method == "GET" or route.path in NOBODY:
                continue
            path = placed(route.path, dict.fromkeys(house.things, "nothing"))
            for headers in (
                OWN,
                {**OWN, "X-CSRF-Token": "0" * 64},
                {"X-CSRF-Token": token, "Sec-Fetch-Site": "cross-site"},
                {"X-CSRF-Token": token, "Sec-Fetch-Site": "same-site"},
                {"X-CSRF-Token": token, "Origin": "https://evil.example"},
                {"X-CSRF-Token": token, "Origin": "null"},
            ):
                answer = browser.request(method, path, headers=headers)
                if path in ("/graphql", "/_gql"):
                    assert answer.json().get("data") is None, path
                else:
                    assert answer.status_code in (400, 403), (method, path, headers, answer.status_code)
                asked += answer.status_code == 403
        assert asked > 300
        assert browser.get("/").status_code == 200


def test_a_page_changes_what_its_role_may_change(house: House) -> None:
    for role in ROLES:
        with logged_in(house, "default", role) as browser:
            headers = {**OWN, "X-CSRF-Token": meta(browser.get("/").text)}
            answer = browser.post(f"{ROOT}/keys", json={"name": f"of {role}"}, headers=headers)
            assert answer.status_code == (200 if role == "admin" else 403), answer.text
            answer = browser.post(f"{ROOT}/projects", json={"name": f"of {role}"}, headers=headers)
            assert answer.status_code == (403 if role == "reader" else 200), answer.text
            if role != "reader":
                id = answer.json()["id"]
                by_cookie = browser.delete(f"{ROOT}/projects/{id}", headers=headers)
                assert by_cookie.status_code == (204 if role == "admin" else 403)


def test_a_form_of_another_session_is_refused(house: House) -> None:
    with logged_in(house, "default", "admin") as one, logged_in(house, "default", "admin") as another:
        foreign = meta(another.get("/").text)
        answer = one.post("/logout", data={"csrf": foreign}, headers=OWN)
        assert answer.status_code == 403
        assert "reload the page" in answer.text
        assert one.post("/logout", data={"csrf": meta(one.get("/").text)}, headers=OWN).status_code == 303
        assert one.get("/").headers["location"] == "/login"
        assert another.get("/").status_code == 200


def test_an_api_key_is_no_password(house: House) -> None:
    with httpx.Client(base_url=house.server.url, auth=("any", house.keys["default", "reader"])) as http:
        assert http.get("/").status_code == 401
        assert http.get(f"{ROOT}/projects").status_code == 401


def meta(page: str) -> str:
    """The token that a page's forms carry."""
    found = re.search(r'<meta name="csrf" content="([0-9a-f]{64})">', page)
    assert found
    return found[1]


def test_the_log_and_the_files_keep_no_secret(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    key = house.keys["default", "reader"]
    grant = Grant(org="default", kind="file", id=house.things["file_id"])
    token = house.server.service.signer.token(grant, None)
    with httpx.Client(base_url=house.server.url, headers={"Authorization": f"Bearer {key}"}) as http:
        http.get(f"{ROOT}/projects")
        http.get(f"/files/{grant.id}", params={"token": token})
        http.get(f"/nowhere/{key}")
    said, until = "", time.monotonic() + 20
    # A line is written when its answer has been sent.
    while said.count('"event": "request"') < 3 and time.monotonic() < until:
        time.sleep(0.02)
        said += capfd.readouterr().err
    assert said.count('"event": "request"') == 3
    assert key not in said
    assert token not in said
    place = Path(house.server.service.engine.store.database.place)
    assert (place.parent / "secret").stat().st_mode & 0o077 == 0
    assert key.encode() not in place.read_bytes()
