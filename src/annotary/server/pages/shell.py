"""What every page has in common: who asks, templates, the policy, files of the look, errors, the JSON form.

A page is a function of `Asked`, run in a thread: it calls the engine and gives `shown(asked, template, ...)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from annotary.engine.core import RANKS, Engine
from annotary.errors import AnnotaryError, Invalid
from annotary.model.project import Role, Session
from annotary.operations import Operation
from annotary.server.cookies import SAFE, TOKEN_FIELD, TOKEN_HEADER, check_origin, check_token
from annotary.server.pages.failures import failed
from annotary.server.pages.rendering import JSON, head, rendered, wants_json
from annotary.server.service import Service, param

R = TypeVar("R")
FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass
class Asked:
    """A request for a page by somebody who is logged in (or shows an API key, as programs may)."""

    service: Service
    request: Request
    engine: Engine
    session: Session | None = None
    fields: Sequence[tuple[str, str]] = field(default=())

    def call(self, operation: Operation[R]) -> R:
        """Carry an operation out as who asks; raises the errors of `annotary.errors`."""
        return self.engine.call(operation)

    def part(self, name: str) -> str:
        """A part of the path, such as a project's id."""
        return param(self.request, name)

    def said(self, name: str, default: str = "") -> str:
        """A field of the form that was sent, or of the query."""
        given = dict(self.fields).get(name)
        return self.request.query_params.get(name, default) if given is None else given

    def may(self, role: Role) -> bool:
        """Whether who asks has at least a role."""
        return RANKS[self.engine.role] >= RANKS[role]

    @cached_property
    def wants_json(self) -> bool:
        """Whether a program asks: by `?format=json`, or by what it accepts."""
        return wants_json(self.request)

    @cached_property
    def csrf(self) -> str:
        """What a form has to carry in its field `csrf`, a script in the header X-CSRF-Token."""
        return self.service.csrf_token(self.session) if self.session else ""


View = Callable[[Asked], Response]


def page(service: Service, path: str, view: View, *, methods: Sequence[str] = ("GET",)) -> Route:
    """A route of a page. Who is not logged in is sent to log in, and back; errors become pages."""

    async def endpoint(request: Request) -> Response:
        try:
            fields = await fields_of(request) if request.method not in SAFE else ()
            return await service.threaded(lambda: view(_asked(service, request, fields)))
        except AnnotaryError as error:
            return failed(service, request, error)

    return Route(path, endpoint, methods=list(methods))


def _asked(service: Service, request: Request, fields: Sequence[tuple[str, str]]) -> Asked:
    if "authorization" in request.headers:
        return Asked(service, request, service.engine_of(request), fields=fields)
    engine, session = service.session_of(request)
    asked = Asked(service, request, engine, session, fields)
    if request.method not in SAFE:
        check_origin(request, service.base_url)
        check_token(dict(fields).get(TOKEN_FIELD) or request.headers.get(TOKEN_HEADER), asked.csrf)
    return asked


async def fields_of(request: Request) -> list[tuple[str, str]]:
    """The fields of a form; raises Invalid."""
    kind = request.headers.get("content-type", FORM_TYPE).partition(";")[0].strip().lower()
    if kind != FORM_TYPE:
        raise Invalid(f"content-type: {kind!r} is not understood; send {FORM_TYPE}")
    try:
        return parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=10_000)
    except ValueError as error:
        raise Invalid(f"the form cannot be read: {error}") from None


def shown(asked: Asked, template: str, data: Any = None, *, status: int = 200, **values: Any) -> Response:
    """A page. `data` is what it shows, as programs get it; in the template it is `data`, beside `values`."""
    if asked.wants_json:
        return Response(msgspec.json.encode(data), status, head(), JSON)
    return rendered(
        asked.service,
        asked.request,
        template,
        status=status,
        asked=asked,
        me=asked.engine.user,
        role=asked.engine.role,
        csrf=asked.csrf,
        session=asked.session,
        data=data,
        **values,
    )


def seen(location: str) -> Response:
    """The answer to a form: look at another page."""
    return RedirectResponse(location, 303)
