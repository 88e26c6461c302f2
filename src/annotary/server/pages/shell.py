"""What every page has in common: who asks, templates, the policy, files of the look, errors, the JSON form.

A page is a function of `Asked`, run in a thread: it calls the engine and gives `shown(asked, template, ...)`.
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import version
from importlib.resources import files as resources
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from annotary.engine.core import RANKS, Engine
from annotary.errors import AnnotaryError, Invalid, NotFound, Unauthenticated
from annotary.model.project import Role, Session
from annotary.operations import Operation
from annotary.server.cookies import SAFE, TOKEN_FIELD, TOKEN_HEADER, check_origin, check_token
from annotary.server.door import answer_error
from annotary.server.pages.rendering import environment
from annotary.server.service import Service, param

R = TypeVar("R")
HTML, JSON = "text/html", "application/json"
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)
THEMES = ("light", "dark")
THEME_COOKIE = "annotary-theme"
FORM_TYPE = "application/x-www-form-urlencoded"
FOREVER = "public, max-age=31536000, immutable"
_STATIC = resources("annotary.server.pages") / "static"


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
        return Response(msgspec.json.encode(data), status, _headers(), JSON)
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


def rendered(
    service: Service, request: Request, template: str, *, status: int = 200, **values: Any
) -> Response:
    """A template with what all have: the theme, the place of static files, this page's address."""
    theme = request.cookies.get(THEME_COOKIE, "")
    text = environment().get_template(template)
    body = text.render(
        {
            "theme": theme if theme in THEMES else "",
            "static": static_path,
            "version": version("annotary"),
            "path": request.url.path,
            "query": request.url.query,
            "json_address": _json_address(request),
            "base_url": service.base_url,
            "me": None,
            "session": None,
            "role": None,
            "csrf": "",
            **values,
        }
    )
    return Response(body, status, {**_headers(), "Content-Security-Policy": POLICY}, HTML)


def _headers() -> dict[str, str]:
    return {"Cache-Control": "no-store", "Vary": "Cookie, Accept, Authorization"}


def _json_address(request: Request) -> str:
    given = [(name, value) for name, value in request.query_params.multi_items() if name != "format"]
    return f"{request.url.path}?{urlencode([*given, ('format', 'json')])}"


def seen(location: str) -> Response:
    """The answer to a form: look at another page."""
    return RedirectResponse(location, 303)


def wants_json(request: Request) -> bool:
    """Whether a program asks rather than a person."""
    if (given := request.query_params.get("format")) is not None:
        return given == "json"
    return HTML not in request.headers.get("accept", HTML) and JSON in request.headers.get("accept", "")


def is_visit(request: Request) -> bool:
    """Whether a person goes to the page, rather than a script or a program asks for it."""
    if wants_json(request) or request.method not in SAFE or "authorization" in request.headers:
        return False
    return request.headers.get("sec-fetch-mode", "navigate") == "navigate" and HTML in request.headers.get(
        "accept", ""
    )


TITLES = {
    400: "That cannot be done",
    401: "Log in first",
    403: "Not allowed",
    404: "Not found",
    405: "Not that way",
    409: "It has changed meanwhile",
    413: "Too large",
    422: "There are problems",
    500: "Something went wrong",
    501: "Something is not installed",
    503: "The store cannot be used now",
}


def failed(service: Service, request: Request, error: AnnotaryError) -> Response:
    """An error as a page where a person asks, as JSON where a program does."""
    if isinstance(error, Unauthenticated) and is_visit(request):
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(back)}" if back != "/" else "/login", 303)
    if wants_json(request) or not is_page(request):
        return answer_error(request, error)
    return error_page(service, request, error.status, str(error))


def is_page(request: Request) -> bool:
    """Whether a browser wants HTML."""
    return HTML in request.headers.get("accept", "")


def error_page(service: Service, request: Request, status: int, message: str) -> Response:
    """The page of an error; it says who is logged in where somebody is."""
    try:
        engine, session = service.session_of(request)
    except AnnotaryError:
        known: dict[str, Any] = {}
    else:
        known = {"me": engine.user, "role": engine.role, "csrf": service.csrf_token(session)}
    title = TITLES.get(status, "Something went wrong")
    return rendered(
        service, request, "error.html", status=status, code=status, title=title, message=message, **known
    )


# Files of the look


@cache
def _static() -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in sorted(_STATIC.iterdir(), key=str) if one.is_file()}


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
