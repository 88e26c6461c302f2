"""REST: one loop over the operations; method, path, fields, result and errors follow from the structs."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from annotary.engine.core import handlers
from annotary.errors import Invalid
from annotary.operations import Operation
from annotary.server.service import Service, param

ROOT = "/api/v1"
JSON = "application/json"
BODILESS = ("GET", "DELETE")
"""Methods whose further fields stand in the query."""
QUEUES = ("StartExport", "StartImport", "StartAnnotationImport", "RunTaskAgain")


def operations() -> list[type[Operation[Any]]]:
    """All operations, the more special paths first."""
    return sorted(handlers(), key=lambda one: (one.route.path.replace("{", "~"), one.route.method))


def routes(service: Service) -> list[BaseRoute]:
    """A route for each operation."""
    return [_route(service, one) for one in operations()]


def _route(service: Service, operation: type[Operation[Any]]) -> Route:
    async def endpoint(request: Request) -> Response:
        body = await request.body()

        def carried_out() -> tuple[Any, Any]:
            engine = service.engine_of(request)
            # Who may not ask learns nothing of how to ask.
            engine.require(operation.needs, operation.__name__)
            given = _given(request, operation, body)
            asked = built(operation, given, strict=operation.route.method not in BODILESS)
            return asked, engine.call(asked)

        asked, result = await service.threaded(carried_out)
        if operation.__name__ in QUEUES:
            service.wake()
        if result is None:
            return Response(status_code=204)
        return Response(msgspec.json.encode(result), 200, _next(request, asked, result), JSON)

    method, path = operation.route
    return Route(ROOT + path, endpoint, methods=[method], name=operation.__name__)


def _given(request: Request, operation: type[Operation[Any]], body: bytes) -> dict[str, Any]:
    """The fields of an operation out of the path, and the query or the body; raises Invalid."""
    given = _of_query(request) if operation.route.method in BODILESS else _of_body(request, body)
    placed = {name: param(request, name) for name in request.path_params}
    for name in placed:
        if name in given:
            raise Invalid(f"{name}: it stands in the path already; leave it out")
    return {**given, **placed}


def _of_query(request: Request) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in given:
            raise Invalid(f"{name}: given more than once in the query")
        given[name] = value
    return given


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object of a request's body; raises Invalid."""
    return _of_body(request, await request.body())


def _of_body(request: Request, body: bytes) -> dict[str, Any]:
    kind = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if body and kind != JSON:
        raise Invalid(f"content-type: {kind!r} is not understood; send {JSON}")
    try:
        found = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"the body is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Invalid("the body is not a JSON object")
    return found


def built(operation: type[Operation[Any]], given: dict[str, Any], *, strict: bool) -> Operation[Any]:
    """An operation from its fields; raises Invalid."""
    try:
        made: Operation[Any] = msgspec.convert(given, operation, strict=strict)
        return made
    except (msgspec.ValidationError, RecursionError) as error:
        raise Invalid(f"{operation.__name__}: {error}") from None


def _next(request: Request, asked: Operation[Any], result: Any) -> dict[str, str]:
    """Where the next page is, of a listing that says how long its pages are."""
    limit = getattr(asked, "limit", None)
    if request.method != "GET" or not hasattr(asked, "after") or not isinstance(result, list):
        return {}
    if limit is None or len(result) < limit or not result:
        return {}
    following = request.url.include_query_params(after=result[-1].id)
    return {"Link": f'<{following.path}?{following.query}>; rel="next"'}
