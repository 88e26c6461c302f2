"""Data rows' images over HTTP: what is shown of them, what may be asked for, and why one is not to be had."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from annotary.engine import image_places
from annotary.engine.core import Engine
from annotary.engine.loading import import_sources
from annotary.engine.sources import ValueSource
from annotary.model.base import new_id
from annotary.operations.users import CreateKey, CreateOrganization
from annotary.server.rest import ROOT
from tests._live import Live, live

SIZE = (640, 400)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(str(tmp_path_factory.mktemp("pictures") / "store")) as server:
        yield server


@pytest.fixture
def engine(server: Live) -> Engine:
    return Engine(server.service.engine.store, base_url=server.url)


@pytest.fixture
def http(server: Live) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {server.key}"}
    with httpx.Client(base_url=server.url + ROOT, headers=headers) as http:
        yield http


@pytest.fixture
def folder(engine: Engine, tmp_path: Path) -> Path:
    """A folder that was given at an import."""
    image_places.remember(engine, tmp_path)
    return tmp_path


def row(engine: Engine, name: str) -> str:
    id = new_id()
    said = {"data_row": {"id": id, "row_data": name}, "projects": {}}
    import_sources(engine, [ValueSource([said])], format="labelbox-v2")
    return id


def drawn(kind: str = "PNG") -> bytes:
    made = io.BytesIO()
    Image.new("RGB", SIZE, "#7799bb").save(made, kind)
    return made.getvalue()


def bomb() -> bytes:
    """A PNG of a few bytes that says it has ten thousand million pixels."""
    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")]
    said = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(said)


def refused(answer: httpx.Response) -> str:
    assert answer.status_code == 404, answer.text
    message: str = answer.json()["error"]["message"]
    return message


def test_a_local_file_goes_out_as_it_is_and_small(http: httpx.Client, engine: Engine, folder: Path) -> None:
    name = f"{new_id()}.png"
    (folder / name).write_bytes(drawn())
    path = f"/data-rows/{row(engine, name)}"
    whole = http.get(f"{path}/image")
    assert (whole.status_code, whole.headers["content-type"], whole.content) == (200, "image/png", drawn())
    assert whole.headers["cache-control"].startswith("private")
    assert whole.headers["x-content-type-options"] == "nosniff"
    for asked, side in (("", 320), ("?size=1", 160), ("?size=321", 480), ("?size=4096", 480)):
        small = http.get(f"{path}/thumbnail{asked}")
        assert (small.status_code, small.headers["content-type"]) == (200, "image/jpeg")
        assert Image.open(io.BytesIO(small.content)).size == (side, side * SIZE[1] // SIZE[0])


def test_a_small_one_is_made_once(http: httpx.Client, engine: Engine, folder: Path) -> None:
    assert engine.store.home is not None
    kept = engine.store.home / "thumbnails"
    name = f"{new_id()}.png"
    (folder / name).write_bytes(drawn())
    path = f"/data-rows/{row(engine, name)}/thumbnail"
    before = set(kept.glob("*"))
    first = http.get(path).content
    (made,) = set(kept.glob("*")) - before
    stamp = made.stat().st_mtime_ns
    assert http.get(path).content == first == made.read_bytes()
    assert made.stat().st_mtime_ns == stamp


def test_what_was_uploaded_is_shown(http: httpx.Client, engine: Engine) -> None:
    sent = http.post("/files", params={"name": "a.png"}, content=drawn())
    assert sent.status_code in (200, 201), sent.text
    address = f"{engine.base_url}/files/{sent.json()['id']}"
    answer = http.get(f"/data-rows/{row(engine, address)}/image")
    assert (answer.status_code, answer.content) == (200, drawn())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"nothing of the kind", "of no kind that is known"),
        (drawn()[:200], "cannot be read"),
        (bomb(), "more than are decoded|cannot be read"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "of no kind"),
    ],
    ids=["text", "cut off", "bomb", "svg"],
)
def test_what_is_no_picture_says_why(
    http: httpx.Client, engine: Engine, folder: Path, data: bytes, reason: str
) -> None:
    name = f"{new_id()}.png"
    (folder / name).write_bytes(data)
    path = f"/data-rows/{row(engine, name)}/thumbnail"
    assert re.search(reason, refused(http.get(path)))
    blank = http.get(f"{path}?blank=1")
    assert (blank.status_code, blank.content, blank.headers["cache-control"]) == (204, b"", "no-store")


def test_a_host_is_asked_only_where_it_is_named(
    http: httpx.Client, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = row(engine, "http://127.0.0.1:9/a.png")
    monkeypatch.delenv("ANNOTARY_IMAGE_HOSTS", raising=False)
    assert "ANNOTARY_IMAGE_HOSTS" in refused(http.get(f"/data-rows/{id}/image"))
    monkeypatch.setenv("ANNOTARY_IMAGE_HOSTS", "127.0.0.1")
    # It is asked now, and nobody is there.
    answer = http.get(f"/data-rows/{id}/image")
    assert answer.status_code == 503
    assert "cannot be reached" in answer.json()["error"]["message"]
    assert http.get(f"/data-rows/{id}/thumbnail?blank=1").status_code == 204


@pytest.mark.parametrize("size", ["0", "4097", "-1", "x", "1e3", "٣"])
def test_a_size_that_is_none_is_refused(http: httpx.Client, engine: Engine, size: str) -> None:
    answer = http.get(f"/data-rows/{row(engine, 'a.png')}/thumbnail", params={"size": size})
    assert answer.status_code == 400
    assert "size" in answer.json()["error"]["message"]


def test_another_organisations_picture_is_not_there(
    http: httpx.Client, server: Live, engine: Engine, folder: Path
) -> None:
    name = f"{new_id()}.png"
    (folder / name).write_bytes(drawn())
    id = row(engine, name)
    others = engine.call(CreateOrganization(name="Others"))
    key = Engine(server.service.engine.store.seen_as(others.id)).call(CreateKey(name="x", role="admin")).key
    for path in (f"/data-rows/{id}/image", f"/data-rows/{id}/thumbnail"):
        assert refused(http.get(path, headers={"Authorization": f"Bearer {key}"})) == f"no data row {id!r}"
        assert httpx.get(str(http.base_url.join(ROOT + path))).status_code == 401
