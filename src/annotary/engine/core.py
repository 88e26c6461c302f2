"""The engine: carries operations out, on a store, as somebody."""

from __future__ import annotations

import pkgutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from annotary import operations
from annotary.errors import Denied, Invalid
from annotary.model import moment
from annotary.model.project import Role, User
from annotary.operations import Operation
from annotary.store.opening import Unopened
from annotary.store.reader import Reader

if TYPE_CHECKING:
    from annotary.store import Store

R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
LOCAL = User(id="cannotarylocaluser0000000", email="annotary@localhost", name="annotary")
RANKS: dict[Role, int] = {"reader": 0, "member": 1, "admin": 2}
DEFAULT_BASE_URL = "http://127.0.0.1:8100"

_handlers: dict[type[Operation[Any]], Callable[[Engine, Any], Any]] = {}
_lock = threading.Lock()
_HOUSES = {
    "analyses": ("statistics", "evaluation", "suspects"),
    "exports": ("exporting",),
    "imports": ("loading",),
    "users": ("users", "sessions"),
}
"""Who carries out the operations of a module, where that is not the module of the same name."""


def handles(operation: type[Operation[Any]]) -> Callable[[F], F]:
    """Make a function the one that carries an operation out."""

    def keep(function: F) -> F:
        _handlers[operation] = function
        return function

    return keep


@cache
def _known() -> tuple[str, ...]:
    """The modules of operations, each of which is known to msgspec."""
    found = tuple(one.name for one in pkgutil.iter_modules(operations.__path__))
    with _lock:
        for name in found:
            for one in vars(import_module(f"{operations.__name__}.{name}")).values():
                if isinstance(one, type) and issubclass(one, Operation):
                    # It works a type out when it first meets it, and two threads that meet it at once crash.
                    msgspec.json.Decoder(one)
    return found


def _settle(name: str) -> None:
    """Import who carries out the operations of a module."""
    for house in _HOUSES.get(name, (name,)):
        import_module(f"annotary.engine.{house}")


@cache
def handlers() -> dict[type[Operation[Any]], Callable[[Engine, Any], Any]]:
    """Every operation with its handler."""
    for name in _known():
        _settle(name)
    return _handlers


def _handler(operation: type[Operation[Any]]) -> Callable[[Engine, Any], Any] | None:
    """Who carries an operation out; a program that asks for little imports no more than that needs."""
    name = operation.__module__.rpartition(".")[2]
    if name in _known() and operation not in _handlers:
        _settle(name)
    return _handlers.get(operation)


class Engine:
    """A store with somebody in front of it. `clock` says what time it is, in UTC.

    `queued` leaves exports and imports to workers; else they are done where they are asked for.
    """

    def __init__(
        self,
        store: Store | Unopened,
        *,
        user: User = LOCAL,
        role: Role = "admin",
        base_url: str = DEFAULT_BASE_URL,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        queued: bool = False,
    ) -> None:
        self._kept = store
        self.user = user
        self.role: Role = role
        self.base_url = base_url.rstrip("/")
        self.clock = clock
        self.queued = queued

    @property
    def store(self) -> Store:
        """The store; an unopened one is opened now."""
        return self._kept.store if isinstance(self._kept, Unopened) else self._kept

    @property
    def reader(self) -> Reader:
        """What reads the store's rows, for which it need not be open."""
        return self._kept.reader if isinstance(self._kept, Unopened) else self._kept.database

    def acting_as(self, org: str, role: Role, user: User) -> Engine:
        """The same engine for somebody else: sees only their organisation, does only what the role allows."""
        return Engine(
            self.store.seen_as(org),
            user=user,
            role=role,
            base_url=self.base_url,
            clock=self.clock,
            queued=self.queued,
        )

    def require(self, role: Role, what: str) -> None:
        """Raises Denied where who asks has less than a role."""
        if RANKS[self.role] < RANKS[role]:
            raise Denied(f"{what} needs a key with the role {role}; this one is a {self.role}'s")

    def call(self, operation: Operation[R]) -> R:
        """Carry an operation out; raises the errors of `annotary.errors`."""
        self.require(operation.needs, type(operation).__name__)
        handler = _handler(type(operation))
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
        self._kept.close()
