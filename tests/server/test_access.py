"""Who is let in at all: keys, tokens, and what stays secret. Who may do what is in test_matrix.

The routes are those of the application. One that stands in no table here fails the test.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
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

NOBODY = ("/healthz",)
PAGES = ("/", "/docs", "/api/v1/openapi.json")
KEYED: dict[str, Role] = {
    "/adv/adv/v1/embeddings": "reader",
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
    return path.replace("{kind}", "project").replace("{id}", "streets")


def needed(method: str, route: Route) -> Role | None:
    """The least role of a route; None for anybody. A route in no table fails."""
    if (method, route.path) in OPERATIONS:
        return OPERATIONS[method, route.path].needs
    if route.path in NOBODY:
        return None
    if route.path in PAGES:
        return "reader"
    assert route.path in KEYED, f"say in this test who may use {method} {route.path}"
    return KEYED[route.path]


def test_every_route_wants_a_key(house: House) -> None:
    with httpx.Client(base_url=house.server.url) as http:
        for method, route in every_route(house.server):
            path = placed(route.path, house.things)
            wanted = 200 if needed(method, route) is None else 401
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


def test_pages_take_a_key_as_a_password_and_nothing_else_does(house: House) -> None:
    key = house.keys["default", "reader"]
    with httpx.Client(base_url=house.server.url, auth=("any", key)) as http:
        for path in PAGES:
            answer = http.get(path)
            assert answer.status_code == 200, answer.text
            assert "script" not in answer.headers["content-security-policy"]
        assert http.get(f"{ROOT}/projects").status_code == 401
    assert httpx.get(house.server.url).headers["www-authenticate"].startswith("Basic")


def test_the_log_and_the_files_keep_no_secret(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    key = house.keys["default", "reader"]
    grant = Grant(org="default", kind="file", id=house.things["file_id"])
    token = house.server.service.signer.token(grant, None)
    with httpx.Client(base_url=house.server.url, headers={"Authorization": f"Bearer {key}"}) as http:
        http.get(f"{ROOT}/projects")
        http.get(f"/files/{grant.id}", params={"token": token})
        http.get(f"/nowhere/{key}")
    said = capfd.readouterr().err
    assert said.count('"event": "request"') == 3
    assert key not in said
    assert token not in said
    place = Path(house.server.service.engine.store.database.place)
    assert (place.parent / "secret").stat().st_mode & 0o077 == 0
    assert key.encode() not in place.read_bytes()
