"""Bringing a store to the present schema, while programs of the one before may be at work on it."""

from __future__ import annotations

import time

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from annotary.errors import Unavailable
from annotary.store.database import Database
from annotary.store.migrations import HEAD
from annotary.store.migrations.tables import configuration, schema_of, take_turns
from annotary.store.reasons import is_held

LOCK_SECONDS = 3
"""So long a statement waits for others: who comes behind it waits for as long, too."""
PAUSE_SECONDS = 2.0
BUSY_SECONDS = 120.0
"""After so long without a moment in which nobody holds the tables it is given up."""


def oldest_beside(connection: Connection) -> str:
    """The oldest schema whose programs may go on once a store is at HEAD: what the migrations say."""
    script = ScriptDirectory.from_config(configuration(connection))
    # Who has not said so has not thought of it: no older program may.
    return max(getattr(one.module, "oldest", one.revision) for one in script.walk_revisions())


def upgrade(database: Database) -> None:
    """Bring a store to the present schema, in one transaction. Raises Unavailable where it is in use."""
    given_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            with database.transaction() as connection:
                _upgrade(connection)
            return
        except Unavailable as error:
            if not is_held(error):
                raise
            if time.monotonic() > given_up:
                raise Unavailable(
                    f"the store {database.shown_place} is in use: something has held its tables for over"
                    f" {BUSY_SECONDS:.0f} s; stop the workers, or run annotary migrate again later"
                ) from error
        # Whoever waits for the same tables has its turn.
        time.sleep(PAUSE_SECONDS)


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
    take_turns(connection)
    schema = schema_of(connection)
    version = None if schema is None else schema.version
    if version == HEAD:
        return
    oldest = oldest_beside(connection)
    if version is not None and version < oldest and connection.dialect.name != "sqlite":
        # Programs that must not go on have ended what they write, and look again before they write more.
        connection.execute(text("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE"))
    command.upgrade(configuration(connection), "head")
    connection.execute(text("UPDATE alembic_version SET oldest = :oldest"), {"oldest": oldest})
