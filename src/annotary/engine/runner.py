"""A worker: takes tasks off the queue of a store, carries them out, and records what came of them.

Of several workers on one PostgreSQL store each task is taken by one: for a time, which it prolongs while it
works. A SQLite store has one worker at a time, who holds a lock that the system gives free when it dies. A
task whose worker died is taken again; one that keeps killing its workers ends FAILED.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from annotary.engine import outcomes
from annotary.engine.core import Engine
from annotary.engine.exporting import Export, open_export
from annotary.engine.loading import Report, Stopped, import_sources, recognised
from annotary.engine.sources import StoredSource
from annotary.engine.tasks import Actor, Job
from annotary.engine.written import write_export
from annotary.errors import AnnotaryError, Refused, Unavailable
from annotary.model import moment
from annotary.model.base import new_id, to_json
from annotary.model.corpus import Problem
from annotary.model.task import StoredFile, Task
from annotary.operations.exports import StartExport
from annotary.operations.imports import StartImport
from annotary.store import Store
from annotary.store.tasks import Claimed

LEASE_SECONDS = 20.0
BEAT_SECONDS = 2.0
IDLE_SECONDS = 0.5
SWEEP_SECONDS = 600.0
ATTEMPTS = 5
RESULT_SECONDS = 7 * 24 * 3600
LOCK_NAME = "worker.lock"
LINES = "application/x-ndjson; charset=utf-8"

Sign = Callable[[str], Callable[[bytes], bytes]]
"""Given an organisation, what signs the links to masks in a piece of an export."""
_log = logging.getLogger(__name__)


class _Lost(BaseException):
    """The task is no longer this worker's: it was called off, or taken over. Nothing catches it by chance."""


class _Ending(BaseException):
    """The worker was told to end; the task goes back into the queue."""


class Runner:
    """A worker with some threads. `sign` signs links to masks in v1 exports, where there is a server."""

    def __init__(self, store: Store, *, tasks: int, sign: Sign | None = None) -> None:
        self._store = store
        self._tasks = tasks
        self._sign = sign
        self._ending = threading.Event()
        self._waking = threading.Condition()
        self._name = f"{socket.gethostname()} {os.getpid()} {new_id()}"
        self._lease = int(LEASE_SECONDS * 1000) if store.files.folder is None else None

    def wake(self) -> None:
        """There may be something to do."""
        with self._waking:
            self._waking.notify_all()

    def end(self) -> None:
        """Put what is being done back into the queue, and return from `run`."""
        self._ending.set()
        self.wake()

    def run(self) -> None:
        """Work until told to end."""
        with _alone(self._store.files.folder, self._ending) as held:
            if not held:
                return
            if self._lease is None:
                self._store.tasks.release()
            threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self._tasks)]
            for thread in threads:
                thread.start()
            swept = 0.0
            while not self._ending.wait(1.0):
                if time.monotonic() - swept > SWEEP_SECONDS or not swept:
                    swept = time.monotonic()
                    self._sweep()
            for thread in threads:
                thread.join()

    def _work(self) -> None:
        while not self._ending.is_set():
            try:
                taken = self._store.tasks.claim(self._name, self._lease, _now())
            except AnnotaryError as error:
                _log.warning("no task could be taken: %s", error)
                taken = None
            if taken is None:
                with self._waking:
                    if not self._ending.is_set():
                        self._waking.wait(IDLE_SECONDS)
            else:
                self._carry_out(taken)

    def _sweep(self) -> None:
        """Remove files that need not be kept any longer."""
        try:
            for id in self._store.files.expired(_now()):
                self._store.files.delete(id)
        except AnnotaryError as error:
            _log.warning("expired files could not be removed: %s", error)

    # One task

    def _carry_out(self, taken: Claimed) -> None:
        store = self._store.seen_as(taken.org)
        work = _Work(store, taken.task, self._name, self._lease, self._ending)
        try:
            if taken.attempts > ATTEMPTS:
                raise Unavailable(
                    f"its worker died {ATTEMPTS} times over it; look at the machine's memory and log"
                )
            with work.alive():
                self._do(work, store, taken)
        except _Lost:
            _log.info("task %s is no longer this worker's", taken.task.id)
        except _Ending:
            work.finish(status="QUEUED")
        except Stopped as stopped:
            problems = _lines(store, stopped.report.problems)
            result = _told(stopped.report)
            work.finish(
                status="FAILED",
                error=str(stopped),
                error_code=stopped.code,
                problems=problems,
                result=result,
            )
        except AnnotaryError as error:
            problems = _lines(store, error.problems if isinstance(error, Refused) else ())
            problems = problems or _failure(store, error)
            work.finish(status="FAILED", error=str(error), error_code=error.code, problems=problems)
        except Exception as error:
            _log.exception("task %s failed", taken.task.id)
            reason = Unavailable(
                f"unexpected {type(error).__name__}: {error}; this is a bug, please report it"
            )
            work.finish(status="FAILED", error=str(reason), problems=_failure(store, reason))

    def _do(self, work: _Work, store: Store, taken: Claimed) -> None:
        actor = msgspec.json.decode(taken.actor, type=Actor)
        engine = Engine(store, user=actor.user, role=actor.role, base_url=actor.base_url)
        operation = msgspec.json.decode(taken.request, type=Job).operation()
        engine.require(operation.needs, type(operation).__name__)
        if isinstance(operation, StartExport):
            sign = None
            if self._sign is not None and operation.format == "labelbox-v1":
                sign = self._sign(taken.org)
            _export(work, engine, operation, sign)
        else:
            _load(work, engine, operation)


