"""An export: query -> corpus -> parts; what is then done with the parts is the sink's."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from annotary.engine import label_rules, tasks
from annotary.engine.core import Engine, handles
from annotary.engine.findings import Findings
from annotary.engine.image_sets import of_corpus
from annotary.engine.masks import blob
from annotary.engine.splitting import checked
from annotary.errors import Invalid, Lossy, NotFound
from annotary.formats import Format, Part, TrainingOptions, load, names, options_of
from annotary.model.base import new_id
from annotary.model.carried import typed
from annotary.model.corpus import Corpus, Page, Section, Shown
from annotary.model.export import (
    DETAILS,
    OF_PROJECTS,
    CatalogScope,
    DatasetScope,
    ExportFilters,
    ExportParams,
    ExportQuery,
    ProjectScope,
    Range,
    RowsScope,
    RunScope,
    SliceScope,
)
from annotary.model.ledger import Ledger
from annotary.model.ontology import Normalized, Ontology
from annotary.model.project import Dataset, Model, ModelRun, Project, Slice
from annotary.model.task import Task
from annotary.operations.exports import StartExport
from annotary.operations.tasks import Job
from annotary.store.filters import At, Condition
from annotary.store.schema import FOREVER


@dataclass
class Export:
    """An export that has been set up: its parts may be read once.

    `cursor` is the sequence number it shows the state of; None where it spans several sequences.
    `done` counts rows as they go by, `written` bytes; `total` is how many rows there will be, where known.
    `annotations` counts only where counting was asked for. `lines` says that all is one file of JSON lines,
    `document` that it is one JSON document, `one_file` that it is one file. `about` is what a manifest says.
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

    def taken(self) -> Generator[Part, None, None]:
        """The parts; whoever stops before their end lets go of the store at once."""
        try:
            yield from self.parts
        finally:
            # They count into this object, and so would wait for the collector of garbage.
            close = getattr(self.parts, "close", None)
            if close is not None:
                close()

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
) -> Export:
    """Set an export up: everything that can be wrong with it is found here. Raises Invalid, NotFound, Lossy.

    `images` is a folder where the images' own files are; by default they are where an import said.
    `among` are the ids of the only data rows to take.
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
    corpus, cursor = corpus_of(engine, needed, counted=counted, lean=lean)
    export = Export(
        form,
        iter(()),
        cursor,
        corpus.rows,
        lines=form.writes_lines(options),
        document=options.document(),
        one_file=options.one_file(),
        about=_about(request, cursor),
    )

    def chosen(pages: Iterable[Page]) -> Iterable[Page]:
        return label_rules.chosen(pages, query.labels, query.params) if query.labels != "all" else pages

    def again() -> Iterable[Page]:
        state = UNSET if cursor is None else cursor
        return chosen(corpus_of(engine, replace(needed, as_of=state), counted=False)[0].pages)

    pages = _counted(chosen(corpus.pages), export, needed.params, in_full=counted)
    corpus = corpus._replace(
        pages=pages, params=query.params, again=again, pixels=lambda name: blob(engine, name)
    )
    if isinstance(options, TrainingOptions):
        found = of_corpus(engine, corpus, options, export.findings, images)
        export.parts = form.write(found, options)
    else:
        export.parts = form.write(corpus, options)
    return export


def open_corpus(engine: Engine, query: ExportQuery) -> Corpus:
    """The rows a query selects, with the labels its rule leaves, for whoever only reads them.

    Raises Invalid, NotFound.
    """
    params = label_rules.params_for(query.labels, query.params)
    corpus, _ = corpus_of(engine, replace(_allowed(query), params=params), counted=False)
    pages = corpus.pages
    if query.labels != "all":
        pages = label_rules.chosen(pages, query.labels, query.params)
    return corpus._replace(pages=pages, pixels=lambda name: blob(engine, name))


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


def refuse_losses(ledger: Ledger) -> None:
    """Raises Lossy where the ledger has any loss."""
    losses = ledger.losses
    if losses:
        first = losses[0]
        more = f" (and {len(losses) - 1} other losses)" if len(losses) > 1 else ""
        raise Lossy(
            f"nothing was written: {first.count:,} {first.kind} would be {first.action}: {first.reason},"
            f" such as {first.ids[0]}{more}; leave --strict out to accept that",
            ledger.document(),
        )


def _about(request: StartExport, cursor: int | None) -> dict[str, Any]:
    """What an export was asked for, as its manifest has it."""
    return {
        "annotary": version("annotary"),
        "format": request.format,
        "options": request.options,
        "query": msgspec.to_builtins(request.query),
        "cursor": cursor,
    }


def _counted(pages: Iterable[Page], export: Export, params: ExportParams, *, in_full: bool) -> Iterator[Page]:
    lean_annotations = -3 if params.project_details else -2
    for page in pages:
        export.done += len(page.rows)
        # Rows of a lean page that have one label have no number.
        export.labels += [row[0] for row in page.rows].count(None) + len(page.flat)
        if in_full:
            export.annotations += sum(_objects(row[lean_annotations]) for row in page.rows if row[0] is None)
            export.annotations += sum(_objects(label[-1]) for label in page.flat)
        for part in page.parts:
            export.labels += sum(map(len, part.labels.values()))
            if in_full:
                for labels in (*part.labels.values(), *part.predictions.values()):
                    export.annotations += sum(_objects(label[_ANNOTATIONS]) for label in labels)
        yield page


def _objects(text: bytes) -> int:
    """How many objects annotations have: each has its kind in it; relationships stand there a second time."""
    return int(text.count(_KIND, 0, text.rfind(_RELATIONSHIPS)))


_ANNOTATIONS = Section._fields.index("annotations")
_KIND, _RELATIONSHIPS = b'"annotation_kind":', b',"relationships":['


def corpus_of(
    engine: Engine, query: ExportQuery, *, counted: bool, lean: bool = False
) -> tuple[Corpus, int | None]:
    """The rows that a query selects, and the sequence number whose state they are of."""
    match query.scope:
        case ProjectScope(id=id):
            engine.store.get(Project, id)
            return _single(engine, query, "project", id, counted=counted, lean=lean)
        case RunScope(id=id):
            engine.store.get(ModelRun, id)
            return _single(engine, query, "model_run", id, counted=counted)
        case SliceScope(id=id):
            return _catalog(engine, sliced(engine, query, id)), None
        case DatasetScope() | RowsScope() | CatalogScope():
            return _catalog(engine, query), None


def _single(
    engine: Engine, query: ExportQuery, kind: str, id: str, *, counted: bool, lean: bool = False
) -> tuple[Corpus, int]:
    as_of = query.as_of if isinstance(query.as_of, int) else None
    since = query.since if isinstance(query.since, int) else None
    at, name, ontology = engine.store.at(kind, id, as_of)
    if since is not None and since > at.sequence:
        raise Invalid(f"since: {since} is ahead of this {kind}'s sequence, which stands at {at.sequence}")
    if isinstance(query.filters.batch_ids, tuple) and kind != "project":
        raise Invalid("batch_ids filter projects only")
    params = query.params
    if kind == "project":
        params = replace(params, model_run_details=False, predictions=False)
    else:
        params = replace(params, project_details=False, label_details=False, performance_details=False)
    pages = engine.store.rows(
        at, params, query.filters, since=since, predictions=kind == "model_run", lean=lean
    )
    total = engine.store.count(at, query.filters, since) if counted else None
    corpus = Corpus(
        shown=(_shown(engine, kind, id, name, ontology),),
        single=True,
        params=params,
        pages=pages,
        base_url=engine.base_url,
        rows=total,
        lean=lean,
    )
    return corpus, at.sequence


def _shown(engine: Engine, kind: str, id: str, name: str, ontology: str) -> Shown:
    model_id = model_name = ""
    if kind == "model_run":
        model = engine.store.get(Model, engine.store.get(ModelRun, id).model_id)
        model_id, model_name = model.id, model.name
    then = Ontology(id="", name=name, created_at="", updated_at="", normalized=typed(ontology, Normalized))
    return Shown(kind, id, name, model_id, model_name, then)


def sliced(engine: Engine, query: ExportQuery, id: str) -> ExportQuery:
    """What a slice's query comes to: its own filters on a dataset or on the whole catalog."""
    if query.filters.any():
        raise Invalid("a slice has filters of its own; export the catalog to give others")
    saved = engine.store.get(Slice, id)
    scope = CatalogScope() if saved.dataset_id is None else DatasetScope(id=saved.dataset_id)
    return replace(query, scope=scope, filters=saved.filters)


