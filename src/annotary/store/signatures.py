"""What a label shows, as a number: rows are found and counted by it without their annotations being read.

The number follows from the kinds and names alone, so that nobody has to hand it out. It is odd where
anything is drawn, and 0 where there is nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b

import msgspec

from annotary.model.image import WORDS

Thing = tuple[str, str]
"""A kind, and a class's name; of an answer the name is empty."""


class _Object(msgspec.Struct, gc=False):
    name: str = ""
    annotation_kind: str = ""


class _Annotations(msgspec.Struct, gc=False):
    objects: list[_Object] = []
    relationships: list[_Object] = []


_annotations = msgspec.json.Decoder(_Annotations).decode
ANSWERS = ("radio", "checklist", "text")
"""Kinds of what is answered; they have no class."""
_KEYS = tuple(zip(('"radio_answer":', '"checklist_answers":', '"text_answer":'), ANSWERS, strict=True))
_BITS = 62


_things = msgspec.json.Decoder(list[Thing]).decode
_KNOWN = 1 << 14
"""The last so many are not worked out again; a project has few."""


def shown_in(annotations: str) -> str:
    """What a stored section of annotations shows."""
    text = annotations.replace("\x1a", " ") if "\x1a" in annotations else annotations
    found = _annotations(text)
    drawn = [(one.annotation_kind, one.name) for one in (*found.objects, *found.relationships)]
    return shown_by(drawn, answered_in(text))


def answered_in(annotations: str) -> Iterable[str]:
    """The kinds of what is answered in a section of annotations."""
    # As a key it can stand nowhere in a text: quotes there have a backslash before them.
    return [kind for key, kind in _KEYS if key in annotations]


def shown_by(objects: Iterable[tuple[str, str]], answered: Iterable[str]) -> str:
    """What is shown where the objects' kinds, as JSON has them, and names are known, and the kinds of what is
    answered: JSON of things, each once.
    """
    return _shown(frozenset(objects), frozenset(answered))


@lru_cache(_KNOWN)
def _shown(objects: frozenset[tuple[str, str]], answered: frozenset[str]) -> str:
    drawn = {(WORDS.get(kind, kind), name) for kind, name in objects}
    return msgspec.json.encode(sorted(drawn.union([(kind, "") for kind in answered]))).decode()


def things_of(shows: str) -> list[Thing]:
    """The things themselves, in order."""
    return _things(shows)


@lru_cache(_KNOWN)
def signature_of(shows: str) -> int:
    """The number of what is shown."""
    things = things_of(shows)
    if not things:
        return 0
    digest = blake2b(shows.encode(), digest_size=8).digest()
    drawn = any(name or kind not in ANSWERS for kind, name in things)
    return (int.from_bytes(digest, "big") >> (64 - _BITS)) & ~1 | drawn
