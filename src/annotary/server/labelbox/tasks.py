"""Tasks, and the files that came of them in the pieces in which the SDK fetches them."""

from __future__ import annotations

from typing import Any

from annotary.errors import NotFound
from annotary.model.task import StoredFile, Task
from annotary.operations.tasks import CancelTask, FindTasks, GetChunk, GetTask, Stream
from annotary.server.labelbox.context import Context, Json, resolves
from annotary.server.labelbox.filters import listed

LISTED = 10_000
UPSERT, APPEND = "adv-upsert-data-rows", "JSON Import"
"""The SDK goes by a task's type, and of one kind by its name."""
_STATUSES = {"QUEUED": "IN_PROGRESS", "CANCELED": "CANCELED"}
_STREAMS: dict[str, Stream] = {"RESULT": "result", "ERRORS": "problems"}


def shown(context: Context, value: Task) -> Json:
    """A task as the SDK sees it."""
    return {
        "id": value.id,
        "name": value.name,
        "status": _STATUSES.get(value.status, value.status),
        "type": UPSERT if value.name == UPSERT else value.type,
        "completionPercentage": value.completion_percentage,
        "createdAt": value.created_at,
        "updatedAt": value.updated_at,
        "result": _result(context, value),
        "errors": _errors(context, value),
        "metadata": value.result,
        "_created_by": value.created_by,
        "_task": value,
    }


def _result(context: Context, value: Task) -> str | None:
    """Where the result is: rows of JSON lines, or of an upload one JSON object."""
    if value.status != "COMPLETE":
        return None
    if value.file is not None:
        return context.files.address(value.file)
    statuses = (value.result or {}).get("statuses")
    if value.name == APPEND and statuses is not None:
        return context.files.created(context.files.by_id(statuses))
    return None


def _errors(context: Context, value: Task) -> str | None:
    return None if value.problems is None else context.files.address(value.problems)


@resolves("Query.task")
def task(parent: Any, context: Context, where: Json) -> Json:
    """One task."""
    return shown(context, context.call(GetTask(task_id=where["id"])))


@resolves("User.createdTasks")
def created_tasks(parent: Json, context: Context, orderBy: str | None = None, **asked: Any) -> Any:
    """The tasks of a user, newest first; one by its id is looked up."""
    id = (asked.get("where") or {}).get("id")
    if id is not None:
        try:
            found = [context.call(GetTask(task_id=id))]
        except NotFound:
            found = []
    else:
        email = parent["email"]
        found = [one for one in context.call(FindTasks(limit=LISTED)) if one.created_by == email]
    return listed((shown(context, one) for one in found), order=orderBy, **asked)


@resolves("Organization.tasks")
def tasks(parent: Json, context: Context, orderBy: str | None = None, **asked: Any) -> Any:
    """The organisation's tasks, newest first."""
    found = context.call(FindTasks(limit=LISTED))
    return listed((shown(context, one) for one in found), order=orderBy, **asked)


@resolves("Query.cancelableTaskTypes")
def cancelable_types(parent: Any, context: Context) -> list[str]:
    """The types of tasks that may be called off."""
    return ["export-data-rows", "import", UPSERT]


@resolves("Mutation.cancelBulkOperationJob")
def cancel(parent: Any, context: Context, id: str) -> Json:
    """Call a task off."""
    return {"success": context.call(CancelTask(task_id=id)).status == "CANCELED"}


# Streams


def _file(parent: Json, stream: str) -> StoredFile | None:
    """The file of a stream; None where there is nothing in it."""
    value: Task = parent["_task"]
    found = value.file if stream == "RESULT" else value.problems
    return found if found is not None and found.bytes else None


@resolves("Task.exportMetadataHeader")
def header(parent: Json, context: Context, streamType: str) -> Json | None:
    """The size of a stream; null where there is nothing in it."""
    found = _file(parent, streamType)
    return None if found is None else {"totalSize": found.bytes, "totalLines": found.lines or 0}


@resolves("Task.exportFileFromOffset")
def file_from_offset(parent: Json, context: Context, streamType: str, offset: int) -> Json | None:
    """The chunk that holds a byte."""
    return _chunk(parent, context, streamType, offset=offset)


@resolves("Task.exportFileFromLine")
def file_from_line(parent: Json, context: Context, streamType: str, line: int) -> Json | None:
    """The chunk that holds a line."""
    return _chunk(parent, context, streamType, line=line)


def _chunk(parent: Json, context: Context, stream: str, **place: int) -> Json | None:
    found = _file(parent, stream)
    if found is None:
        return None
    chunk = context.call(GetChunk(task_id=parent["id"], stream=_STREAMS[stream], **place))
    return {
        "offsets": {"start": chunk.start, "end": chunk.end},
        "lines": {"start": chunk.first_line, "end": chunk.last_line},
        "file": context.files.address(found, chunk.start, chunk.end),
    }
