"""Other processes that do a part of the work, and the executor that hands it to them."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import suppress
from io import RawIOBase
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from annotary.errors import AnnotaryError

T = TypeVar("T")
MOST = 16
"""No import or export has more processes, its own included."""
_BEGIN = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from {} import main
main()
"""
_ALONE = {"OPENBLAS_NUM_THREADS": "1"}
"""Where it has numpy, a process begins no threads for matrices, which nothing here multiplies: they cost it a
third of its start.
"""
_HEAD = struct.Struct("<Q")


def processors() -> int:
    """How many processors there are for this process."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def begun(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A process that carries out the `main` of a module, with pipes to its input and output."""
    # Not a fork, which a program with threads must not do, nor a spawn, which runs the user's own program
    # once more; Ctrl-C is for the process that the user started.
    return subprocess.Popen(
        [sys.executable, "-c", _BEGIN.format(module), json.dumps(sys.path), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_ALONE | os.environ,
        start_new_session=True,
        bufsize=0,
    )


class Died(BrokenExecutor):
    """A process ended before its work was done."""


class Processes(Executor):
    """Up to so many processes, each begun when there is work for it, and anew when it died over some.

    What is submitted must be known by name to another process. `folder` is removed by the processes when the
    one that has begun them is gone, however that ended.
    """

    def __init__(self, count: int, folder: Path) -> None:
        self._count = count
        self._folder = folder
        self._jobs: SimpleQueue[tuple[Future[Any], bytes] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._running: set[subprocess.Popen[bytes]] = set()
        self._over = False

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Have something done; the future raises Died where its process did not get to the end."""
        future: Future[T] = Future()
        job = pickle.dumps((fn, args, kwargs))
        with self._lock:
            if self._over:
                raise Died("the processes have been ended")
            self._jobs.put((future, job))
            if len(self._threads) < self._count:
                # A daemon, so that nothing waits for it where nobody has shut the processes down.
                thread = threading.Thread(target=self._serve, name="annotary process", daemon=True)
                self._threads.append(thread)
                thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes at once, whatever they are doing."""
        with self._lock:
            self._over = True
            for process in self._running:
                process.kill()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        """Hand jobs to one process."""
        process: subprocess.Popen[bytes] | None = None
        while (taken := self._jobs.get()) is not None:
            future, job = taken
            if not future.set_running_or_notify_cancel():
                continue
            try:
                if process is None:
                    process = self._started()
                good, result = _asked(process, job)
            except (Died, OSError) as error:
                self._end(process)
                process = None
                future.set_exception(error if isinstance(error, Died) else Died(str(error)))
            else:
                if good:
                    future.set_result(result)
                else:
                    future.set_exception(result)
        self._end(process)

    def _started(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._over:
                raise Died("the processes have been ended")
            process = begun(__name__, str(self._folder))
            self._running.add(process)
            return process

    def _end(self, process: subprocess.Popen[bytes] | None) -> None:
        if process is not None:
            process.kill()
            with suppress(OSError):
                process.communicate()
            with self._lock:
                self._running.discard(process)


def _asked(process: subprocess.Popen[bytes], job: bytes) -> tuple[bool, Any]:
    """Give a process a job; whether it is done, and its result or what was raised. Raises Died, OSError."""
    assert process.stdin is not None and process.stdout is not None
    _send(process.stdin, job)  # type: ignore[arg-type] # not buffered
    answer = _received(process.stdout)  # type: ignore[arg-type]
    if answer is None:
        raise Died(f"a process ended with exit status {process.wait()}")
    return pickle.loads(answer)  # type: ignore[no-any-return]


def _send(to: RawIOBase, message: bytes) -> None:
    left = memoryview(_HEAD.pack(len(message)) + message)
    while left:
        left = left[to.write(left) or 0 :]


def _received(source: RawIOBase) -> bytes | None:
    """The next message; None where the other end is gone."""
    head = _filled(source, _HEAD.size)
    return None if head is None else _filled(source, *_HEAD.unpack(head))


def _filled(source: RawIOBase, size: int) -> bytes | None:
    read = bytearray(size)
    with memoryview(read) as place:
        at = 0
        while at < size:
            count = source.readinto(place[at:])
            if not count:
                return None
            at += count
    return bytes(read)


# The process


def main() -> None:
    """Carry out the jobs on standard input, one after the other, until nobody is at the other end."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    # What anything else prints does not get among the answers.
    os.dup2(2, 1)
    jobs: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(jobs, sys.argv[2]), daemon=True).start()
    while True:
        function, args, kwargs = pickle.loads(jobs.get())
        try:
            answer = pickle.dumps((True, function(*args, **kwargs)))
        except Exception as error:
            answer = pickle.dumps((False, _portable(error)))
        with suppress(BrokenPipeError):
            _send(answers, answer)


def _listen(jobs: SimpleQueue[bytes], folder: str) -> None:
    source = os.fdopen(os.dup(0), "rb", buffering=0)
    while (job := _received(source)) is not None:
        jobs.put(job)
    # The other end is gone, whatever this one is doing; what was written for it has no reader.
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _portable(error: Exception) -> Exception:
    """An error as it can be raised in another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return AnnotaryError(f"{type(error).__name__}: {error}")
    return error
