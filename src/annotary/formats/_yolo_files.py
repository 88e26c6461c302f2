"""What all YOLO data sets have: data.yaml, images and label files by split, and an index of the images."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from annotary.formats import Part, Reading, Source
from annotary.formats._disk import Groups
from annotary.formats._image_index import PICTURES, Elsewhere, indexed, read_index
from annotary.formats._json import shown
from annotary.model.corpus import Problem
from annotary.model.image import TEST, TRAIN, VAL, Classes, Image

DETECT, SEGMENT, OBB = "detect", "segment", "obb"
"""What a data set is for, as Ultralytics' programs call it."""
_TASKS = {one: one for one in (DETECT, SEGMENT, OBB)}
_TASK = re.compile(rb"(?m)^task\s*:\s*[\"']?(\w+)")
_SPLITS = {"train": TRAIN, "val": VAL, "valid": VAL, "validation": VAL, "test": TEST}
_SMALL = 4 << 20
"""No data.yaml and no list of names is larger, in bytes."""
_PATHS, _LABELS, _LINES = 200_000, 2000, 200
"""So many files, label files, and lines of each are looked at to recognise a data set."""


def data_yaml(classes: Classes, splits: Iterable[str], **more: Any) -> Part:
    """data.yaml; `val` is the training images where there are no others, as YOLO's programs want one."""
    import yaml  # type: ignore[import-untyped]

    there = {*splits, TRAIN}
    said: dict[str, Any] = {"path": ".", "train": "images/train"}
    said["val"] = f"images/{VAL if VAL in there else TRAIN}"
    if TEST in there:
        said["test"] = "images/test"
    said.update(more)
    said["names"] = {one.index: one.name for one in classes}
    text = yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=1 << 20)
    return Part("data.yaml", text.encode("utf-8", "surrogatepass"))


def task_of(source: Source) -> str:
    """`detect`, `segment` or `obb` by the data.yaml of a YOLO data set or by its lines; empty if it is none.

    One polygon makes a set one for segmentation; nothing but lines of four corners one of oriented boxes.
    """
    names, labels, corners, boxes = False, 0, False, False
    for seen, path in enumerate(source.paths()):
        if not names and _is_names(source, path):
            names = True
            if said := _TASK.search(_small(source, path)):
                return _TASKS.get(said[1].decode(), "")
        elif path.endswith(".txt") and _is_label(start := _start(source, path), path):
            labels += 1
            counts = {len(line.split()) - 1 for line in start.splitlines()[:_LINES]}
            corners = corners or not counts.isdisjoint((8, 9))
            boxes = boxes or not counts.isdisjoint((4, 5))
            if names and any(count > 5 for count in counts - {8, 9}):
                return SEGMENT
        if seen > _PATHS or labels > _LABELS:
            break
    if not (names and labels):
        return ""
    return DETECT if not corners else SEGMENT if boxes else OBB


def _start(source: Source, path: str) -> bytes:
    return next(iter(source.open(path)), b"")


def _is_names(source: Source, path: str) -> bool:
    name = path.rsplit("/", 1)[-1]
    if path.count("/") > _DEEPEST:
        return False
    if name in ("classes.txt", "obj.names"):
        return True
    return (
        name.endswith((".yaml", ".yml")) and re.search(rb"(?m)^names\s*:", _small(source, path)) is not None
    )


_DEEPEST = 4
"""Names are looked for in so many folders in each other; below, YAML files are read for nothing."""
_LINE = re.compile(rb"\d+(\s+[-+.\deE]+){4,}\s*(\n|\r|\Z)")


def _is_label(start: bytes, path: str) -> bool:
    if path.rsplit("/", 1)[-1] in ("classes.txt", "notes.txt"):
        return False
    return not start.strip() or _LINE.match(start) is not None


def _small(source: Source, path: str) -> bytes:
    data = b""
    for piece in source.open(path):
        data += piece
        if len(data) > _SMALL:
            break
    return data


