"""A server killed at any moment: nothing acknowledged is lost, no task is stuck, none is done twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest

import annotary
from annotary.engine.checking import check
from annotary.sample.workload import workload
from annotary.store import Store
from annotary.store.bucket import Bucket
from tests._server import SCRIPT, Server, make_key, quiet_environment, start

ROWS = 600
SETTLE_SECONDS = 180.0
Json = dict[str, Any]

UPLOAD = """mutation UploadFilePyApi($file: Upload!, $contentLength: Int!, $sign: Boolean) {
    uploadFile(file: $file, contentLength: $contentLength, sign: $sign) {url filename}}"""
APPEND = """mutation AppendRowsToDatasetPyApi($datasetId: ID!, $jsonUrl: String!) {
    appendRowsToDataset(data: {datasetId: $datasetId, jsonFileUrl: $jsonUrl}) {
        taskId accepted errorMessage}}"""
EXPORT = """mutation exportDataRowsInProjectPyApi($input: ExportDataRowsInProjectInput!) {
    exportDataRowsInProject(input: $input) {taskId}}"""
TASKS = """query GetUserCreatedTasksPyApi($param_0: ID!, $param_1: ID!) {
    user(where: {id: $param_1}) {createdTasks(where: {id: $param_0} skip: 0 first: 100) {
        id status result errors}}}"""


@dataclass
class Work:
    """What was asked of the server, and what it acknowledged."""

    dataset_id: str
    project_id: str
    uploads: list[tuple[str, str]] = field(default_factory=list)
    imports: dict[str, str] = field(default_factory=dict)
    exports: list[str] = field(default_factory=list)
    asked: int = 0


class Caller:
    """Speaks to a server as the official SDK does."""

    def __init__(self, url: str, key: str) -> None:
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *reason: object) -> None:
        self.http.close()

    def ask(self, query: str, **variables: Any) -> Json:
        """The data of an answer; errors of the network go up, an error in the answer fails the test."""
        return _data(self.http.post("/graphql", json={"query": query, "variables": variables}))

    def upload(self, content: bytes) -> str:
        """The URL of an uploaded file."""
        variables = {"file": None, "contentLength": len(content), "sign": False}
        form = {
            "operations": json.dumps({"variables": variables, "query": UPLOAD}),
            "map": json.dumps({"1": ["variables.file"]}),
        }
        files = {"1": ("file.bin", content, "application/octet-stream")}
        url: str = _data(self.http.post("/graphql", data=form, files=files))["uploadFile"]["url"]
        return url

    def task(self, id: str) -> Json:
        """A task as it is now."""
        user = self.ask("query GetUserPyApi {user {id}}")["user"]["id"]
        (found,) = self.ask(TASKS, param_0=id, param_1=user)["user"]["createdTasks"]
        return dict(found)


def _data(response: httpx.Response) -> Json:
    assert response.status_code == 200, response.text
    document = response.json()
    assert "errors" not in document, document
    return dict(document["data"])


def upload_once(caller: Caller, work: Work, luck: random.Random) -> None:
    content = luck.randbytes(luck.randrange(10, 400_000))
    url = caller.upload(content)
    work.uploads.append((url, hashlib.sha256(content).hexdigest()))


def import_once(caller: Caller, work: Work, luck: random.Random) -> None:
    """Data rows without a key of their own: done twice, they would be there twice."""
    work.asked += 1
    prefix = f"import {work.asked} of {luck.random()}"
    rows = [
        {"row_data": f"https://example.org/{number}.png", "external_id": f"{prefix}/{number}"}
        for number in range(ROWS)
    ]
    url = caller.upload(json.dumps(rows).encode())
    answer = caller.ask(APPEND, datasetId=work.dataset_id, jsonUrl=url)["appendRowsToDataset"]
    assert answer["accepted"], answer
    work.imports[answer["taskId"]] = prefix


def export_once(caller: Caller, work: Work, luck: random.Random) -> None:
    chosen = {"filters": {"projectId": work.project_id, "searchQuery": {"scope": None, "query": []}}}
    answer = caller.ask(EXPORT, input={"taskName": None, "params": {"includeLabelDetails": True}, **chosen})
    work.exports.append(answer["exportDataRowsInProject"]["taskId"])


STEPS: tuple[Callable[[Caller, Work, random.Random], None], ...] = (
    upload_once,
    import_once,
    export_once,
    upload_once,
)


def burst(url: str, key: str, work: Work, luck: random.Random) -> list[threading.Thread]:
    """Requests of every kind at once; those that the death of the server cuts off are not acknowledged."""
    seeds = [random.Random(luck.random()) for _ in STEPS]

    def run(step: Callable[[Caller, Work, random.Random], None], seed: random.Random) -> None:
        with contextlib.suppress(httpx.TransportError), Caller(url, key) as caller:
            step(caller, work, seed)

    threads = [threading.Thread(target=run, args=pair) for pair in zip(STEPS, seeds, strict=True)]
    for thread in threads:
        thread.start()
    return threads


def prepared(target: str, folder: Path) -> Work:
    """A project to export, and a dataset to import into."""
    path = folder / "rows.ndjson"
    path.write_bytes(b"".join(islice(workload(ROWS), ROWS)))
    with annotary.Client(target) as client:
        client.load(path)
        (project,) = client.get_projects()
        return Work(client.create_dataset("imported").id, project.id)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Processes:
    """A server, and workers beside it, which die and come back."""

    def __init__(self, target: str, folder: Path, workers: int) -> None:
        self.target, self.folder = target, folder
        self.port = free_port()
        self.server = self.start_server()
        self.workers = [self.start_worker() for _ in range(workers)]

    def start_server(self) -> Server:
        return start(self.target, self.folder / "server.log", port=self.port)

    def start_worker(self) -> subprocess.Popen[bytes]:
        with (self.folder / "worker.log").open("ab") as log:
            command = [SCRIPT, "--at", self.target, "worker"]
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=quiet_environment()
            )

    def kill_one(self, luck: random.Random) -> None:
        """Kill the server or a worker, and start another in its place."""
        victim = luck.randrange(len(self.workers) + 1)
        if victim == len(self.workers):
            self.server.kill()
            self.server = self.start_server()
            return
        self.workers[victim].kill()
        self.workers[victim].wait()
        self.workers[victim] = self.start_worker()

    def end(self) -> None:
        for process in (self.server.process, *self.workers):
            process.terminate()
        for process in (self.server.process, *self.workers):
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def processes(target: str, folder: Path, workers: int) -> Iterator[Processes]:
    running = Processes(target, folder, workers)
    try:
        yield running
    finally:
        running.end()


def crash(target: str, folder: Path, *, times: int, workers: int) -> None:
    luck = random.Random(times)
    work = prepared(target, folder)
    key = make_key(target, "member")
    with processes(target, folder, workers) as running:
        url = running.server.url
        for _ in range(times):
            threads = burst(url, key, work, luck)
            time.sleep(luck.uniform(0, 0.8))
            running.kill_one(luck)
            for thread in threads:
                thread.join()
        with Caller(url, key) as caller:
            # Something of each kind was acknowledged at least once, whatever the luck was.
            for step in STEPS:
                step(caller, work, luck)
            ended = settled(caller, [*work.imports, *work.exports])
            check_uploads(caller, work)
            check_exports(caller, work, ended)
    check_imports(target, work, ended)
    checked = subprocess.run([SCRIPT, "--at", target, "check"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def settled(caller: Caller, ids: list[str]) -> dict[str, Json]:
    """The tasks, all at their end."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        tasks = {id: caller.task(id) for id in ids}
        stuck = [task for task in tasks.values() if task["status"] == "IN_PROGRESS"]
        if not stuck:
            return tasks
        assert time.monotonic() < deadline, f"stuck: {stuck}"
        time.sleep(0.5)


