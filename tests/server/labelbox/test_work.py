"""A project from nothing through the documents that the SDK sends, and every export of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.server.labelbox.talk import BASE, Json, Talk

IMPORT_FIELDS = "id name state progress inputFileUrl errorFileUrl statusFileUrl"
ONTOLOGY: Json = {
    "tools": [
        {"tool": "rectangle", "name": "car", "required": False, "classifications": []},
        {"tool": "polygon", "name": "tree", "required": False, "color": "#00ff00", "classifications": []},
    ],
    "classifications": [
        {
            "type": "radio",
            "name": "weather",
            "instructions": "weather",
            "options": [{"label": "Sun", "value": "sun"}, {"label": "Rain", "value": "rain", "options": []}],
        }
    ],
}


def built(talk: Talk, keys: tuple[str, ...] = ("one", "two", "three")) -> Json:
    """A dataset, an ontology, a project with a batch: their ids."""
    dataset = talk.ask("mutation M($name: String!){createDataset(data: {name: $name}) {id}}", name="images")[
        "id"
    ]
    create = (
        "mutation M($r: String!, $g: String, $d: ID!)"
        "{createDataRow(data: {rowData: $r globalKey: $g dataset: {connect: {id: $d}}}){id}}"
    )
    rows = {key: talk.ask(create, r=f"https://example.org/{key}.png", g=key, d=dataset)["id"] for key in keys}
    ontology = talk.ask(
        "mutation upsertRootSchemaNodePyApi($data: UpsertOntologyInput!)"
        "{upsertOntology(data: $data){id name normalized objectSchemaCount mediaType}}",
        data={"name": "street", "normalized": json.dumps(ONTOLOGY), "mediaType": "IMAGE"},
    )
    project = talk.ask(
        "mutation CreateProjectPyApi($name: String!, $queueMode: QueueMode!, $allowedMediaType: MediaType!)"
        "{createProject(data: {name: $name queueMode: $queueMode allowedMediaType: $allowedMediaType})"
        "{id name queueMode allowedMediaType createdAt setupComplete autoAuditPercentage}}",
        name="Streets",
        queueMode="BATCH",
        allowedMediaType="IMAGE",
    )
    connected = talk.ask(
        "mutation M($p: ID!, $o: ID!){project(where: {id: $p}){connectOntology(ontologyId: $o){id}}}",
        p=project["id"],
        o=ontology["id"],
    )
    assert connected["connectOntology"]["id"] == project["id"]
    batch = talk.ask(
        "mutation createBatchV2PyApi($p: ID!, $i: CreateBatchInput!){project(where: {id: $p})"
        "{createBatchV2(input: $i){batch"
        "{id name size createdAt updatedAt consensusSettingsJson} failedDataRowIds}}}",
        p=project["id"],
        i={
            "name": "first",
            "dataRowIds": list(rows.values()),
            "globalKeys": None,
            "priority": 2,
            "consensusSettings": {"numberOfLabels": 1, "coveragePercentage": 0.5},
        },
    )["createBatchV2"]["batch"]
    assert batch["consensusSettingsJson"] == {"numberOfLabels": 1, "coveragePercentage": 0.5}
    assert (batch["size"], project["queueMode"]) == (len(keys), "BATCH")
    return {
        "dataset": dataset,
        "rows": rows,
        "ontology": ontology,
        "project": project["id"],
        "batch": batch["id"],
    }


def imported(talk: Talk, made: Json, name: str, lines: list[Json]) -> Json:
    """An import of labels by a file that is sent along, once it is over."""
    text = (
        "mutation createLabelImportByFilePyApi($projectId: ID!, $name: String!, $file: Upload!,"
        " $contentLength: Int!){createLabelImport(data: {projectId: $projectId name: $name"
        " filePayload: {file: $file, contentLength: $contentLength}}) {"
        + IMPORT_FIELDS
        + " project{id name}}}"
    )
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    part = f"{made['project']}__{name}.ndjson"
    # Some releases count something else than bytes.
    begun = talk.send(
        text, {"projectId": made["project"], "name": name, "contentLength": 163}, data, part=part, name=part
    )
    assert (begun["state"], begun["errorFileUrl"], begun["statusFileUrl"]) == ("RUNNING", None, None)
    assert talk.fetch(begun["inputFileUrl"]) == data
    talk.work()
    query = (
        "query getLabelImportPyApi($projectId: ID!, $name: String!)"
        "{labelImport(where: {projectId: $projectId, name: $name}){" + IMPORT_FIELDS + " project{id}}}"
    )
    over: Json = talk.ask(query, projectId=made["project"], name=name)
    assert (over["state"], over["progress"], over["id"]) == ("FINISHED", "100%", begun["id"])
    return over


def car(uuid: str, key: str, left: float = 1) -> Json:
    return {
        "uuid": uuid,
        "dataRow": {"globalKey": key},
        "name": "car",
        "bbox": {"top": 1, "left": left, "height": 2, "width": 3},
    }


@pytest.fixture
def made(talk: Talk) -> Json:
    """What was built, with labels on two of three rows."""
    found = built(talk)
    over = imported(
        talk,
        found,
        "labels",
        [
            {"uuid": "r1", "dataRow": {"globalKey": "one"}, "name": "weather", "answer": {"name": "Rain"}},
            car("b1", "one"),
            car("b2", "two\u2028"[:3]),
            {**car("b3", "three"), "name": "nothing"},
        ],
    )
    statuses = talk.lines(over["statusFileUrl"])
    assert [one["status"] for one in statuses] == ["SUCCESS", "SUCCESS", "SUCCESS", "FAILURE"]
    assert statuses[1]["dataRow"] == {"globalKey": "one", "id": found["rows"]["one"]}
    assert [one["uuid"] for one in talk.lines(over["errorFileUrl"])] == ["b3"]
    return found


PARAMS = {
    "mediaTypeOverride": None,
    "includeAttachments": True,
    "includeMetadata": True,
    "includeDataRowDetails": True,
    "includeProjectDetails": True,
    "includePerformanceDetails": True,
    "includeLabelDetails": True,
    "includeInterpolatedFrames": False,
}


def exported(talk: Talk, kind: str, filters: Json, **params: Any) -> Json:
    """The task of an export, once it is over."""
    text = (
        f"mutation exportDataRowsIn{kind}PyApi($input: ExportDataRowsIn{kind}Input!)"
        f"{{exportDataRowsIn{kind}(input: $input){{taskId isStreamable}}}}"
    )
    given = {
        "taskName": "mine",
        "filters": filters,
        "params": {**PARAMS, **params},
        "streamable": False,
        "isStreamableReady": True,
    }
    begun = talk.ask(text, input=given)
    assert begun["isStreamable"] is False
    talk.work()
    found: Json = talk.ask(
        "query Q($where: WhereUniqueIdInput){task(where: $where){id name type status result errors"
        " exportMetadataHeader(streamType: RESULT){totalSize totalLines}}}",
        where={"id": begun["taskId"]},
    )
    assert (found["name"], found["type"], found["status"]) == ("mine", "export-data-rows", "COMPLETE")
    assert found["errors"] is None
    return found


def query(*items: Json) -> Json:
    return {"scope": None, "query": list(items)}


def test_an_export_of_the_project_by_every_filter(talk: Talk, made: Json) -> None:
    rows = made["rows"]
    between = {
        "operator": "BETWEEN",
        "timezone": "UTC",
        "value": {"min": "2000-01-01 00:00:00", "max": "2990-01-01"},
    }
    since = {"operator": "GREATER_THAN_OR_EQUAL", "timezone": "Europe/Berlin", "value": "2000-01-01"}
    until = {"operator": "LESS_THAN_OR_EQUAL", "timezone": "UTC", "value": "2000-01-01"}
    for items, wanted in (
        ((), {"one", "two", "three"}),
        (({"type": "data_row_last_activity_at", "value": between},), {"one", "two", "three"}),
        (({"type": "labeled_at", "value": since},), {"one", "two"}),
        (({"type": "labeled_at", "value": until},), set()),
        (({"ids": [rows["two"]], "operator": "is", "type": "data_row_id"},), {"two"}),
        (({"ids": ["three", "nope"], "operator": "is", "type": "global_key"},), {"three"}),
        (({"ids": [made["batch"]], "operator": "is", "type": "batch"},), {"one", "two", "three"}),
        (({"type": "task_queue_status", "status": "InReview"},), {"one", "two"}),
        (({"type": "task_queue_status", "status": "Done"},), set()),
        (({"type": "task_queue_not_exist"}, {"type": "labeled_at", "value": since}), set()),
    ):
        task = exported(talk, "Project", {"projectId": made["project"], "searchQuery": query(*items)})
        found = {one["data_row"]["global_key"] for one in talk.lines(task["result"])}
        assert found == wanted, items
        assert (task["exportMetadataHeader"] is None) == (not wanted)


def test_filters_that_nobody_knows_are_refused(talk: Talk, made: Json) -> None:
    text = "mutation M($input: ExportDataRowsInProjectInput!){exportDataRowsInProject(input: $input){taskId}}"
    for item in (
        {"type": "nope"},
        "text",
        {"type": "batch", "ids": []},
        {"type": "batch", "ids": "b"},
        {"type": "batch", "ids": ["b"], "operator": "is_not"},
        {"type": "labeled_at", "value": {"operator": "NEAR", "value": 1}},
        {"type": "labeled_at", "value": {"operator": "LESS_THAN_OR_EQUAL", "value": "soon"}},
        {"type": "task_queue_status", "status": "done"},
        {"type": "dataset", "ids": ["d"], "operator": "is"},
    ):
        given = {"filters": {"projectId": made["project"], "searchQuery": query(item)}}  # type: ignore[arg-type]
        assert talk.code(text, input=given) == "MALFORMED_REQUEST", item


def test_exports_of_dataset_rows_catalog_and_slice(talk: Talk, made: Json) -> None:
    dataset = {"ids": [made["dataset"]], "operator": "is", "type": "dataset"}
    task = exported(talk, "Catalog", {"searchQuery": query(dataset)}, projectIds=[made["project"]])
    rows = talk.lines(task["result"])
    assert [len(row["projects"][made["project"]]["labels"]) for row in rows] == [1, 1, 0]
    named = {"ids": ["two"], "operator": "is", "type": "global_key"}
    task = exported(talk, "Catalog", {"searchQuery": query(named)})
    assert [row["data_row"]["global_key"] for row in talk.lines(task["result"])] == ["two"]
    assert len(talk.lines(exported(talk, "Catalog", {"searchQuery": query()})["result"])) == 3
    response = talk.http.post("/api/v1/slices", json={"name": "all"}, headers=talk.headers)
    id = response.json()["id"]
    assert (
        talk.ask("query getSavedQueryPyApi($id: ID!){getSavedQuery(id: $id){id name filter}}", id=id)["name"]
        == "all"
    )
    assert len(talk.lines(exported(talk, "Slice", {"sliceId": id})["result"])) == 3
    page = talk.ask(
        "query Q($id: ID!, $from: String, $first: Int!){getDataRowIdentifiersBySavedQuery"
        "(input: {savedQueryId: $id, after: $from first: $first}){totalCount nodes{id globalKey}"
        " pageInfo{endCursor hasNextPage}}}",
        id=id,
        first=2,
    )
    assert (page["totalCount"], page["pageInfo"]["hasNextPage"], len(page["nodes"])) == (3, True, 2)


def test_a_stream_is_read_in_chunks_whose_bytes_are_those_announced(talk: Talk, made: Json) -> None:
    task = exported(talk, "Project", {"projectId": made["project"]})
    header = task["exportMetadataHeader"]
    whole = talk.fetch(task["result"])
    assert (header["totalSize"], header["totalLines"]) == (len(whole), 3)
    assert whole.endswith(b"\n")
    assert whole.isascii()
    text = (
        "query Q($where: WhereUniqueIdInput, $streamType: TaskStreamType!, $offset: UInt64!)"
        "{task(where: $where)"
        "{exportFileFromOffset(streamType: $streamType, offset: $offset){offsets "
        "{start end} lines {start end} file}}}"
    )
    read = b""
    while len(read) < header["totalSize"]:
        given = {"where": {"id": task["id"]}, "streamType": "RESULT", "offset": str(len(read))}
        chunk = talk.ask(text, **given)["exportFileFromOffset"]
        body = talk.fetch(chunk["file"])
        assert chunk["offsets"] == {"start": len(read), "end": len(read) + len(body) - 1}
        read += body
    assert read == whole
    line = talk.ask(
        "query Q($where: WhereUniqueIdInput, $line: UInt64!){task(where: $where)"
        "{exportFileFromLine(streamType: RESULT, line: $line){lines {start end} file}}}",
        where={"id": task["id"]},
        line=1,
    )["exportFileFromLine"]
    assert line["lines"]["start"] <= 1 <= line["lines"]["end"]
    empty = talk.ask(
        "query Q($where: WhereUniqueIdInput){task(where: $where){exportMetadataHeader(streamType: ERRORS)"
        "{totalSize totalLines} exportFileFromOffset(streamType: ERRORS, offset: 0){file}}}",
        where={"id": task["id"]},
    )
    assert empty == {"exportMetadataHeader": None, "exportFileFromOffset": None}
    beyond = {"where": {"id": task["id"]}, "streamType": "RESULT", "offset": str(len(whole))}
    assert talk.code(text, **beyond) == "RESOURCE_NOT_FOUND"
    assert talk.code(text, **{**beyond, "offset": "-1"}) == "GRAPHQL_VALIDATION_FAILED"


def test_v1_is_asked_for_until_it_is_there(talk: Talk, made: Json) -> None:
    def asked(inner: str = "") -> Json:
        text = (
            "mutation GetLabelExportUrlPyApi($projectId: ID!){exportLabels(data: {projectId: $projectId"
            + inner
            + "}){downloadUrl createdAt shouldPoll}}"
        )
        found: Json = talk.ask(text, projectId=made["project"])
        return found

    first = asked()
    assert (first["shouldPoll"], first["downloadUrl"]) == (True, None)
    assert asked()["shouldPoll"]
    talk.work()
    ready = asked()
    assert not ready["shouldPoll"]
    labels = json.loads(talk.fetch(ready["downloadUrl"]))
    assert {one["Global Key"] for one in labels} == {"one", "two"}
    assert talk.http.get(ready["downloadUrl"]).headers["content-type"].startswith("application/json")
    before = ', filters: {labelCreatedAt: {end: "2001-01-01"}}'
    assert asked(before)["shouldPoll"]
    talk.work()
    assert json.loads(talk.fetch(asked(before)["downloadUrl"])) == []
    # It was handed out: whoever asks again wants the state of then.
    assert asked()["shouldPoll"]


def test_older_exports_of_data_rows(talk: Talk, made: Json) -> None:
    for name, parent, id, rows in (
        ("exportQueuedDataRows", "projectId", made["project"], {"three"}),
        ("exportDatasetDataRows", "datasetId", made["dataset"], {"one", "two", "three"}),
        ("exportBatchDataRows", "batchId", made["batch"], {"one", "two", "three"}),
    ):
        text = (
            f"mutation M($id: ID!, $m: Boolean!){{{name}(data: {{{parent}: $id, includeMetadataInput: $m}})"
            "{downloadUrl createdAt status}}"
        )
        assert talk.ask(text, id=id, m=True)["status"] == "IN_PROGRESS"
        talk.work()
        done = talk.ask(text, id=id, m=True)
        lines = talk.lines(done["downloadUrl"])
        assert (done["status"], {one["globalKey"] for one in lines}) == ("COMPLETE", rows)
        assert {"rowData", "mediaAttributes", "customMetadata", "metadataFields", "updatedAt"} <= set(
            lines[0]
        )


def test_a_model_run_with_predictions(talk: Talk, made: Json) -> None:
    model = talk.ask(
        "mutation M($n: String!, $o: ID!){createModel(data: {name: $n, ontologyId: $o}){id name ontologyId}}",
        n="detector",
        o=made["ontology"]["id"],
    )["id"]
    run = talk.ask(
        "mutation M($n: String!, $c: Json, $m: ID!){createModelRun(data: {name: $n, trainingMetadata: $c,"
        " modelId: $m}){id name modelId createdBy createdAt updatedAt trainingMetadata}}",
        n="first",
        c={"epochs": 3},
        m=model,
    )
    assert run["trainingMetadata"] == {"epochs": 3}
    id = run["id"]
    task = talk.ask(
        "mutation M($m: ID!, $p: ID!){createMEAModelRunProjectLabelRegistrationTask"
        "(where: {modelRunId: $m, projectId: $p})}",
        m=id,
        p=made["project"],
    )
    status = (
        "query Q($where: WhereUniqueIdInput!){MEALabelRegistrationTaskStatus(where: $where)"
        "{status errorMessage}}"
    )
    assert talk.ask(status, where={"id": task}) == {"status": "COMPLETE", "errorMessage": None}
    talk.ask(
        "mutation M($m: ID!, $data: CreateAssignDataRowsToDataSplitTaskInput!)"
        "{createAssignDataRowsToDataSplitTask(modelRun: {id: $m}, data: $data)}",
        m=id,
        data={"assignments": [{"split": "TEST", "dataRowIds": None, "globalKeys": ["one"]}]},
    )
    text = (
        "mutation M($modelRunId: ID!, $name: String!, $fileUrl: String!)"
        "{createModelErrorAnalysisPredictionImport"
        "(data: {modelRunId: $modelRunId name: $name fileUrl: $fileUrl}) {" + IMPORT_FIELDS + " modelRunId}}"
    )
    line = json.dumps({**car("p1", "two"), "confidence": 0.5}).encode()
    address = talk.upload(line, "predictions.ndjson")
    begun = talk.ask(text, modelRunId=id, name="best", fileUrl=address)
    assert (begun["inputFileUrl"], begun["modelRunId"]) == (address, id)
    talk.work()
    groups = talk.ask(
        "query Q($m: ID!, $from: String, $first: Int){annotationGroups(where: {modelRunId: {id: $m}},"
        " after: $from, first: $first){nodes{dataSplit labelId modelRunId id dataRow{globalKey}},"
        "pageInfo{endCursor}}}",
        m=id,
    )
    assert {one["dataRow"]["globalKey"]: one["dataSplit"] for one in groups["nodes"]} == {
        "one": "TEST",
        "two": "UNASSIGNED",
    }
    task = exported(
        talk, "ModelRun", {"modelRunId": id}, includePredictions=True, includeModelRunDetails=True
    )
    shown = {
        row["data_row"]["global_key"]: row["experiments"][model]["runs"][id]
        for row in talk.lines(task["result"])
    }
    assert [len(shown[key]["predictions"]) for key in ("one", "two")] == [0, 1]
    pre = talk.ask(
        "mutation M($ids: [ID!]!, $name: String!, $m: ID!, $p: ID!)"
        "{createMalPredictionImportForModelRunDataRows"
        "(data: {name: $name modelRunId: $m dataRowIds: $ids projectId: $p}) {"
        + IMPORT_FIELDS
        + " project{id}}}",
        ids=[made["rows"]["two"]],
        name="from the run",
        m=id,
        p=made["project"],
    )
    assert [one["name"] for one in talk.lines(pre["inputFileUrl"])] == ["car"]
    assert talk.ask("mutation M($i: ID!){deleteModels(where: {ids: [$i]})}", i=model) == 1
    assert talk.code("query Q($i: ID!){modelRun(where: {id: $i}){id}}", i=id) == "RESOURCE_NOT_FOUND"


def test_rows_are_sent_on_with_their_labels(talk: Talk, made: Json) -> None:
    clone = talk.ask("mutation M($p: ID!){cloneProject(data: {projectId: $p}){id}}", p=made["project"])["id"]
    features = {
        one["featureSchemaId"]: one["featureSchemaId"] for one in made["ontology"]["normalized"]["tools"]
    }
    sent = talk.ask(
        "mutation M($input: SendToAnnotateFromCatalogInput!)"
        "{sendToAnnotateFromCatalog(input: $input){taskId}}",
        input={
            "destinationProjectId": clone,
            "batchInput": {"batchName": "sent", "batchPriority": 3},
            "destinationTaskQueue": {"type": "done", "value": None},
            "annotationsInput": {"projectId": made["project"], "featureSchemaIdsMapping": features},
            "searchQuery": [{"ids": list(made["rows"].values()), "operator": "is", "type": "data_row_id"}],
        },
    )
    assert talk.ask(
        "query Q($w: WhereUniqueIdInput){task(where: $w){type status}}", w={"id": sent["taskId"]}
    ) == {
        "type": "send-to-annotate",
        "status": "COMPLETE",
    }
    rows = talk.lines(exported(talk, "Project", {"projectId": clone})["result"])
    parts = [row["projects"][clone] for row in rows]
    assert [part["project_details"]["workflow_status"] for part in parts] == ["DONE"] * 3
    (label,) = parts[0]["labels"]
    assert [one["name"] for one in label["annotations"]["objects"]] == ["car"]
    assert label["annotations"]["classifications"] == []


def test_what_the_sdk_reads_of_an_ontology(talk: Talk, made: Json) -> None:
    text = (
        "query GetProjectOntologyPyApi($i: ID!){project(where: {id: $i}){ontology"
        "{id name normalized createdBy{email}}}}"
    )
    found = talk.ask(text, i=made["project"])["ontology"]
    tool = found["normalized"]["tools"][0]
    assert set(tool) == {
        *(
            "tool",
            "name",
            "required",
            "color",
            "classifications",
            "schemaNodeId",
            "featureSchemaId",
            "attributes",
        )
    }
    talk.agent = "python-sdk 3.52.0"
    older = talk.ask(text, i=made["project"])["ontology"]["normalized"]
    assert "attributes" not in older["tools"][0]
    question = older["classifications"][0]
    assert set(question) == {
        *("type", "name", "instructions", "required", "options", "schemaNodeId", "featureSchemaId", "scope")
    }
    assert set(question["options"][0]) == {"label", "value", "options", "schemaNodeId", "featureSchemaId"}
    assert [option["label"] for option in question["options"]] == ["Sun", "Rain"]


def test_the_rest_paths_of_the_sdk(talk: Talk, made: Json) -> None:
    root = f"{BASE}/api/v1"
    given = {"normalized": json.dumps({"tool": "point", "name": "light"})}
    new = talk.http.put(f"{root}/feature-schemas/new_feature_schema_id", json=given, headers=talk.headers)
    id = new.json()["schemaId"]
    unused = talk.http.request(
        "GET", f"{root}/feature-schemas/unused", json={"after": None}, headers=talk.headers
    )
    assert unused.json() == [id]
    after = talk.http.request(
        "GET", f"{root}/feature-schemas/unused", json={"after": id}, headers=talk.headers
    )
    assert after.json() == []
    renamed = talk.http.patch(
        f"{root}/feature-schemas/{id}/definition", json={"title": "lamp"}, headers=talk.headers
    )
    assert renamed.status_code == 200
    place = f"{root}/ontologies/{made['ontology']['id']}/feature-schemas/{id}"
    assert talk.http.post(place, json={"position": 0}, headers=talk.headers).status_code == 201
    refused = talk.http.delete(f"{root}/feature-schemas/{id}", headers=talk.headers)
    assert (refused.status_code, refused.json()["message"]) == (
        409,
        "Feature schema cannot be deleted because it is used in ontologies",
    )
    assert talk.http.delete(place, headers=talk.headers).json() == {"archived": False, "deleted": True}
    assert talk.http.delete(f"{root}/feature-schemas/{id}", headers=talk.headers).status_code == 204
    again = talk.http.delete(f"{root}/feature-schemas/{id}", headers=talk.headers)
    assert again.json()["message"] == "Feature schema is already deleted"
    found = made["ontology"]["normalized"]["tools"][0]["featureSchemaId"]
    used = f"{root}/ontologies/{made['ontology']['id']}"
    assert (
        talk.http.delete(f"{used}/feature-schemas/{found}", headers=talk.headers).json()["archived"] is True
    )
    nodes = talk.http.get(used, headers=talk.headers).json()["featureSchemaNodes"]
    assert nodes["tools"][0] == {"featureSchemaId": found, "archived": True}
    restored = talk.http.patch(f"{used}/feature-schemas/{found}/unarchive", headers=talk.headers)
    assert restored.json() == {"unarchived": True}
    assert talk.http.get(f"{root}/ontologies/nope", headers=talk.headers).status_code == 404
    assert talk.http.get(used, headers={**talk.headers, "X-User-Agent": "other"}).json()["name"] == "street"
    assert talk.http.get(used, headers={"X-User-Agent": talk.agent}).status_code == 401
    bad = talk.http.put(f"{root}/feature-schemas/x", content=b"{", headers=talk.headers)
    assert bad.status_code == 400
