"""The tables of a store: made in an empty database, and which version they are of."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from annotary.store.database import Database
from annotary.store.migrations import BOTH, HEAD, OLDEST, VERSION, Schema
from annotary.store.schema import metadata

_LOCK = 7_305_801_144


def take_turns(connection: Connection) -> None:
    """Wait for others who make or change the tables of the same PostgreSQL database."""
    if connection.dialect.name != "sqlite":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


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


def create(connection: Connection, database: Database) -> None:
    """Make the tables."""
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
    row = connection.execute(text(BOTH if "oldest" in known else VERSION)).one()
    return Schema(row[0], row[1] if len(row) > 1 else row[0])
