"""Finished exports and uploads over HTTP: ranges, strong ETags, resuming, archives of masks."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import socket
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import annotary
import annotary.server.transfers
from annotary.client import remote
from annotary.engine.core import Engine
from annotary.formats import Part
from annotary.operations.users import FindKeys
from annotary.server.files import Files as FilesOf
from annotary.server.rest import ROOT
from annotary.server.settings import Settings
from annotary.store import bucket
from annotary.store.files import Files
from annotary.store.places import BLOCK
from tests import _s3
from tests._live import Live, live
from tests._postgres import temporary_database
from tests.conftest import STORES, s3_of
from tests.engine.world import Clock, World, box, mask

CONTENT = bytes(range(256)) * 9000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


pytestmark = pytest.mark.bucket


@pytest.fixture(scope="module", params=STORES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with contextlib.ExitStack() as stack:
        target = str(tmp_path_factory.mktemp("files") / "store")
        if request.param == "bucket":
            stack.enter_context(_s3.temporary_bucket(*request.getfixturevalue("s3_server")))
        if request.param != "sqlite":
            target = stack.enter_context(temporary_database(request.getfixturevalue("postgres_server")))
        server = stack.enter_context(live(target, Settings(upload_limit=len(CONTENT) + 10)))
        world = World(Engine(server.service.engine.store), Clock())
        for place in range(6):
            world.label(place, box(), mask(f"road-{place}", seed=place))
        yield server


@pytest.fixture
def http(server: Live) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {server.key}"}) as http:
        yield http


def sent(http: httpx.Client, **params: str) -> httpx.Response:
    return http.post(f"{ROOT}/files", params={"name": "content.bin", **params}, content=CONTENT)


def test_an_upload_comes_back_as_it_was_and_twice_is_once(http: httpx.Client) -> None:
    first, second = sent(http, sha256=DIGEST), sent(http)
    assert first.status_code == 201
    # It is as good as new: how long it is kept counts from now.
    again = {**second.json(), "created_at": first.json()["created_at"]}
    assert again == first.json()
    assert second.json()["created_at"] >= first.json()["created_at"]
    assert first.json()["sha256"] == DIGEST
    answer = http.get(f"{ROOT}/files/{first.json()['id']}")
    assert answer.content == CONTENT
    assert answer.headers["etag"] == f'"{DIGEST}"'
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert "attachment" in answer.headers["content-disposition"]


def test_an_upload_that_is_not_whole_or_too_large_is_not_kept(server: Live, http: httpx.Client) -> None:
    assert sent(http, sha256="0" * 64).status_code == 400
    too_large = http.post(f"{ROOT}/files", content=CONTENT + b"x" * 11)
    assert too_large.status_code == 413
    assert "limit" in too_large.json()["error"]["message"]

    def pieces() -> Iterator[bytes]:
        for _ in range(20):
            yield CONTENT

    # Without a length said beforehand it is found on the way.
    with contextlib.suppress(httpx.TransportError):
        assert http.post(f"{ROOT}/files", content=pieces()).status_code == 413
    folder = server.service.engine.store.place.near
    assert folder is None or not list(folder.glob(".*"))


def settle(server: Live) -> None:
    """Wait until no request is being answered."""
    deadline = time.monotonic() + 30
    while server.service.metrics.open and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not server.service.metrics.open


def test_a_download_that_was_left_is_not_read_on(
    server: Live, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else ten cut downloads of a large file would read it ten times, and hold what they read."""
    blocks, block = 48, bytes(BLOCK)
    engine = Engine(server.service.engine.store)
    pieces = (block for _ in range(blocks))
    file = engine.store.files.make(pieces, name="large", media_type="text/plain", now=engine.now())
    path, read, given = f"{ROOT}/files/{file.id}", [], Files.read

    def counted(*asked: Any) -> Iterator[bytes]:
        for block in given(*asked):
            read.append(len(block))
            yield block

    monkeypatch.setattr(Files, "read", counted)
    with contextlib.suppress(httpx.TransportError), http.stream("GET", path) as answer:
        assert next(answer.iter_raw())
    settle(server)
    assert len(read) < blocks // 2


