"""Looking at rows before they are exported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from typing import Any

from msgspec import UNSET, convert
from msgspec.structs import replace

from annotary.engine.cards import card
from annotary.engine.core import Engine, handles
from annotary.engine.corpora import corpus_of
from annotary.engine.exporting import open_export
from annotary.engine.pictures import told, weighed
from annotary.errors import AnnotaryError, NotFound
from annotary.formats import load, options_of
from annotary.model.carried import typed
from annotary.model.export import (
    DETAILS,
    ExportFilters,
    ExportParams,
    ExportQuery,
    ProjectScope,
    RunScope,
)
from annotary.model.ontology import Normalized
from annotary.model.project import Batch, Project
from annotary.operations.exports import StartExport
from annotary.operations.looking import (
    BatchRows,
    ClassRows,
    CountDays,
    CountMatching,
    Day,
    DescribeLosses,
    Facets,
    FindFacets,
    FindRows,
    GetRow,
    KindRows,
    Looked,
    Losses,
    Matching,
    PreviewExport,
    Relaxed,
    RelaxFilters,
    RowsPage,
    RowView,
    StatusRows,
)
from annotary.store import Store, lookup
from annotary.store.filters import At
from annotary.store.looking import around as rows_around
from annotary.store.looking import days_of, position, walked

PREVIEW = 20_000
"""So many characters of an export are shown beforehand."""
LISTED = {
    "class": "class_names",
    "kind": "kinds",
    "batch_id": "batch_ids",
    "data_row_id": "data_row_ids",
    "global_key": "global_keys",
    "external_id": "external_ids",
}
"""Filters that are lists: the name of one value, and the field."""
ALONE = ("last_activity_at", "label_created_at", "workflow_status", "no_objects")


def _at(engine: Engine, scope: Looked) -> tuple[At, str]:
    """Where a scope stands now, and its ontology; raises NotFound."""
    kind = "project" if isinstance(scope, ProjectScope) else "model_run"
    at, _, ontology = engine.store.at(kind, scope.id)
    return at, ontology


def _key(engine: Engine, id: str | None) -> int | None:
    """The key of a data row; raises NotFound."""
    if id is None:
        return None
    found = engine.store.data_rows_by("id", [id])
    if id not in found:
        raise NotFound(f"no data row {id!r}")
    return found[id].n


def _ids(engine: Engine, keys: list[int]) -> list[str]:
    with engine.store.reading() as connection:
        found = lookup.ids_of(connection, keys)
    return [found[key] for key in keys]


def _everything(scope: Looked) -> ExportParams:
    every = convert(dict.fromkeys(DETAILS, True), ExportParams)
    return (
        every if isinstance(scope, ProjectScope) else replace(every, predictions=True, model_run_details=True)
    )


WARMED = 8
"""So many of the latest projects and runs are made ready when a server starts."""


def warm(store: Store) -> None:
    """Make the latest projects' rows ready to be looked at, so that who asks first does not wait for it."""
    with suppress(AnnotaryError):
        with store.reading() as connection:
            found = lookup.scopes(connection)[-WARMED:]
        for org, kind, id in reversed(found):
            mine = store.seen_as(org)
            with suppress(NotFound):  # it has just been deleted
                at, _, _ = mine.at(kind, id)
                with mine.looking(at):
                    pass


@handles(FindRows)
def find_rows(engine: Engine, request: FindRows) -> RowsPage:
    """A page of rows; raises NotFound."""
    at, _ = _at(engine, request.scope)
    after, before = _key(engine, request.after), _key(engine, request.before)
    # One more than asked for tells whether there is a next page.
    if request.filters.any():
        with engine.store.looking(at) as look:
            around = partial(rows_around, look.passing(request.filters))
        keys = around(after=after, before=before, limit=request.limit + 1)
    else:
        # As soon as the server runs, and whatever has just changed.
        around = partial(walked, engine.store.database, at)
        keys = around(after=after, before=before, limit=request.limit + 1)
    more = len(keys) > request.limit
    if before is not None:
        keys = keys[-request.limit :]
        first, last = not more, False
    else:
        keys = keys[: request.limit]
        first, last = after is None, not more
    if not keys:
        return RowsPage(rows=(), next=None, previous=None)
    if after is not None and not first:
        first = not around(before=keys[0], limit=1)
    ids = _ids(engine, keys)
    return RowsPage(
        rows=tuple(_cards(engine, request.scope, tuple(ids))),
        next=None if last else ids[-1],
        previous=None if first else ids[0],
    )


