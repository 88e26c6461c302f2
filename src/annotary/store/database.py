"""A database by its URL: connections with the right settings, transactions, and errors in our words."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import chain
from pathlib import Path
from threading import Thread
from typing import Any, Protocol, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from annotary.errors import AnnotaryError, Conflict, Missing, Unavailable
from annotary.store.bitmaps import Bitmaps

BUSY_SECONDS = 60
_PAGE = 16384
_LARGE_LOG = 32 << 20
"""SQLite's log is brought back and started anew when it is larger; in bytes."""
_TURN_SECONDS = 1
"""So long is waited for all that read and write to be between two transactions, which they are often."""


class Cursor(Protocol):
    """What both drivers' cursors have in common."""

    rowcount: int

    def execute(self, sql: str, parameters: Any = ..., /) -> Any:
        """Run one statement."""

    def executemany(self, sql: str, parameters: Any, /) -> Any:
        """Run one statement for many rows of parameters."""

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows of its result."""

    def fetchmany(self, size: int, /) -> list[tuple[Any, ...]]:
        """The next rows of its result."""


class Database:
    """An open database; `connection()` reads, `transaction()` writes, `raw()` streams bytes."""

    def __init__(self, url: str | Path) -> None:
        self.place = str(url)
        self.is_sqlite = isinstance(url, Path)
        self.errors: type[Exception] = sqlite3.Error
        self.bitmaps = Bitmaps()
        self._aside: Thread | None = None
        self.key_changes = 0
        """How often this process has changed an API key: who remembers keys looks them up anew."""
        try:
            if isinstance(url, Path):
                self.engine = _sqlite(url)
            else:
                self.engine, self.errors = _postgres(url)
        except ModuleNotFoundError as error:
            raise Missing("PostgreSQL needs psycopg; install 'annotary[postgres]'") from error

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction that writes: all or nothing. SQLite waits for other writers first."""
        large = False
        with self._translated(), self.engine.connect() as connection:
            with connection.execution_options(writes=True).begin():
                yield connection
                if large := self._has_large_log():
                    driver_cursor(connection).execute("PRAGMA wal_autocheckpoint = 0")
            if large:
                driver_cursor(connection).execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
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
            yield connection

    @contextmanager
    def raw(self, *, snapshot: bool = False) -> Iterator[Cursor]:
        """A driver cursor whose text comes as bytes: the fast way out of the store.

        Each statement sees the store as it is then, so that a long export holds nothing back; with
        `snapshot` all of them see the same state.
        """
        with self._translated(), self.engine.connect() as connection:
            if self.is_sqlite:
                driver: Any = connection.connection.driver_connection
                driver.text_factory = bytes
                try:
                    cursor = driver.cursor()
                    cursor.execute(f"PRAGMA cache_size = {_READ_CACHE}")
                    if snapshot:
                        cursor.execute("BEGIN")
                    yield cursor
                finally:
                    if driver.in_transaction:
                        driver.rollback()
                    driver.text_factory = str
            else:
                connection.execution_options(isolation_level="REPEATABLE READ" if snapshot else "AUTOCOMMIT")
                driver = connection.connection.driver_connection
                with _binary_cursor(driver) as cursor:
                    yield cursor

    @contextmanager
    def beside(self, cursor: Any) -> Iterator[Cursor]:
        """Another raw cursor of the same connection, for two statements that are read in step."""
        if self.is_sqlite:
            with closing(cursor.connection.cursor()) as other:
                yield other
        else:
            with _binary_cursor(cursor.connection) as other:
                yield other

    def sql(self, text: str) -> str:
        """A statement with `?` for parameters, in the driver's own style."""
        return text if self.is_sqlite else text.replace("?", "%s")

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
                    cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")

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
        try:
            yield
        except (DBAPIError, self.errors) as error:
            raise translated(error, self.place) from error


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


def translated(error: Exception, place: str) -> Exception:
    """A driver's error as one of ours."""
    said = getattr(error, "orig", None) or error
    text = str(said).strip().partition("\n")[0]
    violated = any(kind.__name__ == "IntegrityError" for kind in type(said).__mro__)
    if violated and "UNIQUE" in text.upper():
        return Conflict(f"it is there already: {text}")
    return _unavailable(text, place)