def test_rows_that_nobody_takes_are_not_made(
    server: Live, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, closed = [], []

    def endless() -> Iterator[Part]:
        try:
            for number in range(5_000):
                made.append(number)
                yield Part("", bytes(1 << 18))
        finally:
            closed.append(True)

    def opened(*given: object) -> SimpleNamespace:
        return SimpleNamespace(lines=True, taken=endless)

    monkeypatch.setattr(annotary.server.transfers, "open_export", opened)
    body = {"query": {"scope": {"kind": "project", "id": "streets"}}}
    with (
        contextlib.suppress(httpx.TransportError),
        http.stream("POST", f"{ROOT}/exports/rows", json=body) as answer,
    ):
        assert next(answer.iter_raw())
    settle(server)
    assert closed
    assert len(made) < 1_000


@pytest.mark.parametrize(
    ("said", "status", "wanted"),
    [
        ("bytes=0-0", 206, (0, 1)),
        ("bytes=10-19", 206, (10, 20)),
        ("bytes=1048570-1048590", 206, (1048570, 1048591)),
        (f"bytes={len(CONTENT) - 1}-", 206, (len(CONTENT) - 1, len(CONTENT))),
        ("bytes=-5", 206, (len(CONTENT) - 5, len(CONTENT))),
        ("bytes=5-999999999999", 206, (5, len(CONTENT))),
        (f"bytes=-{len(CONTENT) * 2}", 206, (0, len(CONTENT))),
        (f"bytes={len(CONTENT)}-", 416, (0, 0)),
        ("bytes=-0", 416, (0, 0)),
        ("bytes=9-1", 200, (0, len(CONTENT))),
        ("bytes=0-1,4-5", 200, (0, len(CONTENT))),
        ("bytes=-", 200, (0, len(CONTENT))),
        ("lines=1-2", 200, (0, len(CONTENT))),
        ("bytes=a-b", 200, (0, len(CONTENT))),
    ],
)
def test_ranges(http: httpx.Client, said: str, status: int, wanted: tuple[int, int]) -> None:
    path = f"{ROOT}/files/{sent(http).json()['id']}"
    answer = http.get(path, headers={"Range": said})
    assert answer.status_code == status
    assert answer.content == CONTENT[slice(*wanted)]
    if status == 206:
        assert answer.headers["content-range"] == f"bytes {wanted[0]}-{wanted[1] - 1}/{len(CONTENT)}"
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"
    head = http.head(path, headers={"Range": said})
    assert (head.status_code, head.content) == (status, b"")
    assert head.headers["content-length"] == answer.headers["content-length"]


def test_a_range_of_what_has_changed_is_the_whole(http: httpx.Client) -> None:
    path = f"{ROOT}/files/{sent(http).json()['id']}"
    other = http.get(path, headers={"Range": "bytes=5-9", "If-Range": '"another"'})
    assert (other.status_code, len(other.content)) == (200, len(CONTENT))
    same = http.get(path, headers={"Range": "bytes=5-9", "If-Range": f'"{DIGEST}"'})
    assert (same.status_code, same.content) == (206, CONTENT[5:10])
    assert http.get(path, headers={"If-None-Match": f'"{DIGEST}"'}).status_code == 304


@settings(max_examples=40)
@given(
    said=st.one_of(
        # The client itself refuses white space at the ends.
        st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=40).map(str.strip),
        st.from_regex(r"bytes=[0-9]{0,20}-[0-9]{0,20}", fullmatch=True),
    )
)
def test_no_range_is_an_error_of_the_server(server: Live, said: str) -> None:
    headers: Any = {"Authorization": f"Bearer {server.key}", "Range": said.encode("latin-1")}
    with httpx.Client(base_url=server.url, headers=headers) as http:
        id = http.post(f"{ROOT}/files", content=b"0123456789").json()["id"]
        answer = http.get(f"{ROOT}/files/{id}")
        assert answer.status_code in (200, 206, 416)
        assert answer.content in b"0123456789"


