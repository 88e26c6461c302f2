"""Style, scripts and pictures of the pages: below the hash of them all, so that they may be kept for ever."""

from __future__ import annotations

import hashlib
import mimetypes
from functools import cache
from importlib.resources import files as resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from annotary.errors import NotFound
from annotary.server.service import Service, param

FOREVER = "public, max-age=31536000, immutable"
_FOLDER = resources("annotary.server.pages") / "static"


@cache
def _static() -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in sorted(_FOLDER.iterdir(), key=str) if one.is_file()}


@cache
def _digest() -> str:
    digest = hashlib.sha256()
    for name, body in _static().items():
        digest.update(f"{name} {len(body)} ".encode() + body)
    return digest.hexdigest()[:16]


def static_path(name: str) -> str:
    """Where a static file is: below the hash of them all, so that modules find each other beside them."""
    if name not in _static():
        raise KeyError(name)
    return f"/static/{_digest()}/{name}"


def routes(service: Service) -> list[Route]:
    """Static files: for anybody, and for ever under the hash of what they are."""

    async def static(request: Request) -> Response:
        name = param(request, "name")
        body = _static().get(name)
        if body is None:
            raise NotFound(f"no file {name[:80]!r} here")
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        is_current = request.path_params["digest"] == _digest()
        headers = {"ETag": etag, "Cache-Control": FOREVER if is_current else "no-cache"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Response(body, headers=headers, media_type=kind)

    return [Route("/static/{digest}/{name}", static)]
