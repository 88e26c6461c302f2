"""Targets 14 and 15, and requests a second: a server on the store of workload W, asked over a bare socket."""

from __future__ import annotations

import base64
import io
import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image, ImageDraw

import annotary
from annotary.model.export import ExportQuery, ProjectScope
from annotary.model.task import FINAL
from annotary.operations.exports import StartExport
from annotary.operations.tasks import GetTask
from bench.measure import median, say
from bench.targets import Result
from bench.workshop import ON, Workshop
from tests import _server

BLOCK = 1 << 20
ASKED = 400
"""So many requests are one round of a rate."""


def server(shop: Workshop) -> Iterator[Result]:
    """Targets 14 and 15, and what small requests cost."""
    shop.engine.close()
    del shop.__dict__["engine"]
    with _server.serving(str(shop.store), shop.folder / "server.log") as running:
        key = running.key()
        client = annotary.Client(running.url, api_key=key)
        (project,) = client.get_projects()
        at = _Place(running.url, key)
        yield from _download(shop, client, at, project.id)
        yield from _first_byte(shop, at, project.id)
        yield from _rates(shop, at, project.id, _mask(client))
        client.close()


class _Place:
    """A server with the key that opens it."""

    def __init__(self, url: str, key: str = "") -> None:
        self.host, self.port = urlsplit(url).hostname or "", urlsplit(url).port or 80
        self._key = f"Authorization: Bearer {key}\r\n" if key else ""

    def request(self, method: str, path: str, body: bytes = b"", *, last: bool = False) -> bytes:
        """The bytes of a request."""
        ending = "Connection: close\r\n" if last else ""
        length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\n{self._key}{length}{ending}\r\n"
        return head.encode() + body

    def open(self) -> socket.socket:
        return socket.create_connection((self.host, self.port))


def _download(shop: Workshop, client: annotary.Client, at: _Place, project: str) -> Iterator[Result]:
    """Target 14: a finished export, beside the same bytes from a loop over a socket."""
    say("  making an export")
    task = client.port.call(StartExport(query=ExportQuery(scope=ProjectScope(id=project), params=ON)))
    while task.status not in FINAL:
        time.sleep(0.2)
        task = client.port.call(GetTask(task_id=task.id))
    assert task.file is not None, task
    copy = shop.folder / "finished.ndjson"
    path = f"/api/v1/tasks/{task.id}/result"
    with copy.open("wb") as file:
        _taken(at, path, file.write)
    with _beside("socket", copy) as bare:
        rates: dict[str, list[float]] = {"annotary": [], "bare": []}
        for _ in range(shop.rounds + 1):
            for name in random.sample(sorted(rates), 2):
                place = at if name == "annotary" else bare
                started = time.perf_counter()
                size = _taken(place, path, lambda block: None)
                rates[name].append(size / (time.perf_counter() - started) / 1e6)
                if size != task.file.bytes:
                    raise RuntimeError(f"{name} sent {size:,} bytes of {task.file.bytes:,}")
    ours, bares = rates["annotary"][1:], rates["bare"][1:]
    each = [one / other for one, other in zip(ours, bares, strict=True)]
    notes = f"{median(ours):,.0f} MB/s over {median(bares):,.0f} MB/s, {task.file.bytes / 1e6:,.0f} MB"
    yield Result("14", median(each), (min(each), max(each)), notes)
    copy.unlink()


def _taken(at: _Place, path: str, use: Callable[[bytes], Any]) -> int:
    """The size of a body; the connection ends with it."""
    with at.open() as connection:
        connection.sendall(at.request("GET", path, last=True))
        data = connection.recv(65536)
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise RuntimeError(head.decode("latin-1"))
        use(body)
        size, buffer = len(body), bytearray(BLOCK)
        while count := connection.recv_into(buffer):
            size += count
            use(bytes(memoryview(buffer)[:count]))
    return size


def _first_byte(shop: Workshop, at: _Place, project: str) -> Iterator[Result]:
    """Target 15: a streamed export of all rows, from the request to the first byte of its body."""
    asked = {"query": {"scope": {"kind": "project", "id": project}, "params": {"attachments": True}}}
    request = at.request("POST", "/api/v1/exports/rows", json.dumps(asked).encode(), last=True)
    waits = []
    for _ in range(shop.rounds + 1):
        with at.open() as connection:
            started = time.perf_counter()
            connection.sendall(request)
            data = b""
            while not data.partition(b"\r\n\r\n")[2].partition(b"\r\n")[2]:
                data += connection.recv(65536)
            waits.append(time.perf_counter() - started)
            if b" 200 " not in data.partition(b"\r\n")[0]:
                raise RuntimeError(data.decode("latin-1"))
    waits = waits[1:]
    yield Result("15", median(waits), (min(waits), max(waits)), f"of {shop.rows:,} rows")


def _mask(client: annotary.Client) -> str:
    """The path of a stored mask of 1920 x 1080 pixels."""
    picture = Image.new("L", (1920, 1080))
    ImageDraw.Draw(picture).ellipse((200, 100, 1500, 900), fill=255)
    png = io.BytesIO()
    picture.save(png, "PNG")
    client.create_dataset("masks").create_data_rows(
        [{"row_data": "https://example.org/mask.png", "global_key": "mask.png"}]
    )
    tools = [{"tool": "raster-segmentation", "name": "lake"}]
    ontology = client.create_ontology("lakes", {"tools": tools, "classifications": []})
    project = client.create_project("Masks", ontology_id=ontology.id)
    project.create_batch("all", global_keys=["mask.png"])
    mask = {"png": base64.b64encode(png.getvalue()).decode()}
    project.import_labels([{"dataRow": {"globalKey": "mask.png"}, "name": "lake", "mask": mask}])
    (row,) = project.export().result
    (label,) = row["projects"][project.id]["labels"]
    return urlsplit(label["annotations"]["objects"][0]["mask"]["url"]).path


def _rates(shop: Workshop, at: _Place, project: str, mask: str) -> Iterator[Result]:
    """Requests a second over one connection: small ones, a mask, and a bare application's answer."""
    document = {"query": "query GetProjectPyApi($id: ID!) { project(where: {id: $id}) { id name } }"}
    body = json.dumps({**document, "variables": {"id": project}}).encode()
    asked = {
        "query": at.request("POST", "/graphql", body),
        "REST": at.request("GET", f"/api/v1/projects/{project}"),
        "mask": at.request("GET", mask),
    }
    with _beside("asgi") as bare:
        works = {**asked, "bare": bare.request("GET", "/")}
        rates: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(shop.rounds):
            for name, request in random.sample(sorted(works.items()), len(works)):
                rates[name].append(_rate(bare if name == "bare" else at, request))
    shown = ", ".join(f"{name} {median(found):,.0f}/s" for name, found in rates.items())
    each = [one / other for one, other in zip(rates["query"], rates["bare"], strict=True)]
    yield Result("requests", median(each), (min(each), max(each)), shown)


def _rate(at: _Place, request: bytes) -> float:
    with at.open() as connection:
        started = time.perf_counter()
        for _ in range(ASKED):
            connection.sendall(request)
            _answer(connection)
        return ASKED / (time.perf_counter() - started)


def _answer(connection: socket.socket) -> None:
    """Take one answer whole."""
    data = connection.recv(65536)
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise RuntimeError(data.decode("latin-1"))
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)


@contextmanager
def _beside(*words: object) -> Iterator[_Place]:
    command = [sys.executable, "-m", "bench.bare", *map(str, words)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent)
    try:
        assert child.stdout is not None
        yield _Place(f"http://127.0.0.1:{int(child.stdout.readline())}")
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
