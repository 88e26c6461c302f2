"""A server within the test's own process: its application on a free port, a worker beside it, in threads."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import uvicorn
from msgspec.structs import replace

from annotary.engine.core import Engine
from annotary.engine.runner import Runner
from annotary.operations.users import CreateKey
from annotary.server.app import application, service_on
from annotary.server.service import Service
from annotary.server.serving import listening
from annotary.server.settings import Settings
from annotary.server.working import signed
from annotary.store import Store

SECONDS = 30
DEFAULTS = Settings()


class Live(NamedTuple):
    """A running server, and an administrator's key."""

    url: str
    key: str
    service: Service
    runner: Runner


@contextlib.contextmanager
def live(target: str, settings: Settings = DEFAULTS, *, works: bool = True) -> Iterator[Live]:
    """A server on a store for the time of a `with` block."""
    store = Store.open(target)
    key = Engine(store).call(CreateKey(name=f"admin {time.time_ns()}", role="admin")).key
    listener = listening("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    service = service_on(store, replace(settings, base_url=url))
    runner = Runner(store, tasks=2, sign=signed(store, settings))
    service.wake = runner.wake
    config = uvicorn.Config(application(service), log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    # Signals are the test program's.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]
    threads = [threading.Thread(target=server.run, args=([listener],))]
    if works:
        threads.append(threading.Thread(target=runner.run))
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + SECONDS
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield Live(url, key, service, runner)
    finally:
        server.should_exit = True
        runner.end()
        for thread in threads:
            thread.join()
        listener.close()
        store.close()
