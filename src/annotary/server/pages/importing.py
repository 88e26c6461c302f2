"""Import by dropping files: the way in stands on other pages; `/imports/TASK` tells what comes of it."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from annotary.errors import NotFound
from annotary.formats import load, names
from annotary.model.project import Project
from annotary.operations.projects import GetProject
from annotary.operations.tasks import FindProblems, GetJob, GetTask
from annotary.server.pages.shell import Asked, page, shown
from annotary.server.service import Service

SHOWN = 200
"""So many problems are shown; all are in the file."""


def routes(service: Service) -> list[Route]:
    """`/imports/TASK`."""
    return [page(service, "/imports/{task_id}", report)]


def choices(asked: Asked, project: Project | None = None) -> dict[str, Any]:
    """What the form of an import offers."""
    readers = [name for name in names() if (form := load(name)).read or form.read_ontology]
    return {"formats": readers, "project": project, "allowed": asked.may("member")}


def report(asked: Asked) -> Response:
    """How far an import is, and what came of it."""
    task = asked.call(GetTask(task_id=asked.part("task_id")))
    if task.type == "export-data-rows":
        raise NotFound(f"task {task.id!r} is an export; it stands among the exports")
    problems = asked.call(FindProblems(task_id=task.id, limit=SHOWN))
    job = asked.call(GetJob(task_id=task.id))
    data = {"task": task, "problems": problems}
    result = task.result or {}
    template = "import_state.html" if asked.said("part") == "state" else "import.html"
    return shown(
        asked,
        template,
        data,
        task=task,
        problems=problems,
        problem_count=result.get("problem_count", len(problems)),
        result=result,
        job=job.load,
        projects=_projects(asked, result.get("projects", ())),
    )


def _projects(asked: Asked, ids: Any) -> list[Project]:
    found = []
    for id in ids:
        try:
            found.append(asked.call(GetProject(project_id=id)))
        except NotFound:
            # Removed since.
            continue
    return found
