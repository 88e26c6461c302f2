"""Hugging Face's imagefolder: pictures by split, and beside them metadata.jsonl with a line an image.

    SPLIT/metadata.jsonl    train, validation, test: a line an image, its objects as lists side by side
    SPLIT/NAME              the image's own file
    classes.json            the classes by number; `datasets` passes it over

`objects` has `bbox` (left, top, width, height) and `categories` (numbers of classes) as object detection
in `transformers` wants them, and beside these what CSV has in its columns of the same names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import msgspec
from msgspec import Raw

from annotary.formats import Format, Part, Reading, Source, TrainingOptions
from annotary.formats import _records as tables
from annotary.formats._bodies import one_by_one, with_bodies
from annotary.formats._disk import Later
from annotary.formats._json import Broken, Document, Member, documents, problem_of, shown
from annotary.formats._names import Names
from annotary.formats._record_text import take_text, text_of
from annotary.formats._records import Record
from annotary.formats._seen import Seen
from annotary.model.corpus import Notice, Problem
from annotary.model.image import NOTHING, TEST, TRAIN, VAL, Image, ImageSet, Mark

METADATA, CLASSES = "metadata.jsonl", "classes.json"
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".jfif")
_FOLDERS = {TRAIN: "train", VAL: "validation", TEST: "test"}
_SPLITS = {"train": TRAIN, "val": VAL, "valid": VAL, "validation": VAL, "dev": VAL, "test": TEST}
_LISTS = ("bbox", "categories", "names", "kinds", "ids", "geometry", "confidence", "answers", "carried")
_NONE = -1.0
"""The confidence of an object without one: `datasets` wants a column to be of one type in every split."""
_encode = msgspec.json.Encoder().encode


class Options(TrainingOptions, frozen=True):
    """What every training format has."""

    def one_file(self) -> bool:
        """Always a folder."""
        return False


class _Class(msgspec.Struct):
    name: str
    index: int
    said: str = ""


class _Classes(msgspec.Struct):
    """The file `classes.json`."""

    classes: list[_Class]
    carried: dict[str, Any] = {}


# Writing


def write(found: ImageSet, options: Options) -> Iterator[Part]:
    """Each image's picture, then the lines of each split and the classes."""
    names = Names(found.ledger)
    held: dict[str, Later] = {}
    for image, members in with_bodies(found, _prepared(found, options)):
        split = _FOLDERS[image.split or TRAIN]
        ending = PurePosixPath(image.name).suffix
        name = names.path(image.name, image.id, ending=ending if ending.lower() in PICTURES else ".jpg")
        held.setdefault(split, Later()).add(b'{"file_name":' + _encode(name) + b"," + members + b"\n")
        yield from found.picture(image, f"{split}/{name}")
    for split in _FOLDERS.values():
        if split in held or split == TRAIN:
            yield Part(f"{split}/{METADATA}", b"")
            for chunk in held.get(split, Later()).chunks():
                yield Part(f"{split}/{METADATA}", chunk)
    classes = [_Class(one.name, one.index, tables.said_of(one)) for one in found.classes]
    text = msgspec.json.format(_encode(_Classes(classes, found.carried)), indent=2)
    yield Part(CLASSES, text + b"\n")


def _prepared(found: ImageSet, options: Options) -> Callable[[Image], bytes]:
    del options
    return lambda image: _encode(_members(found, image)).removeprefix(b"{")


def _members(found: ImageSet, image: Image) -> dict[str, Any]:
    """What a line says beside the name of the image's file."""
    name, id, key, address = tables.named(found, image)
    objects: dict[str, list[Any]] = {one: [] for one in _LISTS}
    for one in tables.records(found, image):
        values = (
            one.box and [float(side) for side in one.box],
            tables.class_index(found.classes, one),
            one.name,
            one.kind,
            one.id,
            text_of(one),
            _NONE if one.confidence is None else one.confidence,
            one.answers,
            one.carried,
        )
        for column, value in zip(_LISTS, values, strict=True):
            objects[column].append(value)
    return {
        "external_id": name,
        "image_id": id,
        "global_key": key,
        "row_data": address,
        "width": image.width,
        "height": image.height,
        "answers": tables.answers(image.answers),
        "carried": tables.carried_of(found, image),
        "objects": objects,
    }


# Reading


class _Objects(msgspec.Struct):
    bbox: list[Any] = []
    categories: list[Any] | None = None
    category: list[Any] | None = None
    names: list[Any] = []
    kinds: list[Any] = []
    ids: list[Any] = []
    geometry: list[Any] = []
    confidence: list[Any] = []
    answers: list[Any] = []
    carried: list[Any] = []


class _Read(msgspec.Struct):
    file_name: str
    external_id: str | None = None
    image_id: str | int | None = None
    global_key: str | None = None
    row_data: str | None = None
    width: int | None = None
    height: int | None = None
    answers: str | None = None
    carried: str | None = None
    objects: Raw = NOTHING


class _Object(msgspec.Struct):
    """One object, out of the lists."""

    bbox: tuple[float, float, float, float] | None = None
    category: int | str | None = None
    name: str | None = None
    kind: str = "box"
    id: str | int | None = None
    geometry: str | None = None
    confidence: float | None = None
    answers: str | None = None
    carried: str | None = None


_keys = msgspec.json.Decoder(dict[str, Raw]).decode
_read = msgspec.json.Decoder(_Read).decode
_objects = msgspec.json.Decoder(_Objects).decode


