"""Rows made ready for the store before anything is known of them there: by a process that reads ahead.

A row is made ready where all that it names is settled: its projects, its datasets, the features of their
ontologies. Whatever is not, or has a problem, goes on as it stands in the file, to be worked out by the
process that imports. So both do the same, by the same code.
"""

from __future__ import annotations

import gc
import os
import pickle
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import RawIOBase
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from annotary.engine.entries import Entry, Origin
from annotary.engine.features import Features, Node, Unfit
from annotary.engine.places import Place, Seen
from annotary.engine.sharing import Sharing, Target
from annotary.engine.sources import FileSource
from annotary.engine.staging import Held, Staged, stage
from annotary.errors import Invalid
from annotary.formats import load
from annotary.formats._json import Broken, Document, documents
from annotary.model.corpus import Parsed, Problem
from annotary.model.project import Dataset
from annotary.store.new_rows import NewRow

TOGETHER = 16
"""So many documents are sent at once."""
TOGETHER_BYTES = 1 << 18
"""No more are sent at once when they have so many bytes."""


CHANGED = "the file has changed since it was read; import it again"


class Ready(msgspec.Struct, array_like=True, gc=False):
    """What a row that is new to the store means for it; its `rows` are those of data row 0."""

    id: str
    global_key: str | None
    dataset: str
    texts: tuple[str, str, str, str, str]
    rows: list[NewRow]
    batches: list[tuple[int, str, str]]
    label_count: int
    annotation_count: int
    dropped_confidence: int
    linked_masks: int


class Item(msgspec.Struct, array_like=True, tag=1, gc=False):
    """The document of a file that has a `number` there, and `size` bytes, made ready.

    What it says is not sent along: of a row that is new to the store nobody asks for it again.
    """

    number: int
    size: int
    place: str
    ready: Ready


class Plain(msgspec.Struct, array_like=True, tag=0, gc=False):
    """A document of a file as it stands there."""

    data: bytes
    place: str


class Some(msgspec.Struct, array_like=True, gc=False):
    """Items in their order; at the end of the file `ended`, and why it is no JSON from there on (`broken`) or
    what else went wrong.
    """

    items: list[Item | Plain]
    ended: bool = False
    broken: Problem | None = None
    failed: str = ""


class Task(NamedTuple):
    """What a process is to do: every `of`-th share of a file's documents, beginning with share `number`.

    The first ones, of `head` bytes, are left out: they are worked out while the process begins.
    """

    source: FileSource
    format: str
    target: Target
    origin: Origin
    org: str
    by_name: bool
    number: int
    of: int
    head: int = 0


class Setting(NamedTuple):
    """What is settled: places and datasets by what files call them. `lazy`: nothing is to be made ready."""

    projects: dict[str, Place]
    runs: dict[str, Place]
    datasets: dict[str, Dataset]
    lazy: bool = False


class _Unsettled(Exception):
    """Something is named that may yet change with what stands before it in the file."""


class _Settled(Features):
    """Features that are there; what is not may come."""

    def __init__(self, root: Node) -> None:
        self.root = root

    def find(self, parent: Node, kind: str, given: Any, path: str, *, by_name: bool) -> Node:
        """A feature that no other one can take the place of; raises _Unsettled."""
        id, name = given.feature_schema_id, given.name
        node = parent.by_name.get((kind, name)) if id is UNSET else parent.by_id.get((kind, id))
        if node is None or (name is not UNSET and name not in (node.name, node.value)):
            raise _Unsettled
        return node

    def decorate(self, colors: dict[str, str], scopes: dict[str, str]) -> None:
        """Nothing may change."""
        raise _Unsettled


class _Known(Seen):
    """The places that are there."""

    def find_dataset(self, id: str | None, name: str) -> Dataset:
        raise _Unsettled

    def find_project(self, id: str, name: str, ontology_id: str | None) -> Place:
        raise _Unsettled

    def find_run(self, id: str, name: str, model_id: str, model_name: str) -> Place:
        raise _Unsettled


