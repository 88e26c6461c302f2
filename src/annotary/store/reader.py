"""A database that is read through its driver alone, and errors in our words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from annotary.store import drivers
from annotary.store.drivers import Cursor
from annotary.store.reasons import safe, translated

GUARD_SECONDS = 1.0
"""Who reads looks after so long again whether the store's schema is still one that this program knows."""

Guard = Callable[[Any], None]
"""Looks, on a driver's connection, whether a store is still one for this program; raises where it is not."""


class Reader:
    """A database by its URL; `raw()` streams bytes."""

    def __init__(self, url: str | Path) -> None:
        self.place = str(url)
        self.is_sqlite = isinstance(url, Path)
        self.driver = drivers.driver(url)
        self.guard: Guard | None = None
        self._guarded = 0.0
        self._idle: list[Any] = []

    @contextmanager
    def raw(self, *, snapshot: bool = False) -> Iterator[Cursor]:
        """A driver cursor whose text comes as bytes: the fast way out of the store.

        Each statement sees the store as it is then, so that a long export holds nothing back; with
        `snapshot` all of them see the same state.
        """
        with self._translated(), self._lent() as connection:
            self._look(connection)
            with self.driver.cursor(connection, snapshot=snapshot) as cursor:
                yield cursor

    @contextmanager
    def beside(self, cursor: Any) -> Iterator[Cursor]:
        """Another raw cursor of the same connection, for two statements that are read in step."""
        with self.driver.beside(cursor) as other:
            yield other

    @property
    def shown_place(self) -> str:
        """Its place without a password."""
        return safe(self.place)

    def sql(self, text: str) -> str:
        """A statement with `?` for parameters, in the driver's own style."""
        return text if self.is_sqlite else text.replace("?", "%s")

    def close(self) -> None:
        """Let go of all connections."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _lent(self) -> Iterator[Any]:
        """A connection of the driver on which each statement is a transaction of its own."""
        connection = self._idle.pop() if self._idle else self.driver.connect(autocommit=True)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)

    def _look(self, connection: Any, *, at_once: bool = False) -> None:
        """See, on a driver's connection, whether the schema is still one that this program knows."""
        now = time.monotonic()
        if self.guard is not None and (at_once or now >= self._guarded):
            self.guard(connection)
            self._guarded = now + GUARD_SECONDS

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self.driver.errors as error:
            raise translated(error, self.place) from error
