"""An annotary server of one's own: the installed program as a process on loopback, for a `with` block."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPT = Path(sys.executable).with_name("annotary")
START_SECONDS = 60.0
STOP_SECONDS = 30.0


@dataclass
class Server:
    """A running server: where it is, what it says, and the store behind it."""

    target: str
    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def key(self, role: str = "admin", *, name: str | None = None, org: str = "default") -> str:
        """A new API key, made as an administrator makes one."""
        return make_key(self.target, role, name=name, org=org)

    def said(self) -> str:
        """All that it has written so far."""
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """End it without a word."""
        self.process.kill()
        self.process.wait()


def typed(target: str, *words: str) -> Any:
    """The JSON document that a command prints."""
    command = [SCRIPT, "--at", target, "--json", *words]
    made = subprocess.run(command, capture_output=True, text=True, env=quiet_environment(), timeout=120)
    assert made.returncode == 0, made.stderr
    return json.loads(made.stdout)


def make_key(target: str, role: str = "admin", *, name: str | None = None, org: str = "default") -> str:
    """A new API key of a store."""
    given: str = typed(
        target, "--org", org, "keys", "create", name or f"{role} {time.time_ns()}", "--role", role
    )["key"]
    return given


def start(target: str, log: Path, *words: str, port: int = 0) -> Server:
    """Start a server on a store; it accepts connections when this returns."""
    begun = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output:
        process = subprocess.Popen(
            [SCRIPT, "--at", target, "serve", "--port", str(port), *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=quiet_environment(),
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        said = log.read_bytes()[begun:].decode(errors="replace")
        if found := re.search(r"http://[\w.\[\]:]+:\d+", said):
            return Server(target, found[0], process, log)
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise AssertionError(f"the server did not start:\n{log.read_text(errors='replace')}")


def start_worker(target: str, log: Path) -> subprocess.Popen[bytes]:
    """Start a worker on a store."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [SCRIPT, "--at", target, "worker"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=quiet_environment(),
        )


def end(*processes: subprocess.Popen[bytes]) -> None:
    """End processes, which have some time to do so by themselves."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def serving(target: str, log: Path, *words: str) -> Iterator[Server]:
    """A server on a store for the time of a `with` block; it has to stop when it is told to."""
    server = start(target, log, *words)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGTERM)
            try:
                server.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                raise AssertionError(f"the server did not stop:\n{server.said()}") from None


def quiet_environment() -> dict[str, str]:
    """No setting of the developer's reaches the server."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("ANNOTARY_")}
    return ours | {"PYTHONUNBUFFERED": "1"}
