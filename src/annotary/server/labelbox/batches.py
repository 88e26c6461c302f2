"""Batches, and what else is done within a project: moves, priorities, the ontology."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from annotary.errors import Invalid, NotFound
from annotary.model.project import Batch, ConsensusSettings
from annotary.operations.batches import (
    AddBatchRows,
    CreateBatches,
    CreateEmptyBatch,
    DeleteBatch,
    DeleteBatchLabels,
    GetBatch,
    RemoveBatchRows,
)
from annotary.operations.global_keys import FindGlobalKeys
from annotary.operations.projects import (
    ChangeProject,
    CountRows,
    CreateBatch,
    FindBatches,
    GetProject,
    MoveRows,
    SetPriority,
)
from annotary.operations.tags import FindTags
from annotary.operations.tasks import RecordTask
from annotary.server.labelbox import shapes
from annotary.server.labelbox.context import Context, Json, resolves
from annotary.server.labelbox.filters import listed
from annotary.server.labelbox.projects import shown_project

DEFAULT_PRIORITY = 5


@resolves("Query.batch")
def batch(parent: Any, context: Context, where: Json) -> Json:
    """One batch."""
    found = context.call(GetBatch(batch_id=where["id"]))
    return shapes.batch(found.batch, found.size)


@resolves("Project.batches")
def batches(
    parent: Json,
    context: Context,
    where: Json | None = None,
    after: str | None = None,
    first: int | None = None,
) -> Json:
    """A page of a project's batches, in the order of their making."""
    sizes = context.once(CountRows(project_id=parent["id"])).batches
    every = context.call(FindBatches(project_id=parent["id"]))
    found = list(listed((shapes.batch(one, sizes.get(one.id, 0)) for one in every), where))
    start = next((place + 1 for place, one in enumerate(found) if one["id"] == after), 0)
    size = max(1, min(first or 100, 1000))
    nodes = found[start : start + size]
    more = len(found) > start + size
    return {"nodes": nodes, "pageInfo": {"endCursor": nodes[-1]["id"] if more else None, "hasNextPage": more}}


@resolves("Mutation.project")
def project(parent: Any, context: Context, where: Json) -> Json:
    """The project in which something is to be done."""
    return {"id": context.call(GetProject(project_id=where["id"])).id}


def _consensus(given: Json | None) -> ConsensusSettings | UnsetType:
    if given is None:
        return UNSET
    try:
        return msgspec.convert(
            {
                "number_of_labels": given["numberOfLabels"],
                "coverage_percentage": given["coveragePercentage"],
            },
            ConsensusSettings,
        )
    except msgspec.ValidationError as error:
        raise Invalid(f"consensusSettings: {error}") from None


def _keys(context: Context, given: Sequence[str] | None) -> tuple[str, ...]:
    """Global keys that are all there; raises Invalid in the vendor's words."""
    keys = tuple(given or ())
    if keys:
        known = {one.global_key for one in context.call(FindGlobalKeys(global_keys=keys))}
        missing = [key for key in keys if key not in known]
        if missing:
            raise Invalid(f"Data rows with the following global keys do not exist: {', '.join(missing)}.")
    return keys


def _priority(given: int | None) -> int:
    if given is None or not 1 <= given <= 5:
        raise Invalid(f"priority: {given!r} is not from 1 (first) to 5 (last)")
    return given


@resolves("ProjectMutation.createBatchV2")
def create_batch(parent: Json, context: Context, input: Json) -> Json:
    """Send data rows to the project."""
    ids, keys = tuple(input.get("dataRowIds") or ()), _keys(context, input.get("globalKeys"))
    if not ids and not keys:
        raise Invalid("No valid data rows to add to project")
    new = CreateBatch(
        project_id=parent["id"],
        name=input["name"],
        data_row_ids=ids,
        global_keys=keys,
        priority=_priority(input.get("priority")),
        consensus=_consensus(input.get("consensusSettings")),
        skip=True,
    )
    made = context.call(new)
    size = context.call(GetBatch(batch_id=made.id)).size
    return {"batch": shapes.batch(made, size), "failedDataRowIds": list(made.left_out)}


