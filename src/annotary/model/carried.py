"""Keys that a file has and annotary does not know: taken off before typing, put back before writing.

A path is a tuple of keys and list indices from the top of the document.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, TypeVar

import msgspec

Path = tuple[str | int, ...]
Extras = Sequence[tuple[Path, Any]]
T = TypeVar("T")


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decode(data: bytes | str, kind: type[T]) -> tuple[T, Extras]:
    """A typed value from JSON, and the unknown keys it stood among; raises msgspec.ValidationError.

    The strict way is tried first: it is several times faster, and most documents have no unknown key.
    """
    decoder: msgspec.json.Decoder[T] = _decoder(kind)  # type: ignore[arg-type] # a class can be hashed
    try:
        return decoder.decode(data), ()
    except msgspec.ValidationError as error:
        if "unknown field" not in str(error):
            raise
    plain = msgspec.json.decode(data)
    extras: list[tuple[Path, Any]] = []
    _strip(plain, kind, (), extras)
    return msgspec.convert(plain, kind), extras


def typed(data: bytes | str, kind: type[T]) -> T:
    """A typed value from JSON, unknown keys left aside."""
    return decode(data, kind)[0]


def put_back(plain: Any, extras: Iterable[tuple[Path, Any]]) -> Any:
    """Insert carried keys into plain data, in place; a place that is gone is passed over."""
    for path, value in extras:
        place = plain
        for key in path[:-1]:
            if isinstance(place, list | tuple):
                # Tuples stay tuples on the way from values to plain data.
                there = isinstance(key, int) and key < len(place)
            else:
                there = isinstance(place, dict) and key in place
            if not there:
                break
            place = place[key]
        else:
            if isinstance(place, dict):
                place.setdefault(path[-1], value)
    return plain


def below(extras: Extras, *prefix: str | int) -> Extras:
    """The extras under a prefix, with paths relative to it."""
    if not extras:
        return ()
    depth = len(prefix)
    return [(path[depth:], value) for path, value in extras if path[:depth] == prefix and len(path) > depth]


def _strip(plain: Any, kind: Any, path: Path, extras: list[tuple[Path, Any]]) -> None:
    if isinstance(plain, dict):
        struct = _struct_for(plain, kind)
        if struct is not None:
            _strip_struct(plain, struct, path, extras)
        else:
            inner = _argument(kind, dict)
            for key, value in plain.items():
                _strip(value, inner, (*path, key), extras)
    elif isinstance(plain, list):
        inner = _argument(kind, tuple)
        for index, value in enumerate(plain):
            _strip(value, inner, (*path, index), extras)


def _strip_struct(plain: dict[str, Any], struct: Any, path: Path, extras: list[tuple[Path, Any]]) -> None:
    known = _fields(struct)
    for key in list(plain):
        if key in known:
            _strip(plain[key], known[key], (*path, key), extras)
        elif key != struct.__struct_config__.tag_field:
            extras.append(((*path, key), plain.pop(key)))


@cache
def _fields(struct: Any) -> dict[str, Any]:
    return {field.encode_name: field.type for field in msgspec.structs.fields(struct)}


def _members(kind: Any) -> tuple[Any, ...]:
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return typing.get_args(kind)
    return (kind,)


def _struct_for(plain: dict[str, Any], kind: Any) -> Any:
    structs = [one for one in _members(kind) if isinstance(one, type) and issubclass(one, msgspec.Struct)]
    if len(structs) <= 1:
        return structs[0] if structs else None
    for struct in structs:
        config = struct.__struct_config__
        if config.tag_field and plain.get(config.tag_field) == config.tag:
            return struct
    return None


def _argument(kind: Any, container: type) -> Any:
    for member in _members(kind):
        if typing.get_origin(member) is container:
            arguments = [one for one in typing.get_args(member) if one is not Ellipsis]
            return arguments[-1] if arguments else Any
    return Any
