"""What the fields of a struct say of themselves: flags, forms and docs derive from it."""

from __future__ import annotations

import types
import typing
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import NODEFAULT, Meta, UnsetType


class Field(NamedTuple):
    """A field: its type without description, what is said of it, what it is where nothing is said."""

    name: str
    kind: Any
    description: str
    default: Any

    @property
    def choices(self) -> tuple[str, ...]:
        """What may be chosen; empty where it is no choice."""
        return typing.get_args(self.kind) if typing.get_origin(self.kind) is Literal else ()


def fields_of(struct: type[msgspec.Struct]) -> list[Field]:
    """The fields of a struct, in their order."""
    hints = typing.get_type_hints(struct, include_extras=True)
    found = []
    for field in msgspec.structs.fields(struct):
        made = field.default_factory
        default = made() if made is not NODEFAULT else field.default
        hint = hints[field.name]
        found.append(Field(field.name, core(hint), description(hint), default))
    return found


def core(hint: Any) -> Any:
    """A type without its description and without the ways to say nothing.

    >>> core(Annotated[int | None, Meta(description="how many")])
    <class 'int'>
    """
    if typing.get_origin(hint) is Annotated:
        return core(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        members = [one for one in typing.get_args(hint) if one not in (type(None), UnsetType)]
        if len(members) == 1:
            return core(members[0])
    return hint


def description(hint: Any) -> str:
    """What the field's Meta says of it; empty where it says nothing."""
    for one in typing.get_args(hint)[1:] if typing.get_origin(hint) is Annotated else ():
        if isinstance(one, Meta) and one.description:
            return one.description
    return ""
