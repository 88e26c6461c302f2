"""What is carried along with marks and images, in keys that another file may have filled with anything."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from typing import Any

import msgspec
from msgspec import Raw


class _Told(msgspec.Struct, gc=False):
    attributes: Any = None
    voc: Any = None
    cvat: Any = None
    labelme: Any = None
    open_images: Any = None
    panoptic: Any = None
    segment_id: Any = None
    iscrowd: Any = None


_TRUE = (1, True)
_told = msgspec.json.Decoder(_Told).decode
_NOTHING = _Told()


@cache
def _any_of(keys: tuple[bytes, ...]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(map(re.escape, keys)))


class Told:
    """The carried keys that formats read; whatever is of another kind than it should be is empty."""

    __slots__ = ("_found",)

    def __init__(self, raw: Raw, *keys: bytes) -> None:
        # Most annotations are large, and have none of these: looking for a key costs less than decoding.
        self._found = _NOTHING
        if raw and _any_of(keys).search(text := bytes(raw)):
            # What is carried need not even be an object.
            with suppress(msgspec.DecodeError, RecursionError):
                self._found = _told(text)

    def __bool__(self) -> bool:
        """Whether any of the keys may be there."""
        return self._found is not _NOTHING

    def mapping(self, key: str) -> dict[str, Any]:
        """An object; empty where it is none."""
        found = getattr(self._found, key)
        return found if isinstance(found, dict) else {}

    def items(self, key: str) -> list[Any]:
        """An array; empty where it is none."""
        found = getattr(self._found, key)
        return found if isinstance(found, list) else []

    @property
    def segment_id(self) -> int:
        """The id of a panoptic segment; 0 where there is none."""
        found = self._found.segment_id
        return found if isinstance(found, int) and not isinstance(found, bool) else 0

    @property
    def iscrowd(self) -> bool:
        """Whether it is a crowd."""
        return self._found.iscrowd in _TRUE