def read(source: Source, options: Options, reading: Reading) -> Iterator[Image]:
    """The images of each metadata.jsonl, then the pictures that none of them names."""
    del options
    _take_classes(source, reading)
    seen, told = Seen(), Seen()
    number = 0
    for path in sorted(_metadata(source), key=_order):
        for image in _listed(source, path, reading, told):
            seen.add(image.place)
            image.place = path
            image.number = number
            yield image
            number += 1
    for path in source.paths():
        if PurePosixPath(path).suffix.lower() in PICTURES and seen.add(path):
            split = _split(path)
            name = "/".join(one for one in path.split("/") if not split or one not in _SPLITS)
            width, height = source.size_of(path) or (0, 0)
            yield Image(
                number=number, external_id=name, row_data=path, width=width, height=height,
                split=split, place=path, local=path,
            )  # fmt: skip
            number += 1


def _metadata(source: Source) -> list[str]:
    return [path for path in source.paths() if path.rsplit("/", 1)[-1] == METADATA]


def _order(path: str) -> tuple[int, str]:
    return list(_FOLDERS).index(_split(path) or TRAIN), path


def _split(path: str) -> str:
    return next((_SPLITS[one] for one in path.split("/")[:-1] if one in _SPLITS), "")


def _take_classes(source: Source, reading: Reading) -> None:
    data = source.neighbour(CLASSES)
    if data is None:
        return
    try:
        found = msgspec.json.decode(data, type=_Classes)
        for one in found.classes:
            tables.take_class(reading.classes, one.name, one.index, one.said)
    except (ValueError, RecursionError) as error:
        reading.report(Problem(place=CLASSES, value=CLASSES, reason=str(error)))
        return
    reading.carried.update(found.carried)


def _listed(source: Source, path: str, reading: Reading, told: Seen) -> Iterator[Image]:
    """The images of one file of lines; the place of each is its picture's path."""
    try:
        for document in documents(Member(source, path)):  # type: ignore[arg-type]
            place = f"{path}, {document.place}"
            try:
                line, keys = _read(document.data), _keys(document.data)
                objects = _objects(line.objects) if bytes(line.objects) not in (b"", b"null") else _Objects()
            except (msgspec.DecodeError, RecursionError) as error:
                reading.report(problem_of(error, Document(document.data, place)))
                continue
            try:
                image = _image(source, path, line)
            except ValueError as error:
                reading.report(Problem(place=place, value=shown(line.file_name), reason=str(error)))
                continue
            for key in keys:
                if key not in _Read.__struct_fields__ and told.add(key):
                    reading.notify(Notice(place=place, value=key, reason="this column is not taken over"))
            image.marks = list(_marks(objects, place, reading))
            yield image
    except Broken as broken:
        problem = broken.problem
        reading.report(Problem(place=f"{path}, {problem.place}", value=problem.value, reason=problem.reason))


def _image(source: Source, path: str, line: _Read) -> Image:
    folder = path.rpartition("/")[0]
    picture = f"{folder}/{line.file_name}" if folder else line.file_name
    name = line.file_name if line.external_id is None else line.external_id
    image = Image(
        id=line.image_id if isinstance(line.image_id, str) else "",
        external_id=name,
        global_key=line.global_key or "",
        row_data=line.row_data or name,
        split=_split(path),
        width=tables.size(line.width),
        height=tables.size(line.height),
        place=picture,
        local=picture,
    )
    if not image.width:
        image.width, image.height = source.size_of(picture) or (0, 0)
    if line.answers:
        image.answers = tables.checked_answers(line.answers)
    if line.carried:
        image.coco = tables.object_of(line.carried)
    return image


def _marks(objects: _Objects, place: str, reading: Reading) -> Iterator[Mark]:
    lists = (
        objects.bbox, objects.categories or objects.category or [], objects.names, objects.kinds, objects.ids,
        objects.geometry, objects.confidence, objects.answers, objects.carried,
    )  # fmt: skip
    for at in range(max(map(len, lists))):
        values = {
            field: some[at]
            for field, some in zip(_Object.__struct_fields__, lists, strict=True)
            if at < len(some) and some[at] is not None
        }
        where = f"{place}, objects[{at}]"
        try:
            yield tables.mark_of(_record(msgspec.convert(values, _Object), reading), where)
        except ValueError as error:
            kind = values.get("kind", "box")
            reading.ledger.refused(kind if kind in tables.KINDS else "object", str(error), where)


def _record(one: _Object, reading: Reading) -> Record:
    index = one.category if isinstance(one.category, int) else None
    name = one.name or (one.category if isinstance(one.category, str) else "")
    if not name and index is not None:
        # Of a set whose classes have no names only their numbers are known.
        known = next((known.name for known in reading.classes if known.index == index), None)
        name = known or str(index)
    made = Record(one.kind, name, "" if one.id is None else str(one.id), one.bbox)
    if one.geometry:
        take_text(made, one.geometry)
    made.confidence = None if one.confidence == _NONE else one.confidence
    made.answers, made.carried = one.answers or "", one.carried or ""
    if made.ends is None and name and name not in reading.classes.by_name:
        reading.classes.add(name, index)
    return made


def _folder(source: Source) -> bool:
    for path in islice(source.paths(), 20_000):
        if path.rsplit("/", 1)[-1] == METADATA and path.count("/") <= 1:
            return b'"file_name"' in next(iter(source.open(path)), b'"file_name"')
    return False


FORMAT = Format(
    title="imagefolder: metadata.jsonl beside the pictures, as Hugging Face datasets reads it",
    options=Options,
    write=write,
    read=read,
    prepare=one_by_one(_prepared),
    images=True,
    folder=_folder,
    says="everything: boxes, polygons, lines, points, masks, cuboids, relationships, answers, scores, splits",
)
