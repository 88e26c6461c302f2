"""The schema's version: making new stores, refusing ones of another version, upgrading on request."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from annotary.errors import Outdated, Unavailable
from annotary.store.database import Database
from annotary.store.schema import metadata

HEAD = "0005"
_LOCK = 7_305_801_144
_COPY = "copy "


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
    """Make the tables of an empty database; raises Outdated where they are of another version.

    A copy that is not whole is none, except for what copies it: raises Unavailable. After an error the
    database is closed.
    """
    try:
        _ensure(database, migrate, unfinished)
    except BaseException:
        database.close()
        raise


def _ensure(database: Database, migrate: bool, unfinished: bool) -> None:
    with database.connection() as connection:
        version = version_of(connection)
    if version is None:
        with database.transaction() as connection:
            if not database.is_sqlite:
                # Two programs that open the same empty database take turns.
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            if version_of(connection) is None:
                _create(connection, database)
        return
    if version == HEAD or (unfinished and version.startswith(_COPY)):
        return
    if version.startswith(_COPY):
        raise Unavailable(
            f"the store {database.place} is a copy that was interrupted; type the same annotary copy again"
        )
    if version > HEAD:
        raise Outdated(
            f"the store {database.place} was written by a newer annotary"
            f" (schema {version}, this one knows {HEAD}); upgrade annotary"
        )
    if not migrate:
        raise Outdated(
            f"the store {database.place} has schema {version}, this annotary needs {HEAD};"
            " run: annotary migrate"
        )
    upgrade(database)


def unfinished(fingerprint: str) -> str:
    """The version of a copy that is not whole yet, of the store with a fingerprint."""
    return _COPY + fingerprint[: 32 - len(_COPY)]


def mark(connection: Connection, version: str) -> None:
    """Give a store another version."""
    connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})


def upgrade(database: Database) -> None:
    """Bring a store to the present schema, in one transaction."""
    from alembic import command

    with database.transaction() as connection:
        command.upgrade(configuration(connection), "head")


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
            # Sections are read whole and often; lz4 unpacks several times faster than the default.
            connection.execute(text(f"ALTER TABLE {table} ALTER COLUMN {column} SET COMPRESSION lz4"))
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})


_LARGE = (
    ("labels", "annotations"),
    ("labels", "details"),
    ("rows", "extra"),
    ("data_row_versions", "head"),
    ("data_row_versions", "metadata"),
)


def version_of(connection: Connection) -> str | None:
    """A store's version; None where there is no store."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
