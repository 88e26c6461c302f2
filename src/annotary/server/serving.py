"""The server as a process: a socket, the application, a worker at its side, an orderly end."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any

import uvicorn
from msgspec.structs import replace

from annotary.engine.looking import warm
from annotary.engine.users import organization
from annotary.errors import Invalid, Unavailable
from annotary.server.app import application, service_on
from annotary.server.pages.sessions import LOGIN
from annotary.server.service import Service
from annotary.server.settings import Settings
from annotary.server.worker import Worker
from annotary.store import Store

STOP_SECONDS = 20
BACKLOG = 512


class _Server(uvicorn.Server):
    """Says when it accepts connections."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def serve(
    target: str, *, host: str, port: int, settings: Settings, org: str, ready: Callable[[str, str], None]
) -> None:
    """Serve a store until told to stop. Raises Unavailable where it cannot begin, NotFound for `org`.

    `ready` is told the URL, and one that logs a browser in, once, as an administrator of `org`.
    """
    store = Store.open(target)
    try:
        with listening(host, port) as listener:
            url = settings.base_url or _url(host, listener.getsockname()[1])
            service = service_on(store, replace(settings, base_url=url.rstrip("/")))
            organization(store, org)
            Thread(target=warm, args=(store,), name="annotary warming", daemon=True).start()
            with Worker(target, settings.tasks_at_once) as worker:
                service.wake = worker.wake
                config = uvicorn.Config(
                    application(service),
                    log_config=None,
                    access_log=False,
                    lifespan="off",
                    server_header=False,
                    date_header=True,
                    timeout_keep_alive=75,
                    timeout_graceful_shutdown=STOP_SECONDS,
                )
                server = _Server(config, lambda: ready(service.base_url, _way_in(service, org)))
                # Uvicorn finishes what it is answering, then raises the signal that ended it once more.
                with suppress(KeyboardInterrupt):
                    server.run([listener])
    finally:
        store.close()


def _way_in(service: Service, org: str) -> str:
    ticket = service.tickets.new(org, service.settings.login_seconds)
    return f"{service.base_url}{LOGIN}?once={ticket}"


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; raises Unavailable."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
        # What is accepted inherits it: an answer's body must not wait for the client to acknowledge its head.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except (OSError, OverflowError) as error:
        reason: Any = getattr(error, "strerror", None) or error
        raise Unavailable(
            f"cannot listen on {host}:{port}: {reason}; give another --port or --host"
        ) from error


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"


def check_base_url(given: str | None) -> None:
    """Raises Invalid where that is not what an address may begin with."""
    if given is not None and not given.startswith(("http://", "https://")):
        raise Invalid(f"--base-url: {given!r} is not an address; give one such as https://labels.example.org")
