"""`/docs`: the REST API made readable, and its OpenAPI document."""

from __future__ import annotations

from functools import cache
from itertools import groupby
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from annotary.server.openapi import ERRORS, document
from annotary.server.pages.shell import Asked, page, shown
from annotary.server.service import Service


def routes(service: Service) -> list[Route]:
    """`/docs` and the OpenAPI document."""

    async def openapi(request: Request) -> Response:
        await service.threaded(service.engine_of, request)
        return Response(msgspec.json.encode(_described(service)), media_type="application/json")

    return [page(service, "/docs", docs), Route("/api/v1/openapi.json", openapi)]


def _described(service: Service) -> dict[str, Any]:
    return {**document(), "servers": [{"url": service.base_url}]}


def docs(asked: Asked) -> Response:
    """The REST API, readable."""
    if asked.wants_json:
        return shown(asked, "docs.html", _described(asked.service))
    return shown(asked, "docs.html", info=document()["info"], operations=_listed(), errors=ERRORS)


@cache
def _listed() -> list[tuple[str, list[dict[str, Any]]]]:
    every = [
        _page_of(path, method, described)
        for path, methods in document()["paths"].items()
        for method, described in methods.items()
    ]
    every.sort(key=lambda one: (one["tag"], one["path"], one["method"]))
    return [(tag, list(some)) for tag, some in groupby(every, key=lambda one: one["tag"])]


def _page_of(path: str, method: str, described: dict[str, Any]) -> dict[str, Any]:
    fields = [
        _field(one["name"], one["schema"], one["in"], one["required"]) for one in described["parameters"]
    ]
    for content in described.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        for name, field in schema.get("properties", {}).items():
            fields.append(_field(name, field, "body", name in schema.get("required", ())))
        if not schema.get("properties"):
            fields.append(_field("(body)", schema, "body", True))
    answer = next(iter(described["responses"].values()))
    results = [_type(one["schema"]) for one in answer.get("content", {}).values()]
    kinds = list(answer.get("content", {}))
    return {
        "id": described["operationId"],
        "tag": described["tags"][0],
        "path": path,
        "method": method.upper(),
        "summary": described["summary"],
        "description": described.get("description", ""),
        "fields": fields,
        "result": (results[0] or kinds[0]) if results else "nothing",
    }


def _field(name: str, schema: dict[str, Any], place: str, required: bool) -> dict[str, Any]:
    what = schema.get("description", "")
    if "default" in schema and schema["default"] not in (None, [], {}, ""):
        what = f"{what} Default: {msgspec.json.encode(schema['default']).decode()}".strip()
    return {"name": name, "place": place, "required": required, "type": _type(schema), "what": what}


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        inner = schema.get("items")
        return f"list of {_type(inner)}" if isinstance(inner, dict) and inner else "list"
    return str(schema.get("type", ""))