def _catalog(engine: Engine, query: ExportQuery) -> Corpus:
    """Data rows whatever projects they are in; the parameters say which of those are shown."""
    if query.since is not UNSET or query.as_of is not UNSET:
        raise Invalid("since and as_of follow one project's or model run's changes; export that")
    for name in OF_PROJECTS:
        if getattr(query.filters, name) is not UNSET:
            raise Invalid(f"{name} filters projects only")
    where = catalog_rows(engine, query)
    shown: list[Shown] = []
    ats: list[At] = []
    for kind, id in _asked(engine, query.params):
        at, name, ontology = engine.store.at(kind, id)
        ats.append(at)
        shown.append(_shown(engine, kind, id, name, ontology))
    return Corpus(
        shown=tuple(shown),
        single=False,
        params=query.params,
        pages=engine.store.catalog(where, ats, query.params, predictions=query.params.predictions),
        base_url=engine.base_url,
    )


def _asked(engine: Engine, params: ExportParams) -> list[tuple[str, str]]:
    projects = list(params.project_ids)
    runs = list(params.model_run_ids)
    if params.all_projects:
        projects = [project.id for project in engine.store.find(Project, limit=100_000)]
    if params.all_model_runs:
        runs = [run.id for run in engine.store.find(ModelRun, limit=100_000)]
    for id in projects:
        engine.store.get(Project, id)
    for id in runs:
        engine.store.get(ModelRun, id)
    return [("project", id) for id in projects] + [("model_run", id) for id in runs]


