"""Stretches of images for a training format: sheets worked out by other processes, written in order by one.

A file name, an id or a number that is taken depends on all rows before; what a sheet says by itself does
not. So a stretch is told as what was made of its sheets, and as the rows that are left to who joins them.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Raw

from annotary.formats import BySheet, Part
from annotary.model.image import NOTHING, WORDS, Image, ImageSet
from annotary.model.ledger import Notes
from annotary.model.sheet import Prepared, Sheet
from annotary.store.rows import Stretch

MADE, LEFT, UNREAD = "made", "left", "unread"
"""A sheet; rows that were read and counted, and are to be written mark by mark; rows nobody has read."""
Read = Callable[[Stretch, bool], Iterator[Sheet | Image]]
"""The rows of a stretch, which are counted where that is asked for."""
_head = attrgetter("number", "id", "global_key", "external_id", "row_data", "width", "height", "split")
# To pickle hundreds of texts, each of which may be met again, takes ten times as long.
_encode = msgspec.msgpack.Encoder().encode
_heads = msgspec.msgpack.Decoder(list[tuple[int, str, str, str, str, int, int, str]]).decode


def apart(found: ImageSet, by_sheet: BySheet, options: Any, stretch: Stretch) -> Iterator[Part]:
    """What can be told of a stretch; where it does not begin with plain rows, that it was not read."""
    notes = Notes()
    make = by_sheet(found._replace(ledger=notes), options)
    assert found.sheets is not None
    begun = False
    left: tuple[int, int] | None = None
    for some in found.sheets():
        made = make(some) if isinstance(some, Sheet) else None
        if made is not None:
            if left is not None:
                yield Part(LEFT, pickle.dumps(left))
                left = None
            begun = True
            yield Part(MADE, _packed(some, notes, made))
            notes.calls.clear()
            continue
        if not begun:
            # Rows out of COCO files are not plain, and then most of them are not: to read them twice is vain.
            yield unread(stretch)
            return
        images = some.images if isinstance(some, Sheet) else [some]
        left = (images[0].number - 1 if left is None else left[0], images[-1].number)
    if left is not None:
        yield Part(LEFT, pickle.dumps(left))


def unread(stretch: Stretch) -> Part:
    """That a stretch is left to who joins them, whole."""
    return Part(UNREAD, pickle.dumps(tuple(stretch)))


def joined(parts: Generator[Part, None, None], read: Read) -> Iterator[Sheet | Prepared | Image]:
    """The rows of all stretches in order."""
    with closing(parts):
        for part in parts:
            told = pickle.loads(part.data)
            if part.path == MADE:
                yield _unpacked(told, read)
            else:
                yield from read(Stretch(*told), part.path == UNREAD)


def _packed(sheet: Sheet, notes: Notes, made: Any) -> bytes:
    heads = _encode(list(map(_head, sheet.images)))
    metadata = [bytes(one.metadata) for one in sheet.images]
    kinds = {kind: sheet.kinds.count(kind) for kind in WORDS if kind in sheet.kinds}
    told = (heads, metadata, kinds, sheet.answer_count(), notes.calls, made)
    return pickle.dumps(told, pickle.HIGHEST_PROTOCOL)


def _unpacked(told: Any, read: Read) -> Prepared:
    heads, metadata, kinds, answers, calls, made = told
    images = [
        Image(
            number=number,
            id=id,
            global_key=global_key,
            external_id=external_id,
            row_data=row_data,
            width=width,
            height=height,
            split=split,
            metadata=Raw(said) if said else NOTHING,
        )
        for (number, id, global_key, external_id, row_data, width, height, split), said in zip(
            _heads(heads), metadata, strict=True
        )
    ]

    def full() -> list[Image]:
        found = read(Stretch(images[0].number - 1, images[-1].number), False)
        return [image for some in found for image in (some.full() if isinstance(some, Sheet) else (some,))]

    return Prepared(images, kinds, answers, calls, made, full)
