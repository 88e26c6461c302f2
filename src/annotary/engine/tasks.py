"""Tasks."""

from __future__ import annotations

from annotary.engine.core import Engine, handles
from annotary.model.task import Task
from annotary.operations.tasks import FindTasks, GetTask


@handles(GetTask)
def get_task(engine: Engine, request: GetTask) -> Task:
    """One task."""
    return engine.store.tasks.get(request.task_id)


@handles(FindTasks)
def find_tasks(engine: Engine, request: FindTasks) -> list[Task]:
    """The latest tasks."""
    return engine.store.tasks.latest(request.limit)
