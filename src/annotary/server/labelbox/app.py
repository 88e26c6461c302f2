"""The routes of the SDK's surface: GraphQL at two paths, and what its REST calls want."""

from __future__ import annotations

import json
import re
import time
from contextlib import ExitStack
from typing import Any

import msgspec
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartParser
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from annotary.errors import AnnotaryError, Invalid, TooLarge
from annotary.server.door import Answer
from annotary.server.labelbox import rest
from annotary.server.labelbox.answering import Answering, failure_of
from annotary.server.labelbox.context import Context, Json
from annotary.server.labelbox.served import Served
from annotary.server.labelbox.upload import Upload, placed
from annotary.server.service import Service

PATHS = ("/graphql", "/_gql")
FIELD_LIMIT = 4 << 20
BEGUN_LIMIT = 10_000
_AGENT = re.compile(r"python-sdk (\d{1,4})\.", re.ASCII)


def routes(service: Service) -> list[BaseRoute]:
    """`/graphql` and `/_gql`, which are the same, and the SDK's paths below `/api/v1`."""
    answering = Answering(service.settings)
    begun: dict[str, str] = {}

    async def graphql(request: Request) -> Response:
        deadline = time.monotonic() + service.settings.request_seconds
        try:
            with ExitStack() as stack:
                asked = await _asked(request, service.settings.body_limit, stack)
                answer, status = await service.threaded(_answer, request, asked, deadline)
        except AnnotaryError as error:
            answer, status = failure_of(error), error.status
        return _sent(answer, status)

    def _answer(request: Request, asked: Json, deadline: float) -> tuple[Json, int]:
        engine = service.engine_of(request)
        if len(begun) > BEGUN_LIMIT:
            begun.clear()
        sdk = _release(request.headers.get("x-user-agent", ""))
        context = Context(engine, Served(service, engine), deadline, begun, service.wake, sdk)
        return answering.answer(context, asked), 200

    made: list[BaseRoute] = [Route(path, graphql, methods=["POST"]) for path in PATHS]
    return [*made, *rest.routes(service)]


def shaped(otherwise: Answer) -> Answer:
    """How errors of ours are answered that no route answers: on the paths of GraphQL in its shape."""

    def answer(request: Request, error: Exception) -> Response:
        if request.url.path in PATHS and isinstance(error, AnnotaryError):
            return _sent(failure_of(error), error.status)
        return otherwise(request, error)

    return answer


def _sent(answer: Json, status: int) -> Response:
    return Response(msgspec.json.encode(answer), status, media_type="application/json; charset=utf-8")


def _release(agent: str) -> int:
    """The major release of the SDK that a header names: `python-sdk 3.52.0`."""
    found = _AGENT.match(agent)
    return int(found[1]) if found else 0


async def _asked(request: Request, limit: int, stack: ExitStack) -> Json:
    """The request of a body: JSON, or the form of one that has files with it; raises Invalid."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        form = await _form(request, stack)
        uploads = {
            name: Upload(one.file, one.filename or "", one.content_type or "")
            for name, one in form.multi_items()
            if isinstance(one, UploadFile)
        }
        return placed(form.get("operations"), form.get("map"), uploads)
    if kind not in ("application/json", ""):
        raise Invalid(f"content-type {kind!r}: give application/json, or multipart/form-data with files")
    return _decoded(await _body(request, limit))


async def _form(request: Request, stack: ExitStack) -> FormData:
    """The parts of a form, whose files are open for the time of a stack."""
    parser = MultiPartParser(
        request.headers, request.stream(), max_files=100, max_fields=100, max_part_size=FIELD_LIMIT
    )
    try:
        return await parser.parse()
    except AnnotaryError:
        raise
    except Exception as error:
        detail = getattr(error, "message", None) or str(error)
        raise Invalid(f"the form cannot be read: {detail}") from None
    finally:
        # A form that is broken, or that ends early, has files that are in none of its parts.
        for file in parser._files_to_close_on_error:
            stack.callback(file.close)


async def _body(request: Request, limit: int) -> bytes:
    found = bytearray()
    async for piece in request.stream():
        found += piece
        if len(found) > limit:
            raise TooLarge(f"the request's body is larger than the limit of {limit:,} bytes")
    return bytes(found)


def _decoded(body: bytes) -> Json:
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"the request is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Invalid("the request is not a JSON object with a query")
    return found
