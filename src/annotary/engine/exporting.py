"""An export: query -> corpus -> parts; what is then done with the parts is the sink's."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from annotary.engine import label_rules, tasks
from annotary.engine.core import Engine, handles
from annotary.engine.corpora import catalog, corpus_of, selection
from annotary.engine.findings import Findings, refuse_losses
from annotary.engine.partitions import Order, Written, chosen, rows
from annotary.engine.sheet_parts import joined
from annotary.engine.splitting import checked
from annotary.engine.spreading import far_workers, spread, spread_files, workers
from annotary.errors import Invalid
from annotary.formats import Format, Part, TrainingOptions, load, names, options_of
from annotary.model import watching
from annotary.model.base import new_id
from annotary.model.corpus import Corpus, Page
from annotary.model.export import (
    DETAILS,
    ExportFilters,
    ExportQuery,
    ProjectScope,
    RunScope,
)
from annotary.model.image import Image
from annotary.model.program import version
from annotary.model.sheet import Prepared, Sheet
from annotary.model.task import Task
from annotary.operations.exports import StartExport
from annotary.operations.tasks import Job
from annotary.store.rows import Stretch

Files = Callable[[str], Generator[tuple[str, Written], None, None]]


@dataclass
class Export:
    """An export that has been set up: its parts may be read once.

    `cursor` is the sequence number it shows the state of; None where it spans several sequences.
    `done` counts rows as they go by, `written` bytes; `total` is how many rows there will be, where known.
    `annotations` counts only where counting was asked for. `lines` says that all is one file of JSON lines,
    `document` that it is one JSON document, `one_file` that it is one file. `about` is what a manifest says.
    `near` is a folder to keep stretches in that several processes write, from before the parts are read.
    `files` writes it as several files, of lines or each a data set, to the place at an address, where it can
    be written so.
    `settle` is called when the parts have been read, to the end or not.
    """

    format: Format
    parts: Iterator[Part]
    cursor: int | None
    total: int | None
    findings: Findings = field(default_factory=Findings)
    lines: bool = True
    document: bool = False
    one_file: bool = True
    about: dict[str, Any] = field(default_factory=dict)
    done: int = 0
    written: int = 0
    labels: int = 0
    annotations: int = 0
    near: Path | None = None
    files: Files | None = None
    settle: Callable[[], None] = lambda: None

    def taken(self) -> Generator[Part, None, None]:
        """The parts; whoever stops before their end lets go of the store at once."""
        try:
            yield from self.parts
        finally:
            # They count into this object, and so would wait for the collector of garbage.
            close = getattr(self.parts, "close", None)
            if close is not None:
                close()
            self.settle()

    @property
    def ending(self) -> str:
        """That of its one file, or of an archive of its files."""
        if not self.one_file:
            return ".zip"
        if self.lines:
            return ".ndjson"
        return ".json" if self.document else self.format.ending

    def counts(self) -> dict[str, int]:
        """What has gone by."""
        return {"rows": self.done, "labels": self.labels, "annotations": self.annotations}


def open_export(
    engine: Engine,
    request: StartExport,
    *,
    counted: bool = False,
    images: Path | None = None,
    among: tuple[str, ...] | None = None,
    executor: Executor | None = None,
) -> Export:
    """Set an export up: everything that can be wrong with it is found here. Raises Invalid, NotFound, Lossy.

    `images` is a folder where the images' own files are; by default they are where an import said.
    `among` are the ids of the only data rows to take. `executor` writes its stretches, elsewhere.
    """
    if request.strict:
        _check_losses(engine, request)
    form = load(request.format)
    if form.write is None:
        writers = [name for name in names() if load(name).write is not None]
        raise Invalid(
            f"{request.format} is a format to read, not to write; these write: {', '.join(writers)}"
        )
    options = options_of(request.format, request.options)
    query = _allowed(request.query)
    if among is not None:
        query = replace(query, filters=ExportFilters(data_row_ids=among))
    if form.shows_all:
        every = dict.fromkeys(DETAILS, True)
        query = replace(query, params=replace(query.params, **every))
    if isinstance(options, TrainingOptions):
        checked(options)
        grouped = bool(options.split_by) or query.params.metadata_fields
        query = replace(query, params=replace(query.params, metadata_fields=grouped, model_run_details=True))
    needed = replace(query, params=label_rules.params_for(query.labels, query.params))
    lean = options.lean() and isinstance(query.scope, ProjectScope) and query.labels == "all"
    selected = selection(engine, needed, lean=lean)
    if selected is None:
        corpus, cursor = catalog(engine, needed), None
    else:
        corpus, cursor = selected.corpus(engine, counted=counted), selected.at.sequence
    export = Export(
        form,
        iter(()),
        cursor,
        corpus.rows,
        lines=form.writes_lines(options),
        document=options.document(),
        one_file=options.one_file(),
        about=_about(request, cursor),
        settle=engine.store.database.settle,
    )

    def again() -> Iterable[Page]:
        state = UNSET if cursor is None else cursor
        pages = corpus_of(engine, replace(needed, as_of=state)).pages
        return pages if query.labels == "all" else label_rules.chosen(pages, query.labels, query.params)

    corpus = chosen(corpus, export, query.labels, query.params, in_full=counted)
    corpus = corpus._replace(again=again, pixels=engine.store.blob)
    order = None
    if selected is not None and among is None and options.in_stretches():
        there = None if images is None else images.absolute()
        order = Order(selected, request.format, options, query.labels, query.params, counted, there)
    _check_far(engine, form, order, executor)
    share = _share(engine, export, order, request.workers, executor)
    _write(engine, export, corpus, options, images, share and order, share)
    return export


Share = Callable[[], Generator[Part, None, None]]
"""Begins to have an export written by several processes; gives the parts of its stretches."""


def _share(
    engine: Engine, export: Export, order: Order | None, wanted: int | None, executor: Executor | None
) -> Share | None:
    """How an export is spread over several processes; None where one writes it. Raises Invalid."""
    if executor is None:
        lean = order is not None and order.selection.lean
        count = workers(wanted, export.total, copied=lean, sqlite=engine.store.database.is_sqlite)
    else:
        count = far_workers(wanted) + 1
    if order is None:
        return None
    if export.format.images or (export.format.apart is not None and export.lines):
        export.files = partial(spread_files, engine, order, export, count, executor, export.ending)
    return partial(spread, engine, order, export, count, lambda: export.near, executor) if count > 1 else None


def _write(
    engine: Engine,
    export: Export,
    corpus: Corpus,
    options: Any,
    images: Path | None,
    order: Order | None,
    share: Share | None,
) -> None:
    """Set the parts of an export up; what is shared, several processes write where its format allows it."""
    form = export.format
    assert form.write is not None
    if isinstance(options, TrainingOptions):
        # Brings numpy, which other formats can do without.
        from annotary.engine.corpus_images import of_corpus

        spread, sheets = None, options.sheets()
        if order and share and form.prepare is not None:
            spread = partial(_prepared, engine, export, order, share, sheets)
        found = of_corpus(engine, corpus, options, export.findings, images, spread, sheets=sheets)
        export.parts = form.write(found, options)
    elif share and form.apart:
        export.parts = form.apart.join(share(), options)
    else:
        export.parts = form.write(corpus, options)


def _prepared(
    engine: Engine, export: Export, order: Order, share: Share, sheets: bool
) -> Iterator[Sheet | Prepared | Image]:
    """The rows of a training export that several processes read."""
    from annotary.engine.corpus_images import rows_of

    def read(stretch: Stretch, is_counted: bool) -> Iterator[Sheet | Image]:
        return rows_of(rows(engine, order, stretch, export if is_counted else Written()), sheets=sheets)

    return joined(share(), read)


def _check_far(engine: Engine, form: Format, order: Order | None, executor: Executor | None) -> None:
    """Raises Invalid where an export is to be written elsewhere and cannot be."""
    if executor is None:
        return
    if engine.store.database.is_sqlite:
        raise Invalid("a store in a folder is for one machine; others need one in PostgreSQL: annotary copy")
    if not form.in_stretches():
        able = ", ".join(name for name in names() if load(name).in_stretches())
        raise Invalid(f"{form.title} is written by one process; leave the scheduler out, or write {able}")
    if order is None:
        raise Invalid(
            "only exports of all that is selected in a project or model run, without stratify and without"
            " pictures of masks (masks), are written in stretches; leave the scheduler out"
        )


def open_corpus(engine: Engine, query: ExportQuery, *, watched: bool = True) -> Corpus:
    """The rows a query selects, with the labels its rule leaves, for whoever only reads them.

    Where the call is `watched`, its rows are told of as they are done. Raises Invalid, NotFound.
    """
    params = label_rules.params_for(query.labels, query.params)
    watcher = watching.watcher() if watched else None
    corpus = corpus_of(engine, replace(_allowed(query), params=params), counted=watcher is not None)
    pages = corpus.pages if watcher is None else watching.told(corpus.pages, corpus.rows, watcher)
    if query.labels != "all":
        pages = label_rules.chosen(pages, query.labels, query.params)
    return corpus._replace(pages=pages, pixels=engine.store.blob)


def _allowed(query: ExportQuery) -> ExportQuery:
    if isinstance(query.scope, RunScope) and query.filters.any():
        raise Invalid("a model run's export takes no filters; filter its project")
    return query


def _check_losses(engine: Engine, request: StartExport) -> None:
    """Write the export to nowhere; raises Lossy with what would be lost."""
    trial = open_export(engine, replace(request, strict=False))
    for _ in trial.parts:
        pass
    refuse_losses(trial.findings.ledger)


def _about(request: StartExport, cursor: int | None) -> dict[str, Any]:
    """What an export was asked for, as its manifest has it."""
    return {
        "annotary": version(),
        "format": request.format,
        "options": request.options,
        "query": msgspec.to_builtins(request.query),
        "cursor": cursor,
    }


@handles(StartExport)
def start_export(engine: Engine, request: StartExport) -> Task:
    """Check an export and queue it; an embedded client reads the parts itself."""
    export = open_export(engine, request)
    name = request.name or f"Export {request.format}"
    if engine.queued:
        if export.cursor is not None:
            # What is exported is the state of now, whenever a worker comes to it.
            request = replace(request, query=replace(request.query, as_of=export.cursor))
        known = {"result": {"cursor": export.cursor}}
        return tasks.queue(engine, Job(export=request), name=name, type="export-data-rows", **known)
    now = engine.now()
    return Task(
        id=new_id(),
        name=name,
        type="export-data-rows",
        status="COMPLETE",
        created_at=now,
        updated_at=now,
        completion_percentage=100,
        created_by=engine.user.email,
    )
