"""What a worker does with a task: its progress, its export or import, its end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from annotary.engine import image_places, outcomes
from annotary.engine.core import Engine
from annotary.engine.exporting import Export, open_export
from annotary.engine.loading import Report, import_sources, told_of
from annotary.engine.processes import processors
from annotary.engine.recognising import is_archive, parts_of, recognised
from annotary.engine.sources import ZipSource
from annotary.engine.stored_sources import StoredSource
from annotary.engine.webhooks import emit
from annotary.engine.written import LINES, write_export
from annotary.errors import AnnotaryError, Outdated
from annotary.formats import Source, file_name
from annotary.model import moment
from annotary.model.base import to_json
from annotary.model.corpus import Problem
from annotary.model.export import DatasetScope, ProjectScope, RunScope, Scope
from annotary.model.project import Dataset, ModelRun, Project
from annotary.model.task import StoredFile, Task
from annotary.operations.exports import StartExport
from annotary.operations.imports import StartImport
from annotary.store import Store
from annotary.store.running import Progress

BEAT_SECONDS = 2.0
FINISH_TRIES = 30
RESULT_SECONDS = 7 * 24 * 3600
_log = logging.getLogger(__name__)


class Lost(BaseException):
    """The task is no longer this worker's: it was called off, or taken over. Nothing catches it by chance."""


class Ending(BaseException):
    """The worker was told to end; the task goes back into the queue."""


