"""Data rows: finding, changing, their attachments and global keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import UNSET

from annotary.errors import Invalid, NotFound
from annotary.model.row import Attachment, Row
from annotary.operations.data_rows import (
    AddAttachments,
    ChangeAttachment,
    ChangeDataRow,
    DeleteAttachment,
    DeleteDataRows,
    FindDataRows,
)
from annotary.operations.global_keys import AssignGlobalKeys, ClearGlobalKeys, FindGlobalKeys, Keyed
from annotary.operations.labels import FindLabels
from annotary.operations.tasks import GetTask, RecordTask
from annotary.server.labelbox import shapes
from annotary.server.labelbox.context import Context, Json, resolves
from annotary.server.labelbox.filters import holds, listed


def found_row(context: Context, id: str) -> Row:
    """One data row; raises NotFound."""
    rows = context.once(FindDataRows(ids=(id,)))
    if not rows:
        raise NotFound(f"no data row {id!r}")
    return rows[0]


def names_of(context: Context, ids: Sequence[str], keys: Sequence[str] = ()) -> set[str]:
    """The ids and global keys of data rows, by either of which a line may name them."""
    found = {*ids, *keys}
    for start in range(0, len(ids), 1000):
        for row in context.call(FindDataRows(ids=tuple(ids[start : start + 1000]), limit=1000)):
            if row.data_row.global_key:
                found.add(str(row.data_row.global_key))
    return found


@resolves("Query.dataRow")
def data_row(parent: Any, context: Context, where: Json) -> Json:
    """One data row."""
    return shapes.data_row(found_row(context, where["id"]))


@resolves("Label.dataRow", "ModelRunDataRow.dataRow", "LabelingParameterOverride.dataRow")
def of_something(parent: Json, context: Context) -> Json:
    """The data row that something is about."""
    return shapes.data_row(found_row(context, parent["_data_row_id"]))


# `from` is a word of Python's own, so the arguments come as they are.
@resolves("Query.datasetDataRows")
def dataset_data_rows(parent: Any, context: Context, **asked: Any) -> Json:
    """A page of a dataset's data rows, newest first."""
    first = max(1, min(asked.get("first") or 100, 1000))
    where = asked.get("where") or {}
    nodes: list[Json] = []
    last = None
    more = False
    for row in _rows(context, asked.get("id"), where, asked.get("from"), first):
        shown = shapes.data_row(row)
        if not holds(where, shown):
            continue
        if len(nodes) == first:
            more = True
            break
        nodes.append(shown)
        last = shown["id"]
    return {"nodes": nodes, "pageInfo": {"hasNextPage": more, "startCursor": last if more else None}}


def _rows(
    context: Context, dataset: str | None, where: Json, before: str | None, first: int
) -> Iterator[Row]:
    """A dataset's data rows; what the condition names is looked up rather than searched for."""
    if dataset is None:
        raise Invalid("datasetDataRows: name the dataset")
    external, key = where.get("externalId"), where.get("globalKey")
    while True:
        page = FindDataRows(
            dataset_id=dataset,
            external_ids=None if external is None else (external,),
            global_keys=None if key is None else (key,),
            before=before,
            limit=min(first + 1, 1000),
        )
        rows = context.call(page)
        yield from rows
        if len(rows) < page.limit:
            return
        before = rows[-1].data_row.id


@resolves("Query.externalIdsToDataRowIds")
def external_ids(parent: Any, context: Context, externalId_in: list[str] | None = None) -> list[Json]:
    """Data rows by external ids; several may have the same."""
    if not externalId_in:
        return []
    found = []
    before = None
    wanted = tuple(externalId_in)
    while rows := context.call(FindDataRows(external_ids=wanted, before=before, limit=1000)):
        found += [{"dataRowId": row.data_row.id, "externalId": row.data_row.external_id} for row in rows]
        before = rows[-1].data_row.id
    return found


@resolves("Query.queryAllDataRowsHaveBeenProcessed")
def all_processed(parent: Any, context: Context, **asked: Any) -> Json:
    """A data row that is there is ready to be labelled."""
    return {"allDataRowsHaveBeenProcessed": True}


@resolves("Mutation.updateDataRow")
def update_data_row(parent: Any, context: Context, where: Json, data: Json) -> Json:
    """Change a data row's keys or address."""
    change = ChangeDataRow(
        data_row_id=where["id"],
        external_id=data.get("externalId", UNSET),
        global_key=data.get("globalKey", UNSET),
        row_data=data.get("rowData", UNSET),
    )
    return shapes.data_row(context.call(change))


@resolves("Mutation.deleteDataRows")
def delete_data_rows(parent: Any, context: Context, where: Json) -> list[Json]:
    """Remove data rows."""
    ids = tuple(where["dataRowIds"])
    context.call(DeleteDataRows(data_row_ids=ids))
    return [{"id": id} for id in ids]


