"""Exports: begun as tasks, and the older ones that are asked for again until their file is there."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from annotary.errors import Invalid
from annotary.model import moment
from annotary.model.export import (
    CatalogScope,
    DatasetScope,
    ExportFilters,
    ExportParams,
    ExportQuery,
    ProjectScope,
    Range,
    RunScope,
    Scope,
    SliceScope,
)
from annotary.model.task import FINAL, Task
from annotary.operations.batches import GetBatch
from annotary.operations.exports import StartExport
from annotary.operations.tasks import GetTask
from annotary.server.labelbox.context import Context, Json, resolves
from annotary.server.labelbox.filters import params_of, search_of


def _started(context: Context, query: ExportQuery, given: Json, name: str) -> Json:
    start = StartExport(query=query, format="labelbox-v2", name=given.get("taskName") or name)
    task = context.call(start)
    # One stored file serves both ways to read it, so the plain one is enough where the SDK leaves the choice.
    return {"taskId": task.id, "isStreamable": False}


def _query(scope: Scope, given: Json, filters: ExportFilters = ExportFilters()) -> ExportQuery:
    return ExportQuery(scope=scope, filters=filters, params=params_of(given.get("params")))


@resolves("Mutation.exportDataRowsInProject")
def of_project(parent: Any, context: Context, input: Json) -> Json:
    """Export a project."""
    asked = input["filters"]
    filters, datasets = search_of((asked.get("searchQuery") or {}).get("query"))
    if datasets:
        raise Invalid("searchQuery: a project's export has no filter of type dataset; export the dataset")
    query = _query(ProjectScope(id=asked["projectId"]), input, filters)
    return _started(context, query, input, "Export v2: project")


@resolves("Mutation.exportDataRowsInCatalog")
def of_catalog(parent: Any, context: Context, input: Json) -> Json:
    """Export a dataset, given data rows, or the whole catalog."""
    asked = (input.get("filters") or {}).get("searchQuery") or {}
    filters, datasets = search_of(asked.get("query"))
    if len(datasets) > 1:
        raise Invalid("searchQuery: name one dataset; export several apart")
    scope: Scope = DatasetScope(id=datasets[0]) if datasets else CatalogScope()
    return _started(context, _query(scope, input, filters), input, "Export v2: catalog")


@resolves("Mutation.exportDataRowsInSlice")
def of_slice(parent: Any, context: Context, input: Json) -> Json:
    """Export a slice."""
    query = _query(SliceScope(id=input["filters"]["sliceId"]), input)
    return _started(context, query, input, "Export v2: slice")


@resolves("Mutation.exportDataRowsInModelRun")
def of_run(parent: Any, context: Context, input: Json) -> Json:
    """Export a model run."""
    query = _query(RunScope(id=input["filters"]["modelRunId"]), input)
    return _started(context, query, input, "Export v2: model run")


# Older exports: the same request begins one, and then fetches it


def _polled(context: Context, start: StartExport) -> Task:
    """The export that a request began before, once it is over; else one that is begun now.

    A finished one is handed out once: whoever asks after that wants the state of then.
    """
    key = f"{context.engine.store.org} {context.engine.user.id} {start!r}"
    id = context.begun.get(key)
    if id is None:
        task = context.call(start)
        context.begun[key] = task.id
    else:
        task = context.call(GetTask(task_id=id))
    if task.status in FINAL:
        del context.begun[key]
    return task


@resolves("Mutation.exportLabels")
def labels_v1(parent: Any, context: Context, data: Json) -> Json:
    """Export a project's labels as v1: one JSON array."""
    given = data.get("filters") or {}
    created = given.get("labelCreatedAt") or {}
    filters = ExportFilters(
        label_created_at=_range(created), last_activity_at=_range(given.get("lastActivityAt"))
    )
    query = ExportQuery(scope=ProjectScope(id=data["projectId"]), filters=filters)
    options = {
        "array": True,
        "created_from": created.get("start") or "",
        "created_to": created.get("end") or "",
    }
    start = StartExport(query=query, format="labelbox-v1", name="Export v1: project", options=options)
    task = _polled(context, start)
    if task.status in ("FAILED", "CANCELED"):
        raise Invalid(f"the export ended {task.status}: {task.error or 'no reason given'}")
    address = None if task.file is None else context.files.address(task.file)
    return {
        "downloadUrl": address,
        "createdAt": task.created_at,
        "shouldPoll": address is None,
    }


def _range(given: Json | None) -> Any:
    """Two dates, either of which may be absent; without an offset they are UTC."""
    start, end = (given or {}).get("start"), (given or {}).get("end")
    if start is None and end is None:
        return UNSET
    return Range(
        start=None if start is None else moment.bound(start, end=False),
        end=None if end is None else moment.bound(end, end=True),
    )


def _file(context: Context, start: StartExport) -> Json:
    task = _polled(context, start)
    address = None
    if task.status == "COMPLETE" and task.file is not None:
        address = context.files.address(task.file)
    return {
        "downloadUrl": address,
        "createdAt": task.created_at,
        "status": {"QUEUED": "IN_PROGRESS", "CANCELED": "FAILED"}.get(task.status, task.status),
    }


@resolves("Mutation.exportModelRunAnnotations")
def run_v1(parent: Any, context: Context, data: Json) -> Json:
    """Export a model run's labels as v1: lines."""
    query = ExportQuery(scope=RunScope(id=data["modelRunId"]))
    return _file(context, StartExport(query=query, format="labelbox-v1", name="Export v1: model run"))


def _rows(context: Context, query: ExportQuery, metadata: bool, name: str) -> Json:
    """Data rows with the names that GraphQL has for their fields."""
    query = replace(query, params=ExportParams(data_row_details=True, metadata_fields=metadata))
    return _file(context, StartExport(query=query, format="labelbox-data-rows", name=name))


@resolves("Mutation.exportQueuedDataRows")
def queued_rows(parent: Any, context: Context, data: Json) -> Json:
    """The data rows of a project that wait to be labelled."""
    filters = ExportFilters(workflow_status="TO_LABEL")
    query = ExportQuery(scope=ProjectScope(id=data["projectId"]), filters=filters)
    return _rows(context, query, bool(data.get("includeMetadataInput")), "Export queued data rows")


@resolves("Mutation.exportDatasetDataRows")
def dataset_rows(parent: Any, context: Context, data: Json) -> Json:
    """The data rows of a dataset."""
    query = ExportQuery(scope=DatasetScope(id=data["datasetId"]))
    return _rows(context, query, bool(data.get("includeMetadataInput")), "Export dataset")


@resolves("Mutation.exportBatchDataRows")
def batch_rows(parent: Any, context: Context, data: Json) -> Json:
    """The data rows of a batch."""
    batch = context.call(GetBatch(batch_id=data["batchId"])).batch
    filters = ExportFilters(batch_ids=(batch.id,))
    query = ExportQuery(scope=ProjectScope(id=batch.project_id), filters=filters)
    return _rows(context, query, bool(data.get("includeMetadataInput")), "Export batch")
