"""An open store: what is kept in it, and the transactions in which it changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from sqlalchemy import Connection, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from annotary.errors import Conflict, Invalid, NotFound
from annotary.model.base import Value, feature_hash, to_json
from annotary.model.carried import typed
from annotary.store import choosing, migrations
from annotary.store.blobs import Blobs
from annotary.store.changes import Change
from annotary.store.database import Database, driver_cursor, insert_rows
from annotary.store.deliveries import Deliveries
from annotary.store.files import Files
from annotary.store.filters import FOREVER, At
from annotary.store.heads import external_id
from annotary.store.migrations import fitting
from annotary.store.numbers import Numbers
from annotary.store.opening import FILE_NAME, located
from annotary.store.pieces import Pieces
from annotary.store.places import Folder, Place
from annotary.store.running import FOLDER as RUNNING
from annotary.store.running import Running
from annotary.store.schema import (
    collection_versions,
    collections,
    data_row_versions,
    data_rows,
    entities,
)
from annotary.store.tasks import Tasks

if TYPE_CHECKING:
    from annotary.store.looking import Looking

V = TypeVar("V", bound=Value)
_ALONE = 0x616E6E6F
"""Keeps our advisory locks apart from those of other programs on the same server."""
_PARENTS = {
    "AnnotationImport": "parent_id",
    "Batch": "project_id",
    "Issue": "project_id",
    "ModelRun": "model_id",
    "Snapshot": "scope_id",
}


class KnownRow(NamedTuple):
    """A stored data row: its key, its id, its dataset's id ('' when deleted), its present version."""

    n: int
    id: str
    dataset: str
    global_key: str | None
    version: int


