"""`/`: the projects, and in a second tab the model runs."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from annotary.operations.projects import FindProjects
from annotary.server.pages.shell import Asked, page, shown
from annotary.server.service import Service


def routes(service: Service) -> list[Route]:
    """`/`."""
    return [page(service, "/", projects)]


def projects(asked: Asked) -> Response:
    """The list of projects."""
    return shown(asked, "projects.html", {"projects": asked.call(FindProjects())})
