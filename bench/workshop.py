"""Where benchmarks work: the lines of workload W, and stores with them, made once a run."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from annotary.engine.core import Engine
from annotary.engine.exporting import open_export
from annotary.engine.loading import import_sources
from annotary.engine.sources import FileSource
from annotary.model.export import DETAILS, ExportFilters, ExportParams, ExportQuery, ProjectScope
from annotary.model.project import Project
from annotary.operations.exports import StartExport
from annotary.sample.workload import workload
from annotary.store import Store
from annotary.store.opening import FILE_NAME
from bench import reference
from bench.child import watched
from bench.measure import say

ON = ExportParams(**dict.fromkeys(DETAILS, True))
OFF = ExportParams()
FEWER = 20
"""So many times fewer rows has the store for what makes some hundred rows a second."""
FLOOR_ROWS = 64
"""So many finished rows are written at once: measured, the fastest way to copy them."""


class Lines:
    """Workload W as a source to import from, made as it is read."""

    name = "workload"

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def chunks(self) -> Iterator[bytes]:
        gathered: list[bytes] = []
        for line in workload(self.rows):
            gathered.append(line)
            if len(gathered) == 16:
                yield b"".join(gathered)
                gathered.clear()
        yield b"".join(gathered)

    def neighbour(self, path: str) -> bytes | None:
        return None


def imported(target: str | Path, source: Any) -> Engine:
    """A store with what a source holds."""
    engine = Engine(Store.open(target))
    import_sources(engine, [source])
    return engine


def pieces(
    engine: Engine,
    params: ExportParams,
    format: str = "labelbox-v2",
    filters: ExportFilters = ExportFilters(),
    workers: int = 1,
    **query: Any,
) -> Iterator[bytes]:
    """An export of the one project of a store, written by so many processes."""
    (project,) = engine.store.find(Project)
    asked = ExportQuery(scope=ProjectScope(id=project.id), params=params, filters=filters, **query)
    export = open_export(engine, StartExport(query=asked, format=format, workers=workers))
    with closing(export.taken()) as parts:
        for part in parts:
            yield part.data


def to_new_file(path: Path, data: Iterator[bytes]) -> None:
    """Write to a file that was not there before."""
    path.unlink(missing_ok=True)
    with path.open("wb", buffering=0) as file:
        write = file.write
        for piece in data:
            write(piece)


class Imported(NamedTuple):
    """A store, and the most private memory that its import has taken."""

    folder: Path
    peak: int


class Workshop:
    """The folder of one run, its sizes, and what several benchmarks share."""

    def __init__(self, folder: Path, rows: int, large: int, rounds: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="run-", dir=folder))
        self.rows = rows
        self.large = large
        self.few = max(1, rows // FEWER)
        self.rounds = rounds

    def close(self) -> None:
        if "engine" in self.__dict__:
            self.engine.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def new_folder(self, name: str) -> Path:
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        return folder

    @cached_property
    def file(self) -> Path:
        """Workload W as a file of lines."""
        say(f"  writing {self.rows:,} rows of input")
        path = self.folder / "workload.ndjson"
        with path.open("wb") as file:
            file.writelines(workload(self.rows))
        return path

    @cached_property
    def store(self) -> Path:
        """A SQLite store with workload W, fresh from its import."""
        folder = self.new_folder("store")
        say(f"  importing {self.rows:,} rows")
        imported(folder, FileSource(self.file)).close()
        return folder

    @cached_property
    def few_store(self) -> Path:
        """A SQLite store with few rows of workload W."""
        folder = self.new_folder("few")
        imported(folder, Lines(self.few)).close()
        return folder

    @cached_property
    def large_store(self) -> Imported:
        """The large store, made in a process of its own whose memory is watched; benchmarks may change it."""
        folder = self.new_folder("large")
        say(f"  importing {self.large:,} rows")
        return Imported(folder, watched("load", folder, self.large))

    @cached_property
    def engine(self) -> Engine:
        """The same store, opened; every v2 export of it is compared with the reference writer."""
        engine = Engine(Store.open(self.store))
        for params, expected in ((ON, reference.v2_on), (OFF, reference.v2_off)):
            found = reference.lines_of(pieces(engine, params))
            reference.compare(found, workload(self.rows), expected, self.rows)
        return engine

    @cached_property
    def finished(self) -> dict[str, int]:
        """Tables of finished rows, added to the store's own database; the bytes in each."""
        sizes = {}
        with sqlite3.connect(self.store / FILE_NAME, isolation_level=None) as database:
            for table, params in (("bench_on", ON), ("bench_off", OFF)):
                # No list of them: memory in which a list of lines has been freed is slow to use.
                lines = ((line + b"\n",) for line in reference.lines_of(pieces(self.engine, params)))
                database.execute(f"CREATE TABLE {table} (n INTEGER PRIMARY KEY, line BLOB NOT NULL)")
                database.execute("BEGIN")
                database.executemany(f"INSERT INTO {table} (line) VALUES (?)", lines)
                database.execute("COMMIT")
                ((sizes[table],),) = database.execute(f"SELECT sum(length(line)) FROM {table}")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        database.close()
        return sizes

    def floor(self, table: str) -> Iterator[bytes]:
        """`floor_sql`: the finished rows of a table."""
        with self.engine.store.database.raw() as cursor:
            cursor.execute(f"SELECT line FROM {table} ORDER BY n")
            while some := cursor.fetchmany(FLOOR_ROWS):  # type: ignore[attr-defined]
                yield b"".join([line for (line,) in some])
