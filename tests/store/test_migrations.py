"""Migrations lead to the tables that a new store is made with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from annotary.store import FILE_NAME, Store, migrations
from annotary.store.database import Database
from annotary.store.migrations.upgrading import oldest_beside, upgrade
from annotary.store.schema import metadata


def opened(url: str) -> Database:
    if "://" in url:
        return Database(url)
    return Database(migrations.prepare_folder(Path(url)) / FILE_NAME)


def shape(database: Database) -> Any:
    """What the database itself says of its tables and indexes."""
    if database.is_sqlite:
        sql = "SELECT name, tbl_name FROM sqlite_master WHERE name NOT LIKE 'alembic%' ORDER BY 1"
    else:
        sql = (
            "SELECT table_name, column_name, data_type, is_nullable, collation_name"
            " FROM information_schema.columns"
            " WHERE table_schema = 'public' AND table_name <> 'alembic_version'"
            " UNION ALL SELECT tablename, indexname, indexdef, '', '' FROM pg_indexes"
            " WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1, 2"
        )
    with database.connection() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def test_a_migrated_store_is_a_new_store(store_url: str, tmp_path: Path, request: Any) -> None:
    new = opened(store_url)
    migrations.ensure(new)
    wanted = shape(new)
    with new.transaction() as connection:
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
    new.close()
    new = opened(store_url)
    upgrade(new)
    assert shape(new) == wanted
    with new.connection() as connection:
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        assert version == migrations.HEAD
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    new.close()


def test_head_is_the_last_migration(store_url: str) -> None:
    database = opened(store_url)
    with database.connection() as connection:
        script = ScriptDirectory.from_config(migrations.configuration(connection))
        assert oldest_beside(connection) == migrations.OLDEST
    assert script.get_current_head() == migrations.HEAD
    database.close()


def test_migrate_leaves_a_present_store_alone(store_url: str) -> None:
    Store.open(store_url).close()
    Store.open(store_url, migrate=True).close()
