"""An export's stretches written by several processes and joined in order.

Any `concurrent.futures.Executor` may do the work; whoever asks does its share of it.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, wait
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import RLock
from typing import NamedTuple

from annotary.engine.core import Engine
from annotary.engine.partitions import (
    Counts,
    Goal,
    Job,
    Order,
    Written,
    add,
    parts_of,
    to_file,
    to_place,
    write_stretch,
)
from annotary.engine.processes import MOST, Processes, processors
from annotary.engine.sheet_parts import unread
from annotary.errors import AnnotaryError, Invalid, Unreachable
from annotary.formats import Part, TrainingOptions, load
from annotary.model.export import ExportFilters
from annotary.store import Store, rows
from annotary.store.rows import SPAN_ROWS, Stretch, stretches

LEAST = 50_000
"""Exports of fewer rows are written before another process has begun."""
COPY_LEAST = 500_000
USUAL = 4
"""So many processes write an export where nobody says how many, if there are so many processors."""
STEP, LONGEST = SPAN_ROWS, 10 * SPAN_ROWS
"""A stretch has so many rows at least, and at most: about a second of what is copied or written in sheets."""
CLOSELY = 8
"""A format that looks at each image takes several times as long for a row: its stretches have so many times
fewer rows."""
SHARES = 8
"""So many stretches a process, so that all end at about the same time."""
LEFT = 2
"""So many stretches that come next are left to who joins: they need not be written to a file in between."""
AHEAD = 6
"""So many stretches a process are written ahead of the joining at most: that bounds the space they take."""
FAR_STEP, FAR_AHEAD = 2 * STEP, 2
"""The same for who has no folder in common with this process, and sends stretches, to be held in memory."""
FAR_MOST = 1024
FILES, FILE_STEP = 16, 64 * STEP
"""Where files of some rows each are wanted: so many at least, of as many rows at most, but of no fewer than a
stretch has at most. How many does not depend on who writes them.
"""


def far_workers(wanted: int | None) -> int:
    """How many stretches are with an executor at once; raises Invalid."""
    if wanted is not None and not 1 <= wanted <= FAR_MOST:
        raise Invalid(f"workers: from 1 to {FAR_MOST} stretches at once, not {wanted}")
    return wanted or USUAL


def workers(wanted: int | None, rows: int | None, *, copied: bool, sqlite: bool) -> int:
    """How many processes write an export of so many rows (None: unknown); raises Invalid.

    `copied`: it is but a copy. Out of `sqlite` memory sets its pace and not the processor; of PostgreSQL,
    whose server works beside it already, another process is worth its start only where there is much to copy.
    """
    if wanted is not None:
        if not 1 <= wanted <= MOST:
            raise Invalid(f"workers: from 1 to {MOST} processes, not {wanted}")
        return wanted
    if rows is None or rows < (COPY_LEAST if copied else LEAST) or (copied and sqlite):
        return 1
    return min(USUAL, processors())


def spread(
    engine: Engine,
    order: Order,
    counts: Counts,
    count: int,
    near: Callable[[], Path | None],
    executor: Executor | None = None,
) -> Generator[Part, None, None]:
    """The parts of an export, which `count` processes write, this one among them.

    Stretches are kept in a folder within `near()`, or that of temporary files, until their turn. `executor`
    does what the others have to do, in place of processes of this machine, and answers with the stretches.
    """
    fewer = _fewer(order)
    if executor is None:
        least, most = max(1, STEP // fewer), max(1, LONGEST // fewer)
        step = max(least, min(most, _size(engine, order) // (SHARES * count) // least * least))
    else:
        step = max(1, FAR_STEP // fewer)
    with _begun(engine, order, counts, count, step, near(), executor) as spread:
        yield from spread.parts()


def spread_files(
    engine: Engine,
    order: Order,
    counts: Counts,
    count: int,
    executor: Executor | None,
    ending: str,
    place: str,
) -> Generator[tuple[str, Written], None, None]:
    """The same, but that each writes its stretches to the place at an address, which all of them reach: the
    names they have there, in order. Those of stretches without a row are of no file.
    """
    step = min(FILE_STEP, max(LONGEST, _size(engine, order) // FILES // STEP * STEP))
    step = max(1, step // _fewer(order))
    with _begun(engine, order, counts, count, step, None, executor, _Files(place, ending)) as spread:
        yield from spread.files()


@contextmanager
def _begun(
    engine: Engine,
    order: Order,
    counts: Counts,
    count: int,
    step: int,
    near: Path | None,
    executor: Executor | None,
    files: _Files | None = None,
) -> Iterator[_Spread]:
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix=".annotary-", suffix=".parts", dir=near))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        cut = stack.enter_context(closing(stretches(engine.reader, order.selection.at, step)))
        others = executor or stack.enter_context(Processes(count - 1, folder))
        far = executor is not None
        spread = _Spread(engine, order, counts, cut, folder, others, count - 1, far=far, to=files)
        stack.callback(spread.end, waiting=far)
        yield spread


class _Files(NamedTuple):
    """Where files go that are not joined: the address of a place, and the ending of their names."""

    place: str
    ending: str

    def goal(self, number: int) -> Goal:
        """Where a stretch goes."""
        return Goal(self.place, f"part-{number:05}{self.ending}")


class _Spread:
    """One export on its way: which stretches nobody has begun, which are with others, which are written.

    Who is done asks for more from another thread, hence the lock.
    """

    def __init__(
        self,
        engine: Engine,
        order: Order,
        counts: Counts,
        cut: Iterator[Stretch],
        folder: Path,
        others: Executor,
        count: int,
        *,
        far: bool,
        to: _Files | None,
    ) -> None:
        self.engine, self.order, self.counts = engine, order, counts
        self.folder, self.others, self.count = folder, others, count
        self.far, self.to = far, to
        self.ahead = FAR_AHEAD if far else AHEAD
        self.cut = enumerate(cut)
        self.free: deque[tuple[int, Stretch]] = deque()
        self.given: dict[int, tuple[Stretch, Future[Written]]] = {}
        self.held: dict[int, Written] = {}
        self.counted: set[int] = set()
        self.next = self.reached = 0
        self.over = False
        self.lock = RLock()

    def parts(self) -> Iterator[Part]:
        """The parts in order."""
        while True:
            mine = self._turn()
            if mine is not None and mine[0] != self.next:
                self._keep(*mine)
                continue
            if mine is not None:
                yield from self._here(mine[1])
            elif self.next in self.held:
                yield from self._joined(self.held.pop(self.next))
            elif self.next in self.given:
                yield from self._result()
            else:
                return
            self.next += 1

    def files(self) -> Iterator[tuple[str, Written]]:
        """The names of the stretches in their place, in order, with what was written."""
        assert self.to is not None
        while True:
            mine = self._turn()
            if mine is not None:
                self._keep(*mine)
            elif self.next in self.held:
                yield self.to.goal(self.next).name, self.held.pop(self.next)
                self.next += 1
            elif self.next in self.given:
                self._await()
            else:
                return

    def _turn(self) -> tuple[int, Stretch] | None:
        """See what there is to do and what is done; the stretch to write here now."""
        with self.lock:
            while self.reached < self.next + self.ahead * (self.count + 1) and (more := next(self.cut, None)):
                self.free.append(more)
                self.reached = more[0] + 1
            self._give()
            self._count()
            return self._mine()

    def end(self, *, waiting: bool) -> None:
        """Call off what the others have not begun, and perhaps wait for what they have."""
        with self.lock:
            self.over = True
            left = [future for _, future in self.given.values()]
        for future in left:
            future.cancel()
        if waiting:
            wait(left)

    def _mine(self) -> tuple[int, Stretch] | None:
        """The stretch to write here now; None where the next one is there, or must be awaited."""
        number = self.next
        if number in self.held or (number in self.given and self.given[number][1].done()):
            return None
        return self.free.popleft() if self.free else None

    def _give(self) -> None:
        """Give the others what to do."""
        while not self.over and self.free and self._busy() < self.count:
            place = min(LEFT, len(self.free) - 1)
            number, stretch = self.free[place]
            store = self.engine.store
            job = Job(
                self.order, stretch, self._goal(number), _target(store), store.org, self.engine.base_url
            )
            try:
                future = self.others.submit(write_stretch, job)
            except Exception as error:
                if not self._is_broken(error):
                    raise
                # There is nobody left to do anything: all the rest is done here.
                self.count = 0
                return
            del self.free[place]
            self.given[number] = stretch, future
            future.add_done_callback(self._again)

    def _busy(self) -> int:
        return sum(not future.done() for _, future in self.given.values())

    def _again(self, future: Future[Written]) -> None:
        with self.lock:
            self._give()

    def _keep(self, number: int, stretch: Stretch) -> None:
        """Write a stretch here whose turn is later."""
        written, goal = Written(), self._goal(number)
        if isinstance(goal, Goal):
            self.held[number] = to_place(self.engine, self.order, stretch, goal, written)
        else:
            parts = parts_of(self.engine, self.order, stretch, written)
            # Not over the network, even where the others send theirs.
            self.held[number] = to_file(parts, str(self._file(number)), written)

    def _goal(self, number: int) -> str | Goal | None:
        """Where a stretch goes: into the place, over the network, or to a file."""
        if self.to is not None:
            return self.to.goal(number)._replace(near=None if self.far else self.folder)
        return None if self.far else str(self._file(number))

    def _count(self) -> None:
        """Count what has been written by now."""
        written = dict(self.held)
        for number, (_, future) in self.given.items():
            if future.done() and not future.cancelled() and future.exception() is None:
                written[number] = future.result()
        for number in written.keys() - self.counted:
            self.counted.add(number)
            add(self.counts, written[number])

    def _await(self) -> None:
        """Wait for the next stretch; it is written here where nothing came of it."""
        stretch, future = self.given[self.next]
        written = self._answer(future)
        if written is None:
            self._keep(self.next, stretch)
        else:
            self.held[self.next] = written
        with self.lock:
            del self.given[self.next]

    def _result(self) -> Iterator[Part]:
        """The next stretch from whom it was given to; written here where nothing came of that."""
        stretch, future = self.given[self.next]
        written = self._answer(future)
        if written is None:
            yield from self._here(stretch)
        else:
            with self.lock:
                self._count()
            yield from self._joined(written)
        with self.lock:
            del self.given[self.next]
            self.counted.discard(self.next)

    def _answer(self, future: Future[Written]) -> Written | None:
        """What was written elsewhere; None where whoever had it did not come to its end."""
        try:
            return future.result()
        except Exception as error:
            if not self._is_broken(error):
                raise
            return None

    def _is_broken(self, error: Exception) -> bool:
        """Whether it was not the stretch that failed but who had it; each executor has errors of its own.

        Where it is the stretch after all, it fails again when it is written here.
        """
        if isinstance(error, BrokenExecutor | Unreachable):
            return True
        return self.far and not isinstance(error, AnnotaryError)

    def _here(self, stretch: Stretch) -> Iterator[Part]:
        """A stretch whose turn it is; rows of which nothing is made ahead are read by who writes them."""
        if load(self.order.format).prepare is not None:
            yield unread(stretch)
        else:
            yield from parts_of(self.engine, self.order, stretch, self.counts)

    def _joined(self, written: Written) -> Iterator[Part]:
        """The parts of the next stretch: those that were sent, or of its file, which goes at once."""
        if self.far and written.data:
            names = (name for name, _ in written.parts)
            yield from map(Part, names, written.data)
            return
        path = self._file(self.next)
        with path.open("rb") as file:
            path.unlink()
            for name, size in written.parts:
                data = file.read(size)
                if len(data) != size:
                    raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
                yield Part(name, data)

    def _file(self, number: int) -> Path:
        return self.folder / str(number)


def _size(engine: Engine, order: Order) -> int:
    """The rows of the whole project or run."""
    return rows.count(engine.reader, order.selection.at, ExportFilters(), None)


def _fewer(order: Order) -> int:
    """How many times fewer rows its stretches have than those of formats that do not look at each image."""
    return CLOSELY if isinstance(order.options, TrainingOptions) and not order.options.sheets() else 1


def _target(store: Store) -> str:
    """Where another process opens a store."""
    place = store.database.place
    return str(Path(place).parent.absolute()) if store.database.is_sqlite else place
