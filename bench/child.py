"""Work done in a process of its own, so that its memory can be watched: `python -m bench.child TASK ...`."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

from bench.measure import private

INTERVAL = 0.01


def watched(task: str, *arguments: object) -> int:
    """Do a task in another process; the peak of its private memory in bytes."""
    command = [sys.executable, "-m", "bench.child", task, *map(str, arguments)]
    child = subprocess.Popen(command, cwd=Path(__file__).parent.parent)
    peak = 0
    while child.poll() is None:
        with contextlib.suppress(OSError, RuntimeError):  # it has just ended
            peak = max(peak, sum(map(private, (child.pid, *_children(child.pid)))))
        time.sleep(INTERVAL)
    if child.returncode:
        raise RuntimeError(f"bench.child {task} has failed")
    return peak


def _children(process: int) -> list[int]:
    """The processes that a process has started."""
    lists = Path(f"/proc/{process}/task").glob("*/children")
    return [int(one) for children in lists for one in children.read_text().split()]


def load(folder: str, rows: str) -> None:
    """Import so many rows of workload W into a new store."""
    from bench.workshop import Lines, imported

    imported(folder, Lines(int(rows))).close()


def export(folder: str, format: str) -> None:
    """Export a store's project with everything."""
    from annotary.engine.core import Engine
    from annotary.store import Store
    from bench.workshop import ON, pieces

    engine = Engine(Store.open(folder))
    with open(os.devnull, "wb", buffering=0) as file:
        for piece in pieces(engine, ON, format):
            file.write(piece)
    engine.close()


def convert_annotary(to: str, source: str, folder: str) -> None:
    """Convert a COCO file."""
    import annotary

    annotary.convert(source, folder, to=to)


def convert_plain(to: str, source: str, folder: str) -> None:
    """Convert a COCO file with a plain loop."""
    from bench import plain_conversions

    getattr(plain_conversions, to)(Path(source), Path(folder))


def write(folder: str) -> None:
    """Move rows between workflow tasks until told to end; a line for each row that is safely written."""
    from annotary.engine.core import Engine
    from annotary.model.project import Project
    from annotary.operations.projects import MoveRows
    from annotary.store import Store

    engine = Engine(Store.open(folder))
    (project,) = engine.store.find(Project)
    with engine.store.database.raw() as cursor:
        cursor.execute("SELECT id FROM data_rows ORDER BY n LIMIT 2000")
        ids = [id.decode() for (id,) in cursor.fetchall()]
    tasks = [None, *(task.id for task in project.tasks)]
    for turn in range(1 << 30):
        for start in range(0, len(ids), 20):
            some = tuple(ids[start : start + 20])
            engine.call(MoveRows(project_id=project.id, data_row_ids=some, task_id=tasks[turn % len(tasks)]))
            sys.stdout.buffer.write(b"\n" * len(some))
            sys.stdout.buffer.flush()


TASKS = (load, write, export, convert_annotary, convert_plain)

if __name__ == "__main__":
    {task.__name__: task for task in TASKS}[sys.argv[1]](*sys.argv[2:])
