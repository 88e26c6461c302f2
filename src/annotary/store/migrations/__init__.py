"""The schema's version: which one this program knows, and whether a store's is one that it may use."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from annotary.errors import Outdated, Unavailable
from annotary.store.reader import Guard

HEAD = "0008"
OLDEST = "0006"
"""The oldest schema whose programs may use a store of HEAD: what the migrations up to it say."""
_COPY = "copy "
VERSION = "SELECT version_num FROM alembic_version"
BOTH = "SELECT version_num, oldest FROM alembic_version"


class Schema(NamedTuple):
    """A store's schema, and the oldest one that a program must know to use it."""

    version: str
    oldest: str

    @property
    def is_copy(self) -> bool:
        """Whether it is a copy that is not whole yet."""
        return self.version.startswith(_COPY)


def prepare_folder(home: Path) -> Path:
    """Make the folder of an embedded store; raises Unavailable."""
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"the store {home} cannot be made: {error.strerror}; give a folder of your own with --at"
        ) from error
    return home


def check(schema: Schema, place: str, unfinished: bool) -> None:
    """Raises Outdated, Unavailable where this program must not use a store."""
    if schema.is_copy:
        if not unfinished:
            raise Unavailable(
                f"the store {place} is a copy that was interrupted; type the same annotary copy again"
            )
    elif schema.oldest > HEAD:
        raise Outdated(
            f"the store {place} was written by a newer annotary"
            f" (schema {schema.version}, this one knows {HEAD}); upgrade annotary"
        )
    elif schema.version < HEAD:
        raise Outdated(
            f"the store {place} has schema {schema.version}, this annotary needs {HEAD};"
            " run: annotary migrate"
        )


def guard(place: str, *, unfinished: bool = False) -> Guard:
    """What looks, on a driver's connection, whether a store still fits; raises Outdated, Unavailable.

    A program may be at work when the store is brought to a newer schema.
    """
    known: str | None = None

    def look(driver: Any) -> None:
        nonlocal known
        ((version,),) = driver.execute(VERSION).fetchall()
        if version != known:
            oldest = version
            if version > HEAD:
                ((version, oldest),) = driver.execute(BOTH).fetchall()
            check(Schema(version, oldest), place, unfinished)
            known = version

    return look


def unfinished(fingerprint: str) -> str:
    """The version of a copy that is not whole yet, of the store with a fingerprint."""
    return _COPY + fingerprint[: 32 - len(_COPY)]
