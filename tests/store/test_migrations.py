"""Migrations lead to the tables that a new store is made with."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from annotary.engine.checking import check
from annotary.engine.copying import copy_store
from annotary.engine.core import Engine
from annotary.engine.migrating import migrated, standing
from annotary.errors import NotFound, Outdated, Unavailable
from annotary.model.project import Project
from annotary.store import Store, migrations
from annotary.store.database import Database
from annotary.store.leftovers import collect
from annotary.store.migrations import fitting, tables, upgrading
from annotary.store.migrations.upgrading import oldest_beside, upgrade
from annotary.store.opening import FILE_NAME, Unopened
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
    fitting.ensure(new)
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
        script = ScriptDirectory.from_config(tables.configuration(connection))
        assert oldest_beside(connection) == migrations.OLDEST
    assert script.get_current_head() == migrations.HEAD
    database.close()


def test_migrate_leaves_a_present_store_alone(store_url: str) -> None:
    Store.open(store_url).close()
    Store.open(store_url, migrate=True).close()


MOMENT = "2026-01-01T00:00:00.000+00:00"


def project(id: str, name: str) -> Project:
    return Project(id=id, name=name, created_at=MOMENT, updated_at=MOMENT)


def stated(url: str, version: str, oldest: str) -> None:
    """Say that a store has been brought to another schema, by a program of that one."""
    database = opened(url)
    with database.transaction() as connection:
        given = {"version": version, "oldest": oldest}
        connection.execute(text("UPDATE alembic_version SET version_num = :version, oldest = :oldest"), given)
    database.close()


def test_a_newer_schema_that_leaves_room_for_this_program_is_used(store_url: str, tmp_path: Path) -> None:
    with closing(Store.open(store_url)) as store:
        store.put(project("p", "before"))
        stated(store_url, "9999", migrations.HEAD)
        store.put(project("q", "after"))
    with closing(Store.open(store_url, migrate=True)) as store:
        assert [one.name for one in store.find(Project)] == ["before", "after"]
    found = standing(store_url)
    assert (found.schema, found.oldest, found.program) == ("9999", migrations.HEAD, migrations.HEAD)
    # What this program does not know of it would not come along.
    with pytest.raises(Outdated, match=r"has schema 9999, of which .* upgrade annotary"):
        copy_store(store_url, str(tmp_path / "copy"))


def test_who_only_reads_looks_at_the_schema_too(store_url: str) -> None:
    Store.open(store_url).close()
    with closing(Unopened(store_url, "default")) as store, store.reader.raw(snapshot=True) as cursor:
        cursor.execute("SELECT count(*) FROM data_rows")
        assert cursor.fetchall() == [(0,)]
    stated(store_url, "9999", migrations.HEAD)
    with closing(Unopened(store_url, "default")) as store, store.reader.raw() as cursor:
        cursor.execute("SELECT 1")
    for version, reason in (
        ("9999", "upgrade annotary"),
        ("0005", "annotary migrate"),
        ("copy of", "a copy"),
    ):
        stated(store_url, version, version)
        with closing(Unopened(store_url, "default")) as store:
            for _ in range(2):
                with pytest.raises((Outdated, Unavailable), match=reason), store.reader.raw():
                    pass


def test_a_program_at_work_notices_that_it_has_become_too_old(store_url: str) -> None:
    with closing(Store.open(store_url)) as store:
        store.put(project("p", "before"))
        stated(store_url, "9999", "9999")
        for _ in range(2):
            with pytest.raises(Outdated, match="was written by a newer annotary"):
                store.put(project("q", "after"))
        store.database._guarded = 0.0  # a second later
        with pytest.raises(Outdated, match="upgrade annotary"):
            store.get(Project, "p")
        with pytest.raises(Outdated, match="upgrade annotary"), store.database.raw() as cursor:
            cursor.execute("SELECT 1")
    with pytest.raises(Outdated, match="upgrade annotary"):
        Store.open(store_url)


@pytest.mark.postgres
def test_a_migration_gives_way_to_who_holds_the_tables(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store.open(postgres_url).close()
    database = opened(postgres_url)
    with database.transaction() as connection:
        connection.execute(text("ALTER TABLE alembic_version DROP COLUMN oldest"))
        connection.execute(text("DROP TABLE placed_blobs"))
        connection.execute(text("DROP INDEX rows_unusual"))
        tables.mark(connection, "0004")
    monkeypatch.setattr(upgrading, "LOCK_SECONDS", 1)
    monkeypatch.setattr(upgrading, "PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(upgrading, "BUSY_SECONDS", 0)
    assert not standing(postgres_url).beside
    with database.transaction() as connection:
        connection.execute(text("LOCK TABLE alembic_version IN ACCESS SHARE MODE"))
        with pytest.raises(Unavailable, match="is in use: something has held its tables"):
            Store.open(postgres_url, migrate=True)
    migrated(postgres_url)
    assert standing(postgres_url).schema == migrations.HEAD
    database.close()


def test_a_place_without_a_store_has_no_schema(tmp_path: Path) -> None:
    for place in (tmp_path / "nothing", tmp_path):
        for ask in (migrated, standing):
            with pytest.raises(NotFound, match="no store at"):
                ask(str(place))
    assert not (tmp_path / "nothing").exists()


def test_masks_beside_the_database_have_a_row_from_0006_on(
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
        connection.execute(text("DROP INDEX rows_unusual"))
        tables.mark(connection, "0005")
    store.close()
    store = Store.open(tmp_path, migrate=True)
    with store.reading() as connection:
        assert named and set(store.blobs.names(connection)) == named
    assert collect(store) == 1
    assert {one.name[-64:] for one in store.place.names("blobs/")} == named
    assert check(store).wrong == 0
    store.close()