def catalog_rows(engine: Engine, query: ExportQuery) -> Condition:
    """Which data rows (`d`) a query of the catalog selects; raises NotFound."""
    sql = "d.org = ? AND d.dataset <> ''"
    values: list[Any] = [engine.store.org]
    if isinstance(query.scope, DatasetScope):
        engine.store.get(Dataset, query.scope.id)
        sql += " AND d.dataset = ?"
        values.append(query.scope.id)
    elif isinstance(query.scope, RowsScope):
        _all_there(engine, query.scope)
    named = (
        ("id", getattr(query.scope, "ids", ()) or query.filters.data_row_ids),
        ("global_key", getattr(query.scope, "global_keys", ()) or query.filters.global_keys),
        ("external_id", query.filters.external_ids),
    )
    for column, wanted in named:
        if isinstance(wanted, tuple) and wanted:
            sql += f" AND d.{column} IN ({','.join('?' * len(wanted))})"
            values += wanted
    for given, exists in (
        (
            query.filters.last_activity_at,
            "rows x WHERE x.data_row = d.n AND x.deleted = 0 AND {0} AND x.activity",
        ),
        (query.filters.label_created_at, "labels x WHERE x.data_row = d.n AND {0} AND x.created_at"),
    ):
        if isinstance(given, Range):
            low, high = given.start or "", given.end or "~"
            sql += f" AND EXISTS (SELECT 1 FROM {exists.format(f'x.until = {FOREVER}')} BETWEEN ? AND ?)"
            values += [low, high]
    return Condition(sql, tuple(values))


def _all_there(engine: Engine, scope: RowsScope) -> None:
    if bool(scope.ids) == bool(scope.global_keys):
        raise Invalid("give either data row ids or global keys")
    named: tuple[tuple[Literal["id", "global_key"], tuple[str, ...]], ...]
    named = (("id", scope.ids), ("global_key", scope.global_keys))
    for column, wanted in named:
        missing = sorted(set(wanted) - set(engine.store.data_rows_by(column, wanted)))
        if missing:
            raise NotFound(f"no data row with {column} {missing[0]!r}")


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
