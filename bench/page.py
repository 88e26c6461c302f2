"""What the web page asks of a large project: rows, their count, the facets, one row; time on the server."""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from annotary.engine.core import Engine
from annotary.model.export import ExportFilters, ProjectScope
from annotary.model.project import Project
from annotary.operations.looking import CountMatching, FindFacets, FindRows, GetRow
from bench.measure import say
from bench.workshop import Lines, imported
from tests._postgres import Unavailable, temporary_postgres


def main() -> int:
    """Measure on both databases; the first answer, then the median and 95th percentile."""
    parser = argparse.ArgumentParser(prog="python -m bench.page", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    table = Table(title=f"seconds, of {given.rows:,} rows")
    for column in ("database", "what", "first", "median", "95 %"):
        table.add_column(column)
    folder = Path(tempfile.mkdtemp(prefix="annotary-bench-"))
    try:
        _measure(table, "SQLite", str(folder), given.rows, given.rounds)
        try:
            with temporary_postgres() as url:
                _measure(table, "PostgreSQL", url, given.rows, given.rounds)
        except Unavailable as error:
            say(f"  PostgreSQL is left out: {error}")
    finally:
        shutil.rmtree(folder)
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    return 0


def _measure(table: Table, name: str, target: str, rows: int, rounds: int) -> None:
    say(f"  {name}: importing {rows:,} rows")
    engine = imported(target, Lines(rows))
    try:
        for what, work in _works(engine).items():
            took = []
            for _ in range(rounds + 1):
                started = time.perf_counter()
                work()
                took.append(time.perf_counter() - started)
            again = sorted(took[1:])
            last = again[min(len(again) - 1, int(len(again) * 0.95))]
            table.add_row(name, what, *(f"{one:.3f}" for one in (took[0], statistics.median(again), last)))
    finally:
        engine.close()


def _works(engine: Engine) -> dict[str, Callable[[], object]]:
    (project,) = engine.store.find(Project)
    scope = ProjectScope(id=project.id)
    page = engine.call(FindRows(scope=scope))
    row = page.rows[-1].data_row_id
    (car, *_) = {one.name for one in page.rows[0].shapes} or {"car"}
    of_class = ExportFilters(class_names=(car,))
    done = ExportFilters(class_names=(car,), workflow_status="DONE")
    works: dict[str, Callable[[], object]] = {}
    for said, filters in (("all", ExportFilters()), ("a class", of_class), ("a class, done", done)):
        works[f"facets, {said}"] = lambda filters=filters: engine.call(  # type: ignore[misc]
            FindFacets(scope=scope, filters=filters)
        )
        works[f"count, {said}"] = lambda filters=filters: engine.call(  # type: ignore[misc]
            CountMatching(scope=scope, filters=filters)
        )
        works[f"grid, {said}"] = lambda filters=filters: engine.call(  # type: ignore[misc]
            FindRows(scope=scope, filters=filters)
        )
    works["row"] = lambda: engine.call(GetRow(scope=scope, data_row_id=row, filters=of_class))
    return works


if __name__ == "__main__":
    sys.exit(main())
