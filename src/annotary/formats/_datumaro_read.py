"""Datumaro's JSON read item by item: categories first, wherever in the file they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import msgspec
from msgspec import Raw

from annotary.formats import Reading, Source
from annotary.formats import _datumaro_shapes as shapes
from annotary.formats._json import Broken, shown
from annotary.formats._members import members
from annotary.model.corpus import Problem
from annotary.model.image import NOTHING, TEST, TRAIN, VAL, Image, Mark

KEY, OWN = "datumaro", "annotary"
DEFAULT = "default"
"""The subset of items that are in no split."""
SPLITS = {"train": TRAIN, "val": VAL, "valid": VAL, "validation": VAL, "test": TEST}
GAP = re.compile(r"\(no class \d+\)")
"""The name of a label whose number no class has."""
LABEL, CAPTION = "label", "caption"
"""The questions that labels and captions of whole images answer."""
_START = re.compile(
    rb'\A[\xef\xbb\xbf\s]*\{\s*"(dm_format_version|media_type|infos|categories|items|ann_types)"\s*:'
)
_SHAPE = re.compile(rb'"dm_format_version"\s*:|"categories"\s*:\s*\{|"items"\s*:\s*\[\s*\{\s*"id"')
_MOST = 1 << 20
"""No image has more pixels a side."""
_ARRAYS = frozenset(("items",))
_HEAD = ("dm_format_version", "media_type", "ann_types")

Json = dict[str, Any]


class _Picture(msgspec.Struct):
    path: str = ""
    size: tuple[int, int] | None = None


class _Own(msgspec.Struct, frozen=True):
    name: str | None = None
    key: str = ""
    address: str = ""


class _Item(msgspec.Struct):
    id: str
    annotations: list[Json] = []
    attr: Json = {}
    image: _Picture | None = None
    media: _Picture | None = None
    annotary: _Own = _Own()


_item = msgspec.json.Decoder(_Item).decode


def starts(start: bytes) -> bool:
    """Whether a file begins as Datumaro's JSON does."""
    return _START.match(start) is not None and _SHAPE.search(start) is not None


def folder(source: Source) -> bool:
    """Whether a folder has Datumaro's files in a folder `annotations`."""
    return next(_files(source), None) is not None


def _files(source: Source) -> Iterator[str]:
    for path in source.paths():
        there = path.endswith(".json") and path.split("/")[-2:-1] == ["annotations"]
        if there and starts(next(iter(source.open(path)), b"")):
            yield path


def read(source: Source, reading: Reading) -> Iterator[Image]:
    """Images, file by file."""
    number = 0
    one = next(iter(source.chunks()), None) is not None
    for path in source.paths() if one else _files(source):
        place = "" if one else f"{path}, "
        subset = PurePosixPath(path).name.split(".")[0]
        try:
            labels = _head(source, path, place, reading)
            for found in _items(source, path, place, reading):
                image = _Reader(source, reading, labels, subset).image(*found)
                image.number = number
                number += 1
                yield image
        except Broken as broken:
            problem = broken.problem
            reading.report(Problem(place=place + problem.place, value=problem.value, reason=problem.reason))


def _head(source: Source, path: str, place: str, reading: Reading) -> list[str]:
    """What a file says of the whole; the names of its labels."""
    names: list[str] = []
    for part in members(source.open(path), _ARRAYS):
        if part.first >= 0 and names:
            # Items usually come last: they are read afterwards.
            break
        if part.first >= 0 or part.key in _HEAD:
            continue
        said = msgspec.json.decode(part.data)
        if part.key == "categories" and isinstance(said, dict):
            names = _labels(said, place, reading)
        reading.carried.setdefault(KEY, {})[part.key] = said
    return names


def _labels(categories: Json, place: str, reading: Reading) -> list[str]:
    said = categories.get("label")
    given = said.get("labels") if isinstance(said, dict) else None
    names: list[str] = []
    for at, one in enumerate(given if isinstance(given, list) else ()):
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str):
            where = f"{place}$.categories.label.labels[{at}]"
            reading.report(Problem(place=where, value=shown(one), reason="a label has a name"))
            name = ""
        names.append(name)
        if name and not GAP.fullmatch(name):
            parent = one.get("parent")
            reading.classes.add(name, at, category={"supercategory": parent} if parent else {})
    return names


def _items(source: Source, path: str, place: str, reading: Reading) -> Iterator[tuple[_Item, str]]:
    for part in members(source.open(path), _ARRAYS):
        if part.first < 0:
            continue
        for at, raw in enumerate(part.elements):
            where = f"{place}{part.place(at)}"
            try:
                yield _item(raw), where
            except msgspec.DecodeError as error:
                value = shown(bytes(raw).decode(errors="replace"))
                reading.report(Problem(place=where, value=value, reason=str(error)))


