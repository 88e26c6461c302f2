"""Who is told how far a call has come that goes through many rows and answers once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from annotary.model.corpus import Page

Watcher = Callable[[int, int | None], None]
"""Is told of the rows that are done, and of all there are, where that is known."""
_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(watcher: Watcher | None) -> Iterator[None]:
    """Have whatever is called in here, and goes through rows, tell how far it has come."""
    before = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(before)


def watcher() -> Watcher | None:
    """Who is to be told of what is called now."""
    return _watcher.get()


def told(pages: Iterable[Page], total: int | None, watcher: Watcher) -> Iterator[Page]:
    """Pages, each of which is told of when its rows are done."""
    done = 0
    for page in pages:
        done += len(page.rows)
        yield page
        watcher(done, total)
