"""What goes wrong, in the SDK's codes."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest

from annotary.server.labelbox import context, datasets
from tests.server.labelbox.talk import Talk

PROJECT = "query GetProjectPyApi($param_0: ID!){project(where: {id: $param_0}){id name}}"
CREATE = "mutation CreateProjectPyApi($name: String!){createProject(data: {name: $name}) {id}}"


def test_a_key_is_needed_and_must_be_good(talk: Talk) -> None:
    for headers in ({}, {"Authorization": "Bearer nope"}, {"Authorization": "Basic x"}):
        response = talk.http.post("/graphql", json={"query": "{ user { id } }"}, headers=headers)
        assert response.status_code == 401
        assert response.json()["errors"][0]["extensions"]["code"] == "AUTHENTICATION_ERROR"


def test_errors_of_documents(talk: Talk) -> None:
    error = talk.error("query { user {")
    assert (error["extensions"]["code"], error["message"][:13]) == ("GRAPHQL_PARSE_FAILED", "Syntax Error:")
    error = talk.error("query { user { bbb } }")
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert error["message"].startswith('Cannot query field "bbb" on type "User".')
    assert talk.code(PROJECT) == "GRAPHQL_VALIDATION_FAILED"
    assert talk.code("{" * 5000) == "GRAPHQL_PARSE_FAILED"
    deep = "query{" + "a{" * 4000 + "b" + "}" * 4001
    assert talk.code(deep) == "GRAPHQL_PARSE_FAILED"


def test_errors_of_what_was_asked(talk: Talk) -> None:
    assert talk.code(PROJECT, param_0="nope") == "RESOURCE_NOT_FOUND"
    id = talk.ask(CREATE, name="p")["id"]
    batch = (
        "mutation M($p: ID!, $i: CreateBatchInput!){project(where: {id: $p})"
        "{createBatchV2(input: $i){batch{id} failedDataRowIds}}}"
    )
    error = talk.error(batch, p=id, i={"name": "b", "dataRowIds": [], "globalKeys": ["key1"], "priority": 5})
    assert error["extensions"]["code"] == "MALFORMED_REQUEST"
    assert error["message"] == "Data rows with the following global keys do not exist: key1."
    assert error["errors"] == [error["message"]]
    empty = talk.error(batch, p=id, i={"name": "b", "dataRowIds": [], "globalKeys": None, "priority": 5})
    assert empty["message"] == "No valid data rows to add to project"
    for priority in (0, 6, None):
        given = {"name": "b", "dataRowIds": ["x"], "priority": priority}
        assert talk.code(batch, p=id, i=given) == "MALFORMED_REQUEST"
    # A mutation's "not found" would be taken for an empty answer.
    assert talk.code(batch, p="nope", i={"name": "b"}) == "MALFORMED_REQUEST"
    member = 'mutation{setProjectMembership(data: {userId: "u", roleId: "r", projectId: "p"}){id}}'
    assert talk.code(member) == "AUTHORIZATION_ERROR"
    model = "mutation M($n: String!){createModel(data: {name: $n}){id}}"
    talk.ask(model, n="m")
    assert talk.code(model, n="m") == "RESOURCE_CONFLICT"


def test_a_reader_may_not_change_anything(talk: Talk) -> None:
    talk.key = talk.key_of("reader")
    assert talk.ask("{ projects { id } }") == []
    assert talk.code(CREATE, name="p") == "AUTHORIZATION_ERROR"


def test_what_is_another_organisations_is_not_there(talk: Talk) -> None:
    id = talk.ask(CREATE, name="p")["id"]
    url = talk.upload(b"[]")
    talk.key = talk.key_of("admin", "other")
    assert talk.code(PROJECT, param_0=id) == "RESOURCE_NOT_FOUND"
    assert talk.ask("{ projects { id } }") == []
    append = (
        "mutation M($d: ID!, $u: String!){appendRowsToDataset(data: {datasetId: $d, jsonFileUrl: $u})"
        "{taskId accepted errorMessage}}"
    )
    mine = talk.ask('mutation{createDataset(data: {name: "d"}){id}}')["id"]
    assert talk.code(append, d=mine, u=url) == "MALFORMED_REQUEST"


def test_what_nobody_foresaw_is_told_to_the_log_alone(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*given: Any) -> None:
        raise RuntimeError("the secret of the store")

    monkeypatch.setattr(datasets.shapes, "dataset", broken)
    error = talk.error('mutation{createDataset(data: {name: "d"}){id}}')
    assert error["extensions"] == {"code": "INTERNAL_SERVER_ERROR", "exception": {"status": 500}}
    assert "secret" not in json.dumps(error)
    assert "the secret of the store" in capsys.readouterr().err


def test_limits_of_a_query(talk: Talk) -> None:
    wide = "{ projects(first: 1000) { labels(first: 1000) { dataRow { id } } } }"
    error = talk.error(wide)
    assert (error["message"], error["extensions"]["code"]) == (
        "Query complexity limit exceeded",
        "GRAPHQL_VALIDATION_FAILED",
    )
    for many in (" ".join(f"a{number}: datasets {{ id }}" for number in range(5000)), "user { id } " * 5000):
        assert talk.error(f"{{{many}}}")["message"] == "Query complexity limit exceeded"
    circle = (
        'query { project(where: {id: "a"}) { ...a } }'
        " fragment a on Project { ...b } fragment b on Project { ...a }"
    )
    assert talk.code(circle) == "GRAPHQL_VALIDATION_FAILED"
    deep = '{ project(where: {id: "a"}) ' + "{ ontology { projects " * 12 + "{ id }" + " } }" * 12 + " }"
    assert "nested deeper" in talk.error(deep)["message"]


@pytest.mark.parametrize("query", [1, 1.5, True, "text", {"query": 1}])
def test_a_search_that_is_no_list_of_filters(talk: Talk, query: Any) -> None:
    send = "mutation M($i: SendToAnnotateFromCatalogInput!){sendToAnnotateFromCatalog(input: $i){__typename}}"
    batch = {"batchName": "b", "batchPriority": 1}
    error = talk.error(send, i={"destinationProjectId": "p", "batchInput": batch, "searchQuery": query})
    assert error["extensions"]["code"] == "MALFORMED_REQUEST"
    assert "no list of filters" in error["message"]


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (PROJECT, {"param_0": None}),
        ("query Q($w: WhereUniqueIdInput){project(where: $w){id}}", {"w": None}),
        ("{task{id}}", {}),
    ],
)
def test_a_query_that_names_nothing(talk: Talk, query: str, variables: Any) -> None:
    code = talk.code(query, **variables)
    assert code in ("MALFORMED_REQUEST", "GRAPHQL_VALIDATION_FAILED")


def test_a_query_that_takes_too_long_is_ended(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 3600))
    error = talk.error("{ first: projects { id } second: projects { id } third: projects { id } }")
    assert "took too long" in error["message"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'"text"', "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"{}", "text/html", 400),
        (b"{}", "multipart/form-data", 400),
        (b"nothing", "multipart/form-data; boundary=x", 400),
        (
            b'--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{}\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
            400,
        ),
    ],
)
def test_bodies_that_are_no_requests(talk: Talk, body: bytes, kind: str, status: int) -> None:
    response = talk.http.post("/graphql", content=body, headers={**talk.headers, "Content-Type": kind})
    assert response.status_code == status, response.text
    assert response.json()["errors"][0]["extensions"]["code"] == "MALFORMED_REQUEST"


@pytest.mark.parametrize(
    "request_",
    [{}, {"query": 1}, {"query": "{user{id}}", "variables": []}, {"query": "{user{id}}", "operationName": 1}],
)
def test_requests_that_are_no_queries(talk: Talk, request_: Any) -> None:
    response = talk.http.post("/graphql", json=request_, headers=talk.headers)
    assert response.status_code == 200
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


def test_both_paths_are_one(talk: Talk) -> None:
    assert talk.answer("{ user { id } }", path="/_gql") == talk.answer("{ user { id } }", {})
    assert talk.http.get("/graphql", headers=talk.headers).status_code == 405
