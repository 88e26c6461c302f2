"""Files by addresses that carry their own permission, sent quickly, whole or in ranges."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from annotary.engine.core import Engine
from annotary.errors import Invalid, NotFound, Unauthenticated
from annotary.model.task import StoredFile
from annotary.server.service import Service, param
from annotary.server.signing import Grant
from annotary.server.streams import Listener
from annotary.store.places import BLOCK

PLACE = "/files/"
FETCHED_SECONDS = 300
"""So long an address of a bucket's own is good: who was sent there goes at once."""
AHEAD = 1 << 20
"""So many bytes are read in one go, in a thread; a slow disk does not hold up other requests."""
PASSIVE = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "image/tiff")
"""Types that a browser may show; what else was uploaded is only ever saved, so that it cannot run."""
_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+")
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+(; ?charset=[a-zA-Z0-9-]+)?")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE | re.ASCII)


class Files:
    """The files of who asks, behind addresses that open them without a key."""

    def __init__(self, service: Service, engine: Engine) -> None:
        self._service = service
        self._engine = engine

    def keep(self, pieces: Iterable[bytes], name: str, media_type: str) -> StoredFile:
        """Store a file, to be kept until it is removed; raises Denied to readers, TooLarge."""
        self._engine.require("member", "an upload")
        return self._engine.store.files.make(
            pieces,
            name=name,
            media_type=_safe_type(media_type),
            now=self._engine.now(),
            limit=self._service.settings.upload_limit,
        )

    def adopt(self, path: Path, name: str, media_type: str, wanted: str | None) -> StoredFile:
        """Take a file that was sent, once however often it is sent; raises Invalid where it is not whole."""
        if wanted is not None:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != wanted.lower():
                raise Invalid(f"sha256: {wanted[:80]!r} was announced, {digest} came; send the file again")
        return self._engine.store.files.take(
            path, name=name, media_type=_safe_type(media_type), now=self._engine.now(), once=True
        )

    def by_id(self, id: str) -> StoredFile:
        """A file that is kept here, by its id; raises NotFound."""
        return self._engine.store.files.get(id)

    def found(self, address: str) -> StoredFile:
        """A file that is kept here, by its address; raises Invalid for any other address."""
        parts = urlsplit(address)
        token = parse_qs(parts.query).get("token", [""])[0]
        try:
            grant = self._service.signer.grant(token, "file", parts.path.rpartition(PLACE)[2])
        except (Unauthenticated, NotFound):
            raise Invalid(f"not the address of a file that was uploaded here: {address[:200]!r}") from None
        if grant.org != self._engine.store.org:
            raise Invalid("not the address of a file of this organisation")
        return self.by_id(grant.id)

    def read(self, file: StoredFile) -> Iterator[bytes]:
        """The bytes of a file, in pieces."""
        return self._engine.store.files.read(file)

    def address(self, file: StoredFile, start: int | None = None, end: int | None = None) -> str:
        """Where a file can be fetched, or a piece of it; both ends belong to it.

        What is kept for good has an address for good: data rows name it. Other addresses expire.
        """
        grant = Grant(org=self._engine.store.org, kind="file", id=file.id, first=start or 0, last=end)
        seconds = None if file.expires_at is None else int(time.time()) + self._service.settings.link_seconds
        return self._at(grant, seconds)

    def _at(self, grant: Grant, expires: int | None) -> str:
        token = self._service.signer.token(grant, expires)
        return f"{self._service.base_url}{PLACE}{quote(grant.id)}?token={token}"


def _safe_type(given: str) -> str:
    return given if _MEDIA_TYPE.fullmatch(given) else "application/octet-stream"


class Piece(NamedTuple):
    """What of a file is to be sent: from `start` to `end` (not included) of all that the asker may see."""

    file: StoredFile
    media_type: str
    start: int
    end: int
    etag: str


