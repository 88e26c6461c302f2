"""Data rows' own images: from what was given at an import, what was uploaded, or an allowed host.

Nothing is fetched unless whoever runs the server names the host (`ANNOTARY_IMAGE_HOSTS`, with commas;
`.example.org` for all below it). What is shown of a large image is a small one, made once.
"""

from __future__ import annotations

import io
import json
import os
import struct
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from PIL import Image, ImageOps, UnidentifiedImageError

from annotary.engine import guard
from annotary.engine.core import Engine
from annotary.engine.image_places import Found, ImagePlaces, Member, Names
from annotary.errors import AnnotaryError, Invalid, NotFound
from annotary.operations.looking import Pictures, RowImage

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
_TOGETHER = 500


class Picture(NamedTuple):
    """An image's bytes as a browser shows them."""

    data: bytes
    media_type: str


def told(engine: Engine, id: str) -> RowImage:
    """Where a data row's image can be asked for, or why it is not to be had; raises NotFound."""
    try:
        _source(engine, _names(engine, id))
    except AnnotaryError as error:
        return RowImage(url=None, reason=str(error))
    return RowImage(url=f"/api/v1/data-rows/{quote(id, safe='')}/image")


def image(engine: Engine, id: str) -> Picture:
    """A data row's image; raises NotFound where it is not to be had, Unavailable where a host is silent."""
    data = _bytes(engine, _source(engine, _names(engine, id)))
    with _opened(data) as found:
        kind = found.format or ""
        if kind in TYPES:
            return Picture(data, TYPES[kind])
        made = io.BytesIO()
        _upright(found).save(made, "PNG")
        return Picture(made.getvalue(), "image/png")


def thumbnail(engine: Engine, id: str, size: int) -> Picture:
    """A data row's image, small and upright: its longer side is `size` pixels or the next kept size."""
    side = next((one for one in SIZES if one >= size), SIZES[-1])
    names = _names(engine, id)
    source = _source(engine, names)
    named = "\0".join((engine.store.org, *map(str, names), *_stamp(source), str(side)))
    key = sha256(named.encode("utf-8", "surrogatepass")).hexdigest()
    place = _shelf(engine)
    if place is None:
        return Picture(_small(engine, source, side, key), "image/jpeg")
    kept = place / f"{key}.jpg"
    if not kept.exists():
        made = _shrunk(_bytes(engine, source), side)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        half = place / f".{key}-{os.getpid()}"
        half.write_bytes(made)
        half.replace(kept)
        return Picture(made, "image/jpeg")
    return Picture(kept.read_bytes(), "image/jpeg")


def weighed(engine: Engine, ids: Sequence[str]) -> Pictures:
    """How many of some rows' images an export could copy, and their bytes; what a host has it cannot."""
    places, there, weight = ImagePlaces(engine), 0, 0
    for start in range(0, len(ids), _TOGETHER):
        rows = engine.store.data_rows_by("id", ids[start : start + _TOGETHER])
        for kept in engine.store.sections([row.version for row in rows.values()]).values():
            if (found := places.find(_names_of(kept.head, kept.media))) is not None:
                there += 1
                weight += _bytes_of(found)
    return Pictures(there=there, of=len(ids), bytes=weight)


def _bytes_of(found: Found) -> int:
    match found:
        case Path():
            return found.stat().st_size
        case Member():
            return found.size
    return found.bytes


def _shelf(engine: Engine) -> Path | None:
    home = engine.store.home
    return None if home is None else home / "thumbnails"


_remembered: dict[str, bytes] = {}


def _stamp(source: Found | str) -> tuple[str, ...]:
    """What says that a file is the same as it was."""
    match source:
        case str():
            return (source,)
        case Path():
            return str(source), str(source.stat().st_mtime_ns)
        case Member(archive=archive, path=path):
            return archive.name, path, str(source.size)
    return (source.id,)


def _small(engine: Engine, source: Found | str, side: int, key: str) -> bytes:
    found = _remembered.get(key)
    if found is None:
        found = _shrunk(_bytes(engine, source), side)
        while len(_remembered) >= _KEPT:
            _remembered.pop(next(iter(_remembered)), None)
        _remembered[key] = found
    return found


def _shrunk(data: bytes, side: int) -> bytes:
    with _opened(data) as found:
        found.draft("RGB", (side, side))
        small = _upright(found)
    small.thumbnail((side, side))
    made = io.BytesIO()
    small.save(made, "JPEG", quality=82)
    return made.getvalue()


