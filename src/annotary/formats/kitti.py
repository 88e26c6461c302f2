"""KITTI object labels: label_2/*.txt and image_2/, a line an object; what is said in space is carried."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from annotary.formats import Format, Part, Reading, Source, TrainingOptions
from annotary.formats._around import around
from annotary.formats._bodies import one_by_one, with_bodies
from annotary.formats._disk import Groups
from annotary.formats._image_index import (
    PICTURES,
    Elsewhere,
    Index,
    indexed,
    picture_name,
    read_index,
)
from annotary.formats._json import shown
from annotary.formats._losses import drop, mark_id, no_answers
from annotary.formats._names import Names
from annotary.model.base import to_json
from annotary.model.corpus import Problem
from annotary.model.geometry import Box
from annotary.model.image import BOX, NOTHING, TEST, TRAIN, VAL, Classes, Image, ImageSet, Mark

CLASSES = "kitti_classes.txt"
"""The classes in order of their numbers, those without an object too: KITTI has no list of its own."""
_FOLDERS = {TRAIN: "training", VAL: "validation", TEST: "testing", "": "training"}
_SPLITS = {"training": TRAIN, "validation": VAL, "testing": TEST, "train": TRAIN, "val": VAL, "test": TEST}
_LABELS, _IMAGES = ("label_2", "labels"), ("image_2", "images")
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_LINE = re.compile(rf"(?P<name>\S.*?)\s+(?P<numbers>{_NUMBER}(?:\s+{_NUMBER}){{13,14}})\s*")
_WHOLLY = re.compile(_NUMBER)
_UNKNOWN = ("0.00", "0", "-10", "-1", "-1", "-1", "-1000", "-1000", "-1000", "-10")
"""Truncated, occluded, alpha; height, width, length; x, y, z; rotation: KITTI's words for not known."""
_FAR = 1e9
_LONGEST = 2000
"""No line of a label file has more characters."""
_PATHS, _TEXTS = 200_000, 2000
"""So many files, and so many of them texts, are looked at to recognise a data set."""


class Options(TrainingOptions, frozen=True):
    """What a user may choose."""

    def one_file(self) -> bool:
        """Always a folder."""
        return False


# Writing


class _Said(msgspec.Struct, gc=False):
    """What is carried with a mark: KITTI's own words, and flags as COCO files of other programs have them."""

    kitti: list[str] = []
    attributes: dict[str, Any] = {}
    iscrowd: int = 0


_said = msgspec.json.Decoder(_Said).decode
_NOTHING = _Said()


def write(found: ImageSet, options: Options) -> Iterator[Part]:
    """A label file for each image, its picture if it has one, then the index of images and the classes."""
    names = Names(found.ledger)
    index = Index()
    types = _Types(found.classes)
    for image, objects in with_bodies(found, _prepared(found, options)):
        folder = _FOLDERS.get(image.split, image.split)
        stem = names.path(image.name, image.id, ending="")
        picture = f"{folder}/image_2/{picture_name(image, stem)}"
        index.add(image, picture)
        lines = [_line(found, types, one) for one in objects]
        yield Part(f"{folder}/label_2/{stem}.txt", "".join(lines).encode("utf-8", "replace"))
        yield from found.picture(image, picture)
    yield from index.parts()
    yield Part(CLASSES, types.listed().encode("utf-8", "replace"))


class _Types:
    """Classes as label files can say them: one word each, no number, and different."""

    def __init__(self, classes: Classes) -> None:
        self._classes = classes
        self._by_name: dict[str, str] = {}
        self._taken: set[str] = set()
        # In order of their numbers, whatever is met first: types are the same in every part of an export.
        for one in classes:
            self.of(one.name)

    def of(self, name: str) -> str:
        """The type of a class; programs take a line apart at its spaces."""
        if (known := self._by_name.get(name)) is not None:
            return known
        self._classes.index(name)
        plain = "_".join(name.split()) or "_"
        made = plain + "_" if _WHOLLY.fullmatch(plain) else plain
        number = 1
        while made in self._taken or (made != name and made in self._classes.by_name):
            number += 1
            made = f"{plain}_({number})"
        self._taken.add(made)
        self._by_name[name] = made
        return made

    def listed(self) -> str:
        """A line a class number, empty where no class has it: the type, and its name where it differs."""
        lines: list[str] = []
        for one in self._classes:
            lines += [""] * (one.index - len(lines))
            made = self.of(one.name)
            lines.append(made if made == one.name else f"{made}\t{to_json(one.name)}")
        return "".join(f"{line}\n" for line in lines)


class _Object(NamedTuple):
    """A mark's kind, what the ledger calls it, its class, and its line after that."""

    word: str
    id: str
    name: str
    rest: str


