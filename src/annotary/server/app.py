"""The whole application: every route, behind one door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from annotary.engine.core import DEFAULT_BASE_URL, Engine
from annotary.engine.secret import signing_secret
from annotary.errors import AnnotaryError
from annotary.server import files, health, masks, pages, pictures, rest, transfers
from annotary.server.door import Door, answer_error, answer_failure
from annotary.server.labelbox import app as labelbox
from annotary.server.pages import failures
from annotary.server.routing import QuickRouter
from annotary.server.service import Service
from annotary.server.settings import Settings
from annotary.server.signing import Signer
from annotary.store import Store

LARGE = ("/graphql", "/_gql", "/api/v1/files")
"""Where uploads come in; elsewhere a body is as large as a request may be."""


def build(target: str | Path, settings: Settings) -> ASGIApp:
    """The application on a store; raises Unavailable and Outdated as opening the store does."""
    return application(service_on(Store.open(target), settings))


def service_on(store: Store, settings: Settings) -> Service:
    """The server's insides, on an open store."""
    engine = Engine(store, role="reader", base_url=settings.base_url or DEFAULT_BASE_URL, queued=True)
    return Service(engine, settings, Signer(signing_secret(store)))


def application(service: Service) -> ASGIApp:
    """The application around a service."""
    told = failures.told(service, labelbox.shaped(answer_error))
    handlers: dict[Any, Any] = {
        AnnotaryError: told,
        HTTPException: told,
        Exception: failures.unforeseen(service, answer_failure),
    }
    app = Starlette(exception_handlers=handlers)
    app.router = QuickRouter(routes(service))
    return Door(app, service, LARGE, told)


def routes(service: Service) -> list[BaseRoute]:
    """Every route of the server."""
    return [
        *health.routes(service),
        *labelbox.routes(service),
        *masks.routes(service),
        *pictures.routes(service),
        *files.routes(service),
        *pages.routes(service),
        *transfers.routes(service),
        *rest.routes(service),
    ]
