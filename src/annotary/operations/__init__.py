"""Operations: what can be asked of annotary, each a struct with its route beside it."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from annotary.model.base import Value
from annotary.model.project import Role

R = TypeVar("R")


class Route(NamedTuple):
    """Where an operation lives in HTTP; `{name}` in the path is a field of the struct."""

    method: str
    path: str


def get(path: str) -> Route:
    """A route that reads."""
    return Route("GET", path)


def post(path: str) -> Route:
    """A route that makes or does something."""
    return Route("POST", path)


def patch(path: str) -> Route:
    """A route that changes something."""
    return Route("PATCH", path)


def delete(path: str) -> Route:
    """A route that removes something."""
    return Route("DELETE", path)


class Operation(Value, Generic[R]):
    """A request; R is what comes of it."""

    route: ClassVar[Route]
    needs: ClassVar[Role] = "reader"


Listing = list[Any]
