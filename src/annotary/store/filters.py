"""Which rows an export shows: the versions valid at a sequence number, and filters on them as SQL.

Each filter is a condition and, where an index knows its rows, a probe that finds their keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from annotary.errors import Invalid
from annotary.model.export import ExportFilters, Range
from annotary.store.signatures import ANSWERS

FOREVER = 2**47 - 1
"""`until` of what is valid now; small enough to take six bytes in SQLite."""


class At(NamedTuple):
    """A project or run at one sequence number; `latest` where that is its present one."""

    collection: int
    sequence: int
    latest: bool

    def of(self, table: str) -> str:
        """The condition that a version is the valid one."""
        return (
            f"{table}.collection = {self.collection}"
            f" AND {table}.since <= {self.sequence} AND {table}.until > {self.sequence}"
        )

    def now(self, table: str) -> str:
        """The same for the present state, in words that the partial indexes understand."""
        return f"{table}.collection = {self.collection} AND {table}.until = {FOREVER}"


class Condition(NamedTuple):
    """A piece of SQL with its parameters."""

    sql: str
    parameters: tuple[Any, ...] = ()


class Filter(NamedTuple):
    """One filter: how a row is tested, and how its keys are found by an index (where there is one).

    A probe gives numbers of data rows, and those of the row versions it has met, where it has. A `moving`
    probe finds what passes now; a row that has just ceased to pass is not among it.
    """

    test: Condition
    probe: Condition | None
    moving: bool = False


def changed(at: At, since: int) -> Filter:
    """The rows that have changed since a cursor; raises Invalid."""
    if since < 0:
        raise Invalid(f"since: {since} is not a cursor; give the number that an export printed")
    probe = f"SELECT r.data_row, r.n FROM rows r WHERE {at.now('r')} AND r.since > {since}"
    return Filter(Condition(f"r.since > {since}"), Condition(probe) if at.latest else None)


def filters_of(at: At, filters: ExportFilters, *, arrays: bool) -> Iterator[Filter]:
    """The given filters, those that tend to leave fewest rows first.

    `arrays`: the database has them. PostgreSQL works an array out once, where it would ask a table for each
    label as long as it knows no statistics of it, which is so after an import.
    """
    for column, wanted in (
        ("id", filters.data_row_ids),
        ("global_key", filters.global_keys),
        ("external_id", filters.external_ids),
    ):
        if isinstance(wanted, tuple):
            yield _by_key(at, column, wanted)
    if isinstance(filters.batch_ids, tuple):
        marks = ",".join("?" * len(filters.batch_ids))
        yield _indexed(at, Condition(f"r.batch IN ({marks})", filters.batch_ids))
    if isinstance(filters.last_activity_at, Range):
        yield _indexed(at, _between("r.activity", filters.last_activity_at))
    if isinstance(filters.label_created_at, Range):
        created = _between("l.created_at", filters.label_created_at)
        test = Condition(
            f"EXISTS (SELECT 1 FROM labels l WHERE {at.of('l')} AND l.prediction = 0"
            f" AND l.data_row = r.data_row AND {created.sql})",
            created.parameters,
        )
        probe = Condition(
            f"SELECT l.data_row FROM labels l WHERE {at.now('l')} AND l.prediction = 0 AND {created.sql}",
            created.parameters,
        )
        yield Filter(test, probe if at.latest else None, moving=True)
    if isinstance(filters.workflow_status, str):
        yield _indexed(at, Condition("r.status = ?", (filters.workflow_status,)))
    for column, wanted in (("name", filters.class_names), ("kind", filters.kinds)):
        if isinstance(wanted, tuple):
            yield _showing(at, column, wanted, arrays=arrays)
    if filters.no_objects is True:
        drawn = (
            f"SELECT 1 FROM labels l WHERE {at.of('l')} AND l.data_row = r.data_row AND l.signature & 1 = 1"
        )
        yield Filter(Condition(f"NOT EXISTS ({drawn})"), None)


def _by_key(at: At, column: str, wanted: tuple[str, ...]) -> Filter:
    marks = ",".join("?" * len(wanted))
    org = f"(SELECT c.org FROM collections c WHERE c.n = {at.collection})"
    probe = Condition(
        f"SELECT d.n AS data_row FROM data_rows d WHERE d.org = {org} AND d.{column} IN ({marks})", wanted
    )
    return Filter(Condition(f"r.data_row IN ({probe.sql})", wanted), probe)


def _showing(at: At, column: str, wanted: tuple[str, ...], *, arrays: bool) -> Filter:
    marks = ",".join("?" * len(wanted))
    # A name without a class is an answer's.
    kinds = "" if column == "kind" else f" AND s.kind NOT IN {ANSWERS}"
    signatures = f"(SELECT s.signature FROM shown s WHERE s.{column} IN ({marks}){kinds})"
    among = f"= ANY(ARRAY{signatures})" if arrays else f"IN {signatures}"
    # The plus keeps SQLite from looking through all labels of these signatures for each row.
    test = (
        f"EXISTS (SELECT 1 FROM labels l WHERE {at.of('l')} AND l.data_row = r.data_row"
        f" AND +l.signature {among})"
    )
    probe = f"SELECT l.data_row FROM labels l WHERE {at.now('l')} AND l.signature {among}"
    return Filter(Condition(test, wanted), Condition(probe, wanted) if at.latest else None, moving=True)


def _indexed(at: At, test: Condition) -> Filter:
    probe = Condition(
        f"SELECT r.data_row, r.n FROM rows r WHERE {at.now('r')} AND r.deleted = 0 AND {test.sql}",
        test.parameters,
    )
    return Filter(test, probe if at.latest else None, moving=True)


def _between(column: str, given: Range) -> Condition:
    if given.start is None:
        return Condition(f"{column} <= ?", (given.end,))
    if given.end is None:
        return Condition(f"{column} >= ?", (given.start,))
    return Condition(f"{column} >= ? AND {column} <= ?", (given.start, given.end))
