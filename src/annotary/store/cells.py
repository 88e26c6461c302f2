"""A project's present rows counted by all that they are filtered by most: what they show, status, batch.

Worked out once for a state and kept: a change of one filter is then answered without the store.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

LIMIT = 4
"""So many collections' cells are kept, those asked for last."""
_AT_ONCE = 10_000
Cursor = Any


class Cell(NamedTuple):
    """Rows that are alike: the signatures of their labels, their status, their batch, their number."""

    signatures: frozenset[int]
    status: str
    batch: str
    rows: int


class Cells:
    """Cells by collection, each of one sequence number."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, tuple[int, list[Cell]]] = OrderedDict()

    def of(self, collection: int, sequence: int, make: Callable[[], list[Cell]]) -> list[Cell]:
        """The cells of a state; who asks while they are worked out waits."""
        with self._lock:
            known = self._kept.get(collection)
            if known is None or known[0] != sequence:
                known = self._kept[collection] = (sequence, make())
            self._kept.move_to_end(collection)
            while len(self._kept) > LIMIT:
                self._kept.popitem(last=False)
            return known[1]


def counted(cursor: Cursor, labels: str, rows: str) -> list[Cell]:
    """Cells from two conditions: on labels (`l`), and on rows (`r`), whose text comes as bytes."""
    cursor.execute(f"SELECT l.data_row, l.signature FROM labels l WHERE {labels}")
    pairs = np.fromiter(_flat(cursor), dtype=np.int64).reshape(-1, 2)
    # What shows nothing is as if it were not there; the same thing twice counts once.
    pairs = np.unique(pairs[pairs[:, 1] != 0], axis=0)
    signatures, codes = np.unique(pairs[:, 1], return_inverse=True)
    labelled, starts, counts = np.unique(pairs[:, 0], return_index=True, return_counts=True)
    # A number for each set of signatures: for one label its code, then those of several together.
    sets = [frozenset((int(one),)) for one in signatures]
    of_row = codes.reshape(-1)[starts]
    several: dict[frozenset[int], int] = {}
    for at in np.flatnonzero(counts > 1):
        together = frozenset(int(one) for one in pairs[starts[at] : starts[at] + counts[at], 1])
        if together not in several:
            several[together] = len(sets)
            sets.append(together)
        of_row[at] = several[together]
    found: list[Cell] = []
    cursor.execute(f"SELECT r.status, r.batch, r.data_row FROM rows r WHERE {rows}")
    held: dict[tuple[bytes, bytes], list[np.ndarray[Any, Any]]] = {}
    while some := cursor.fetchmany(_AT_ONCE):
        alike: dict[tuple[bytes, bytes], list[int]] = {}
        for status, batch, row in some:
            alike.setdefault((status, batch), []).append(row)
        for key, numbers in alike.items():
            held.setdefault(key, []).append(np.array(numbers, dtype=np.int64))
    for (status, batch), parts in held.items():
        numbers_of = np.concatenate(parts)
        places = np.searchsorted(labelled, numbers_of)
        there = places < len(labelled)
        there[there] = labelled[places[there]] == numbers_of[there]
        words = status.decode(), batch.decode()
        which, rows_of = np.unique(of_row[places[there]], return_counts=True)
        found += [Cell(sets[one], *words, int(n)) for one, n in zip(which, rows_of, strict=True)]
        if bare := int((~there).sum()):
            found.append(Cell(frozenset(), *words, bare))
    return found


def _flat(cursor: Cursor) -> Iterator[int]:
    while some := cursor.fetchmany(_AT_ONCE):
        for row, signature in some:
            yield row
            yield signature
