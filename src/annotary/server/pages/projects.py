"""`/`: the projects, the latest activity first, and in a second tab the model runs."""

from __future__ import annotations

import shlex
from pathlib import Path
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from annotary.model.export import ProjectScope
from annotary.model.project import ModelRun
from annotary.operations.looking import FindRows
from annotary.operations.model_runs import FindModelRuns, FindModels
from annotary.operations.ontologies import GetOntology
from annotary.operations.projects import CountRows, GetProject, SearchProjects
from annotary.server.pages import drawing
from annotary.server.pages.importing import choices
from annotary.server.pages.shell import Asked, page, shown
from annotary.server.service import Service

STRIP = 4
"""So many pictures of a project."""
SHOWN = 40
"""Projects a page; their counts and pictures come when they are looked at."""


def routes(service: Service) -> list[Route]:
    """`/`, and a project's line there."""
    return [
        page(service, "/", projects),
        page(service, "/p/{project_id}/summary", line),
        page(service, "/p/{project_id}/strip", strip),
    ]


def projects(asked: Asked) -> Response:
    """A page of the projects with a text in their names, or the model runs."""
    if asked.said("tab") == "runs":
        return _runs(asked)
    text, skip = asked.said("q").strip(), _number(asked.said("skip"))
    found = asked.call(SearchProjects(text=text, skip=skip, limit=SHOWN + 1))
    data = {"projects": found[:SHOWN], "text": text}
    later = {"q": text, "skip": skip + SHOWN} if len(found) > SHOWN else None
    earlier = {"q": text, "skip": max(0, skip - SHOWN)} if skip else None
    return shown(
        asked,
        "projects.html",
        data,
        tab="projects",
        later=later and urlencode(later),
        earlier=earlier and urlencode(earlier),
        importing=choices(asked),
        place=_store(asked),
    )


def line(asked: Asked) -> Response:
    """The counts of a project in the list."""
    project_id = asked.part("project_id")
    return shown(asked, "summary.html", asked.call(CountRows(project_id=project_id)), project_id=project_id)


def strip(asked: Asked) -> Response:
    """The first pictures of a project, with what is drawn on them."""
    project = asked.call(GetProject(project_id=asked.part("project_id")))
    known: dict[str, str] = {}
    if project.ontology_id is not None:
        ontology = asked.call(GetOntology(ontology_id=project.ontology_id))
        known = drawing.ontology_colours(ontology.normalized)
    found = asked.call(FindRows(scope=ProjectScope(id=project.id), limit=STRIP))
    pictures = [drawing.svg_of(card, known=known) for card in found.rows]
    return shown(asked, "strip.html", found.rows, pictures=pictures)


def _runs(asked: Asked) -> Response:
    text = asked.said("q").strip()
    models = {model.id: model for model in asked.call(FindModels())}
    found: list[ModelRun] = asked.call(FindModelRuns())
    runs = [
        {"run": run, "model": models.get(run.model_id)}
        for run in sorted(found, key=lambda run: run.created_at, reverse=True)
    ]
    if text:
        runs = [
            one
            for one in runs
            if any(text.casefold() in part.name.casefold() for part in one.values() if part is not None)
        ]
    return shown(asked, "model_runs.html", {"runs": runs, "text": text}, tab="runs")


def _store(asked: Asked) -> str:
    """The store as who started the server types it; what others cannot reach they are not told."""
    database = asked.engine.store.database
    if asked.session is None or asked.session.key_id is not None or not database.is_sqlite:
        return "STORE"
    return shlex.quote(str(Path(database.place).parent))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