class _Reader:
    """One item on its way to an image."""

    def __init__(self, source: Source, reading: Reading, labels: list[str], subset: str) -> None:
        self.source = source
        self.ledger = reading.ledger
        self.labels = labels
        self.subset = subset
        self.marks: list[Mark] = []
        self.tags: list[tuple[str, Json]] = []
        self.captions: list[tuple[str, Json]] = []

    def image(self, item: _Item, place: str) -> Image:
        """The image with its marks and the answers about it."""
        picture = item.image or item.media or _Picture()
        path = picture.path or f"{item.id}.jpg"
        tries = (f"images/{self.subset}/{path}", f"images/{path}", path)
        name = derived_name(path, self.subset) if item.annotary.name is None else item.annotary.name
        made = Image(
            external_id=name,
            global_key=item.annotary.key,
            row_data=item.annotary.address or name,
            split=SPLITS.get(self.subset, ""),
            place=place,
            local=next((one for one in tries if self.source.located(one)), tries[0]),
        )
        size = picture.size[::-1] if picture.size else self.source.size_of(made.local)
        if size is not None and all(0 < side < _MOST for side in size):
            made.width, made.height = size
        for at, one in enumerate(item.annotations):
            self._take(one, f"{place}.annotations[{at}]", at)
        made.marks = self.marks
        if questions := self._answers():
            made.answers = Raw(msgspec.json.encode(questions))
        made.coco = self._said(item, path)
        return made

    def _answers(self) -> list[Json]:
        questions: list[Json] = []
        if self.tags:
            questions.append({"name": LABEL, "checklist_answers": [{"name": one} for one, _ in self.tags]})
        return questions + [{"name": CAPTION, "text_answer": {"content": one}} for one, _ in self.captions]

    def _said(self, item: _Item, path: str) -> Raw:
        """What comes out again in Datumaro's files alone."""
        said: Json = {}
        if item.id != str(PurePosixPath(path).with_suffix("")):
            said["id"] = item.id
        if self.subset != DEFAULT:
            said["subset"] = self.subset
        if item.attr:
            said["attr"] = item.attr
        for key, held in (("labels", self.tags), ("captions", self.captions)):
            if any(rest for _, rest in held):
                said[key] = [rest for _, rest in held]
        return Raw(msgspec.json.encode({KEY: said})) if said else NOTHING

    def _take(self, one: Json, where: str, at: int) -> None:
        kind = one.get("type")
        try:
            rest = _rest(one, at)
            if kind == "caption":
                if not isinstance(one.get("caption"), str):
                    raise ValueError("a caption without its text")
                self.captions.append((one["caption"], rest))
                return
            name = self._name(one.get("label_id"))
            if kind == "label":
                self.tags.append((name, rest))
                return
            mark = shapes.shape(str(kind), one)
        except ValueError as error:
            word = "answer" if kind in ("label", "caption") else shapes.word(str(kind))
            self.ledger.refused(word, str(error), where)
            return
        attributes = rest.pop("attributes", {})
        score = attributes.get("score") if isinstance(attributes, dict) else None
        if isinstance(score, int | float) and not isinstance(score, bool) and 0 <= score <= 1:
            # Labels in a store have no score, so it stays among the attributes too.
            mark.confidence = float(score)
        said: Json = {"attributes": attributes} if attributes else {}
        if kept := {**rest, **shapes.kept(str(kind), one)}:
            said[KEY] = kept
        mark.name, mark.id = name, where
        mark.coco = Raw(msgspec.json.encode(said)) if said else NOTHING
        if (told := shapes.APPROXIMATED.get(str(kind))) and mark.kind in told.kinds:
            self.ledger.approximated(mark.word, told.reason, where, told.iou)
        self.marks.append(mark)

    def _name(self, label: Any) -> str:
        if label is None:
            raise ValueError("an annotation without a label")
        name = self.labels[label] if isinstance(label, int) and 0 <= label < len(self.labels) else ""
        if not name:
            raise ValueError(f"label {shown(label)} is not in the categories")
        return name


def _rest(one: Json, at: int) -> Json:
    """What an annotation says beside its shape and label, where it is not the usual."""
    usual = {"id": at + 1, "group": 0, "z_order": 0, "object_id": -1}
    rest = {key: one[key] for key, value in usual.items() if key in one and one[key] != value}
    attributes = one.get("attributes")
    return {**rest, "attributes": attributes} if isinstance(attributes, dict) and attributes else rest


def derived_name(path: str, subset: str) -> str:
    """An image's name by its path: older files have the subset in it.

    >>> derived_name("train/a.jpg", "train")
    'a.jpg'
    """
    return path.removeprefix(f"{subset}/")
