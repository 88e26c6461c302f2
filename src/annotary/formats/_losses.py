"""Losses that many formats report in the same words."""

from __future__ import annotations

from itertools import chain, repeat

from annotary.model.image import BOX, MASK, NO_ANSWERS, POLYGON, WORDS, Image, Mark
from annotary.model.ledger import Ledger
from annotary.model.sheet import Sheet

_ABOUT = "an answer about an object that is left out"
LINK_ONLY = "the mask's pixels are behind a link that is not followed"


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
    if mark.answered:
        ledger.dropped("answer", _ABOUT, mark_id(image, mark), mark.answer_count())


def wrote(ledger: Ledger, written: list[Mark]) -> None:
    """Marks came out: `ledger.wrote` for each, in fewer calls."""
    kinds = [mark.kind for mark in written]
    for kind in set(kinds):
        ledger.wrote(WORDS.get(kind, kind), kinds.count(kind))


def no_answers(ledger: Ledger, image: Image, written: list[Mark], format: str) -> None:
    """The format has no place for answers: those about the image and the marks written are left out."""
    reason = f"{format} has no place for answers"
    if image.answers:
        ledger.dropped("answer", reason, image.name, image.answer_count())
    for mark in written:
        # What `answered` says, without a call for each mark.
        if mark.classifications not in NO_ANSWERS:
            ledger.dropped("answer", reason, mark_id(image, mark), mark.answer_count())


def sheet_written(ledger: Ledger, sheet: Sheet, format: str, title: str) -> None:
    """Of a sheet boxes and polygons came out; its other marks and its answers have no place in the format.

    What `drop`, `wrote` and `no_answers` would say mark by mark; `format` has no other kinds.
    """
    for kind in dict.fromkeys(sheet.kinds):
        word, count = WORDS[kind], sheet.kinds.count(kind)
        if kind in (BOX, POLYGON):
            ledger.wrote(word, count)
        else:
            ids = (one.feature_id for one in sheet.marks if one.kind == kind)
            ledger.dropped_all(word, LINK_ONLY if kind == MASK else f"{format} has no {word}", ids, count)
    reason = f"{title} has no place for answers"
    if sum(sheet.answers) == sheet.answer_count():
        counts = zip(sheet.images, sheet.answers, strict=True)
        names = chain.from_iterable(repeat(image.name, count) for image, count in counts if count)
        ledger.dropped_all("answer", reason, names, sum(sheet.answers))
        return
    start = 0
    for image, count, end in zip(sheet.images, sheet.answers, sheet.ends, strict=True):
        ledger.dropped("answer", reason, image.name, count)
        for one in sheet.marks[start:end]:
            why = reason if one.kind in (BOX, POLYGON) else _ABOUT
            ledger.dropped("answer", why, one.feature_id, len(one.classifications))
        start = end
