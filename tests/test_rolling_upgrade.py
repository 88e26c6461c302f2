"""Programs of two schemas beside each other: the next one is this one with one more migration."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

import annotary
from annotary.store import migrations
from tests._processes import children
from tests._server import SCRIPT, end, make_key, quiet_environment, start, start_worker
from tests._traffic import (
    STEPS,
    Away,
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
from tests.conftest import DATABASES

NEXT = f"{int(migrations.HEAD) + 1:04}"
SECONDS = 60.0
COLUMN = '    Column("afterthought", _text, nullable=False, server_default="none"),\n'
MIGRATION = f'''"""More columns, a table and an index."""

import sqlalchemy as sa
from alembic import op

revision = "{NEXT}"
down_revision = "{migrations.HEAD}"
oldest = "%s"
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    for table in ("entities", "rows", "labels", "tasks"):
        op.add_column(table, sa.Column("afterthought", TEXT, nullable=False, server_default="none"))
    op.create_table("afterthoughts", sa.Column("n", sa.Integer(), primary_key=True))
    op.create_index("rows_afterthought", "rows", ["collection", "afterthought"])
'''
TABLES = {
    "entities": '    Index("entities_name"',
    "rows": '    Index("rows_order"',
    "labels": '    Index("labels_order"',
    "tasks": '    Index("tasks_status"',
}


@dataclass
class Next:
    """The next program: where its package lies."""

    folder: Path

    @contextmanager
    def typed(self) -> Iterator[None]:
        """What is started meanwhile is of the next program."""
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = str(self.folder)
        try:
            yield
        finally:
            del os.environ["PYTHONPATH"]
            if before is not None:
                os.environ["PYTHONPATH"] = before


def made_next(folder: Path, oldest: str) -> Next:
    """The next program, beside which programs of the schema `oldest` may go on."""
    package = folder / "annotary"
    shutil.copytree(Path(annotary.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    rewrite(
        package / "store/migrations/__init__.py",
        {
            f'HEAD = "{migrations.HEAD}"': f'HEAD = "{NEXT}"',
            f'OLDEST = "{migrations.OLDEST}"': f'OLDEST = "{oldest}"',
        },
    )
    before = {index: COLUMN + index for index in TABLES.values()}
    more = '\nTable("afterthoughts", metadata, Column("n", Integer, primary_key=True))\n'
    rewrite(
        package / "store/schema.py", {**before, "metadata = MetaData()\n": "metadata = MetaData()\n" + more}
    )
    (package / f"store/migrations/versions/{NEXT}_afterthoughts.py").write_text(MIGRATION % oldest)
    return Next(folder)


def rewrite(path: Path, words: dict[str, str]) -> None:
    text = path.read_text()
    for old, new in words.items():
        assert text.count(old) == 1, (path, old)
        text = text.replace(old, new)
    path.write_text(text)


def run(target: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, "--at", target, *words],
        capture_output=True,
        text=True,
        env=quiet_environment(),
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.postgres
def test_both_programs_work_beside_each_other_and_are_replaced_one_at_a_time(
    postgres_url: str, tmp_path: Path
) -> None:
    new = made_next(tmp_path / "next", migrations.HEAD)
    luck = random.Random(5)
    work = prepared(postgres_url, tmp_path)
    key = make_key(postgres_url, "member")
    with ExitStack() as stack:
        old_server = start(postgres_url, tmp_path / "old-server.log")
        stack.callback(end, old_server.process)
        old_worker = start_worker(postgres_url, tmp_path / "old-worker.log")
        stack.callback(end, old_worker)
        with new.typed():
            early = run(postgres_url, "worker")
            assert early.returncode == 1
            assert early.stderr.count("\n") == 1 and "run: annotary migrate" in early.stderr
            looked = json.loads(run(postgres_url, "--json", "migrate", "--look").stdout)
            assert looked == {
                "schema": migrations.HEAD,
                "oldest": migrations.OLDEST,
                "program": NEXT,
                "beside": True,
            }
            assert "may go on meanwhile" in run(postgres_url, "migrate", "--look").stdout
            # Under load: nobody stands still for it.
            threads = burst(old_server.url, key, work, luck)
            migrated = run(postgres_url, "migrate")
            assert migrated.returncode == 0, migrated.stderr
            told = f"schema {NEXT}; programs of schema {migrations.HEAD} and newer may use it"
            assert told in migrated.stdout
            for thread in threads:
                thread.join()
            new_server = start(postgres_url, tmp_path / "new-server.log")
            stack.callback(end, new_server.process)
            new_worker = start_worker(postgres_url, tmp_path / "new-worker.log")
            stack.callback(end, new_worker)
        # An old program that is started now is as good as one that was running.
        late = run(postgres_url, "--json", "migrate", "--look")
        assert json.loads(late.stdout)["schema"] == NEXT
        together(work, luck, key, old_server.url, new_server.url)
        olds, news = (
            [worker.pid, *children(server.process.pid, "annotary")]
            for worker, server in ((old_worker, old_server), (new_worker, new_server))
        )
        # What was asked of either server is done by the workers of the other one.
        for url, resting, working in ((new_server.url, news, olds), (old_server.url, olds, news)):
            with Caller(url, key) as caller, at_rest(resting):
                asked = import_once(caller, work, luck)
                export_once(caller, work, luck)
                settled(caller, [asked, work.exports[-1]])
                assert who_did(postgres_url, asked, work.exports[-1]) <= set(working)
        # What one has imported the other changes and hands out.
        check(postgres_url, work, key, old_server.url, new_server.url)
        end(old_worker, old_server.process)
        together(work, luck, key, new_server.url)
        for process in (new_server.process, new_worker):
            assert process.poll() is None
        check(postgres_url, work, key, new_server.url)
    for log in tmp_path.glob("*.log"):
        assert "Traceback" not in log.read_text(), log.read_text()
    with new.typed():
        check_store(postgres_url)


def together(work: Work, luck: random.Random, key: str, *urls: str) -> None:
    threads = [thread for url in urls for thread in burst(url, key, work, luck)]
    for thread in threads:
        thread.join()


@contextmanager
def at_rest(processes: list[int]) -> Iterator[None]:
    """Processes that do nothing meanwhile."""
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def who_did(target: str, *tasks: str) -> set[int]:
    """The processes that have done some tasks."""
    with psycopg.connect(target, autocommit=True) as connection:
        found = connection.execute("SELECT worker FROM tasks WHERE id = ANY(%s)", (list(tasks),)).fetchall()
    return {int(worker.split()[1]) for (worker,) in found}


def check(target: str, work: Work, key: str, *urls: str) -> None:
    for url in urls:
        with Caller(url, key) as caller:
            for step in STEPS:
                step(caller, work, random.Random(url))
    for url in urls:
        with Caller(url, key) as caller:
            ended = settled(caller, [*work.imports, *work.exports])
            assert {task["status"] for task in ended.values()} == {"COMPLETE"}
            check_exports(caller, work, ended)
    with Caller(url, key) as caller:
        check_uploads(caller, work)
    check_imports(target, work, ended)
    check_store(target)


@pytest.mark.soak
@pytest.mark.parametrize("database", DATABASES)
def test_programs_that_are_too_old_say_so_and_do_nothing_any_more(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    target = str(tmp_path / "store") if database == "sqlite" else request.getfixturevalue("postgres_url")
    new = made_next(tmp_path / "next", NEXT)
    work = prepared(target, tmp_path)
    key = make_key(target, "member")
    said = f"by a newer annotary (schema {NEXT}, this one knows {migrations.HEAD}); upgrade annotary"
    with ExitStack() as stack:
        server = start(target, tmp_path / "server.log")
        stack.callback(end, server.process)
        worker = start_worker(target, tmp_path / "worker.log")
        stack.callback(end, worker)
        with Caller(server.url, key) as caller:
            export_once(caller, work, random.Random(1))
            settled(caller, work.exports)
        with new.typed():
            looked = run(target, "migrate", "--look")
            assert "stop servers and workers first" in looked.stdout
            migrated = run(target, "migrate")
            assert migrated.returncode == 0, migrated.stderr
        # Whatever is begun after that is refused, by those that are running as by those that are started.
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx.post(f"{server.url}/api/v1/datasets", headers=headers, json={"name": "too late"})
        assert answer.status_code == 503, answer.text
        assert answer.json()["error"]["code"] == "outdated"
        assert said in answer.json()["error"]["message"]
        time.sleep(1.1)
        assert httpx.get(f"{server.url}/readyz", headers=headers).status_code == 503
        with pytest.raises(Away, match=re.escape(said)), Caller(server.url, key) as caller:
            import_once(caller, work, random.Random(2))
        if database == "postgres":
            assert worker.wait(SECONDS) == 1
            (line,) = (tmp_path / "worker.log").read_text().splitlines()
            assert said in line
        again = run(target, "projects")
        assert again.returncode == 1
        assert said in again.stderr and again.stderr.count("\n") == 1
    with new.typed():
        check_store(target)
        names = [one["name"] for one in json.loads(run(target, "--json", "datasets").stdout)]
        assert "too late" not in names
