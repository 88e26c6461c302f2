"""What a resolver may use, and how it is bound to a field of the schema."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any, Protocol, TypeVar, get_args, get_type_hints

import msgspec
from ariadne import ObjectType
from graphql import GraphQLError

from annotary.engine.core import Engine
from annotary.engine.exporting import open_export
from annotary.errors import Invalid
from annotary.model.export import ExportQuery
from annotary.model.task import StoredFile
from annotary.operations import Operation
from annotary.operations.annotation_imports import StartAnnotationImport
from annotary.operations.exports import StartExport
from annotary.operations.imports import StartImport

R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
Json = dict[str, Any]

_types: dict[str, ObjectType] = {}


_QUEUED = (StartExport, StartImport, StartAnnotationImport)
"""What a worker is told of."""


class Files(Protocol):
    """Files that are fetched without a key, by addresses that carry their own permission."""

    def keep(self, pieces: Iterable[bytes], name: str, media_type: str) -> StoredFile:
        """Store a file."""

    def by_id(self, id: str) -> StoredFile:
        """A file that is kept here, by its id; raises NotFound."""

    def found(self, address: str) -> StoredFile:
        """A file that is kept here, by its address; raises Invalid for any other address."""

    def read(self, file: StoredFile, start: int = 0) -> Iterator[bytes]:
        """The bytes of a file from a place on, in pieces."""

    def local(self, file: StoredFile) -> AbstractContextManager[Path]:
        """A file as one on this machine."""

    def created(self, file: StoredFile) -> str:
        """Where what came of an uploaded list of data rows can be fetched as one JSON object."""

    def address(self, file: StoredFile, start: int | None = None, end: int | None = None) -> str:
        """Where a file can be fetched, or a piece of it; both ends belong to it."""


class TooSlow(GraphQLError):
    """A query that took longer than it may."""


@dataclass
class Context:
    """One request: the engine acting as who asks, the files, and when the request must be over.

    `begun` outlives the request: the exports that are asked for again until their file is there. `wake`
    tells the workers of something to do. `sdk` is the
    major release of the SDK that asks; 0 is another program.
    """

    engine: Engine
    files: Files
    deadline: float = float("inf")
    begun: dict[str, str] = field(default_factory=dict)
    wake: Callable[[], None] = lambda: None
    sdk: int = 0
    memory: Json = field(default_factory=dict)

    def call(self, operation: Operation[R]) -> R:
        """Carry an operation out, unless the request has run for too long."""
        if time.monotonic() > self.deadline:
            raise TooSlow("the query took too long; ask for less at once")
        found = self.engine.call(operation)
        if isinstance(operation, _QUEUED):
            self.wake()
        return found

    def lines(self, query: ExportQuery, format: str) -> Iterator[Json]:
        """The lines of an export, one by one."""
        export = open_export(self.engine, StartExport(query=query, format=format))
        for part in export.parts:
            for line in part.data.splitlines():
                yield msgspec.json.decode(line)

    def once(self, operation: Operation[R]) -> R:
        """The same, asked only once in a request: many fields lead to the same project or dataset."""
        key = repr(operation)
        if key not in self.memory:
            self.memory[key] = self.call(operation)
        found: R = self.memory[key]
        return found


def resolves(*places: str) -> Callable[[F], F]:
    """Bind a function (parent, context, **arguments) to fields such as `Query.project`."""

    def bind(function: F) -> F:
        needed = _needed(function)

        def resolver(parent: Any, info: Any, **arguments: Any) -> Any:
            for name in needed:
                if arguments.get(name) is None:
                    raise Invalid(f"{info.field_name}: {name} is missing; give one")
            return function(parent, info.context, **arguments)

        for place in places:
            owner, name = place.split(".")
            _types.setdefault(owner, ObjectType(owner)).set_field(name, resolver)
        return function

    return bind


def _needed(function: Callable[..., Any]) -> tuple[str, ...]:
    """The arguments a resolver cannot do without; the schema allows null, as the SDK declares it so."""
    hints = get_type_hints(function)
    return tuple(
        name
        for name, one in list(signature(function).parameters.items())[2:]
        if one.kind is one.POSITIONAL_OR_KEYWORD
        and one.default is one.empty
        and hints[name] is not Any
        and type(None) not in get_args(hints[name])
    )


def bound_types() -> list[ObjectType]:
    """The types with their resolvers, once all modules of resolvers are imported."""
    return list(_types.values())
