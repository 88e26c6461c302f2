"""Servers, workers, a database and a bucket on hosts of their own: one is cut off, and brought back."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests import _hosts, _s3
from tests._hosts import Hosts, hosts
from tests._postgres import Unavailable, own_postgres
from tests._processes import children
from tests._s3 import shared_s3
from tests._server import SCRIPT, Server, end, make_key, quiet_environment, start, start_worker
from tests._traffic import (
    STEPS,
    Caller,
    Work,
    burst,
    check_exports,
    check_imports,
    check_store,
    check_uploads,
    export_once,
    import_once,
    prepared,
    settled,
)

pytestmark = pytest.mark.postgres
SERVERS, WORKERS = ("server1", "server2"), ("worker1", "worker2")
DATABASE, BUCKET, OUTSIDE = "database", "bucket", "outside"
LARGE = 20_000
"""Rows of an import that takes some seconds."""
SECONDS = 60.0
NOTICED_SECONDS = 45.0
MANY = 20
"""So many requests at once to each server."""


@dataclass
class Site:
    """What runs on the hosts."""

    hosts: Hosts
    target: str
    folder: Path
    servers: dict[str, Server] = field(default_factory=dict)
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def host_of(self, worker: str) -> str:
        """The host of a worker, by the name that it gives itself: a worker's own, or a server's."""
        process = int(worker.split()[1])
        for name, server in self.servers.items():
            if process in children(server.process.pid, "annotary"):
                return name
        (found,) = (name for name, one in self.workers.items() if one.pid == process)
        return found

    def asked(self, query: str, *given: Any) -> list[tuple[Any, ...]]:
        """What the database itself says."""
        with psycopg.connect(self.target, autocommit=True) as connection:
            return connection.execute(query, given).fetchall()

    def check_alive(self) -> None:
        """All processes are those that were started."""
        for server in self.servers.values():
            assert server.process.poll() is None, server.said()
        for worker in self.workers.values():
            assert worker.poll() is None, (self.folder / "worker.log").read_text()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two servers, two workers, a database, a bucket, seen from outside, where this thread is meanwhile."""
    folder = tmp_path_factory.mktemp("site")
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(hosts(DATABASE, BUCKET, *SERVERS, *WORKERS, OUTSIDE))
            with made.inside(DATABASE):
                address = made.addresses[DATABASE]
                own = stack.enter_context(own_postgres(host=address))
            with made.inside(BUCKET):
                reached = shared_s3("moto", folder, owner=os.getpid(), host=made.addresses[BUCKET])
        except (_hosts.Unavailable, Unavailable) as error:
            pytest.skip(str(error))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in reached.items():
            patch.setenv(name, value)
        stack.enter_context(made.inside(OUTSIDE))
        # By a process of its own: the threads in which this one asks a bucket may be on no host.
        first = [SCRIPT, "--at", own.url, "projects", "--quiet"]
        place = {"ANNOTARY_BLOBS": f"s3://{_s3.BUCKET}/site"}
        subprocess.run(first, env=quiet_environment() | place, check=True, capture_output=True)
        here = Site(made, own.url, folder)
        stack.callback(lambda: end(*(one.process for one in here.servers.values()), *here.workers.values()))
        for name in SERVERS:
            with made.inside(name):
                log = folder / f"{name}.log"
                here.servers[name] = start(here.target, log, "--host", made.addresses[name])
        for name in WORKERS:
            with made.inside(name):
                here.workers[name] = start_worker(here.target, folder / "worker.log")
        yield here


def test_a_host_that_is_cut_off_at_work_costs_nothing(here: Site) -> None:
    work = prepared(here.target, here.folder)
    key = make_key(here.target, "member")
    with Caller(here.servers["server1"].url, key) as caller:
        large = import_once(caller, work, random.Random(1), LARGE)
    lost = here.host_of(taken(here, large))
    here.hosts.cut(lost)
    other = next(name for name in SERVERS if name != lost)
    with Caller(here.servers[other].url, key) as caller:
        # Who is left goes on, and does what the lost host had begun.
        export_once(caller, work, random.Random(2))
        ended = settled(caller, [large, *work.exports])
        assert {task["status"] for task in ended.values()} == {"COMPLETE"}
    ((attempts, worker),) = here.asked("SELECT attempts, worker FROM tasks WHERE id = %s", large)
    assert attempts == 2
    assert here.host_of(worker) != lost
    here.hosts.mend(lost)
    check_all(here, work, key)


