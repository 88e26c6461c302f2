"""A project's present rows as bitmaps: those that show a thing, are in a status, come from a batch.

They are made once in a process, and then brought up to date by the rows that have changed since. A filter
is then an intersection, and a count the size of one, whatever the number of rows.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from pyroaring import BitMap

from annotary.store.filters import FOREVER, At, Condition
from annotary.store.signatures import Thing

CONDITIONS = 16
"""So many other filters' rows are kept with a state."""
_LEAST = 1000
_PART = 10
"""Up to a thousand changed rows, or one of ten rows, are looked up; where more have changed all are read."""
_ASKED = 2000
"""So many keys or signatures are asked for by one statement."""
_ALONE = 10_000
_TOGETHER = 100_000
"""Rows that show the same are a bitmap of their own from so many on; of fewer, so many are sorted at once."""

Numbers = np.ndarray[Any, np.dtype[Any]]
Cursor = Any


class Rows(NamedTuple):
    """The present rows at a sequence number; `found` holds those that other conditions have left."""

    sequence: int
    all: BitMap
    drawn: BitMap
    things: dict[Thing, BitMap]
    statuses: dict[str, BitMap]
    batches: dict[str, BitMap]
    found: dict[Condition, BitMap]

    def keep(self, condition: Condition, rows: BitMap) -> None:
        """Remember what a condition leaves, as long as this state is the present one."""
        if len(self.found) < CONDITIONS:
            self.found[condition] = rows


def present(cursor: Cursor, at: At, known: Rows | None, *, is_sqlite: bool) -> Rows:
    """The present rows as a snapshot's cursor sees them, whose text comes as bytes."""
    cursor.execute(f"SELECT c.sequence FROM collections c WHERE c.n = {at.collection}")
    ((sequence,),) = cursor.fetchall()
    if known is not None and known.sequence == sequence:
        return known
    made = _Making(cursor, at)
    if known is None or not made.bring_up(known):
        made.read_all(is_sqlite=is_sqlite)
    return Rows(sequence, made.all, made.drawn, dict(made.things), made.statuses, made.batches, {})