def _upright(found: Image.Image) -> Image.Image:
    """The image as it is meant to be seen, in eight bits a channel."""
    turned = ImageOps.exif_transpose(found)
    if turned.mode.startswith(("I", "F")):
        # Depth, X-rays: what is cut off at 255 is white.
        low, high = turned.getextrema()
        scale = 255 / (high - low) if high > low else 0.0  # type: ignore[operator]
        turned = turned.convert("F").point(lambda value: value * scale - low * scale).convert("L")  # type: ignore[operator]
    return turned.convert("RGB")


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """An image of no more pixels than are decoded; raises NotFound for that, and for what is broken."""
    try:
        with warnings.catch_warnings():
            # Pillow warns below our own limit.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            found = Image.open(io.BytesIO(data))
        with found:
            if found.width * found.height > PIXELS:
                raise NotFound(
                    f"the image has {found.width:,} x {found.height:,} pixels, more than are decoded here"
                )
            yield found
    except UnidentifiedImageError:
        raise NotFound("the image cannot be read: it is of no kind that is known here") from None
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise NotFound(f"the image cannot be read: {error}") from None


def _names(engine: Engine, id: str) -> Names:
    """By which names an image may be kept; raises NotFound."""
    found = engine.store.data_rows_by("id", [id])
    if id not in found:
        raise NotFound(f"no data row {id!r}")
    row = engine.store.sections([found[id].version])[found[id].version]
    return _names_of(row.head, row.media)


@lru_cache(maxsize=4096)
def _names_of(head: str, media: str) -> Names:
    said = json.loads("{" + head.rstrip(",") + "}")
    size = json.loads("{" + media.strip(",") + "}").get("media_attributes") or {}
    row_data, external_id, global_key = (str(said.get(name) or "") for name in Names._fields[:3])
    return Names(row_data, external_id, global_key, size.get("width") or 0, size.get("height") or 0)


def _source(engine: Engine, names: Names) -> Found | str:
    """The file of an image, or its address; raises NotFound."""
    places = ImagePlaces(engine)
    if (found := places.find(names)) is not None:
        return found
    address = names.row_data
    own = f"{engine.base_url}/files/"
    if address.startswith(own):
        return engine.store.files.get(urlsplit(address[len(own) :]).path)
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise NotFound(f"{address[:200]!r} is no address: {error}") from None
    if parts.scheme in ("http", "https"):
        if not guard.is_named(parts.hostname or "", hosts()):
            raise NotFound(
                f"the image is at {parts.hostname}, which this server may not ask;"
                " name the host in ANNOTARY_IMAGE_HOSTS"
            )
        return address
    if not places:
        raise NotFound("the image's file is not known here; import with --images FOLDER")
    raise NotFound(f"{address[:200]!r} is in none of the folders and archives that were given at an import")


def hosts() -> Sequence[str]:
    """The hosts that images may be fetched from."""
    said = os.environ.get("ANNOTARY_IMAGE_HOSTS", "")
    return tuple(one.strip().lower() for one in said.split(",") if one.strip())


def _bytes(engine: Engine, source: Found | str) -> bytes:
    match source:
        case str():
            try:
                answer = guard.request(
                    "GET", source, redirects=guard.REDIRECTS, limit=BYTES + 1, hosts=hosts()
                )
            except Invalid as error:
                raise NotFound(f"the image cannot be fetched: {error}") from None
            if answer.status != 200:
                host = urlsplit(source).hostname
                raise NotFound(f"{host} answers {answer.status} where the image should be")
            return _bounded(len(answer.body), (answer.body,))
        case Path():
            try:
                with source.open("rb") as file:
                    return _bounded(os.fstat(file.fileno()).st_size, (file.read(BYTES + 1),))
            except OSError as error:
                raise NotFound(f"the image cannot be read: {error.strerror}") from None
        case Member():
            try:
                return _bounded(source.size, source.chunks())
            except Invalid as error:
                raise NotFound(str(error)) from None
    return _bounded(source.bytes, engine.store.files.read(source))


def _bounded(size: int, pieces: Iterable[bytes]) -> bytes:
    if size > BYTES:
        raise NotFound(f"the image is larger than {BYTES >> 20} MiB")
    return b"".join(pieces)
