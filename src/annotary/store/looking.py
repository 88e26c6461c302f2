"""Looking at a project or run: a page of keys, how many there are, what else could be asked for.

All of it is of the present state, and answered by indexes alone where a filter is not wide.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import UNSET

from annotary.model.export import OF_PROJECTS, ExportFilters
from annotary.store.cells import Cell, counted
from annotary.store.database import Cursor, Database
from annotary.store.filters import At, Condition, filters_of
from annotary.store.rows import FEW
from annotary.store.signatures import ANSWERS

_ASKED = 2000
"""So many keys are tested by one statement."""


class Shown(NamedTuple):
    """How many rows show each (kind, name), each kind, each class, and anything drawn."""

    things: Counter[tuple[str, str]]
    kinds: Counter[str]
    classes: Counter[str]
    drawn: int

    def and_rows(self, things: Iterable[tuple[str, str]], rows: int, *, is_drawn: bool) -> Shown:
        """The same with some rows more, which show these."""
        for thing in things:
            self.things[thing] += rows
        for kind in {kind for kind, _ in things}:
            self.kinds[kind] += rows
        for name in {name for kind, name in things if kind not in ANSWERS}:
            self.classes[name] += rows
        return self._replace(drawn=self.drawn + rows * is_drawn)


class Looking:
    """One look at a collection, through a filter, on one cursor."""

    def __init__(self, database: Database, cursor: Cursor, at: At, filters: ExportFilters) -> None:
        self.database = database
        self.cursor = cursor
        self.at = at
        self.given = filters
        self.filters = list(filters_of(at, filters, arrays=not database.is_sqlite))
        self._few: list[int] | None = None
        self._asked = False

    def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The result of a statement."""
        self.cursor.execute(self.database.sql(sql), tuple(parameters))
        return self.cursor.fetchall()

    @property
    def tests(self) -> Condition:
        """The rows that pass."""
        sql = f"{self.at.now('r')} AND r.deleted = 0"
        return _and([Condition(sql), *(one.test for one in self.filters)])

    def few(self) -> list[int] | None:
        """The keys that pass, in order, where they are few; else None."""
        if not self._asked:
            self._asked = True
            self._few = self._found()
        return self._few

    def _found(self) -> list[int] | None:
        for one in self.filters:
            if one.probe is None:
                continue
            found = self.fetch(f"{one.probe.sql} LIMIT {FEW + 1}", one.probe.parameters)
            if len(found) <= FEW:
                return self._passing(sorted({key[0] for key in found}))
        return None

    def _passing(self, keys: Sequence[int]) -> list[int]:
        passed: list[int] = []
        test = self.tests
        for some in _some(keys):
            query = f"SELECT r.data_row FROM rows r WHERE {test.sql} AND r.data_row IN ({some})"
            passed += [key for (key,) in self.fetch(query, test.parameters)]
        return sorted(passed)

    def keys(self, *, after: int | None, before: int | None, limit: int) -> list[int]:
        """The next keys after one, or the last before one; in order."""
        few = self.few()
        if few is not None:
            if before is not None:
                return [key for key in few if key < before][-limit:]
            return [key for key in few if after is None or key > after][:limit]
        # Looking for what is nowhere would walk through all rows.
        if self.given.no_objects is True and self.cells() == []:
            return []
        edge, order = "", "ASC"
        if before is not None:
            edge, order = f" AND r.data_row < {before}", "DESC"
        elif after is not None:
            edge = f" AND r.data_row > {after}"
        test = self.tests
        found = self.fetch(
            f"SELECT r.data_row FROM rows r WHERE {test.sql}{edge} ORDER BY r.data_row {order} LIMIT {limit}",
            test.parameters,
        )
        return sorted(key for (key,) in found)

    def count(self) -> int:
        """How many rows pass."""
        few = self.few()
        if few is not None:
            return len(few)
        if self.filters and (cells := self.cells()) is not None:
            return sum(one.rows for one in cells)
        if self._of_labels():
            (only,) = self.filters
            assert only.probe is not None
            sql = f"SELECT count(DISTINCT found.data_row) FROM ({only.probe.sql}) AS found"
            return int(self.fetch(sql, only.probe.parameters)[0][0])
        test = self.tests
        return int(self.fetch(f"SELECT count(*) FROM rows r WHERE {test.sql}", test.parameters)[0][0])

    def cells(self) -> list[Cell] | None:
        """The cells of rows that pass; None where the filter is by more than these are known by."""
        given = self.given
        if any(
            getattr(given, name) is not UNSET for name in given.__struct_fields__ if name not in OF_PROJECTS
        ):
            return None
        collection = self.at.collection
        ((sequence,),) = self.fetch(f"SELECT c.sequence FROM collections c WHERE c.n = {collection}")
        found = self.database.cells.of(
            collection,
            sequence,
            lambda: counted(self.cursor, self.at.now("l"), f"{self.at.now('r')} AND r.deleted = 0"),
        )
        if not self.filters:
            return found
        things = self._things({one for cell in found for one in cell.signatures})
        return [cell for cell in found if self._passes(cell, things)]

    def _passes(self, cell: Cell, things: Mapping[int, Sequence[tuple[str, str]]]) -> bool:
        given = self.given
        if isinstance(given.workflow_status, str) and cell.status != given.workflow_status:
            return False
        if isinstance(given.batch_ids, tuple) and cell.batch not in given.batch_ids:
            return False
        if given.no_objects is True and any(one & 1 for one in cell.signatures):
            return False
        shown = [thing for one in cell.signatures for thing in things.get(one, ())]
        kinds, names = given.kinds, given.class_names
        if isinstance(kinds, tuple) and not any(kind in kinds for kind, _ in shown):
            return False
        return not isinstance(names, tuple) or any(
            name in names and kind not in ANSWERS for kind, name in shown
        )

    def _shown_by(self, cells: Sequence[Cell]) -> Shown:
        things = self._things({one for cell in cells for one in cell.signatures})
        found = Shown(Counter(), Counter(), Counter(), 0)
        for cell in cells:
            together = {thing for one in cell.signatures for thing in things.get(one, ())}
            found = found.and_rows(together, cell.rows, is_drawn=any(one & 1 for one in cell.signatures))
        return found

    def _of_labels(self) -> bool:
        # Labels are closed with their rows, so that a present label is of a present row.
        only = self.filters[0].probe if len(self.filters) == 1 else None
        return only is not None and only.sql.startswith("SELECT l.data_row FROM labels l")

    def position(self, key: int) -> int:
        """The place of a key among those that pass, from 1."""
        few = self.few()
        if few is not None:
            return few.index(key) + 1 if key in few else 0
        test = self.tests
        query = f"SELECT count(*) FROM rows r WHERE {test.sql} AND r.data_row <= {key}"
        return int(self.fetch(query, test.parameters)[0][0])

    def by_column(self, column: str) -> dict[str, int]:
        """Rows by `status` or `batch`."""
        by_value: Counter[str] = Counter()
        if (few := self.few()) is not None:
            tally: Counter[str] = Counter()
            for some in _some(few):
                where = f"{self.at.now('r')} AND r.deleted = 0 AND r.data_row IN ({some})"
                query = f"SELECT r.{column}, count(*) FROM rows r WHERE {where} GROUP BY r.{column}"
                tally.update({text(value): count for value, count in self.fetch(query)})
            return dict(tally)
        if (cells := self.cells()) is not None:
            for one in cells:
                by_value[one.status if column == "status" else one.batch] += one.rows
            return dict(by_value)
        test = self.tests
        query = f"SELECT r.{column}, count(*) FROM rows r WHERE {test.sql} GROUP BY r.{column}"
        return {text(value): int(count) for value, count in self.fetch(query, test.parameters)}

    def shown(self) -> Shown:
        """Rows by what their labels show."""
        if self.few() is None and (cells := self.cells()) is not None:
            return self._shown_by(cells)
        by_signature: Counter[int] = Counter()
        several: dict[int, set[int]] = defaultdict(set)
        for row, signature in self._several():
            several[row].add(signature)
            by_signature[signature] -= 1
        for signature, count in self._signatures():
            by_signature[signature] += count
        things = self._things({*by_signature, *(one for some in several.values() for one in some)})
        found = Shown(Counter(), Counter(), Counter(), 0)
        for signature, count in by_signature.items():
            if count:
                found = found.and_rows(things.get(signature, ()), count, is_drawn=bool(signature & 1))
        # A row with several labels is counted with what all of them show together.
        for signatures in several.values():
            together = {thing for one in signatures for thing in things.get(one, ())}
            found = found.and_rows(together, 1, is_drawn=any(one & 1 for one in signatures))
        return found

    def days(self, limit: int) -> list[tuple[str, int]]:
        """The last days on which labels were made, and how many."""
        query = (
            f"SELECT substr(l.created_at, 1, 10) AS day, count(*) FROM labels l WHERE {self.at.now('l')}"
            f" GROUP BY 1 ORDER BY 1 DESC LIMIT {limit}"
        )
        return [(text(day), int(count)) for day, count in reversed(self.fetch(query))]

    def _labels(self) -> Iterator[Condition]:
        """The present labels of the rows that pass, in one or several parts."""
        now = self.at.now("l")
        if (few := self.few()) is not None:
            for some in _some(few):
                yield Condition(f"{now} AND l.data_row IN ({some})")
        elif not self.filters:
            yield Condition(now)
        else:
            test = self.tests
            rows = f"SELECT r.data_row FROM rows r WHERE {test.sql}"
            yield Condition(f"{now} AND l.data_row IN ({rows})", test.parameters)

    def _signatures(self) -> Iterator[tuple[int, int]]:
        for part in self._labels():
            query = f"SELECT l.signature, count(*) FROM labels l WHERE {part.sql} GROUP BY l.signature"
            yield from ((int(one), int(count)) for one, count in self.fetch(query, part.parameters))

    def _several(self) -> Iterator[tuple[int, int]]:
        """The labels of rows that have more than one."""
        for part in self._labels():
            many = f"SELECT l.data_row FROM labels l WHERE {part.sql} GROUP BY l.data_row HAVING count(*) > 1"
            query = (
                "SELECT l.data_row, l.signature FROM labels l"
                f" WHERE {self.at.now('l')} AND l.data_row IN ({many})"
            )
            yield from ((int(row), int(one)) for row, one in self.fetch(query, part.parameters))

    def _things(self, signatures: Iterable[int]) -> dict[int, list[tuple[str, str]]]:
        found: dict[int, list[tuple[str, str]]] = defaultdict(list)
        for some in _some(sorted(signatures)):
            query = f"SELECT s.signature, s.kind, s.name FROM shown s WHERE s.signature IN ({some})"
            for signature, kind, name in self.fetch(query):
                found[signature].append((text(kind), text(name)))
        return found


def text(value: bytes | str) -> str:
    """Text that came as the cursor gives it."""
    return value.decode() if isinstance(value, bytes) else value


def _and(conditions: Sequence[Condition]) -> Condition:
    return Condition(
        " AND ".join(one.sql for one in conditions),
        tuple(value for one in conditions for value in one.parameters),
    )


def _some(keys: Sequence[int]) -> Iterator[str]:
    for start in range(0, len(keys), _ASKED):
        yield ",".join(map(str, keys[start : start + _ASKED]))