class Store:
    """An open store, seen as one organisation."""

    def __init__(self, database: Database, home: Path | None, place: Place | None, org: str) -> None:
        self.database = database
        self.home = home  # a folder where one machine has the store; None where several share it
        self.place: Place = place or Pieces(self)
        self.org = org
        self.running = Running(home and home / RUNNING)
        self.tasks = Tasks(self)
        self.deliveries = Deliveries(self)
        self.blobs = Blobs(place, database)
        self.files = Files(self, self.place)
        self._place = place
        self._open: ContextVar[Connection | None] = ContextVar("transaction", default=None)

    @classmethod
    def open(
        cls,
        target: str | Path,
        org: str = "default",
        *,
        migrate: bool = False,
        unfinished: bool = False,
        blobs: str | None = None,
    ) -> Store:
        """The store at a folder or `postgresql://` URL; an empty place becomes one. `unfinished`: or a copy.

        `blobs`: as in `place_of`. Raises Unavailable, and Outdated where the schema is of another version.
        """
        place = located(target)
        home = None if isinstance(place, str) else migrations.prepare_folder(place)
        database = Database(str(place) if home is None else home / FILE_NAME)
        fitting.ensure(database, migrate=migrate, unfinished=unfinished)
        beside = Folder(home) if home else choosing.place_of(cls(database, None, None, org), blobs)
        return cls(database, home, beside, org)

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()

    def seen_as(self, org: str) -> Store:
        """The same store for another organisation."""
        return Store(self.database, self.home, self._place, org)

    # Transactions

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One write transaction; an inner one joins the outer one."""
        joined = self._open.get()
        if joined is not None:
            yield joined
            return
        with self.database.transaction() as connection:
            token = self._open.set(connection)
            try:
                yield connection
            finally:
                self._open.reset(token)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read with: the open transaction, else a snapshot."""
        joined = self._open.get()
        if joined is not None:
            yield joined
        else:
            with self.database.connection() as connection:
                yield connection

    def alone(self, *what: str) -> None:
        """Wait for other transactions that do the same: a name that must be free is looked for under it."""
        with self.transaction() as connection:
            if not self.database.is_sqlite:
                key = _ALONE << 32 | feature_hash("\x1f".join((self.org, *what)))
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})

    def blob(self, name: str) -> bytes:
        """Stored bytes by their hash; raises NotFound."""
        with self.reading() as connection:
            return self.blobs.get(name, connection)

    # Values by id

    def get(self, kind: type[V], id: str) -> V:
        """One value; raises NotFound."""
        # The most frequent statement of all: in plain SQL it is twice as fast.
        sql = self.database.sql("SELECT body FROM entities WHERE kind = ? AND org = ? AND id = ?")
        with self.reading() as connection:
            found = connection.exec_driver_sql(sql, (kind.__name__, self.org, id)).first()
        if found is None:
            raise NotFound(f"no {_words(kind)} {id!r}")
        return typed(found[0], kind)

    def find(
        self,
        kind: type[V],
        *,
        name: str | None = None,
        parent: str | None = None,
        after: str | None = None,
        limit: int = 1000,
    ) -> list[V]:
        """Values of a kind by id, at most `limit` after the id `after`."""
        query = select(entities.c.body).where(entities.c.kind == kind.__name__, entities.c.org == self.org)
        if name is not None:
            query = query.where(entities.c.name == name)
        if parent is not None:
            query = query.where(entities.c.parent == parent)
        if after is not None:
            query = query.where(entities.c.id > after)
        with self.reading() as connection:
            found = connection.execute(query.order_by(entities.c.id).limit(limit)).all()
        return [typed(row.body, kind) for row in found]

    def add(self, value: Value) -> None:
        """Store a new value; raises Conflict where its id is taken."""
        entry = self._entry(value)
        dialect = sqlite if self.database.is_sqlite else postgresql
        with self.transaction() as connection:
            new = dialect.insert(entities).values(entry).on_conflict_do_nothing()
            made = connection.execute(new.returning(entities.c.id)).first()
        if made is None:
            raise Conflict(f"{_words(type(value))} {entry['id']!r} is there already; give another id")

    def put(self, *values: Value) -> None:
        """Store values, replacing those with the same id."""
        entries = [self._entry(value) for value in values]
        with self.transaction() as connection:
            dialect = sqlite if self.database.is_sqlite else postgresql
            statement = dialect.insert(entities)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["kind", "org", "id"],
                    set_={key: statement.excluded[key] for key in ("parent", "name", "body")},
                ),
                entries,
            )

    def _entry(self, value: Value) -> dict[str, Any]:
        kind = type(value).__name__
        return {
            "kind": kind,
            "org": self.org,
            "id": value.id,  # type: ignore[attr-defined]
            "parent": getattr(value, _PARENTS.get(kind, ""), ""),
            "name": getattr(value, "name", None) or "",
            "body": to_json(value),
        }

    def delete(self, kind: type[Value], *ids: str) -> int:
        """Remove values; gives how many there were."""
        with self.transaction() as connection:
            return connection.execute(
                entities.delete().where(
                    entities.c.kind == kind.__name__, entities.c.org == self.org, entities.c.id.in_(ids)
                )
            ).rowcount

    def delete_under(self, kind: type[Value], parent: str) -> None:
        """Remove all values of a kind that belong to another."""
        own = (entities.c.kind == kind.__name__) & (entities.c.org == self.org)
        with self.transaction() as connection:
            connection.execute(entities.delete().where(own, entities.c.parent == parent))

    # Projects and runs as collections of rows

    def collect(self, kind: str, id: str, name: str, ontology: str) -> int:
        """Make the collection of a project or run."""
        with self.transaction() as connection:
            number = connection.execute(
                insert(collections).values(org=self.org, kind=kind, id=id).returning(collections.c.n)
            ).scalar_one()
            Change(connection, number).describe(name, ontology)
            return int(number)

    def collection(self, kind: str, id: str) -> int:
        """The number of a project's or run's collection; raises NotFound."""
        with self.reading() as connection:
            found = connection.execute(
                select(collections.c.n).where(
                    collections.c.org == self.org, collections.c.kind == kind, collections.c.id == id
                )
            ).first()
        if found is None:
            raise NotFound(f"no {kind} {id!r}")
        return int(found.n)

    def retire(self, kind: str, id: str) -> None:
        """Empty a collection and give its id free; exports that are reading it may come to their end."""
        with self.transaction() as connection:
            number = self.collection(kind, id)
            self.change(number).end()
            former = update(collections).where(collections.c.n == number)
            connection.execute(former.values(kind=f"former {kind}", id=f"{id} {number}"))

    def collections_of(self, data_row: int) -> list[int]:
        """The projects and runs that a data row is in, in locking order."""
        with self.reading() as connection:
            found = connection.execute(
                text(
                    "SELECT DISTINCT r.collection FROM rows r JOIN collections c ON c.n = r.collection"
                    " WHERE c.org = :org AND r.data_row = :key AND r.until = :forever AND r.deleted = 0"
                    " ORDER BY r.collection"
                ),
                {"org": self.org, "key": data_row, "forever": FOREVER},
            ).all()
        return [int(row[0]) for row in found]

    def at(self, kind: str, id: str, sequence: int | None = None) -> tuple[At, str, str]:
        """A project or run at a sequence number (default: the present), with its name and ontology then.

        Raises NotFound, and Invalid for a number that was not reached yet.
        """
        number = self.collection(kind, id)
        with self.reading() as connection:
            present = connection.execute(
                select(collections.c.sequence).where(collections.c.n == number)
            ).scalar_one()
            wanted = present if sequence is None else sequence
            if not 0 <= wanted <= present:
                raise Invalid(f"as_of: {wanted} is outside this {kind}'s sequence, which stands at {present}")
            shown = connection.execute(
                select(collection_versions.c.name, collection_versions.c.ontology).where(
                    collection_versions.c.collection == number,
                    collection_versions.c.since <= wanted,
                    collection_versions.c.until > wanted,
                )
            ).one()
        return At(number, wanted, wanted == present), shown.name, shown.ontology

    def change(self, collection: int) -> Change:
        """A change of a collection, within the open transaction."""
        connection = self._open.get()
        if connection is None:
            raise RuntimeError("a change needs an open transaction")
        change = Change(connection, collection)
        change.lock()
        return change

    def looking(self, at: At) -> AbstractContextManager[Looking]:
        """A look at the present state of a project or run."""
        # Brings numpy and bitmaps, of which only who looks has need.
        from annotary.store.looking import look

        return look(self.database, at)

    # Data rows

    def data_rows_by(self, column: Literal["id", "global_key"], wanted: Sequence[str]) -> dict[str, KnownRow]:
        """Data rows by `id` or `global_key`."""
        mark = "?" if self.database.is_sqlite else "%s"
        found: dict[str, KnownRow] = {}
        with self.reading() as connection:
            for start in range(0, len(wanted), 500):
                some = wanted[start : start + 500]
                cursor = driver_cursor(connection)
                cursor.execute(
                    "SELECT n, id, dataset, global_key, version FROM data_rows"
                    f" WHERE org = {mark} AND {column} IN ({', '.join([mark] * len(some))})",
                    (self.org, *some),
                )
                for known in map(KnownRow._make, cursor.fetchall()):
                    found[getattr(known, column)] = known
        return found

    def sections(self, versions: Iterable[int]) -> dict[int, Any]:
        """The sections of data rows, by version."""
        with self.reading() as connection:
            found = connection.execute(
                select(data_row_versions).where(data_row_versions.c.n.in_(list(versions)))
            )
            return {row.n: row for row in found}

    def numbering(self, table: str) -> Numbers:
        """Fresh keys for rows of a table, within one transaction that alone adds to it."""
        return Numbers(self.transaction, table, is_sqlite=self.database.is_sqlite)

    def numbers(self, table: str, count: int) -> Sequence[int]:
        """Fresh keys for so many rows of a table; in increasing order."""
        return self.numbering(table).take(count)

    def put_data_rows(self, new: Sequence[tuple[Any, ...]], versions: Sequence[tuple[Any, ...]]) -> None:
        """Insert data rows (n, id, dataset, global_key, version) and versions (n and five sections)."""
        with self.transaction() as connection:
            if versions:
                columns: tuple[str, ...] = ("n", "head", "details", "media", "attachments", "metadata")
                insert_rows(connection, "data_row_versions", columns, versions)
            if new:
                columns = ("org", "n", "id", "dataset", "global_key", "version", "external_id")
                heads = {one[0]: one[1] for one in versions}
                entries = [(self.org, *one, external_id(heads.get(one[-1], ""))) for one in new]
                insert_rows(connection, "data_rows", columns, entries)

    def point_data_row(self, number: int, version: int, **columns: Any) -> None:
        """Give a data row another version."""
        with self.transaction() as connection:
            head = connection.execute(
                select(data_row_versions.c.head).where(data_row_versions.c.n == version)
            ).scalar()
            columns["external_id"] = external_id(head or "")
            connection.execute(
                update(data_rows).where(data_rows.c.n == number).values(version=version, **columns)
            )

    def lock_data_rows(self, numbers: Sequence[int], *, shared: bool = False) -> dict[int, KnownRow]:
        """Data rows as they stand, kept from changing until the transaction ends; after collections.

        `shared` lets others do the same, so that many may gather a row while nobody deletes it.
        """
        query = select(*(data_rows.c[name] for name in KnownRow._fields)).where(data_rows.c.n.in_(numbers))
        with self.transaction() as connection:
            found = connection.execute(query.order_by(data_rows.c.n).with_for_update(read=shared))
            return {row.n: KnownRow._make(row) for row in found}


def _words(kind: type[Value]) -> str:
    name = kind.__name__
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
