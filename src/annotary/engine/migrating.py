"""A store's schema: which it is, which programs may use it, and bringing it to that of this one."""

from __future__ import annotations

from pathlib import Path

import msgspec

from annotary.engine.checking import there
from annotary.errors import NotFound
from annotary.model.base import Value
from annotary.store import Store, migrations
from annotary.store.database import Database
from annotary.store.migrations import tables
from annotary.store.migrations.upgrading import oldest_beside
from annotary.store.moving import Moved, move
from annotary.store.opening import FILE_NAME


class Standing(Value):
    """Where a store stands: its schema, the oldest one whose programs may use it, and that of this program.

    `beside`: once `annotary migrate` has been carried out, programs of its present schema may go on.
    """

    schema: str
    oldest: str
    program: str
    beside: bool


class Migrated(Standing):
    """Where a store stands then, how many of its blobs and files have moved, and from where."""

    blobs: int = 0
    files: int = 0
    left: str | None = None


def standing(target: str) -> Standing:
    """Where a store stands; nothing is changed, and nothing need fit. Raises NotFound where there is none."""
    there(target)
    database = Database(target if "://" in target else Path(target).expanduser() / FILE_NAME)
    try:
        with database.connection() as connection:
            schema = tables.schema_of(connection)
            if schema is None:
                raise NotFound(f"no store at {database.shown_place}; give another place with --at")
            oldest = schema.oldest
            if schema.version < migrations.HEAD:
                oldest = max(oldest, oldest_beside(connection))
    finally:
        database.close()
    return Standing(
        schema=schema.version,
        oldest=schema.oldest,
        program=migrations.HEAD,
        beside=schema.version >= oldest,
    )


def migrated(target: str, blobs: str | None = None) -> Migrated:
    """Bring a store to the present schema, and its blobs and files to another place; where it stands then.

    Servers and workers of the store must stand still where they move. Raises Invalid, NotFound, Unavailable.
    """
    there(target)
    store = Store.open(target, migrate=True, blobs="" if blobs else None)
    try:
        moved = move(store, blobs) if blobs else Moved(0, 0, None)
    finally:
        store.close()
    stands = msgspec.structs.asdict(standing(target))
    return Migrated(**stands, blobs=moved.blobs, files=moved.files, left=moved.left)
