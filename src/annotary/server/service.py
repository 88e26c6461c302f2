"""What every route has at hand: the engine behind the server, its limits, its signer, its counters."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import unquote

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request

from annotary.engine.core import Engine
from annotary.engine.users import bearer
from annotary.errors import Unauthenticated
from annotary.server.metrics import Metrics
from annotary.server.settings import Settings
from annotary.server.signing import Signer

R = TypeVar("R")
_SCHEME = "bearer "
KEY_SECONDS = 1.0
"""So long a key is taken for what it was, should another process revoke it meanwhile."""
BEARERS = 10_000


@dataclass
class Service:
    """The server's insides. `engine` is nobody's: `engine_of` gives that of who asks.

    `wake` tells the worker at the server's side that there is something to do.
    """

    engine: Engine
    settings: Settings
    signer: Signer
    metrics: Metrics = field(default_factory=Metrics)
    wake: Callable[[], None] = lambda: None
    started: float = field(default_factory=time.monotonic)
    _bearers: dict[str, tuple[Engine, float, int]] = field(default_factory=dict)
    limiter: CapacityLimiter = field(init=False)
    streams: CapacityLimiter = field(init=False)

    def __post_init__(self) -> None:
        # As many threads as the store has connections for.
        self.limiter = CapacityLimiter(self.settings.requests_at_once)
        self.streams = CapacityLimiter(self.settings.streams_at_once)

    @property
    def base_url(self) -> str:
        """What every address that leaves the server begins with."""
        return self.engine.base_url

    async def threaded(self, function: Callable[..., R], *given: Any) -> R:
        """Run what waits for the store in a thread, so that other requests go on."""
        return await to_thread.run_sync(function, *given, limiter=self.limiter)

    def engine_of(self, request: Request) -> Engine:
        """The engine acting as who shows an API key; to be called in a thread. Raises Unauthenticated.

        A key is looked up once a second, and anew when this process has changed any.
        """
        key = key_of(request)
        now, changes = time.monotonic(), self.engine.store.database.key_changes
        engine, until, known = self._bearers.get(key, (self.engine, 0.0, -1))
        if now >= until or known != changes:
            if len(self._bearers) >= BEARERS:
                self._bearers.clear()
            engine = bearer(self.engine, key)
            self._bearers[key] = engine, now + KEY_SECONDS, changes
        request.scope["annotary.asker"] = {"org": engine.store.org, "user": engine.user.name}
        return engine


def param(request: Request, name: str) -> str:
    """A part of the path. Routes see paths as they were sent, so that an id may hold an escaped slash."""
    return unquote(request.path_params[name])


def key_of(request: Request) -> str:
    """The API key that a request shows: `Authorization: Bearer KEY`; raises Unauthenticated."""
    said = request.headers.get("authorization", "")
    if said[: len(_SCHEME)].lower() != _SCHEME or not said[len(_SCHEME) :].strip():
        raise Unauthenticated("this needs an API key; send it as: Authorization: Bearer KEY")
    return said[len(_SCHEME) :].strip()
