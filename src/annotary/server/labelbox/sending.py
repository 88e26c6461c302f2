"""Sending data rows to a project from the catalog, or from a model run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from annotary.errors import Invalid
from annotary.model.base import to_json
from annotary.model.export import ExportParams, ExportQuery, RunScope
from annotary.operations.annotation_imports import StartAnnotationImport
from annotary.operations.sending import SendRows, SourceLabels
from annotary.server.labelbox.batches import started
from annotary.server.labelbox.context import Context, Json, resolves
from annotary.server.labelbox.data_rows import names_of
from annotary.server.labelbox.filters import search_of
from annotary.server.labelbox.upload import MEDIA_LINES


@resolves("Mutation.sendToAnnotateFromCatalog", "Mutation.sendToAnnotateFromMea")
def send(parent: Any, context: Context, input: Json) -> Json:
    """Send data rows, with labels of a project, and what a model run predicted as pre-labels."""
    query = input.get("searchQuery")
    filters, _ = search_of(query.get("query") if isinstance(query, dict) else query)
    ids = filters.data_row_ids if isinstance(filters.data_row_ids, tuple) else ()
    keys = filters.global_keys if isinstance(filters.global_keys, tuple) else ()
    if not ids and not keys:
        raise Invalid("searchQuery: name the data rows by data_row_id or global_key")
    queue = input.get("destinationTaskQueue")
    done = None if queue is not None and queue["type"] == "done" else UNSET
    labels = input.get("annotationsInput")
    project = input["destinationProjectId"]
    batch = SendRows(
        project_id=project,
        name=input["batchInput"]["batchName"],
        priority=input["batchInput"]["batchPriority"],
        data_row_ids=ids,
        global_keys=keys,
        task_id=queue["value"] if queue is not None and queue["type"] == "id" else done,
        skip_present=bool(input.get("excludeDataRowsInProject")),
        labels=None
        if labels is None
        else SourceLabels(
            project_id=labels["projectId"], features=labels.get("featureSchemaIdsMapping") or {}
        ),
    )
    context.call(batch)
    if input.get("predictionsInput") is not None:
        _pre_label(context, project, batch, input["predictionsInput"])
    return started(context, f"Send to annotate: {batch.name}", "send-to-annotate", len(ids or keys))


def _pre_label(context: Context, project: str, batch: SendRows, given: Json) -> None:
    kept = context.files.keep(_lines(context, batch, given), f"{batch.name}.ndjson", MEDIA_LINES)
    new = StartAnnotationImport(
        kind="pre-labels", parent_id=project, name=f"{batch.name} predictions", source=kept.id
    )
    context.call(new)


def _lines(context: Context, batch: SendRows, given: Json) -> Iterator[bytes]:
    """The import lines of predictions that are confident enough, in the words of the other ontology."""
    features = given.get("featureSchemaIdsMapping") or {}
    low, high = given.get("minConfidence") or 0.0, given.get("maxConfidence")
    most = 1.0 if high is None else high
    wanted = names_of(context, batch.data_row_ids, batch.global_keys)
    query = ExportQuery(scope=RunScope(id=given["modelRunId"]), params=ExportParams(predictions=True))
    for line in context.lines(query, "labelbox-ndjson"):
        schema = features.get(line.get("schemaId"))
        if wanted.isdisjoint(line["dataRow"].values()) or schema is None:
            continue
        if low <= line.get("confidence", 1.0) <= most:
            line.pop("name", None)
            yield to_json({**line, "schemaId": schema}).encode() + b"\n"
