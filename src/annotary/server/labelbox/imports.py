"""Imports of labels, pre-labels and predictions, and the files that tell what came of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from annotary.errors import Invalid
from annotary.model.base import to_json
from annotary.model.export import ExportParams, ExportQuery, RunScope
from annotary.model.project import AnnotationImport
from annotary.model.task import FINAL
from annotary.operations.annotation_imports import (
    DeleteAnnotationImport,
    FindAnnotationImports,
    GetAnnotationImport,
    GetImportById,
    Kind,
    StartAnnotationImport,
)
from annotary.operations.model_runs import GetModelRun
from annotary.operations.tasks import GetTask
from annotary.server.labelbox import shapes
from annotary.server.labelbox.context import Context, Json, resolves
from annotary.server.labelbox.data_rows import names_of
from annotary.server.labelbox.upload import MEDIA_LINES, pieces

_STATES = {"COMPLETE": "FINISHED", "FAILED": "FAILED", "CANCELED": "FAILED"}


def shown(context: Context, value: AnnotationImport) -> Json:
    """An import: how far it is, and once it is over what came of its lines."""
    task = context.call(GetTask(task_id=value.task_id))
    told = task.result if task.status == "COMPLETE" and task.result else {}
    run = value.parent_id if value.kind == "predictions" else None
    return {
        "id": value.id,
        "name": value.name,
        "state": _STATES.get(task.status, "RUNNING"),
        "progress": f"{100 if task.status in FINAL else int(task.completion_percentage)}%",
        "inputFileUrl": _address(context, value.source),
        "errorFileUrl": _address(context, told.get("failures")),
        "statusFileUrl": _address(context, told.get("statuses")),
        "createdAt": value.created_at,
        "_created_by": value.created_by,
        "modelRunId": run,
        "_project_id": None if run else value.parent_id,
    }


def _address(context: Context, id: Any) -> str | None:
    return None if id is None else context.files.address(context.files.by_id(id))


def _source(context: Context, data: Json) -> str:
    """The file of an import: sent along, or by the address that an upload gave it."""
    payload, address = data.get("filePayload"), data.get("fileUrl")
    if (payload is None) == (address is None):
        raise Invalid("an import needs either filePayload or fileUrl")
    if address is not None:
        return context.files.found(address).id
    upload = data["filePayload"]["file"]
    return context.files.keep(pieces(upload), f"{data['name']}.ndjson", MEDIA_LINES).id


def _start(context: Context, kind: Kind, parent: str, data: Json) -> Json:
    new = StartAnnotationImport(kind=kind, parent_id=parent, name=data["name"], source=_source(context, data))
    return shown(context, context.call(new))


@resolves("Mutation.createLabelImport")
def create_labels(parent: Any, context: Context, data: Json) -> Json:
    """Import labels."""
    return _start(context, "labels", data["projectId"], data)


@resolves("Mutation.createModelAssistedLabelingPredictionImport", "Mutation.createBulkImportRequest")
def create_pre_labels(parent: Any, context: Context, data: Json) -> Json:
    """Import what labellers shall begin with."""
    return _start(context, "pre-labels", data["projectId"], data)


@resolves("Mutation.createModelErrorAnalysisPredictionImport")
def create_predictions(parent: Any, context: Context, data: Json) -> Json:
    """Import predictions into a model run."""
    return _start(context, "predictions", data["modelRunId"], data)


@resolves("Mutation.createMalPredictionImportForModelRunDataRows")
def create_from_run(parent: Any, context: Context, data: Json) -> Json:
    """Make what a model run predicted for some data rows the pre-labels of a project."""
    run = context.call(GetModelRun(model_run_id=data["modelRunId"]))
    lines = _predicted(context, run.id, names_of(context, data["dataRowIds"]))
    kept = context.files.keep(lines, f"{data['name']}.ndjson", MEDIA_LINES)
    new = StartAnnotationImport(
        kind="pre-labels", parent_id=data["projectId"], name=data["name"], source=kept.id
    )
    return shown(context, context.call(new))


def _predicted(context: Context, run_id: str, rows: set[str]) -> Iterator[bytes]:
    """The import lines of a run's predictions for some data rows."""
    query = ExportQuery(scope=RunScope(id=run_id), params=ExportParams(predictions=True))
    for line in context.lines(query, "labelbox-ndjson"):
        if not rows.isdisjoint(line["dataRow"].values()):
            line.pop("isBenchmarkReferenceLabel", None)
            yield to_json(line).encode() + b"\n"


@resolves("Query.labelImport")
def labels(parent: Any, context: Context, where: Json) -> Json:
    """An import of labels, by its name."""
    return _one(context, "labels", where.get("projectId"), where)


@resolves(
    "Query.modelAssistedLabelingPredictionImport", "Query.meaToMalPredictionImport", "Query.bulkImportRequest"
)
def pre_labels(parent: Any, context: Context, where: Json) -> Json:
    """An import of pre-labels, by its name."""
    return _one(context, "pre-labels", where.get("projectId"), where)


@resolves("Query.modelErrorAnalysisPredictionImport")
def predictions(parent: Any, context: Context, where: Json) -> Json:
    """An import of predictions, by its name."""
    return _one(context, "predictions", where.get("modelRunId"), where)


def _one(context: Context, kind: Kind, parent: str | None, where: Json) -> Json:
    """An import, by its id or by its name in its project or model run."""
    id, name = where.get("id"), where.get("name")
    if id is not None:
        return shown(context, context.call(GetImportById(import_id=id)))
    if not name or parent is None:
        raise Invalid("name the import: by its id, or by its name and its project or model run")
    return shown(context, context.call(GetAnnotationImport(kind=kind, parent_id=parent, name=name)))


@resolves("Query.labelImports")
def all_labels(
    parent: Any, context: Context, where: Json, skip: int | None = None, first: int | None = None
) -> Any:
    """The imports of labels into a project."""
    return _all(context, "labels", where, skip, first)


@resolves("Query.modelAssistedLabelingPredictionImports", "Query.bulkImportRequests")
def all_pre_labels(
    parent: Any, context: Context, where: Json, skip: int | None = None, first: int | None = None
) -> Any:
    """The imports of pre-labels into a project."""
    return _all(context, "pre-labels", where, skip, first)


def _all(context: Context, kind: Kind, where: Json, skip: int | None, first: int | None) -> Any:
    if where.get("projectId") is None:
        raise Invalid("say of which project the imports are")
    found = context.call(FindAnnotationImports(kind=kind, parent_id=where["projectId"]))
    return [shown(context, one) for one in shapes.page(found, skip, first)]


@resolves("Mutation.deleteModelAssistedLabelingPredictionImport")
def delete_pre_labels(parent: Any, context: Context, where: Json) -> Json:
    """Forget an import of pre-labels."""
    context.call(DeleteAnnotationImport(import_id=where["id"]))
    return {"id": where["id"]}


@resolves("Mutation.deleteBulkImportRequest")
def delete_bulk(parent: Any, context: Context, where: Json) -> Json:
    """Forget an import of pre-labels."""
    return shown(context, context.call(DeleteAnnotationImport(import_id=where["id"])))