class _Making:
    """Bitmaps while they are being made."""

    def __init__(self, cursor: Cursor, at: At) -> None:
        self.cursor = cursor
        self.at = at
        self.all = BitMap()
        self.drawn = BitMap()
        self.things: dict[Thing, BitMap] = {}
        self.statuses: dict[str, BitMap] = {}
        self.batches: dict[str, BitMap] = {}

    def read_all(self, *, is_sqlite: bool) -> None:
        """All rows, from indexes that hold all that is asked."""
        of_rows, of_labels = (joined(f"{table}.data_row", is_sqlite=is_sqlite) for table in "rl")
        self.cursor.execute(
            f"SELECT r.status, r.batch, {of_rows} FROM rows r"
            f" WHERE {self.at.now('r')} AND r.deleted = 0 GROUP BY r.status, r.batch"
        )
        for status, batch, text in self._fetched(1):
            self._place(status, batch, bitmap(text))
        # Their meaning is asked for first: the cursor is busy while labels are read.
        self.cursor.execute(
            f"SELECT l.signature, count(*), {of_labels} FROM labels l"
            f" WHERE {self.at.now('l')} AND l.signature <> 0 GROUP BY l.signature"
        )
        waiting: list[tuple[int, int, bytes]] = []
        large: list[tuple[int, BitMap]] = []
        small: list[tuple[Numbers, Numbers]] = []
        for signature, many, text in self._fetched(_ASKED):
            if many >= _ALONE:
                large.append((signature, bitmap(text)))
                continue
            waiting.append((signature, many, text))
            if sum(one[1] for one in waiting) >= _TOGETHER:
                small.append(_pairs(waiting))
                waiting.clear()
        if waiting:
            small.append(_pairs(waiting))
        for signature, rows in large:
            for thing in self._meaning([signature])[signature]:
                _add(self.things, thing, rows)
            if signature & 1:
                self.drawn |= rows
        for numbers, signatures in small:
            self._show(numbers, signatures)

    def bring_up(self, known: Rows) -> bool:
        """An earlier state with what has changed since; False where that is too much.

        Each change of a label leaves a new version of its row, and a removed row one that says so.
        """
        most = max(_LEAST, len(known.all) // _PART)
        self.cursor.execute(
            "SELECT r.data_row, r.deleted, r.status, r.batch FROM rows r"
            f" WHERE {self.at.now('r')} AND r.since > {known.sequence} LIMIT {most + 1}"
        )
        changed = self.cursor.fetchall()
        if len(changed) > most:
            return False
        gone = BitMap(row for row, *_ in changed)
        self.all, self.drawn = known.all - gone, known.drawn - gone
        self.things = _without(known.things, gone)
        self.statuses, self.batches = _without(known.statuses, gone), _without(known.batches, gone)
        alike: defaultdict[tuple[bytes, bytes], list[int]] = defaultdict(list)
        for row, deleted, status, batch in changed:
            if not deleted:
                alike[status, batch].append(row)
        for (status, batch), rows in alike.items():
            self._place(status, batch, BitMap(rows))
        for some in _some(sorted(gone)):
            # The plus keeps SQLite from walking through the index of all present labels for a few rows.
            self.cursor.execute(
                f"SELECT l.data_row, l.signature FROM labels l WHERE l.collection = {self.at.collection}"
                f" AND l.data_row IN ({some}) AND +l.until = {FOREVER} AND +l.signature <> 0"
            )
            if found := self.cursor.fetchall():
                pairs = np.array(found, dtype=np.int64)
                self._show(pairs[:, 0], pairs[:, 1])
        return True

    def _fetched(self, size: int) -> Iterator[tuple[Any, ...]]:
        while some := self.cursor.fetchmany(size):
            yield from some

    def _place(self, status: bytes, batch: bytes, rows: BitMap) -> None:
        self.all |= rows
        _add(self.statuses, status.decode(), rows)
        _add(self.batches, batch.decode(), rows)

    def _show(self, numbers: Numbers, signatures: Numbers) -> None:
        """Add rows by the signatures of their labels, sorted by the things that these stand for."""
        self.drawn |= _bitmap(numbers[signatures & 1 == 1])
        met, which = np.unique(signatures, return_inverse=True)
        meaning = self._meaning(met.tolist())
        codes: dict[Thing, int] = {}
        flat = [codes.setdefault(thing, len(codes)) for one in met.tolist() for thing in meaning[one]]
        each = np.array([len(meaning[one]) for one in met.tolist()], dtype=np.int64)
        starts, many = (np.cumsum(each) - each)[which], each[which]
        places = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many) + np.repeat(starts, many)
        shown, rows = np.array(flat, dtype=np.int64)[places], np.repeat(numbers, many)
        order = np.argsort(shown, kind="stable")
        edges = np.searchsorted(shown[order], np.arange(len(codes) + 1))
        for thing, code in codes.items():
            _add(self.things, thing, _bitmap(rows[order[edges[code] : edges[code + 1]]]))

    def _meaning(self, signatures: Sequence[int]) -> defaultdict[int, list[Thing]]:
        found: defaultdict[int, list[Thing]] = defaultdict(list)
        for some in _some(signatures):
            self.cursor.execute(
                f"SELECT s.signature, s.kind, s.name FROM shown s WHERE s.signature IN ({some})"
            )
            for signature, kind, name in self.cursor.fetchall():
                found[signature].append((kind.decode(), name.decode()))
        return found


def union(bitmaps: Iterable[BitMap]) -> BitMap:
    """The rows that are in any of these."""
    some = list(bitmaps)
    return BitMap.union(*some) if some else BitMap()


def _add(to: dict[Any, BitMap], key: Any, rows: BitMap) -> None:
    # Never in place: an earlier state may hold the same bitmap.
    if rows:
        to[key] = to[key] | rows if key in to else rows


def _without(bitmaps: Mapping[Any, BitMap], gone: BitMap) -> dict[Any, BitMap]:
    left = ((key, one if one.isdisjoint(gone) else one - gone) for key, one in bitmaps.items())
    return {key: one for key, one in left if one}


def joined(column: str, *, is_sqlite: bool) -> str:
    """All numbers of a column as one text: for a million of them faster by far than row by row."""
    return f"group_concat({column})" if is_sqlite else f"string_agg({column}::text, ',')"


def bitmap(text: bytes | str) -> BitMap:
    """The numbers of such a text."""
    return _bitmap(_numbers(text))


def _numbers(text: bytes | str) -> Numbers:
    return np.fromstring(text, dtype=np.int64, sep=",")


def _pairs(groups: Collection[tuple[int, int, bytes]]) -> tuple[Numbers, Numbers]:
    signatures = np.array([one[0] for one in groups], dtype=np.int64)
    return (
        _numbers(b",".join(one[2] for one in groups)),
        np.repeat(signatures, [one[1] for one in groups]),
    )


def _bitmap(numbers: Numbers) -> BitMap:
    # From an array of this kind bitmaps are made at once, from any other number by number.
    held = array("I")
    held.frombytes(numbers.astype(np.uint32).tobytes())
    return BitMap(held)


def _some(keys: Sequence[int]) -> Iterator[str]:
    for start in range(0, len(keys), _ASKED):
        yield ",".join(map(str, keys[start : start + _ASKED]))
