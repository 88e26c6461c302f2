"""PostgreSQL goes away and comes back: meanwhile requests are refused, then everything goes on as it is."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from tests._postgres import Own, Unavailable, own_postgres
from tests._server import START_SECONDS, make_key
from tests._traffic import (
    TASKS,
    Caller,
    Json,
    Processes,
    Work,
    export_once,
    import_once,
    prepared,
    processes,
    settled,
    suffer,
)

pytestmark = pytest.mark.postgres
MANY = 8
AWAY_SECONDS = 6.0
"""Longer than what a worker thinks between two looks at the queue."""


@pytest.fixture
def own() -> Iterator[Own]:
    """A server of the test's own, to be stopped and started."""
    try:
        # What is committed has to be written before it is acknowledged: else a stop at once would lose it.
        with own_postgres(settings={"synchronous_commit": "on"}) as own:
            yield own
    except Unavailable as error:
        pytest.skip(str(error))


def test_what_is_asked_while_the_database_is_away_is_refused_and_afterwards_all_goes_on(
    own: Own, tmp_path: Path
) -> None:
    work = prepared(own.url, tmp_path)
    key = make_key(own.url, "member")
    with processes(own.url, tmp_path, workers=1) as running:
        url = running.server.url
        with Caller(url, key) as caller:
            until_it_works(running, caller, work)
            import_once(caller, work, random.Random(1))
            own.stop()
            refused(url, key)
            time.sleep(AWAY_SECONDS)
            refused(url, key)
            own.start()
            assert caller.http.get("/readyz").status_code == 200
            export_once(caller, work, random.Random(2))
            ended = settled(caller, [*work.imports, *work.exports])
        assert {task["status"] for task in ended.values()} == {"COMPLETE"}
        assert running.server.process.poll() is None
        assert [worker.poll() for worker in running.workers] == [None]
        for log in ("server.log", "worker.log"):
            said = (tmp_path / log).read_text()
            assert "Traceback" not in said, said
            assert '"event": "failure"' not in said, said
        # What is the matter is told once, not at every look.
        assert said.count("no task could be done") < 10, said


def until_it_works(running: Processes, caller: Caller, work: Work) -> None:
    """Ask for exports until the worker that is a process of its own has done one."""
    (worker,) = running.workers
    deadline = time.monotonic() + START_SECONDS
    with psycopg.connect(running.target, autocommit=True) as connection:
        while not connection.execute(
            "SELECT 1 FROM tasks WHERE worker LIKE %s", (f"% {worker.pid} %",)
        ).fetchall():
            assert time.monotonic() < deadline
            # More at once than the server's own worker does at a time.
            for _ in range(MANY):
                export_once(caller, work, random.Random(0))
            settled(caller, work.exports[-MANY:])


def refused(url: str, key: str) -> None:
    """Every way in says that the database is away, as a 503 with a reason; the server itself is alive."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as http:
        answer = http.get("/api/v1/projects")
        assert answer.status_code == 503, answer.text
        assert answer.headers["retry-after"] == "5"
        told = answer.json()["error"]
        assert told["code"] == "unreachable"
        assert told["message"].startswith("the database postgresql://annotary@127.0.0.1:")
        assert "cannot be reached" in told["message"]
        asked = http.post(
            "/graphql", json={"query": TASKS, "variables": {"param_0": "any", "param_1": "any"}}
        )
        (error,) = asked.json()["errors"]
        assert error["extensions"]["exception"]["status"] == 503
        assert http.get("/readyz").status_code == 503
        assert http.get("/healthz").status_code == 200


def cut_connections(running: Processes, luck: random.Random) -> None:
    """End all connections of the programs, at any moment of what they do."""
    for _ in range(luck.randrange(1, 4)):
        with psycopg.connect(running.target, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        time.sleep(luck.uniform(0, 0.5))


def none_failed(ended: dict[str, Json]) -> None:
    assert {task["status"] for task in ended.values()} == {"COMPLETE"}


def test_connections_that_are_ended_cost_nothing(postgres_url: str, tmp_path: Path) -> None:
    none_failed(suffer(postgres_url, tmp_path, cut_connections, times=2, workers=2))


@pytest.mark.soak
def test_a_database_that_is_restarted_costs_nothing(own: Own, tmp_path: Path) -> None:
    def restart(running: Processes, luck: random.Random) -> None:
        own.stop()
        time.sleep(luck.uniform(0, 1))
        own.start()

    none_failed(suffer(own.url, tmp_path, restart, times=3, workers=2))


@pytest.mark.soak
def test_connections_that_are_ended_thirty_times_cost_nothing(postgres_url: str, tmp_path: Path) -> None:
    suffer(postgres_url, tmp_path, cut_connections, times=30, workers=2)
