"""Exports that several processes write: the same bytes and counts, and nothing left behind."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import nullcontext
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest

import annotary
from annotary.engine import spreading
from annotary.engine.core import Engine
from annotary.engine.exporting import Export, open_export
from annotary.engine.loading import import_sources
from annotary.engine.partitions import Job
from annotary.engine.processes import Died, Processes
from annotary.engine.sources import ValueSource
from annotary.engine.written import delivered
from annotary.errors import Invalid, Unavailable
from annotary.formats import TrainingOptions, load
from annotary.model.export import ExportParams, ExportQuery, ProjectScope, RunScope, Scope, filters_from
from annotary.model.project import Project
from annotary.operations.exports import StartExport
from annotary.sample.workload import workload
from annotary.store import Store
from annotary.store.rows import Stretch
from tests._processes import children
from tests.engine.histories import RUN, edit, run
from tests.engine.world import ALL_DETAILS, World, add_rows

MODULE = "annotary.engine.processes"

STREETS = ProjectScope(id="streets")


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(spreading, "STEP", 3)
    monkeypatch.setattr(spreading, "LONGEST", 3)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield
    assert not children(os.getpid(), MODULE), "a process was left behind"
    assert not list(tmp_path.rglob(".annotary-*")), "a folder was left behind"


def asked(scope: Scope = STREETS, workers: int | None = None, **given: Any) -> StartExport:
    query = {name: given.pop(name) for name in ("params", "since", "as_of", "labels") if name in given}
    query["filters"] = filters_from(given.pop("filters", None))
    return StartExport(query=ExportQuery(scope=scope, **query), workers=workers, **given)


def written(
    engine: Engine, request: StartExport, enough: Callable[[], bool] = lambda: True
) -> tuple[bytes, dict[str, int]]:
    """An export, and its counts; after the first part it waits until the others have done enough."""
    export = open_export(engine, request, counted=True)
    pieces = []
    for part in export.taken():
        pieces.append(part.data)
        until = time.monotonic() + 60
        while not enough() and time.monotonic() < until:
            time.sleep(0.01)
    return b"".join(pieces), export.counts()


@pytest.fixture
def lively(world: World) -> World:
    """A project in which much has happened, with a model run."""
    random = Random(5)
    more = add_rows(world.engine, [f"more-{number}" for number in range(20)])
    world.send(more, name="second")
    for _ in range(60):
        world.clock.tick(random.randrange(90))
        edit(world.engine, random, "streets")
    run(world.engine, random, "streets")
    return world


OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("labelbox-v2", {}),
    ("labelbox-v2", {"field_set": "seed"}),
    ("labelbox-v1", {}),
    ("labelbox-v1", {"array": True}),
    ("labelbox-ndjson", {}),
    ("coco", {}),
    ("yolo", {}),
    ("openimages", {}),
    ("csv", {}),
)


def _queries(world: World) -> Iterator[dict[str, Any]]:
    now = world.sequence()
    yield {"params": ALL_DETAILS}
    yield {"params": ExportParams()}
    yield {"params": ALL_DETAILS, "as_of": now // 2}
    yield {"params": ALL_DETAILS, "since": now // 2}
    yield {"params": ExportParams(label_details=True), "since": now // 3, "as_of": now // 2}
    yield {"params": ALL_DETAILS, "labels": "latest"}
    yield {"params": ExportParams(), "labels": "consensus"}
    for filters in (
        {"workflow_status": "ToLabel"},
        {"global_keys": ["key-1", "more-3", "more-17"]},
        {"class_names": ["Big Car"]},
        {"last_activity_at": ["2026-05-04 08:20:00", None]},
    ):
        yield {"params": ALL_DETAILS, "filters": filters}
        yield {"params": ALL_DETAILS, "filters": filters, "since": now // 2}
    yield {"scope": RunScope(id=RUN), "params": ALL_DETAILS}


def test_any_number_of_processes_writes_the_same(
    lively: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processes are begun once for all of it; any executor would do."""
    queries = list(_queries(lively))
    with Processes(2, tmp_path / "parts") as own:
        monkeypatch.setattr(spreading, "Processes", lambda count, folder: nullcontext(own))
        for format, options in OPTIONS:
            for query in queries:
                given = {"format": format, "options": options, **query}
                one = written(lively.engine, asked(workers=1, **given))
                assert written(lively.engine, asked(workers=3, **given)) == one, given
                if query is queries[0]:
                    assert written(lively.engine, asked(workers=2, **given)) == one
    assert one[1]["rows"]


