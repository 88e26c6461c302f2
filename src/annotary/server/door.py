"""Around every request: its limits, its line in the log, its counters, the headers of every answer."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from annotary.errors import AnnotaryError, Invalid, Refused, TooLarge, Unauthenticated
from annotary.server.service import Service

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
STRICT = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
UNKNOWN = "(none)"
Answer = Callable[[Request, Exception], Response]
AsyncAnswer = Callable[[Request, Exception], Awaitable[Response]]


def error_body(code: str, message: str, **more: Any) -> bytes:
    """The JSON of every error: {"error": {"code", "message"}}, of an import also {"problems"}."""
    return msgspec.json.encode({"error": {"code": code, "message": message, **more}})


def answer_error(request: Request, error: Exception) -> Response:
    """An error of ours, or of the routing, as an answer: the one place where errors become statuses."""
    headers: dict[str, str] = {}
    if isinstance(error, AnnotaryError):
        more = {"problems": error.problems} if isinstance(error, Refused) and error.problems else {}
        if isinstance(error, Unauthenticated):
            headers["WWW-Authenticate"] = "Bearer"
        elif error.status == 503:
            headers["Retry-After"] = "5"
        body = error_body(error.code, str(error), **more)
        return Response(body, error.status, headers, "application/json")
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid")
    message = "no such page here; see /docs" if error.status_code == 404 else error.detail
    headers.update(error.headers or {})
    return Response(error_body(code, message), error.status_code, headers, "application/json")


async def answer_failure(request: Request, error: Exception) -> Response:
    """What nobody foresaw: told to whoever runs the server, not to whoever asked."""
    log("error", event="failure", trace="".join(traceback.format_exception(error)))
    body = error_body("internal", "something went wrong in the server; its log says what")
    return Response(body, 500, media_type="application/json")


def log(level: str, **fields: Any) -> None:
    """A line of JSON on standard error. Keys, tokens, addresses with tokens never get here."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = json.dumps({"time": moment, "level": level, **fields}, ensure_ascii=True, default=str)
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


class Door:
    """The outermost application.

    `large` are the beginnings of paths whose bodies may be uploads; `refuse` answers what is not let in.
    """

    def __init__(self, app: ASGIApp, service: Service, large: tuple[str, ...], refuse: AsyncAnswer) -> None:
        self._app = app
        self._service = service
        self._large = large
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = {**scope, "path": scope.get("raw_path", scope["path"].encode()).decode("latin-1")}
        passage = _Passage(scope, receive, send, self._limit(scope), self._service.settings.request_seconds)
        self._service.metrics.open += 1
        begun = time.perf_counter()
        try:
            if (error := passage.refused()) is not None:
                answer = await self._refuse(Request(scope), error)
                await answer(scope, passage.receive, passage.send)
            else:
                await self._app(scope, passage.receive, passage.send)
        except Exception:
            # It was answered and logged by answer_failure; of an answer that was cut off, the log tells here.
            if not passage.status:
                raise
        finally:
            self._service.metrics.open -= 1
            self._note(scope, passage, time.perf_counter() - begun)

    def _limit(self, scope: Scope) -> int:
        settings = self._service.settings
        return settings.upload_limit if scope["path"].startswith(self._large) else settings.body_limit

    def _note(self, scope: Scope, passage: _Passage, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", UNKNOWN)
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._service.metrics.took(method, route, passage.status, seconds, passage.sent)
        log(
            "info",
            event="request",
            method=method,
            route=route,
            status=passage.status,
            ms=round(seconds * 1000, 1),
            bytes=passage.sent,
            **scope.get("annotary.asker", {}),
        )


_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class _Passage:
    """One request on its way in and out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int, seconds: int) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self.limit, self._seconds = limit, seconds
        self._taken = 0
        self.status = 0
        self.sent = 0

    def refused(self) -> AnnotaryError | None:
        """What is wrong with the request by its own words: too large, or packed, which could be a bomb."""
        said = dict(self._scope["headers"])
        declared = said.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self.limit:
            return TooLarge(f"the request's body is larger than the limit of {self.limit:,} bytes")
        encoding = said.get(b"content-encoding", b"identity").decode("latin-1").strip().lower()
        if encoding not in ("", "identity"):
            return Invalid(f"content-encoding {encoding[:80]!r}: nothing is unpacked here; send it as it is")
        return None

    async def receive(self) -> Message:
        """A piece of the request's body; a peer that stays silent in the middle of it is given up."""
        if self.status:
            return await self._receive()
        try:
            async with asyncio.timeout(self._seconds):
                message = await self._receive()
        except TimeoutError:
            return {"type": "http.disconnect"}
        if message["type"] == "http.request":
            self._taken += len(message.get("body", b""))
            if self._taken > self.limit:
                raise TooLarge(f"the request's body is larger than the limit of {self.limit:,} bytes")
        return message

    async def send(self, message: Message) -> None:
        """A piece of the answer, with the headers that every answer has."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {name for name, _ in message["headers"]}
            more = [one for one in (*HEADERS, STRICT) if one[0] not in present]
            message["headers"] = [*message["headers"], *more]
        elif message["type"] == "http.response.body":
            self.sent += len(message.get("body", b""))
        await self._send(message)