class Work:
    """A task while it is being done; its progress is stored now and then."""

    def __init__(
        self, store: Store, task: Task, worker: str, lease: int | None, ending: threading.Event
    ) -> None:
        self._store, self.task, self._worker, self._lease = store, task, worker, lease
        self._ending = ending
        self._over = threading.Event()
        self._lost = False
        self.rows, self.total, self.bytes = 0, task.total, 0
        self.projects: tuple[str, ...] = ()

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Prolongs the lease beside the work."""
        beating = threading.Thread(target=self._beat, name="annotary heartbeat", daemon=True)
        beating.start()
        try:
            yield
        finally:
            self._over.set()
            self._store.running.forget(self.task.id)

    def _beat(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            share = 100 * self.rows / self.total if self.total else 0
            far = Progress(self.rows, self.total, self.bytes, round(min(share, 99.0), 1), now())
            if self._store.running.is_here:
                with suppress(OSError):
                    self._store.running.tell(self.task.id, far)
                continue
            seen = replace(
                self.task,
                rows=far.rows,
                total=far.total,
                bytes=far.bytes,
                completion_percentage=far.percentage,
                updated_at=far.updated_at,
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
        if self._lost or self._store.running.is_called_off(self.task.id):
            raise Lost
        if self._ending.is_set():
            raise Ending

    def finish(self, *, failed: bool = False, **fields: Any) -> bool:
        """Store the end of the task; False where it is no longer ours. `failed`: the attempt is counted."""
        self._over.set()
        ended = replace(
            self.task, rows=self.rows, total=self.total, bytes=self.bytes, updated_at=now(), **fields
        )
        with self._store.transaction():
            done = self._store.tasks.write(ended, self._worker, 0, failed=failed)
            if done and ended.status != "QUEUED":
                what = "EXPORT" if ended.type == "export-data-rows" else "IMPORT"
                topic: Any = f"{what}_{ended.status}"
                emit(Engine(self._store), topic, *self.projects, task_id=ended.id, error=ended.error)
        return done

    def end(self, **fields: Any) -> None:
        """The same, again and again while the database is busy: a task must not stay without its end.

        Where that does not come about its lease runs out, and another worker takes it.
        """
        for _ in range(FINISH_TRIES):
            try:
                self.finish(**fields)
                return
            except Outdated:
                return
            except AnnotaryError as error:
                _log.warning("the end of task %s could not be stored: %s", self.task.id, error)
                time.sleep(BEAT_SECONDS)
                if self._ending.is_set():
                    return


def run_export(
    work: Work, engine: Engine, request: StartExport, sign: Callable[[bytes], bytes] | None
) -> None:
    """Write an export to a file, which its task then has."""
    if request.workers is not None:
        # Whoever asks decides within what the machine has.
        request = replace(request, workers=max(1, min(request.workers, processors())))
    export = open_export(engine, request, counted=True)
    work.total = export.total
    files = engine.store.files

    def moved(rows: int) -> None:
        work.bytes = export.written
        work.moved(rows)

    with files.workplace() as folder:
        made = write_export(export, folder / "export", moved, sign)
        file = files.take(
            made.path,
            name=file_name(_title(engine, request.query.scope), request.format, made.ending),
            media_type=made.media_type,
            now=now(),
            expires_at=later(),
            chunks=made.chunks,
        )
    work.rows = export.done
    problems = problem_file(engine.store, export.findings.problems)
    result = _counted(export)
    done = work.finish(
        status="COMPLETE", completion_percentage=100.0, file=file, problems=problems, result=result
    )
    if not done:
        files.delete(file.id)
        raise Lost


def _title(engine: Engine, scope: Scope) -> str:
    """What an export is of, in words."""
    match scope:
        case ProjectScope(id=id):
            return engine.store.get(Project, id).name
        case RunScope(id=id):
            return engine.store.get(ModelRun, id).name
        case DatasetScope(id=id):
            return engine.store.get(Dataset, id).name
    return "data rows"


def _counted(export: Export) -> dict[str, Any]:
    counted: dict[str, Any] = {
        **export.counts(),
        "cursor": export.cursor,
        "lines": export.lines,
        "problem_count": export.findings.problem_count,
        "notices": export.findings.notices,
        "losses": export.findings.ledger.document(),
        "about": export.about,
    }
    built: dict[str, Any] = msgspec.to_builtins(counted)
    return built


def run_import(work: Work, engine: Engine, request: StartImport) -> None:
    """Import files; that it is done is stored with what it stores."""
    store = engine.store
    kept = outcomes.Outcomes() if request.outcomes else None
    try:
        with ExitStack() as stack:
            ids = (request.source, *request.more)
            sent = {id: stack.enter_context(_sources(engine, id, request)) for id in ids}
            sources = [source for found in sent.values() for source in found]
            # What came of each line is told of one file.
            source = sources[0]
            form = request.format or (recognised(source) if len(sources) == 1 else None)

            def record(report: Report) -> str:
                """The end of the task, in the import's transaction: what it stores and that are one."""
                work.projects = report.projects
                for id, found in sent.items():
                    if report.stored and image_places.illustrated(found):
                        image_places.keep(engine, store.files.get(id))
                files = {} if kept is None or form is None else outcomes.keep(engine, kept, source, form)
                done = work.finish(
                    status="COMPLETE",
                    completion_percentage=100.0,
                    problems=problem_file(store, report.problems),
                    result={**told_of(report), **files},
                )
                if not done:
                    raise Lost
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
                merges=request.merges,
                outcomes=kept,
                unnamed=request.unnamed,
                progress=work.moved,
                record=record,
            )
            if not report.stored:
                record(report)
    finally:
        if kept is not None:
            kept.close()


@contextmanager
def _sources(engine: Engine, id: str, request: StartImport) -> Iterator[list[Source]]:
    """A file that was sent, or what an archive of several holds."""
    files = engine.store.files
    file = files.get(id)
    with files.local(file) as path:
        if is_archive(path):
            yield parts_of(ZipSource(path, name=file.name), request.format)
        else:
            yield [StoredSource(path, file.name, files, engine.base_url, request.neighbours)]


def failure_file(store: Store, error: AnnotaryError) -> StoredFile | None:
    """The reason of a failure as a file of one line."""
    return problem_file(store, [Problem(place="", value="", reason=str(error))])


def problem_file(store: Store, problems: Sequence[Problem]) -> StoredFile | None:
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
            now=now(),
            expires_at=later(),
            chunks=[(len(data), len(problems))],
        )


def now() -> str:
    """The present instant as the store writes it."""
    return moment.stamp(datetime.now(UTC))


def later() -> str:
    """Until when what is made now is kept."""
    return moment.stamp(datetime.now(UTC) + timedelta(seconds=RESULT_SECONDS))
