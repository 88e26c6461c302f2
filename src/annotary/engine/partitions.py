"""A stretch of an export, cut by key range: what is to be written of which rows, and the writing of it.

Versions are never overwritten, so whoever reads the rows of one sequence number reads the same ones: no
snapshot is held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path
from typing import NamedTuple, Protocol

from annotary.engine import label_rules, sinks
from annotary.engine.core import Engine
from annotary.engine.corpora import Selection
from annotary.engine.findings import Findings
from annotary.engine.sheet_parts import UNREAD, apart
from annotary.errors import Invalid
from annotary.formats import Options, Part, Prepare, TrainingOptions, load
from annotary.model.corpus import Corpus, Page, Section
from annotary.model.export import ExportParams, LabelRule
from annotary.model.image import Settled, Unsettled
from annotary.store.addresses import opened
from annotary.store.opening import Unopened
from annotary.store.places import Folder, Place, writing
from annotary.store.rows import Stretch


class Counts(Protocol):
    """What counts the rows, labels and annotations of an export."""

    done: int
    labels: int
    annotations: int


class Order(NamedTuple):
    """What is to be written, in words that another process understands.

    `images` is a folder where the images' own files are, for who writes data sets.
    """

    selection: Selection
    format: str
    options: Options
    labels: LabelRule
    params: ExportParams
    in_full: bool
    images: Path | None = None


class Goal(NamedTuple):
    """Where a stretch is to be kept: the address of a place, and the name it gets there.

    `near` is a folder that goes with the export, for what is written on the way to a place that is far.
    """

    place: str
    name: str
    near: Path | None = None


class Job(NamedTuple):
    """A stretch to be written; of which store, for whom.

    `goal`: the path of a file of this machine, a place, or the answer, where it is None.
    """

    order: Order
    stretch: Stretch
    goal: str | Goal | None
    store: str
    org: str
    base_url: str


@dataclass
class Written:
    """A stretch that was written: the paths and sizes of its parts in order, and what was counted.

    `data` are the parts themselves where they are not in a file, `sha256` is of the file in a place, and
    `findings` are what there is to tell of a data set.
    """

    parts: list[tuple[str, int]] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)
    sha256: str = ""
    findings: Findings = field(default_factory=Findings)
    done: int = 0
    labels: int = 0
    annotations: int = 0

    @property
    def size(self) -> int:
        """The bytes of all its parts."""
        return sum(size for _, size in self.parts)


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
    after = 1 if params.project_details else 0
    for page in pages:
        counts.done += len(page.rows)
        # Rows of a lean page that have one label have no number.
        single = page.rows if page.plain else [row for row in page.rows if row[0] is None]
        counts.labels += len(single) + len(page.flat)
        if in_full:
            place = -(after + (1 if page.plain else 2))
            counts.annotations += sum(_objects(row[place]) for row in single)
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


def parts_of(engine: Engine, order: Order, stretch: Stretch, counts: Counts) -> Iterator[Part]:
    """The parts of a stretch."""
    form = load(order.format)
    if form.prepare is not None:
        yield from _prepared(engine, order, stretch, counts, form.prepare)
        return
    assert form.apart is not None
    yield from form.apart.write(rows(engine, order, stretch, counts), order.options)


def rows(engine: Engine, order: Order, stretch: Stretch, counts: Counts) -> Corpus:
    """The rows of a stretch, which are counted."""
    corpus = order.selection.corpus(engine, between=stretch)

    def again() -> Iterable[Page]:
        pages = order.selection.corpus(engine, between=stretch).pages
        return pages if order.labels == "all" else label_rules.chosen(pages, order.labels, order.params)

    corpus = corpus._replace(again=again, pixels=lambda name: engine.store.blob(name))
    return chosen(corpus, counts, order.labels, order.params, in_full=order.in_full)


def _prepared(
    engine: Engine, order: Order, stretch: Stretch, counts: Counts, prepare: Prepare
) -> Iterator[Part]:
    """What a training format makes of a stretch by itself, whose rows count where they were read."""
    # Brings numpy, which other formats can do without.
    from annotary.engine.corpus_images import of_corpus

    counted = Written()
    corpus = rows(engine, order, stretch, counted)
    assert isinstance(order.options, TrainingOptions)
    found = of_corpus(engine, corpus, order.options, Findings(), None, sheets=order.options.sheets())
    for part in apart(found, prepare, order.options, stretch):
        yield part
        if part.path == UNREAD:
            return
    add(counts, counted)


def _data_set(engine: Engine, order: Order, stretch: Stretch, written: Written) -> Iterator[Part]:
    """The parts of a stretch as a data set by itself, whose classes are numbered as in those of all others.

    Raises Invalid.
    """
    # Brings numpy, which other formats can do without.
    from annotary.engine.corpus_images import of_corpus

    form, options = load(order.format), order.options
    assert form.write is not None and isinstance(options, TrainingOptions)
    corpus = rows(engine, order, stretch, written)
    found = of_corpus(engine, corpus, options, written.findings, order.images, sheets=options.sheets())
    try:
        yield from form.write(found._replace(classes=Settled(found.classes)), options)
    except Unsettled as error:
        raise Invalid(
            f"class {error.args[0]!r} is in no ontology of what is exported, so that its number would differ"
            " between parts; number it (class_index, --class-index), or export without parts"
        ) from None


def add(counts: Counts, more: Counts) -> None:
    """Count what was counted elsewhere."""
    counts.done += more.done
    counts.labels += more.labels
    counts.annotations += more.annotations


def to_file(parts: Iterable[Part], path: str, written: Written) -> Written:
    """Write the parts of a stretch to a new file, one behind the other, and note their sizes."""
    with open(path, "wb", buffering=0) as file:
        for part in parts:
            written.parts.append((part.path, sinks.put(file.write, part.data)))
    return written


def to_place(engine: Engine, order: Order, stretch: Stretch, goal: Goal, written: Written) -> Written:
    """Write a stretch to a file, which its place has when it is whole; none where there is nothing in it."""
    parts = (_data_set if load(order.format).images else parts_of)(engine, order, stretch, written)
    place = parts_place(goal.place)
    with writing(place, goal.near) as folder:
        path = folder / "part"
        with path.open("w+b") as file:
            if order.options.one_file():
                file.writelines(part.data for part in parts)
            else:
                sinks.zipped(sinks.without_links(parts, written.findings.notify), file)
            size = file.tell()
            file.seek(0)
            digest = file_digest(file, "sha256").hexdigest()
        # A data set is a file even if it has no images.
        if size and written.done:
            written.parts.append((goal.name, size))
            written.sha256 = digest
            place.take(goal.name, path, {})
    return written


def parts_place(address: str) -> Place:
    """The place at an address (s3://, file://) for the parts of an export. Raises Invalid, Missing."""
    place = opened(address)
    return Folder(place.root, ".") if isinstance(place, Folder) else place


@lru_cache(1)
def _engine(store: str, org: str, base_url: str) -> Engine:
    return Engine(Unopened(store, org), base_url=base_url)


def write_stretch(job: Job) -> Written:
    """Write a stretch: what other processes are asked to do."""
    written = Written()
    engine = _engine(job.store, job.org, job.base_url)
    if isinstance(job.goal, Goal):
        return to_place(engine, job.order, job.stretch, job.goal, written)
    parts = parts_of(engine, job.order, job.stretch, written)
    if job.goal is not None:
        return to_file(parts, job.goal, written)
    for part in parts:
        written.parts.append((part.path, len(part.data)))
        written.data.append(part.data)
    return written
