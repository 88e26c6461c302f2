"""A database by its URL, with transactions: everything but what is read as bytes goes through SQLAlchemy."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from threading import Thread
from typing import Any, cast

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from annotary.errors import AnnotaryError
from annotary.store import drivers, engines
from annotary.store.drivers import Cursor
from annotary.store.kept_bitmaps import Bitmaps
from annotary.store.reader import Reader
from annotary.store.reasons import crowded, lost, translated

_LARGE_LOG = 32 << 20
"""SQLite's log is brought back and started anew when it is larger; in bytes."""
_TURN_SECONDS = 1
"""So long is waited for all that read and write to be between two transactions, which they are often."""


class Database(Reader):
    """An open database; `connection()` reads, `transaction()` writes, `raw()` streams bytes."""

    def __init__(self, url: str | Path) -> None:
        super().__init__(url)
        self.engine = (engines.sqlite if self.is_sqlite else engines.postgres)(self.driver)
        self.bitmaps = Bitmaps()
        self._aside: Thread | None = None
        self.key_changes = 0
        """How often this process has changed an API key: who remembers keys looks them up anew."""

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction that writes: all or nothing. SQLite waits for other writers first."""
        large = False
        with self._translated(), self.engine.connect() as connection:
            with connection.execution_options(writes=True).begin():
                # Within the transaction, which keeps the schema as it is until its end.
                self._look(connection.connection.driver_connection, at_once=True)
                yield connection
                if large := self._has_large_log():
                    driver_cursor(connection).execute("PRAGMA wal_autocheckpoint = 0")
            if large:
                driver_cursor(connection).execute(f"PRAGMA wal_autocheckpoint = {drivers.CHECKPOINT_PAGES}")
        if large:
            self._checkpoint_aside()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """One snapshot to read from."""
        options: dict[str, Any] = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with (
            self._translated(),
            self.engine.connect() as connection,
            connection.execution_options(writes=False, **options).begin(),
        ):
            self._look(connection.connection.driver_connection)
            yield connection

    @contextmanager
    def _lent(self) -> Iterator[Any]:
        with self.engine.connect() as connection:
            if not self.is_sqlite:
                connection.execution_options(isolation_level="AUTOCOMMIT")
            yield connection.connection.driver_connection

    def checkpoint(self) -> None:
        """Bring SQLite's write-ahead log back into the database file; nothing for PostgreSQL.

        What is brought back stays in the log until nobody reads there and somebody writes, which never comes
        to be where programs read and write without a pause: so a log that is large is emptied between them.
        """
        if not self.is_sqlite:
            return
        with self._translated(), self.engine.connect() as connection:
            cursor = driver_cursor(connection)
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
            if self._has_large_log():
                # Nobody can write meanwhile: most of the work is done, and the wait is short.
                cursor.execute(f"PRAGMA busy_timeout = {_TURN_SECONDS * 1000}")
                try:
                    cursor.execute("PRAGMA wal_checkpoint(RESTART)")
                finally:
                    cursor.execute(f"PRAGMA busy_timeout = {drivers.BUSY_SECONDS * 1000}")

    def settle(self) -> None:
        """After a long reading, which held the log back: bring it into the file where it has become large."""
        if self._has_large_log():
            self._try_checkpoint()

    def _has_large_log(self) -> bool:
        try:
            return self.is_sqlite and os.stat(f"{self.place}-wal").st_size > _LARGE_LOG
        except OSError:
            return False

    def _checkpoint_aside(self) -> None:
        """Bring a large log back without letting its writer wait: what is in the log is safe already."""
        if self._aside is not None:
            self._aside.join()
        self._aside = Thread(target=self._try_checkpoint, name="annotary checkpoint")
        self._aside.start()

    def _try_checkpoint(self) -> None:
        # Where it fails, the next one does it: the log is read like the file until then.
        with suppress(AnnotaryError):
            self.checkpoint()

    def close(self) -> None:
        """Let go of all connections."""
        if self._aside is not None:
            self._aside.join()
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        with super()._translated():
            try:
                yield
            except PoolTimeoutError as error:
                raise crowded(self.place) from error
            except PendingRollbackError as error:
                raise lost(error, self.place) from error
            except DBAPIError as error:
                raise translated(error.orig or error, self.place) from error


def driver_cursor(connection: Connection) -> Cursor:
    """A cursor of the driver within a transaction, for the statements of every page of an import.

    SQLAlchemy takes longer to hand such a statement over than SQLite to carry it out for a row or two.
    """
    return cast("Cursor", connection.connection.cursor())


def insert_rows(
    connection: Connection, table: str, columns: Sequence[str], entries: Sequence[tuple[Any, ...]]
) -> None:
    """Insert rows in their order, many by one statement.

    SQLite carries out a statement without holding back other threads, but takes turns with them after each.
    """
    cursor = driver_cursor(connection)
    names = ", ".join(columns)
    if connection.dialect.name == "sqlite":
        for start in range(0, len(entries), _TOGETHER):
            some = entries[start : start + _TOGETHER]
            values = ", ".join([f"({', '.join('?' * len(columns))})"] * len(some))
            cursor.execute(f"INSERT INTO {table} ({names}) VALUES {values}", list(chain.from_iterable(some)))
    else:
        with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:  # type: ignore[attr-defined]
            for entry in entries:
                copy.write_row(entry)
        _look_over(connection, table, len(entries))


def _look_over(connection: Connection, table: str, count: int) -> None:
    """Let PostgreSQL look at a table each time that a connection has put twice as much into it.

    Of a table that is filled in one transaction it knows nothing, and would read all of it to find some rows
    again. Who is not the only one at it goes on without.
    """
    written, last = connection.info.get(table, (0, _SMALL))
    written += count
    if written >= 2 * last:
        driver_cursor(connection).execute(f"ANALYZE (SKIP_LOCKED) {table}")
        last = written
    connection.info[table] = written, last


_TOGETHER = 256
"""So many rows are inserted by one statement: SQLite takes 32,766 parameters."""
_SMALL = 2000
"""PostgreSQL finds its way in tables of twice as many rows whatever it supposes of them."""
