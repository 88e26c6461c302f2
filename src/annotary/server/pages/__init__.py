"""The page: for people to look at labels, narrow them down, and export what they see."""

from __future__ import annotations

from starlette.routing import Route

from annotary.server.pages import (
    docs,
    exporting,
    grid,
    history,
    importing,
    overview,
    projects,
    row,
    runs,
    sessions,
    settings,
    static_files,
)
from annotary.server.service import Service

MODULES = (
    static_files,
    sessions,
    projects,
    overview,
    grid,
    row,
    exporting,
    history,
    runs,
    importing,
    settings,
    docs,
)
"""Each gives its routes; the order is that of matching."""


def routes(service: Service) -> list[Route]:
    """Every route of the page."""
    return [route for module in MODULES for route in module.routes(service)]
