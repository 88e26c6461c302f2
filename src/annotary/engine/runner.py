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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from annotary.engine.core import Engine
from annotary.engine.delivering import deliver_next
from annotary.engine.jobs import (
    Ending,
    Lost,
    Work,
    failure_file,
    now,
    problem_file,
    run_export,
    run_import,
)
from annotary.engine.loading import Stopped, named, told_of
from annotary.engine.summaries import Stopped as Counting
from annotary.engine.summaries import count_ahead
from annotary.engine.tasks import Actor
from annotary.errors import AnnotaryError, Outdated, Refused, Unavailable, Unreachable
from annotary.model.base import new_id
from annotary.model.export import ProjectScope
from annotary.model.project import Project
from annotary.operations.exports import StartExport
from annotary.operations.tasks import Job
from annotary.store import Store
from annotary.store.leftovers import collect, forget_uploads, sweep
from annotary.store.tasks import Claimed

LEASE_SECONDS = 20.0
IDLE_SECONDS = 0.5
COUNT_SECONDS = 2.0
Duty = Callable[[Store, str, Callable[[], bool]], object]
"""Given a store, what time it is, and what tells whether to stop."""
EVERY: dict[Duty, float] = {
    lambda store, at, stopped: sweep(store, at): 600.0,
    lambda store, at, stopped: forget_uploads(store, at): 24 * 3600.0,
    lambda store, at, stopped: collect(store, stopped): 24 * 3600.0,
}
"""What is tidied up, at the start and after so many seconds again."""
ATTEMPTS = 5
MOST_PASSED = 1000
"""So many tasks of newer programs are remembered; met once more, one is remembered again."""
LOCK_NAME = "worker.lock"

Sign = Callable[[str], Callable[[bytes], bytes]]
"""Given an organisation, what signs the links to masks in a piece of an export."""
_log = logging.getLogger(__name__)