def files(source: Source, reading: Reading) -> Iterator[tuple[Image, str]]:
    """Each image without marks, and the path of its label file, empty where it has none; adds classes."""
    paths = Groups()
    try:
        paths.add((path, b"") for path in source.paths())
        _read_names(source, paths, reading)
        index = read_index(source, paths)
        try:
            yield from _found(source, paths, index, reading)
        finally:
            index.close()
    finally:
        paths.close()


def _read_names(source: Source, paths: Groups, reading: Reading) -> None:
    for path in source.paths():
        if not _is_names(source, path):
            continue
        text = _small(source, path)
        if path.endswith((".yaml", ".yml")):
            _take_yaml(text, path, reading)
        else:
            for line in text.decode("utf-8", "replace").split("\n"):
                if line.strip():
                    reading.classes.add(line.strip())
        return
    reading.report(Problem(place=source.name, value="data.yaml", reason="no list of class names is there"))


def _take_yaml(text: bytes, path: str, reading: Reading) -> None:
    import yaml

    try:
        said = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reading.report(Problem(place=path, value=shown(str(error).split("\n")[0]), reason="not YAML"))
        return
    names = said.get("names") if isinstance(said, dict) else None
    pairs = names.items() if isinstance(names, dict) else enumerate(names if isinstance(names, list) else ())
    for index, name in pairs:
        if not str(index).isdigit():
            reading.report(
                Problem(place=path, value=shown(index), reason="a class's index is a whole number")
            )
            continue
        reading.classes.add(str(name), int(index))


def _found(source: Source, paths: Groups, index: Groups, reading: Reading) -> Iterator[tuple[Image, str]]:
    seen = Groups()
    number = 0
    for path in source.paths():
        if PurePosixPath(path).suffix.lower() in PICTURES:
            label = _label_of(path)
            there = bool(paths.of(label))
            seen.add([(label, b"")])
            yield _image(source, path, number, index), label if there else ""
            number += 1
    known = {label: path for path, label in ((str(one), _label_of(str(one))) for one in index.each())}
    elsewhere = Elsewhere(source)
    for path in source.paths():
        if path.endswith(".txt") and not seen.of(path) and _in_labels(path):
            picture = known.get(path)
            local = "" if picture else elsewhere.find(_picture_of(path).removesuffix(".jpg"))
            picture = picture or _picture_of(path).removesuffix(".jpg") + (
                PurePosixPath(local).suffix or ".jpg"
            )
            yield _image(source, picture, number, index, local), path
            number += 1
    seen.close()


def _in_labels(path: str) -> bool:
    return "labels" in path.split("/")[:-1]


def _swapped(path: str, old: str, new: str) -> str:
    """A path with the last folder of a name under another name."""
    parts = path.split("/")
    for at in range(len(parts) - 2, -1, -1):
        if parts[at] == old:
            parts[at] = new
            break
    return "/".join(parts)


def _label_of(picture: str) -> str:
    return str(PurePosixPath(_swapped(picture, "images", "labels")).with_suffix(".txt"))


def _picture_of(label: str) -> str:
    return str(PurePosixPath(_swapped(label, "labels", "images")).with_suffix(".jpg"))


def _image(source: Source, path: str, number: int, index: Groups, local: str = "") -> Image:
    """The image of a picture's path as YOLO has it; `local` is where it is, if elsewhere."""
    folders = path.split("/")
    split = next((_SPLITS[one] for one in folders[:-1] if one in _SPLITS), "")
    inside = [one for one in folders[:-1] if one != "images" and one not in _SPLITS]
    image = Image(
        number=number,
        external_id="/".join((*inside, folders[-1])),
        row_data=path,
        split=split,
        place=path,
        local=local or path,
    )
    indexed(image, path, index)
    if not image.width and (size := source.size_of(image.local)) is not None:
        image.width, image.height = size
    return image
