"""A Dask cluster of one's own, for a `with` block."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def cluster_of(workers: int) -> Iterator[str]:
    """A scheduler on loopback with some workers, each a process of its own with one thread: its address."""
    begun = []
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    try:
        begun.append(_begun(*dask, "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"))
        address = _said(begun[0], "Scheduler at:")
        for _ in range(workers):
            # Each has a nanny beside it, who begins it anew when it dies.
            words = ("--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard", "--death-timeout", "60")
            begun.append(_begun(sys.executable, "-m", "distributed.cli.dask_worker", address, *words))
            _said(begun[-1], "Registered to:")
        yield address
    finally:
        for process in reversed(begun):
            process.terminate()
        for process in begun:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()
            assert process.stderr is not None
            process.stderr.close()


def _begun(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def _said(process: subprocess.Popen[str], word: str) -> str:
    """What a process says behind a word; what else it says goes away."""
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return line.rpartition(word)[2].strip()
    raise AssertionError(f"it ended without saying {word!r}")
