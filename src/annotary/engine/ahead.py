"""Processes that read ahead of an import, where its file is large enough to be worth it."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from annotary.engine.pages import Given
from annotary.engine.places import Places
from annotary.engine.preparing import CHANGED, Item, Plain, Setting, Task, first, receive
from annotary.engine.processes import MOST, begun, processors
from annotary.engine.sources import FileSource
from annotary.errors import AnnotaryError, Invalid
from annotary.formats import Format
from annotary.formats._json import Broken, Document, documents
from annotary.model.corpus import Parsed, Report

LEAST = 32 << 20
"""A smaller file is read before another process has begun, in bytes."""
_PIPE = 1 << 20
_HEAD, _HEAD_SHARE = 16 << 20, 16
"""The process that imports works out the first rows itself: so many bytes, but no larger part of the file."""


def workers(wanted: int | None, form: Format, source: Any) -> int:
    """How many processes read ahead; none where that does not help. Raises Invalid."""
    if wanted is not None and not 1 <= wanted <= MOST:
        raise Invalid(f"workers: from 1 to {MOST} processes, not {wanted}")
    if form.parse is None or form.merges or form.flat or form.checks_metadata:
        return 0
    if not isinstance(source, FileSource) or not source.path.is_file() or not sys.executable:
        return 0
    if wanted is None:
        return int(source.path.stat().st_size >= LEAST and processors() > 1)
    return wanted - 1


class Ahead:
    """The processes of one import; `task` gives what the one of a number is to do, of so many."""

    def __init__(self, task: Callable[[int, int], Task], count: int, places: Places, report: Report) -> None:
        self._places = places
        self._report = report
        self._again: Iterator[tuple[int, Document]] | None = None
        self._told = 0
        self._wait = self._pages = 0
        self._processes: list[subprocess.Popen[bytes]] = []
        self._source = task(0, count).source
        self._head = min(_HEAD, self._source.path.stat().st_size // _HEAD_SHARE)
        self._tasks = [task(number, count)._replace(head=self._head) for number in range(count)]

    def __enter__(self) -> Self:
        try:
            for task in self._tasks:
                process = begun("annotary.engine.preparing")
                self._processes.append(process)
                _widen(process)
                self._tell(process, task)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            with suppress(OSError):
                process.communicate()

    def rows(self, parse: Callable[[Plain | Document], Parsed | None]) -> Iterator[Given]:
        """The rows of the file in their order; `parse` reads what is not made ready, or reports a problem."""
        for item in self._items():
            row = item if isinstance(item, Item) else parse(item)
            if row is not None:
                yield row

    def _items(self) -> Iterator[Item | Plain]:
        try:
            for document in first(documents(self._source), self._head):
                yield Plain(*document)
        except Broken as broken:
            self._report(broken.problem)
            return
        buffer = bytearray()
        while True:
            for process in self._processes:
                assert process.stdout is not None
                some = receive(process.stdout, buffer)  # type: ignore[arg-type] # not buffered
                if some is None or some.failed:
                    why = some.failed if some else f"ended with exit status {process.wait()}"
                    raise AnnotaryError(f"a process that reads ahead failed: {why}; try --workers 1")
                yield from some.items
                if some.broken is not None:
                    self._report(some.broken)
                if some.ended:
                    return

    def document(self, item: Item) -> Document:
        """What stands in the file of an item: read once more, which only those want that are known already.

        They must be asked for in their order. Raises Invalid where the file is another one by now.
        """
        if self._again is None:
            self._again = enumerate(documents(self._source))
        for number, document in self._again:
            if number == item.number:
                return document
        raise Invalid(f"{self._source.name}, {item.place}: {CHANGED}")

    def settled(self, lazy: bool) -> None:
        """Tell the processes what has been settled since; while features keep coming, ever more rarely."""
        size = sum(place.features.size for place in self._places.all()) + len(self._places.datasets)
        self._pages += 1
        if not lazy and (size == self._told or self._pages < self._wait):
            return
        self._wait = 2 * self._wait or 1
        self._told, self._pages = size, 0
        places = self._places
        setting = Setting(places.projects, places.runs, places.datasets, lazy)
        for process in self._processes:
            self._tell(process, setting)

    def _tell(self, process: subprocess.Popen[bytes], what: Task | Setting) -> None:
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # then there is nothing to be read from it either
            left = memoryview(pickle.dumps(what))
            while left:
                left = left[process.stdin.write(left) :]


def _widen(process: subprocess.Popen[bytes]) -> None:
    """Let a process be further ahead than the 64 KiB of an ordinary pipe, where that can be had."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        assert process.stdout is not None
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, _PIPE)
