"""Tasks."""

from __future__ import annotations

from annotary.model.task import Task
from annotary.operations import Operation, get


class GetTask(Operation[Task]):
    """One task, by id."""

    route = get("/tasks/{task_id}")
    task_id: str


class FindTasks(Operation[list[Task]]):
    """The latest tasks, newest first."""

    route = get("/tasks")
    limit: int = 100