class FileAnswer(Response):
    """A file as an answer: ranges by RFC 9110, a strong ETag, never compressed."""

    def __init__(self, engine: Engine, piece: Piece, service: Service) -> None:
        self._engine, self._piece, self._service = engine, piece, service
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        piece, request = self._piece, Request(scope)
        size = piece.end - piece.start
        headers = {
            "etag": piece.etag,
            "accept-ranges": "bytes",
            "content-type": piece.media_type,
            "cache-control": "private, no-transform",
            "content-disposition": _disposition(piece),
        }
        if _is_known(request.headers.get("if-none-match"), piece.etag):
            await _start(send, 304, headers)
            await send({"type": "http.response.body"})
            return
        wanted = _wanted(request, piece.etag, size)
        if wanted is None:
            await _start(send, 416, headers | {"content-range": f"bytes */{size}", "content-length": "0"})
            await send({"type": "http.response.body"})
            return
        first, end, status = wanted
        if status == 206:
            headers["content-range"] = f"bytes {first}-{end - 1}/{size}"
        headers["content-length"] = str(end - first)
        blocks = self._engine.store.files.read(piece.file, piece.start + first, piece.start + end)
        # Read before the answer begins: a file that is gone is an error then, not a short file.
        ready = [] if scope["method"] == "HEAD" else await self._service.threaded(_some, blocks)
        await _start(send, status, headers)
        async with Listener(receive) as listener:
            while ready and not listener.gone:
                for block in ready:
                    await send({"type": "http.response.body", "body": block, "more_body": True})
                ready = await self._service.threaded(_some, blocks)
        await send({"type": "http.response.body"})


def _some(blocks: Iterator[bytes]) -> list[bytes]:
    found: list[bytes] = []
    while len(found) < AHEAD // BLOCK and (block := next(blocks, None)) is not None:
        found.append(block)
    return found


async def _start(send: Send, status: int, headers: dict[str, str]) -> None:
    raw = [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


def _is_known(given: str | None, etag: str) -> bool:
    return given is not None and (given.strip() == "*" or etag in (one.strip() for one in given.split(",")))


def _wanted(request: Request, etag: str, size: int) -> tuple[int, int, int] | None:
    """First byte, end and status; None where the range cannot be met. What is not understood is the whole."""
    said = request.headers.get("range")
    condition = request.headers.get("if-range")
    found = _RANGE.fullmatch(said.strip()) if said else None
    if found is None or (condition is not None and condition.strip() != etag) or found[0] == "bytes=-":
        return 0, size, 200
    low, high = found[1], found[2]
    if low and high and int(high) < int(low):
        return 0, size, 200
    first = int(low) if low else max(0, size - int(high))
    end = min(size, int(high) + 1) if low and high else size
    return (first, end, 206) if first < end else None


def _disposition(piece: Piece) -> str:
    kind = "inline" if piece.media_type.partition(";")[0] in PASSIVE else "attachment"
    name = re.sub(r"[^\w.-]+", "-", piece.file.name.rpartition("/")[2])[:100] or "file"
    return f'{kind}; filename="{name.encode("ascii", "replace").decode().replace("?", "-")}"'


def granted(service: Service, token: str, id: str) -> tuple[Engine, Piece]:
    """The file that a token opens; raises Unauthenticated, NotFound."""
    grant = service.signer.grant(token, "file", id)
    engine = service.engine.acting_as(grant.org, "reader", service.engine.user)
    file = engine.store.files.get(id)
    end = file.bytes if grant.last is None else min(grant.last + 1, file.bytes)
    etag = f'"{file.sha256}"' if end - grant.first == file.bytes else f'"{file.sha256}-{grant.first}-{end}"'
    return engine, Piece(file, file.media_type, grant.first, end, etag)


def whole(file: StoredFile) -> Piece:
    """All of a file."""
    return Piece(file, file.media_type, 0, file.bytes, f'"{file.sha256}"')


def _is_for_elsewhere(request: Request, piece: Piece) -> bool:
    """Whether who asks may be sent to the place where the file lies.

    Only with a whole file that expires, as exports do, and an address without a key: programs that send one
    may not follow, or send it along. What was uploaded is shown by pages, which take images from here alone.
    """
    whole = piece.start == 0 and piece.end == piece.file.bytes
    by_address = request.method == "GET" and "token" in request.query_params
    return whole and by_address and piece.file.expires_at is not None


def routes(service: Service) -> list[Route]:
    """`/files/{id}?token=`, without a key; and by key, for those who have one."""

    async def download(request: Request) -> Response:
        def found() -> tuple[Engine, Piece]:
            id = param(request, "file_id")
            token = request.query_params.get("token")
            if token is not None:
                return granted(service, token, id)
            engine = service.engine_of(request)
            return engine, whole(engine.store.files.get(id))

        engine, piece = await service.threaded(found)
        if service.settings.presigned_downloads and _is_for_elsewhere(request, piece):
            address = await service.threaded(lambda: engine.store.files.address(piece.file, FETCHED_SECONDS))
            if address is not None:
                return RedirectResponse(address, 307, {"cache-control": "no-store"})
        return FileAnswer(engine, piece, service)

    return [Route("/files/{file_id}", download, methods=["GET", "HEAD"])]
