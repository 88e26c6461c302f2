"""Stretches of images for a training format: rows worked out by other processes, written in order by one.

A file name, an id or a number that is taken depends on all rows before; what a row says by itself does not.
So a stretch is told as what was made of its rows, and as the rows that are left to who joins them.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import groupby
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Raw

from annotary.engine.image_sets import tally
from annotary.formats import Part, Prepare, TrainingOptions
from annotary.formats._bodies import batches
from annotary.model.image import NOTHING, Image, ImageSet, Settled, Unsettled
from annotary.model.ledger import Notes
from annotary.model.sheet import Prepared, Sheet
from annotary.store.rows import Stretch

_VAIN = 32
"""Rows are like their neighbours: where nothing can be made of so many, to read all others twice is vain."""
MADE, LEFT, UNREAD = "made", "left", "unread"
"""What was made of rows; rows that were read and counted, and are left; rows nobody has read."""
Read = Callable[[Stretch, bool], Iterator[Sheet | Image]]
"""The rows of a stretch, which are counted where that is asked for."""
Make = Callable[[Any], Any]
Rows = Sheet | list[Image]
_head = attrgetter("number", "id", "global_key", "external_id", "row_data", "width", "height", "split")
# To pickle hundreds of texts, each of which may be met again, takes ten times as long.
_encode = msgspec.msgpack.Encoder().encode
_heads = msgspec.msgpack.Decoder(list[tuple[int, str, str, str, str, int, int, str]]).decode


def apart(found: ImageSet, prepare: Prepare, options: TrainingOptions, stretch: Stretch) -> Iterator[Part]:
    """What can be told of a stretch; where nothing can be made of the first, that it was not read."""
    notes = Notes()
    make = prepare(found._replace(ledger=notes, classes=Settled(found.classes)), options)
    begun, vain = False, 0
    left: tuple[int, int] | None = None
    for some, made in _pieces(_rows(found, sheets=options.sheets()), make, notes):
        images = some.images if isinstance(some, Sheet) else some
        if made is not None:
            if left is not None:
                yield Part(LEFT, pickle.dumps(left))
                left = None
            begun = True
            yield Part(MADE, _packed(some, notes, made))
            notes.calls.clear()
            continue
        left = (images[0].number - 1 if left is None else left[0], images[-1].number)
        vain += len(images)
        if not begun and vain > _VAIN:
            yield unread(stretch)
            return
    if left is not None:
        yield Part(LEFT, pickle.dumps(left))


def _rows(found: ImageSet, *, sheets: bool) -> Iterator[Rows]:
    """The rows of a stretch, in sheets where they are plain and the format takes these."""
    if not sheets:
        yield from batches(found.images())
        return
    assert found.sheets is not None
    for single, some in groupby(found.sheets(), lambda one: isinstance(one, Image)):
        if single:
            yield from batches(some)
        else:
            yield from some


def _pieces(rows: Iterator[Rows], make: Make, notes: Notes) -> Iterator[tuple[Rows, Any]]:
    """The rows with what is made of them; those of which nothing can be made together are tried apart."""
    for some in rows:
        made = _tried(make, some, notes)
        if made is not None:
            yield some, made
        elif isinstance(some, Sheet):
            yield from _pieces(iter([list(some.again())]), make, notes)
        elif len(some) > 1:
            yield from _pieces(([image] for image in some), make, notes)
        else:
            yield some, None


def _tried(make: Make, some: Rows, notes: Notes) -> Any:
    """What is made of some rows; None where it depends on others."""
    try:
        made = make(some)
    except Unsettled:
        made = None
    if made is None:
        notes.calls.clear()
    return made


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


def _packed(some: Rows, notes: Notes, made: Any) -> bytes:
    kinds: Counter[str] = Counter()
    if isinstance(some, Sheet):
        images = some.images
        kinds.update(some.kinds)
        answers = some.answer_count()
    else:
        images = some
        answers = sum([tally(image, kinds) for image in images])
    heads = _encode(list(map(_head, images)))
    carried = [bytes(one.coco) for one in images]
    told = (heads, carried, dict(kinds), answers, notes.calls, made)
    return pickle.dumps(told, pickle.HIGHEST_PROTOCOL)


def _unpacked(told: Any, read: Read) -> Prepared:
    heads, carried, kinds, answers, calls, made = told
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
            coco=Raw(said) if said else NOTHING,
        )
        for (number, id, global_key, external_id, row_data, width, height, split), said in zip(
            _heads(heads), carried, strict=True
        )
    ]

    def full() -> list[Image]:
        found = read(Stretch(images[0].number - 1, images[-1].number), False)
        return [image for some in found for image in (some.full() if isinstance(some, Sheet) else (some,))]

    return Prepared(images, kinds, answers, calls, made, full)
