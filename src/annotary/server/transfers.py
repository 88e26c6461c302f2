"""Bytes beside the operations: files in, files of tasks out, exports as they are made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from annotary.engine.core import Engine
from annotary.engine.exporting import Export, open_export
from annotary.engine.written import LINES
from annotary.errors import Invalid, NotFound
from annotary.model.task import StoredFile
from annotary.operations.exports import StartExport
from annotary.server.files import FileAnswer, Files, whole
from annotary.server.rest import JSON, ROOT, body_of, built
from annotary.server.service import Service, param
from annotary.server.streams import Stream

NAME_LIMIT = 1000


def routes(service: Service) -> list[BaseRoute]:
    """The routes that carry bytes."""

    async def upload(request: Request) -> Response:
        engine = await service.threaded(service.engine_of, request)
        engine.require("member", "an upload")
        return await _uploaded(service, engine, request)

    async def by_id(request: Request) -> Response:
        def found() -> tuple[Engine, StoredFile]:
            engine = service.engine_of(request)
            return engine, engine.store.files.get(param(request, "file_id"))

        engine, file = await service.threaded(found)
        return FileAnswer(engine, whole(file), service)

    async def of_task(request: Request) -> Response:
        def found() -> tuple[Engine, StoredFile]:
            engine = service.engine_of(request)
            task = engine.store.tasks.get(param(request, "task_id"))
            file = task.problems if request.url.path.endswith("/problems") else task.file
            if file is None:
                raise NotFound(f"task {task.id!r} has no such file; it is {task.status}")
            return engine, engine.store.files.get(file.id)

        engine, file = await service.threaded(found)
        return FileAnswer(engine, whole(file), service)

    async def rows(request: Request) -> Response:
        given = await body_of(request)

        def begun() -> Iterator[bytes]:
            engine = service.engine_of(request)
            asked: Any = built(StartExport, given, strict=True)
            # A stream begins at once, and shares the server's process with all that it answers.
            export = open_export(engine, replace(asked, workers=1))
            if not export.lines:
                raise Invalid(f"{asked.format} makes more than one file of lines; start a task for it")
            return _bytes(export)

        return Stream(service, await service.threaded(begun), LINES, name="rows.ndjson")

    return [
        Route(f"{ROOT}/files", upload, methods=["POST"]),
        Route(f"{ROOT}/files/{{file_id}}", by_id),
        Route(f"{ROOT}/tasks/{{task_id}}/result", of_task),
        Route(f"{ROOT}/tasks/{{task_id}}/problems", of_task),
        Route(f"{ROOT}/exports/rows", rows, methods=["POST"]),
    ]


def _bytes(export: Export) -> Iterator[bytes]:
    """The bytes of an export; it lets go of the store when nobody wants them any more."""
    with closing(export.taken()) as parts:
        for part in parts:
            yield part.data


async def _uploaded(service: Service, engine: Engine, request: Request) -> Response:
    """Keep the body of a request as a file. It goes to disk as it comes; sent twice, it is kept once."""
    name = request.query_params.get("name", "file")
    if not name or len(name) > NAME_LIMIT or "\0" in name:
        raise Invalid(f"name: {name[:80]!r} is no name for a file; give 1 to {NAME_LIMIT} characters")
    with engine.store.files.workplace() as folder:
        path = folder / "upload"
        with path.open("wb") as file:
            async for piece in request.stream():
                file.write(piece)
        media_type = request.headers.get("content-type", "application/octet-stream")
        wanted = request.query_params.get("sha256")
        kept = await service.threaded(Files(service, engine).adopt, path, name, media_type, wanted)
    return Response(msgspec.json.encode(kept), 201, media_type=JSON)