def _line(found: ImageSet, types: _Types, one: _Object) -> str:
    type = types.of(one.name)
    if type != one.name:
        found.ledger.changed("renamed", one.word, "KITTI cannot say this name", one.id)
    return f"{type} {one.rest}\n"


def _prepared(found: ImageSet, options: Options) -> Callable[[Image], list[_Object]]:
    del options
    return partial(_objects, found)


def _objects(found: ImageSet, image: Image) -> list[_Object]:
    """What is said of each mark that has a line, without knowing how its class is called here."""
    made: list[_Object] = []
    written: list[Mark] = []
    for mark in image.marks:
        try:
            rest = _numbers(found, image, mark)
        except ValueError as error:
            drop(found.ledger, image, mark, str(error))
            continue
        written.append(mark)
        found.ledger.wrote(mark.word)
        made.append(_Object(mark.word, mark_id(image, mark), mark.name, rest))
    no_answers(found.ledger, image, written, "KITTI")
    return made


def _numbers(found: ImageSet, image: Image, mark: Mark) -> str:
    """A line but for its type; raises ValueError."""
    said = _read_said(mark)
    box = mark.bounding_box
    if box is not None:
        left, top, right, bottom = box.corners()
    else:
        left, top, right, bottom = around(found, image, mark, "KITTI")
    words = list(said.kitti[:10]) if len(said.kitti) >= 10 else list(_UNKNOWN)
    if not said.kitti:
        words[0] = _truncated(said.attributes.get("truncated"))
        words[1] = "1" if _is_set(said.attributes.get("occluded")) else "0"
    if said.iscrowd:
        found.ledger.changed(
            "repaired", mark.word, "KITTI does not say that it is a crowd", mark_id(image, mark)
        )
    score = said.kitti[10:11] if mark.confidence is None else [_text(mark.confidence)]
    corners = [_text(one) for one in (left, top, right, bottom)]
    return " ".join((*words[:3], *corners, *words[3:], *score))


def _read_said(mark: Mark) -> _Said:
    try:
        said = _said(mark.coco) if mark.coco else _NOTHING
    except msgspec.DecodeError:
        return _NOTHING
    return said if all(_WHOLLY.fullmatch(word) for word in said.kitti) else _NOTHING


def _is_set(value: Any) -> bool:
    return value in (1, True, "1", "true", "True")


def _truncated(value: Any) -> str:
    if isinstance(value, float) and 0 <= value <= 1:
        return _text(value)
    return "1.00" if _is_set(value) else "0.00"


def _text(number: float) -> str:
    """Two decimals, as KITTI has them, or as many as it takes; beyond a billionth a sum is not exact."""
    rounded = round(number, 9)
    if round(rounded, 2) == rounded:
        return f"{rounded:.2f}"
    return f"{rounded:.9f}".rstrip("0")


# Reading


def folder(source: Source) -> bool:
    """Whether a folder has label files of KITTI's lines; empty ones only count in its own folder."""
    texts = 0
    empty = False
    for path in islice(source.paths(), _PATHS):
        if not path.endswith(".txt") or not _is_label(path):
            continue
        texts += 1
        start = next(iter(source.open(path)), b"").decode("utf-8", "replace").lstrip()
        if start:
            found = _parts(start.splitlines()[0])
            return found is not None and _WHOLLY.fullmatch(found["name"].split()[0]) is None
        empty = empty or "label_2" in path.split("/")
        if texts > _TEXTS:
            break
    return empty


def _is_label(path: str) -> bool:
    return any(one in _LABELS for one in path.split("/")[:-1])


def read(source: Source, options: Options, reading: Reading) -> Iterator[Image]:
    """Images in the order of their label files, then those without one."""
    del options
    names = _read_classes(source, reading)
    paths = Groups()
    try:
        paths.add(_entries(source))
        index = read_index(source, paths)
        try:
            for number, (stem, label, picture) in enumerate(_found(source, paths, index)):
                image = _image(source, stem, label, picture, index)
                image.number = number
                if label:
                    image.marks = list(_marks(source, label, names, reading))
                yield image
        finally:
            index.close()
    finally:
        paths.close()


def _read_classes(source: Source, reading: Reading) -> dict[str, str]:
    """Adds the classes of the list; the names of those types that are not their class's name."""
    text = source.neighbour(CLASSES)
    names: dict[str, str] = {}
    for at, line in enumerate((text or b"").decode("utf-8", "replace").split("\n")):
        made, tab, said = line.partition("\t")
        if not made.strip():
            continue
        try:
            name = msgspec.json.decode(said, type=str) if tab else made.strip()
        except msgspec.DecodeError as error:
            place = f"{CLASSES}, line {at + 1}"
            reading.report(Problem(place=place, value=shown(said), reason=f"a name in JSON: {error}"))
            continue
        reading.classes.add(name, at)
        names[made.strip()] = name
    return names


