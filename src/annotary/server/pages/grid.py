"""`/p/ID/rows`: the rows of a project as pictures with their labels, narrowed by what exports filter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from msgspec.structs import replace
from starlette.responses import Response
from starlette.routing import Route

from annotary.model.export import STATUS, ExportFilters, LabelRule, ProjectScope
from annotary.model.project import Project
from annotary.operations.looking import CountMatching, Facets, FindFacets, FindRows, RelaxFilters
from annotary.operations.ontologies import GetOntology
from annotary.operations.projects import FindBatches, GetProject
from annotary.server.pages import drawing
from annotary.server.pages.filtering import (
    LABEL_RULES,
    LISTS,
    STATUS_WORDS,
    chips_of,
    end_fields,
    filters_of,
    is_of_form,
    labels_of,
    query_of,
    query_pairs,
    toggled,
    without,
)
from annotary.server.pages.shell import Asked, page, seen, shown
from annotary.server.service import Service

SHOWN = 60
"""Rows a page."""
STATUS_SAID = {stored: said for said, stored in STATUS.items()}


class Choice(NamedTuple):
    """A value that the filter can have: the rows then, and the query that has it, or has it no longer."""

    label: str
    value: str
    rows: int
    query: str
    is_on: bool
    colour: str = ""
    more: str = ""


def routes(service: Service) -> list[Route]:
    """The grid, and what of it is counted when it is there."""
    return [
        page(service, "/p/{project_id}/rows", grid),
        page(service, "/p/{project_id}/matching", matching),
        page(service, "/p/{project_id}/facets", facets),
        page(service, "/p/{project_id}/relaxed", relaxed),
    ]


def grid(asked: Asked) -> Response:
    """A page of the rows that a filter leaves; nothing on it has to be counted first."""
    params = asked.request.query_params
    filters, labels = filters_of(params), labels_of(params)
    query = query_of(filters, labels)
    place = _place(asked)
    if is_of_form(params):
        # The form without script says more than it means; the address is what it means.
        return seen(f"{place}/rows{'?' + query if query else ''}")
    project = asked.call(GetProject(project_id=asked.part("project_id")))
    after, before = asked.said("after") or None, asked.said("before") or None
    found = asked.call(
        FindRows(scope=_scope(asked), filters=filters, after=after, before=before, limit=SHOWN)
    )
    return shown(
        asked,
        "rows.html",
        found,
        project=project,
        place=place,
        narrowed=query,
        turn=_turns(query_pairs(filters, labels), found),
        filters=filters,
        chips=chips_of(filters, labels, batches=_batches(asked, filters)),
        ends=end_fields(filters),
        lists={name: _values(filters, name) for name in LISTS},
        labels=labels,
        rules=LABEL_RULES,
        statuses=STATUS_SAID,
        drawn=partial(drawing.svg_of, known=_known(asked, project)),
    )


def _place(asked: Asked) -> str:
    return f"/p/{quote(asked.part('project_id'), safe='')}"


def _scope(asked: Asked) -> ProjectScope:
    return ProjectScope(id=asked.part("project_id"))


def _values(filters: ExportFilters, name: str) -> tuple[str, ...]:
    given = getattr(filters, LISTS[name][0])
    return given if isinstance(given, tuple) else ()


def _turns(pairs: list[tuple[str, str]], found: Any) -> dict[str, str]:
    """The queries of the pages before and after this one, where there are any."""
    turns = {"before": found.previous, "after": found.next}
    return {
        name: urlencode([*pairs, (name, cursor)], errors="surrogatepass")
        for name, cursor in turns.items()
        if cursor is not None
    }


def _batches(asked: Asked, filters: ExportFilters) -> dict[str, str]:
    """The names of the project's batches, where the filter names any."""
    if not isinstance(filters.batch_ids, tuple):
        return {}
    return {batch.id: batch.name for batch in asked.call(FindBatches(project_id=asked.part("project_id")))}


def matching(asked: Asked) -> Response:
    """How many rows the filter leaves, of how many."""
    filters = filters_of(asked.request.query_params)
    found = asked.call(CountMatching(scope=_scope(asked), filters=filters))
    return shown(asked, "matching.html", found)


def facets(asked: Asked) -> Response:
    """What else the filter could be, each with the rows that would be left."""
    params = asked.request.query_params
    filters, labels = filters_of(params), labels_of(params)
    found = asked.call(FindFacets(scope=_scope(asked), filters=filters))
    project = asked.call(GetProject(project_id=asked.part("project_id")))
    colours = drawing.colours((one.name for one in found.classes), _known(asked, project))
    return shown(
        asked,
        "facets.html",
        found,
        groups=list(_groups(found, filters, labels, colours)),
        place=_place(asked),
    )


def _known(asked: Asked, project: Project) -> dict[str, str]:
    """The colours that the project's ontology gives its classes."""
    if project.ontology_id is None:
        return {}
    return drawing.ontology_colours(asked.call(GetOntology(ontology_id=project.ontology_id)).normalized)


def _groups(
    found: Facets, filters: ExportFilters, labels: LabelRule, colours: Mapping[str, str]
) -> Iterator[tuple[str, str, list[Choice]]]:
    """The facets as lists of choices: the name of the filter, its words, the choices."""

    def of_list(name: str, value: str, label: str, rows: int, colour: str = "") -> Choice:
        query = query_of(toggled(filters, name, value), labels)
        return Choice(label, value, rows, query, value in _values(filters, name), colour)

    def alone(name: str, value: Any, label: str, rows: int) -> Choice:
        is_on = getattr(filters, name) == value
        other = without(filters, name) if is_on else replace(filters, **{name: value})
        return Choice(label, str(value), rows, query_of(other, labels), is_on)

    statuses = [
        alone("workflow_status", one.status, STATUS_WORDS[one.status], one.rows) for one in found.statuses
    ]
    yield "workflow_status", "Status", statuses
    often = Counter(one.name for one in found.classes)
    classes = [
        of_list("class", one.name, one.name, one.rows, colours[one.name])._replace(
            more=one.kind if often[one.name] > 1 else ""
        )
        for one in found.classes
    ]
    yield "class", "Class", [*classes, alone("no_objects", True, "no objects", found.no_objects)]
    yield "kind", "Kind", [of_list("kind", one.kind, one.kind, one.rows) for one in found.kinds]
    batches = [of_list("batch_id", one.id, one.name or one.id, one.rows) for one in found.batches]
    yield "batch_id", "Batch", batches


def relaxed(asked: Asked) -> Response:
    """Where no row is left: what each part of the filter takes away."""
    params = asked.request.query_params
    filters, labels = filters_of(params), labels_of(params)
    found = asked.call(RelaxFilters(scope=_scope(asked), filters=filters))
    chips = {
        (chip.name, chip.value): chip for chip in chips_of(filters, labels, batches=_batches(asked, filters))
    }
    ways = [(chip, one.rows) for one in found if (chip := chips.get((one.filter, one.value))) is not None]
    ways.sort(key=lambda way: -way[1])
    most = ways[0][1] if ways else 0
    return shown(asked, "relaxed.html", found, ways=ways, most=most, address=f"{_place(asked)}/rows")
