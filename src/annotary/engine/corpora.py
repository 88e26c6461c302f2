"""What a query selects: the rows of one project or run, or of the catalog, with what is shown of them."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from annotary.engine.core import Engine
from annotary.errors import Invalid, NotFound
from annotary.model.carried import typed
from annotary.model.corpus import Corpus, Shown
from annotary.model.export import (
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
from annotary.model.ontology import Normalized, Ontology
from annotary.model.project import Dataset, Model, ModelRun, Project, Slice
from annotary.store import rows
from annotary.store.filters import FOREVER, At, Condition
from annotary.store.rows import Stretch


class Selection(NamedTuple):
    """Rows of one project or run at one sequence number: what another process needs to read the same ones."""

    at: At
    shown: Shown
    params: ExportParams
    filters: ExportFilters
    since: int | None
    lean: bool

    def corpus(self, engine: Engine, *, counted: bool = False, between: Stretch | None = None) -> Corpus:
        """The rows, or those of a stretch."""
        pages = rows.pages(
            engine.reader,
            self.at,
            self.params,
            self.filters,
            since=self.since,
            predictions=self.shown.kind == "model_run",
            lean=self.lean,
            between=between,
        )
        return Corpus(
            shown=(self.shown,),
            single=True,
            params=self.params,
            pages=pages,
            base_url=engine.base_url,
            rows=rows.count(engine.reader, self.at, self.filters, self.since) if counted else None,
            lean=self.lean,
        )


def corpus_of(engine: Engine, query: ExportQuery, *, counted: bool = False) -> Corpus:
    """The rows that a query selects, and how many these are where that is asked; raises Invalid, NotFound."""
    found = selection(engine, query)
    return catalog(engine, query) if found is None else found.corpus(engine, counted=counted)


def selection(engine: Engine, query: ExportQuery, *, lean: bool = False) -> Selection | None:
    """The rows that a query selects in its project or run; None where it is of the catalog."""
    match query.scope:
        case ProjectScope(id=id):
            engine.store.get(Project, id)
            return _selection(engine, query, "project", id, lean=lean)
        case RunScope(id=id):
            engine.store.get(ModelRun, id)
            return _selection(engine, query, "model_run", id, lean=False)
        case _:
            return None


def _selection(engine: Engine, query: ExportQuery, kind: str, id: str, *, lean: bool) -> Selection:
    as_of = query.as_of if isinstance(query.as_of, int) else None
    since = query.since if isinstance(query.since, int) else None
    at, name, ontology = engine.store.at(kind, id, as_of)
    if since is not None and since > at.sequence:
        raise Invalid(f"since: {since} is ahead of this {kind}'s sequence, which stands at {at.sequence}")
    if isinstance(query.filters.batch_ids, tuple) and kind != "project":
        raise Invalid("batch_ids filter projects only")
    if kind == "project":
        params = replace(query.params, model_run_details=False, predictions=False)
    else:
        unsaid = dict.fromkeys(("project_details", "label_details", "performance_details"), False)
        params = replace(query.params, **unsaid)
    return Selection(at, _shown(engine, kind, id, name, ontology), params, query.filters, since, lean)


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


def catalog(engine: Engine, query: ExportQuery) -> Corpus:
    """Data rows whatever projects they are in; the parameters say which of those are shown.

    Raises Invalid, NotFound.
    """
    if isinstance(query.scope, SliceScope):
        query = sliced(engine, query, query.scope.id)
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
        pages=rows.catalog_pages(
            engine.reader, where, ats, query.params, predictions=query.params.predictions
        ),
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
