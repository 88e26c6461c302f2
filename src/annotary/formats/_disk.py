"""What would outgrow memory, in temporary files that go by themselves: groups, names, bytes for later."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, groupby
from operator import itemgetter
from typing import IO, Any

import numpy as np

_CACHE = -8192
"""SQLite keeps so many KiB of it in memory (a negative number)."""
_RECENT = 50_000
"""So many keys of a set are kept in memory: some megabytes."""
_BITS = 26
"""A set that is larger marks each key in two of so many places, of a bit each: 8 MiB. Of a million keys that
are new, all but one in a thousand are known to be so without looking on disk; of ten million, 14 in 15."""
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


class Joined:
    """Bytes by key, and in which order the keys are wanted: both may come in any order, and outgrow memory.

    The bytes lie in a file, one after the other; a database has where, and for which key.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=_HELD)  # noqa: SIM115 -- goes with this object
        # What is read lies anywhere: a buffer would be filled in vain.
        self._raw: IO[bytes] = self._file.raw  # type: ignore[attr-defined] # it is buffered
        self._size = 0
        self._database = _database()
        for table in ("wanted", "held"):
            self._database.execute(f"CREATE TABLE {table} (n INTEGER PRIMARY KEY, key, place INT, size INT)")

    def want(self, keys: Iterable[int | str | None], data: Sequence[Any]) -> None:
        """Keys in the order in which they are wanted, each with bytes of its own; None has no others."""
        self._add("wanted", keys, data)

    def add(self, keys: Iterable[int | str], data: Sequence[Any]) -> None:
        """More bytes, each with its key."""
        self._add("held", keys, data)

    def _add(self, table: str, keys: Iterable[int | str | None], data: Sequence[Any]) -> None:
        sizes = [len(one) for one in data]
        places = accumulate(sizes, initial=self._size)
        insert = f"INSERT INTO {table} (key, place, size) VALUES (?, ?, ?)"
        self._database.executemany(insert, zip(keys, places, sizes, strict=False))
        self._file.write(b"".join(data))
        self._size += sum(sizes)

    def all(self) -> Iterator[tuple[int, bytes, list[bytes]]]:
        """Of each key that is wanted its number, its own bytes, and all bytes of the key as they came."""
        self._settle()
        found = self._database.execute(
            "SELECT wanted.n, wanted.place, wanted.size, held.place, held.size"
            " FROM wanted LEFT JOIN held ON held.key = wanted.key ORDER BY wanted.n, held.n"
        )
        read = self._read
        for (n, place, size), some in groupby(found, key=_OWN):
            held = [read(place, size) for *_, place, size in some if size is not None]
            yield n - 1, read(place, size), held

    def others(self) -> Iterator[tuple[int | str, Iterator[bytes]]]:
        """The keys that nobody wants, in order of their first bytes, with their bytes."""
        self._settle()
        found = self._database.execute(
            "SELECT firsts.key, held.place, held.size FROM"
            " (SELECT key, min(n) AS first FROM held WHERE NOT EXISTS"
            " (SELECT 1 FROM wanted WHERE wanted.key = held.key) GROUP BY key) AS firsts"
            " JOIN held ON held.key = firsts.key ORDER BY firsts.first, held.n"
        )
        for key, some in groupby(found, key=_KEY):
            yield key, (self._read(place, size) for _, place, size in some)

    def _read(self, place: int, size: int) -> bytes:
        # Read, not mapped: what is mapped looks as if it were memory that is used.
        self._raw.seek(place)
        return self._raw.read(size)

    def _settle(self) -> None:
        """Everything is added before anything is read."""
        self._database.execute("CREATE INDEX IF NOT EXISTS held_key ON held (key, n, place, size)")
        self._database.execute("CREATE INDEX IF NOT EXISTS wanted_key ON wanted (key)")
        self._file.flush()

    def close(self) -> None:
        """Let go of the files."""
        self._database.close()
        self._file.close()

    def __del__(self) -> None:
        self.close()


_KEY, _OWN = itemgetter(0), itemgetter(0, 1, 2)


