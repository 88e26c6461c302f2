"""What the web page asks of a large project: rows, their count, the facets, one row; time on the server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from annotary.engine.core import Engine
from annotary.model.export import ExportFilters, ProjectScope, Range
from annotary.model.project import Project
from annotary.operations.looking import CountMatching, FindFacets, FindRows, GetRow
from annotary.operations.projects import MoveRows
from annotary.store import Store
from bench.measure import median, say
from bench.targets import Result
from bench.workshop import Lines, Workshop, imported
from tests._postgres import Unavailable, temporary_postgres

ROUNDS = 4
"""Each round of other benchmarks is so many here: these take milliseconds."""
CHANGED = "after a change"


class Asked(NamedTuple):
    """One project, and what is asked of it."""

    engine: Engine
    scope: ProjectScope
    row: str
    filters: dict[str, ExportFilters]

    def grid(self, filters: ExportFilters) -> object:
        """The first page of the grid."""
        return self.engine.call(FindRows(scope=self.scope, filters=filters))

    def count(self, filters: ExportFilters) -> object:
        """How many rows are left."""
        return self.engine.call(CountMatching(scope=self.scope, filters=filters))

    def facets(self, filters: ExportFilters) -> object:
        """What else could be filtered for."""
        return self.engine.call(FindFacets(scope=self.scope, filters=filters))

    def a_row(self, filters: ExportFilters) -> object:
        """A row with its neighbours."""
        return self.engine.call(GetRow(scope=self.scope, data_row_id=self.row, filters=filters))

    def change(self, number: int) -> None:
        """Send a row to another task."""
        project = self.engine.store.get(Project, self.scope.id)
        tasks = [None, *(task.id for task in project.tasks)]
        self.engine.call(
            MoveRows(project_id=project.id, data_row_ids=(self.row,), task_id=tasks[number % len(tasks)])
        )


WORKS: dict[str, Callable[[Asked, ExportFilters], object]] = {
    "grid": Asked.grid,
    "count": Asked.count,
    "facets": Asked.facets,
    "row": Asked.a_row,
}


def page(shop: Workshop) -> Iterator[Result]:
    """The answers that the page waits for, on both databases."""
    yield from _measured(shop.large_store.folder, "", shop.rounds * ROUNDS)
    try:
        with temporary_postgres() as url:
            say(f"  PostgreSQL: importing {shop.large:,} rows")
            imported(url, Lines(shop.large)).close()
            yield from _measured(url, " PostgreSQL", shop.rounds * ROUNDS)
    except Unavailable as error:
        say(f"  PostgreSQL is left out: {error}")


def _measured(target: str | Path, database: str, rounds: int) -> Iterator[Result]:
    for what, work in WORKS.items():
        # As a server that has just been started.
        engine = Engine(Store.open(target))
        try:
            yield _result(f"{what}{database}", _asked(engine), work, rounds)
        finally:
            engine.close()


def _asked(engine: Engine) -> Asked:
    (project,) = engine.store.find(Project)
    scope = ProjectScope(id=project.id)
    shown = engine.call(FindRows(scope=scope)).rows
    car = next((one.name for row in shown for one in row.shapes if one.kind == "box"), "car")
    filters = {
        "all": ExportFilters(),
        "a class": ExportFilters(class_names=(car,)),
        "a class, done": ExportFilters(class_names=(car,), workflow_status="DONE"),
        "a kind": ExportFilters(kinds=("mask",)),
        "no objects": ExportFilters(no_objects=True),
        "any time": ExportFilters(label_created_at=Range(start="2000-01-01T00:00:00.000+00:00")),
        CHANGED: ExportFilters(),
    }
    return Asked(engine, scope, shown[-1].data_row_id, filters)


def _result(target: str, asked: Asked, work: Callable[[Asked, ExportFilters], object], rounds: int) -> Result:
    first = _seconds(lambda: work(asked, ExportFilters()))
    took: dict[str, list[float]] = {name: [] for name in asked.filters}
    for number in range(rounds):
        for name, filters in asked.filters.items():
            if name == CHANGED:
                asked.change(number)
            took[name].append(_seconds(lambda filters=filters: work(asked, filters)))  # type: ignore[misc]
    every = sorted(one for some in took.values() for one in some)
    worst = max(took, key=lambda name: median(took[name]))
    last = every[min(len(every) - 1, int(len(every) * 0.95))]
    notes = "; ".join(f"{name} {1000 * median(some):.0f}" for name, some in took.items())
    shown = f"95 % {1000 * last:.0f} ms, first {1000 * first:.0f} ms; ms of {notes}; worst: {worst}"
    return Result(target, median(took[worst]), (every[0], every[-1]), shown)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