def _cards(engine: Engine, scope: Looked, ids: tuple[str, ...]) -> Iterator[Any]:
    params = ExportParams(project_details=True, predictions=isinstance(scope, RunScope))
    query = ExportQuery(scope=scope, filters=ExportFilters(data_row_ids=ids), params=params)
    corpus = corpus_of(engine, query)
    for page in corpus.pages:
        (part,) = page.parts
        for row in page.rows:
            yield card(row, part.labels.get(row[0], []), part.predictions.get(row[0], []), engine.store.blob)


@handles(CountMatching)
def count_matching(engine: Engine, request: CountMatching) -> Matching:
    """How many rows a filter leaves; raises NotFound."""
    at, _ = _at(engine, request.scope)
    with engine.store.looking(at) as look:
        return Matching(rows=len(look.passing(request.filters)), of=len(look.rows.all))


@handles(FindFacets)
def find_facets(engine: Engine, request: FindFacets) -> Facets:
    """What else could be filtered for; raises NotFound."""
    at, _ = _at(engine, request.scope)
    with engine.store.looking(at) as look:

        def others(name: str) -> Any:
            return look.passing(replace(request.filters, **{name: UNSET}))

        classes = look.shown(others("class_names")).classes
        kinds = look.shown(others("kinds")).kinds
        undrawn = look.shown(others("no_objects")).undrawn
        statuses = look.statuses(others("workflow_status"))
        batches = look.batches(others("batch_ids"))
    is_project = isinstance(request.scope, ProjectScope)
    names = (
        {one.id: one.name for one in engine.store.find(Batch, parent=request.scope.id)} if is_project else {}
    )
    return Facets(
        classes=tuple(
            ClassRows(name=name, kind=", ".join(drawn), rows=rows)
            for name, (rows, drawn) in sorted(classes.items(), key=lambda one: (-one[1][0], one[0]))
        ),
        kinds=tuple(KindRows(kind=kind, rows=rows) for kind, rows in sorted(kinds.items())),
        statuses=tuple(StatusRows(status=one, rows=rows) for one, rows in sorted(statuses.items()) if one),
        batches=tuple(
            BatchRows(id=id, name=names.get(id, id), rows=rows) for id, rows in sorted(batches.items()) if id
        ),
        no_objects=undrawn,
    )


@handles(RelaxFilters)
def relax_filters(engine: Engine, request: RelaxFilters) -> list[Relaxed]:
    """The rows that would be left without each part of a filter; raises NotFound."""
    at, _ = _at(engine, request.scope)
    with engine.store.looking(at) as look:
        return [
            Relaxed(filter=name, value=value, rows=len(look.passing(left)))
            for name, value, left in _parts(request.filters)
        ]


def _parts(filters: ExportFilters) -> Iterator[tuple[str, str | None, ExportFilters]]:
    for name in ALONE:
        if getattr(filters, name) is not UNSET:
            yield name, None, replace(filters, **{name: UNSET})
    for name, field in LISTED.items():
        given = getattr(filters, field)
        for value in given if isinstance(given, tuple) else ():
            others = tuple(one for one in given if one != value)
            yield name, value, replace(filters, **{field: others or UNSET})


