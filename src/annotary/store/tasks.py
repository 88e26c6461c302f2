"""Tasks in their table, which is the queue as well."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from annotary.errors import NotFound
from annotary.model.base import to_json
from annotary.model.carried import typed
from annotary.model.task import Task
from annotary.store.schema import tasks


class Home(Protocol):
    """The store that tasks are kept in."""

    org: str

    def transaction(self) -> AbstractContextManager[Connection]:
        """One write transaction."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection to read with."""


class Tasks:
    """The tasks of an organisation."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def put(self, task: Task) -> None:
        """Store a task, replacing the one with its id."""
        with self._home.transaction() as connection:
            dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
            new = dialect.insert(tasks).values(
                id=task.id,
                org=self._home.org,
                status=task.status,
                created_at=task.created_at,
                body=to_json(task),
            )
            changed = {"status": new.excluded.status, "body": new.excluded.body}
            connection.execute(
                new.on_conflict_do_update(
                    index_elements=["id"], set_=changed, where=tasks.c.org == self._home.org
                )
            )

    def get(self, id: str) -> Task:
        """One task; raises NotFound."""
        query = select(tasks.c.body).where(tasks.c.id == id, tasks.c.org == self._home.org)
        with self._home.reading() as connection:
            found = connection.execute(query).first()
        if found is None:
            raise NotFound(f"no task {id!r}")
        return typed(found.body, Task)

    def latest(self, limit: int) -> list[Task]:
        """The latest tasks, newest first."""
        query = (
            select(tasks.c.body)
            .where(tasks.c.org == self._home.org)
            .order_by(tasks.c.created_at.desc(), tasks.c.id.desc())
            .limit(limit)
        )
        with self._home.reading() as connection:
            return [typed(row.body, Task) for row in connection.execute(query)]