def check_uploads(caller: Caller, work: Work) -> None:
    for url, digest in work.uploads:
        content = httpx.get(url).content
        assert hashlib.sha256(content).hexdigest() == digest, url


def check_exports(caller: Caller, work: Work, ended: dict[str, Json]) -> None:
    contents = set()
    for id in work.exports:
        task = ended[id]
        if task["status"] == "FAILED":
            assert httpx.get(task["errors"]).text, "a task that failed says why"
        else:
            contents.add(httpx.get(task["result"]).content)
    assert len(contents) == 1, "the same project gives the same bytes"
    assert contents.pop().count(b"\n") == ROWS


def check_imports(target: str, work: Work, ended: dict[str, Json]) -> None:
    with annotary.Client(target) as client:
        dataset = client.get_dataset(work.dataset_id)
        external = [row["data_row"]["external_id"] for row in dataset.export().stream()]
    assert len(external) == len(set(external)), "an import was done twice"
    stored = Counter(one.rpartition("/")[0] for one in external)
    assert set(stored.values()) <= {ROWS}, "a part of an import was stored"
    for id, prefix in work.imports.items():
        done = ended[id]["status"] == "COMPLETE"
        assert stored[prefix] == (ROWS if done else 0), ended[id]


def test_killed_a_few_times(tmp_path: Path) -> None:
    crash(str(tmp_path / "store"), tmp_path, times=4, workers=0)


@pytest.mark.postgres
def test_killed_a_few_times_with_two_workers(postgres_url: str, tmp_path: Path) -> None:
    crash(postgres_url, tmp_path, times=4, workers=2)


@pytest.mark.postgres
def test_killed_a_few_times_with_a_bucket(bucket: str, postgres_url: str, tmp_path: Path) -> None:
    store = Store.open(postgres_url)
    assert isinstance(store.place, Bucket)
    crash(postgres_url, tmp_path, times=2, workers=2)
    assert len(list(store.place.names("files/"))) >= 1
    assert check(store).wrong == 0
    store.close()


@pytest.mark.soak
def test_killed_thirty_times(tmp_path: Path) -> None:
    crash(str(tmp_path / "store"), tmp_path, times=30, workers=0)


@pytest.mark.soak
@pytest.mark.postgres
def test_killed_thirty_times_with_two_workers(postgres_url: str, tmp_path: Path) -> None:
    crash(postgres_url, tmp_path, times=30, workers=2)
