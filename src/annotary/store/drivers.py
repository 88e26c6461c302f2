"""The drivers of both databases: engines whose connections have the right settings, and cursors of bytes."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

BUSY_SECONDS = 60
_PAGE = 16384


def sqlite(path: Path) -> Engine:
    """The engine of a file."""
    engine = create_engine(
        "sqlite://", creator=lambda: _connect(path), poolclass=QueuePool, pool_size=4, max_overflow=16
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", True)
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA cache_size = {WRITE_CACHE if writes else READ_CACHE}")
        driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


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


def postgres(url: str) -> tuple[Engine, type[Exception]]:
    """The engine of a PostgreSQL database, and what its driver raises."""
    import psycopg

    _, _, rest = url.partition("://")
    asked = parse_qs(urlsplit(url).query)
    engine = create_engine(
        f"postgresql+psycopg://{rest}",
        paramstyle="format",
        pool_pre_ping=True,
        connect_args={name: value for name, value in _NOTICING.items() if name not in asked},
    )
    silence = _Silence()

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: object, arguments: Any, keywords: Any) -> Any:
        silence.check()
        begun = time.monotonic()
        try:
            return dialect.connect(*arguments, **keywords)
        except psycopg.OperationalError as error:
            if time.monotonic() - begun > _LONG:
                silence.begin(error)
            raise

    settings = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _SETTINGS.items())

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: object) -> None:
        connection.execute(f"SELECT {settings}")
        connection.commit()

    return engine, psycopg.Error


def binary_cursor(connection: Any) -> Any:
    """A cursor of PostgreSQL whose text comes as bytes."""
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