@resolves("ProjectMutation.createEmptyBatch")
def create_empty_batch(parent: Json, context: Context, input: Json) -> Json:
    """Make a batch that rows are added to later."""
    new = CreateEmptyBatch(
        project_id=parent["id"],
        name=input["name"],
        consensus=_consensus(input.get("consensusSettings")),
    )
    return shapes.batch(context.call(new), 0)


@resolves("ProjectMutation.addDataRowsToBatchAsync")
def add_rows(parent: Json, context: Context, input: Json) -> Json:
    """Send more data rows with a batch."""
    more = AddBatchRows(
        project_id=parent["id"],
        batch_id=input["batchId"],
        data_row_ids=tuple(input.get("dataRowIds") or ()),
        global_keys=_keys(context, input.get("globalKeys")),
        priority=_priority(input.get("priority")),
    )
    return started(context, "Add data rows to batch", "add-data-rows-to-batch", context.call(more))


def started(context: Context, name: str, type: str, rows: int) -> Json:
    """A task for those who wait for one: the work itself was done at once."""
    return {"taskId": context.call(RecordTask(name=name, type=type, result={"rows": rows})).id}


@resolves("ProjectMutation.createBatches")
def create_batches(parent: Json, context: Context, input: Json) -> Json:
    """Send many data rows."""
    new = CreateBatches(
        project_id=parent["id"],
        prefix=input["batchNamePrefix"],
        data_row_ids=tuple(input.get("dataRowIds") or ()),
        global_keys=_keys(context, input.get("globalKeys")),
        priority=_priority(input.get("priority")),
        consensus=_consensus(input.get("consensusSettings")),
    )
    return _started_batches(context, context.call(new))


@resolves("ProjectMutation.createBatchesFromDataset")
def create_batches_from_dataset(parent: Json, context: Context, input: Json) -> Json:
    """Send all data rows of a dataset."""
    new = CreateBatches(
        project_id=parent["id"],
        prefix=input["batchNamePrefix"],
        dataset_id=input["datasetId"],
        priority=_priority(input.get("priority")),
        consensus=_consensus(input.get("consensusSettings")),
    )
    return _started_batches(context, context.call(new))


def _started_batches(context: Context, made: list[Batch]) -> Json:
    tasks: list[Json] = []
    for one in made:
        task = started(context, f"Create batch {one.name}", "create-batch", 0)
        tasks.append({"batchUuid": one.id, **task})
    return {"tasks": tasks}


@resolves("ProjectMutation.deleteBatch")
def delete_batch(parent: Json, context: Context, batchId: str) -> Json:
    """Remove a batch with its rows in the project."""
    context.call(DeleteBatch(project_id=parent["id"], batch_id=batchId))
    return {"deletedBatchId": batchId}


@resolves("ProjectMutation.deleteBatchLabels")
def delete_batch_labels(parent: Json, context: Context, batchId: str, data: Json) -> Json:
    """Remove the labels of a batch's rows, which wait to be labelled again."""
    gone = context.call(DeleteBatchLabels(project_id=parent["id"], batch_id=batchId))
    return {"deletedLabelIds": gone}


@resolves("ProjectMutation.removeQueuedDataRowsFromBatch")
def remove_queued(parent: Json, context: Context, batchId: str) -> Json:
    """Take the rows of a batch out of the project that have no label yet."""
    context.call(RemoveBatchRows(project_id=parent["id"], batch_id=batchId))
    return batch(parent, context, {"id": batchId})


@resolves("ProjectMutation.connectOntology")
def connect_ontology(parent: Json, context: Context, ontologyId: str) -> Json:
    """Give the project its ontology."""
    change = ChangeProject(project_id=parent["id"], ontology_id=ontologyId, settings={"has_editor": True})
    return shapes.project(context.call(change))


@resolves("ProjectMutation.showPredictionsToLabelers")
def show_predictions(parent: Json, context: Context, show: bool | None = None) -> Json:
    """Whether labellers see what models predicted."""
    change = ChangeProject(project_id=parent["id"], settings={"shows_predictions": show is not False})
    return shapes.project(context.call(change))