def test_what_changes_meanwhile_is_not_in_it(
    lively: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(6)
    one = written(lively.engine, asked(params=ALL_DETAILS, workers=1))
    with Processes(1, tmp_path / "parts") as own:
        monkeypatch.setattr(spreading, "Processes", lambda count, folder: nullcontext(own))
        export = open_export(lively.engine, asked(params=ALL_DETAILS, workers=2), counted=True)
        for _ in range(30):
            edit(lively.engine, random, "streets")
        assert b"".join(part.data for part in export.taken()) == one[0]


class _Watched(Processes):
    """Processes whose jobs are counted; `killed` are those after whose giving a process is killed."""

    given: ClassVar[list[Job]] = []
    killed: ClassVar[tuple[int, ...]] = ()

    def __init__(self, count: int, folder: Path) -> None:
        super().__init__(count, folder)
        # What it takes for a process to begin is longer than what these exports take.
        begun = [
            super(_Watched, self).submit(spreading.workers, 1, 1, copied=True, sqlite=True)
            for _ in range(count)
        ]
        begun += [super(_Watched, self).submit(load, "labelbox-v1") for _ in range(count)]
        for future in begun:
            future.result()

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.given.append(args[0])
        future = super().submit(fn, *args, **kwargs)
        if len(self.given) in self.killed:
            until = time.monotonic() + 20
            while not (begun := children(os.getpid(), MODULE)) and time.monotonic() < until:
                time.sleep(0.01)
            os.kill(begun[0], signal.SIGKILL)
        return future


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> type[_Watched]:
    monkeypatch.setattr(_Watched, "given", [])
    monkeypatch.setattr(spreading, "Processes", _Watched)
    return _Watched


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Engine]:
    """A store with one project of workload W."""
    engine = _street(tmp_path / "store", 60)
    yield engine
    engine.close()


def _street(place: Path | str, count: int) -> Engine:
    engine = Engine(Store.open(place))
    import_sources(engine, [ValueSource(list(islice(_rows(count), count)))])
    return engine


def _rows(count: int) -> Iterator[dict[str, Any]]:
    import json

    return map(json.loads, workload(count))


def _scope(engine: Engine) -> ProjectScope:
    (project,) = engine.store.find(Project)
    return ProjectScope(id=project.id)


def _wanted(engine: Engine, workers: int, format: str = "labelbox-v1") -> StartExport:
    return asked(_scope(engine), workers, format=format, params=ALL_DETAILS)


def test_others_write_a_share(street: Engine, watched: type[_Watched]) -> None:
    """Else the tests of this file would compare one way with itself."""
    one = written(street, _wanted(street, 1))
    assert not watched.given
    assert written(street, _wanted(street, 3), lambda: len(watched.given) > 5) == one
    assert 5 < len({job.stretch for job in watched.given}) == len(watched.given) <= 20


@pytest.mark.parametrize("format", ["labelbox-v1", "labelbox-v2", "yolo"])
def test_a_process_that_is_killed_costs_its_part_and_no_more(
    store_url: str,
    watched: type[_Watched],
    done_again: list[Stretch],
    monkeypatch: pytest.MonkeyPatch,
    format: str,
) -> None:
    engine = _street(store_url, 60)
    one = written(engine, _wanted(engine, 1, format))
    monkeypatch.setattr(watched, "killed", (1, 4, 6))
    assert written(engine, _wanted(engine, 2, format), lambda: len(watched.given) >= 6) == one
    assert len(watched.given) >= 6
    assert len(done_again) <= len(watched.killed)
    engine.close()


