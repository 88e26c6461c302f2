"""Tasks in their table, which is the queue as well.

A worker takes a task for a time, its lease, and renews that while it works. What it then writes counts only
while the task is still its own: of a task that was taken from it, or called off, nothing is stored.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from msgspec.structs import replace
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from annotary.errors import NotFound
from annotary.model.base import to_json
from annotary.model.carried import typed
from annotary.model.task import Task
from annotary.store.running import Running
from annotary.store.schema import tasks

NOW = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
}
"""Milliseconds since 1970 by the database's own clock: workers on several machines share it."""
FOR_GOOD = 2**52
READ = 200
"""So many tasks are read at once where those of one type are looked for."""


class Home(Protocol):
    """The store that tasks are kept in."""

    org: str
    running: Running

    def transaction(self) -> AbstractContextManager[Connection]:
        """One write transaction."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection to read with."""


class Claimed(NamedTuple):
    """A task that a worker has taken: what to do (JSON), for whom (JSON), and how often it was begun."""

    task: Task
    org: str
    request: str
    actor: str
    attempts: int


class Tasks:
    """The tasks of an organisation; `claim` and `release` are about those of all."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def put(self, task: Task, *, request: str = "", actor: str = "") -> None:
        """Store a task, replacing the one with its id. One that is QUEUED has a request and an actor."""
        with self._home.transaction() as connection:
            dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
            new = dialect.insert(tasks).values(
                id=task.id,
                org=self._home.org,
                status=task.status,
                created_at=task.created_at,
                body=to_json(task),
                request=request,
                actor=actor,
            )
            changed = {"status": new.excluded.status, "body": new.excluded.body}
            connection.execute(
                new.on_conflict_do_update(
                    index_elements=["id"], set_=changed, where=tasks.c.org == self._home.org
                )
            )

    def get(self, id: str) -> Task:
        """One task; raises NotFound."""
        return self.request(id).task

    def request(self, id: str) -> Claimed:
        """One task with what was asked; raises NotFound."""
        query = select(tasks).where(tasks.c.id == id, tasks.c.org == self._home.org)
        with self._home.reading() as connection:
            found = connection.execute(query).first()
        if found is None:
            raise NotFound(f"no task {id!r}")
        task = self._home.running.told(typed(found.body, Task))
        return Claimed(task, found.org, found.request, found.actor, found.attempts)

    def latest(self, limit: int, *, type: str | None = None, after: str | None = None) -> list[Task]:
        """The latest tasks, newest first; of a type, and older than another; raises NotFound."""
        query = (
            select(tasks.c.body)
            .where(tasks.c.org == self._home.org)
            .order_by(tasks.c.created_at.desc(), tasks.c.id.desc())
        )
        if after is not None:
            last = self.get(after)
            query = query.where(tuple_(tasks.c.created_at, tasks.c.id) < (last.created_at, last.id))
        found: list[Task] = []
        by_and_by = {"yield_per": READ}
        with (
            self._home.reading() as connection,
            connection.execute(query, execution_options=by_and_by) as rows,
        ):
            for row in rows:
                task = self._home.running.told(typed(row.body, Task))
                if type is None or task.type == type:
                    found.append(task)
                if len(found) == limit:
                    break
        return found

    def delete(self, id: str) -> None:
        """Remove a task."""
        mine = (tasks.c.id == id) & (tasks.c.org == self._home.org)
        with self._home.transaction() as connection:
            connection.execute(delete(tasks).where(mine))

    # The queue

    def claim(
        self, worker: str, lease: int | None, now: str, *, passed: Collection[str] = ()
    ) -> Claimed | None:
        """Take the oldest task that waits or whose worker died, for `lease` milliseconds (None: for good).

        Those that are `passed` are left to other workers.
        """
        if not self._waiting(passed):
            return None
        with self._home.transaction() as connection:
            found = connection.execute(
                select(tasks)
                .where(_open(connection, passed))
                .order_by(tasks.c.created_at, tasks.c.id)
                .limit(1)
                .with_for_update(skip_locked=True)
            ).first()
            if found is None:
                return None
            begun = replace(typed(found.body, Task), status="IN_PROGRESS", updated_at=now)
            connection.execute(
                update(tasks)
                .where(tasks.c.id == found.id)
                .values(
                    status=begun.status,
                    body=to_json(begun),
                    worker=worker,
                    lease=FOR_GOOD if lease is None else _clock(connection) + lease,
                    attempts=found.attempts + 1,
                )
            )
        return Claimed(begun, found.org, found.request, found.actor, found.attempts + 1)

    def _waiting(self, passed: Collection[str]) -> bool:
        """Whether there is anything to do: looked up without keeping writers waiting."""
        with self._home.reading() as connection:
            query = select(tasks.c.id).where(_open(connection, passed)).limit(1)
            return connection.execute(query).first() is not None

    def release(self) -> None:
        """Let every task be taken from its worker: there is none but the one who says so."""
        self._home.running.clear()
        with self._home.transaction() as connection:
            connection.execute(update(tasks).where(tasks.c.status == "IN_PROGRESS").values(lease=0))

    def write(self, task: Task, worker: str, lease: int | None = None, *, failed: bool = False) -> bool:
        """Store how far a task is, or its end; False where it is no longer the worker's. Renews the lease.

        A task that goes back into the queue was not tried, unless that `failed`.
        """
        mine = (tasks.c.id == task.id) & (tasks.c.worker == worker) & (tasks.c.status == "IN_PROGRESS")
        with self._home.transaction() as connection:
            until = FOR_GOOD if lease is None else _clock(connection) + lease
            fields: dict[str, Any] = {"status": task.status, "body": to_json(task), "lease": until}
            if task.status == "QUEUED" and not failed:
                fields["attempts"] = tasks.c.attempts - 1
            done = connection.execute(update(tasks).where(mine).values(fields))
            return done.rowcount == 1

    def is_held(self, id: str, worker: str) -> bool:
        """Whether a task is still a worker's."""
        mine = (tasks.c.id == id) & (tasks.c.worker == worker) & (tasks.c.status == "IN_PROGRESS")
        with self._home.reading() as connection:
            return connection.execute(select(tasks.c.id).where(mine)).first() is not None

    def end(self, task: Task) -> bool:
        """Store a task's end where it has not ended yet."""
        alive = tasks.c.status.in_(("QUEUED", "IN_PROGRESS"))
        mine = (tasks.c.id == task.id) & (tasks.c.org == self._home.org)
        with self._home.transaction() as connection:
            done = connection.execute(
                update(tasks).where(mine, alive).values(status=task.status, body=to_json(task))
            )
            return done.rowcount == 1

    def counts(self) -> dict[str, int]:
        """How many tasks of all organisations wait and run."""
        alive = tasks.c.status.in_(("QUEUED", "IN_PROGRESS"))
        with self._home.reading() as connection:
            found = connection.execute(
                select(tasks.c.status, func.count()).where(alive).group_by(tasks.c.status)
            )
            return {status: int(number) for status, number in found}


def _clock(connection: Connection) -> ColumnElement[int]:
    return literal_column(NOW[connection.dialect.name])


def _open(connection: Connection, passed: Collection[str]) -> ColumnElement[bool]:
    left = and_(tasks.c.status == "IN_PROGRESS", tasks.c.lease < _clock(connection))
    found = or_(tasks.c.status == "QUEUED", left)
    return and_(found, tasks.c.id.not_in(passed)) if passed else found
