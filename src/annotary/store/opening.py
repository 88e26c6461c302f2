"""Opening a store no further than is needed: its rows are read without all that changes it."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from annotary.errors import Invalid
from annotary.store import migrations
from annotary.store.reader import Reader

if TYPE_CHECKING:
    from annotary.store import Store

FILE_NAME = "annotary.db"


def located(target: str | Path) -> str | Path:
    """A PostgreSQL URL, or the folder of a store; raises Invalid."""
    place = str(target)
    if place.startswith(("postgresql://", "postgres://")):
        return place
    if "://" in place and not place.startswith("sqlite://"):
        raise Invalid(f"not a store: {place!r}; give a folder or a postgresql:// URL")
    return Path(place.removeprefix("sqlite://")).expanduser()


class Unopened:
    """A store that is there: each part of it is opened when it is first asked for.

    Raises the errors of `Store.open` then.
    """

    def __init__(self, target: str, org: str) -> None:
        self._target = target
        self._org = org

    @cached_property
    def reader(self) -> Reader:
        """What reads its rows."""
        place = located(self._target)
        reader = Reader(place if isinstance(place, str) else place / FILE_NAME)
        reader.guard = migrations.guard(reader.place)
        return reader

    @cached_property
    def store(self) -> Store:
        """All of it."""
        from annotary.store import Store

        return Store.open(self._target, self._org)

    def close(self) -> None:
        """Let go of what was opened."""
        for name in ("reader", "store"):
            if (opened := self.__dict__.pop(name, None)) is not None:
                opened.close()
