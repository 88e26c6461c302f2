"""Content-addressed bytes: small ones in a table, larger ones in the store's place, where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import msgspec
from sqlalchemy import Connection, Table, delete, select

from annotary.errors import NotFound
from annotary.store.database import Database, driver_cursor
from annotary.store.places import Place
from annotary.store.schema import blobs, placed_blobs

SMALL = 64 * 1024
FOLDER = "blobs/"
_PAGE = 1000


class Blobs:
    """Bytes by the SHA-256 of their content. Each has a row, which comes with what names it or not at all."""

    def __init__(self, place: Place | None, database: Database) -> None:
        self._place = place
        self._database = database

    def put(self, data: bytes, connection: Connection) -> str:
        """Store bytes once; gives their hash. A large one is in its place before the transaction ends."""
        name = sha256(data).hexdigest()
        if self.has(name, connection):
            return name
        if self._place is None or len(data) <= SMALL:
            self._claim(_HELD, (name, data), connection)
        elif self._claim(_PLACED, (name,), connection):
            self._place.put(key_of(name), data)
        return name

    def discard(self, name: str, connection: Connection) -> bool:
        """Remove a blob's bytes from the place where there is no row of it; False where there is one by now.

        The row is claimed meanwhile: of two that do so, one waits for the end of the other's transaction. So
        it is never taken away from somebody who is about to name it.
        """
        if self._place is None or not self._claim(_PLACED, (name,), connection):
            return False
        self._place.delete(key_of(name))
        connection.execute(delete(placed_blobs).where(placed_blobs.c.hash == name))
        return True

    def _claim(self, sql: str, values: tuple[object, ...], connection: Connection) -> bool:
        cursor = driver_cursor(connection)
        cursor.execute(self._database.sql(f"{sql} ON CONFLICT DO NOTHING"), values)
        return bool(cursor.rowcount)

    def get(self, name: str, connection: Connection) -> bytes:
        """The bytes with a hash; raises NotFound."""
        found = connection.execute(select(blobs.c.data).where(blobs.c.hash == name)).first()
        if found:
            return bytes(found[0])
        if self._place is None:
            raise NotFound(f"no blob {name} in the database")
        try:
            return self._place.whole(key_of(name))
        except NotFound as error:
            raise NotFound(f"no blob {name}: {error}") from None

    def has(self, name: str, connection: Connection) -> bool:
        """Whether the bytes with a hash are here."""
        cursor = driver_cursor(connection)
        cursor.execute(self._database.sql(_KNOWN), (name, name))
        return bool(cursor.fetchall())

    @staticmethod
    def names(connection: Connection) -> Iterator[str]:
        """The hashes of all blobs: those in the database, then those in the place, in order each."""
        for table in (blobs, placed_blobs):
            yield from _hashes(table, connection)


_HELD = "INSERT INTO blobs (hash, data) VALUES (?, ?)"
_PLACED = "INSERT INTO placed_blobs (hash) VALUES (?)"
_KNOWN = "SELECT 1 FROM blobs WHERE hash = ? UNION ALL SELECT 1 FROM placed_blobs WHERE hash = ?"


def key_of(name: str) -> str:
    """What the blob with a hash is called in a place."""
    return f"{FOLDER}{name[:2]}/{name}"


def _hashes(table: Table, connection: Connection) -> Iterator[str]:
    low = ""
    while True:
        asked = select(table.c.hash).where(table.c.hash > low).order_by(table.c.hash).limit(_PAGE)
        found = [row.hash for row in connection.execute(asked)]
        yield from found
        if not found:
            return
        low = found[-1]


def mask_names(masks: str | None) -> dict[str, str]:
    """The hashes of a label's masks by feature id, by its column; empty where they cannot be read."""
    try:
        return msgspec.json.decode(masks, type=dict[str, str]) if masks else {}
    except msgspec.DecodeError:
        return {}
