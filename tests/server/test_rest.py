"""The REST API holds what its own OpenAPI document says, whatever is asked of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from annotary.engine.core import Engine, handlers
from annotary.server.openapi import document
from annotary.server.rest import ROOT
from tests._live import Live, live
from tests.engine.world import Clock, World, box, mask

CHECKS = [
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    negative_data_rejection,
    unsupported_method,
]
# In a query all is text: `name=false` is a name like any other.
CHECKS_OF_TEXT = [one for one in CHECKS if one is not negative_data_rejection]
thorough = schemathesis.openapi.from_dict(document())
quick = schemathesis.openapi.from_dict(document())
# Every edge of every field takes minutes; `make soak` has them.
quick.config.phases.coverage.enabled = False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(str(tmp_path_factory.mktemp("rest") / "store")) as server:
        World(Engine(server.service.engine.store), Clock()).label(0, box(), mask("road-1"))
        yield server


@pytest.fixture
def http(server: Live) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {server.key}"}) as http:
        yield http


@quick.parametrize()
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_operation_holds_its_description(case: schemathesis.Case, server: Live) -> None:
    hold(case, server)


@pytest.mark.soak
@thorough.parametrize()
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_operation_holds_its_description_to_the_last_edge(
    case: schemathesis.Case, server: Live
) -> None:
    hold(case, server)


def hold(case: schemathesis.Case, server: Live) -> None:
    """Ask, and hold the answer against the description."""
    headers = {"Authorization": f"Bearer {server.key}"}
    checks = CHECKS if case.method in ("POST", "PATCH", "PUT") else CHECKS_OF_TEXT
    case.call_and_validate(base_url=server.url, headers=headers, checks=checks, timeout=60)


def test_the_document_describes_every_operation() -> None:
    described = {
        one["operationId"]: (path, method, one)
        for path, methods in document()["paths"].items()
        for method, one in methods.items()
    }
    for operation in handlers():
        path, method, one = described[operation.__name__]
        assert (path, method.upper()) == (ROOT + operation.route.path, operation.route.method)
        assert one["summary"]
        assert f"Needs the role {operation.needs}" in one["description"]
        assert {"400", "401", "403", "404"} <= set(one["responses"])


def test_it_is_served_and_can_be_read(http: httpx.Client) -> None:
    served = http.get("/api/v1/openapi.json").json()
    assert served["openapi"].startswith("3.1")
    page = http.get("/docs").text
    for operation in handlers():
        assert f'id="{operation.__name__}"' in page
    assert "<script>" not in page


def test_errors_are_told_in_one_shape(http: httpx.Client) -> None:
    for method, path, body, status, code in (
        ("GET", f"{ROOT}/projects/nope", None, 404, "not_found"),
        ("GET", "/nowhere", None, 404, "not_found"),
        ("PUT", f"{ROOT}/projects", None, 405, "method_not_allowed"),
        ("GET", f"{ROOT}/projects?limit=many", None, 400, "invalid"),
        ("GET", f"{ROOT}/projects?limit=0", None, 400, "invalid"),
        ("GET", f"{ROOT}/datasets?limit=-1", None, 400, "invalid"),
        ("GET", f"{ROOT}/projects?limit=45221056369843307732917026816", None, 400, "invalid"),
        ("GET", f"{ROOT}/projects?colour=red", None, 400, "invalid"),
        ("GET", f"{ROOT}/projects?name=a&name=b", None, 400, "invalid"),
        ("POST", f"{ROOT}/projects", b"{", 400, "invalid"),
        ("POST", f"{ROOT}/projects", b"[]", 400, "invalid"),
        ("POST", f"{ROOT}/projects", b'{"name": ""}', 400, "invalid"),
        ("POST", f"{ROOT}/projects", b"[" * 100_000, 400, "invalid"),
        ("POST", f"{ROOT}/projects", b'{"name": "\xff"}', 400, "invalid"),
        ("POST", f"{ROOT}/projects", b'{"name": "p", "ontology_id": "nope"}', 404, "not_found"),
        ("POST", f"{ROOT}/datasets", b'{"name": "d", "id": "images"}' * 0, 400, "invalid"),
        ("PATCH", f"{ROOT}/projects/streets", b'{"project_id": "other"}', 400, "invalid"),
    ):
        answer = http.request(method, path, content=body)
        assert answer.status_code == status, (path, answer.text)
        error = answer.json()["error"]
        assert error["code"] == code
        assert error["message"] and "Traceback" not in error["message"]


def test_an_id_may_have_any_character(http: httpx.Client) -> None:
    for id in ("a b", "a/b", "ä", "a%2Fb", "a?b#c", "..;", "a+b"):
        made = http.post(f"{ROOT}/datasets", json={"name": id, "id": id})
        assert made.status_code == 200, made.text
        from urllib.parse import quote

        found = http.get(f"{ROOT}/datasets/{quote(id, safe='')}")
        assert found.json() == made.json(), id


def test_a_listing_says_where_its_next_page_is(http: httpx.Client) -> None:
    for number in range(5):
        http.post(f"{ROOT}/datasets", json={"name": f"page {number}"})
    found, path = [], f"{ROOT}/datasets?limit=2"
    while path:
        answer = http.get(path)
        assert len(answer.json()) <= 2
        found += [one["id"] for one in answer.json()]
        path = answer.links.get("next", {}).get("url", "")
    assert found == [one["id"] for one in http.get(f"{ROOT}/datasets").json()]


def test_a_body_beyond_the_limit_is_refused(http: httpx.Client, server: Live) -> None:
    limit = server.service.settings.body_limit
    answer = http.post(f"{ROOT}/projects", content=b" " * (limit + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


BYTES = st.binary(max_size=200)
WORDS = st.sampled_from(
    [b"operations", b"map", b"1", b'{"query": "{user {id}}"}', b'{"1": ["variables.file"]}', b"\r\n"]
)


@settings(max_examples=60, deadline=None)
@given(
    pieces=st.lists(st.one_of(BYTES, WORDS), max_size=8),
    boundary=st.sampled_from(["x", "", '"', "x; x", "x" * 80]),
    path=st.sampled_from(["/graphql", f"{ROOT}/projects", f"{ROOT}/files", f"{ROOT}/imports"]),
)
def test_no_body_is_an_error_of_the_server(
    server: Live, pieces: list[bytes], boundary: str, path: str
) -> None:
    body = b"".join(
        b"--x\r\nContent-Disposition: form-data; name=" + piece + b"\r\n\r\n" + piece + b"\r\n"
        for piece in pieces
    )
    headers = {
        "Authorization": f"Bearer {server.key}",
        "Content-Type": f"multipart/form-data; boundary={boundary}",
    }
    answer = httpx.post(server.url + path, content=body + b"--x--\r\n", headers=headers)
    assert answer.status_code < 500, answer.text


@settings(max_examples=60, deadline=None)
@given(header=st.binary(max_size=60), token=st.text(max_size=60), path=st.text(max_size=40))
def test_no_key_token_or_path_is_an_error_of_the_server(
    server: Live, header: bytes, token: str, path: str
) -> None:
    clean = header.translate(None, bytes(range(32)) + b"\x7f").strip()
    said: Any = {"Authorization": b"Bearer x" + clean}
    with httpx.Client(base_url=server.url, headers=said) as http:
        assert http.get(f"{ROOT}/projects").status_code == 401
        assert http.get("/files/nope", params={"token": token}).status_code in (401, 404)
        try:
            answer = http.get(
                "/" + path.encode("utf-8", "replace").hex() + "/%00%ff/" + json.dumps(path)[1:-1]
            )
        except httpx.InvalidURL:
            return
        assert answer.status_code < 500