class _Work:
    """A task while it is being done; its progress is stored now and then."""

    def __init__(
        self, store: Store, task: Task, worker: str, lease: int | None, ending: threading.Event
    ) -> None:
        self._store, self.task, self._worker, self._lease = store, task, worker, lease
        self._ending = ending
        self._over = threading.Event()
        self._lost = False
        self.rows, self.total = 0, task.total

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Prolongs the lease beside the work."""
        beating = threading.Thread(target=self._beat, name="annotary heartbeat", daemon=True)
        beating.start()
        try:
            yield
        finally:
            self._over.set()

    def _beat(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            share = 100 * self.rows / self.total if self.total else 0
            seen = replace(
                self.task,
                rows=self.rows,
                total=self.total,
                completion_percentage=round(min(share, 99.0), 1),
                updated_at=_now(),
            )
            try:
                self._lost = not self._store.tasks.write(seen, self._worker, self._lease)
            except AnnotaryError:
                # The database is busy; the lease is longer than several beats.
                continue
            if self._lost:
                return

    def moved(self, rows: int) -> None:
        """So many rows are done; raises where the work is to stop."""
        self.rows = rows
        if self._lost:
            raise _Lost
        if self._ending.is_set():
            raise _Ending

    def finish(self, **fields: Any) -> bool:
        """Store the end of the task; False where it is no longer ours."""
        self._over.set()
        ended = replace(self.task, rows=self.rows, total=self.total, updated_at=_now(), **fields)
        return self._store.tasks.write(ended, self._worker, 0)


def _export(work: _Work, engine: Engine, request: StartExport, sign: Callable[[bytes], bytes] | None) -> None:
    export = open_export(engine, request, counted=True)
    work.total = export.total
    files = engine.store.files
    with files.workplace() as folder:
        made = write_export(export, folder / "export", work.moved, sign)
        file = files.take(
            made.path,
            name=f"{request.format}{made.ending}",
            media_type=made.media_type,
            now=_now(),
            expires_at=_later(),
            chunks=made.chunks,
        )
    work.rows = export.done
    problems = _lines(engine.store, export.findings.problems)
    result = _counted(export)
    done = work.finish(
        status="COMPLETE", completion_percentage=100.0, file=file, problems=problems, result=result
    )
    if not done:
        files.delete(file.id)
        raise _Lost


def _counted(export: Export) -> dict[str, Any]:
    counted: dict[str, Any] = {
        "rows": export.done,
        "labels": export.labels,
        "annotations": export.annotations,
        "cursor": export.cursor,
        "lines": export.lines,
        "problem_count": export.findings.problem_count,
        "notices": export.findings.notices,
    }
    built: dict[str, Any] = msgspec.to_builtins(counted)
    return built


def _load(work: _Work, engine: Engine, request: StartImport) -> None:
    store = engine.store
    kept = outcomes.Outcomes() if request.outcomes else None
    try:
        with ExitStack() as stack:
            ids = (request.source, *request.more)
            sources = [stack.enter_context(_source(engine, id, request.neighbours)) for id in ids]
            # What came of each line is told of one file.
            source = sources[0]
            form = request.format or (recognised(source) if len(sources) == 1 else None)

            def record(report: Report) -> str:
                """The end of the task, in the import's transaction: what it stores and that are one."""
                files = {} if kept is None or form is None else outcomes.keep(engine, kept, source, form)
                done = work.finish(
                    status="COMPLETE",
                    completion_percentage=100.0,
                    problems=_lines(store, report.problems),
                    result={**_told(report), **files},
                )
                if not done:
                    raise _Lost
                return work.task.id

            report = import_sources(
                engine,
                sources,
                format=form,
                project=request.project,
                dataset=request.dataset,
                model=request.model,
                run=request.run,
                on_problem=request.on_problem,
                dry_run=request.dry_run,
                submits=request.submits,
                outcomes=kept,
                progress=work.moved,
                record=record,
            )
            if not report.stored:
                record(report)
    finally:
        if kept is not None:
            kept.close()


@contextmanager
def _source(engine: Engine, id: str, sent: Mapping[str, str]) -> Iterator[StoredSource]:
    files = engine.store.files
    file = files.get(id)
    with files.local(file) as path:
        yield StoredSource(path, file.name, files, engine.base_url, sent)


def _told(report: Report) -> dict[str, Any]:
    """The report of an import without its problems, which are a file."""
    built: dict[str, Any] = msgspec.to_builtins(replace(report, problems=()))
    return built


def _failure(store: Store, error: AnnotaryError) -> StoredFile | None:
    return _lines(store, [Problem(place="", value="", reason=str(error))])


def _lines(store: Store, problems: Sequence[Problem]) -> StoredFile | None:
    """Problems as a file of lines in one chunk; None where there are none."""
    if not problems:
        return None
    name = "problems.ndjson"
    data = b"".join(to_json(problem).encode() + b"\n" for problem in problems)
    with store.files.workplace() as folder:
        path = folder / name
        path.write_bytes(data)
        return store.files.take(
            path,
            name=name,
            media_type=LINES,
            now=_now(),
            expires_at=_later(),
            chunks=[(len(data), len(problems))],
        )


def _now() -> str:
    return moment.stamp(datetime.now(UTC))


def _later() -> str:
    return moment.stamp(datetime.now(UTC) + timedelta(seconds=RESULT_SECONDS))


@contextmanager
def _alone(folder: Path | None, ending: threading.Event) -> Iterator[bool]:
    """Waits until no other process works on a store in a folder; PostgreSQL needs none of that."""
    if folder is None:
        yield True
        return
    import fcntl

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with folder.with_name(LOCK_NAME).open("a") as lock:
        while not ending.is_set():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                ending.wait(0.25)
            else:
                yield True
                return
        yield False
