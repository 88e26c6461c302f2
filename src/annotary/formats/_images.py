"""Images out of stored pages, and rows for the store out of images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate, chain, groupby, islice
from typing import Any

import msgspec
from msgspec import UNSET, Raw

from annotary.formats._losses import drop
from annotary.formats._stored import current, stored
from annotary.model.annotation import Annotations, Classification
from annotary.model.base import derived_id
from annotary.model.corpus import Page, Parsed
from annotary.model.image import NOTHING, TEST, TRAIN, VAL, Image, Mark
from annotary.model.ledger import Ledger
from annotary.model.row import DataRow, Label, MediaAttributes, ProjectPart, Row
from annotary.model.sheet import Drawn, Sheet

SPLITS = {"TRAINING": TRAIN, "VALIDATION": VAL, "TEST": TEST}
"""A model run's splits as training formats spell them."""


class _Media(msgspec.Struct, gc=False, frozen=True):
    width: int = 0
    height: int = 0


class _Marks(msgspec.Struct, gc=False):
    objects: list[Mark] = []
    classifications: Raw = NOTHING


class _Stored(msgspec.Struct, gc=False):
    row_data: str
    id: str = ""
    global_key: str = ""
    external_id: str = ""
    media_attributes: _Media = _Media()
    coco: Raw = NOTHING
    labels: list[_Marks] = []


class _Plain(msgspec.Struct, gc=False):
    objects: list[Drawn] = []
    classifications: tuple[Raw, ...] = ()


class _PlainRow(msgspec.Struct, gc=False):
    row_data: str
    id: str = ""
    global_key: str = ""
    external_id: str = ""
    media_attributes: _Media = _Media()
    coco: None = None
    labels: list[_Plain] = []


_row = msgspec.json.Decoder(_Stored).decode
_plain_row = msgspec.json.Decoder(_PlainRow).decode
_plain_rows = msgspec.json.Decoder(list[_PlainRow]).decode
_masks = msgspec.json.Decoder(dict[str, str]).decode
_RECORD_HEAD, _RECORD_MEDIA, _RECORD_METADATA, _RECORD_EXTRA = 2, 5, 7, 9
_ANNOTATIONS, _MASKS = 7, 8
_EMPTY = (b"[]", b"")
_PAGES = 2
"""So many pages are read together: few enough to stay in the processor's cache, enough for numpy's calls."""
_FEWEST = 8
"""Of fewer rows no sheet is made: it would cost more than it spares."""
_Labelled = tuple[tuple[Any, ...], list[tuple[Any, ...]]]


def images(pages: Iterable[Page], *, predictions: bool = False, splits: bool = False) -> Iterator[Image]:
    """The images of pages that are not lean; all labels of a row together, or its predictions.

    `splits` says that rows carry a model run's split.
    """
    for page in pages:
        for row, labels in _labelled(page, predictions):
            yield image_of(row, labels, splits)


def _labelled(page: Page, predictions: bool) -> list[_Labelled]:
    """The rows of a page that are there, each with its labels."""
    held = [part.predictions if predictions else part.labels for part in page.parts]
    return [
        (row, [label for part in held for label in part.get(row[0], ())]) for row in page.rows if not row[1]
    ]


def image_of(row: tuple[Any, ...], labels: list[tuple[Any, ...]], splits: bool) -> Image:
    """The image of a Record with the marks of these labels."""
    text = _sayable(_text(row, labels))
    found = _row(text)
    drawn: list[Mark] = []
    answers = NOTHING
    masks: dict[str, str] = {}
    for one in found.labels:
        drawn = one.objects if not drawn else drawn + one.objects
        if one.classifications and bytes(one.classifications) not in _EMPTY:
            answers = _joined(answers, one.classifications)
    for label in labels:
        if label[_MASKS]:
            masks = {**masks, **_masks(label[_MASKS])}
    if b'"coco":' in text:
        for mark in drawn:
            if mark.coco:
                mark.coco = current(mark, masks.get(mark.feature_id, ""))
    metadata = row[_RECORD_METADATA]
    return Image(
        number=row[0],
        id=found.id,
        global_key=found.global_key,
        external_id=found.external_id,
        row_data=found.row_data,
        width=found.media_attributes.width,
        height=found.media_attributes.height,
        marks=drawn,
        answers=answers,
        masks=masks,
        split=_split(row[_RECORD_EXTRA]) if splits else "",
        coco=found.coco,
        metadata=NOTHING if metadata in _EMPTY else Raw(metadata),
    )


def _text(row: tuple[Any, ...], labels: list[tuple[Any, ...]]) -> bytes:
    """A row with its labels as JSON, but for the placeholder of links."""
    texts = b",".join([label[_ANNOTATIONS] for label in labels])
    return b"".join((b"{", row[_RECORD_HEAD], b",", row[_RECORD_MEDIA], b',"labels":[', texts, b"]}"))


def _sayable(text: bytes) -> bytes:
    return text.replace(b"\x1a", b"\\u001a") if b"\x1a" in text else text


def _joined(one: Raw, other: Raw) -> Raw:
    """The elements of both arrays."""
    return Raw(bytes(one)[:-1] + b"," + bytes(other)[1:]) if one else other


