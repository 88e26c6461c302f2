"""The engine: carries operations out, on a store, as somebody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

import msgspec

from annotary.errors import Invalid
from annotary.model import moment
from annotary.model.project import User
from annotary.operations import Operation
from annotary.store import Store

R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
LOCAL = User(id="cannotarylocaluser0000000", email="annotary@localhost", name="annotary")
DEFAULT_BASE_URL = "http://127.0.0.1:8100"

_handlers: dict[type[Operation[Any]], Callable[[Engine, Any], Any]] = {}
_HOUSES = (
    "projects",
    "batches",
    "datasets",
    "data_rows",
    "metadata_schemas",
    "global_keys",
    "ontologies",
    "feature_schemas",
    "labels",
    "model_runs",
    "slices",
    "tags",
    "exporting",
    "loading",
    "tasks",
    "users",
)


def handles(operation: type[Operation[Any]]) -> Callable[[F], F]:
    """Make a function the one that carries an operation out."""

    def keep(function: F) -> F:
        _handlers[operation] = function
        return function

    return keep


@cache
def handlers() -> dict[type[Operation[Any]], Callable[[Engine, Any], Any]]:
    """Every operation with its handler."""
    for house in _HOUSES:
        import_module(f"annotary.engine.{house}")
    return _handlers


class Engine:
    """A store with somebody in front of it. `clock` says what time it is, in UTC."""

    def __init__(
        self,
        store: Store,
        *,
        user: User = LOCAL,
        base_url: str = DEFAULT_BASE_URL,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.store = store
        self.user = user
        self.base_url = base_url.rstrip("/")
        self.clock = clock

    def call(self, operation: Operation[R]) -> R:
        """Carry an operation out; raises the errors of `annotary.errors`."""
        handler = handlers().get(type(operation))
        if handler is None:
            raise Invalid(f"no handler for {type(operation).__name__}")
        try:
            # Structs check what they are decoded from, not what Python hands them.
            checked = msgspec.convert(msgspec.to_builtins(operation), type(operation))
        except (msgspec.ValidationError, TypeError) as error:
            raise Invalid(f"{type(operation).__name__}: {error}") from None
        result: R = handler(self, checked)
        return result

    def now(self) -> str:
        """The present instant as the store writes it."""
        return moment.stamp(self.clock())

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()
