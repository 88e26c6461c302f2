"""`/p/ID`: a project at a glance."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from annotary.operations.projects import GetProject
from annotary.server.pages.shell import Asked, page, shown
from annotary.server.service import Service


def routes(service: Service) -> list[Route]:
    """`/p/ID`."""
    return [page(service, "/p/{project_id}", overview)]


def overview(asked: Asked) -> Response:
    """The overview of a project."""
    project = asked.call(GetProject(project_id=asked.part("project_id")))
    return shown(asked, "overview.html", {"project": project})