def _split(text: bytes) -> str:
    return SPLITS.get(msgspec.json.decode(text), "") if text and text != b"null" else ""


# Many at a time


def sheets(
    pages: Iterable[Page], *, predictions: bool = False, splits: bool = False
) -> Iterator[Sheet | Image]:
    """What `images` gives, plain rows together in sheets."""
    unread = iter(pages)
    while some := list(islice(unread, _PAGES)):
        given = list(chain.from_iterable([_labelled(page, predictions) for page in some]))
        try:
            found: list[_PlainRow | None] = [*_plain_rows(_texts(given))]
        except msgspec.DecodeError:
            found = [_plain(row, labels) for row, labels in given]
        if any([label[_MASKS] for _, labels in given for label in labels]):
            for at, (_, labels) in enumerate(given):
                if any([label[_MASKS] for label in labels]):
                    found[at] = None
        start = 0
        for is_plain, alike in groupby([one is not None for one in found]):
            end = start + len(list(alike))
            if is_plain and end - start >= _FEWEST:
                yield _sheet(found[start:end], given[start:end], splits)  # type: ignore[arg-type]
            else:
                yield from [image_of(row, labels, splits) for row, labels in given[start:end]]
            start = end


def _texts(given: list[_Labelled]) -> bytes:
    """Rows with their labels as a JSON array: in one piece, as copies of it are what costs."""
    pieces: list[bytes] = []
    for row, labels in given:
        pieces += (b",{", row[_RECORD_HEAD], b",", row[_RECORD_MEDIA], b',"labels":[')
        if len(labels) == 1:
            pieces.append(labels[0][_ANNOTATIONS])
        else:
            pieces.append(b",".join([label[_ANNOTATIONS] for label in labels]))
        pieces.append(b"]}")
    if pieces:
        pieces[0] = b"[{"
    return _sayable(b"".join((*pieces, b"]"))) if pieces else b"[]"


def _plain(row: tuple[Any, ...], labels: list[tuple[Any, ...]]) -> _PlainRow | None:
    """A row beside others that are not plain; None where it is none itself."""
    try:
        return _plain_row(_sayable(_text(row, labels)))
    except msgspec.DecodeError:
        return None


def _sheet(found: list[_PlainRow], given: list[_Labelled], splits: bool) -> Sheet:
    labels = [one.labels for one in found]
    if [len(one) for one in labels].count(1) == len(found):
        objects = [one.objects for (one,) in labels]
        answers = [len(one.classifications) for (one,) in labels]
    else:
        objects = [[mark for label in one for mark in label.objects] for one in labels]
        answers = [sum([len(label.classifications) for label in one]) for one in labels]
    marks = list(chain.from_iterable(objects))
    return Sheet(
        [_head(one, row, splits) for one, (row, _) in zip(found, given, strict=True)],
        answers,
        list(accumulate(map(len, objects))),
        marks,
        [mark.kind for mark in marks],
        lambda: [image_of(row, labels, splits) for row, labels in given],
    )


def _head(one: _PlainRow, row: tuple[Any, ...], splits: bool) -> Image:
    """A plain row's image without its marks and answers."""
    metadata = row[_RECORD_METADATA]
    media = one.media_attributes
    return Image(
        number=row[0],
        id=one.id,
        global_key=one.global_key,
        external_id=one.external_id,
        row_data=one.row_data,
        width=media.width,
        height=media.height,
        split=_split(row[_RECORD_EXTRA]) if splits else "",
        metadata=NOTHING if metadata in _EMPTY else Raw(metadata),
    )


# Into the store


def parsed(found: Iterable[Image], format: str, ledger: Ledger) -> Iterator[Parsed]:
    """Rows for the store: each with one label, whose id follows from the image's key.

    What cannot be stored of an image's marks is left out, and the rest is kept.
    """
    for image in found:
        yield _parsed(image, format, ledger)


def _parsed(image: Image, format: str, ledger: Ledger) -> Parsed:
    extras: list[tuple[tuple[str | int, ...], Any]] = []
    below: tuple[str | int, ...] = ("projects", "", "labels", 0, "annotations", "objects")
    objects: list[Any] = []
    for mark in image.marks:
        try:
            made, carried = stored(mark, image)
        except ValueError as error:
            drop(ledger, image, mark, str(error))
            continue
        if carried:
            extras.append(((*below, len(objects), "coco"), carried))
        objects.append(made)
    if image.coco:
        extras.append((("coco",), msgspec.json.decode(image.coco)))
    answers = msgspec.json.decode(image.answers, type=tuple[Classification, ...]) if image.answers else ()
    labels: tuple[Label, ...] = ()
    if objects or answers:
        annotations = Annotations(objects=tuple(objects), classifications=answers)
        labels = (Label(id=derived_id("label", format, image.key), annotations=annotations),)
    row = Row(
        data_row=DataRow(
            id=image.id,
            global_key=image.global_key or UNSET,
            external_id=image.external_id or UNSET,
            row_data=image.row_data or image.external_id or image.global_key,
        ),
        media_attributes=MediaAttributes(width=image.width, height=image.height)
        # Of an image that is known elsewhere all is known there.
        if image.width and image.joins is None
        else MediaAttributes(),
        projects={"": ProjectPart(labels=labels)},
    )
    return Parsed(row, extras, image.place)
