"""A bucket, on several servers: what is put there comes back, and what goes wrong is one clear error."""

from __future__ import annotations

import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from annotary.errors import Invalid, NotFound, Unavailable
from annotary.store import bucket as module
from annotary.store.bucket import PART, Bucket
from tests import _s3
from tests.conftest import s3_of

LARGE = os.urandom(2 * PART + 12_345)


@pytest.fixture(params=["moto", "s3rver"])
def place(
    request: pytest.FixtureRequest,
    s3_server: tuple[Mapping[str, str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Bucket]:
    """An empty place, on the tests' own server or the one of the environment, then on another."""
    reached = s3_server if request.param == "moto" else (s3_of(request.param, tmp_path_factory),)
    with _s3.temporary_bucket(*reached) as address:
        yield Bucket(address)


def test_bytes_come_back(place: Bucket) -> None:
    place.put("blobs/ab/one", b"first")
    place.put("blobs/ab/one", b"first")
    place.put("blobs/cd/two", b"")
    before = time.time()
    assert (place.whole("blobs/ab/one"), place.whole("blobs/cd/two")) == (b"first", b"")
    assert b"".join(place.read("blobs/ab/one", 1, 4)) == b"irs"
    assert b"".join(place.read("blobs/ab/one", 3, 99)) == b"st"
    assert b"".join(place.read("blobs/ab/one", 5, 99)) == b""
    kept = list(place.names("blobs/"))
    assert [one.name for one in kept] == ["blobs/ab/one", "blobs/cd/two"]
    assert all(abs(one.since - before) < 60 for one in kept)
    assert list(place.names("files/")) == []
    place.delete("blobs/ab/one")
    place.delete("blobs/ab/one")
    assert [one.name for one in place.names("blobs/")] == ["blobs/cd/two"]
    for lost in (lambda: place.whole("blobs/ab/one"), lambda: next(place.read("blobs/ab/one", 0, 1))):
        with pytest.raises(NotFound, match="no blobs/ab/one in s3://"):
            lost()


def test_a_large_file_goes_in_parts(place: Bucket, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(LARGE)
    place.take("files/large", path, {"Content-Type": "application/json"})
    assert b"".join(place.read("files/large", 0, len(LARGE))) == LARGE
    middle = slice(PART - 3, 2 * PART + 7)
    assert b"".join(place.read("files/large", middle.start, middle.stop)) == LARGE[middle]


@pytest.mark.parametrize("kind", ["open", "s3rver"])
def test_a_signed_address_opens_one_file_for_a_time(
    kind: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    with _s3.temporary_bucket(s3_of(kind, tmp_path_factory)) as address:
        place = Bucket(address)
        place.take("files/c1", path, {"Content-Disposition": 'attachment; filename="a.json"'})
        signed = place.address("files/c1", 60)
        assert signed is not None and "X-Amz-Expires=60" in signed
        with urllib.request.urlopen(signed) as answer:
            assert answer.read() == b"content"
            assert answer.headers["content-disposition"] == 'attachment; filename="a.json"'
        if kind == "s3rver":
            over = place.address("files/c1", 1)
            time.sleep(2.1)
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(over or "")


@pytest.mark.parametrize(
    "address",
    [
        "s3://",
        "s3://UPPER",
        "s3://key:secret@bucket",
        "s3://bucket/a b",
        "s3://bucket/../x?y",
        "s3://b/../..",
    ],
)
def test_what_is_no_address_of_a_bucket(address: str) -> None:
    with pytest.raises(Invalid, match="not a bucket"):
        Bucket(address)


def test_a_wrong_secret(s3_server: tuple[Mapping[str, str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    with _s3.temporary_bucket(*s3_server) as address:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
        place = Bucket(address)
        for use in (lambda: place.put("a", b""), lambda: place.whole("a"), lambda: list(place.names("a/"))):
            with pytest.raises(Unavailable, match=r"refuses .*AWS_ACCESS_KEY_ID") as raised:
                use()
            assert "\n" not in str(raised.value) and "not-the-secret" not in str(raised.value)


def test_no_such_bucket(bucket: str) -> None:
    with pytest.raises(Unavailable, match="there is no bucket s3://annotary-absent; make it"):
        Bucket("s3://annotary-absent").put("a", b"")


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setattr(module, "TRIES", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with pytest.raises(Unavailable, match=r"does not answer: .*; look at AWS_ENDPOINT_URL") as raised:
        Bucket("s3://bucket").whole("a")
    assert "\n" not in str(raised.value)


def test_an_upload_is_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A server that fails twice, then takes it."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_failing, args=(listener, asked), daemon=True)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        path = tmp_path / "file"
        path.write_bytes(b"content")
        Bucket("s3://bucket").take("files/c1", path, {})
        thread.join(10)
    assert asked == [b"content"] * 3


def _failing(listener: socket.socket, asked: list[bytes]) -> None:
    answers = (
        "503 Slow Down\r\ncontent-length: 0",
        "500 Internal Server Error\r\ncontent-length: 0",
        '200 OK\r\netag: "e"\r\ncontent-length: 0',
    )
    for answer in answers:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as request:
            while line := request.readline().strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            asked.append(request.read(length))
            connection.sendall(f"HTTP/1.1 {answer}\r\nconnection: close\r\n\r\n".encode())
