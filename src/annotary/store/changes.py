"""The change sequence: every change of a project or run takes the next number and leaves versions behind.

A `Change` lives inside one write transaction. The number is taken under a lock on the collection's row,
so that numbers become visible in the order they were given and a cursor can skip none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, bindparam, insert, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from annotary.model.base import to_json
from annotary.store.database import driver_cursor, insert_rows
from annotary.store.feature_index import HALF
from annotary.store.filters import FOREVER
from annotary.store.schema import (
    FRONT,
    collection_versions,
    collections,
    features,
    labels,
    rows,
    shown,
)
from annotary.store.signatures import shown_in, signature_of, things_of

ROW_FIELDS = (
    "data_row",
    "deleted",
    "version",
    "activity",
    "status",
    "batch",
    "tail",
    "extra",
    "front",
    "label",
)
LABEL_FIELDS = (
    "data_row",
    "prediction",
    "position",
    "id",
    "created_at",
    "head",
    "details",
    "performance",
    "annotations",
    "masks",
    "v1",
    "signature",
)
_ASKED = 500
"""So many rows or signatures are asked for by one statement."""
Fields = Mapping[str, Any]


class Change:
    """One change of one project or run; its number is taken when something is first written."""

    def __init__(self, connection: Connection, collection: int) -> None:
        self.connection = connection
        self.collection = collection
        self._sequence: int | None = None
        self._signatures: set[int] = set()

    @property
    def sequence(self) -> int:
        """The number of this change."""
        if self._sequence is None:
            self.connection.execute(
                update(collections)
                .where(collections.c.n == self.collection)
                .values(sequence=collections.c.sequence + 1)
            )
            self._sequence = self.connection.execute(
                select(collections.c.sequence).where(collections.c.n == self.collection)
            ).scalar_one()
        return self._sequence

    @property
    def made(self) -> bool:
        """Whether anything was written."""
        return self._sequence is not None

    def lock(self) -> None:
        """Wait for other changes of this collection to end, before reading what this one builds on."""
        self.connection.execute(
            select(collections.c.sequence).where(collections.c.n == self.collection).with_for_update()
        )

    def rows(self, data_rows: Sequence[int]) -> dict[int, dict[str, Any]]:
        """The present rows among these, by data row; deleted ones included."""
        found = self.connection.execute(
            select(rows).where(
                rows.c.collection == self.collection, rows.c.data_row.in_(data_rows), rows.c.until == FOREVER
            )
        )
        return {row.data_row: dict(row._mapping) for row in found}

    def rows_after(self, data_row: int, limit: int, *, batch: str | None = None) -> list[dict[str, Any]]:
        """The next present rows beyond a data row, without deleted ones: all, or those of a batch."""
        wanted = self._present(rows) & (rows.c.deleted == 0) & (rows.c.data_row > data_row)
        if batch is not None:
            wanted &= rows.c.batch == batch
        found = self.connection.execute(select(rows).where(wanted).order_by(rows.c.data_row).limit(limit))
        return [dict(row._mapping) for row in found]

    def labelled_with(self, text: str, after: int, limit: int) -> list[int]:
        """The next data rows beyond one whose present labels have a text among their annotations."""
        found = self.connection.execute(
            select(labels.c.data_row)
            .distinct()
            .where(
                self._present(labels),
                labels.c.data_row > after,
                labels.c.annotations.contains(text, autoescape=True),
            )
            .order_by(labels.c.data_row)
            .limit(limit)
        )
        return [int(row.data_row) for row in found]

    def labelled(self) -> bool:
        """Whether there is any label now."""
        found = self.connection.execute(select(labels.c.n).where(self._present(labels)).limit(1))
        return found.first() is not None

    def labels(self, data_rows: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
        """The present labels and predictions of these data rows, in order."""
        found = self.connection.execute(
            select(labels)
            .where(
                labels.c.collection == self.collection,
                labels.c.data_row.in_(data_rows),
                labels.c.until == FOREVER,
            )
            .order_by(labels.c.data_row, labels.c.prediction, labels.c.position, labels.c.id)
        )
        grouped: dict[int, list[dict[str, Any]]] = {}
        for label in found:
            grouped.setdefault(label.data_row, []).append(dict(label._mapping))
        return grouped

    def label(self, id: str, *, prediction: bool = False) -> dict[str, Any] | None:
        """A present label by its id."""
        found = self.connection.execute(
            select(labels).where(
                labels.c.id == id,
                labels.c.collection == self.collection,
                labels.c.until == FOREVER,
                labels.c.prediction == int(prediction),
            )
        ).first()
        return dict(found._mapping) if found else None

    def put_rows(self, new: Iterable[Fields], changed: Iterable[Fields] = ()) -> None:
        """Write rows: `new` ones, and `changed` ones as they came from `rows()` with other values.

        They come after their labels, for which they must be written: a row knows its label.
        """
        self._put(rows, ROW_FIELDS, self._led(list(new)), self._led(list(changed)))

    def put_labels(self, new: Iterable[Fields], changed: Iterable[Fields] = ()) -> None:
        """Write labels, likewise, before their rows; what they show is noted with them.

        Where that has been worked out with the annotations, it is among the fields as `shows`.
        """
        met: dict[int, str] = {}

        def signed(given: Iterable[Fields]) -> list[Fields]:
            made: list[Fields] = []
            for one in given:
                shows = one.get("shows") or shown_in(one["annotations"])
                signature = signature_of(shows)
                met[signature] = shows
                made.append({**one, "signature": signature})
            return made

        self._put(labels, LABEL_FIELDS, signed(new), signed(changed))
        self.explain(met)

    def explain(self, met: Mapping[int, str]) -> None:
        """Note down what signatures mean, where nobody has yet."""
        unknown = sorted(met.keys() - self._signatures - {0})
        self._signatures.update(unknown)
        known: set[int] = set()
        for start in range(0, len(unknown), _ASKED):
            some = unknown[start : start + _ASKED]
            asked = select(shown.c.signature).distinct().where(shown.c.signature.in_(some))
            known.update(self.connection.execute(asked).scalars())
        new = [
            {"signature": signature, "kind": kind, "name": name}
            for signature in unknown
            if signature not in known
            for kind, name in things_of(met[signature])
        ]
        if not new:
            return
        if self._sqlite:
            self.connection.execute(sqlite.insert(shown).on_conflict_do_nothing(), new)
        else:
            # In a transaction of its own: two long imports that meet the same classes in another order would
            # wait for each other without an end. What is noted holds whatever becomes of this change.
            with self.connection.engine.begin() as beside:
                beside.execute(postgresql.insert(shown).on_conflict_do_nothing(), new)

    def _led(self, given: Sequence[Fields]) -> list[Fields]:
        """Rows with what follows from elsewhere: their data row's front, and their label if it is one."""
        fronts = self._found(
            f"SELECT v.n, {FRONT} FROM data_row_versions v", "v.n", {one["version"] for one in given}
        )
        only = self._found(
            "SELECT l.data_row, min(l.n) FROM labels l",
            f"l.collection = {self.collection} AND l.until = {FOREVER} AND +l.prediction = 0 AND l.data_row",
            {one["data_row"] for one in given if not one["deleted"]},
            " GROUP BY l.data_row HAVING count(*) = 1",
        )
        return [
            {
                **one,
                "front": fronts[one["version"]],
                "label": None if one["deleted"] else only.get(one["data_row"]),
            }
            for one in given
        ]

    def _found(self, query: str, key: str, keys: Iterable[int], end: str = "") -> dict[int, Any]:
        """What a query of two columns gives for some keys."""
        cursor = driver_cursor(self.connection)
        source = iter(keys)
        found: dict[int, Any] = {}
        while some := ",".join(map(str, islice(source, _ASKED))):
            cursor.execute(f"{query} WHERE {key} IN ({some}){end}")
            found.update(cursor.fetchall())
        return found

    def renew_rows(self) -> None:
        """A new version of every row, as it is: what all of them show has changed."""
        now = self.sequence
        present = self._present(rows) & (rows.c.deleted == 0) & (rows.c.since < now)
        fields = [rows.c[name] for name in ROW_FIELDS]
        renewed = select(rows.c.collection, literal(now), literal(FOREVER), *fields).where(present)
        self.connection.execute(
            insert(rows).from_select(
                ["collection", "since", "until", *ROW_FIELDS], renewed.order_by(rows.c.data_row)
            )
        )
        self.connection.execute(update(rows).where(present).values(until=now))

    def remove_rows(self, present: Sequence[Fields], now: str) -> None:
        """Leave tombstones of rows, as they came from `rows()`, and end their labels."""
        self.put_rows([], [{**row, "deleted": 1, "activity": max(row["activity"], now)} for row in present])
        labelled = self.labels([row["data_row"] for row in present])
        self._close(labels, [label for several in labelled.values() for label in several])

    def end(self) -> None:
        """End all rows and labels without a trace in later states; exports of earlier ones still see them."""
        now = self.sequence
        for table in (rows, labels):
            self.connection.execute(table.delete().where(self._present(table), table.c.since == now))
            self.connection.execute(update(table).where(self._present(table)).values(until=now))
        self.connection.execute(features.delete().where(features.c.collection == self.collection))

    def drop_labels(self, present: Iterable[Fields]) -> None:
        """End labels, as they came from `labels()`."""
        self._close(labels, list(present))

    def put_features(self, entries: Sequence[int]) -> None:
        """Index features: numbers that `feature_entries` gives; in their order they go in fastest."""
        if not entries:
            return
        given = (
            "SELECT value AS entry FROM json_each(?)"
            if self._sqlite
            else "SELECT unnest(%s::bigint[]) AS entry"
        )
        driver_cursor(self.connection).execute(
            f"INSERT INTO {features.name} (hash, collection, data_row)"
            f" SELECT (entry >> 32) + {HALF}, {self.collection}, entry & {0xFFFFFFFF}"
            f" FROM ({given}) AS found"
            " WHERE true ON CONFLICT DO NOTHING",
            (to_json(entries) if self._sqlite else list(entries),),
        )

    def describe(self, name: str, ontology: str) -> None:
        """Set what all rows show of their project or run: its name, and its ontology."""
        present = self.described()
        if present is not None and (present.name, present.ontology) == (name, ontology):
            return
        if present is not None:
            same = (collection_versions.c.collection == self.collection) & (
                collection_versions.c.until == FOREVER
            )
            if present.since == self.sequence:
                self.connection.execute(
                    update(collection_versions).where(same).values(name=name, ontology=ontology)
                )
                return
            self.connection.execute(update(collection_versions).where(same).values(until=self.sequence))
        self.connection.execute(
            insert(collection_versions).values(
                collection=self.collection,
                since=self.sequence if present is not None else 0,
                until=FOREVER,
                name=name,
                ontology=ontology,
            )
        )

    def described(self) -> Row[Any] | None:
        """The present name and ontology."""
        return self.connection.execute(
            select(collection_versions).where(
                collection_versions.c.collection == self.collection, collection_versions.c.until == FOREVER
            )
        ).first()

    def _present(self, table: Table) -> ColumnElement[bool]:
        return (table.c.collection == self.collection) & (table.c.until == FOREVER)

    @property
    def _sqlite(self) -> bool:
        return self.connection.dialect.name == "sqlite"

    def _put(
        self, table: Table, fields: tuple[str, ...], new: Iterable[Fields], changed: Iterable[Fields]
    ) -> None:
        old = list(changed)
        written = (*new, *old)
        if written:
            self._close(table, old)
            begun = (self.collection, self.sequence, FOREVER)
            insert_rows(
                self.connection,
                table.name,
                ("collection", "since", "until", *fields),
                [(*begun, *map(one.get, fields)) for one in written],
            )

    def _close(self, table: Table, present: Sequence[Fields]) -> None:
        """End versions; one that this same change made was never seen and goes altogether."""
        if not present:
            return
        now = self.sequence
        ended = [{"key": one["n"]} for one in present if one["since"] < now]
        gone = [{"key": one["n"]} for one in present if one["since"] == now]
        if ended:
            self.connection.execute(
                update(table).where(table.c.n == bindparam("key")).values(until=now), ended
            )
        if gone:
            self.connection.execute(table.delete().where(table.c.n == bindparam("key")), gone)