@handles(GetRow)
def get_row(engine: Engine, request: GetRow) -> RowView:
    """One row with all that is known of it; raises NotFound."""
    at, ontology = _at(engine, request.scope)
    key = _key(engine, request.data_row_id)
    assert key is not None
    row = _record(engine, request.scope, request.data_row_id)
    with engine.store.looking(at) as look:
        rows = look.passing(request.filters)
    before, after = rows_around(rows, before=key, limit=1), rows_around(rows, after=key, limit=1)
    ids = dict(zip([*before, *after], _ids(engine, [*before, *after]), strict=True))
    tools = typed(ontology, Normalized).tools
    return RowView(
        row=row,
        project=engine.store.get(Project, request.scope.id)
        if isinstance(request.scope, ProjectScope)
        else None,
        colours={tool.name: tool.color or "" for tool in tools},
        previous=ids[before[0]] if before else None,
        next=ids[after[0]] if after else None,
        position=position(rows, key),
        of=len(rows),
        image=told(engine, request.data_row_id),
    )


def _record(engine: Engine, scope: Looked, id: str) -> dict[str, Any]:
    """A row as export v2 shows it."""
    filters = ExportFilters(data_row_ids=(id,))
    query = ExportQuery(scope=scope, filters=filters, params=_everything(scope))
    corpus = corpus_of(engine, query)
    form = load("labelbox-v2")
    assert form.write is not None
    text = b"".join(part.data for part in form.write(corpus, options_of("labelbox-v2", {})))
    if not text:
        raise NotFound(
            f"no data row {id!r} in this {'project' if isinstance(scope, ProjectScope) else 'model run'}"
        )
    record: dict[str, Any] = json.loads(text)
    return record


@handles(PreviewExport)
def preview_export(engine: Engine, request: PreviewExport) -> str:
    """The beginning of an export; raises Invalid, NotFound."""
    export = open_export(engine, _started(request), among=_first(engine, request.query, request.limit)[0])
    text, shown = "", None
    with closing(export.taken()) as parts:
        for part in parts:
            if part.path != shown and part.path:
                text += f"{'' if shown is None else chr(10)}{part.path}\n"
            shown = part.path
            text += part.data[:PREVIEW].decode("utf-8", "replace") if _is_text(part.data) else "(a picture)\n"
            if len(text) >= PREVIEW:
                break
    return text[:PREVIEW]


def _is_text(data: bytes) -> bool:
    return b"\0" not in data[:1000]


@handles(DescribeLosses)
def describe_losses(engine: Engine, request: DescribeLosses) -> Losses:
    """What an export would lose, by its first rows; raises Invalid, NotFound."""
    ids, of = _first(engine, request.query, request.limit)
    asked, pictures = _started(request), None
    if ids is not None and load(request.format).images and request.options.get("images") == "copy":
        pictures = weighed(engine, ids)
        linked = {**request.options, "images": "link"}
        if not options_of(request.format, linked).one_file():
            # The same files; the pictures need not be read for it.
            asked = replace(asked, options=linked)
    export = open_export(engine, asked, among=ids)
    for _ in export.parts:
        pass
    losses = export.findings.ledger.document()
    return Losses(rows=export.done, of=of or export.done, losses=losses, pictures=pictures)


def _started(request: PreviewExport | DescribeLosses) -> StartExport:
    return StartExport(query=request.query, format=request.format, options=request.options)


def _first(engine: Engine, query: ExportQuery, limit: int) -> tuple[tuple[str, ...] | None, int]:
    """The ids of the first rows of a project's or run's export, and how many there are; else None."""
    if not isinstance(query.scope, ProjectScope | RunScope):
        return None, 0
    at, _ = _at(engine, query.scope)
    with engine.store.looking(at) as look:
        rows = look.passing(query.filters)
    return tuple(_ids(engine, rows_around(rows, limit=limit))), len(rows)


@handles(CountDays)
def count_days(engine: Engine, request: CountDays) -> list[Day]:
    """Labels by the day of their making; raises NotFound."""
    at, _ = _at(engine, ProjectScope(id=request.project_id))
    found = days_of(engine.store.database, at, request.limit)
    return [Day(day=day, labels=labels) for day, labels in found]
