"""annotary: keeps image annotations and predictions, and hands them out, exact, filtered, streamed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotary.errors import (
    AnnotaryError,
    Conflict,
    Denied,
    Invalid,
    Lossy,
    Missing,
    NotFound,
    Outdated,
    Refused,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unreachable,
)
from annotary.model.corpus import Notice, Problem

if TYPE_CHECKING:
    from annotary.client import Client
    from annotary.engine.conversion import Conversion

    __version__: str


def __getattr__(name: str) -> Any:
    # The client takes a quarter of a second to import, and neither commands nor conversions need all of it; a
    # process that writes a stretch of an export needs not even the version.
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = _LATE[name]()
    return globals()[name]


def _client() -> type[Client]:
    from annotary.client import Client

    return Client


def _version() -> str:
    from annotary.model.program import version

    return version()


_LATE: dict[str, Callable[[], Any]] = {"Client": _client, "__version__": _version}


def convert(source: str | Path, destination: str | Path, *, to: str, **options: Any) -> Conversion:
    """Turn a file, folder or archive of one format into another, without a store.

    Further: `format` of the source (default: by content), `images` (a folder), `options` of the format,
    `strict`, `on_problem`. Raises Invalid, Refused where there is a problem, Lossy with `strict`.
    """
    from annotary.engine.converting import convert as carry_out

    return carry_out(source, destination, to=to, **options)


__all__ = [
    "AnnotaryError",
    "Client",
    "Conflict",
    "Denied",
    "Invalid",
    "Lossy",
    "Missing",
    "NotFound",
    "Notice",
    "Outdated",
    "Problem",
    "Refused",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "Unreachable",
    "__version__",
    "convert",
]
