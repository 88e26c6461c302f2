from __future__ import annotations

import pytest
from msgspec.structs import replace

from annotary.engine.core import Engine
from annotary.errors import NotFound
from annotary.model.task import Task
from annotary.operations.tasks import FindTasks, GetTask
from tests.engine.world import Clock


def put(engine: Engine, clock: Clock, id: str) -> Task:
    now = clock.tick()
    task = Task(id=id, name=f"Task {id}", type="import", status="QUEUED", created_at=now, updated_at=now)
    engine.store.tasks.put(task)
    return task


def test_a_task_is_kept_until_it_is_put_again(engine: Engine, clock: Clock) -> None:
    task = put(engine, clock, "one")
    assert engine.call(GetTask(task_id="one")) == task
    done = replace(task, status="COMPLETE", result={"rows": 3})
    engine.store.tasks.put(done)
    assert engine.call(GetTask(task_id="one")) == done
    with pytest.raises(NotFound, match="no task 'nope'"):
        engine.call(GetTask(task_id="nope"))


def test_the_latest_come_first(engine: Engine, clock: Clock) -> None:
    tasks = [put(engine, clock, id) for id in ("b", "c", "a")]
    assert engine.call(FindTasks()) == tasks[::-1]
    assert engine.call(FindTasks(limit=2)) == [tasks[2], tasks[1]]


def test_tasks_of_another_organisation_are_neither_seen_nor_touched(engine: Engine, clock: Clock) -> None:
    task = put(engine, clock, "one")
    other = Engine(engine.store.seen_as("other"), clock=clock)
    assert other.call(FindTasks()) == []
    with pytest.raises(NotFound):
        other.call(GetTask(task_id="one"))
    other.store.tasks.put(replace(task, status="FAILED"))
    assert engine.call(GetTask(task_id="one")) == task
