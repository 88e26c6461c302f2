"""Everyday work through the official SDK, seen again through the embedded client; and what its errors are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import annotary
from annotary.engine.core import Engine
from annotary.engine.demo import load_demo
from annotary.model.export import filters_from
from annotary.operations.slices import CreateSlice
from annotary.store import Store
from tests._server import Server, make_key, typed
from tests.sdk.conftest import NEW, OLD, ON_POSTGRES, MakeSdk

Json = dict[str, Any]
STATUS = {"project_details": True}


@pytest.fixture
def project(server: Server, tmp_path: Path) -> str:
    """A small sample project behind the server."""
    engine = Engine(Store.open(server.target))
    loaded = load_demo(engine, tmp_path, rows=14, draw=False)
    engine.close()
    return loaded.project_id


def statuses(server: Server, project_id: str) -> dict[str, Json]:
    """What a project knows of its rows, by data row id."""
    with annotary.Client(server.target) as client:
        rows = client.get_project(project_id).export(params=STATUS).result
    return {row["data_row"]["id"]: row["projects"][project_id] for row in rows}


@pytest.mark.parametrize(("version", "server"), [(OLD, "sqlite"), ON_POSTGRES], indirect=["server"])
def test_work_is_seen_by_everybody(version: str, server: Server, project: str, sdk_for: MakeSdk) -> None:
    before = statuses(server, project)
    labelled = [(row, share["labels"][0]["id"]) for row, share in before.items() if share["labels"]]
    with annotary.Client(server.target) as client:
        (dataset,) = client.get_datasets()
        keys = tuple(row["data_row"]["global_key"] for row in dataset.export().result[:3])
        part = client.call(CreateSlice(name="three rows", filters=filters_from({"global_keys": list(keys)})))
        dataset_rows = [row["data_row"]["id"] for row in dataset.export().result]
        (name,) = {one.name for one in client.get_projects()}
    moved = [row for row, _ in labelled[:5]]
    found = sdk_for(version, server).run(
        "work",
        project_id=project,
        dataset_id=dataset.id,
        moved=moved,
        reviewed=labelled[5][1],
        deleted=labelled[6][1],
        slice_id=part.id,
    )
    after = statuses(server, project)
    check_listings(found, project)
    assert sorted(found["rows"]) == sorted(dataset_rows)
    assert found["left"] == ["fresh 0", "fresh 3", "named anew"]
    assert (found["changed"], found["renamed"]) == ("changed", "renamed")
    assert found["assigned"]["status"] == "SUCCESS"
    told = [after[row]["project_details"]["workflow_status"] for row in moved[:3]]
    assert told == ["IN_REWORK", "IN_REVIEW", "DONE"]
    assert after[moved[3]]["project_details"]["priority"] == 1
    if version == NEW:
        assert after[moved[4]]["project_details"]["priority"] == 3
        assert found["overview"]["total_data_rows"] == len(before)
        assert found["slice_ids"] == [row["data_row"]["id"] for row in found["slice_rows"]]
    ids = {label["id"] for share in before.values() for label in share["labels"]}
    assert set(found["labels"]) == set(found["some_labels"]) == set(found["sorted"]) == ids
    assert set(found["labels_left"]) == ids - {labelled[6][1]}
    assert {label["id"] for share in after.values() for label in share["labels"]} == ids - {labelled[6][1]}
    assert found["review"]["score"] == 1
    assert 1 in found["review"]["of"]
    assert labelled[5][1] in found["benchmarks"]
    assert found["benchmark"] == labelled[5][1]
    assert found["benchmarks_left"] == len(found["benchmarks"]) - 1
    assert found["batch"] == {"size": 2, "project": project}
    assert found["batch_left"] == 0
    assert "more" not in found["batches"]
    assert found["tags"] == ["winter"]
    assert [row["data_row"]["global_key"] for row in found["slice_rows"]] == list(keys)
    assert found["project_name"] == "another name" != name
    assert found["gone"][0] == "ResourceNotFoundError"


def check_listings(found: Json, project: str) -> None:
    assert found["user"]["organization"] == "default"
    assert found["user"]["email"]
    assert found["projects"] == found["by_name"] == found["both"] == [project]
    assert len(found["ontologies"]) == 1
    assert found["features"] == ["lane marking"]
    assert {"LABELER", "TEAM_MANAGER", "NONE"} <= set(found["roles"])
    assert found["by_external_id"]
    assert found["one"]
    assert set(found["queues"]) > {"MANUAL_REVIEW_QUEUE", "MANUAL_REWORK_QUEUE"}
    assert found["priority"] is True


@pytest.mark.parametrize("version", [OLD, NEW])
def test_webhooks_are_made_and_switched_off(
    version: str, server: Server, project: str, sdk_for: MakeSdk
) -> None:
    topics = ["LABEL_CREATED", "LABEL_UPDATED"]
    url = "https://example.org/hook"
    found = sdk_for(version, server).run("hooks", project_id=project, hook=url, topics=topics)
    assert (found["url"], found["topics"]) == (url, topics)
    assert found["status"].rpartition(".")[2] == "ACTIVE"
    assert found["listed"] == found["of_organization"] == [url]
    assert found["changed"] == [[f"{url}/moved", ["LABEL_DELETED"]]]
    assert [status.rpartition(".")[2] for status in found["after"]] in (["INACTIVE"], [])


@pytest.mark.parametrize("version", [OLD, NEW])
def test_errors_are_those_of_the_vendor(version: str, server: Server, project: str, sdk_for: MakeSdk) -> None:
    typed(server.target, "orgs", "create", "strangers")
    rows = list(statuses(server, project))
    found = sdk_for(version, server).run(
        "errors",
        project_id=project,
        data_row_ids=rows[:2],
        reader=server.key("reader"),
        stranger=make_key(server.target, org="strangers"),
    )
    raised = {name: one and one[0] for name, one in found.items() if name != "seconds"}
    assert found["unknown field"][1].startswith("Cannot query field")
    assert found["syntax"][1].startswith("Syntax Error")
    assert raised["no datasets"] == []
    del raised["no datasets"]
    assert raised == {
        "bad key": "AuthenticationError",
        "no project": "ResourceNotFoundError",
        "no dataset": "ResourceNotFoundError",
        "no model run": "ResourceNotFoundError",
        "unknown field": "InvalidQueryError",
        "syntax": "InvalidQueryError",
        "reader writes": "AuthorizationError",
        "reader reads": None,
        "other organisation": "ResourceNotFoundError",
        "deleted": "ResourceNotFoundError",
        "batch of nothing known": "MalformedQueryException",
        "batch priority": raised["batch priority"],
        "ontology": raised["ontology"],
    }
    assert raised["batch priority"] in ("MalformedQueryException", "LabelboxError", "InvalidQueryError")
    assert raised["ontology"] in ("MalformedQueryException", "LabelboxError", "InvalidQueryError")
    assert found["seconds"] < 60, "a permanent fault is not tried again"