def test_a_pool_of_the_standard_library_does_and_when_it_breaks_the_rest_is_done_here(
    street: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = written(street, _wanted(street, 1))
    with ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as pool:
        monkeypatch.setattr(spreading, "Processes", lambda count, folder: nullcontext(pool))
        assert written(street, _wanted(street, 2)) == one
        with pytest.raises(Exception, match="terminated"):
            pool.submit(os._exit, 1).result()
        assert written(street, _wanted(street, 2)) == one


@pytest.mark.parametrize("format", ["labelbox-v2", "coco"])
def test_an_interrupted_export_leaves_nothing_behind(
    street: Engine, tmp_path: Path, watched: type[_Watched], format: str
) -> None:
    target = tmp_path / "out.ndjson"
    seen = []

    def interrupt(rows: int) -> None:
        if rows > 12:
            seen.extend(children(os.getpid(), MODULE))
            seen.extend(tmp_path.glob(".annotary-*.parts"))
            raise KeyboardInterrupt

    assert watched.given == []
    with pytest.raises(KeyboardInterrupt):
        delivered(open_export(street, _wanted(street, 2, format), counted=True), target, interrupt)
    assert len(seen) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]


def test_a_part_that_does_not_fit_on_the_disk_ends_the_export(
    street: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on the size of the other process's files stands for a full disk."""
    target = tmp_path / "folder" / "out.ndjson"
    with Processes(1, tmp_path / "parts") as own:
        process = own.submit(os.getpid).result()
        resource.prlimit(process, resource.RLIMIT_FSIZE, (5000, 5000))
        monkeypatch.setattr(spreading, "Processes", lambda count, folder: nullcontext(own))
        with pytest.raises(Unavailable, match=r"out\.ndjson cannot be written: File too large"):
            delivered(open_export(street, _wanted(street, 2), counted=True), target)
    assert list(target.parent.iterdir()) == []


def test_when_the_export_is_killed_its_processes_end_and_their_parts_go(tmp_path: Path) -> None:
    _street(tmp_path / "store", 60).close()
    program = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(tmp_path / "store"), str(tmp_path / "out.ndjson")],
        stdout=subprocess.PIPE,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == b"halfway\n"
    begun = children(program.pid, MODULE)
    assert len(begun) == 2
    assert list(tmp_path.glob(".annotary-*.parts"))
    program.kill()
    program.wait()
    program.stdout.close()
    until = time.monotonic() + 20
    while (any(map(_runs, begun)) or list(tmp_path.glob(".annotary-*"))) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(map(_runs, begun))
    assert not (tmp_path / "out.ndjson").exists()


_PROGRAM = """
import sys, time
from pathlib import Path
from annotary.engine import spreading
from annotary.engine.core import Engine
from annotary.engine.written import delivered
from annotary.engine.exporting import open_export
from annotary.model.export import ExportQuery, ProjectScope
from annotary.model.project import Project
from annotary.operations.exports import StartExport
from annotary.store import Store
from annotary.store.rows import Stretch

spreading.STEP = spreading.LONGEST = 2
engine = Engine(Store.open(sys.argv[1]))
(project,) = engine.store.find(Project)
query = ExportQuery(scope=ProjectScope(id=project.id))

def wait(rows):
    if rows > 30:
        print("halfway", flush=True)
        time.sleep(60)

delivered(open_export(engine, StartExport(query=query, workers=3), counted=True), Path(sys.argv[2]), wait)
"""


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_others_do_not_run_far_ahead_of_who_reads_slowly(
    tmp_path: Path, street: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreading, "STEP", 1)
    monkeypatch.setattr(spreading, "LONGEST", 1)
    export = open_export(street, _wanted(street, 2, "labelbox-v2"), counted=True)
    export.near = tmp_path
    most = 0
    for _ in export.taken():
        time.sleep(0.02)
        most = max(most, sum(1 for _ in tmp_path.glob(".annotary-*.parts/*")))
    assert 1 < most <= 2 * spreading.AHEAD


def test_memory_does_not_grow_with_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = _street(tmp_path / "store", 4000)
    monkeypatch.setattr(spreading, "STEP", 400)
    monkeypatch.setattr(spreading, "LONGEST", 400)
    with Processes(1, tmp_path / "parts") as own:
        monkeypatch.setattr(spreading, "Processes", lambda count, folder: nullcontext(own))
        peaks = []
        for _ in range(3):
            for _ in open_export(engine, _wanted(engine, 2), counted=True).taken():
                pass
            peaks.append(own.submit(resource.getrusage, resource.RUSAGE_SELF).result().ru_maxrss)
    engine.close()
    assert peaks[2] - peaks[0] < 5000, "KiB"


