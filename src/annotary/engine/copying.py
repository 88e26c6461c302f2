"""A whole store from one database into another: ids, versions, cursors, masks, files, the signing secret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from annotary.engine.checking import there
from annotary.engine.secret import LEFT, hand_on
from annotary.errors import Invalid
from annotary.model.project import Session
from annotary.store import Store, choosing
from annotary.store.copying import Copied, Copy


def copy_store(
    source: str, destination: str, *, progress: Callable[[int, int], None] = lambda done, total: None
) -> Copied:
    """Copy a store into an empty folder or database; goes on with a copy that was interrupted.

    Servers and workers of the source must stand still. Whoever is logged in logs in again. `progress` is told
    rows done of rows in all: each is written once, and read on both sides to compare. Raises Invalid,
    NotFound, Conflict, Unavailable.
    """
    there(source)
    if _same(source, destination):
        raise Invalid(f"{source} is both source and destination; give another place to copy to")
    held = Store.open(source, blobs="")
    try:
        made = Store.open(destination, unfinished=True)
        try:
            with held.database.connection() as snapshot:
                copy = Copy(held, snapshot, made, ((Session.__name__, ""), *LEFT, *choosing.LEFT), progress)
                copy.begin()
                hand_on(held, made)
                return copy.carry_out()
        finally:
            made.close()
    finally:
        held.close()


def _same(source: str, destination: str) -> bool:
    if "://" in source or "://" in destination:
        return source == destination
    return Path(source).expanduser().resolve() == Path(destination).expanduser().resolve()
