"""Answers that are made while they are sent: in constant memory, at the pace of who takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from annotary.server.service import Service

WANTED = 128 * 1024
"""So many bytes are gathered before they are sent, after the first piece, which goes out at once."""


class Listener:
    """Whether who asked is still there, for the time of a `with` block; to be begun with the answer.

    Servers take the rest of an answer from the application and drop it when nobody listens any more.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    async def __aenter__(self) -> Listener:
        self._waiting = asyncio.create_task(self._until_gone())
        return self

    async def __aexit__(self, *reason: object) -> None:
        self._waiting.cancel()
        with suppress(asyncio.CancelledError):
            await self._waiting

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    @property
    def gone(self) -> bool:
        """Whether nobody listens any more."""
        return self._waiting.done()


class Stream(Response):
    """A stream of pieces. Only so many run at once; the others wait for their turn."""

    def __init__(self, service: Service, pieces: Iterator[bytes], media_type: str, *, name: str) -> None:
        self._service, self._pieces = service, pieces
        self._type, self._name = media_type, name
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; what goes wrong before the first piece is an error, later it cuts the answer off."""
        async with self._service.streams:
            try:
                ready = await self._service.threaded(self._some, 1)
                headers = [
                    (b"content-type", self._type.encode()),
                    (b"content-disposition", f'attachment; filename="{self._name}"'.encode()),
                    (b"cache-control", b"no-store, no-transform"),
                ]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                async with Listener(receive) as listener:
                    while ready and scope["method"] != "HEAD" and not listener.gone:
                        await send({"type": "http.response.body", "body": ready, "more_body": True})
                        ready = await self._service.threaded(self._some, WANTED)
                await send({"type": "http.response.body"})
            finally:
                close = getattr(self._pieces, "close", None)
                if close is not None:
                    await self._service.threaded(close)

    def _some(self, wanted: int) -> bytes:
        gathered: list[bytes] = []
        size = 0
        for piece in self._pieces:
            gathered.append(piece)
            size += len(piece)
            if size >= wanted:
                break
        return b"".join(gathered)
