"""Target 17: an export while another process writes into the same store without a pause."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from annotary.store.opening import FILE_NAME
from bench.measure import median, say
from bench.targets import Result
from bench.workshop import ON, Workshop, pieces

PAUSE = 0.5
ALONE = 5.0
"""So many seconds the writer is watched alone."""


class _Writer:
    """Another process that labels rows anew, one transaction a handful; it prints how many it has written."""

    def __init__(self, store: Path) -> None:
        command = [sys.executable, "-m", "bench.child", "write", str(store)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent, bufsize=0
        )
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self.written = 0

    def rows(self) -> int:
        """How many rows it has written until now."""
        assert self._process.stdout is not None
        while data := self._process.stdout.read(65536):
            self.written += data.count(b"\n")
        return self.written

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def writer(shop: Workshop) -> Iterator[Result]:
    """Target 17."""
    times: dict[str, list[float]] = {"alone": [], "beside": []}
    rates: dict[str, list[float]] = {"alone": [], "beside": []}
    logs = []
    log = shop.store / f"{FILE_NAME}-wal"
    for number in range(shop.rounds):
        say(f"  round {number + 1} of {shop.rounds}")
        times["alone"].append(_exported(shop))
        writing = _Writer(shop.store)
        while not writing.rows():
            time.sleep(0.05)
        rates["alone"].append(_rate(writing, lambda: time.sleep(ALONE)))
        rates["beside"].append(_rate(writing, lambda: times["beside"].append(_exported(shop))))
        writing.end()
        time.sleep(PAUSE)
        logs.append(log.stat().st_size / 1e6 if log.exists() else 0.0)
    for target, found, notes in (
        ("17", [b / a for a, b in zip(times["alone"], times["beside"], strict=True)], _shown(times, "s")),
        (
            "17 writer",
            [b / a for a, b in zip(rates["alone"], rates["beside"], strict=True)],
            _shown(rates, "/s"),
        ),
        ("17 log", logs, ""),
    ):
        yield Result(target, median(found), (min(found), max(found)), notes)


def _shown(found: dict[str, list[float]], unit: str) -> str:
    return ", ".join(f"{name} {median(figures):,.2f} {unit}" for name, figures in found.items())


def _exported(shop: Workshop) -> float:
    started = time.perf_counter()
    with open(os.devnull, "wb", buffering=0) as file:
        for piece in pieces(shop.engine, ON):
            file.write(piece)
    return time.perf_counter() - started


def _rate(writing: _Writer, work: object) -> float:
    before, started = writing.rows(), time.perf_counter()
    assert callable(work)
    work()
    return (writing.rows() - before) / (time.perf_counter() - started)
