"""Tasks: queued for a worker, looked up, called off, done again."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from annotary.engine.core import Engine, handles
from annotary.errors import Conflict, Invalid, NotFound
from annotary.model.base import Value, new_id, to_json
from annotary.model.corpus import Problem
from annotary.model.project import Role, User
from annotary.model.task import FINAL, Chunk, Task
from annotary.operations import Operation
from annotary.operations.tasks import (
    CancelTask,
    DeleteTask,
    FindProblems,
    FindTasks,
    GetChunk,
    GetJob,
    GetTask,
    Job,
    RecordTask,
    RunTaskAgain,
)


class Actor(Value):
    """For whom a task is done, and what addresses in its result begin with."""

    user: User
    role: Role
    base_url: str


def queue(engine: Engine, job: Job, *, name: str, type: str, **known: Any) -> Task:
    """Queue what a worker shall do as who asks now; `known` are further fields of the task."""
    now = engine.now()
    task = Task(
        id=new_id(),
        name=name,
        type=type,
        status="QUEUED",
        created_at=now,
        updated_at=now,
        created_by=engine.user.email,
        **known,
    )
    actor = Actor(user=engine.user, role=engine.role, base_url=engine.base_url)
    engine.store.tasks.put(task, request=to_json(job), actor=to_json(actor))
    return task


@handles(GetTask)
def get_task(engine: Engine, request: GetTask) -> Task:
    """One task."""
    return engine.store.tasks.get(request.task_id)


@handles(FindTasks)
def find_tasks(engine: Engine, request: FindTasks) -> list[Task]:
    """The latest tasks."""
    return engine.store.tasks.latest(request.limit, type=request.type, after=request.after)


@handles(GetJob)
def get_job(engine: Engine, request: GetJob) -> Job:
    """What a task was asked to do."""
    asked = engine.store.tasks.request(request.task_id).request
    return msgspec.json.decode(asked, type=Job) if asked else Job()


@handles(FindProblems)
def find_problems(engine: Engine, request: FindProblems) -> list[Problem]:
    """The first problems of a task, out of its file."""
    file = engine.store.tasks.get(request.task_id).problems
    if file is None:
        return []
    found: list[Problem] = []
    rest = b""
    for block in engine.store.files.read(engine.store.files.get(file.id)):
        *lines, rest = (rest + block).split(b"\n")
        found += [msgspec.json.decode(line, type=Problem) for line in lines[: request.limit - len(found)]]
        if len(found) >= request.limit:
            break
    return found


@handles(CancelTask)
def cancel_task(engine: Engine, request: CancelTask) -> Task:
    """Call a task off; its worker finds out before it stores anything."""
    present = engine.store.tasks.get(request.task_id)
    if present.status not in FINAL:
        over = replace(present, status="CANCELED", updated_at=engine.now(), error="called off")
        if present.status == "IN_PROGRESS":
            engine.store.running.call_off(present.id)
        if engine.store.tasks.end(over):
            return over
    return engine.store.tasks.get(request.task_id)


@handles(RunTaskAgain)
def run_task_again(engine: Engine, request: RunTaskAgain) -> Task:
    """Queue what a task that has ended did, as who asks now."""
    former = engine.store.tasks.request(request.task_id)
    if former.task.status not in FINAL:
        raise Conflict(f"task {former.task.id!r} is {former.task.status}; cancel it first")
    if not former.request:
        raise Invalid(f"task {former.task.id!r} notes down what was done at once; there is nothing to repeat")
    job = msgspec.json.decode(former.request, type=Job)
    operation: Operation[Any] = job.operation()
    engine.require(operation.needs, type(operation).__name__)
    return queue(engine, job, name=former.task.name, type=former.task.type, total=former.task.total)


@handles(DeleteTask)
def delete_task(engine: Engine, request: DeleteTask) -> None:
    """Remove a task, then its files: were it the other way round, a task could be left whose file is gone."""
    former = engine.store.tasks.get(request.task_id)
    if former.status not in FINAL:
        raise Conflict(f"task {former.id!r} is {former.status}; cancel it first")
    engine.store.tasks.delete(former.id)
    for file in (former.file, former.problems):
        if file is not None:
            engine.store.files.delete(file.id)


@handles(RecordTask)
def record_task(engine: Engine, request: RecordTask) -> Task:
    """Store the record of work that is done."""
    now = engine.now()
    task = Task(
        id=new_id(),
        name=request.name,
        type=request.type,
        status="COMPLETE",
        created_at=now,
        updated_at=now,
        completion_percentage=100,
        created_by=engine.user.email,
        result=request.result,
    )
    engine.store.tasks.put(task)
    return task


@handles(GetChunk)
def get_chunk(engine: Engine, request: GetChunk) -> Chunk:
    """The chunk of a task's file that holds a byte or a line."""
    task = engine.store.tasks.get(request.task_id)
    if (request.offset is None) == (request.line is None):
        raise Invalid("give either an offset or a line")
    file = task.file if request.stream == "result" else task.problems
    if file is None:
        raise NotFound(f"task {task.id!r} has no file of {request.stream}; it is {task.status}")
    return engine.store.files.chunk(file.id, offset=request.offset, line=request.line)
