"""Fresh keys of tables, taken some at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Connection, text

from annotary.store.database import driver_cursor


class Numbers:
    """Fresh keys for rows of a table, in increasing order; within one transaction that alone adds to it."""

    def __init__(
        self, transaction: Callable[[], AbstractContextManager[Connection]], table: str, *, is_sqlite: bool
    ) -> None:
        self._transaction = transaction
        self._table = table
        self._is_sqlite = is_sqlite
        self._next = 0

    def take(self, count: int) -> Sequence[int]:
        """The next keys."""
        with self._transaction() as connection:
            if not self._is_sqlite:
                found = connection.execute(
                    text(f"SELECT nextval('{self._table}_n_seq') FROM generate_series(1, :count)"),
                    {"count": count},
                )
                return sorted(int(row[0]) for row in found)
            if not self._next:
                cursor = driver_cursor(connection)
                cursor.execute(f"SELECT coalesce(max(n), 0) + 1 FROM {self._table}")
                ((self._next,),) = cursor.fetchall()
        first = self._next
        self._next += count
        return range(first, self._next)