class Runner:
    """A worker with some threads. `sign` signs links to masks in v1 exports, where there is a server."""

    def __init__(self, store: Store, *, tasks: int, sign: Sign | None = None) -> None:
        self._store = store
        self._tasks = tasks
        self._sign = sign
        self._ending = threading.Event()
        self._waking = threading.Condition()
        self._name = f"{socket.gethostname()} {os.getpid()} {new_id()}"
        # What newer programs have asked for is theirs to do.
        self._passed: set[str] = set()
        self._outdated: Outdated | None = None
        self._lease = int(LEASE_SECONDS * 1000) if store.home is None else None

    def wake(self) -> None:
        """There may be something to do."""
        with self._waking:
            self._waking.notify_all()

    def end(self) -> None:
        """Put what is being done back into the queue, and return from `run`."""
        self._ending.set()
        self.wake()

    def run(self) -> None:
        """Work until told to end; raises Outdated where the store is brought to a schema that is too new."""
        with _alone(self._store.home, self._ending) as held:
            if not held:
                return
            if self._lease is None:
                self._store.tasks.release()
            loops = [self._work] * self._tasks + [self._tell, self._count]
            threads = [threading.Thread(target=loop, daemon=True) for loop in loops]
            for thread in threads:
                thread.start()
            due = dict.fromkeys(EVERY, 0.0)
            while not self._ending.wait(1.0):
                for duty, at in due.items():
                    if time.monotonic() >= at:
                        self._tidy(duty)
                        due[duty] = time.monotonic() + EVERY[duty]
            for thread in threads:
                thread.join()
        if self._outdated is not None:
            raise self._outdated

    def _work(self) -> None:
        trouble = _Trouble("no task could be done")
        while not self._ending.is_set():
            with self._surviving(trouble):
                passed = tuple(self._passed)
                taken = self._store.tasks.claim(self._name, self._lease, now(), passed=passed)
                if taken is not None:
                    self._carry_out(taken)
                    continue
            self._pause()

    def _tell(self) -> None:
        """Send events to webhooks as they come."""
        trouble = _Trouble("no event could be sent")
        while not self._ending.is_set():
            with self._surviving(trouble):
                if deliver_next(self._store):
                    continue
            self._pause()

    def _count(self) -> None:
        """Count large projects ahead of who asks."""
        trouble = _Trouble("no project could be counted")
        while not self._ending.wait(COUNT_SECONDS):
            with self._surviving(trouble), suppress(Counting):
                count_ahead(self._store, self._ending.is_set)

    @contextmanager
    def _surviving(self, trouble: _Trouble) -> Iterator[None]:
        """Whatever goes wrong is told, and the worker goes on; a store that is too new ends it."""
        try:
            yield
        except Outdated as error:
            self._outdated = error
            self.end()
        except Exception as error:
            trouble.met(error)
        else:
            trouble.over()

    def _pause(self) -> None:
        with self._waking:
            if not self._ending.is_set():
                self._waking.wait(IDLE_SECONDS)

    def _tidy(self, duty: Duty) -> None:
        """Remove files that need not be kept any longer."""
        try:
            duty(self._store, now(), self._ending.is_set)
        except (AnnotaryError, OSError) as error:
            _log.warning("files that are over could not be removed: %s", error)

    # One task

    def _carry_out(self, taken: Claimed) -> None:
        store = self._store.seen_as(taken.org)
        work = Work(store, taken.task, self._name, self._lease, self._ending)
        try:
            if taken.attempts > ATTEMPTS:
                raise Unavailable(
                    f"its worker died {ATTEMPTS} times over it, or lost its database; look at the machine's"
                    " memory and log"
                )
            with work.alive():
                self._do(work, store, taken)
        except Lost:
            # Whoever called it off may have died before the task's end was stored.
            work.end(status="CANCELED", error="called off")
        except (Ending, Outdated):
            work.end(status="QUEUED")
        except Unreachable as error:
            # What is not whole was rolled back. Whether it was, the database knows: what is ended stays so.
            _log.warning("task %s lost the database, and is done again: %s", taken.task.id, error)
            work.end(failed=True, status="QUEUED")
        except _Beyond:
            _log.warning("task %s is left to a newer worker: this one does not know it", taken.task.id)
            if len(self._passed) >= MOST_PASSED:
                self._passed.clear()
            self._passed.add(taken.task.id)
            work.end(status="QUEUED")
        except Stopped as stopped:
            problems = problem_file(store, stopped.report.problems)
            result = told_of(stopped.report)
            work.end(
                status="FAILED",
                error=str(stopped),
                error_code=stopped.code,
                problems=problems,
                result=result,
            )
        except AnnotaryError as error:
            problems = problem_file(store, error.problems if isinstance(error, Refused) else ())
            problems = problems or failure_file(store, error)
            work.end(status="FAILED", error=str(error), error_code=error.code, problems=problems)
        except Exception as error:
            _log.exception("task %s failed", taken.task.id)
            reason = Unavailable(
                f"unexpected {type(error).__name__}: {error}; this is a bug, please report it"
            )
            work.end(status="FAILED", error=str(reason), problems=failure_file(store, reason))

    def _do(self, work: Work, store: Store, taken: Claimed) -> None:
        actor = msgspec.json.decode(taken.actor, type=Actor)
        engine = Engine(store, user=actor.user, role=actor.role, base_url=actor.base_url)
        try:
            operation = msgspec.json.decode(taken.request, type=Job).operation()
        except msgspec.ValidationError as error:
            raise _Beyond from error
        engine.require(operation.needs, type(operation).__name__)
        if isinstance(operation, StartExport):
            scope = operation.query.scope
            work.projects = (scope.id,) if isinstance(scope, ProjectScope) else ()
            sign = None
            if self._sign is not None and operation.format == "labelbox-v1":
                sign = self._sign(taken.org)
            run_export(work, engine, operation, sign)
        else:
            found = None if operation.project is None else named(engine, Project, operation.project)
            work.projects = () if found is None else (found.id,)
            run_import(work, engine, operation)


class _Beyond(Exception):
    """What is to be done was said by a newer program, in words that this one does not know."""


class _Trouble:
    """What keeps a loop from its work: told when it comes, when it changes, and when it is over."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._said = ""

    def met(self, error: Exception) -> None:
        """It is there."""
        said = str(error)
        if said == self._said:
            return
        self._said = said
        expected = isinstance(error, AnnotaryError)
        _log.warning("%s: %s", self._what, said, exc_info=None if expected else error)

    def over(self) -> None:
        """It is not."""
        if self._said:
            _log.warning("%s for a while; it is over", self._what)
        self._said = ""


@contextmanager
def _alone(home: Path | None, ending: threading.Event) -> Iterator[bool]:
    """Waits until no other process works on a store in a folder; PostgreSQL needs none of that."""
    if home is None:
        yield True
        return
    import fcntl

    with (home / LOCK_NAME).open("a") as lock:
        while not ending.is_set():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                ending.wait(0.25)
            else:
                yield True
                return
        yield False
