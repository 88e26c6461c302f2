"""Errors as pages: where a person asked, who is told what happened and where to go from there."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from annotary.errors import AnnotaryError, Unauthenticated
from annotary.server.cookies import SAFE
from annotary.server.door import Answer, AsyncAnswer, answer_error
from annotary.server.pages.rendering import HTML, rendered, wants_json
from annotary.server.service import Service

PROGRAMS = ("/api/", "/graphql", "/_gql", "/healthz", "/readyz", "/metrics")
"""Paths where errors are always for programs."""
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
    """An error as a page where a person asked, as JSON where a program did; who is logged out logs in."""
    if isinstance(error, Unauthenticated) and _is_visit(request):
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse("/login" if back == "/" else f"/login?next={quote(back, safe='/')}", 303)
    if not is_person(request):
        return answer_error(request, error)
    return error_page(service, request, error.status, str(error))


def is_person(request: Request) -> bool:
    """Whether the answer is to be read by somebody."""
    if wants_json(request) or request.url.path.startswith(PROGRAMS):
        return False
    return HTML in request.headers.get("accept", "")


def _is_visit(request: Request) -> bool:
    """Whether somebody goes to a page, rather than that a script of a page asks for something."""
    if not is_person(request) or request.method not in SAFE or "authorization" in request.headers:
        return False
    return request.headers.get("sec-fetch-mode", "navigate") == "navigate"


def error_page(service: Service, request: Request, status: int, message: str) -> Response:
    """The page of an error; it says who is logged in where somebody is."""
    known: dict[str, Any] = {}
    with suppress(AnnotaryError):
        engine, session = service.session_of(request)
        known = {"me": engine.user, "role": engine.role, "csrf": service.csrf_token(session)}
        known["session"] = session
    title = TITLES.get(status, TITLES[500])
    return rendered(
        service, request, "error.html", status=status, code=status, title=title, message=message, **known
    )


def told(service: Service, otherwise: Answer) -> AsyncAnswer:
    """How errors of ours and of the routing are answered, on every path."""

    async def answer(request: Request, error: Exception) -> Response:
        if not is_person(request):
            return otherwise(request, error)
        if isinstance(error, HTTPException):
            message = (
                f"There is no page {request.url.path[:200]}" if error.status_code == 404 else error.detail
            )
            return await service.threaded(error_page, service, request, error.status_code, message)
        assert isinstance(error, AnnotaryError)
        return await service.threaded(failed, service, request, error)

    return answer


def unforeseen(service: Service, otherwise: AsyncAnswer) -> AsyncAnswer:
    """How what nobody foresaw is answered; the log has it in any case."""

    async def answer(request: Request, error: Exception) -> Response:
        plain = await otherwise(request, error)
        if not is_person(request):
            return plain
        try:
            message = "The server's log says what. Whoever runs the server can look there."
            return rendered(
                service, request, "error.html", status=500, code=500, title=TITLES[500], message=message
            )
        except Exception:
            # It may be the page's own frame that is broken.
            return plain

    return answer
