"""A long export by one process, by two, and by a Dask cluster: the same bytes, times, memory, deaths midway.

`ANNOTARY_TEST_EXPORT_ROWS` says how many rows; what was measured is printed at the end.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import psycopg
import pytest

import annotary
from annotary.engine.core import Engine
from annotary.model.export import DETAILS, ExportParams, ExportQuery, ProjectScope
from annotary.model.project import Project
from annotary.operations.exports import StartExport
from annotary.sample.workload import workload
from annotary.store import Store
from tests._dask import cluster_of
from tests._postgres import temporary_database
from tests._processes import children
from tests._server import SCRIPT, end, quiet_environment, start_worker

ROWS = int(os.environ.get("ANNOTARY_TEST_EXPORT_ROWS", "1000000"))
POOL, DASK = "annotary.engine.processes", "distributed"
SECONDS = 3600
BOUND = 600
"""MB that no process may pass, whatever the number of rows."""
EVERYTHING = ExportParams(**dict.fromkeys(DETAILS, True))
FORMATS = ("labelbox-v2", "labelbox-v1", "coco")


@dataclass
class Run:
    """One export: how long it took, what it wrote, and the most memory of each kind of process."""

    seconds: float
    digest: str
    peaks: dict[str, int]


class Memory:
    """The most memory that processes have had, by kind; looked at now and then until the block ends."""

    def __init__(self, find: Callable[[], dict[int, str]]) -> None:
        self._find = find
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.peaks: dict[str, int] = {}

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.1):
            for process, kind in self._find().items():
                self.peaks[kind] = max(self.peaks.get(kind, 0), peak(process))


Others = Callable[[int], list[int]]
"""The other processes that write an export, given the one that was asked."""


def peak(process: int) -> int:
    """The most memory that a process has had, in MB; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return max((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), default=0)


@pytest.fixture(scope="module")
def street(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL store with workload W."""
    path = tmp_path_factory.mktemp("workload") / "rows.ndjson"
    with path.open("wb") as file:
        file.writelines(islice(workload(ROWS), ROWS))
    with temporary_database(postgres_server) as url:
        with annotary.Client(url) as client:
            client.load(path)
        path.unlink()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        yield url


def exported(
    target: str, folder: Path, words: tuple[str, ...], others: Others, kill_after: float | None
) -> Run:
    """An export by the command line, of whose other processes one is killed after some seconds."""
    path = folder / ("out.json" if "coco" in words else "out.ndjson")
    begun = time.monotonic()
    command = [
        SCRIPT,
        "--at",
        target,
        "export",
        "Workload",
        "--all-details",
        "-o",
        str(path),
        "--quiet",
        *words,
    ]
    with (
        (folder / "export.log").open("wb") as log,
        subprocess.Popen(command, env=quiet_environment(), stdout=log, stderr=log) as process,
        Memory(lambda: {process.pid: "export"} | dict.fromkeys(others(process.pid), "other")) as memory,
    ):
        if kill_after is not None:
            time.sleep(kill_after)
            while not (found := others(process.pid)) and process.poll() is None:
                time.sleep(0.01)
            assert process.poll() is None, "it ended before anything could be killed; take more rows"
            os.kill(found[0], signal.SIGKILL)
        status = process.wait(SECONDS)
    seconds = time.monotonic() - begun
    assert status == 0, (folder / "export.log").read_text()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    path.unlink()
    return Run(seconds, digest, memory.peaks)


def as_task(target: str, folder: Path, format: str, kill_after: float | None) -> Run:
    """The same as a task of two workers, of which the one that has it is killed after some seconds."""
    engine = Engine(Store.open(target), queued=True)
    workers = [start_worker(target, folder / "worker.log") for _ in range(2)]
    try:
        (project,) = engine.store.find(Project)
        query = ExportQuery(scope=ProjectScope(id=project.id), params=EVERYTHING)
        begun, taken = time.monotonic(), 0.0
        task = engine.call(StartExport(query=query, format=format, workers=1))
        with Memory(lambda: {one.pid: "worker" for one in workers}) as memory:
            killed = False
            while (now := engine.store.tasks.request(task.id)).task.status in ("QUEUED", "IN_PROGRESS"):
                time.sleep(0.05)
                taken = taken or (time.monotonic() if now.task.status == "IN_PROGRESS" else 0.0)
                if kill_after is not None and taken and not killed and time.monotonic() > taken + kill_after:
                    os.kill(worker_of(target, task.id), signal.SIGKILL)
                    killed = True
        seconds = time.monotonic() - begun
        assert now.task.status == "COMPLETE" and now.task.file is not None, now.task
        assert killed == (kill_after is not None) and now.attempts == 1 + killed
        return Run(seconds, now.task.file.sha256, memory.peaks)
    finally:
        end(*workers)
        engine.close()


def worker_of(target: str, task: str) -> int:
    """The process that is at work on a task."""
    with psycopg.connect(target) as connection:
        ((name,),) = connection.execute("SELECT worker FROM tasks WHERE id = %s", (task,)).fetchall()
    return int(name.split()[1])


@pytest.mark.soak
@pytest.mark.postgres
@pytest.mark.parametrize("format", FORMATS)
def test_the_same_bytes_by_one_process_by_two_and_by_a_cluster(
    street: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], format: str
) -> None:
    def pool(process: int) -> list[int]:
        return children(process, POOL)

    found: dict[str, Run] = {}

    def note(name: str, run: Run) -> None:
        found[name] = run
        peaks = ", ".join(f"{kind} {most} MB" for kind, most in sorted(run.peaks.items()))
        with capsys.disabled():
            print(f"  {name:28} {run.seconds:7.2f} s   {peaks}", flush=True)

    with cluster_of(2) as address:
        nannies = children(os.getpid(), "dask_worker")

        def far(process: int) -> list[int]:
            return [one for nanny in nannies for one in children(nanny, "spawn_main")]

        ways: dict[str, tuple[tuple[str, ...], Others]] = {
            "one process": (("--workers", "1"), lambda process: []),
            "2 processes": (("--workers", "2"), pool),
            "Dask, 2 workers": (("--scheduler", address), far),
        }
        with capsys.disabled():
            print(f"\n{ROWS:,} rows as {format}, PostgreSQL, {os.cpu_count()} processors", flush=True)
        for name, (words, others) in ways.items():
            words = ("--format", format, *words)
            note(name, exported(street, tmp_path, words, others, None))
            half = found[name].seconds / 2
            if name != "one process":
                note(f"{name}, one killed", exported(street, tmp_path, words, others, half))
        half = found["one process"].seconds / 2
        note("a task", as_task(street, tmp_path, format, None))
        note("a task, its worker killed", as_task(street, tmp_path, format, half))
    tasks = {run.digest for name, run in found.items() if name.startswith("a task")}
    typed = {run.digest for name, run in found.items() if not name.startswith("a task")}
    assert len(tasks) == len(typed) == 1, found
    # A task signs the links to masks that v1 has for every shape.
    assert (tasks == typed) == (format != "labelbox-v1"), found
    assert all(most < BOUND for run in found.values() for most in run.peaks.values()), found
