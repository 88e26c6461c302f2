"""What all YOLO data sets have: data.yaml, images and label files by split, and an index of the images."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

import msgspec

from annotary.formats import Options, Part, Reading, Source
from annotary.formats._disk import Groups, Later
from annotary.formats._json import shown
from annotary.model.corpus import Problem
from annotary.model.geometry import Box
from annotary.model.image import BOX, TEST, TRAIN, VAL, Classes, Image, Mark

INDEX = "images.csv"
"""Sizes, names and addresses of images: what a YOLO data set without its pictures does not say."""
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".jfif")
_COLUMNS = ("file", "width", "height", "name", "key", "address")
_SPLITS = {"train": TRAIN, "val": VAL, "valid": VAL, "validation": VAL, "test": TEST}
_SMALL = 4 << 20
"""No data.yaml and no list of names is larger, in bytes."""


class Index:
    """The index of a data set's images, and which splits it has."""

    def __init__(self) -> None:
        self._rows = Later()
        self.splits: set[str] = set()

    def add(self, image: Image, split: str, stem: str) -> str:
        """Enter an image; the path of its picture."""
        self.splits.add(split)
        ending = PurePosixPath(image.name).suffix
        path = f"images/{split}/{stem}{ending if ending.lower() in PICTURES else '.jpg'}"
        line = io.StringIO()
        row = (
            path,
            image.width or "",
            image.height or "",
            image.external_id,
            image.global_key,
            image.row_data,
        )
        csv.writer(line, lineterminator="\n").writerow(row)
        self._rows.add(line.getvalue().encode("utf-8", "surrogatepass"))
        return path

    def parts(self) -> Iterator[Part]:
        """The index as a file."""
        yield Part(INDEX, (",".join(_COLUMNS) + "\n").encode())
        for chunk in self._rows.chunks():
            yield Part(INDEX, chunk)


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


def folder(source: Source) -> bool:
    """Whether a folder is a YOLO data set: a YAML file with `names`, or a list of them, and label files."""
    names, labels = False, False
    for seen, path in enumerate(source.paths()):
        names = names or _is_names(source, path)
        labels = labels or (path.endswith(".txt") and _is_label(source, path))
        if names and labels:
            return True
        if seen > 20_000:
            break
    return names and labels


def _is_names(source: Source, path: str) -> bool:
    name = path.rsplit("/", 1)[-1]
    if path.count("/") > 1:
        return False
    if name in ("classes.txt", "obj.names"):
        return True
    return (
        name.endswith((".yaml", ".yml")) and re.search(rb"(?m)^names\s*:", _small(source, path)) is not None
    )


_LINE = re.compile(rb"\d+(\s+[-+.\deE]+){4,}\s*(\n|\r|\Z)")


def _is_label(source: Source, path: str) -> bool:
    if path.rsplit("/", 1)[-1] in ("classes.txt", "notes.txt"):
        return False
    start = next(iter(source.open(path)), b"")
    return not start.strip() or _LINE.match(start) is not None


def _small(source: Source, path: str) -> bytes:
    data = b""
    for piece in source.open(path):
        data += piece
        if len(data) > _SMALL:
            break
    return data


def read_boxes(source: Source, options: Options, reading: Reading) -> Iterator[Image]:
    """Images in order of their files, split by split, each with the boxes of its label file."""
    for image, label in files(source, reading):
        if label:
            image.marks = list(_boxes(source, label, image, reading))
        yield image


def files(source: Source, reading: Reading) -> Iterator[tuple[Image, str]]:
    """Each image without marks, and the path of its label file, empty where it has none; adds classes."""
    paths = Groups()
    try:
        paths.add((path, b"") for path in source.paths())
        _read_names(source, paths, reading)
        index = _index(source, paths)
        try:
            yield from _found(source, paths, index, reading)
        finally:
            index.close()
    finally:
        paths.close()


def _index(source: Source, paths: Groups) -> Groups:
    index = Groups()
    if paths.of(INDEX):
        lines = io.TextIOWrapper(_Stream(source.open(INDEX)), "utf-8", "surrogateescape", newline="")  # type: ignore[type-var]
        rows = csv.reader(lines)
        next(rows, None)
        index.add((row[0], msgspec.json.encode(row[1:])) for row in rows if len(row) == len(_COLUMNS))
    return index


class _Stream(io.RawIOBase):
    """Pieces as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = next(self._pieces, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def _read_names(source: Source, paths: Groups, reading: Reading) -> None:
    for path in source.paths():
        if not _is_names(source, path):
            continue
        text = _small(source, path)
        if path.endswith((".yaml", ".yml")):
            _take_yaml(text, path, reading)
        else:
            for line in text.decode("utf-8", "replace").splitlines():
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
    for path in source.paths():
        if path.endswith(".txt") and not seen.of(path) and _in_labels(path):
            picture = known.get(path) or _picture_of(path)
            yield _image(source, picture, number, index), path
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


def _image(source: Source, path: str, number: int, index: Groups) -> Image:
    folders = path.split("/")
    split = next((_SPLITS[one] for one in folders[:-1] if one in _SPLITS), "")
    inside = [one for one in folders[:-1] if one != "images" and one not in _SPLITS]
    image = Image(
        number=number,
        external_id="/".join((*inside, folders[-1])),
        row_data=path,
        split=split,
        place=path,
        local=path,
    )
    if kept := index.of(path):
        width, height, name, key, address = msgspec.json.decode(kept[0], type=list[str])
        image.external_id, image.global_key, image.row_data = name, key, address
        if width.isdigit() and height.isdigit():
            image.width, image.height = int(width), int(height)
    if not image.width and (size := source.size_of(path)) is not None:
        image.width, image.height = size
    return image


def numbers(
    source: Source, path: str, reading: Reading, wanted: str
) -> Iterator[tuple[int, str, list[float]]]:
    """The lines of a label file: line number, class, numbers; a wrong line is a loss."""
    text = b"".join(source.open(path)).decode("utf-8", "replace")
    by_index = {one.index: one.name for one in reading.classes}
    for at, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            found = [float(word) for word in words]
            if not all(abs(one) < 1e9 for one in found) or found[0] != int(found[0]):
                raise ValueError
        except ValueError:
            reading.ledger.refused(wanted, "not a class and numbers", f"{path}, line {at}: {shown(line)}")
            continue
        name = by_index.get(int(found[0]))
        if name is None:
            reason = f"class {int(found[0])} has no name in the data set"
            reading.ledger.refused(wanted, reason, f"{path}, line {at}")
            continue
        yield at, name, found[1:]


def _boxes(source: Source, path: str, image: Image, reading: Reading) -> Iterator[Mark]:
    width, height = image.width, image.height
    for at, name, found in numbers(source, path, reading, "box"):
        place = f"{path}, line {at}"
        if len(found) not in (4, 5):
            reading.ledger.refused("box", f"{len(found)} numbers where 4 or 5 make a box", place)
            continue
        if not width or not height:
            reading.ledger.refused("box", "the image is not there, so its size is not known", place)
            continue
        x, y, w, h = found[:4]
        if w < 0 or h < 0:
            reading.ledger.refused("box", "a width or height below 0", place)
            continue
        box = Box(left=(x - w / 2) * width, top=(y - h / 2) * height, width=w * width, height=h * height)
        confidence = found[4] if len(found) == 5 and 0 <= found[4] <= 1 else None
        yield Mark(kind=BOX, name=name, bounding_box=box, confidence=confidence, id=place)
