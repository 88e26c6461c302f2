"""Looking at the present state of a project or run: which rows a filter leaves, and what these show.

All of it is worked out on bitmaps of rows; what these do not know (ids, times) is asked of its own index.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import UNSET
from pyroaring import BitMap

from annotary.model.export import OF_PROJECTS, ExportFilters
from annotary.store.bitmaps import Cursor, Rows, bitmap, joined, present, union
from annotary.store.filters import At, filters_of
from annotary.store.signatures import ANSWERS, Thing

if TYPE_CHECKING:
    from annotary.store.database import Database

_TIMES = ("last_activity_at", "label_created_at")


class Shown(NamedTuple):
    """How many rows show each class (with the kinds it is drawn as), each kind, and nothing drawn."""

    classes: dict[str, tuple[int, list[str]]]
    kinds: dict[str, int]
    undrawn: int


class Looking:
    """One look at a collection, on one snapshot."""

    def __init__(self, database: Database, cursor: Cursor, at: At, rows: Rows) -> None:
        self.database = database
        self.cursor = cursor
        self.at = at
        self.rows = rows

    def passing(self, filters: ExportFilters) -> BitMap:
        """The rows that a filter leaves."""
        rows = self.rows
        left = rows.all
        if isinstance(filters.workflow_status, str):
            left = left & rows.statuses.get(filters.workflow_status, BitMap())
        if isinstance(filters.batch_ids, tuple):
            left = left & union(rows.batches[one] for one in set(filters.batch_ids) & rows.batches.keys())
        if isinstance(filters.class_names, tuple):
            names = set(filters.class_names)
            left = left & union(
                some for thing, some in rows.things.items() if _is_class(thing) and thing[1] in names
            )
        if isinstance(filters.kinds, tuple):
            kinds = set(filters.kinds)
            left = left & union(some for thing, some in rows.things.items() if thing[0] in kinds)
        if filters.no_objects is True:
            left = left - rows.drawn
        for name in filters.__struct_fields__:
            if name not in OF_PROJECTS and (value := getattr(filters, name)) is not UNSET:
                left = left & self._found(name, value)
        return left

    def _found(self, name: str, value: Any) -> BitMap:
        """The rows that an index knows of a filter; wide times take long, so their rows are kept."""
        (one,) = filters_of(self.at, ExportFilters(**{name: value}), arrays=not self.database.is_sqlite)
        assert one.probe is not None
        if (known := self.rows.found.get(one.probe)) is not None:
            return known
        numbers = joined("found.data_row", is_sqlite=self.database.is_sqlite)
        query = f"SELECT {numbers} FROM ({one.probe.sql}) AS found"
        self.cursor.execute(self.database.sql(query), one.probe.parameters)
        ((text,),) = self.cursor.fetchall()
        found = BitMap() if text is None else bitmap(text)
        if name in _TIMES:
            self.rows.keep(one.probe, found)
        return found

    def shown(self, rows: BitMap) -> Shown:
        """What the labels of some rows show."""
        classes: dict[str, list[tuple[str, BitMap]]] = {}
        kinds: dict[str, list[BitMap]] = {}
        for thing, some in sorted(self.rows.things.items(), key=lambda one: one[0]):
            kind, name = thing
            if rows.isdisjoint(some):
                continue
            kinds.setdefault(kind, []).append(some)
            if _is_class(thing):
                classes.setdefault(name, []).append((kind, some))
        return Shown(
            classes={
                name: (_among(rows, [one for _, one in parts]), [kind for kind, _ in parts])
                for name, parts in classes.items()
            },
            kinds={kind: _among(rows, parts) for kind, parts in kinds.items()},
            undrawn=len(rows) - rows.intersection_cardinality(self.rows.drawn),
        )

    def statuses(self, rows: BitMap) -> dict[str, int]:
        """Some rows by their workflow status; '' where they have none."""
        return _counted(rows, self.rows.statuses)

    def batches(self, rows: BitMap) -> dict[str, int]:
        """Some rows by the id of their batch, likewise."""
        return _counted(rows, self.rows.batches)


@contextmanager
def look(database: Database, at: At) -> Iterator[Looking]:
    """A look at the present state of a collection."""
    with ExitStack() as stack:
        with database.bitmaps.of(at.collection) as held:
            cursor = stack.enter_context(database.raw(snapshot=True))
            held.rows = rows = present(cursor, at, held.rows, is_sqlite=database.is_sqlite)
        yield Looking(database, cursor, at, rows)


def walked(
    database: Database, at: At, *, after: int | None = None, before: int | None = None, limit: int
) -> list[int]:
    """The next present rows after one, or the last before one, in order: nothing is counted for it."""
    edge, order = "", "ASC"
    if before is not None:
        edge, order = f" AND r.data_row < {before}", "DESC"
    elif after is not None:
        edge = f" AND r.data_row > {after}"
    with database.raw() as cursor:
        cursor.execute(
            f"SELECT r.data_row FROM rows r WHERE {at.now('r')} AND r.deleted = 0{edge}"
            f" ORDER BY r.data_row {order} LIMIT {limit}"
        )
        return sorted(key for (key,) in cursor.fetchall())


def days_of(database: Database, at: At, limit: int) -> list[tuple[str, int]]:
    """The last days on which labels were made, and how many."""
    days: list[tuple[str, int]] = []
    before, given = "", tuple[str, ...]()
    with database.raw(snapshot=True) as cursor:
        # From day to day along the index: grouping by a piece of a text would sort all labels.
        while len(days) < limit:
            made = f"FROM labels l WHERE {at.now('l')}{before}"
            cursor.execute(database.sql(f"SELECT max(l.created_at) {made}"), given)
            ((last,),) = cursor.fetchall()
            if last is None:
                break
            day = last.decode()[:10]
            cursor.execute(database.sql(f"SELECT count(*) {made} AND l.created_at >= ?"), (*given, day))
            days.append((day, int(cursor.fetchall()[0][0])))
            before, given = " AND l.created_at < ?", (day,)
    return days[::-1]


def around(rows: BitMap, *, after: int | None = None, before: int | None = None, limit: int) -> list[int]:
    """The next rows after one, or the last before one; in order."""
    if before is not None:
        end = rows.rank(before) - (before in rows)
        return list(rows[max(0, end - limit) : end])
    start = 0 if after is None else rows.rank(after)
    return list(rows[start : start + limit])


def position(rows: BitMap, key: int) -> int:
    """The place of a row among some, from 1; 0 where it is not among them."""
    return int(rows.rank(key)) if key in rows else 0


def _is_class(thing: Thing) -> bool:
    # A name without a class is an answer's.
    return thing[0] not in ANSWERS


def _among(rows: BitMap, parts: list[BitMap]) -> int:
    # The parts overlap where a row shows several of them.
    return int(rows.intersection_cardinality(parts[0] if len(parts) == 1 else union(parts)))


def _counted(rows: BitMap, parts: Mapping[str, BitMap]) -> dict[str, int]:
    found = {key: int(rows.intersection_cardinality(some)) for key, some in parts.items()}
    return {key: count for key, count in found.items() if count}
