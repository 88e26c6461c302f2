"""Files on their way in, and data rows made of them by both ways that releases of the SDK know."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from PIL import Image

from annotary.server.labelbox import data_row_imports
from tests.server.labelbox.talk import BASE, Json, Talk

UPSERT = (
    "mutation UpsertDataRowsPyApi($manifestUri: String!){upsertDataRows(data: {manifestUri: $manifestUri})"
    "{id createdAt updatedAt name status completionPercentage result errors type metadata}}"
)
APPEND = (
    "mutation AppendRowsToDatasetPyApi($datasetId: ID!, $jsonUrl: String!)"
    "{appendRowsToDataset(data: {datasetId: $datasetId, jsonFileUrl: $jsonUrl})"
    "{taskId accepted errorMessage}}"
)
TASK = (
    "query GetUserCreatedTasksPyApi($param_0: ID!, $param_1: ID!){user(where: {id: $param_1})"
    "{createdTasks(where: {id: $param_0} skip: 0 first: 100)"
    "{id name status type completionPercentage createdAt updatedAt result errors metadata}}}"
)
FAILED = (
    "query FailedDataRowImportsPyApi($taskId: ID!, $first: Int, $from: String)"
    "{failedDataRowImports(data: {taskId: $taskId, first: $first, from: $from})"
    "{after total results{message spec{externalId globalKey rowData metadata{schemaId value name}"
    " attachments{type value name}}}}}"
)
MADE = (
    "query SuccessesfulDataRowImportsPyApi($taskId: ID!, $first: Int, $from: String)"
    "{successesfulDataRowImports(data: {taskId: $taskId, first: $first, from: $from})"
    "{nodes{id externalId globalKey rowData} after total}}"
)
ROWS = (
    "query DatasetDataRowsPyApi($id: ID!, $from: ID, $first: Int, $where: DatasetDataRowWhereInput)"
    "{datasetDataRows(id: $id, from: $from, first: $first, where: $where){nodes{id externalId globalKey"
    " rowData"
    " createdAt updatedAt mediaAttributes metadataFields{schemaId name value kind}"
    " customMetadata{schemaId value}} pageInfo{hasNextPage startCursor}}}"
)
TAG, SPLIT, TEST = "cko8s9r5v0001h2dk9elqdidh", "cko8sbczn0002h2dkdaxb5kal", "cko8scbz70005h2dkastwhgqt"


def picture(width: int = 7, height: int = 5) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height)).save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def dataset(talk: Talk) -> str:
    made = talk.ask(
        "mutation CreateDatasetPyApi($name: String!){createDataset(data: {name: $name}) {id}}", name="d"
    )
    id: str = made["id"]
    return id


def task(talk: Talk, id: str) -> Json:
    """A task as the SDK polls it."""
    user = talk.ask("query GetUserPyApi{user{id}}")["id"]
    (found,) = talk.ask(TASK, param_0=id, param_1=user)["createdTasks"]
    shown: Json = found
    return shown


def upserted(talk: Talk, *chunks: list[Json]) -> Json:
    """The task of an upsert, before a worker was at it."""
    uris = [
        # As late releases of the SDK send them: name and type are swapped.
        talk.upload(json.dumps(chunk).encode(), name="application/json", kind="json_import.json")
        for chunk in chunks
    ]
    manifest = {"source": "SDK", "item_count": sum(map(len, chunks)), "chunk_uris": uris}
    made: Json = talk.ask(UPSERT, manifestUri=talk.upload(json.dumps(manifest).encode(), "manifest.json"))
    return made


def auto(dataset: str, **payload: Any) -> Json:
    return {"id": {"type": "AUTO", "value": ""}, "payload": {"dataset_id": dataset, **payload}}


def test_a_file_comes_back_as_it_was_without_a_key(talk: Talk) -> None:
    data = picture()
    url = talk.upload(data, name="../../picture.png", kind="text/html")
    assert url.startswith(f"{BASE}/files/")
    response = talk.http.get(url)
    assert (response.content, response.headers["content-type"]) == (data, "image/png")
    assert response.headers["content-length"] == str(len(data))
    assert "/" not in response.headers["content-disposition"].partition("filename=")[2]
    script = talk.http.get(talk.upload(b"<script>", name="x.html", kind="text/html"))
    assert script.headers["content-disposition"].startswith("attachment")
    assert talk.http.get(url.partition("?")[0]).status_code == 401
    assert talk.http.get(url[:-3] + "abc").status_code == 401


def test_names_and_types_that_are_swapped_are_swapped_back(talk: Talk) -> None:
    url = talk.upload(b'[{"a": 1}]', name="application/json", kind="json_import.json")
    assert talk.http.get(url).headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("operations", "places"),
    [
        ("{", "{}"),
        ("[]", "{}"),
        ('{"query": "x", "variables": {"file": null}}', "[]"),
        ('{"query": "x", "variables": {"file": null}}', '{"1": "variables.file"}'),
        ('{"query": "x", "variables": {"file": null}}', '{"2": ["variables.file"]}'),
        ('{"query": "x", "variables": {"file": null}}', '{"1": ["variables.other"]}'),
        ('{"query": "x", "variables": {"file": "taken"}}', '{"1": ["variables.file"]}'),
        ('{"query": "x", "variables": null}', '{"1": ["variables.file.deep"]}'),
    ],
)
def test_forms_whose_parts_do_not_fit(talk: Talk, operations: str, places: str) -> None:
    response = talk.http.post(
        "/graphql",
        data={"operations": operations, "map": places},
        files={"1": ("a", b"data", "text/plain")},
        headers=talk.headers,
    )
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "MALFORMED_REQUEST"


def test_data_rows_are_made_and_changed_by_a_manifest(talk: Talk, dataset: str) -> None:
    local = talk.upload(picture(), name="local.png", kind="image/png")
    fields = [
        {"schema_id": TAG, "value": "night"},
        {"schema_id": SPLIT, "value": {}},
        {"schema_id": TEST, "value": {}},
    ]
    begun = upserted(
        talk,
        [
            auto(
                dataset,
                row_data=local,
                global_key="a",
                external_id="x",
                media_type="IMAGE",
                metadata_fields=fields,
            ),
            auto(
                dataset,
                row_data="https://example.org/b.jpg",
                attachments=[{"type": "RAW_TEXT", "value": "t"}],
            ),
        ],
        [
            auto(dataset, row_data="https://example.org/b.jpg"),
            auto(dataset, row_data="https://example.org/c.png", global_key="a"),
            auto(dataset, row_data="https://example.org/d.mp4", media_type="VIDEO"),
            auto(dataset, global_key="no row data"),
        ],
    )
    assert (begun["type"], begun["status"], begun["result"]) == ("adv-upsert-data-rows", "IN_PROGRESS", None)
    talk.work()
    assert task(talk, begun["id"])["status"] == "COMPLETE"
    made = talk.ask(MADE, taskId=begun["id"])
    assert (made["total"], made["after"], len(made["nodes"])) == (3, None, 3)
    assert len({one["id"] for one in made["nodes"]}) == 3
    failed = talk.ask(FAILED, taskId=begun["id"])
    assert failed["total"] == 3
    assert [one["spec"]["globalKey"] for one in failed["results"]] == ["a", None, "no row data"]
    assert "belongs to data row" in failed["results"][0]["message"]
    assert "VIDEO" in failed["results"][1]["message"]
    rows = talk.ask(ROWS, id=dataset, first=500)
    assert rows["pageInfo"] == {"hasNextPage": False, "startCursor": None}
    newest = rows["nodes"][-1]
    assert (newest["globalKey"], newest["externalId"]) == ("a", "x")
    assert {"height": 5, "width": 7, "mimeType": "image/png"}.items() <= newest["mediaAttributes"].items()
    assert newest["customMetadata"] == [
        {"schemaId": TAG, "value": "night"},
        {"schemaId": SPLIT, "value": {}},
        {"schemaId": TEST, "value": {}},
    ]
    assert [one["value"] for one in newest["metadataFields"]] == ["night", "test"]
    assert newest["createdAt"].endswith("Z")
    assert rows["nodes"][0]["mediaAttributes"]["mimeType"] == "image/jpeg"
    again = upserted(
        talk,
        [
            {"id": {"type": "GKEY", "value": "a"}, "payload": {"external_id": "changed"}},
            {"id": {"type": "ID", "value": rows["nodes"][0]["id"]}, "payload": {"global_key": "new"}},
            {
                "id": {"type": "GKEY", "value": "z"},
                "payload": {"dataset_id": dataset, "row_data": "https://e/z"},
            },
        ],
    )
    talk.work()
    assert talk.ask(FAILED, taskId=again["id"])["results"] == []
    after = {one["globalKey"]: one for one in talk.ask(ROWS, id=dataset)["nodes"]}
    assert (after["a"]["externalId"], after["a"]["rowData"]) == ("changed", local)
    assert {"a", "new", "z", None} == set(after)


def test_outcomes_come_in_pages(talk: Talk, dataset: str) -> None:
    rows = [auto(dataset, row_data=f"https://example.org/{number}") for number in range(5)]
    begun = upserted(talk, rows)
    talk.work()
    seen: list[str] = []
    after = None
    for _ in range(3):
        page = talk.ask(MADE, taskId=begun["id"], first=2, **({"from": after} if after else {}))
        seen += [one["rowData"] for one in page["nodes"]]
        after = page["after"]
    assert after is None
    assert seen == [one["payload"]["row_data"] for one in rows]
    assert talk.code(MADE, taskId=begun["id"], **{"from": "nope"}) == "MALFORMED_REQUEST"


@pytest.mark.parametrize(
    "manifest",
    [b"{", b"[]", b'{"chunk_uris": 1}', b'{"chunk_uris": ["https://example.org/chunk"]}'],
)
def test_manifests_that_lead_nowhere(talk: Talk, manifest: bytes) -> None:
    assert talk.code(UPSERT, manifestUri=talk.upload(manifest)) == "MALFORMED_REQUEST"
    assert talk.code(UPSERT, manifestUri="https://example.org/manifest.json") == "MALFORMED_REQUEST"


def test_chunks_have_a_limit(talk: Talk, dataset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_row_imports, "CHUNK_LIMIT", 10)
    error = talk.error(APPEND, datasetId=dataset, jsonUrl=talk.upload(b"[" + b" " * 20 + b"]"))
    assert "more than 10" in error["message"]


def test_a_list_of_data_rows_is_appended(talk: Talk, dataset: str) -> None:
    rows = [
        {
            "row_data": "https://example.org/1.png",
            "global_key": "one",
            "metadata_fields": [{"name": "tag", "value": "t"}],
        },
        {"row_data": "https://example.org/2.png", "global_key": "one"},
        {"row_data": {"html": "inline"}, "external_id": "third"},
        "no object",
    ]
    begun = talk.ask(
        APPEND, datasetId=dataset, jsonUrl=talk.upload(json.dumps(rows).encode(), "json_import.json")
    )
    assert (begun["accepted"], begun["errorMessage"]) == (True, None)
    talk.work()
    found = task(talk, begun["taskId"])
    assert (found["name"], found["status"]) == ("JSON Import", "COMPLETE")
    result = json.loads(talk.fetch(found["result"]))
    assert [one["globalKey"] for one in result["createdDataRows"]] == ["one", None]
    assert len(result["errors"]) == 2
    assert result["errors"][0]["failedDataRows"][0]["globalKey"] == "one"
    assert "stands twice" in result["errors"][0]["message"] or "belongs" in result["errors"][0]["message"]


def test_a_list_is_appended_at_once_or_not_at_all(talk: Talk, dataset: str) -> None:
    text = (
        "mutation M($datasetId: ID!, $jsonUrl: String!)"
        "{appendRowsToDatasetSync(data: {datasetId: $datasetId, jsonFileUrl: $jsonUrl})"
        "{dataset{id rowCount}}}"
    )
    good = [{"row_data": "https://example.org/1"}, {"row_data": "https://example.org/1"}]
    came = talk.ask(text, datasetId=dataset, jsonUrl=talk.upload(json.dumps(good).encode()))
    assert came["dataset"]["rowCount"] == 2
    bad = [
        {"row_data": "https://example.org/3"},
        {"row_data": "https://example.org/4", "media_type": "VIDEO"},
    ]
    assert (
        talk.code(text, datasetId=dataset, jsonUrl=talk.upload(json.dumps(bad).encode()))
        == "MALFORMED_REQUEST"
    )
    assert len(talk.ask(ROWS, id=dataset)["nodes"]) == 2


def test_one_data_row_is_made_at_once(talk: Talk, dataset: str) -> None:
    text = (
        "mutation CreateDataRowPyApi($row_data: String!,"
        " $metadata_fields: [DataRowCustomMetadataUpsertInput!],"
        " $attachments: [DataRowAttachmentInput!], $media_type: MediaType, $external_id: String,"
        " $global_key: String, $dataset: ID!){createDataRow(data: {rowData: $row_data mediaType: $media_type"
        " metadataFields: $metadata_fields externalId: $external_id globalKey: $global_key"
        " attachments: $attachments dataset: {connect: {id: $dataset}}})"
        "{id globalKey dataset{name} createdBy{email} attachments(skip: 0 first: 100){id type value name}}}"
    )
    made = talk.ask(
        text,
        dataset=dataset,
        row_data="https://example.org/1.png",
        global_key="k",
        attachments=[{"type": "IMAGE", "value": "https://example.org/a.png", "name": "beside"}],
    )
    assert (made["globalKey"], made["dataset"]["name"]) == ("k", "d")
    (attachment,) = made["attachments"]
    assert (attachment["type"], attachment["name"]) == ("IMAGE", "beside")
    assert (
        talk.code(text, dataset=dataset, row_data="https://example.org/2", global_key="k")
        == "MALFORMED_REQUEST"
    )
    change = (
        "mutation M($id: ID!, $name: String, $type: AttachmentType, $value: String){updateDataRowAttachment"
        "(where: {id: $id}, data: {name: $name, type: $type, value: $value}){id name type value}}"
    )
    changed = talk.ask(change, id=attachment["id"], value="text", type="RAW_TEXT", name=None)
    assert changed == {"id": attachment["id"], "name": "beside", "type": "RAW_TEXT", "value": "text"}
    assert talk.ask(
        "mutation M($id: ID!){deleteDataRowAttachment(where: {id: $id}){id}}", id=attachment["id"]
    )
    assert talk.code('mutation{deleteDataRowAttachment(where: {id: "x"}){id}}') == "MALFORMED_REQUEST"
