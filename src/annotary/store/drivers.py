"""The drivers of both databases: connections with the right settings, and cursors of bytes."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from annotary.errors import Missing

BUSY_SECONDS = 60
_PAGE = 16384


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


class Driver(Protocol):
    """What reaches one database; `errors` is what it raises."""

    errors: type[Exception]

    def connect(self, *, autocommit: bool = False) -> Any:
        """A connection with our settings; with `autocommit` each statement is a transaction of its own."""

    def cursor(self, connection: Any, *, snapshot: bool) -> AbstractContextManager[Cursor]:
        """A cursor of such a connection whose text comes as bytes; with `snapshot` it sees one state."""

    def beside(self, cursor: Any) -> AbstractContextManager[Cursor]:
        """Another one of the same connection."""


def driver(url: str | Path) -> Driver:
    """The driver of a file, or of a PostgreSQL database; raises Missing."""
    if isinstance(url, Path):
        return _Sqlite(url)
    try:
        return _Postgres(url)
    except ModuleNotFoundError as error:
        raise Missing("PostgreSQL needs psycopg; install 'annotary[postgres]'") from error


# SQLite

# Pages kept by SQLite itself, in KiB. A reader walks through the store and comes back to little; what is
# beyond the two GiB that SQLite maps would fill a larger cache for nothing. A writer comes back often.
READ_CACHE, WRITE_CACHE = -4096, -65536
CHECKPOINT_PAGES = 1000
_PRAGMAS = (
    f"page_size = {_PAGE}",
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "mmap_size = 17179869184",
    f"cache_size = {READ_CACHE}",
    f"journal_size_limit = {32 << 20}",
)


class _Sqlite:
    """Reaches a file. A transaction is begun by who wants one, whatever the connection."""

    errors: type[Exception] = sqlite3.Error

    def __init__(self, path: Path) -> None:
        self._path = path

    def connect(self, *, autocommit: bool = False) -> sqlite3.Connection:
        path = self._path
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

    @contextmanager
    def cursor(self, connection: Any, *, snapshot: bool) -> Iterator[Cursor]:
        connection.text_factory = bytes
        try:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA cache_size = {READ_CACHE}")
            if snapshot:
                cursor.execute("BEGIN")
            yield cursor
        finally:
            if connection.in_transaction:
                connection.rollback()
            connection.text_factory = str

    def beside(self, cursor: Any) -> AbstractContextManager[Cursor]:
        return closing(cursor.connection.cursor())


def _writable(path: Path) -> bool:
    return os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))


def _logged(path: Path) -> bool:
    return path.with_name(f"{path.name}-wal").exists()


# PostgreSQL

_NOTICING = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 5,
    "tcp_user_timeout": 15_000,
}
"""A host that is cut off says nothing: by this it is noticed in seconds, not after the hours of TCP itself.

What a URL says, as `?connect_timeout=30`, comes first.
"""
_SETTINGS = {
    # Of a table that was just filled PostgreSQL supposes too much, and compiles for longer than it reads.
    "jit": "off",
    # Of one that was empty when a statement was prepared it would read all, however large it became.
    "plan_cache_mode": "force_custom_plan",
    # The server has to notice, too, that we are cut off: what we hold locked is free before our lease ends.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "5",
    "tcp_user_timeout": "15000",
}
"""What each connection says to PostgreSQL first."""
_SET = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _SETTINGS.items())


_LONG, _SILENT = 1.0, 2.0
"""Who waited so long for a connection in vain waited for a host that is silent: so long nobody else tries."""


class _Silence:
    """A host that was silent a moment ago: each request would wait for it anew, and others behind it."""

    def __init__(self) -> None:
        self._until = 0.0
        self._error: Exception | None = None

    def begin(self, error: Exception) -> None:
        """It did not answer."""
        self._until, self._error = time.monotonic() + _SILENT, error

    def check(self) -> None:
        """Raises what came of the last attempt, if that was a moment ago."""
        if self._error is not None and time.monotonic() < self._until:
            raise type(self._error)(str(self._error))


class _Postgres:
    """Reaches a PostgreSQL database."""

    def __init__(self, url: str) -> None:
        import psycopg

        self.errors: type[Exception] = psycopg.Error
        self._connect = psycopg.connect
        self._url = url
        asked = parse_qs(urlsplit(url).query)
        self._noticing: dict[str, Any] = {
            name: value for name, value in _NOTICING.items() if name not in asked
        }
        self._silence = _Silence()

    def connect(self, *, autocommit: bool = False) -> Any:
        self._silence.check()
        begun = time.monotonic()
        try:
            connection = self._connect(self._url, autocommit=autocommit, **self._noticing)
        except self.errors as error:
            if time.monotonic() - begun > _LONG:
                self._silence.begin(error)
            raise
        try:
            connection.execute(f"SELECT {_SET}")
            connection.commit()
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def cursor(self, connection: Any, *, snapshot: bool) -> Iterator[Cursor]:
        with _binary_cursor(connection) as cursor:
            if snapshot:
                cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            try:
                yield cursor
            finally:
                if snapshot and not connection.closed:
                    connection.rollback()

    def beside(self, cursor: Any) -> AbstractContextManager[Cursor]:
        return _binary_cursor(cursor.connection)


def _binary_cursor(connection: Any) -> AbstractContextManager[Cursor]:
    """A cursor whose text comes as bytes."""
    from psycopg.adapt import Loader
    from psycopg.pq import Format

    class BytesLoader(Loader):
        """Text as the bytes the server sent."""

        format = Format.BINARY

        def load(self, data: Any) -> bytes:
            return bytes(data)

    cursor = connection.cursor(binary=True)
    cursor.adapters.register_loader("text", BytesLoader)
    return cursor  # type: ignore[no-any-return]
