"""Data rows' own images over HTTP, whole and small."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from annotary.engine import pictures
from annotary.errors import Invalid, NotFound, Unavailable
from annotary.server.rest import ROOT
from annotary.server.service import Service, param

_CACHE = {"Cache-Control": "private, max-age=3600"}
USUAL = 320


def routes(service: Service) -> list[Route]:
    """`/api/v1/data-rows/{data_row_id}/image` and `/thumbnail`.

    With `?blank=1` a thumbnail that is not to be had is an empty answer: pages show many, and need no error.
    """

    async def image(request: Request) -> Response:
        def found() -> pictures.Picture:
            return pictures.image(service.engine_of(request), param(request, "data_row_id"))

        return _answer(await service.threaded(found))

    async def thumbnail(request: Request) -> Response:
        def found() -> pictures.Picture:
            engine = service.engine_of(request)
            said = request.query_params.get("size", str(USUAL))
            if not (said.isascii() and said.isdecimal()) or not 1 <= int(said) <= 4096:
                raise Invalid(f"size: {said[:20]!r} is not a number of pixels up to 4096")
            return pictures.thumbnail(engine, param(request, "data_row_id"), int(said))

        try:
            return _answer(await service.threaded(found))
        except (NotFound, Unavailable):
            if not request.query_params.get("blank"):
                raise
            return Response(status_code=204, headers={"Cache-Control": "no-store"})

    path = f"{ROOT}/data-rows/{{data_row_id}}"
    return [Route(f"{path}/image", image), Route(f"{path}/thumbnail", thumbnail)]


def _answer(picture: pictures.Picture) -> Response:
    return Response(picture.data, headers=_CACHE, media_type=picture.media_type)
