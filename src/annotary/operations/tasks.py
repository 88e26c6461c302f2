"""Tasks: long work, seen, called off, done again, and the files that came of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from annotary.model.base import Value
from annotary.model.corpus import Problem
from annotary.model.project import Name
from annotary.model.task import Chunk, Task
from annotary.operations import Operation, delete, get, post
from annotary.operations.exports import StartExport
from annotary.operations.imports import StartImport

Stream = Literal["result", "problems"]
Place = Annotated[int, Meta(ge=0, le=2**53)]


class Job(Value):
    """What was queued: one of the operations that may be; neither where the work was done at once."""

    export: StartExport | None = None
    load: StartImport | None = None

    def operation(self) -> StartExport | StartImport:
        """The operation that a worker carries out."""
        found = self.export or self.load
        assert found is not None
        return found


class GetTask(Operation[Task]):
    """One task, by id."""

    route = get("/tasks/{task_id}")
    task_id: str


class FindTasks(Operation[list[Task]]):
    """The latest tasks, newest first; of a type, such as `import`; older than the task `after`."""

    route = get("/tasks")
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 100
    type: str | None = None
    after: str | None = None


class GetJob(Operation[Job]):
    """What a task was asked to do: the export or import as it was queued."""

    route = get("/tasks/{task_id}/job")
    task_id: str


class FindProblems(Operation[list[Problem]]):
    """The first problems of a task; all of them are its file of problems."""

    route = get("/tasks/{task_id}/first-problems")
    task_id: str
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class CancelTask(Operation[Task]):
    """Call a task off; what it did so far is undone. A task that has ended stays as it is."""

    route = post("/tasks/{task_id}/cancellation")
    needs = "member"
    task_id: str


class RunTaskAgain(Operation[Task]):
    """Queue a task that has ended once more, as a task of its own. Raises Conflict while it is not over."""

    route = post("/tasks/{task_id}/repetition")
    needs = "member"
    task_id: str


class DeleteTask(Operation[None]):
    """Remove a task that has ended, with its files. Raises Conflict while it is not over."""

    route = delete("/tasks/{task_id}")
    needs = "member"
    task_id: str


class RecordTask(Operation[Task]):
    """Note down work that is done already, so that it can be looked up like a task."""

    route = post("/tasks")
    needs = "member"
    name: Name
    type: Name
    result: dict[str, Any] | None = None


class GetChunk(Operation[Chunk]):
    """The chunk of a task's file that holds a byte or a line; raises NotFound beyond the end."""

    route = get("/tasks/{task_id}/chunk")
    task_id: str
    stream: Stream = "result"
    offset: Place | None = None
    line: Place | None = None