def test_a_download_that_is_cut_again_and_again_is_whole(
    server: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks after each piece, ten times; the client asks for the rest."""
    cuts = iter(range(10))
    whole = httpx.Response.iter_raw

    def cut(response: httpx.Response, chunk_size: int | None = None) -> Iterator[bytes]:
        if chunk_size != remote.BLOCK:
            yield from whole(response, chunk_size)
            return
        for piece in whole(response, 100):
            yield piece
            if next(cuts, None) is not None:
                raise httpx.ReadError("cut")

    monkeypatch.setattr(remote.time, "sleep", lambda seconds: None)
    with annotary.Client(server.url, api_key=server.key) as client:
        task = client.get_project("streets").export()
        wanted = list(task.stream())
        monkeypatch.setattr(httpx.Response, "iter_raw", cut)
        assert list(task.stream()) == wanted
    assert next(cuts, None) is None
    assert len(wanted) == 6


def test_a_file_that_changes_under_a_download_is_not_mixed(
    server: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    with annotary.Client(server.url, api_key=server.key) as client:
        task = client.get_project("streets").export()
        assert isinstance(client.port, remote.Remote)
        whole = client.port.call

        def another(operation: Any) -> Any:
            found = whole(operation)
            file = getattr(found, "file", None)
            return replace(found, file=replace(file, sha256="0" * 64)) if file is not None else found

        monkeypatch.setattr(client.port, "call", another)
        client.port._begun.clear()
        with pytest.raises(annotary.Unavailable, match="changed while it was fetched"):
            list(task.stream())


def test_a_stream_is_the_same_bytes_as_a_finished_export(http: httpx.Client) -> None:
    request = {"query": {"scope": {"kind": "project", "id": "streets"}}}
    streamed = http.post(f"{ROOT}/exports/rows", json=request)
    task = http.post(f"{ROOT}/exports", json=request).json()
    while task["status"] != "COMPLETE":
        time.sleep(0.05)
        task = http.get(f"{ROOT}/tasks/{task['id']}").json()
    finished = http.get(f"{ROOT}/tasks/{task['id']}/result")
    assert streamed.content == finished.content
    assert hashlib.sha256(finished.content).hexdigest() == task["file"]["sha256"]
    assert finished.content.count(b"\n") == task["file"]["lines"] == 6
    chunk = http.get(f"{ROOT}/tasks/{task['id']}/chunk", params={"offset": 0}).json()
    assert chunk == {"start": 0, "end": len(finished.content) - 1, "first_line": 0, "last_line": 5}
    assert http.get(f"{ROOT}/tasks/{task['id']}/chunk", params={"line": 6}).status_code == 404


def test_all_masks_of_an_export_are_one_archive(http: httpx.Client) -> None:
    answer = http.get(f"{ROOT}/projects/streets/masks.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == [f"masks/road-{place}.png" for place in range(6)]
        for place in range(6):
            one = http.get(f"{ROOT}/projects/streets/annotations/road-{place}/mask")
            assert one.headers["content-type"] == "image/png"
            assert one.content == archive.read(f"masks/road-{place}.png")
    asked = {"query": {"scope": {"kind": "project", "id": "streets"}}, "how": "composite"}
    composites = http.post(f"{ROOT}/exports/masks", json=asked)
    with zipfile.ZipFile(io.BytesIO(composites.content)) as archive:
        for name in archive.namelist():
            label = Path(name).stem
            assert http.get(f"/masks/label/{label}").content == archive.read(name)


def test_a_mask_is_a_plain_png_whatever_is_accepted(http: httpx.Client) -> None:
    headers = {"Accept": "application/json", "Content-Type": "application/json", "Accept-Encoding": "gzip"}
    answer = http.get(f"{ROOT}/projects/streets/annotations/road-1/index/1/mask", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert "content-encoding" not in answer.headers
    assert answer.content.startswith(b"\x89PNG")
    assert http.get(f"{ROOT}/models/streets/annotations/road-1/mask").status_code == 404
    assert http.get(f"{ROOT}/projects/other/annotations/road-1/mask").status_code == 404


# -- with a bucket -----------------------------------------------------------------------------------


@pytest.fixture
def presigning(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Live, Engine, httpx.Client]]:
    """A server that sends who downloads to its bucket, with a finished file."""
    with (
        _s3.temporary_bucket(s3_of("open", tmp_path_factory)),
        live(postgres_url, Settings(presigned_downloads=True), works=False) as server,
        httpx.Client(base_url=server.url) as http,
    ):
        yield server, Engine(server.service.engine.store), http


def test_a_finished_file_is_fetched_from_the_bucket(presigning: tuple[Live, Engine, httpx.Client]) -> None:
    server, engine, http = presigning
    given = {"name": "rows.ndjson", "media_type": "application/json", "now": engine.now()}
    export = engine.store.files.make([CONTENT], **given, expires_at="9999")
    upload = engine.store.files.make([CONTENT], **given)
    files = FilesOf(server.service, engine)
    sent = http.get(files.address(export))
    assert (sent.status_code, sent.headers["cache-control"]) == (307, "no-store")
    there = sent.headers["location"]
    assert there.startswith(os.environ["AWS_ENDPOINT_URL"]) and "X-Amz-Expires=300" in there
    assert "token" not in there
    followed = http.get(files.address(export), follow_redirects=True)
    assert followed.content == CONTENT
    assert followed.headers["content-disposition"] == 'attachment; filename="rows.ndjson"'
    # Nobody else is sent there: pieces, what was uploaded, and who comes with a key.
    piece = http.get(files.address(export, 10, 19))
    assert (piece.status_code, piece.content) == (200, CONTENT[10:20])
    assert http.get(files.address(upload)).content == CONTENT
    assert http.head(files.address(export)).headers["content-length"] == str(len(CONTENT))
    by_key = {"Authorization": f"Bearer {server.key}"}
    assert http.get(f"/files/{export.id}", headers=by_key).content == CONTENT
    with annotary.Client(server.url, api_key=server.key) as client:
        assert client.call(FindKeys())


def test_nobody_is_sent_to_the_bucket_unless_somebody_says_so(server: Live) -> None:
    engine = Engine(server.service.engine.store)
    made = engine.store.files.make(
        [CONTENT], name="f", media_type="text/plain", now=engine.now(), expires_at="9999"
    )
    found = httpx.get(FilesOf(server.service, engine).address(made))
    assert (found.status_code, found.content) == (200, CONTENT)


def test_a_bucket_that_is_gone_is_one_clear_error(
    presigning: tuple[Live, Engine, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, engine, http = presigning
    file = engine.store.files.make([CONTENT], name="f", media_type="text/plain", now=engine.now())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{probe.getsockname()[1]}")
    monkeypatch.setattr(bucket, "TRIES", 1)
    place = bucket.Bucket(server.service.engine.store.place.shown)  # type: ignore[attr-defined]
    # What the store of each request is made from.
    monkeypatch.setattr(server.service.engine.store, "_place", place)
    by_key = {"Authorization": f"Bearer {server.key}"}
    answer = http.get(f"/files/{file.id}", headers=by_key)
    assert answer.status_code == 503
    assert "does not answer" in answer.text and "Traceback" not in answer.text