@pytest.mark.parametrize("ending", ["ndjson", "ndjson.gz", "ndjson.zst", "json", "json.gz", "zip"])
def test_files_are_the_same_byte_for_byte(
    street: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    files = []
    with Processes(1, tmp_path / "parts") as own:
        monkeypatch.setattr(spreading, "Processes", lambda count, folder: nullcontext(own))
        for workers in (1, 2):
            export = open_export(street, _wanted(street, workers), counted=True)
            (artifact,) = delivered(export, tmp_path / f"{workers}.{ending}", title="W")
            files.append((artifact.sha256, artifact.bytes, Path(artifact.path).read_bytes()))
    assert files[0] == files[1]


def test_progress_and_counts_come_from_all_parts(street: Engine, tmp_path: Path) -> None:
    seen: list[int] = []
    export = open_export(street, _wanted(street, 2), counted=True)
    delivered(export, tmp_path / "out.ndjson", seen.append)
    assert seen == sorted(seen)
    assert len(set(seen)) > 2
    assert seen[-1] == export.done == export.total == 60


def test_what_goes_wrong_in_another_process_is_raised_here(tmp_path: Path) -> None:
    with Processes(1, tmp_path / "parts") as own:
        assert own.submit(len, "four").result() == 4
        with pytest.raises(ZeroDivisionError):
            own.submit(divmod, 1, 0).result()
        with pytest.raises(Died, match="exit status 7"):
            own.submit(os._exit, 7).result()
        assert own.submit(len, "another").result() == 7
    with pytest.raises(Died):
        own.submit(len, "late")


def test_small_exports_and_mere_copies_are_written_by_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "processors", lambda: 3)
    for sqlite in (True, False):
        assert spreading.workers(None, 1000, copied=False, sqlite=sqlite) == 1
        assert spreading.workers(None, None, copied=False, sqlite=sqlite) == 1
        assert spreading.workers(None, 100_000, copied=False, sqlite=sqlite) == 3
        assert spreading.workers(None, 100_000, copied=True, sqlite=sqlite) == 1
        assert spreading.workers(None, 1_000_000, copied=True, sqlite=sqlite) == (1 if sqlite else 3)
        assert spreading.workers(2, 10, copied=True, sqlite=sqlite) == 2
    for wrong in (0, -1, 17):
        with pytest.raises(Invalid, match="from 1 to 16 processes"):
            spreading.workers(wrong, 10, copied=False, sqlite=True)


def test_what_has_state_across_rows_is_written_by_one_process(
    street: Engine, tmp_path: Path, watched: type[_Watched]
) -> None:
    stratified = {"split": (0.5, 0.5), "stratify": True}
    for format, options in (("labelbox-v2", {"masks": "png"}), ("coco", stratified), ("csv", stratified)):
        request = asked(_scope(street), 3, format=format, options=options)
        one, two = (_parts(open_export(street, request, counted=True)) for _ in range(2))
        assert one == two
    assert not watched.given


def _parts(export: Export) -> list[tuple[str, bytes]]:
    return [(part.path, part.data) for part in export.taken()]


@pytest.mark.parametrize("name", ["labelbox-v1", "labelbox-v2", "labelbox-ndjson"])
def test_the_formats_of_labelbox_are_written_in_stretches(name: str) -> None:
    assert load(name).apart is not None


@pytest.mark.parametrize("name", ["coco", "yolo"])
def test_training_formats_are_written_sheet_by_sheet(name: str) -> None:
    options = load(name).options()
    assert isinstance(options, TrainingOptions) and options.sheets()


def test_every_port_takes_the_number_of_processes(client: annotary.Client, tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_bytes(b"".join(workload(30)))
    client.load(path)
    (project,) = client.get_projects()
    files = [
        project.export(params={"label_details": True}, format="labelbox-v1", workers=workers).save(
            tmp_path / f"{workers}.ndjson"
        )
        for workers in (1, 2)
    ]
    assert files[0][0].sha256 == files[1][0].sha256
    with pytest.raises(Invalid, match="from 1 to 16 processes"):
        project.export(workers=0).result  # noqa: B018
