"""`/p/ID/rows/ROW`: a data row with its image and all that was drawn on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from markupsafe import Markup
from starlette.responses import Response
from starlette.routing import Route

from annotary.model.export import ProjectScope
from annotary.model.project import ModelRun
from annotary.operations.looking import GetRow, RowView
from annotary.operations.model_runs import FindModelRuns
from annotary.server.pages import drawing, rendering
from annotary.server.pages.filtering import filters_of, labels_of, query_of
from annotary.server.pages.shell import Asked, page, shown
from annotary.server.service import Service

Json = dict[str, Any]


def routes(service: Service) -> list[Route]:
    """`/p/ID/rows/ROW`."""
    return [page(service, "/p/{project_id}/rows/{row_id}", row)]


def row(asked: Asked) -> Response:
    """A row of a project, with its neighbours inside the filter."""
    project_id = asked.part("project_id")
    filters = filters_of(asked.request.query_params)
    found = asked.call(
        GetRow(scope=ProjectScope(id=project_id), data_row_id=asked.part("row_id"), filters=filters)
    )
    query = query_of(filters, labels_of(asked.request.query_params))
    place = f"/p/{quote(project_id, safe='')}"
    more = f"?{query}" if query else ""
    name = found.project.name if found.project is not None else project_id
    crumbs = [(name, place + more), ("Rows", f"{place}/rows{more}")]
    runs: list[ModelRun] = asked.call(FindModelRuns(data_row_id=asked.part("row_id")))
    return viewed(asked, found, place=f"{place}/rows", query=query, crumbs=crumbs, runs=runs)


def place_of(run: ModelRun) -> str:
    """The address of a run's page."""
    return f"/m/{quote(run.model_id, safe='')}/{quote(run.id, safe='')}"


def viewed(
    asked: Asked,
    found: RowView,
    *,
    place: str,
    query: str,
    crumbs: list[tuple[str, str]],
    runs: Sequence[ModelRun] = (),
    **more: Any,
) -> Response:
    """The page of a row. `more` is what there is besides: a `match` with its `iou`, what to `show` first."""
    data = {
        "row": found.row,
        "colours": drawing.colours(_names(found.row), drawing.told_apart(tuple(found.colours.items()))),
        "order": list(found.colours),
        "image": found.image,
        "base_url": asked.engine.base_url,
        "previous": found.previous,
        "next": found.next,
        "position": found.position,
        "model_runs": runs,
        "match": None,
        "iou": 0.5,
        "show": "labels",
        **more,
    }

    def beside(id: str | None) -> str | None:
        return id and f"{place}/{quote(id, safe='')}{'?' + query if query else ''}"

    given = found.row["data_row"]
    return shown(
        asked,
        "row.html",
        data,
        title=given.get("global_key") or given.get("external_id") or given["id"],
        crumbs=crumbs,
        previous=beside(found.previous),
        next=beside(found.next),
        position=found.position,
        of=found.of,
        labels=[_picked(number, label) for number, label in enumerate(_labels(found.row), 1)],
        predicted=any(run.get("predictions") for run in _runs(found.row)),
        about=list(_about(found.row)),
        runs=[
            (run.name, f"{place_of(run)}/rows/{quote(found.row['data_row']['id'], safe='')}") for run in runs
        ],
        embedded=drawing.embedded(data),
    )


def _runs(row: Json) -> Iterator[Json]:
    for model in row.get("experiments", {}).values():
        yield from model.get("runs", {}).values()


def _parts(row: Json) -> Iterator[Json]:
    yield from row.get("projects", {}).values()
    yield from _runs(row)


def _labels(row: Json) -> Iterator[Json]:
    for part in _parts(row):
        yield from part.get("labels", ())


def _names(row: Json) -> Iterator[str]:
    """The class of every object and relationship."""
    for part in _parts(row):
        for label in (*part.get("labels", ()), *part.get("predictions", ())):
            annotations = label.get("annotations", {})
            for one in (*annotations.get("objects", ()), *annotations.get("relationships", ())):
                yield one.get("name", "")


def _picked(number: int, label: Json) -> dict[str, str]:
    """What the picker says of a label: its number, who made it and when, whether it is the benchmark."""
    details = label.get("label_details", {})
    said = [str(number), details.get("created_by") or "", (details.get("created_at") or "")[:10]]
    if label.get("is_benchmark_reference"):
        said.append("benchmark")
    return {"id": label["id"], "title": " · ".join(one[:80] for one in said if one)}


def _about(row: Json) -> Iterator[tuple[str, Markup]]:
    """What is known of a row, in the order in which people ask for it."""
    data_row, media = row["data_row"], row.get("media_attributes", {})
    details = data_row.get("details", {})
    for term, value in (
        ("Global key", data_row.get("global_key")),
        ("External id", data_row.get("external_id")),
        ("Id", data_row["id"]),
        ("Image", data_row.get("row_data")),
        ("Size", f"{media['width']} \u00d7 {media['height']}" if media.get("width") else None),
        ("Type", media.get("mime_type")),
        ("Dataset", details.get("dataset_name")),
    ):
        if value:
            yield term, rendering.name(str(value))
    yield from _moments(details, ("created_at", "Created"), ("last_activity_at", "Last activity"))
    for project in row.get("projects", {}).values():
        known = project.get("project_details", {})
        if known.get("workflow_status"):
            yield "Status", rendering.name(known["workflow_status"].replace("_", " ").lower())
        if known.get("batch_name"):
            yield "Batch", rendering.name(known["batch_name"])
    for run in _runs(row):
        if run.get("data_split"):
            yield "Split", rendering.name(run["data_split"].lower())
    for field in row.get("metadata_fields", ()):
        yield "Metadata", _pair(field.get("schema_name", ""), field.get("value"))
    for one in row.get("attachments", ()):
        yield "Attachment", _pair(one.get("name") or one.get("type", ""), one.get("value"))


def _moments(given: Json, *wanted: tuple[str, str]) -> Iterator[tuple[str, Markup]]:
    for key, term in wanted:
        if given.get(key):
            yield term, rendering.when(given[key])


def _pair(name: str, value: Any) -> Markup:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return rendering.name(name) + ": " + rendering.name(text)
