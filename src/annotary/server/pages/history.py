"""`/exports`: every export that was asked for; `/exports/TASK`: how far one is, and what came of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import Route

from annotary.errors import NotFound
from annotary.model.export import (
    CatalogScope,
    DatasetScope,
    ProjectScope,
    RowsScope,
    RunScope,
    Scope,
    SliceScope,
)
from annotary.model.task import FINAL, Task
from annotary.operations.datasets import GetDataset
from annotary.operations.exports import StartExport
from annotary.operations.model_runs import GetModelRun
from annotary.operations.projects import GetProject
from annotary.operations.tasks import CancelTask, DeleteTask, FindTasks, GetJob, GetTask, RunTaskAgain
from annotary.server.pages import wanted
from annotary.server.pages.copying import copies_of, options_given, params_given
from annotary.server.pages.filtering import words_of
from annotary.server.pages.shell import Asked, page, seen, shown
from annotary.server.service import Service

TYPE = "export-data-rows"
SHOWN = 50
"""Tasks a page."""
COPIED = (ProjectScope, RunScope, DatasetScope)


def routes(service: Service) -> list[Route]:
    """The history, an export, and what can be done with it."""
    one = "/exports/{task_id}"
    return [
        page(service, "/exports", history),
        page(service, one, export),
        page(service, f"{one}/cancel", cancel, methods=("POST",)),
        page(service, f"{one}/again", again, methods=("POST",)),
        page(service, f"{one}/delete", remove, methods=("POST",)),
    ]


def history(asked: Asked) -> Response:
    """A page of the exports, newest first."""
    after = asked.said("after") or None
    found: list[Task] = asked.call(FindTasks(type=TYPE, limit=SHOWN + 1, after=after))
    names: dict[Scope, str] = {}
    told = [_told(asked, task, names) for task in found[:SHOWN]]
    more = found[SHOWN - 1].id if len(found) > SHOWN else None
    alive = not all(one["over"] for one in told)
    return shown(asked, "exports.html", {"exports": told, "after": more}, first=after is None, alive=alive)


def export(asked: Asked) -> Response:
    """One export, while it runs and afterwards."""
    task = asked.call(GetTask(task_id=asked.part("task_id")))
    if task.type != TYPE:
        raise NotFound(f"task {task.id!r} is no export; see /imports/{task.id}")
    told = _told(asked, task, {})
    request: StartExport | None = told["request"]
    copies = None
    if request is not None and isinstance(request.query.scope, COPIED):
        file = wanted.file_of(request, told["name"])
        copies = copies_of(request, asked.engine.base_url, file)
    template = "export_progress.html" if asked.said("part") == "state" else "task.html"
    return shown(
        asked,
        template,
        told,
        task=task,
        result=task.result or {},
        copies=copies,
    )


def _told(asked: Asked, task: Task, names: dict[Scope, str]) -> dict[str, Any]:
    """A task with what it was asked to do, in words."""
    state = {
        "task": task,
        "over": task.status in FINAL,
        "expired": task.file is not None and (task.file.expires_at or "~") < asked.engine.now(),
    }
    request = asked.call(GetJob(task_id=task.id)).export
    if request is None:
        known = {"request": None, "name": task.name, "address": None, "filter": "", "form": None}
        return {**state, **known, "parts": [], "options": {}}
    scope = request.query.scope
    if scope not in names:
        names[scope] = _name(asked, scope)
    return {
        **state,
        "request": request,
        "name": names[scope],
        "address": _address(scope),
        "filter": words_of(request.query.filters, request.query.labels),
        "parts": list(params_given(request.query.params)),
        "options": options_given(request),
        "form": wanted.form_address(request),
    }


def _name(asked: Asked, scope: Scope) -> str:
    try:
        match scope:
            case ProjectScope(id=id):
                return asked.call(GetProject(project_id=id)).name
            case RunScope(id=id):
                return asked.call(GetModelRun(model_run_id=id)).name
            case DatasetScope(id=id):
                return asked.call(GetDataset(dataset_id=id)).name
            case RowsScope():
                return "data rows"
            case SliceScope():
                return "slice"
            case CatalogScope():
                return "catalog"
    except NotFound:
        return f"{scope.id} (removed)"  # type: ignore[union-attr] # only what has an id is looked up


def _address(scope: Scope) -> str | None:
    return f"/p/{quote(scope.id, safe='')}" if isinstance(scope, ProjectScope) else None


def cancel(asked: Asked) -> Response:
    """Call an export off."""
    task = asked.call(CancelTask(task_id=asked.part("task_id")))
    return seen(_of(task.id))


def again(asked: Asked) -> Response:
    """Export the same once more."""
    task = asked.call(RunTaskAgain(task_id=asked.part("task_id")))
    asked.service.wake()
    return seen(_of(task.id))


def remove(asked: Asked) -> Response:
    """Remove an export with its file."""
    asked.call(DeleteTask(task_id=asked.part("task_id")))
    return seen("/exports")


def _of(task_id: str) -> str:
    return f"/exports/{quote(task_id, safe='')}"
