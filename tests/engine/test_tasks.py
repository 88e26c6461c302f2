from __future__ import annotations

import pytest
from msgspec.structs import replace

from annotary.engine.core import Engine
from annotary.errors import Conflict, NotFound
from annotary.model.task import Task
from annotary.operations.tasks import DeleteTask, FindTasks, GetTask
from tests.engine.world import Clock

pytestmark = pytest.mark.bucket


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


def test_tasks_are_paged_and_looked_for_by_type(engine: Engine, clock: Clock) -> None:
    tasks = [put(engine, clock, id) for id in ("b", "c", "a", "d")]
    of_other_type = replace(tasks[1], type="another")
    engine.store.tasks.put(of_other_type)
    assert engine.call(FindTasks(after="a")) == [of_other_type, tasks[0]]
    assert engine.call(FindTasks(after="b")) == []
    assert engine.call(FindTasks(type="another")) == [of_other_type]
    assert engine.call(FindTasks(type=tasks[0].type, after="d", limit=1)) == [tasks[2]]
    with pytest.raises(NotFound, match="no task 'nope'"):
        engine.call(FindTasks(after="nope"))


def test_a_task_that_has_ended_is_removed_with_its_files(engine: Engine, clock: Clock) -> None:
    task = put(engine, clock, "one")
    engine.store.tasks.put(replace(task, status="QUEUED"))
    with pytest.raises(Conflict, match="'one' is QUEUED; cancel it first"):
        engine.call(DeleteTask(task_id="one"))
    files = [
        engine.store.files.make([b"1\n"], name="rows.ndjson", media_type="x/y", now=clock.tick())
        for _ in range(2)
    ]
    engine.store.tasks.put(replace(task, status="COMPLETE", file=files[0], problems=files[1]))
    elsewhere = Engine(engine.store.seen_as("other"), clock=clock)
    with pytest.raises(NotFound):
        elsewhere.call(DeleteTask(task_id="one"))
    engine.call(DeleteTask(task_id="one"))
    with pytest.raises(NotFound):
        engine.call(GetTask(task_id="one"))
    for file in files:
        with pytest.raises(NotFound):
            engine.store.files.get(file.id)
