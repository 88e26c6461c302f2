"""An export cut by key range: stretches of rows are written apart, by several processes, and joined in order.

Versions are never overwritten, so whoever reads the rows of one sequence number reads the same ones: no
snapshot is held. Any `concurrent.futures.Executor` may do the work; whoever asks does its share of it.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, wait
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import RLock
from typing import NamedTuple, Protocol

from annotary.engine import label_rules
from annotary.engine.core import Engine
from annotary.engine.corpora import Selection
from annotary.engine.findings import Findings
from annotary.engine.image_sets import of_corpus
from annotary.engine.processes import MOST, Processes, processors
from annotary.engine.sheet_parts import UNREAD, apart, unread
from annotary.errors import Invalid
from annotary.formats import BySheet, Options, Part, TrainingOptions, load
from annotary.model.corpus import Corpus, Page, Section
from annotary.model.export import ExportFilters, ExportParams, LabelRule
from annotary.store import Store
from annotary.store.rows import PAGE_ROWS, SPAN_PAGES, Stretch, stretches

LEAST = 50_000
"""Exports of fewer rows are written before another process has begun."""
COPY_LEAST = 500_000
USUAL = 4
"""So many processes write an export where nobody says how many, if there are so many processors."""
STEP, LONGEST = PAGE_ROWS * SPAN_PAGES, 10 * PAGE_ROWS * SPAN_PAGES
"""A stretch has so many rows at least, and at most: about a second of the slowest format."""
SHARES = 8
"""So many stretches a process, so that all end at about the same time."""
LEFT = 2
"""So many stretches that come next are left to who joins: they need not be written to a file in between."""
AHEAD = 6
"""So many stretches a process are written ahead of the joining at most, which bounds the space they take."""


class Counts(Protocol):
    """What counts the rows, labels and annotations of an export."""

    done: int
    labels: int
    annotations: int


class Order(NamedTuple):
    """What is to be written, in words that another process understands."""

    selection: Selection
    format: str
    options: Options
    labels: LabelRule
    params: ExportParams
    in_full: bool


class Job(NamedTuple):
    """A stretch to be written to a file: out of which store, for whom."""

    order: Order
    stretch: Stretch
    file: str
    store: str
    org: str
    base_url: str


@dataclass
class Written:
    """A stretch that was written: the paths and sizes of its parts in order, and what was counted."""

    parts: list[tuple[str, int]] = field(default_factory=list)
    done: int = 0
    labels: int = 0
    annotations: int = 0


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


def chosen(
    corpus: Corpus, counts: Counts, labels: LabelRule, params: ExportParams, *, in_full: bool
) -> Corpus:
    """A corpus with the labels that a rule leaves, counted as they go by, and the parameters to be shown."""
    pages = corpus.pages
    if labels != "all":
        pages = label_rules.chosen(pages, labels, params)
    return corpus._replace(pages=counted(pages, counts, corpus.params, in_full=in_full), params=params)


def counted(pages: Iterable[Page], counts: Counts, params: ExportParams, *, in_full: bool) -> Iterator[Page]:
    """Pages, whose rows and labels are counted, and their annotations `in_full`."""
    lean_annotations = -3 if params.project_details else -2
    for page in pages:
        counts.done += len(page.rows)
        # Rows of a lean page that have one label have no number.
        counts.labels += [row[0] for row in page.rows].count(None) + len(page.flat)
        if in_full:
            counts.annotations += sum(_objects(row[lean_annotations]) for row in page.rows if row[0] is None)
            counts.annotations += sum(_objects(label[-1]) for label in page.flat)
        for part in page.parts:
            counts.labels += sum(map(len, part.labels.values()))
            if in_full:
                for labels in (*part.labels.values(), *part.predictions.values()):
                    counts.annotations += sum(_objects(label[_ANNOTATIONS]) for label in labels)
        yield page


def _objects(text: bytes) -> int:
    """How many objects annotations have: each has its kind in it; relationships stand there a second time."""
    return int(text.count(_KIND, 0, text.rfind(_RELATIONSHIPS)))


_ANNOTATIONS = Section._fields.index("annotations")
_KIND, _RELATIONSHIPS = b'"annotation_kind":', b',"relationships":['


def _parts(engine: Engine, order: Order, stretch: Stretch, counts: Counts) -> Iterator[Part]:
    """The parts of a stretch."""
    form = load(order.format)
    if form.by_sheet is not None:
        yield from _of_sheets(engine, order, stretch, counts, form.by_sheet)
        return
    assert form.apart is not None
    yield from form.apart.write(rows(engine, order, stretch, counts), order.options)


def rows(engine: Engine, order: Order, stretch: Stretch, counts: Counts) -> Corpus:
    """The rows of a stretch, which are counted."""
    corpus = order.selection.corpus(engine, between=stretch)
    return chosen(corpus, counts, order.labels, order.params, in_full=order.in_full)


def _of_sheets(
    engine: Engine, order: Order, stretch: Stretch, counts: Counts, by_sheet: BySheet
) -> Iterator[Part]:
    """What a training format makes of a stretch by itself, whose rows count where they were read."""
    counted = Written()
    corpus = rows(engine, order, stretch, counted)
    assert isinstance(order.options, TrainingOptions)
    found = of_corpus(engine, corpus, order.options, Findings(), None)
    for part in apart(found, by_sheet, order.options, stretch):
        yield part
        if part.path == UNREAD:
            return
    _add(counts, counted)


def _add(counts: Counts, more: Counts) -> None:
    counts.done += more.done
    counts.labels += more.labels
    counts.annotations += more.annotations


def _to_file(parts: Iterable[Part], path: str, written: Written) -> Written:
    with open(path, "wb", buffering=0) as file:
        for part in parts:
            left = memoryview(part.data)
            written.parts.append((part.path, len(left)))
            while left:
                left = left[file.write(left) :]
    return written


@lru_cache(1)
def _engine(store: str, org: str, base_url: str) -> Engine:
    return Engine(Store.open(store, org), base_url=base_url)


def write_stretch(job: Job) -> Written:
    """Write a stretch: what other processes are asked to do."""
    written = Written()
    engine = _engine(job.store, job.org, job.base_url)
    return _to_file(_parts(engine, job.order, job.stretch, written), job.file, written)


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
    does what the others have to do, in place of processes of this machine.
    """
    at = order.selection.at
    rows = engine.store.count(at, ExportFilters())
    step = max(STEP, min(LONGEST, rows // (SHARES * count) // STEP * STEP))
    folder = Path(tempfile.mkdtemp(prefix=".annotary-", suffix=".parts", dir=near()))
    try:
        with ExitStack() as stack:
            cut = stack.enter_context(closing(stretches(engine.store.database, at, step)))
            others = executor or stack.enter_context(Processes(count - 1, folder))
            spread = _Spread(engine, order, counts, cut, folder, others, count - 1)
            stack.callback(spread.end, waiting=executor is not None)
            yield from spread.parts()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
    ) -> None:
        self.engine, self.order, self.counts = engine, order, counts
        self.folder, self.others, self.count = folder, others, count
        self.cut = enumerate(cut)
        self.free: deque[tuple[int, Stretch]] = deque()
        self.given: dict[int, tuple[Stretch, Future[Written]]] = {}
        self.held: dict[int, Written] = {}
        self.counted: set[int] = set()
        self.next = 0
        self.over = False
        self.lock = RLock()

    def parts(self) -> Iterator[Part]:
        """The parts in order."""
        reached = 0
        while True:
            with self.lock:
                while reached < self.next + AHEAD * (self.count + 1) and (more := next(self.cut, None)):
                    self.free.append(more)
                    reached = more[0] + 1
                self._give()
                self._count()
                mine = self._mine()
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
            store, file = self.engine.store, str(self._file(number))
            job = Job(self.order, stretch, file, _target(store), store.org, self.engine.base_url)
            try:
                future = self.others.submit(write_stretch, job)
            except BrokenExecutor:
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
        written, path = Written(), str(self._file(number))
        self.held[number] = _to_file(_parts(self.engine, self.order, stretch, written), path, written)

    def _count(self) -> None:
        """Count what has been written by now."""
        written = dict(self.held)
        for number, (_, future) in self.given.items():
            if future.done() and not future.cancelled() and future.exception() is None:
                written[number] = future.result()
        for number in written.keys() - self.counted:
            self.counted.add(number)
            _add(self.counts, written[number])

    def _result(self) -> Iterator[Part]:
        """The next stretch from whom it was given to; written here where nothing came of that."""
        stretch, future = self.given[self.next]
        try:
            written = future.result()
        except BrokenExecutor:
            yield from self._here(stretch)
        else:
            with self.lock:
                self._count()
            yield from self._joined(written)
        with self.lock:
            del self.given[self.next]
            self.counted.discard(self.next)

    def _here(self, stretch: Stretch) -> Iterator[Part]:
        """A stretch whose turn it is; sheets that nobody hands on are read by who writes them."""
        if load(self.order.format).by_sheet is not None:
            yield unread(stretch)
        else:
            yield from _parts(self.engine, self.order, stretch, self.counts)

    def _joined(self, written: Written) -> Iterator[Part]:
        """The parts of the next stretch, read from its file, which goes at once."""
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


def _target(store: Store) -> str:
    """Where another process opens a store."""
    place = store.database.place
    return str(Path(place).parent.absolute()) if store.database.is_sqlite else place
