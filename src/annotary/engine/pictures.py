"""Data rows' own images: from a folder given at import, from what was uploaded, or from an allowed host.

Nothing is fetched unless whoever runs the server names the host (`ANNOTARY_IMAGE_HOSTS`, with commas;
`.example.org` for all below it). What is shown of a large image is a small one, made once.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from PIL import Image, ImageOps

from annotary.engine import guard
from annotary.engine.core import Engine
from annotary.engine.sources import below
from annotary.errors import AnnotaryError, NotFound
from annotary.model.base import derived_id
from annotary.model.project import ImageFolder
from annotary.operations.looking import RowImage

BYTES = 64 << 20
"""No larger image is read."""
PIXELS = 150_000_000
"""No image of more pixels is decoded."""
SIZES = (160, 320, 480)
"""The longer sides of small images, in pixels."""
TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "AVIF": "image/avif",
}
"""Images that browsers show, by Pillow's names; others go out as PNG."""
_KEPT = 512


class Picture(NamedTuple):
    """An image's bytes as a browser shows them."""

    data: bytes
    media_type: str


class _Names(NamedTuple):
    row_data: str
    external_id: str
    global_key: str


def told(engine: Engine, id: str) -> RowImage:
    """Where a data row's image can be asked for, or why it is not to be had; raises NotFound."""
    try:
        _source(engine, _names(engine, id))
    except AnnotaryError as error:
        return RowImage(url=None, reason=str(error))
    return RowImage(url=f"/api/v1/data-rows/{quote(id, safe='')}/image")


def image(engine: Engine, id: str) -> Picture:
    """A data row's image; raises NotFound where it is not to be had, Unavailable where a host is silent."""
    data = _bytes(engine, _names(engine, id))
    with _opened(data) as found:
        kind = found.format or ""
        if kind in TYPES:
            return Picture(data, TYPES[kind])
        made = io.BytesIO()
        ImageOps.exif_transpose(found).convert("RGB").save(made, "PNG")
        return Picture(made.getvalue(), "image/png")


def thumbnail(engine: Engine, id: str, size: int) -> Picture:
    """A data row's image, small and upright: its longer side is `size` pixels or the next kept size."""
    side = next((one for one in SIZES if one >= size), SIZES[-1])
    names = _names(engine, id)
    source = _source(engine, names)
    stamp = f"{source.stat().st_mtime_ns}" if isinstance(source, Path) else ""
    key = sha256("\0".join((engine.store.org, *names, str(source), stamp, str(side))).encode()).hexdigest()
    place = _shelf(engine)
    if place is None:
        return Picture(_small(engine, id, side, key), "image/jpeg")
    kept = place / f"{key}.jpg"
    if not kept.exists():
        made = _shrunk(_bytes(engine, names), side)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        half = place / f".{key}-{os.getpid()}"
        half.write_bytes(made)
        half.replace(kept)
        return Picture(made, "image/jpeg")
    return Picture(kept.read_bytes(), "image/jpeg")


def remember(engine: Engine, folder: Path) -> None:
    """Show images from a folder of this machine from now on."""
    path = str(folder.resolve())
    found = ImageFolder(id=derived_id(engine.store.org, "image folder", path), path=path)
    if found not in engine.store.find(ImageFolder):
        engine.store.put(found)


def _shelf(engine: Engine) -> Path | None:
    folder = engine.store.files.folder
    return None if folder is None else folder.with_name("thumbnails")


_remembered: dict[str, bytes] = {}


def _small(engine: Engine, id: str, side: int, key: str) -> bytes:
    found = _remembered.get(key)
    if found is None:
        found = _shrunk(_bytes(engine, _names(engine, id)), side)
        while len(_remembered) >= _KEPT:
            _remembered.pop(next(iter(_remembered)), None)
        _remembered[key] = found
    return found


def _shrunk(data: bytes, side: int) -> bytes:
    with _opened(data) as found:
        found.draft("RGB", (side, side))
        small = ImageOps.exif_transpose(found).convert("RGB")
    small.thumbnail((side, side))
    made = io.BytesIO()
    small.save(made, "JPEG", quality=82)
    return made.getvalue()


def _opened(data: bytes) -> Image.Image:
    try:
        found = Image.open(io.BytesIO(data))
        if found.width * found.height > PIXELS:
            raise NotFound(f"the image has {found.width} x {found.height} pixels, more than are decoded here")
        return found
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise NotFound(f"the image cannot be read: {error}") from None


def _names(engine: Engine, id: str) -> _Names:
    """By which names an image may be kept; raises NotFound."""
    found = engine.store.data_rows_by("id", [id])
    if id not in found:
        raise NotFound(f"no data row {id!r}")
    row = engine.store.sections([found[id].version])[found[id].version]
    return _names_of(row.head)


@lru_cache(maxsize=4096)
def _names_of(head: str) -> _Names:
    said = json.loads("{" + head.rstrip(",") + "}")
    return _Names(*(str(said.get(name) or "") for name in _Names._fields))


def _source(engine: Engine, names: _Names) -> Path | str:
    """The file of an image, its id among the stored files (`file:`), or its address; raises NotFound."""
    address = names.row_data
    own = f"{engine.base_url}/files/"
    if address.startswith(own):
        return "file:" + urlsplit(address[len(own) :]).path
    folders = [Path(one.path) for one in engine.store.find(ImageFolder)]
    for name in _local(names):
        if (found := below(folders, name)) is not None:
            return found
    parts = urlsplit(address)
    if parts.scheme in ("http", "https"):
        if not guard.is_named(parts.hostname or "", hosts()):
            raise NotFound(
                f"the image is at {parts.hostname}, which this server may not ask;"
                " name the host in ANNOTARY_IMAGE_HOSTS"
            )
        return address
    if not folders:
        raise NotFound("the image's file is not known here; import with --images FOLDER")
    raise NotFound(f"{address!r} is in none of the folders that were given at an import")


def _local(names: _Names) -> Iterable[str]:
    """The names that a file may have, the longest first: its path, and the end of it."""
    for name in names:
        path = name.removeprefix("file://").replace("\\", "/").lstrip("/")
        parts = urlsplit(name)
        if parts.scheme in ("http", "https", "s3", "gs"):
            path = parts.path.lstrip("/")
        while path:
            yield path
            path = path.partition("/")[2]


def hosts() -> Sequence[str]:
    """The hosts that images may be fetched from."""
    said = os.environ.get("ANNOTARY_IMAGE_HOSTS", "")
    return tuple(one.strip().lower() for one in said.split(",") if one.strip())


def _bytes(engine: Engine, names: _Names) -> bytes:
    source = _source(engine, names)
    if isinstance(source, Path):
        try:
            if source.stat().st_size > BYTES:
                raise NotFound(f"the image is larger than {BYTES >> 20} MiB")
            return source.read_bytes()
        except OSError as error:
            raise NotFound(f"the image cannot be read: {error.strerror}") from None
    if source.startswith("file:"):
        file = engine.store.files.get(source.removeprefix("file:"))
        if file.bytes > BYTES:
            raise NotFound(f"the image is larger than {BYTES >> 20} MiB")
        return b"".join(engine.store.files.read(file))
    answer = guard.request("GET", source, redirects=guard.REDIRECTS, limit=BYTES + 1, hosts=hosts())
    if answer.status != 200:
        raise NotFound(f"{urlsplit(source).hostname} answers {answer.status} where the image should be")
    if len(answer.body) > BYTES:
        raise NotFound(f"the image is larger than {BYTES >> 20} MiB")
    return answer.body
