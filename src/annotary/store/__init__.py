"""The store: values by id, rows as versions, blobs by content; SQLite in a folder, or PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from annotary.store.store import KnownRow, Store


def __getattr__(name: str) -> Any:
    # SQLAlchemy takes a third of a second to import, and a process that but reads rows needs none of it.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from annotary.store import store

    globals()[name] = getattr(store, name)
    return globals()[name]


__all__ = ["KnownRow", "Store"]
