"""Several hosts on this machine: network namespaces on one switch, each of which can be cut off.

All addresses are 10.x and exist inside the namespaces only. They are removed at the end of the `with` block,
and by the next run where this one was killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NETWORK = "10.83.7"
PLACE = Path("/run/netns")
PREFIX = "annotary-"
SWITCH = "switch"
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Unavailable(Exception):
    """This machine has no network namespaces for us; the message says why."""


@dataclass(frozen=True)
class Hosts:
    """Hosts by name, with an address each."""

    addresses: dict[str, str]

    @contextlib.contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Be on a host: what this thread opens, and the threads and processes it starts, are there."""
        with Path("/proc/thread-self/ns/net").open() as before, (PLACE / _full(name)).open() as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())

    def cut(self, name: str) -> None:
        """Pull a host's cable out: nobody is told, nothing arrives any more."""
        _ip("-n", _full(SWITCH), "link", "set", _port(name), "down")

    def mend(self, name: str) -> None:
        """Plug it in again."""
        _ip("-n", _full(SWITCH), "link", "set", _port(name), "up")


@contextlib.contextmanager
def hosts(*names: str) -> Iterator[Hosts]:
    """Hosts for the time of a `with` block; raises Unavailable where the machine does not allow it."""
    _check()
    _sweep()
    made = Hosts({name: f"{NETWORK}.{number}" for number, name in enumerate(names, 10)})
    try:
        _make(made)
        yield made
    finally:
        for name in (SWITCH, *names):
            subprocess.run(["ip", "netns", "del", _full(name)], capture_output=True, check=False)


def _make(made: Hosts) -> None:
    _ip("netns", "add", _full(SWITCH))
    _ip("-n", _full(SWITCH), "link", "add", "bridge", "type", "bridge")
    _ip("-n", _full(SWITCH), "link", "set", "bridge", "up")
    for name, address in made.addresses.items():
        _ip("netns", "add", _full(name))
        port = (
            "link",
            "add",
            "name",
            _port(name),
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            _full(name),
        )
        _ip("-n", _full(SWITCH), *port)
        _ip("-n", _full(SWITCH), "link", "set", _port(name), "master", "bridge", "up")
        _ip("-n", _full(name), "address", "add", f"{address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip("-n", _full(name), "link", "set", device, "up")


def _check() -> None:
    if os.geteuid() != 0:
        raise Unavailable("network namespaces are made by root only")
    if shutil.which("ip") is None:
        raise Unavailable("there is no `ip`; install iproute2")
    probe = _full("probe")
    try:
        _ip("netns", "add", probe)
        _ip("-n", probe, "link", "add", "bridge", "type", "bridge")
        _ip("-n", probe, "link", "add", "name", "a", "type", "veth", "peer", "name", "b")
    except RuntimeError as error:
        raise Unavailable(f"network namespaces cannot be made here: {error}") from None
    finally:
        subprocess.run(["ip", "netns", "del", probe], capture_output=True, check=False)


def _sweep() -> None:
    """Remove what runs that were killed have left."""
    for path in PLACE.glob(f"{PREFIX}*"):
        owner = path.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            subprocess.run(["ip", "netns", "del", path.name], capture_output=True, check=False)


def _full(name: str) -> str:
    return f"{PREFIX}{os.getpid()}-{name}"


def _port(name: str) -> str:
    return f"to-{name}"


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
