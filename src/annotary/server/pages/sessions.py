"""Logging in and out: by an API key, or by the address that `annotary serve` prints, which is good once."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from annotary.engine.sessions import open_local_session, open_session
from annotary.errors import AnnotaryError, Denied, Invalid, Unauthenticated
from annotary.operations.users import EndSession
from annotary.server.cookies import check_origin, drop_session, set_session
from annotary.server.pages.failures import failed, is_person
from annotary.server.pages.rendering import rendered
from annotary.server.pages.shell import Asked, fields_of, page, seen
from annotary.server.service import Service

LOGIN = "/login"


def routes(service: Service) -> list[Route]:
    """`/login`, `/login/known` (whether the browser is logged in already) and `/logout`."""

    async def form(request: Request) -> Response:
        once, back = request.query_params.get("once", ""), request.query_params.get("next", "/")
        if await service.threaded(_is_logged_in, service, request) and not once:
            return seen(local(back))
        return rendered(service, request, "login.html", once=once, back=local(back), error="")

    async def log_in(request: Request) -> Response:
        given: dict[str, str] = {}
        try:
            given = dict(await fields_of(request))
            check_origin(request, service.base_url)
            token = await service.threaded(_opened(service, request, given))
        except (Unauthenticated, Invalid, Denied) as error:
            if not is_person(request):
                return failed(service, request, error)
            back = local(given.get("next", "/"))
            values = {"once": "", "back": back, "error": str(error)}
            return rendered(service, request, "login.html", status=error.status, **values)
        except AnnotaryError as error:
            return failed(service, request, error)
        answer = seen(local(given.get("next", "/")))
        seconds = service.settings.session_seconds
        set_session(answer, token, seconds=seconds, base_url=service.base_url)
        return answer

    async def known(request: Request) -> Response:
        return JSONResponse({"known": await service.threaded(_is_logged_in, service, request)})

    def log_out(asked: Asked) -> Response:
        if asked.session is not None:
            asked.call(EndSession(session_id=asked.session.id))
        answer = seen(LOGIN)
        drop_session(answer, base_url=service.base_url)
        return answer

    return [
        Route(LOGIN, form),
        Route(LOGIN, log_in, methods=["POST"]),
        Route(f"{LOGIN}/known", known),
        page(service, "/logout", log_out, methods=["POST"]),
    ]


def _is_logged_in(service: Service, request: Request) -> bool:
    try:
        service.session_of(request)
    except AnnotaryError:
        return False
    return True


def _opened(service: Service, request: Request, given: dict[str, str]) -> Callable[[], str]:
    agent = request.headers.get("user-agent", "")
    seconds = service.settings.session_seconds

    def by_key() -> str:
        key = given.get("key", "").strip()
        if not key:
            raise Invalid(
                "give an API key; whoever runs the server makes one with: annotary keys create NAME"
            )
        return open_session(service.engine, key, seconds=seconds, agent=agent)

    def by_address() -> str:
        org = service.tickets.taken(given["once"])
        return open_local_session(service.engine, org, seconds=seconds, agent=agent)

    return by_address if given.get("once") else by_key


def local(address: str) -> str:
    """An address to go on to, if it is one of this server; else the first page.

    >>> local("/p/streets?class=car"), local("//evil.example"), local("/\\\\\\\\evil"), local("https://evil")
    ('/p/streets?class=car', '/', '/', '/')
    """
    parts = urlsplit(address) if address.isprintable() else None
    if parts is None or parts.scheme or parts.netloc or not address.startswith("/") or "\\" in address:
        return "/"
    return "/" if address.startswith("//") or parts.path.startswith(LOGIN) else address
