"""`/settings`: API keys, sessions, the theme."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from annotary.errors import AnnotaryError, Conflict, Invalid
from annotary.model.project import Key
from annotary.operations.users import (
    CreateKey,
    EndSession,
    FindKeys,
    FindSessions,
    GetOrganization,
    IssuedKey,
    RevokeKey,
)
from annotary.server.cookies import drop_session
from annotary.server.pages.failures import failed
from annotary.server.pages.rendering import THEME_COOKIE, THEMES
from annotary.server.pages.sessions import LOGIN, local
from annotary.server.pages.shell import Asked, fields_of, page, seen, shown
from annotary.server.service import Service

PLACE = "/settings"
_THEME_SECONDS = 400 * 86400


def routes(service: Service) -> list[Route]:
    """`/settings` with its forms, and `/theme`, for anybody."""

    async def theme(request: Request) -> Response:
        try:
            given = dict(await fields_of(request))
        except AnnotaryError as error:
            return failed(service, request, error)
        answer = seen(local(given.get("next", "/")))
        if given.get("theme") in THEMES:
            answer.set_cookie(
                THEME_COOKIE, given["theme"], max_age=_THEME_SECONDS, samesite="lax", httponly=True
            )
        else:
            answer.delete_cookie(THEME_COOKIE)
        return answer

    def end_session(asked: Asked) -> Response:
        id = asked.said("session_id")
        asked.call(EndSession(session_id=id))
        if asked.session is None or asked.session.id != id:
            return seen(PLACE)
        answer = seen(LOGIN)
        drop_session(answer, base_url=service.base_url)
        return answer

    return [
        page(service, PLACE, settings),
        page(service, f"{PLACE}/keys", create_key, methods=["POST"]),
        page(service, f"{PLACE}/revoked", revoke_key, methods=["POST"]),
        page(service, f"{PLACE}/ended", end_session, methods=["POST"]),
        Route("/theme", theme, methods=["POST"]),
    ]


def settings(asked: Asked) -> Response:
    """The settings."""
    return _shown(asked)


def create_key(asked: Asked) -> Response:
    """Make a key: the one time it is shown. Not by a redirect, which would have to carry it."""
    # Whether it is a role, the engine finds out.
    role: Any = asked.said("role", "member")
    try:
        issued = asked.call(CreateKey(name=asked.said("name").strip(), role=role))
    except (Invalid, Conflict) as error:
        return _shown(asked, wrong=str(error), status=error.status)
    return _shown(asked, issued=issued)


def revoke_key(asked: Asked) -> Response:
    """Make a key useless."""
    asked.call(RevokeKey(name=asked.said("name")))
    return seen(PLACE)


def _shown(asked: Asked, *, issued: IssuedKey | None = None, wrong: str = "", status: int = 200) -> Response:
    keys: list[Key] = asked.call(FindKeys()) if asked.may("admin") else []
    data: dict[str, Any] = {
        "user": asked.engine.user,
        "role": asked.engine.role,
        "organization": asked.call(GetOrganization()),
        "keys": keys,
        "sessions": asked.call(FindSessions()),
    }
    good = [key for key in keys if not key.revoked]
    return shown(
        asked, "settings.html", data, status=status, issued=issued, wrong=wrong, good=good, place=PLACE
    )
