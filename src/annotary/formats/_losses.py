"""Losses that many formats report in the same words."""

from __future__ import annotations

from annotary.model.image import NO_ANSWERS, WORDS, Image, Mark
from annotary.model.ledger import Ledger


def mark_id(image: Image, mark: Mark) -> str:
    """What the ledger calls a mark: its feature id, else what its file calls it, else its place."""
    if mark.feature_id:
        return mark.feature_id
    if mark.id:
        return mark.id
    place = next((at for at, one in enumerate(image.marks) if one is mark), 0)
    return f"{image.name}#{place}"


def drop(ledger: Ledger, image: Image, mark: Mark, reason: str) -> None:
    """A mark is left out, and the answers to questions about it with it."""
    ledger.dropped(mark.word, reason, mark_id(image, mark))
    for _ in range(mark.answer_count()):
        ledger.dropped("answer", "an answer about an object that is left out", mark_id(image, mark))


def wrote(ledger: Ledger, written: list[Mark]) -> None:
    """Marks came out: `ledger.wrote` for each, in fewer calls."""
    kinds = [mark.kind for mark in written]
    for kind in set(kinds):
        ledger.wrote(WORDS.get(kind, kind), kinds.count(kind))


def no_answers(ledger: Ledger, image: Image, written: list[Mark], format: str) -> None:
    """The format has no place for answers: those about the image and the marks written are left out."""
    reason = f"{format} has no place for answers"
    if image.answers:
        for _ in range(image.answer_count()):
            ledger.dropped("answer", reason, image.name)
    for mark in written:
        # What `answered` says, without a call for each mark.
        if mark.classifications not in NO_ANSWERS:
            for _ in range(mark.answer_count()):
                ledger.dropped("answer", reason, mark_id(image, mark))
