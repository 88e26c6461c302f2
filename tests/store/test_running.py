"""How far the tasks at work are, beside SQLite."""

from __future__ import annotations

from pathlib import Path

from annotary.model.task import Task
from annotary.store.running import Progress, Running

TASK = Task(
    id="t",
    name="Export",
    type="export-data-rows",
    status="IN_PROGRESS",
    created_at="2026-01-01",
    updated_at="2026-01-01",
)


def test_a_task_is_as_far_as_was_told(tmp_path: Path) -> None:
    running = Running(tmp_path / "running")
    assert running.told(TASK) == TASK
    running.tell("t", Progress(rows=3, total=9, bytes=4096, percentage=33.3, updated_at="2026-01-02"))
    seen = running.told(TASK)
    assert (seen.rows, seen.total, seen.bytes) == (3, 9, 4096)
    assert (seen.completion_percentage, seen.updated_at) == (33.3, "2026-01-02")
    running.forget("t")
    assert running.told(TASK) == TASK
