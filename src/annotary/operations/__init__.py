"""Operations: what can be asked of annotary, each a struct with its route beside it."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, get_args

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

    @classmethod
    def result_type(cls) -> Any:
        """What comes of it, as a type."""
        (base,) = cls.__orig_bases__  # type: ignore[attr-defined]
        return get_args(base)[0]

    @classmethod
    def path_fields(cls) -> tuple[str, ...]:
        """The fields that stand in the path."""
        return tuple(re.findall(r"\{(\w+)\}", cls.route.path))


Listing = list[Any]