@pytest.mark.soak
def test_a_database_that_is_cut_off_is_noticed_in_seconds(here: Site) -> None:
    work = prepared(here.target, here.folder)
    key = make_key(here.target, "member")
    urls = [server.url for server in here.servers.values()]
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(Caller(url, key)) for url in urls * MANY]
        for caller in callers[: len(urls)]:
            import_once(caller, work, random.Random(caller.http.base_url.host))
        begun = time.monotonic()
        here.hosts.cut(DATABASE)
        try:
            # More at once than a server has threads: those that wait in line are not kept waiting one by one.
            with ThreadPoolExecutor(len(callers)) as pool:
                answers = list(pool.map(lambda caller: caller.http.get("/api/v1/projects"), callers))
        finally:
            here.hosts.mend(DATABASE)
        assert {answer.status_code for answer in answers} == {503}
        assert {answer.json()["error"]["code"] for answer in answers} == {"unreachable"}
        assert time.monotonic() - begun < NOTICED_SECONDS
    check_all(here, work, key)


@pytest.mark.soak
def test_a_bucket_that_is_cut_off_for_a_while_is_waited_for(here: Site) -> None:
    work = prepared(here.target, here.folder)
    key = make_key(here.target, "member")
    with Caller(here.servers["server1"].url, key) as caller:
        import_once(caller, work, random.Random(3))
        export_once(caller, work, random.Random(3))
        here.hosts.cut(BUCKET)
        threads = burst(here.servers["server2"].url, key, work, random.Random(4))
        try:
            time.sleep(8)
            assert caller.http.get("/api/v1/projects").status_code == 200
        finally:
            here.hosts.mend(BUCKET)
        for thread in threads:
            thread.join()
    check_all(here, work, key)
    assert here.asked("SELECT count(*) FROM file_pieces") == [(0,)]


def taken(here: Site, task: str) -> str:
    """The worker who has taken a task, at work on it."""
    deadline = time.monotonic() + SECONDS
    while True:
        found = here.asked("SELECT worker FROM tasks WHERE id = %s AND status = 'IN_PROGRESS'", task)
        if found:
            time.sleep(0.5)
            return str(found[0][0])
        assert time.monotonic() < deadline
        time.sleep(0.05)


def until_ready(url: str, key: str) -> None:
    """A server that was cut off says by itself that it can work again."""
    deadline = time.monotonic() + SECONDS
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=SECONDS) as http:
        while http.get("/readyz").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def check_all(here: Site, work: Work, key: str) -> None:
    """Without a restart every server takes everything again, and nothing is lost, done twice or stuck."""
    for server in here.servers.values():
        until_ready(server.url, key)
    here.check_alive()
    for name, server in here.servers.items():
        with Caller(server.url, key) as caller:
            for step in STEPS:
                step(caller, work, random.Random(name))
    with Caller(server.url, key) as caller:
        ended = settled(caller, [*work.imports, *work.exports])
        assert {task["status"] for task in ended.values()} == {"COMPLETE"}
        check_uploads(caller, work)
        check_exports(caller, work, ended)
    check_imports(here.target, work, ended)
    check_store(here.target)
    assert here.asked("SELECT id FROM tasks WHERE status IN ('QUEUED', 'IN_PROGRESS')") == []


@pytest.mark.soak
def test_any_host_is_cut_off_again_and_again(here: Site) -> None:
    luck = random.Random(12)
    work = prepared(here.target, here.folder)
    key = make_key(here.target, "member")
    for number in range(12):
        threads: list[threading.Thread] = []
        for server in here.servers.values():
            threads += burst(server.url, key, work, luck)
        time.sleep(luck.uniform(0, 1.5))
        # The database in turn, and for longer than a lease now and then.
        lost = luck.choice((DATABASE, BUCKET, *SERVERS, *WORKERS)) if number % 4 else DATABASE
        here.hosts.cut(lost)
        time.sleep(luck.uniform(0.5, 45))
        here.hosts.mend(lost)
        for thread in threads:
            thread.join()
    check_all(here, work, key)
