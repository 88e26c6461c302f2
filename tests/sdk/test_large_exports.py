"""Exports of any size through the server: exact, in constant memory, taken up again where they were cut."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import annotary
from annotary.engine.core import Engine
from annotary.engine.loading import import_sources
from annotary.model.export import DETAILS
from annotary.sample.workload import workload
from annotary.store import Store
from tests._server import Server, serving
from tests.sdk.conftest import NEW, MakeSdk

PARAMS = dict.fromkeys(DETAILS, True)
CUTS = 10
MORE_MEMORY = 20 << 20
FIRST_BYTE = 1.0


class Lines:
    """Rows of the workload as a file of lines, without the file."""

    name = "the workload"

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.ids = hashlib.sha256()
        self.objects = 0

    def chunks(self) -> Iterator[bytes]:
        """A line a row."""
        for line in workload(self.rows):
            self.ids.update(line.partition(b'"id":"')[2][:25])
            self.objects += line.count(b'"annotation_kind"')
            yield line

    def neighbour(self, path: str) -> bytes | None:
        """Nothing stands beside it."""
        return None


@dataclass
class Filled:
    """What was put into a store."""

    target: str
    rows: int
    objects: int
    ids: str
    project_id: str = ""


def filled(target: str, rows: int) -> Filled:
    """A store with so many rows of the workload in one project."""
    lines = Lines(rows)
    engine = Engine(Store.open(target))
    import_sources(engine, [lines], format="labelbox-v2")
    engine.close()
    with annotary.Client(target) as client:
        (project,) = client.get_projects()
    return Filled(target, rows, lines.objects, lines.ids.hexdigest(), project.id)


@dataclass
class Watch:
    """The most private memory that a process and its children had, in bytes, looked at again and again."""

    process: int
    peak: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Watch:
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.05):
            self.peak = max(self.peak, sum(private(process) for process in family(self.process)))


def family(process: int) -> list[int]:
    """A process and its children."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []
    return [process, *(one for child in children for one in family(int(child)))]


def private(process: int) -> int:
    """A process's anonymous pages in bytes: those of a mapped database belong to the system, not to it."""
    try:
        told = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:  # it has ended
        return 0
    return sum(int(line.split()[1]) * 1024 for line in told.splitlines() if line.startswith("Anonymous:"))


def through_the_sdk(store: Filled, server: Server, sdk_for: MakeSdk) -> tuple[dict[str, Any], int]:
    """What the SDK found in a streamed export, and the server's memory at its peak."""
    sdk = sdk_for(NEW, server)
    sdk.seconds = 7200
    with Watch(server.process.pid) as watch:
        found = sdk.run("large", project_id=store.project_id, params=PARAMS)
    assert found["rows"] == found["lines"] == store.rows
    assert found["annotations"] == store.objects
    assert found["ids"] == store.ids
    return found, watch.peak


def fetch(
    url: str, key: str, headers: dict[str, str]
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """A download that has begun."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    path = f"{place.path}?{place.query}" if place.query else place.path
    connection.request("GET", path, headers={"Authorization": f"Bearer {key}", **headers})
    return connection, connection.getresponse()


def cut_and_resumed(url: str, key: str, size: int) -> str:
    """The digest of a download that was cut again and again, and went on where it had stopped."""
    luck = random.Random(size)
    places = sorted(luck.sample(range(1, size), CUTS))
    digest, done, tag = hashlib.sha256(), 0, ""
    for place in [*places, size]:
        headers = {"Range": f"bytes={done}-", "If-Range": tag} if tag else {}
        connection, response = fetch(url, key, headers)
        assert response.status == (206 if tag else 200), response.read()
        assert int(response.headers["Content-Length"]) == size - done
        if tag:
            assert response.headers["Content-Range"] == f"bytes {done}-{size - 1}/{size}"
            assert response.headers["ETag"] == tag
        tag = response.headers["ETag"]
        assert tag.startswith('"'), "a strong validator"
        while done < place:
            piece = response.read(min(1 << 16, place - done))
            assert piece
            digest.update(piece)
            done += len(piece)
        connection.close()  # in the midst of it, except for the last
    return digest.hexdigest()


def check(store: Filled, server: Server, sdk_for: MakeSdk) -> int:
    """All that is promised about an export of any size; the server's memory at its peak."""
    found, peak = through_the_sdk(store, server, sdk_for)
    whole = hashlib.sha256()
    with annotary.Client(store.target, base_url=server.url) as client:
        for part in client.get_project(store.project_id).export(params=PARAMS).open().parts:
            whole.update(part.data)
    key = server.key("reader")
    url = f"{server.url}/api/v1/tasks/{found['task_id']}/result"
    with Watch(server.process.pid) as watch:
        assert cut_and_resumed(url, key, found["size"]) == whole.hexdigest()
    return max(peak, watch.peak)


def first_byte(store: Filled, server: Server) -> float:
    """Seconds until the first byte of a streamed export."""
    key = server.key("reader")
    body = json.dumps({"query": {"scope": {"kind": "project", "id": store.project_id}, "params": PARAMS}})
    place = urlsplit(server.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    begun = time.monotonic()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request("POST", "/api/v1/exports/rows", body, headers)
    response = connection.getresponse()
    assert response.status == 200, response.read()
    assert response.read(1) == b"{"
    took = time.monotonic() - begun
    connection.close()
    return took


def test_a_larger_export_needs_no_more_memory(tmp_path: Path, sdk_for: MakeSdk) -> None:
    peaks = []
    for rows in (1_000, 8_000):
        store = filled(str(tmp_path / f"store-{rows}"), rows)
        with serving(store.target, tmp_path / f"server-{rows}.log") as server:
            peaks.append(check(store, server, sdk_for))
            assert first_byte(store, server) < FIRST_BYTE
    assert peaks[1] - peaks[0] < MORE_MEMORY, peaks


@pytest.mark.soak
def test_a_million_rows(tmp_path: Path, sdk_for: MakeSdk) -> None:
    peaks = []
    for rows in (100_000, 1_000_000):
        store = filled(str(tmp_path / f"store-{rows}"), rows)
        with serving(store.target, tmp_path / f"server-{rows}.log") as server:
            peaks.append(check(store, server, sdk_for))
            assert first_byte(store, server) < FIRST_BYTE
    assert peaks[1] - peaks[0] < MORE_MEMORY, peaks
