"""A worker as a process: alone, or beside a server, whose end is its own."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

from annotary.engine.runner import Runner, Sign
from annotary.engine.secret import signing_secret
from annotary.server.settings import Settings, settings_from
from annotary.server.signing import Signer, mask_signer
from annotary.store import Store


def work(target: str, *, tasks: int, beside: bool) -> None:
    """Work until told to end. `beside` a server: until its pipe closes, and at once when something comes."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    store = Store.open(target)
    try:
        runner = Runner(store, tasks=tasks, sign=signed(store, settings_from()))
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda number, frame: runner.end())
        if beside:
            threading.Thread(target=_follow, args=(runner,), daemon=True).start()
        runner.run()
    finally:
        store.close()


def signed(store: Store, settings: Settings) -> Sign:
    """What signs the links to masks in exports of a store."""
    signer = Signer(signing_secret(store))

    def sign(org: str) -> Callable[[bytes], bytes]:
        return mask_signer(signer, org, settings.mask_link_seconds, time.time())

    return sign


def _follow(runner: Runner) -> None:
    """Do as the pipe from the server says: a line is work, its end is the end."""
    while os.read(sys.stdin.fileno(), 4096):
        runner.wake()
    runner.end()
