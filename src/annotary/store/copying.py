"""A store into an empty place, table by table in the order of their keys: an interrupted copy goes on there.

Until it is whole and compared, its schema's version says so, and nobody else opens it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
)

from annotary.errors import Conflict, Outdated, Unavailable
from annotary.model.carried import typed
from annotary.model.task import StoredFile
from annotary.store import Store, migrations
from annotary.store.database import insert_rows
from annotary.store.migrations import tables
from annotary.store.schema import blobs, collections, entities, file_pieces, files, metadata, placed_blobs

ROWS = 2000
"""So many rows go over in one transaction at most."""
BYTES = 4 << 20
"""No more rows once they have so many bytes."""
_APART = {blobs.name, placed_blobs.name, files.name, file_pieces.name}
"""What lies in a table of one store and in a place beside the database of another."""


class Copied(NamedTuple):
    """What a copy came to: rows of all tables, blobs, files."""

    rows: int
    blobs: int
    files: int


class Copy:
    """One copy from an open snapshot of a store; `left` are entities that stay behind: kinds, and names."""

    def __init__(
        self,
        source: Store,
        snapshot: Connection,
        destination: Store,
        left: Iterable[tuple[str, str]],
        progress: Callable[[int, int], None],
    ) -> None:
        self.source = source
        self.snapshot = snapshot
        self.destination = destination
        self.progress = progress
        # A kind and a name, or a kind altogether.
        self._stays = or_(*(_named(kind, name) for kind, name in left))
        self._tables = [table for table in metadata.sorted_tables if table.name not in _APART]
        self._done = 0
        self._total = 0

    def begin(self) -> None:
        """Mark the destination as unfinished; raises Conflict where it holds anything else."""
        self._version(self.source, self.snapshot)
        mark = migrations.unfinished(self._fingerprint())
        with self.destination.transaction() as connection:
            version = self._version(self.destination, connection)
            if version == migrations.HEAD:
                filled = [one for one in metadata.sorted_tables if self._has_rows(connection, one)]
                if filled:
                    raise Conflict(
                        f"{self.destination.database.place} holds a store already"
                        f" (there are {filled[0].name.replace('_', ' ')}); give an empty place"
                    )
                tables.mark(connection, mark)
            elif version != mark:
                raise Conflict(
                    f"{self.destination.database.place} holds an unfinished copy of another store, or of this"
                    " one before it was changed; empty it and copy again"
                )
        counts = [self._count(self.snapshot, one) for one in self._tables]
        self._done, self._total = 0, 3 * sum(counts)

    def carry_out(self) -> Copied:
        """Copy what is not there yet, compare, and make the destination a store. Raises Unavailable."""
        for table in self._tables:
            self._copy(table)
        held = self._blobs()
        kept = self._files()
        for table in self._tables:
            self._compare(table)
        with self.destination.transaction() as connection:
            if not self.destination.database.is_sqlite:
                for table in metadata.sorted_tables:
                    if "n" in table.c:
                        connection.execute(text(_NEXT.format(table.name)))
            tables.mark(connection, migrations.HEAD)
        return Copied(self._total // 3, held, kept)

    def _version(self, store: Store, connection: Connection) -> str:
        """A store's version; raises Outdated where it has what this program does not know."""
        schema = tables.schema_of(connection)
        assert schema is not None, "it was opened"
        if schema.version > migrations.HEAD and not schema.is_copy:
            raise Outdated(
                f"the store {store.database.shown_place} has schema {schema.version}, of which this annotary"
                f" would copy what it knows of {migrations.HEAD}; upgrade annotary"
            )
        return schema.version

    # Tables

    def _copy(self, table: Table) -> None:
        """The rows beyond the last one that is there."""
        keys = list(table.primary_key.columns)
        with self.destination.reading() as connection:
            there = self._some(select(*keys), table)
            last = connection.execute(there.order_by(*(key.desc() for key in keys)).limit(1)).first()
            self._done += self._count(connection, table)
        query = self._ordered(table)
        if last is not None:
            query = query.where(tuple_(*keys) > tuple_(*(literal(one) for one in last)))
        with _pages(self.snapshot, query) as pages:
            for some in pages:
                with self.destination.transaction() as connection:
                    insert_rows(connection, table.name, table.c.keys(), some)
                self._move(len(some))

    def _compare(self, table: Table) -> None:
        """Raises Unavailable where a table is not the same on both sides."""
        query = self._ordered(table)
        with self.destination.database.connection() as connection:
            digests = [self._digest(one, query) for one in (self.snapshot, connection)]
        if digests[0] != digests[1]:
            raise Unavailable(
                f"the copy differs from the store in {table.name.replace('_', ' ')}: something was changed"
                " while it was copied; stop servers and workers, empty the destination and copy again"
            )

    def _digest(self, connection: Connection, query: Select[Any]) -> bytes:
        digest = sha256()
        with _pages(connection, query) as pages:
            for some in pages:
                digest.update(_packed(some))
                self._move(len(some))
        return digest.digest()

    def _ordered(self, table: Table) -> Select[Any]:
        return self._some(select(table), table).order_by(*table.primary_key.columns)

    def _count(self, connection: Connection, table: Table) -> int:
        query = self._some(select(func.count()).select_from(table), table)
        return int(connection.execute(query).scalar_one())

    def _has_rows(self, connection: Connection, table: Table) -> bool:
        query = self._some(select(literal(1)).select_from(table), table)
        return connection.execute(query.limit(1)).first() is not None

    def _some(self, query: Select[Any], table: Table) -> Select[Any]:
        """A query without what stays behind."""
        return query.where(~self._stays) if table is entities else query

    def _move(self, rows: int) -> None:
        self._done += rows
        if self._total:
            self.progress(self._done, self._total)

    def _fingerprint(self) -> str:
        """What tells a store from others, and from itself after a change."""
        columns = [collections.c[name] for name in ("org", "kind", "id", "n", "sequence")]
        queries = (select(*columns).order_by(collections.c.n), self._ordered(entities))
        return b"".join(self._digest(self.snapshot, one)[:6] for one in queries).hex()

    # Blobs and files

    def _blobs(self) -> int:
        number = 0
        found, into = self.source.blobs, self.destination.blobs
        for name in found.names(self.snapshot):
            number += 1
            with self.destination.transaction() as connection:
                if (
                    not into.has(name, connection)
                    and into.put(found.get(name, self.snapshot), connection) != name
                ):
                    raise Unavailable(
                        f"blob {name} is damaged; annotary check says which label it belongs to"
                    )
        return number

    def _files(self) -> int:
        number = 0
        for row in self.snapshot.execute(select(files).where(files.c.body != "").order_by(files.c.id)):
            number += 1
            file = typed(row.body, StoredFile)
            pieces = self.source.seen_as(row.org).files.read(file)
            self.destination.seen_as(row.org).files.adopt(file, pieces, row.chunks)
        return number


def _named(kind: str, name: str) -> ColumnElement[bool]:
    own = entities.c.kind == kind
    return and_(own, entities.c.name == name) if name else own


@contextmanager
def _pages(connection: Connection, query: Select[Any]) -> Iterator[Iterator[list[tuple[Any, ...]]]]:
    """The rows of a query, a few at a time, however large they are; all is let go of at the end."""
    streamed = connection.execution_options(stream_results=True, max_row_buffer=100)
    with closing(streamed.execute(query)) as found:
        yield _together(found)


def _together(found: Iterable[Any]) -> Iterator[list[tuple[Any, ...]]]:
    some: list[tuple[Any, ...]] = []
    size = 0
    for row in found:
        some.append(tuple(row))
        size += sum(len(one) for one in row if isinstance(one, str | bytes))
        if len(some) == ROWS or size > BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _packed(some: list[tuple[Any, ...]]) -> bytes:
    # One after the other: pages may end elsewhere on the other side.
    return b"".join(map(msgspec.msgpack.encode, some))


_NEXT = "SELECT setval('{0}_n_seq', coalesce(max(n), 1), max(n) IS NOT NULL) FROM {0}"
"""Keys go on after the last one."""