def is_held(error: Exception) -> bool:
    """Whether it is of a lock that another transaction held for too long, in PostgreSQL."""
    said = error.__cause__
    return getattr(getattr(said, "orig", said), "sqlstate", None) == "55P03"


def _unavailable(text: str, place: str) -> Unavailable:
    low = text.lower()
    for sign, reason in (
        ("locked", f"locked by another program for over {BUSY_SECONDS} s; try again when it has ended"),
        ("readonly", "read-only; give yourself write permission or use another place"),
        ("read-only", "read-only; give yourself write permission or use another place"),
        ("unable to open", "not to be opened; check that the folder exists and is yours to write"),
        ("full", "out of disk space; nothing was stored, free some and try again"),
        ("disk i/o", "failing to read or write; check the disk"),
        ("malformed", "damaged; restore it from a copy"),
        ("not a database", "not an annotary store; give another folder"),
        ("no space", "out of disk space; nothing was stored, free some and try again"),
    ):
        if sign in low:
            return Unavailable(f"the store {_safe(place)} is {reason}")
    return Unavailable(f"the store {_safe(place)} cannot be used: {text}")


def _safe(place: str) -> str:
    """A database's place without its password."""
    before, at, after = place.rpartition("@")
    if not at or "://" not in before:
        return place
    scheme, _, user = before.partition("://")
    return f"{scheme}://{user.partition(':')[0]}@{after}"


def _sqlite(path: Path) -> Engine:
    engine = create_engine(
        "sqlite://", creator=lambda: _connect(path), poolclass=QueuePool, pool_size=4, max_overflow=16
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", True)
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA cache_size = {_WRITE_CACHE if writes else _READ_CACHE}")
        driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


# Pages kept by SQLite itself, in KiB. A reader walks through the store and comes back to little; what is
# beyond the two GiB that SQLite maps would fill a larger cache for nothing. A writer comes back often.
_READ_CACHE, _WRITE_CACHE = -4096, -65536
_CHECKPOINT_PAGES = 1000
_PRAGMAS = (
    f"page_size = {_PAGE}",
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "mmap_size = 17179869184",
    f"cache_size = {_READ_CACHE}",
    f"journal_size_limit = {32 << 20}",
)


def _connect(path: Path) -> sqlite3.Connection:
    place: str | Path = path
    if not _writable(path):
        # SQLite's log needs files beside the database; where none can be made, nobody here writes either.
        place = f"{path.absolute().as_uri()}?mode=ro" + ("" if _logged(path) else "&immutable=1")
    connection = sqlite3.connect(
        place, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS, uri=place is not path
    )
    try:
        # First of all, so that the other settings wait for a lock too.
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        for pragma in _PRAGMAS if place is path else _PRAGMAS[3:5]:
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _writable(path: Path) -> bool:
    return os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))


def _logged(path: Path) -> bool:
    return path.with_name(f"{path.name}-wal").exists()


def _postgres(url: str) -> tuple[Engine, type[Exception]]:
    import psycopg

    _, _, rest = url.partition("://")
    engine = create_engine(
        f"postgresql+psycopg://{rest}",
        paramstyle="format",
        pool_pre_ping=True,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: object) -> None:
        # Of a table that was just filled PostgreSQL supposes too much, and compiles for longer than it reads.
        connection.execute("SET jit = off")
        # Of one that was empty when a statement was prepared it would read all, however large it became.
        connection.execute("SET plan_cache_mode = force_custom_plan")
        connection.commit()

    return engine, psycopg.Error


def _binary_cursor(connection: Any) -> Any:
    cursor = connection.cursor(binary=True)
    cursor.adapters.register_loader("text", _bytes_loader())
    return cursor


def _bytes_loader() -> Any:
    from psycopg.adapt import Loader
    from psycopg.pq import Format

    class BytesLoader(Loader):
        """Text as the bytes the server sent."""

        format = Format.BINARY

        def load(self, data: Any) -> bytes:
            return bytes(data)

    return BytesLoader