class Seen:
    """A set of texts or numbers that may be larger than memory: the newest there, the others on disk.

    Numbers lie in a file, sorted some at a time; texts in a database.
    """

    def __init__(self) -> None:
        self._numbers: set[int] = set()
        self._others: set[int | str] = set()
        self._marked: Any = None
        self._database: sqlite3.Connection | None = None
        self._file: IO[bytes] | None = None
        self._runs: list[Any] = []

    def add(self, key: int | str) -> bool:
        """Add it; whether it was not there yet."""
        recent: set[Any] = self._numbers if isinstance(key, int) and -_INT <= key < _INT else self._others
        if key in recent:
            return False
        if self._marked is not None:
            number = key if isinstance(key, int) else hash(key)
            one, other = number & _PLACES, number >> _BITS & _PLACES
            marked = self._marked
            if (
                marked[one >> 3] & 1 << (one & 7)
                and marked[other >> 3] & 1 << (other & 7)
                and self._on_disk(key)
            ):
                return False
        recent.add(key)
        self._settle()
        return True

    def add_all(self, numbers: Any) -> None:
        """Add numbers (an array of int64) of which none is there."""
        self._numbers.update(numbers.tolist())
        self._settle()

    def are_new(self, numbers: Any) -> bool:
        """Whether none of some numbers (an array of int64) is there."""
        if not self._numbers.isdisjoint(numbers.tolist()):
            return False
        if self._marked is not None and len(perhaps := numbers[self._are_marked(numbers)]):
            return not any(_among(run, perhaps) for run in self._runs)
        return True

    def add_texts(self, texts: list[str]) -> bool:
        """Add texts if all are different and surely new; whether that is so."""
        some = set(texts)
        if len(some) != len(texts) or not self._others.isdisjoint(some):
            return False
        if self._marked is not None:
            hashes = np.fromiter(map(hash, texts), np.int64, len(texts))
            if self._are_marked(hashes).any():
                return False
        self._others.update(some)
        self._settle()
        return True

    def _are_marked(self, numbers: Any) -> Any:
        """Which numbers have both their marks."""
        one, other = numbers & _PLACES, numbers >> _BITS & _PLACES
        marked = self._marked
        return (marked[one >> 3] >> (one & 7) & marked[other >> 3] >> (other & 7) & 1).astype(np.bool_)

    def _on_disk(self, key: int | str) -> bool:
        if isinstance(key, int) and -_INT <= key < _INT:
            return any(_among(run, np.array([key])) for run in self._runs)
        query = "SELECT 1 FROM seen WHERE key = ?"
        return self._database is not None and bool(self._database.execute(query, (str(key),)).fetchone())

    def _settle(self) -> None:
        """Keep no more in memory than that."""
        if len(self._numbers) + len(self._others) < _RECENT:
            return
        if self._marked is None:
            self._marked = np.zeros(1 << _BITS - 3, np.uint8)
        if self._numbers:
            run = np.fromiter(self._numbers, np.int64, len(self._numbers))
            run.sort()
            self._mark(run)
            self._keep(run)
            self._numbers.clear()
        if self._others:
            hashes = [key if isinstance(key, int) else hash(key) for key in self._others]
            self._mark(np.array([(one & _PLACES) | (one >> _BITS & _PLACES) << _BITS for one in hashes]))
            if self._database is None:
                self._database = _database()
                self._database.execute("CREATE TABLE seen (key PRIMARY KEY) WITHOUT ROWID")
            # In the order of the tree they go in many times faster.
            texts = sorted(map(str, self._others))
            self._database.executemany("INSERT INTO seen VALUES (?)", zip(texts, strict=True))
            self._others.clear()

    def _mark(self, numbers: Any) -> None:
        for places in (numbers & _PLACES, numbers >> _BITS & _PLACES):
            at, bits = places >> 3, (1 << (places & 7)).astype(np.uint8)
            while len(at):
                self._marked[at] |= bits
                # Of several bits of one byte the last one is there: a few times that, and faster than `at`.
                missing = self._marked[at] & bits == 0
                at, bits = at[missing], bits[missing]

    def _keep(self, run: Any) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 -- goes with this object
        start = self._file.seek(0, 2)
        self._file.write(run.tobytes())
        self._file.flush()
        self._runs.append(np.memmap(self._file, np.int64, "r", start, run.shape))

    def __del__(self) -> None:
        if self._database is not None:
            self._database.close()
        if self._file is not None:
            self._runs.clear()
            self._file.close()


def _among(run: Any, numbers: Any) -> bool:
    """Whether any of the numbers is in a sorted array."""
    at = np.searchsorted(run, numbers)
    return bool((run[np.minimum(at, len(run) - 1)] == numbers).any())


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
