"""The temporary server: databases are fresh and go again, and the server goes with its owner."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests import _postgres
from tests._postgres import Unavailable, shared_postgres, temporary_database, temporary_postgres

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def a_server_can_be_started() -> None:
    try:
        _postgres.find_account()
        _postgres.find_programs()
    except Unavailable as error:
        pytest.skip(str(error))


def databases(server_url: str) -> set[str]:
    with psycopg.connect(server_url) as connection:
        return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.mark.parametrize("time", ["first", "second"])
def test_each_test_has_an_empty_database(postgres_url: str, time: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
        assert connection.execute(tables).fetchone() == (0,)
        connection.execute("CREATE TABLE left_behind (id int)")


def test_a_database_goes_even_when_someone_is_still_connected(postgres_server: str) -> None:
    with temporary_database(postgres_server) as url:
        forgotten = psycopg.connect(url)
        assert name_of(url) in databases(postgres_server)
    assert name_of(url) not in databases(postgres_server)
    with pytest.raises(psycopg.OperationalError):
        forgotten.execute("SELECT 1")
    forgotten.close()


def test_both_databases_are_offered(store_url: str, request: pytest.FixtureRequest) -> None:
    assert store_url.startswith("postgresql://") == (request.node.callspec.id != "sqlite")


@pytest.mark.usefixtures("a_server_can_be_started")
def test_a_temporary_server_takes_settings_and_ends_with_its_block() -> None:
    with temporary_postgres(fsync=True, settings={"work_mem": "5MB"}) as url:
        with psycopg.connect(url) as connection:
            shown = [connection.execute(f"SHOW {name}").fetchone() for name in ("fsync", "work_mem")]
        assert shown == [("on",), ("5MB",)]
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)


@pytest.mark.usefixtures("a_server_can_be_started")
def test_a_shared_server_is_one_and_ends_with_its_owner(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as owner:
        url = shared_postgres(tmp_path, owner=owner.pid)
        assert shared_postgres(tmp_path, owner=owner.pid) == url
        with psycopg.connect(url) as connection:
            ((data,),) = connection.execute("SHOW data_directory")
    deadline = time.monotonic() + 20
    while os.path.exists(os.path.dirname(data)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(os.path.dirname(data))


def test_a_machine_without_the_programs_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(_postgres, "USUAL_PLACES", ())
    with (
        pytest.raises(Unavailable, match="PostgreSQL is not installed: no initdb on PATH"),
        temporary_postgres(),
    ):
        pass


@pytest.mark.usefixtures("a_server_can_be_started")
def test_a_server_that_does_not_start_is_a_failure_and_shows_its_log() -> None:
    with (
        pytest.raises(RuntimeError, match="unrecognized configuration parameter"),
        temporary_postgres(settings={"no_such": "1"}),
    ):
        pass
