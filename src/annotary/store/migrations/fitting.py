"""A store's tables made to fit: new where it is empty, refused where they do not, upgraded on request."""

from __future__ import annotations

from annotary.store.database import Database
from annotary.store.migrations import HEAD, check, guard
from annotary.store.migrations.tables import create, schema_of, take_turns


def ensure(database: Database, *, migrate: bool = False, unfinished: bool = False) -> None:
    """Make the tables of an empty database; raises Outdated where they do not fit this program.

    A copy that is not whole is none, except for what copies it: raises Unavailable. After an error the
    database is closed. From then on the database itself looks whether the tables still fit.
    """
    database.guard = None
    try:
        _ensure(database, migrate, unfinished)
    except BaseException:
        database.close()
        raise
    database.guard = guard(database.place, unfinished=unfinished)


def _ensure(database: Database, migrate: bool, unfinished: bool) -> None:
    with database.connection() as connection:
        schema = schema_of(connection)
    if schema is None:
        with database.transaction() as connection:
            take_turns(connection)
            if schema_of(connection) is None:
                create(connection, database)
        return
    if migrate and not schema.is_copy and schema.version < HEAD:
        from annotary.store.migrations.upgrading import upgrade

        upgrade(database)
    else:
        check(schema, database.place, unfinished)
