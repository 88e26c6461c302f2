"""The commands `serve` and `worker`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from annotary.cli.printing import show, show_json, typed
from annotary.cli.session import Session, Usage, say

LOOPBACK = "127.0.0.1"
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes any that is free.")]


def serve(
    session: Session,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 is every one.")] = LOOPBACK,
    port: Port = 8100,
    base_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="How others reach it, where something stands between."),
    ] = None,
) -> None:
    """Serve a store to browsers, programs and the vendor's SDK, until told to stop."""
    _check_store(session, "serve")
    from annotary.server.serving import check_base_url, serve
    from annotary.server.settings import settings_from

    check_base_url(base_url)

    def ready(url: str, way_in: str) -> None:
        if session.json:
            show_json({"url": url, "login": way_in})
        else:
            show(f"annotary serves {session.shown_place} at {url}")
            if not session.quiet:
                show(f"open it in a browser, logged in, once: {way_in}")
                sys.stdout.flush()
                say(f"programs and other people need an API key: {typed(session, 'keys', 'create', 'NAME')}")
        sys.stdout.flush()

    settings = settings_from(base_url=base_url)
    serve(session.place, host=host, port=port, settings=settings, org=session.org, ready=ready)


def worker(
    session: Session,
    tasks: Annotated[int, typer.Option(min=1, max=64, help="How many tasks are done at once.")] = 2,
    beside: Annotated[bool, typer.Option("--beside", hidden=True)] = False,
) -> None:
    """Take export and import tasks off a store, until told to stop; many may share one in PostgreSQL."""
    _check_store(session, "worker")
    from annotary.server.working import work

    work(session.place, tasks=tasks, beside=beside)


def _check_store(session: Session, command: str) -> None:
    if session.place.startswith(("http://", "https://")):
        raise Usage(f"{command} needs a store of its own: give --at a folder or a postgresql:// URL")
