"""Exports whose stretches are written elsewhere: by a Dask cluster over TCP, or any other executor."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

import annotary
from annotary.engine import cluster, spreading
from annotary.engine.core import Engine
from annotary.engine.loading import import_sources
from annotary.engine.sources import ValueSource
from annotary.errors import Invalid, Unavailable
from annotary.sample.workload import workload
from annotary.store import Store
from annotary.store.rows import Stretch
from tests._dask import cluster_of
from tests._server import SCRIPT, quiet_environment

ROWS = 120
SECONDS = 60


@pytest.fixture(autouse=True)
def _short_stretches(own_engines: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows a stretch."""
    monkeypatch.setattr(spreading, "FAR_STEP", 3)


@pytest.fixture
def street(postgres_url: str) -> str:
    """A PostgreSQL store with one project of workload W."""
    import json

    engine = Engine(Store.open(postgres_url))
    import_sources(engine, [ValueSource([json.loads(line) for line in workload(ROWS)])])
    engine.close()
    return postgres_url


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """A scheduler on loopback with two workers, each a process of its own."""
    with cluster_of(2) as address:
        yield address


def written(client: annotary.Client, **given: Any) -> bytes:
    (project,) = client.get_projects()
    params = {"label_details": True, "project_details": True, "data_row_details": True}
    return b"".join(
        part.path.encode() + part.data for part in project.export(params=params, **given).open().parts
    )


@pytest.mark.parametrize("format", ["labelbox-v1", "labelbox-v2", "labelbox-ndjson", "coco", "yolo", "masks"])
def test_a_cluster_writes_the_same(street: str, scheduler: str, format: str) -> None:
    with annotary.Client(street) as client, cluster.cluster(scheduler) as (executor, threads):
        assert threads == 2
        counted = _Counted(executor)
        one = written(client, format=format, workers=1)
        assert written(client, format=format, executor=counted, workers=threads) == one
        assert counted.done > 5, "else one way was compared with itself"
        assert one.count(b"\n") > ROWS - 2


class _Counted(Executor):
    """An executor whose jobs are counted."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.done = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = self._executor.submit(fn, *args, **kwargs)
        future.add_done_callback(self._count)
        return future

    def _count(self, future: Future[Any]) -> None:
        if not future.cancelled() and future.exception() is None:
            self.done += 1


def test_a_worker_that_is_killed_costs_its_part(
    street: str, scheduler: str, done_again: list[Stretch]
) -> None:
    with annotary.Client(street) as client, cluster.cluster(scheduler) as (executor, _):
        (project,) = client.get_projects()
        one = b"".join(part.data for part in project.export().open().parts)
        victim = executor.submit(os.getpid).result()
        pieces = []
        for part in project.export(executor=executor, workers=2).open().parts:
            pieces.append(part.data)
            if len(pieces) == 3:
                os.kill(victim, signal.SIGKILL)
        assert b"".join(pieces) == one
    # What the worker had is given to the other one; where not, it is no more than what was with it.
    assert len(done_again) <= spreading.FAR_AHEAD


class _Breaks(Executor):
    """Who does some jobs and then nothing any more: it is not told how, as each executor has its own way."""

    def __init__(self, good: int) -> None:
        self.left = good

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.left -= 1
        if self.left < -3:
            raise ConnectionResetError("the other end is gone")
        if self.left < 0:
            future.set_exception(TimeoutError("nobody answers"))
        else:
            future.set_result(fn(*args, **kwargs))
        return future


def test_when_all_others_are_gone_the_rest_is_written_here(street: str) -> None:
    with annotary.Client(street) as client:
        one = written(client, workers=1)
        assert written(client, executor=_Breaks(4), workers=2) == one


def test_what_is_wrong_with_the_store_is_told_as_always(street: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(job: object) -> None:
        raise Unavailable("the store is gone")

    monkeypatch.setattr(spreading, "write_stretch", fail)
    with annotary.Client(street) as client, pytest.raises(Unavailable, match="the store is gone"):
        written(client, executor=_Now(), workers=2)


class _Now(Executor):
    """Does each job at once."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def test_little_is_held_at_a_time(street: str) -> None:
    """What others have written waits in memory: no more than a few stretches each."""
    executor = _Counted(_Now())
    with annotary.Client(street) as client:
        (project,) = client.get_projects()
        parts = iter(project.export(executor=executor, workers=2).open().parts)
        next(parts)
        assert executor.done <= spreading.FAR_AHEAD * 3
        rest = [part.data for part in parts]
        assert len(rest) > 10


def test_the_command_line_takes_a_scheduler(street: str, scheduler: str, tmp_path: Path) -> None:
    def export(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SCRIPT, "--at", street, "export", "Workload", "--all-details", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env=quiet_environment(),
            timeout=SECONDS,
            check=False,
        )

    assert export("-o", "one.ndjson").returncode == 0
    done = export("-o", "many.ndjson", "--scheduler", scheduler)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "many.ndjson").read_bytes() == (tmp_path / "one.ndjson").read_bytes()
    for words, said in (
        (("--scheduler", "tcp://127.0.0.1:1"), "no Dask scheduler answers at tcp://127.0.0.1:1"),
        (("--scheduler", "nowhere://x"), "--scheduler nowhere://x"),
        (
            ("--scheduler", scheduler, "--format", "csv", "--split", "0.5,0.5", "--stratify"),
            "leave the scheduler out",
        ),
        (("--scheduler", scheduler, "--workers", "0"), "workers: from 1 to"),
    ):
        wrong = export("-o", "wrong.ndjson", *words)
        assert wrong.returncode in (1, 2)
        assert said in wrong.stderr
        assert "Traceback" not in wrong.stderr
        assert len(wrong.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "wrong.ndjson").exists()


def test_a_folder_is_for_one_machine(tmp_path: Path) -> None:
    with annotary.Client(tmp_path / "store") as client:
        project = client.create_project("P", ontology_id=client.create_ontology("O", {}).id)
        with pytest.raises(Invalid, match="in a folder is for one machine"):
            project.export(executor=_Now())


def test_a_worker_of_another_version_is_refused(scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "OWN", "0.0.0")
    told = pytest.raises(Invalid, match=r"the worker tcp://.* has .*; install annotary 0\.0\.0 there")
    with told, cluster.cluster(scheduler):
        pass
