"""Tasks in the queue: taken once, called off, done again, and never left without an end."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from annotary.engine import jobs
from annotary.engine import runner as running
from annotary.engine.core import Engine
from annotary.engine.runner import Runner
from annotary.errors import Conflict, Invalid, Unreachable
from annotary.model.export import ExportQuery, ProjectScope
from annotary.model.task import FINAL, Task
from annotary.operations.datasets import CountDataRows, CreateDataset
from annotary.operations.exports import StartExport
from annotary.operations.imports import StartImport
from annotary.operations.tasks import CancelTask, GetChunk, GetTask, RunTaskAgain
from annotary.store import Store
from tests.engine.world import World

pytestmark = pytest.mark.bucket

SECONDS = 60
EXPORT = StartExport(query=ExportQuery(scope=ProjectScope(id="streets")))


@pytest.fixture
def queued(world: World) -> Engine:
    """An engine that leaves long work to workers, on a store with a project."""
    engine = world.engine
    return Engine(engine.store, clock=engine.clock, queued=True)


@contextlib.contextmanager
def at_work(store: Store, *, tasks: int = 2) -> Iterator[Runner]:
    runner = Runner(store, tasks=tasks)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        yield runner
    finally:
        runner.end()
        thread.join()


def ended(engine: Engine, id: str) -> Task:
    deadline = time.monotonic() + SECONDS
    while (task := engine.call(GetTask(task_id=id))).status not in FINAL:
        assert time.monotonic() < deadline, task
        time.sleep(0.02)
    return task


def sent(engine: Engine, *rows: dict[str, object]) -> str:
    """The id of a file of data rows."""
    lines = [json.dumps(row).encode() + b"\n" for row in rows]
    return engine.store.files.make(lines, name="rows.ndjson", media_type="x/y", now=engine.now()).id


def test_an_export_ends_with_a_file_and_can_be_done_again(queued: Engine) -> None:
    task = queued.call(EXPORT)
    assert task.status == "QUEUED"
    with pytest.raises(Conflict, match="cancel it first"):
        queued.call(RunTaskAgain(task_id=task.id))
    with at_work(queued.store):
        first = ended(queued, task.id)
        again = ended(queued, queued.call(RunTaskAgain(task_id=task.id)).id)
    assert first.status == again.status == "COMPLETE"
    assert first.file is not None and again.file is not None
    assert (first.rows, first.total, first.completion_percentage) == (6, 6, 100)
    assert first.file.sha256 == again.file.sha256
    chunk = queued.call(GetChunk(task_id=task.id, offset=3))
    assert (chunk.start, chunk.end, chunk.last_line) == (0, first.file.bytes - 1, 5)


def test_an_export_shows_the_state_in_which_it_was_asked_for(queued: Engine, world: World) -> None:
    task = queued.call(EXPORT)
    world.send(world.ids[6:], "later")
    with at_work(queued.store):
        assert ended(queued, task.id).rows == 6


def test_a_task_called_off_in_the_queue_is_never_done(queued: Engine) -> None:
    task = queued.call(EXPORT)
    assert queued.call(CancelTask(task_id=task.id)).status == "CANCELED"
    with at_work(queued.store):
        other = ended(queued, queued.call(EXPORT).id)
    assert other.status == "COMPLETE"
    task = queued.call(GetTask(task_id=task.id))
    assert (task.status, task.file) == ("CANCELED", None)


def test_a_task_called_off_at_work_leaves_nothing(queued: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    write = jobs.write_export

    def slow(*given: object) -> object:
        made = write(*given)  # type: ignore[arg-type]
        begun.set()
        assert go_on.wait(SECONDS)
        return made

    monkeypatch.setattr(jobs, "write_export", slow)
    task = queued.call(EXPORT)
    with at_work(queued.store):
        assert begun.wait(SECONDS)
        assert queued.call(GetTask(task_id=task.id)).status == "IN_PROGRESS"
        queued.call(CancelTask(task_id=task.id))
        go_on.set()
        time.sleep(0.2)
    task = queued.call(GetTask(task_id=task.id))
    assert (task.status, task.file) == ("CANCELED", None)
    assert list(queued.store.place.names("files/")) == []


def test_a_worker_that_is_told_to_end_gives_its_task_back(
    queued: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    opened = jobs.open_export

    def endless(*given: object, **more: object) -> object:
        export = opened(*given, **more)  # type: ignore[arg-type]
        (part, *_) = export.parts

        def parts() -> Iterator[object]:
            while True:
                begun.set()
                time.sleep(0.01)
                yield part

        export.parts = parts()  # type: ignore[assignment]
        return export

    monkeypatch.setattr(jobs, "open_export", endless)
    task = queued.call(EXPORT)
    with at_work(queued.store):
        assert begun.wait(SECONDS)
    assert queued.call(GetTask(task_id=task.id)).status == "QUEUED"
    assert queued.store.tasks.request(task.id).attempts == 0
    monkeypatch.setattr(jobs, "open_export", opened)
    with at_work(queued.store):
        assert ended(queued, task.id).status == "COMPLETE"


def test_an_import_and_its_end_are_one(queued: Engine) -> None:
    dataset = queued.call(CreateDataset(name="new"))
    source = sent(queued, *({"row_data": f"https://example.org/{n}.png"} for n in range(30)))
    start = StartImport(source=source, format="data-rows", dataset="new")
    task = queued.call(start)
    with at_work(queued.store):
        done = ended(queued, task.id)
    assert done.status == "COMPLETE", done
    assert queued.call(CountDataRows(dataset_id=dataset.id)) == 30
    assert done.result is not None and done.result["rows"] == 30


def test_an_import_is_seen_at_work_and_called_off(queued: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = queued.call(CreateDataset(name="new"))
    source = sent(queued, *({"row_data": f"https://example.org/{n}.png"} for n in range(20_000)))
    moved = jobs.Work.moved

    def slowly(work: jobs.Work, rows: int) -> None:
        moved(work, rows)
        time.sleep(0.2)

    monkeypatch.setattr(jobs.Work, "moved", slowly)
    monkeypatch.setattr(jobs, "BEAT_SECONDS", 0.02)
    task = queued.call(StartImport(source=source, format="data-rows", dataset="new"))
    with at_work(queued.store):
        deadline = time.monotonic() + SECONDS
        while not (seen := queued.call(GetTask(task_id=task.id))).rows and time.monotonic() < deadline:
            time.sleep(0.02)
        assert (seen.status, 0 < seen.rows < 20_000) == ("IN_PROGRESS", True)
        begun = time.monotonic()
        assert queued.call(CancelTask(task_id=task.id)).status == "CANCELED"
        assert time.monotonic() - begun < 10, "it need not wait for the import's end"
    assert queued.call(GetTask(task_id=task.id)).status == "CANCELED"
    assert queued.call(CountDataRows(dataset_id=dataset.id)) == 0


def test_an_import_with_problems_says_which(queued: Engine) -> None:
    dataset = queued.call(CreateDataset(name="new"))
    source = sent(queued, {"row_data": "https://example.org/1.png"}, {"row_data": 7})
    task = queued.call(StartImport(source=source, format="data-rows", dataset="new"))
    with at_work(queued.store):
        failed = ended(queued, task.id)
    assert (failed.status, failed.error_code) == ("FAILED", "refused")
    assert failed.problems is not None
    (line,) = b"".join(queued.store.files.read(failed.problems)).splitlines()
    assert "line 2" in json.loads(line)["place"]
    assert queued.call(CountDataRows(dataset_id=dataset.id)) == 0


def test_a_server_reads_no_file_of_its_own_machine(queued: Engine) -> None:
    with pytest.raises(LookupError, match="no file '/etc/passwd'"):
        queued.call(StartImport(source="/etc/passwd"))
    with pytest.raises(Invalid, match="no folder of its own machine"):
        queued.call(StartImport(source=sent(queued, {}), images="/etc"))


def test_a_task_that_kills_its_workers_is_given_up(queued: Engine) -> None:
    task = queued.call(EXPORT)
    for number in range(running.ATTEMPTS):
        assert queued.store.tasks.claim(f"dead {number}", -1, queued.now()) is not None
    with at_work(queued.store):
        failed = ended(queued, task.id)
    assert failed.status == "FAILED"
    assert failed.error is not None and "died 5 times" in failed.error


def test_what_a_worker_writes_of_a_task_that_was_taken_from_it_does_not_count(queued: Engine) -> None:
    task = queued.call(EXPORT)
    tasks = queued.store.tasks
    slow = tasks.claim("slow", -1, queued.now())
    quick = tasks.claim("quick", 60_000, queued.now())
    assert slow is not None and quick is not None
    assert slow.task.id == quick.task.id == task.id
    assert not tasks.write(slow.task, "slow", 60_000)
    assert tasks.write(quick.task, "quick", 60_000)
    assert tasks.claim("third", 60_000, queued.now()) is None


def test_no_task_is_done_twice_by_many_workers(queued: Engine) -> None:
    ids = [queued.call(EXPORT).id for _ in range(12)]
    with contextlib.ExitStack() as stack:
        # A SQLite store lets one of them work, PostgreSQL all.
        for _ in range(3):
            stack.enter_context(at_work(queued.store, tasks=1))
        for id in ids:
            assert ended(queued, id).status == "COMPLETE"
    assert [queued.store.tasks.request(id).attempts for id in ids] == [1] * 12


def test_files_that_have_expired_are_removed(queued: Engine) -> None:
    files = queued.store.files
    now = "2026-01-01T00:00:00.000+00:00"
    old = files.make([b"x"], name="old", media_type="x/y", now=now, expires_at=now)
    kept = files.make([b"y"], name="kept", media_type="x/y", now=jobs.now())
    with at_work(queued.store):
        deadline = time.monotonic() + SECONDS
        while files.expired("2026-01-02") and time.monotonic() < deadline:
            time.sleep(0.05)
    with pytest.raises(LookupError):
        files.get(old.id)
    assert b"".join(files.read(kept)) == b"y"


def test_what_a_newer_program_asks_in_words_of_its_own_is_left_to_newer_workers(queued: Engine) -> None:
    store = queued.store
    beyond = Task(
        id="beyond", name="Export", type="export-data-rows", status="QUEUED", created_at="0", updated_at="0"
    )
    store.tasks.put(beyond, request='{"export":{"hologram":true}}', actor=actor_of(queued))
    with at_work(store):
        assert ended(queued, queued.call(EXPORT).id).status == "COMPLETE"
    assert store.tasks.get("beyond").status == "QUEUED"
    assert store.tasks.request("beyond").attempts == 0


def actor_of(engine: Engine) -> str:
    """For whom a task of the engine's is done, as the queue keeps it."""
    return engine.store.tasks.request(engine.call(EXPORT).id).actor


def test_a_task_that_loses_the_database_is_done_again(
    queued: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, lost = jobs.write_export, []

    def losing(*given: object) -> object:
        if len(lost) < 2:
            lost.append(None)
            raise Unreachable("the database is gone")
        return write(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(jobs, "write_export", losing)
    task = queued.call(EXPORT)
    with at_work(queued.store):
        assert ended(queued, task.id).status == "COMPLETE"
    assert queued.store.tasks.request(task.id).attempts == 3


def test_a_worker_goes_on_whatever_goes_wrong_with_the_queue(
    queued: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    claim, met = queued.store.tasks.claim, []

    def failing(*given: Any, **more: Any) -> Any:
        if len(met) < 4:
            met.append(None)
            raise [Unreachable("the database is gone"), ValueError("nobody thought of this")][len(met) // 3]
        return claim(*given, **more)

    monkeypatch.setattr(queued.store.tasks, "claim", failing)
    monkeypatch.setattr(running, "IDLE_SECONDS", 0.01)
    task = queued.call(EXPORT)
    with at_work(queued.store, tasks=1):
        assert ended(queued, task.id).status == "COMPLETE"
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "no task could be done: the database is gone",
        "no task could be done: nobody thought of this",
        "no task could be done for a while; it is over",
    ]
