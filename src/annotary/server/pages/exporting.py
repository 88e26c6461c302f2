"""`/p/ID/export`, `/m/MODEL/RUN/export`: what is exported, in which format, with what lost; and the start."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from annotary.errors import AnnotaryError, Invalid, NotFound
from annotary.formats import load
from annotary.model.export import DETAILS, ExportFilters, ExportParams, ProjectScope, RunScope
from annotary.model.fields import fields_of
from annotary.operations.exports import StartExport
from annotary.operations.looking import CountMatching, DescribeLosses, PreviewExport
from annotary.operations.model_runs import GetModelRun
from annotary.operations.projects import FindBatches, GetProject
from annotary.server.pages import wanted
from annotary.server.pages.copying import copies_of
from annotary.server.pages.filtering import (
    LABEL_RULES,
    chips_of,
    filters_of,
    is_of_filter,
    labels_of,
    pairs_of,
    query_of,
    query_pairs,
)
from annotary.server.pages.shell import Asked, page, seen, shown
from annotary.server.service import Service

PREVIEWED = 1
"""So many rows are shown beforehand."""
SHOWN = 20_000
"""So many characters of them."""
LOOKED_AT = 2_000
"""So many rows are looked at for what would be lost."""


class Place(NamedTuple):
    """What is exported, and where its pages are."""

    scope: wanted.ExportScope
    value: Any
    address: str


def routes(service: Service) -> list[Route]:
    """The page, its parts that come later, and the start of an export."""
    found = []
    for root, place in (("/p/{project_id}", _project), ("/m/{model_id}/{run_id}", _run)):
        for path, view, method in (
            ("/export", form, "GET"),
            ("/export", start, "POST"),
            ("/export/{part}", part, "GET"),
        ):
            found.append(page(service, root + path, _at(place, view), methods=(method,)))
    return found


def _at(place: Any, view: Any) -> Any:
    return lambda asked: view(asked, place(asked))


def _project(asked: Asked) -> Place:
    project = asked.call(GetProject(project_id=asked.part("project_id")))
    return Place(ProjectScope(id=project.id), project, f"/p/{quote(project.id, safe='')}")


def _run(asked: Asked) -> Place:
    run = asked.call(GetModelRun(model_run_id=asked.part("run_id")))
    if run.model_id != asked.part("model_id"):
        raise NotFound(f"model {asked.part('model_id')!r} has no run {run.id!r}")
    address = f"/m/{quote(run.model_id, safe='')}/{quote(run.id, safe='')}"
    return Place(RunScope(id=run.id), run, address)


def form(asked: Asked, place: Place) -> Response:
    """The form of an export, with what is wrong about it, if anything."""
    params = asked.request.query_params
    filters, labels = filters_of(params), labels_of(params)
    narrowed = query_of(filters, labels)
    state = _state(asked, place)
    data = {"wanted": state["export"], "error": state["wrong"] or None}
    return shown(
        asked,
        "export.html",
        data,
        place=place,
        is_run=isinstance(place.scope, RunScope),
        families=wanted.formats(),
        narrowed=narrowed,
        filter_pairs=query_pairs(filters),
        chips=chips_of(filters, labels, batches=_batches(asked, place, filters)),
        others=urlencode([pair for pair in pairs_of(params) if pair[1] and not is_of_filter(pair[0])]),
        labels=labels,
        rules=LABEL_RULES,
        details=[field for field in fields_of(ExportParams) if field.name in DETAILS],
        given=dict(params),
        **state,
    )


def _batches(asked: Asked, place: Place, filters: ExportFilters) -> dict[str, str]:
    """The names of the project's batches, where the filter names any."""
    if not isinstance(filters.batch_ids, tuple):
        return {}
    return {batch.id: batch.name for batch in asked.call(FindBatches(project_id=place.scope.id))}


def _state(asked: Asked, place: Place) -> dict[str, Any]:
    """What follows from the form: the options of its format, the texts to copy, or what is wrong about it."""
    params = asked.request.query_params
    format, wrong = wanted.USUAL, ""
    request: StartExport | None = None
    try:
        format = wanted.format_of(params)
        request = wanted.request_of(params, place.scope)
    except Invalid as error:
        wrong = str(error)
    file = "" if request is None else wanted.file_of(request, place.value.name)
    query = "" if request is None else urlencode(list(wanted.wanted_pairs(request)), errors="surrogatepass")
    return {
        "form": load(format),
        "format": format,
        "same": load(format).shows_all or load(format).images,
        "controls": wanted.controls_of(params, format),
        "export": request,
        "file": file,
        "wrong": wrong,
        "wanted_query": query,
        "copies": request and copies_of(request, asked.engine.base_url, file),
    }


def part(asked: Asked, place: Place) -> Response:
    """A part of the page that comes later, or anew when the form changes."""
    name = asked.part("part")
    params = asked.request.query_params
    if name in ("state", "options"):
        return shown(asked, f"export_{name}.html", None, place=place, **_state(asked, place))
    if name == "count":
        filters = filters_of(params)
        return shown(
            asked, "export_count.html", asked.call(CountMatching(scope=place.scope, filters=filters))
        )
    request = wanted.request_of(params, place.scope)
    if name == "preview":
        return shown(asked, "export_preview.html", _preview(asked, request))
    if name == "losses":
        return shown(
            asked,
            "export_losses.html",
            _losses(asked, request),
            bare=wanted.is_archive(request.format, request.options) and "images" not in request.options,
        )
    raise NotFound(f"there is no part {name!r} of this page")


def _preview(asked: Asked, request: StartExport) -> dict[str, Any]:
    """The first record, or why there is none."""
    try:
        found = asked.call(
            PreviewExport(
                query=request.query, format=request.format, options=request.options, limit=PREVIEWED
            )
        )
    except AnnotaryError as error:
        return {"text": "", "error": str(error)}
    return {"text": _readable(found), "error": ""}


def _readable(text: str) -> str:
    """Text as it is, save that one JSON value is spread over lines."""
    try:
        return msgspec.json.format(text.strip(), indent=2)
    except msgspec.DecodeError:
        return text


def _losses(asked: Asked, request: StartExport) -> Any:
    return asked.call(
        DescribeLosses(query=request.query, format=request.format, options=request.options, limit=LOOKED_AT)
    )


def start(asked: Asked, place: Place) -> Response:
    """Queue the export that the address asks for, and go where its progress is."""
    request = wanted.request_of(asked.request.query_params, place.scope)
    task = asked.call(request)
    asked.service.wake()
    return seen(f"/exports/{quote(task.id, safe='')}")
