"""Pages for people: the way in, and the REST API made readable. No script; the style is the page's own."""

from __future__ import annotations

import base64
import binascii
import hashlib
from functools import cache
from importlib.resources import files as resources
from itertools import groupby
from typing import Any

import msgspec
from jinja2 import Environment, FunctionLoader
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from annotary.engine.users import bearer
from annotary.errors import Unauthenticated
from annotary.server.door import error_body
from annotary.server.openapi import ERRORS, document
from annotary.server.service import Service, key_of

_TEMPLATES = resources("annotary.server") / "templates"
_BASIC = "basic "
_ASK = {
    "WWW-Authenticate": 'Basic realm="annotary: any name, and an API key as the password", charset="UTF-8"'
}


def routes(service: Service) -> list[Route]:
    """`/`, `/docs` and the OpenAPI document. A browser asks for the key as a password."""

    async def way_in(request: Request) -> Response:
        return await shown(request, "server")

    async def docs(request: Request) -> Response:
        return await shown(request, "REST API")

    async def shown(request: Request, title: str) -> Response:
        try:
            await service.threaded(_admit, service, request)
        except Unauthenticated as error:
            return Response(error_body(error.code, str(error)), 401, _ASK, "application/json")
        style = _text("docs.css")
        page = (
            _environment()
            .get_template("docs.html")
            .render(
                title=title,
                info=document()["info"],
                base_url=service.base_url,
                operations=_listed() if title != "server" else [],
                errors=ERRORS,
                style=style,
            )
        )
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
        headers = {
            "Content-Security-Policy": f"{policy}; frame-ancestors 'none'",
            "Cache-Control": "no-store",
        }
        return Response(page, headers=headers, media_type="text/html")

    async def openapi(request: Request) -> Response:
        try:
            await service.threaded(_admit, service, request)
        except Unauthenticated as error:
            return Response(error_body(error.code, str(error)), 401, _ASK, "application/json")
        described = {**document(), "servers": [{"url": service.base_url}]}
        return Response(msgspec.json.encode(described), media_type="application/json")

    return [Route("/", way_in), Route("/docs", docs), Route("/api/v1/openapi.json", openapi)]


def _admit(service: Service, request: Request) -> None:
    """Let in who shows a key, as programs do or as browsers do. Only pages take the latter: what a browser
    sends by itself must not be able to change anything. Raises Unauthenticated."""
    said = request.headers.get("authorization", "")
    if said[: len(_BASIC)].lower() != _BASIC:
        bearer(service.engine, key_of(request))
        return
    try:
        _, _, key = base64.b64decode(said[len(_BASIC) :], validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise Unauthenticated("the password is to be an API key") from None
    bearer(service.engine, key)


@cache
def _environment() -> Environment:
    return Environment(loader=FunctionLoader(_text), autoescape=True, trim_blocks=True, lstrip_blocks=True)


@cache
def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


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
