"""What would outgrow memory, in temporary files that go by themselves: groups, names, bytes for later."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

import msgspec

_CACHE = -8192
"""SQLite keeps so many KiB of it in memory (a negative number)."""
_RECENT = 50_000
"""So many keys of a set are kept in memory: some megabytes."""
_BITS = 26
"""A set that is larger marks its keys in so many places, of a bit each: 8 MiB. Of ten million keys that are
new, six in seven are known to be so without asking the database, which costs as much as a line of a file."""
_INT = 1 << 63
_HELD = 1 << 18
"""So many bytes are written to a file, or read from it, at once."""
_PLACES = (1 << _BITS) - 1


def _database() -> sqlite3.Connection:
    # An empty name is SQLite's own temporary file: deleted when it is closed, whatever happens.
    database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size={_CACHE}", "temp_store=FILE"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("BEGIN")
    return database


class Groups:
    """Bytes by key, in the order they came: an index for files whose rows are in any order."""

    def __init__(self) -> None:
        self._database = _database()
        self._database.execute("CREATE TABLE held (n INTEGER PRIMARY KEY, key, data BLOB)")
        self._indexed = False

    def add(self, some: Iterable[tuple[int | str, bytes]]) -> None:
        """More bytes, each with its key. Everything is added before anything is looked up."""
        self._database.executemany("INSERT INTO held (key, data) VALUES (?, ?)", some)

    def of(self, key: int | str) -> list[bytes]:
        """All bytes of a key."""
        if not self._indexed:
            self._database.execute("CREATE INDEX held_key ON held (key, n)")
            self._indexed = True
        query = "SELECT data FROM held WHERE key = ? ORDER BY n"
        return [data for (data,) in self._database.execute(query, (key,))]

    def each(self) -> Iterator[int | str]:
        """Every key once, in order of its first bytes."""
        query = "SELECT key FROM held GROUP BY key ORDER BY min(n)"
        return (key for (key,) in self._database.execute(query))

    def all(self) -> Iterator[bytes]:
        """All bytes in the order they came."""
        return (data for (data,) in self._database.execute("SELECT data FROM held ORDER BY n"))

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def __del__(self) -> None:
        self._database.close()


class Seen:
    """A set of texts or numbers that may be larger than memory: the newest there, the others on disk."""

    def __init__(self) -> None:
        self._recent: set[int | str] = set()
        self._marked = bytearray()
        self._database: sqlite3.Connection | None = None

    def add(self, key: int | str) -> bool:
        """Add it; whether it was not there yet."""
        recent = self._recent
        if key in recent:
            return False
        if self._marked:
            place = hash(key) & _PLACES
            if self._marked[place >> 3] & 1 << (place & 7) and self._on_disk(key):
                return False
        recent.add(key)
        if len(recent) >= _RECENT:
            self._spill()
        return True

    def _on_disk(self, key: int | str) -> bool:
        assert self._database is not None
        query = "SELECT 1 FROM seen WHERE key = ?"
        return self._database.execute(query, (key,)).fetchone() is not None

    def _spill(self) -> None:
        if self._database is None:
            self._database = _database()
            self._database.execute("CREATE TABLE seen (key PRIMARY KEY) WITHOUT ROWID")
            self._marked = bytearray(1 << _BITS - 3)
        marked = self._marked
        for key in self._recent:
            place = hash(key) & _PLACES
            marked[place >> 3] |= 1 << (place & 7)
        # In the order of the tree they go in many times faster.
        keys = _in_order(self._recent)
        if isinstance(keys[0], int) and isinstance(keys[-1], int) and -_INT < keys[0] <= keys[-1] < _INT:
            # Numbers alone, in half the time.
            query = "INSERT INTO seen SELECT value FROM json_each(?)"
            self._database.execute(query, (msgspec.json.encode(keys).decode(),))
        else:
            self._database.executemany("INSERT INTO seen VALUES (?)", zip(keys, strict=True))
        self._recent.clear()

    def __del__(self) -> None:
        if self._database is not None:
            self._database.close()


def _in_order(keys: set[int | str]) -> list[int | str]:
    """Keys as SQLite orders them: numbers before texts."""
    try:
        # A fifth of the time, where they are all of one kind, as they are in most sets.
        return sorted(keys)
    except TypeError:
        return sorted(keys, key=lambda key: (isinstance(key, str), key))


class Later:
    """Bytes that are written after others: those of an array that comes second."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._held: list[bytes] = []
        self._size = 0
        self.empty = True

    def add(self, data: bytes) -> None:
        """More of them."""
        self.empty = False
        self._held.append(data)
        self._size += len(data)
        if self._size > _HELD:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 -- goes with this object
            self._file.write(self._joined())

    def _joined(self) -> bytes:
        data = b"".join(self._held)
        self._held.clear()
        self._size = 0
        return data

    def chunks(self) -> Iterator[bytes]:
        """All of them, in pieces; then the file is gone."""
        if self._file is not None:
            self._file.seek(0)
            while chunk := self._file.read(_HELD):
                yield chunk
            self._file.close()
        if self._held:
            yield self._joined()

    def __del__(self) -> None:
        # What was not wanted in the end.
        if self._file is not None:
            self._file.close()
