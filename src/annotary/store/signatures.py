"""What a label shows, as a number: rows are found and counted by it without their annotations being read.

The number follows from the kinds and names alone, so that nobody has to hand it out. It is odd where
anything is drawn, and 0 where there is nothing at all.
"""

from __future__ import annotations

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
_KEYS = (
    ('"radio_answer":', ("radio", "")),
    ('"checklist_answers":', ("checklist", "")),
    ('"text_answer":', ("text", "")),
)
_BITS = 62


def things_of(annotations: str) -> list[Thing]:
    """The kinds and names in a stored section of annotations, in order, each once."""
    text = annotations.replace("\x1a", " ") if "\x1a" in annotations else annotations
    found = _annotations(text)
    things = {
        (WORDS.get(one.annotation_kind, one.annotation_kind), one.name)
        for one in (*found.objects, *found.relationships)
    }
    # As a key it can stand nowhere in a text: quotes there have a backslash before them.
    things.update(thing for key, thing in _KEYS if key in text)
    return sorted(things)


def signature_of(things: list[Thing]) -> int:
    """The number of some things."""
    if not things:
        return 0
    digest = blake2b(msgspec.json.encode(things), digest_size=8).digest()
    drawn = any(name or kind not in ANSWERS for kind, name in things)
    return (int.from_bytes(digest, "big") >> (64 - _BITS)) & ~1 | drawn