@resolves("DataRow.labelingActivity")
def labeling_activity(parent: Json, context: Context, where: Json) -> Json:
    """The label that stands for a data row in a project: its benchmark, else its first."""
    found = context.call(FindLabels(project_id=where["projectId"], data_row_id=parent["id"]))
    chosen = [one for one in found if one.is_benchmark_reference is True] or found
    return {"selectedLabelId": chosen[0].id if chosen else None}


# Attachments


@resolves("DataRow.attachments")
def attachments(parent: Json, context: Context, orderBy: str | None = None, **asked: Any) -> Any:
    """The attachments of a data row."""
    found = (shapes.attachment(parent["id"], one) for one in parent["_attachments"])
    return listed(found, order=orderBy, **asked)


@resolves("Mutation.createDataRowAttachment")
def create_attachment(parent: Any, context: Context, data: Json) -> Json:
    """Add an attachment."""
    name = data.get("name")
    new = Attachment(type=data["type"], value=data["value"], name=UNSET if name is None else name)
    context.call(AddAttachments(data_row_id=data["dataRowId"], attachments=(new,)))
    made = found_row(context, data["dataRowId"]).attachments
    assert isinstance(made, tuple)
    return shapes.attachment(data["dataRowId"], made[-1])


@resolves("Mutation.updateDataRowAttachment")
def update_attachment(parent: Any, context: Context, where: Json, data: Json) -> Json:
    """Change an attachment; what is null stays."""
    row, id = _place(where["id"])
    given = {name: value for name, value in data.items() if value is not None}
    change = ChangeAttachment(data_row_id=row, attachment_id=id, **given)
    return shapes.attachment(row, context.call(change))


@resolves("Mutation.deleteDataRowAttachment")
def delete_attachment(parent: Any, context: Context, where: Json) -> Json:
    """Remove an attachment."""
    row, id = _place(where["id"])
    context.call(DeleteAttachment(data_row_id=row, attachment_id=id))
    return {"id": where["id"]}


def _place(id: str) -> tuple[str, str]:
    """The data row and the attachment that an attachment's id here leads to."""
    row, slash, own = id.partition("/")
    if not slash:
        raise NotFound(f"no attachment {id!r}")
    return row, own


# Global keys: begun as jobs, whose outcome is asked for


def _job(context: Context, name: str, data: Json) -> Json:
    task = context.call(RecordTask(name=name, type="global-keys", result=data))
    return {"jobId": task.id}


@resolves(
    "Query.dataRowsForGlobalKeysResult",
    "Query.assignGlobalKeysToDataRowsResult",
    "Query.clearGlobalKeysResult",
)
def job_result(parent: Any, context: Context, jobId: Json) -> Json:
    """What came of a job on global keys; it was done at once."""
    task = context.call(GetTask(task_id=jobId["id"]))
    return {"jobStatus": "COMPLETE" if task.status == "COMPLETE" else "FAILED", "data": task.result}


@resolves("Query.dataRowsForGlobalKeys")
def rows_for_global_keys(parent: Any, context: Context, where: Json) -> Json:
    """Which data rows have global keys, in the order asked for."""
    keys = tuple(where["ids"])
    found = {one.global_key: one.data_row_id for one in context.call(FindGlobalKeys(global_keys=keys))}
    data = {
        "fetchedDataRows": [{"id": found.get(key, "")} for key in keys],
        "notFoundGlobalKeys": [key for key in keys if key not in found],
        "accessDeniedGlobalKeys": [],
    }
    return _job(context, "Data rows for global keys", data)


@resolves("Mutation.assignGlobalKeysToDataRows")
def assign_global_keys(parent: Any, context: Context, data: Json) -> Json:
    """Give data rows global keys."""
    given = tuple(
        Keyed(data_row_id=one["dataRowId"], global_key=one["globalKey"]) for one in data["assignInputs"]
    )
    came = context.call(AssignGlobalKeys(assignments=given))
    shown = {
        name: [{"dataRowId": one.data_row_id, "globalKey": one.global_key} for one in several]
        for name, several in (
            ("sanitizedAssignments", came.assigned),
            ("unmodifiedAssignments", came.unmodified),
            ("invalidGlobalKeyAssignments", came.invalid),
            ("accessDeniedAssignments", came.missing),
        )
    }
    return _job(context, "Assign global keys", shown)


@resolves("Mutation.clearGlobalKeys")
def clear_global_keys(parent: Any, context: Context, where: Json) -> Json:
    """Take global keys away."""
    came = context.call(ClearGlobalKeys(global_keys=tuple(where["ids"])))
    data = {
        "clearedGlobalKeys": list(came.cleared),
        "failedToClearGlobalKeys": [],
        "notFoundGlobalKeys": list(came.missing),
        "accessDeniedGlobalKeys": [],
    }
    return _job(context, "Clear global keys", data)
