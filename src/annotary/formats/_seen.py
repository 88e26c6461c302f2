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
        self._recent: set[int | str] = set()
        self._marked: Any = None
        self._database: sqlite3.Connection | None = None
        self._file: IO[bytes] | None = None
        self._runs: list[Any] = []

    def add(self, key: int | str) -> bool:
        """Add it; whether it was not there yet."""
        recent = self._recent
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
        if len(recent) >= _RECENT:
            self._spill()
        return True

    def add_all(self, numbers: Any) -> bool:
        """Add different numbers (an array of int64) if none of them was there; whether that is so."""
        if not self.are_new(numbers):
            return False
        self._recent.update(numbers.tolist())
        if len(self._recent) >= _RECENT:
            self._spill()
        return True

    def are_new(self, numbers: Any) -> bool:
        """Whether none of some numbers (an array of int64) is there."""
        if not self._recent.isdisjoint(numbers.tolist()):
            return False
        if self._marked is not None:
            one, other = numbers & _PLACES, numbers >> _BITS & _PLACES
            marked = self._marked
            there = marked[one >> 3] >> (one & 7) & marked[other >> 3] >> (other & 7) & 1
            if there.any():
                perhaps = numbers[there.astype(np.bool_)]
                return not any(_among(run, perhaps) for run in self._runs)
        return True

    def _on_disk(self, key: int | str) -> bool:
        if isinstance(key, int) and -_INT <= key < _INT:
            return any(_among(run, np.array([key])) for run in self._runs)
        query = "SELECT 1 FROM seen WHERE key = ?"
        return self._database is not None and bool(self._database.execute(query, (str(key),)).fetchone())

    def _spill(self) -> None:
        if self._marked is None:
            self._marked = np.zeros(1 << _BITS - 3, np.uint8)
        numbers = [key for key in self._recent if isinstance(key, int) and -_INT <= key < _INT]
        if numbers:
            run = np.array(numbers, np.int64)
            run.sort()
            self._mark(run)
            self._keep(run)
        if len(numbers) < len(self._recent):
            # In the order of the tree they go in many times faster.
            others = [key for key in self._recent if not (isinstance(key, int) and -_INT <= key < _INT)]
            hashes = [key if isinstance(key, int) else hash(key) for key in others]
            self._mark(np.array([(one & _PLACES) | (one >> _BITS & _PLACES) << _BITS for one in hashes]))
            if self._database is None:
                self._database = new_database()
                self._database.execute("CREATE TABLE seen (key PRIMARY KEY) WITHOUT ROWID")
            texts = sorted(map(str, others))
            self._database.executemany("INSERT INTO seen VALUES (?)", zip(texts, strict=True))
        self._recent.clear()

    def _mark(self, numbers: Any) -> None:
        for places in (numbers & _PLACES, numbers >> _BITS & _PLACES):
            np.bitwise_or.at(self._marked, places >> 3, (1 << (places & 7)).astype(np.uint8))

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
