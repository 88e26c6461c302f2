"""The base of all values, ids, and JSON that is ASCII."""

from __future__ import annotations

import re
import secrets
import time
from hashlib import blake2b
from typing import Any, dataclass_transform
from uuid import UUID
from zlib import crc32

import msgspec

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_encode = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines
_NON_ASCII = re.compile(r"[^\x00-\x7f]")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class _Keywords(msgspec.StructMeta):
    """Makes fields keyword-only in every subclass; msgspec hands on its other settings by itself."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **settings: Any) -> Any:
        settings.setdefault("kw_only", True)
        # Values are trees: the cycle collector need not look at them, which halves the cost of decoding.
        settings.setdefault("gc", False)
        return super().__new__(mcls, name, bases, namespace, **settings)


class Value(msgspec.Struct, metaclass=_Keywords, frozen=True, forbid_unknown_fields=True):
    """A frozen value; its JSON form is the one users see."""


def _base36(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 36)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


def new_id() -> str:
    """A fresh id of 25 characters that sorts roughly by time (the shape the Labelbox SDK checks for)."""
    return "c" + _base36(time.time_ns() // 1_000_000, 9) + _base36(secrets.randbits(78), 15)


def derived_id(*parts: str) -> str:
    """An id of 25 characters that follows from its parts, so that the same input gets the same id.

    >>> derived_id("project", "streets") == derived_id("project", "streets")
    True
    """
    return "c" + _base36(int.from_bytes(_digest(parts), "big"), 24)


def derived_uuid(*parts: str) -> str:
    """A UUID that follows from its parts; batches, models and runs have ids of this shape."""
    return str(UUID(bytes=_digest(parts), version=5))


def feature_hash(feature_id: str) -> int:
    """The number under which a feature id is indexed; several ids may share one, so a finding is checked."""
    return crc32(feature_id.encode("utf-8", "surrogatepass"))


def _digest(parts: tuple[str, ...]) -> bytes:
    return blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def to_json(value: Any) -> str:
    r"""Compact JSON of a value, with everything beyond ASCII escaped.

    Readers that split lines at U+2028 or count bytes as characters stay right that way.

    >>> to_json({"name": "Äpfel"})
    '{"name":"\\u00c4pfel"}'
    """
    return _ascii(_encode(value))


def to_json_lines(values: list[Any]) -> str:
    """The same of several values, a line each."""
    return _ascii(_encode_lines(values))


def _ascii(data: bytes) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        return _NON_ASCII.sub(_escape, data.decode("utf-8"))