def _entries(source: Source) -> Iterator[tuple[int | str, bytes]]:
    """Every file by its path, and pictures by their names alone too."""
    for path in source.paths():
        yield path, b""
        if PurePosixPath(path).suffix.lower() in PICTURES:
            data = path.encode("utf-8", "surrogateescape")
            yield f"picture\x1f{_stem(path)}", data
            yield f"name\x1f{PurePosixPath(path).stem}", data


def _stem(path: str) -> str:
    """A path without its ending and KITTI's own folders: the same for an image and its labels."""
    parts = path.split("/")
    parts[-1] = str(PurePosixPath(parts[-1]).with_suffix("")) if "." in parts[-1][1:] else parts[-1]
    return "/".join(one for one in parts[:-1] if one not in (*_LABELS, *_IMAGES)) + "/" + parts[-1]


def _found(source: Source, paths: Groups, index: Groups) -> Iterator[tuple[str, str, str]]:
    """The name, label file and picture of each image; what is not there is empty."""
    seen = Groups()
    elsewhere = Elsewhere(source)
    listed = {_stem(str(one)): str(one) for one in index.each()}
    for path in source.paths():
        if not path.endswith(".txt") or not _is_label(path):
            continue
        stem = _stem(path)
        held = paths.of(f"picture\x1f{stem}") or paths.of(f"name\x1f{PurePosixPath(path).stem}")
        picture = held[0].decode("utf-8", "surrogateescape") if held else listed.get(stem, "")
        seen.add([(picture, b"")])
        # The picture's folders are the image's: labels of other programs lie in one folder.
        yield _stem(picture) if held else stem, path, picture or elsewhere.find(stem.removeprefix("/"))
    for path in source.paths():
        if PurePosixPath(path).suffix.lower() in PICTURES and not seen.of(path):
            yield _stem(path), "", path
    seen.close()


def _image(source: Source, stem: str, label: str, picture: str, index: Groups) -> Image:
    folders = stem.split("/")
    split = next((_SPLITS[one] for one in folders[:-1] if one in _SPLITS), "")
    inside = [one for one in folders[:-1] if one and one not in _SPLITS]
    ending = PurePosixPath(picture).suffix or ".png"
    name = "/".join((*inside, folders[-1] + ending))
    image = Image(external_id=name, row_data=name, split=split, place=label or picture)
    image.local = picture
    indexed(image, picture, index)
    if not image.width and picture and (size := source.size_of(picture)) is not None:
        image.width, image.height = size
    return image


def _marks(source: Source, label: str, names: dict[str, str], reading: Reading) -> Iterator[Mark]:
    text = b"".join(source.open(label)).decode("utf-8", "replace")
    for at, line in enumerate(text.splitlines(), 1):
        mark = _mark(line, f"{label}, line {at}", reading)
        if mark is not None:
            mark.name = names.get(mark.name, mark.name)
            yield mark


def _parts(line: str) -> re.Match[str] | None:
    """Type and numbers of a line; None where it is none."""
    return _LINE.fullmatch(line.strip()) if len(line) < _LONGEST else None


def _mark(line: str, place: str, reading: Reading) -> Mark | None:
    if not line.strip():
        return None
    found = _parts(line)
    if found is None:
        reading.ledger.refused(
            "box", "not a type and 14 numbers, or 15 with a score", f"{place}: {shown(line)}"
        )
        return None
    words = found["numbers"].split()
    numbers = [float(word) for word in words]
    left, top, right, bottom = numbers[3:7]
    score = numbers[14] if len(numbers) == 15 else None
    if not all(abs(one) < _FAR for one in numbers) or right < left or bottom < top:
        reading.ledger.refused("box", "a box whose right or bottom is before its left or top", place)
        return None
    said: dict[str, Any] = {}
    attributes = {"truncated": numbers[0] > 0, "occluded": numbers[1] > 0}
    if any(attributes.values()):
        said["attributes"] = {key: one for key, one in attributes.items() if one}
    if score is not None and not 0 <= score <= 1:
        reason = "a score that is not from 0 to 1 is for KITTI alone"
        reading.ledger.changed("repaired", "box", reason, place)
    # Labels in a store have no score, so it is carried as it stands.
    kept = [*words[:3], *words[7:]]
    if tuple(kept) != _UNKNOWN:
        said["kitti"] = kept
    return Mark(
        kind=BOX,
        name=found["name"],
        bounding_box=Box(left=left, top=top, width=right - left, height=bottom - top),
        confidence=score if score is not None and 0 <= score <= 1 else None,
        coco=Raw(msgspec.json.encode(said)) if said else NOTHING,
        id=place,
    )


FORMAT = Format(
    title="KITTI",
    options=Options,
    write=write,
    read=read,
    prepare=one_by_one(_prepared),
    images=True,
    folder=folder,
    says="boxes, scores, truncated, occluded, what is said in space; other shapes as the box around them",
)
