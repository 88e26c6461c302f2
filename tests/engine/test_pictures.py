"""Data rows' own images: from folders, archives, uploads and named hosts, and never from elsewhere."""

from __future__ import annotations

import io
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

import annotary
from annotary.client.embedded import Embedded
from annotary.engine import image_places, pictures
from annotary.engine.core import Engine
from annotary.engine.loading import import_sources
from annotary.engine.sources import ValueSource
from annotary.errors import NotFound, Unavailable
from annotary.model.base import new_id

pytestmark = pytest.mark.bucket

RED, BLUE = (200, 30, 30), (30, 30, 200)


@pytest.fixture
def engine(store_url: str) -> Iterator[Engine]:
    with annotary.Client(store_url) as client:
        assert isinstance(client.port, Embedded)
        yield client.port.engine


@pytest.fixture
def given(tmp_path: Path, engine: Engine) -> Path:
    """A folder that was given at an import."""
    folder = tmp_path / "given"
    folder.mkdir()
    image_places.remember(engine, folder)
    return folder


def row(engine: Engine, row_data: str, external_id: str = "") -> str:
    """A data row of an address and a name; its id."""
    id = new_id()
    said = {"id": id, "row_data": row_data, **({"external_id": external_id} if external_id else {})}
    import_sources(engine, [ValueSource([{"data_row": said, "projects": {}}])], format="labelbox-v2")
    return id


def drawn(size: tuple[int, int] = (40, 20), colour: tuple[int, int, int] = RED, kind: str = "PNG") -> bytes:
    made = io.BytesIO()
    Image.new("RGB", size, colour).save(made, kind)
    return made.getvalue()


def seen(picture: pictures.Picture) -> Image.Image:
    return Image.open(io.BytesIO(picture.data))


def test_a_file_is_found_by_the_end_of_its_path(engine: Engine, given: Path) -> None:
    (given / "train").mkdir()
    (given / "train" / "a.png").write_bytes(drawn())
    for address in (
        "train/a.png",
        "/somebody/else/train/a.png",
        "gs://bucket/x/train/a.png",
        r"C:\x\train\a.png",
    ):
        picture = pictures.image(engine, row(engine, address))
        assert (picture.data, picture.media_type) == (drawn(), "image/png"), address


def test_a_bare_name_is_looked_for_in_the_folders_below_those_of_images_first(
    engine: Engine, given: Path
) -> None:
    for folder, colour in (("annotated", BLUE), ("images", RED), ("masks", BLUE)):
        (given / folder).mkdir()
        (given / folder / "b.png").write_bytes(drawn(colour=colour))
    assert seen(pictures.image(engine, row(engine, "b.png"))).getpixel((1, 1)) == RED