class Preparer:
    """Makes rows ready, within what is settled."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.parse = load(task.format).parse
        self.lazy = True
        self.sharing = Sharing(_Known(), task.target, task.org)
        self._nothing = Held()

    def settle(self, setting: Setting) -> None:
        """Take over what is settled now."""
        places = _Known()
        places.projects, places.runs, places.datasets = setting[:3]
        for place in places.all():
            if not isinstance(place.features, _Settled):
                place.features = _Settled(place.features.root)
        self.sharing = Sharing(places, self.task.target, self.task.org)
        self.lazy = setting.lazy

    def item(self, number: int, document: Document) -> Item | Plain:
        """What a document means for the store if that can be said, else the document."""
        ready = None if self.lazy else self._ready(document)
        if ready is None:
            return Plain(*document)
        return Item(number, len(document.data), document.place, ready)

    def _ready(self, document: Document) -> Ready | None:
        problems: list[Problem] = []
        assert self.parse is not None
        parsed = self.parse(document, problems.append)
        try:
            # Rows without an id of their own are found in other ways, too.
            return None if parsed is None or not parsed.row.data_row.id else self._made(parsed)
        except (_Unsettled, Unfit):
            return None

    def _made(self, parsed: Parsed) -> Ready:
        entry = self.sharing.entry(parsed)
        staged = Staged()
        dataset = self.sharing.dataset(entry)
        stage(entry, staged, self._nothing, self.task.origin, dataset, by_name=self.task.by_name)
        if staged.pngs:
            raise _Unsettled
        ((_, texts),) = staged.versions
        return Ready(
            entry.id,
            entry.global_key,
            dataset.id,
            texts,  # type: ignore[arg-type]
            staged.new,
            [(place.collection, id, name) for place, id, name in staged.batches],
            staged.label_count,
            staged.annotation_count,
            staged.dropped_confidence,
            staged.linked_masks,
        )


def take_ready(entry: Entry, ready: Ready, staged: Staged, place_of: dict[int, Place]) -> None:
    """Stage a row that is new to the store as `stage` would have done."""
    staged.versions.append((entry, ready.texts))
    staged.data_rows.append((entry, ready.dataset, ready.global_key))
    for row in ready.rows:
        row.data_row = entry.number
        staged.new.append(row)
    for at, id, name in ready.batches:
        staged.batches.append((place_of[at], id, name))
    staged.label_count += ready.label_count
    staged.annotation_count += ready.annotation_count
    staged.dropped_confidence += ready.dropped_confidence
    staged.linked_masks += ready.linked_masks


# The process


def first(documents: Iterable[Document], size: int) -> Iterator[Document]:
    """The first documents, until they have so many bytes."""
    while size > 0 and (document := next(iter(documents), None)) is not None:
        yield document
        size -= len(document.data)


def shares(source: FileSource, number: int, of: int, head: int) -> Iterator[list[tuple[int, Document]]]:
    """Every `of`-th share of the documents of a file beyond its first ones, numbered; raises Broken."""
    share: list[tuple[int, Document]] = []
    at = size = count = 0
    try:
        found = documents(source)
        before = sum(1 for _ in first(found, head))
        for place, document in enumerate(found, before):
            if at == number:
                share.append((place, document))
            count += 1
            size += len(document.data)
            if count == TOGETHER or size > TOGETHER_BYTES:
                if at == number:
                    yield share
                    share = []
                at, size, count = (at + 1) % of, 0, 0
    except Broken:
        yield share
        raise
    yield share


def main() -> None:
    """Read a task and then settings from standard input; write to standard output until the file ends.

    It ends by itself when nobody is at the other end any more.
    """
    # What anything else prints does not get among the rows.
    rows = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    with suppress(BrokenPipeError):
        _carry_out(pickle.load(sys.stdin.buffer), rows)
    # The thread that listens holds the input.
    os._exit(0)


def _carry_out(task: Task, rows: RawIOBase) -> None:
    preparer = Preparer(task)
    gc.freeze()
    settings: SimpleQueue[Setting] = SimpleQueue()
    Thread(target=_listen, args=(settings,), daemon=True).start()
    last = Some([], ended=True)
    buffer = bytearray()
    try:
        for share in shares(task.source, task.number, task.of, task.head):
            while not settings.empty():
                preparer.settle(settings.get())
            send(rows, Some([preparer.item(*one) for one in share]), buffer)
    except Broken as broken:
        last.broken = broken.problem
    except Invalid as error:
        last.failed = str(error)
    except BrokenPipeError:
        raise
    except Exception as error:
        last.failed = f"{type(error).__name__}: {error}"
    send(rows, last, buffer)


def _listen(settings: SimpleQueue[Setting]) -> None:
    try:
        while True:
            settings.put(pickle.load(sys.stdin.buffer))
    except (EOFError, OSError, pickle.UnpicklingError):
        # The other end is gone, whatever this one is doing.
        os._exit(1)


_encode_into = msgspec.msgpack.Encoder().encode_into
_decode = msgspec.msgpack.Decoder(Some).decode
_HEAD = struct.Struct("<Q")


def send(rows: RawIOBase, some: Some, buffer: bytearray) -> None:
    """Write items by way of a buffer, which is there to be used again; raises BrokenPipeError."""
    _encode_into(some, buffer, _HEAD.size)
    _HEAD.pack_into(buffer, 0, len(buffer) - _HEAD.size)
    with memoryview(buffer) as left:
        at = 0
        while at < len(left):
            at += rows.write(left[at:]) or 0


def receive(rows: RawIOBase, buffer: bytearray) -> Some | None:
    """Read items, likewise; None where whoever sends them has ended before its time."""
    head = bytearray(_HEAD.size)
    if not _filled(rows, memoryview(head)):
        return None
    (size,) = _HEAD.unpack(head)
    if len(buffer) < size:
        buffer.extend(bytes(size - len(buffer)))
    with memoryview(buffer)[:size] as place:
        return _decode(place) if _filled(rows, place) else None


def _filled(rows: RawIOBase, place: memoryview) -> bool:
    at = 0
    while at < len(place):
        count = rows.readinto(place[at:])
        if not count:
            return False
        at += count
    return True
