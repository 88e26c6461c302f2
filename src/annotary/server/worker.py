"""The worker at the server's side: a process of its own, so that exports do not slow answers down.

Exports keep a processor busy for minutes, and threads of one Python process would share it with every
answer. The process ends when its pipe from the server does, however the server ended.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress

STOP_SECONDS = 15.0
PAUSE_SECONDS = 0.5
LONGEST_PAUSE = 30.0


class Worker:
    """Keeps a worker process running for the time of a `with` block."""

    def __init__(self, target: str, tasks: int) -> None:
        self._target = target
        self._tasks = tasks
        self._ending = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper = threading.Thread(target=self._keep, name="annotary worker", daemon=True)

    def __enter__(self) -> Worker:
        self._keeper.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._ending.set()
        process = self._process
        if process is not None:
            self._close(process)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        self._keeper.join()

    @staticmethod
    def _close(process: subprocess.Popen[bytes]) -> None:
        with suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()

    def wake(self) -> None:
        """Tell it that there is something to do."""
        process = self._process
        if process is not None and process.stdin is not None:
            with suppress(OSError, ValueError):
                os.write(process.stdin.fileno(), b"\n")

    def _keep(self) -> None:
        pause = PAUSE_SECONDS
        while not self._ending.is_set():
            begun = time.monotonic()
            # The target may hold a password: the environment is not shown to other users, arguments are.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "annotary", "worker", "--tasks", str(self._tasks), "--beside"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is the server's: it ends the worker when it ends itself
                env={**os.environ, "ANNOTARY_AT": self._target},
            )
            if self._ending.is_set():
                self._close(self._process)
            self._process.wait()
            # One that cannot begin, as where the store has become too new for it, is not begun all the time.
            lasted = time.monotonic() - begun
            pause = PAUSE_SECONDS if lasted > LONGEST_PAUSE else min(2 * pause, LONGEST_PAUSE)
            self._ending.wait(pause)