def test_of_several_files_of_one_name_the_one_of_the_rows_size_is_taken(
    engine: Engine, tmp_path: Path
) -> None:
    for name, size in (("one", (10, 10)), ("two", (33, 17)), ("three", (20, 10))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same.png").write_bytes(drawn(size))
        image_places.remember(engine, tmp_path / name)
    places = image_places.ImagePlaces(engine)
    found = places.find(image_places.Names("same.png", "", "", 33, 17))
    assert found == (tmp_path / "two" / "same.png").resolve()


@pytest.mark.parametrize("name", ["../secret.png", "x/../../secret.png", "link.png", "linked/secret.png"])
def test_nothing_is_read_outside_of_the_folders(
    engine: Engine, given: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "secret.png").write_bytes(drawn())
    (given / "x").mkdir()
    (given / "link.png").symlink_to(tmp_path / "secret.png")
    (given / "linked").symlink_to(tmp_path)
    for address in (name, str(tmp_path / "secret.png"), f"file://{tmp_path}/secret.png"):
        with pytest.raises(NotFound, match="in none of the folders"):
            pictures.image(engine, row(engine, address))


def test_pictures_of_an_archive_that_was_sent_are_shown_on_either_database(
    engine: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "sent"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("set/images/c.png", drawn(colour=BLUE))
        archive.writestr("../outside.png", drawn())
    files = engine.store.files
    image_places.keep(
        engine, files.take(path, name="set.zip", media_type="application/zip", now=engine.now())
    )
    assert seen(pictures.image(engine, row(engine, "c.png"))).getpixel((1, 1)) == BLUE
    assert seen(pictures.thumbnail(engine, row(engine, "images/c.png"), 160)).size == (40, 20)
    with pytest.raises(NotFound, match="in none of the folders and archives"):
        pictures.image(engine, row(engine, "outside.png"))


def test_an_archive_that_lies_about_a_picture_is_not_believed(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.png", b"\0" * 5_000_000)
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<I", 5_000_000), struct.pack("<I", 5000)))
    image_places.remember(engine, path)
    with pytest.raises(NotFound):
        pictures.image(engine, row(engine, "big.png"))


def test_what_was_uploaded_is_shown(engine: Engine) -> None:
    file = engine.store.files.make([drawn()], name="up.png", media_type="image/png", now=engine.now())
    address = f"{engine.base_url}/files/{file.id}?token=x"
    assert pictures.image(engine, row(engine, address)).data == drawn()
    with pytest.raises(NotFound, match="no file"):
        pictures.image(engine, row(engine, f"{engine.base_url}/files/gone"))


def test_an_image_lies_as_its_camera_was_held(engine: Engine, given: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (400, 200), RED).save(given / "turned.jpg", exif=turned)
    assert seen(pictures.thumbnail(engine, row(engine, "turned.jpg"), 160)).size == (80, 160)


def test_sixteen_bits_are_shown_as_far_as_they_reach(engine: Engine, given: Path) -> None:
    deep = Image.new("I;16", (20, 20), 1000)
    deep.paste(3000, (0, 0, 10, 20))
    deep.save(given / "deep.png")
    small = seen(pictures.thumbnail(engine, row(engine, "deep.png"), 160)).convert("L")
    assert small.getpixel((2, 10)) > 240
    assert small.getpixel((17, 10)) < 15


def test_what_browsers_do_not_show_goes_out_as_png(engine: Engine, given: Path) -> None:
    Image.new("RGB", (4, 4), RED).save(given / "plan.tif")
    picture = pictures.image(engine, row(engine, "plan.tif"))
    assert (picture.media_type, seen(picture).format) == ("image/png", "PNG")


def header(width: int, height: int) -> bytes:
    """A PNG that says it is so large, and has hardly anything in it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    said = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", said) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


BROKEN = {
    "text": (b"not an image", "of no kind"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "of no kind"),
    "empty": (b"", "of no kind"),
    "cut off": (drawn((300, 300), kind="JPEG")[:-400], "cannot be read"),
    "bomb": (header(20_000, 20_000), "cannot be read|pixels"),
    "large": (header(13_000, 12_000), "13,000 x 12,000 pixels"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_picture_says_what_is_wrong(engine: Engine, given: Path, kind: str) -> None:
    data, reason = BROKEN[kind]
    (given / "broken.jpg").write_bytes(data)
    with pytest.raises(NotFound, match=reason):
        pictures.thumbnail(engine, row(engine, "broken.jpg"), 160)


def test_a_file_of_too_many_bytes_is_not_read(
    engine: Engine, given: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (given / "long.png").write_bytes(drawn())
    monkeypatch.setattr(pictures, "BYTES", 20)
    with pytest.raises(NotFound, match="larger than"):
        pictures.image(engine, row(engine, "long.png"))


def test_a_small_picture_is_made_once_and_anew_when_the_file_changed(
    engine: Engine, given: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    shrunk = pictures._shrunk

    def counted(data: bytes, side: int) -> bytes:
        made.append(side)
        return shrunk(data, side)

    monkeypatch.setattr(pictures, "_shrunk", counted)
    (given / "d.png").write_bytes(drawn((900, 300)))
    id = row(engine, "d.png")
    first = pictures.thumbnail(engine, id, 300)
    assert pictures.thumbnail(engine, id, 310) == first
    assert (made, seen(first).size) == ([320], (320, 107))
    (given / "d.png").write_bytes(drawn((900, 300), BLUE))
    assert pictures.thumbnail(engine, id, 320) != first
    assert made == [320, 320]


# Hosts


@contextmanager
def host(answers: dict[str, tuple[int, dict[str, str], bytes]]) -> Iterator[int]:
    """A web server on loopback; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_only_hosts_that_are_named_are_asked(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with host({"/a.png": (200, {}, drawn())}) as port:
        address = f"http://127.0.0.1:{port}/a.png"
        id = row(engine, address)
        monkeypatch.delenv("ANNOTARY_IMAGE_HOSTS", raising=False)
        with pytest.raises(NotFound, match=r"may not ask.*ANNOTARY_IMAGE_HOSTS"):
            pictures.image(engine, id)
        assert "127.0.0.1" in str(pictures.told(engine, id).reason)
        monkeypatch.setenv("ANNOTARY_IMAGE_HOSTS", "images.example.org, 127.0.0.1")
        assert pictures.image(engine, id).data == drawn()
        assert pictures.told(engine, id).reason is None


def test_a_redirect_leads_to_named_hosts_only(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANNOTARY_IMAGE_HOSTS", "127.0.0.1")
    answers = {"/a.png": (200, {}, drawn()), "/near": (302, {"Location": "/a.png"}, b"")}
    answers["/round"] = (302, {"Location": "/round"}, b"")
    answers["/file"] = (302, {"Location": "file:///etc/hostname"}, b"")
    with host(answers) as port:
        answers["/away"] = (302, {"Location": f"http://localhost:{port}/a.png"}, b"")
        here = f"http://127.0.0.1:{port}"
        assert pictures.image(engine, row(engine, f"{here}/near")).data == drawn()
        for path, reason in (
            ("/away", "'localhost' is not among"),
            ("/file", "is no address"),
            ("/round", "answers 302"),
            ("/nothing", "answers 404"),
        ):
            with pytest.raises(NotFound, match=reason):
                pictures.image(engine, row(engine, here + path))


def test_a_host_that_is_silent_is_told(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANNOTARY_IMAGE_HOSTS", "127.0.0.1")
    with host({}) as port:
        pass
    with pytest.raises(Unavailable, match="cannot be reached"):
        pictures.image(engine, row(engine, f"http://127.0.0.1:{port}/a.png"))


def test_an_answer_that_is_too_long_is_cut(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANNOTARY_IMAGE_HOSTS", "127.0.0.1")
    monkeypatch.setattr(pictures, "BYTES", 20)
    with host({"/a.png": (200, {}, drawn())}) as port, pytest.raises(NotFound, match="larger than"):
        pictures.image(engine, row(engine, f"http://127.0.0.1:{port}/a.png"))


def test_an_address_that_is_none_is_told_as_it_is(engine: Engine) -> None:
    told = pictures.told(engine, row(engine, "http://[broken/a.png"))
    assert told.url is None
    assert "no address" in str(told.reason)


def test_what_can_be_copied_is_weighed(engine: Engine, given: Path, tmp_path: Path) -> None:
    small, packed = drawn(), drawn((400, 200))
    (given / "a.png").write_bytes(small)
    archive = tmp_path / "more.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("b.png", packed)
    image_places.remember(engine, archive)
    ids = [row(engine, name) for name in ("a.png", "b.png", "c.png")]
    ids.append(row(engine, "https://images.example.org/d.png"))
    told = pictures.weighed(engine, ids)
    assert (told.there, told.of, told.bytes) == (2, 4, len(small) + len(packed))
