"""Whether the server lives, whether it can work, and its counters."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from annotary.errors import AnnotaryError, Unauthenticated
from annotary.server.metrics import MEDIA_TYPE
from annotary.server.service import Service


def routes(service: Service) -> list[Route]:
    """`/healthz` for anybody; `/readyz` and `/metrics` with a key."""

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(request: Request) -> Response:
        def asked() -> None:
            service.engine_of(request)
            service.engine.store.tasks.counts()

        try:
            await service.threaded(asked)
        except Unauthenticated:
            raise
        except AnnotaryError as error:
            return JSONResponse({"status": "not ready", "reason": str(error)}, 503)
        return JSONResponse({"status": "ready"})

    async def metrics(request: Request) -> Response:
        def asked() -> dict[str, int]:
            service.engine_of(request)
            return service.engine.store.tasks.counts()

        tasks = await service.threaded(asked)
        text = service.metrics.text(tasks, time.monotonic() - service.started)
        return Response(text, media_type=MEDIA_TYPE)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
