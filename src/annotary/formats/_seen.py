"""What has been met already, of which there may be more than memory holds."""

from __future__ import annotations

import sqlite3
import tempfile
from typing import IO, Any

import numpy as np

from annotary.formats._disk import new_database

_RECENT = 50_000
"""So many keys of a set are kept in memory: some megabytes."""
_BITS = 26
"""A set that is larger marks each key in two of so many places, of a bit each: 8 MiB. Of a million keys that
are new, all but one in a thousand are known to be so without looking on disk; of ten million, 14 in 15."""
_INT = 1 << 63
_PLACES = (1 << _BITS) - 1


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
                self._database = new_database()
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
