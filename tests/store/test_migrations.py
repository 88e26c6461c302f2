"""Migrations lead to the tables that a new store is made with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from annotary.engine.checking import check
from annotary.engine.core import Engine
from annotary.store import FILE_NAME, Store, migrations
from annotary.store.database import Database
from annotary.store.leftovers import collect
from annotary.store.schema import metadata
from tests.engine.world import Clock, World, mask


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
    migrations.upgrade(new)
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
    assert script.get_current_head() == migrations.HEAD
    database.close()


def test_migrate_leaves_a_present_store_alone(store_url: str) -> None:
    Store.open(store_url).close()
    Store.open(store_url, migrate=True).close()


def test_masks_beside_the_database_have_a_row_from_0005_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else they would belong to nothing, and go."""
    monkeypatch.setattr("annotary.store.blobs.SMALL", 64)
    monkeypatch.setattr("annotary.store.leftovers.UNFINISHED_SECONDS", -60)
    store = Store.open(tmp_path)
    world = World(Engine(store), Clock())
    world.label(0, mask("road-0", seed=0), mask("road-1", seed=1))
    with store.transaction() as connection:
        unnamed = store.blobs.put(b"of an import that failed" * 10, connection)
        named = set(store.blobs.names(connection)) - {unnamed}
        connection.execute(text("DROP TABLE placed_blobs"))
        migrations.mark(connection, "0004")
    store.close()
    store = Store.open(tmp_path, migrate=True)
    with store.reading() as connection:
        assert named and set(store.blobs.names(connection)) == named
    assert collect(store) == 1
    assert {one.name[-64:] for one in store.place.names("blobs/")} == named
    assert check(store).wrong == 0
    store.close()
