"""Masks over HTTP: one object's, one label's, and all of an export's in one archive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from annotary.engine.core import Engine
from annotary.engine.exporting import open_export
from annotary.engine.masks import composite, picture
from annotary.errors import Invalid
from annotary.formats import Part
from annotary.model.base import Value
from annotary.model.export import ExportParams, ExportQuery, ProjectScope, RunScope, Scope
from annotary.operations.exports import StartExport
from annotary.server.archive import zipped
from annotary.server.rest import body_of
from annotary.server.service import Service, param
from annotary.server.streams import Stream

# The clients that ask for masks say that they accept JSON, and some that they accept gzip without being
# able to unpack it: the answer is a plain PNG whatever they say.
PNG = "image/png"
_CACHE = {"Cache-Control": "private, max-age=60, no-transform"}
How = Literal["png", "composite"]


class MaskArchive(Value):
    """Which masks an archive is of: one PNG an instance, or one colour picture a label."""

    query: ExportQuery
    how: How = "png"


def routes(service: Service) -> list[Route]:
    """The addresses that exports show, and those of archives."""

    async def of_place(request: Request) -> Response:
        kind = "project" if "project_id" in request.path_params else "model"
        place = (kind, param(request, f"{kind}_id"))

        def drawn() -> bytes:
            return picture(service.engine_of(request), param(request, "feature_id"), place=place)

        return Response(await service.threaded(drawn), headers=_CACHE, media_type=PNG)

    async def of_feature(request: Request) -> Response:
        def drawn() -> bytes:
            id = param(request, "feature_id")
            return picture(_asking(service, request, id), id)

        return Response(await service.threaded(drawn), headers=_CACHE, media_type=PNG)

    async def of_label(request: Request) -> Response:
        def drawn() -> bytes:
            return composite(service.engine_of(request), param(request, "label_id"))

        return Response(await service.threaded(drawn), headers=_CACHE, media_type=PNG)

    async def archive_of_place(request: Request) -> Response:
        scope: Scope
        if "project_id" in request.path_params:
            scope = ProjectScope(id=param(request, "project_id"))
        else:
            scope = RunScope(id=param(request, "run_id"))
        how: Any = request.query_params.get("how", "png")
        params = ExportParams(predictions=isinstance(scope, RunScope))
        return await _archive(
            service, request, {"query": ExportQuery(scope=scope, params=params), "how": how}
        )

    async def archive_of_query(request: Request) -> Response:
        return await _archive(service, request, await body_of(request))

    project, model = "/api/v1/projects/{project_id}", "/api/v1/models/{model_id}"
    one = "/annotations/{feature_id}"
    return [
        Route(f"{project}{one}/index/1/mask", of_place),
        Route(f"{project}{one}/mask", of_place),
        Route(f"{model}{one}/index/1/mask", of_place),
        Route(f"{model}{one}/mask", of_place),
        Route("/masks/feature/{feature_id}", of_feature),
        Route("/masks/label/{label_id}", of_label),
        Route(f"{project}/masks.zip", archive_of_place),
        Route("/api/v1/model-runs/{run_id}/masks.zip", archive_of_place),
        Route("/api/v1/exports/masks", archive_of_query, methods=["POST"]),
    ]


def _asking(service: Service, request: Request, id: str) -> Engine:
    """Who shows a token for this very object, or a key."""
    token = request.query_params.get("token")
    if token is None:
        return service.engine_of(request)
    grant = service.signer.grant(token, "mask", id)
    return service.engine.acting_as(grant.org, "reader", service.engine.user)


async def _archive(service: Service, request: Request, asked: dict[str, Any]) -> Response:
    def begun() -> Iterator[bytes]:
        engine = service.engine_of(request)
        try:
            wanted = msgspec.convert(msgspec.to_builtins(asked), MaskArchive)
        except (msgspec.ValidationError, TypeError) as error:
            raise Invalid(f"masks: {error}") from None
        options = {"masks": wanted.how}
        export = open_export(engine, StartExport(query=wanted.query, options=options))
        return zipped(Part(part.path, part.data) for part in export.taken() if part.path)

    pieces = await service.threaded(begun)
    return Stream(service, pieces, "application/zip", name="masks.zip")
