"""Images out of stored pages, and rows for the store out of images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


_row = msgspec.json.Decoder(_Stored).decode
_masks = msgspec.json.Decoder(dict[str, str]).decode
_RECORD_HEAD, _RECORD_MEDIA, _RECORD_METADATA, _RECORD_EXTRA = 2, 5, 7, 9
_ANNOTATIONS, _MASKS = 7, 8
_EMPTY = (b"[]", b"")


def images(pages: Iterable[Page], *, predictions: bool = False, splits: bool = False) -> Iterator[Image]:
    """The images of pages that are not lean; all labels of a row together, or its predictions.

    `splits` says that rows carry a model run's split.
    """
    for page in pages:
        held = [part.predictions if predictions else part.labels for part in page.parts]
        for row in page.rows:
            if row[1]:
                continue
            labels = [label for part in held for label in part.get(row[0], ())]
            yield image_of(row, labels, splits)


def image_of(row: tuple[Any, ...], labels: list[tuple[Any, ...]], splits: bool) -> Image:
    """The image of a Record with the marks of these labels."""
    texts = b",".join([label[_ANNOTATIONS] for label in labels])
    text = b"".join((b"{", row[_RECORD_HEAD], b",", row[_RECORD_MEDIA], b',"labels":[', texts, b"]}"))
    if b"\x1a" in text:
        text = text.replace(b"\x1a", b"\\u001a")
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
    if b'"coco":' in texts:
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


def _joined(one: Raw, other: Raw) -> Raw:
    """The elements of both arrays."""
    return Raw(bytes(one)[:-1] + b"," + bytes(other)[1:]) if one else other


def _split(text: bytes) -> str:
    return SPLITS.get(msgspec.json.decode(text), "") if text and text != b"null" else ""


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
