"""`/settings`: API keys, sessions, the theme."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from annotary.operations.users import FindSessions
from annotary.server.pages.rendering import THEME_COOKIE, THEMES
from annotary.server.pages.sessions import local
from annotary.server.pages.shell import Asked, fields_of, page, seen, shown
from annotary.server.service import Service


def routes(service: Service) -> list[Route]:
    """`/settings`, and `/theme` for anybody."""

    async def theme(request: Request) -> Response:
        given = dict(await fields_of(request))
        answer = seen(local(given.get("next", "/")))
        if given.get("theme") in THEMES:
            answer.set_cookie(
                THEME_COOKIE, given["theme"], max_age=400 * 86400, samesite="lax", httponly=True
            )
        else:
            answer.delete_cookie(THEME_COOKIE)
        return answer

    return [page(service, "/settings", settings), Route("/theme", theme, methods=["POST"])]


def settings(asked: Asked) -> Response:
    """The settings."""
    return shown(asked, "settings.html", {"sessions": asked.call(FindSessions())})
