"""`/p/ID`: a project at a glance; what has to be counted comes when the page is there."""

from __future__ import annotations

from datetime import date, timedelta

from starlette.responses import Response
from starlette.routing import Route

from annotary.errors import NotFound, Unavailable
from annotary.model.base import Value
from annotary.model.export import ProjectScope
from annotary.model.ontology import Ontology
from annotary.model.project import ModelRun, Project
from annotary.model.task import Task
from annotary.operations.looking import CountDays, CountMatching, FindFacets
from annotary.operations.model_runs import FindModelRuns
from annotary.operations.ontologies import GetOntology
from annotary.operations.projects import GetProject, Summarize
from annotary.operations.tasks import FindTasks, GetJob
from annotary.server.pages import drawing
from annotary.server.pages.importing import choices
from annotary.server.pages.shell import Asked, page, shown
from annotary.server.service import Service

LOOKED_AT = 300
"""So many of the latest tasks are looked through for those of the project."""
SHOWN = 5


def routes(service: Service) -> list[Route]:
    """`/p/ID`, and its counts."""
    return [page(service, "/p/{project_id}", overview), page(service, "/p/{project_id}/counts", counts)]


def overview(asked: Asked) -> Response:
    """The frame of a project's overview, with all that need not be counted."""
    project = asked.call(GetProject(project_id=asked.part("project_id")))
    imports, exports = _happened(asked, project)
    found: list[ModelRun] = asked.call(FindModelRuns(project_id=project.id))
    data = {
        "project": project,
        "ontology": _ontology(asked, project),
        "imports": imports,
        "exports": exports,
        "model_runs": sorted(found, key=lambda run: run.created_at, reverse=True)[:SHOWN],
    }
    return shown(asked, "overview.html", data, importing=choices(asked, project))


def _ontology(asked: Asked, project: Project) -> Ontology | None:
    if project.ontology_id is None:
        return None
    try:
        return asked.call(GetOntology(ontology_id=project.ontology_id))
    except NotFound:
        return None


def _happened(asked: Asked, project: Project) -> tuple[list[Task], list[Task]]:
    """The last imports into a project, and the last exports of it."""
    imports: list[Task] = []
    exports: list[Task] = []
    for task in asked.call(FindTasks(limit=LOOKED_AT)):
        to = imports if task.type == "import" else exports
        if len(to) < SHOWN and _is_of(asked, task, project):
            to.append(task)
        if len(imports) == len(exports) == SHOWN:
            break
    return imports, exports


def _is_of(asked: Asked, task: Task, project: Project) -> bool:
    if project.id in (task.result or {}).get("projects", ()):
        return True
    job = asked.call(GetJob(task_id=task.id))
    if job.load is not None:
        return job.load.project in (project.id, project.name)
    return job.export is not None and job.export.query.scope == ProjectScope(id=project.id)


class Class(Value):
    """A class in a project: its colour, the rows that have one, its objects (None: being counted)."""

    name: str
    colour: str
    objects: int | None
    rows: int


class Day(Value):
    """Labels made in a day."""

    day: str
    labels: int


class Counts(Value):
    """What a project holds; `labels` and `by_kind` are None while `waits_for` says what is being counted."""

    rows: int
    labels: int | None
    rows_without_objects: int
    by_status: dict[str, int]
    by_kind: dict[str, int] | None
    classes: list[Class]
    days: list[Day]
    waits_for: str | None


def counts(asked: Asked) -> Response:
    """The counts of a project."""
    project = asked.call(GetProject(project_id=asked.part("project_id")))
    ontology = _ontology(asked, project)
    known = drawing.ontology_colours(ontology.normalized) if ontology else {}
    scope = ProjectScope(id=project.id)
    rows = asked.call(CountMatching(scope=scope)).of
    facets = asked.call(FindFacets(scope=scope))
    summary, waits_for = None, None
    try:
        # Annotations have to be read; all the rest an index knows.
        summary = asked.call(Summarize(kind="project", id=project.id, at_once=True))
    except Unavailable as error:
        waits_for = str(error)
    objects = {} if summary is None else summary.by_class
    classes = [
        Class(
            name=one.name,
            colour=drawing.colour(one.name, known),
            objects=None if summary is None else objects.get(one.name, 0),
            rows=one.rows,
        )
        for one in sorted(facets.classes, key=lambda one: (-objects.get(one.name, one.rows), one.name))
    ]
    data = Counts(
        rows=rows,
        labels=None if summary is None else summary.labels,
        rows_without_objects=facets.no_objects,
        by_status={one.status: one.rows for one in facets.statuses},
        by_kind=None if summary is None else summary.by_kind,
        classes=classes,
        days=[Day(day=one.day, labels=one.labels) for one in asked.call(CountDays(project_id=project.id))],
        waits_for=waits_for,
    )
    return shown(asked, "counts.html", data, project=project, chart=chart(data.days))


class Column(Value):
    """A column of a chart: its place and height in hundredths of a column's width, and what it says."""

    x: float
    y: float
    height: float
    day: str
    labels: int


WIDTH, HEIGHT, COLUMNS = 600.0, 96.0, 60


def chart(days: list[Day]) -> list[Column]:
    """Labels of the last days as columns; days on which nothing was made are there, too."""
    if not days:
        return []
    made = {one.day: one.labels for one in days}
    last = date.fromisoformat(max(made))
    first = max(date.fromisoformat(min(made)), last - timedelta(days=COLUMNS - 1))
    shown = [(first + timedelta(days=at)).isoformat() for at in range((last - first).days + 1)]
    most = max(made.get(day, 0) for day in shown)
    columns = []
    for at, day in enumerate(shown):
        labels = made.get(day, 0)
        height = HEIGHT * labels / most if most else 0.0
        columns.append(
            Column(
                x=at * WIDTH / len(shown),
                y=HEIGHT - max(height, 1.0 if labels else 0.0),
                height=max(height, 1.0 if labels else 0.0),
                day=day,
                labels=labels,
            )
        )
    return columns