@resolves("ProjectMutation.updateProjectResourceTags")
def update_tags(parent: Json, context: Context, input: Json) -> list[Json]:
    """Give the project other tags."""
    wanted = input.get("resourceTagIds") or []
    known = {one.id: one for one in context.call(FindTags())}
    for id in wanted:
        if id not in known:
            raise NotFound(f"no resource tag {id!r}")
    context.call(ChangeProject(project_id=parent["id"], settings={"tags": wanted}))
    return [shapes.tag(known[id]) for id in wanted]


@resolves("ProjectMutation.setTagSetStatus")
def set_queue_mode(parent: Json, context: Context, input: Json) -> Json:
    """Rows come to projects in batches; no other way is offered."""
    if input["tagSetStatus"] != "ENABLED":
        raise Invalid("projects take data rows in batches here; the queue mode is BATCH")
    return {"tagSetStatus": shown_project(context, parent["id"])["tagSetStatus"]}


# Moves and priorities of rows


def row_ids(context: Context, given: Json | None, ids: Sequence[str] | None = None) -> tuple[str, ...]:
    """Data row ids, from ids or from global keys."""
    if given is None:
        return tuple(ids or ())
    if given["idType"] == "ID":
        return tuple(given["ids"])
    keys = _keys(context, given["ids"])
    return tuple(one.data_row_id for one in context.call(FindGlobalKeys(global_keys=keys)))


@resolves("ProjectMutation.createBulkAddRowsToQueueTask")
def move_rows(parent: Json, context: Context, data: Json) -> Json:
    """Move rows to a queue of the workflow; without one they are done."""
    ids = row_ids(context, data.get("dataRowIdentifiers"), data.get("dataRowIds"))
    moved = context.call(MoveRows(project_id=parent["id"], data_row_ids=ids, task_id=data.get("queueId")))
    return started(context, "Move data rows to queue", "send-to-task-queue", moved)


@resolves("ProjectMutation.createQueuePriorityUpdateTask")
def update_priorities(parent: Json, context: Context, data: Json) -> Json:
    """Set the priority of rows."""
    change = SetPriority(
        project_id=parent["id"],
        data_row_ids=row_ids(context, data.get("dataRowIdentifiers")),
        priority=_priority(data["priority"]),
    )
    return started(context, "Update priorities", "queue-priority-update", context.call(change))


@resolves("ProjectMutation.setLabelingParameterOverrides")
def set_overrides(
    parent: Json,
    context: Context,
    data: list[Json] | None = None,
    dataWithDataRowIdentifiers: list[Json] | None = None,
) -> Json:
    """Set the priority of rows, of each its own."""
    for priority, ids in _by_priority(context, data or (), dataWithDataRowIdentifiers or ()):
        context.call(SetPriority(project_id=parent["id"], data_row_ids=ids, priority=priority))
    return {"success": True}


def _by_priority(
    context: Context, data: Sequence[Json], named: Sequence[Json]
) -> Iterator[tuple[int, tuple[str, ...]]]:
    grouped: dict[int, list[str]] = {}
    for one in data:
        grouped.setdefault(_priority(one["priority"]), []).append(one["dataRow"]["id"])
    for one in named:
        by = one["dataRowIdentifier"]
        ids = row_ids(context, {"idType": by["idType"], "ids": [by["id"]]})
        grouped.setdefault(_priority(one["priority"]), []).extend(ids)
    for priority, several in sorted(grouped.items()):
        yield priority, tuple(several)


@resolves("ProjectMutation.unsetLabelingParameterOverrides")
def unset_overrides(parent: Json, context: Context, data: list[Json] | None = None) -> Json:
    """Give rows the usual priority again."""
    ids = tuple(one["dataRowId"] for one in data or ())
    context.call(SetPriority(project_id=parent["id"], data_row_ids=ids, priority=DEFAULT_PRIORITY))
    return {"success": True}
