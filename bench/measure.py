"""Clocks, rounds and medians: how a ratio is measured so that a noisy machine does not decide it."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import random
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple


class Spent(NamedTuple):
    """What some work has cost, in seconds; `cpu` is of this process and those it has started."""

    wall: float
    cpu: float


Rounds = dict[str, list[Spent]]


def forget() -> None:
    """Give back the memory that earlier work has freed: what comes next is slower in what is left of it."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of the GNU C library
    if trim is not None:
        trim(0)


def spent(work: Callable[[], object]) -> Spent:
    """The cost of one call."""
    gc.collect()
    wall, cpu = time.perf_counter(), _processor_time()
    work()
    return Spent(time.perf_counter() - wall, _processor_time() - cpu)


def _processor_time() -> float:
    """Of this process, and of those it has started that have ended."""
    others = os.times()
    return time.process_time() + others.children_user + others.children_system


def rounds(works: Mapping[str, Callable[[], object]], count: int, seed: int = 1) -> Rounds:
    """Each work once a round, in an order shuffled anew for every round; one round goes before to warm up."""
    luck = random.Random(seed)
    names = list(works)
    found: Rounds = {name: [] for name in names}
    for number in range(count + 1):
        luck.shuffle(names)
        for name in names:
            cost = spent(works[name])
            if number:
                found[name].append(cost)
    return found


def ratios(found: Rounds, top: str, bottom: str, clock: str) -> list[float]:
    """The ratio of two works in each round: what slows one round down slows both of them."""
    return [
        getattr(one, clock) / getattr(other, clock)
        for one, other in zip(found[top], found[bottom], strict=True)
    ]


def median(values: list[float]) -> float:
    return statistics.median(values)


def private(process: int | str = "self") -> int:
    """Private memory of a process in bytes, without what only maps a file."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        # Private_Clean and Private_Dirty count the pages of a mapped database too; these are none of them.
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this system does not tell a process's private memory")


def machine() -> dict[str, Any]:
    """What the figures were measured on; nothing that names the machine or a place on it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": _processor(),
        "processors": os.cpu_count(),
        "memory_gb": round(memory / 1e9),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "load": [round(load, 2) for load in os.getloadavg()],
        **{name: _version(name) for name in ("msgspec", "orjson", "psycopg", "SQLAlchemy")},
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def say(text: str) -> None:
    """A line on how far the run is; the table at the end is the result."""
    print(text, file=sys.stderr, flush=True)
