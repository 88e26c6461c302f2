"""The cookie of a session, and what a browser has to show besides before anything is changed by it."""

from __future__ import annotations

import hmac

from starlette.requests import Request
from starlette.responses import Response

from annotary.errors import Denied

COOKIE = "annotary-session"
SAFE = ("GET", "HEAD")
TOKEN_HEADER = "x-csrf-token"
TOKEN_FIELD = "csrf"


def token_of(request: Request) -> str | None:
    """The token of the session that a request shows, if it shows one."""
    return request.cookies.get(COOKIE) or None


def set_session(response: Response, token: str, *, seconds: int, base_url: str) -> None:
    """Give a browser its session."""
    response.set_cookie(
        COOKIE, token, max_age=seconds, httponly=True, samesite="strict", secure=_is_secure(base_url)
    )


def drop_session(response: Response, *, base_url: str) -> None:
    """Take a browser's session away."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=_is_secure(base_url))


def _is_secure(base_url: str) -> bool:
    return base_url.startswith("https://")


def check_origin(request: Request, base_url: str) -> None:
    """Raises Denied where a request was made by a page of another site, as its browser says.

    A browser that sends a form says one or the other; a program, which sends what it is told, neither.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        same = site == "same-origin"
    elif origin is not None:
        same = origin in (base_url, f"http://{request.headers.get('host', '')}")
    else:
        same = True
    if not same:
        raise Denied("this was asked for by a page of another site; open the page here and try again")


def check_token(given: str | None, wanted: str) -> None:
    """Raises Denied where a form is not one of this session's pages."""
    if not hmac.compare_digest((given or "").encode(), wanted.encode()):
        raise Denied("this form was made for a session that is over; reload the page and try again")
