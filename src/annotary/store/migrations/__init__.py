"""The schema's version: making new stores, refusing ones of another version, upgrading on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, inspect, text

from annotary.errors import Outdated, Unavailable
from annotary.store.database import Database, Guard
from annotary.store.schema import metadata

HEAD = "0007"
OLDEST = "0006"
"""The oldest schema whose programs may use a store of HEAD: what the migrations up to it say."""
_LOCK = 7_305_801_144
_COPY = "copy "
_VERSION = "SELECT version_num FROM alembic_version"
_BOTH = "SELECT version_num, oldest FROM alembic_version"


class Schema(NamedTuple):
    """A store's schema, and the oldest one that a program must know to use it."""

    version: str
    oldest: str

    @property
    def is_copy(self) -> bool:
        """Whether it is a copy that is not whole yet."""
        return self.version.startswith(_COPY)


def prepare_folder(home: Path) -> Path:
    """Make the folder of an embedded store; raises Unavailable."""
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"the store {home} cannot be made: {error.strerror}; give a folder of your own with --at"
        ) from error
    return home


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
    database.guard = _guard(database.place, unfinished)


def _ensure(database: Database, migrate: bool, unfinished: bool) -> None:
    with database.connection() as connection:
        schema = schema_of(connection)
    if schema is None:
        with database.transaction() as connection:
            take_turns(connection)
            if schema_of(connection) is None:
                _create(connection, database)
        return
    if migrate and not schema.is_copy and schema.version < HEAD:
        from annotary.store.migrations.upgrading import upgrade

        upgrade(database)
    else:
        _check(schema, database.place, unfinished)


def _check(schema: Schema, place: str, unfinished: bool) -> None:
    """Raises Outdated, Unavailable where this program must not use a store."""
    if schema.is_copy:
        if not unfinished:
            raise Unavailable(
                f"the store {place} is a copy that was interrupted; type the same annotary copy again"
            )
    elif schema.oldest > HEAD:
        raise Outdated(
            f"the store {place} was written by a newer annotary"
            f" (schema {schema.version}, this one knows {HEAD}); upgrade annotary"
        )
    elif schema.version < HEAD:
        raise Outdated(
            f"the store {place} has schema {schema.version}, this annotary needs {HEAD};"
            " run: annotary migrate"
        )


def _guard(place: str, unfinished: bool) -> Guard:
    """What looks, on a driver's connection, whether a store still fits; raises Outdated, Unavailable.

    A program may be at work when the store is brought to a newer schema.
    """
    known = HEAD

    def look(driver: Any) -> None:
        nonlocal known
        ((version,),) = driver.execute(_VERSION).fetchall()
        if version != known:
            oldest = version
            if version > HEAD:
                ((version, oldest),) = driver.execute(_BOTH).fetchall()
            _check(Schema(version, oldest), place, unfinished)
            known = version

    return look


def take_turns(connection: Connection) -> None:
    """Wait for others who make or change the tables of the same PostgreSQL database."""
    if connection.dialect.name != "sqlite":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def unfinished(fingerprint: str) -> str:
    """The version of a copy that is not whole yet, of the store with a fingerprint."""
    return _COPY + fingerprint[: 32 - len(_COPY)]


def mark(connection: Connection, version: str) -> None:
    """Give a store another version."""
    connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})


def configuration(connection: Connection):  # type: ignore[no-untyped-def] # alembic's own type
    """Alembic's configuration for an open connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _create(connection: Connection, database: Database) -> None:
    metadata.create_all(connection)
    if not database.is_sqlite:
        for table, column in _LARGE:
            # These are written and read whole and often; lz4 is several times faster than the default.
            connection.execute(text(f"ALTER TABLE {table} ALTER COLUMN {column} SET COMPRESSION lz4"))
    connection.execute(
        text(
            "CREATE TABLE alembic_version"
            " (version_num VARCHAR(32) PRIMARY KEY, oldest VARCHAR(32) DEFAULT '' NOT NULL)"
        )
    )
    connection.execute(
        text("INSERT INTO alembic_version VALUES (:head, :oldest)"),
        {"head": HEAD, "oldest": OLDEST},
    )


_LARGE = (
    ("labels", "annotations"),
    ("labels", "details"),
    ("rows", "extra"),
    ("data_row_versions", "head"),
    ("data_row_versions", "metadata"),
    ("file_pieces", "data"),
)


def schema_of(connection: Connection) -> Schema | None:
    """A store's schema; None where there is no store."""
    found = inspect(connection)
    if not found.has_table("alembic_version"):
        return None
    known = {column["name"] for column in found.get_columns("alembic_version")}
    row = connection.execute(text(_BOTH if "oldest" in known else _VERSION)).one()
    return Schema(row[0], row[1] if len(row) > 1 else row[0])
