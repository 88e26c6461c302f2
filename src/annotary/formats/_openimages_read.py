"""Open Images read: tables of boxes, masks, labels and images in any order, gathered by image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import msgspec
import numpy as np
from msgspec import Raw

from annotary.formats import Options, Reading, Source
from annotary.formats import _rle as rle
from annotary.formats._csv_lines import Columns, lines
from annotary.formats._disk import Groups
from annotary.formats._json import shown
from annotary.formats._png import decode_mask
from annotary.model.base import to_json
from annotary.model.corpus import Notice, Problem
from annotary.model.geometry import Box
from annotary.model.image import BOX, MASK, TEST, TRAIN, VAL, Image, Mark

FLAGS = {
    "IsOccluded": "occluded",
    "IsTruncated": "truncated",
    "IsGroupOf": "is_group_of",
    "IsDepiction": "is_depiction",
    "IsInside": "is_inside",
}
"""The flags of a box, and what Datumaro calls them as attributes."""
BOXES = ("ImageID", "Source", "LabelName", "Confidence", "XMin", "XMax", "YMin", "YMax", *FLAGS)
MASKS = (
    "MaskPath", "ImageID", "LabelName", "BoxID", "BoxXMin", "BoxXMax", "BoxYMin", "BoxYMax",
    "PredictedIoU", "Clicks",
)  # fmt: skip
LABELS = ("ImageID", "Source", "LabelName", "Confidence")
ABOUT = (
    "OriginalLandingURL", "License", "AuthorProfileURL", "Author", "Title", "OriginalSize", "OriginalMD5",
    "Thumbnail300KURL", "Rotation",
)  # fmt: skip
"""What is said of an image beside its id, its split and its address; carried along."""
OWN = ("Width", "Height", "FileName", "GlobalKey")
"""Columns that other programs pass over: what Open Images does not say of an image."""
IMAGES = ("ImageID", "Subset", "OriginalURL", *ABOUT, *OWN)
META = "annotations/images.meta"
PRESENT, ABSENT = "labels", "labels verified absent"
"""The questions that stand for an image's labels."""
KEY = "open_images"
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".jfif")
DIGITS = 12
"""Shares of the image are written with so many digits after the point."""
_SPLITS = {"train": TRAIN, "validation": VAL, "val": VAL, "test": TEST}
_KINDS = (
    ("classes", re.compile(r"class-descriptions[^/]*\.csv\Z")),
    ("boxes", re.compile(r"annotations-bbox\.csv\Z")),
    ("masks", re.compile(r"annotations-object-segmentation\.csv\Z")),
    ("labels", re.compile(r"annotations-(human|machine)-imagelabels[^/]*\.csv\Z")),
    ("images", re.compile(r"(\A|/|-)(image_ids|images)[^/]*\.csv\Z")),
)
_META_LINE = re.compile(r'(?:"((?:[^"\\]|\\.)*)"|(\S+))\s+(\d{1,9})\s+(\d{1,9})\s*\Z')
_OTHERS = ("manifest.json", "losses.json")
_row = msgspec.json.Decoder(list[str]).decode


def kind_of(path: str) -> str:
    """Which table a file is by its name; empty for other files."""
    return next((kind for kind, pattern in _KINDS if pattern.search(path)), "")


def folder(source: Source) -> bool:
    """Whether a folder has Open Images' classes or boxes."""
    for seen, path in enumerate(source.paths()):
        kind = kind_of(path)
        if kind in ("classes", "boxes"):
            start = next(iter(source.open(path)), b"")
            return kind == "classes" or b"LabelName" in start
        if seen > 20_000:
            break
    return False


def read(source: Source, options: Options, reading: Reading) -> Iterator[Image]:
    """Images in the order of the lists, then those that only annotations or pictures name."""
    del options
    files = _Files(source, reading)
    try:
        for number, key in enumerate(files.held.each()):
            image = files.image(str(key))
            image.number = number
            yield image
    finally:
        files.held.close()
        files.sizes.close()


class _Files:
    """What the files say, by image."""

    def __init__(self, source: Source, reading: Reading) -> None:
        self.source = source
        self.reading = reading
        self.names: dict[str, str] = {}
        self.columns: dict[str, Columns] = {}
        self.held = Groups()
        self.sizes = Groups()
        tables: dict[str, list[str]] = {}
        for path in source.paths():
            kind = kind_of(path)
            if kind:
                tables.setdefault(kind, []).append(path)
            elif PurePosixPath(path).suffix in (".csv", ".json") and path not in _OTHERS:
                reading.notify(Notice(place=path, value=path, reason="this file is not taken over"))
        for path in tables.get("classes", ()):
            self._classes(path)
        for kind in ("images", "boxes", "masks", "labels"):
            for path in tables.get(kind, ()):
                self.held.add(self._rows(kind, path))
        self.held.add(self._pictures())
        self._sizes()

    def _classes(self, path: str) -> None:
        for place, row in lines(self.source.open(path), path, self.reading.report):
            if row[:2] == ["LabelName", "DisplayName"]:
                continue
            if len(row) < 2 or not row[1]:
                reason = "a class is a label's name and the name to show"
                self.reading.report(Problem(place=place, value=shown(row[0]), reason=reason))
                continue
            label, name = row[:2]
            self.names[label] = name
            self.reading.classes.add(name, category={KEY: label} if label != name else {})

    def _rows(self, kind: str, path: str) -> Iterator[tuple[int | str, bytes]]:
        columns = Columns(())
        for place, row in lines(self.source.open(path), path, self.reading.report):
            if not columns.names:
                columns = self.columns[path] = Columns(row)
                if "ImageID" not in columns.names:
                    self.reading.report(
                        Problem(place=place, value=shown(row[0]), reason="the column ImageID is missing")
                    )
                    return
                continue
            yield columns.of(row, "ImageID"), to_json([kind, path, place, *row]).encode()

    def _pictures(self) -> Iterator[tuple[int | str, bytes]]:
        for path in self.source.paths():
            parts = path.split("/")
            if PurePosixPath(path).suffix.lower() not in PICTURES or parts[0] == "masks":
                continue
            parts[-1] = PurePosixPath(path).stem
            inside = parts[1:] if parts[0] == "images" and len(parts) > 1 else parts
            if len(inside) > 1 and inside[0] in _SPLITS:
                inside = inside[1:]
            yield "/".join(inside), to_json(["picture", path, path]).encode()

    def _sizes(self) -> None:
        data = self.source.neighbour(META) or b""
        for line in data.decode("utf-8", "replace").split("\n"):
            if found := _META_LINE.match(line.strip()):
                id = re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2]
                self.sizes.add([(id, to_json([found[4], found[3]]).encode())])

    def image(self, id: str) -> Image:
        """An image with all that is said of it."""
        rows = [_row(data) for data in self.held.of(id)]
        picture = next((path for kind, path, *_ in rows if kind == "picture"), "")
        name = f"{id}{PurePosixPath(picture).suffix or '.jpg'}"
        image = Image(external_id=name, row_data=name, place=rows[0][2], local=picture)
        for kind, path, _, *row in rows:
            split = _split(path)
            if kind == "images":
                self._about(image, self.columns[path], row)
            image.split = image.split or split
        if not image.width:
            known = self.sizes.of(id)
            width, height = map(int, _row(known[0])) if known else self.source.size_of(picture) or (0, 0)
            image.width, image.height = width, height
        self._marks(image, rows)
        return image

    def _about(self, image: Image, columns: Columns, row: list[str]) -> None:
        image.external_id = columns.of(row, "FileName") or image.external_id
        image.row_data = columns.of(row, "OriginalURL") or image.external_id
        image.global_key = columns.of(row, "GlobalKey")
        image.split = _SPLITS.get(columns.of(row, "Subset"), "")
        width, height = columns.of(row, "Width"), columns.of(row, "Height")
        if re.fullmatch(r"\d{1,9}", width) and re.fullmatch(r"\d{1,9}", height):
            image.width, image.height = int(width), int(height)
        said = {name: text for name in ABOUT if (text := columns.of(row, name)) not in ("", "0")}
        if said:
            image.coco = Raw(to_json({KEY: said}).encode())

    def _marks(self, image: Image, rows: list[list[str]]) -> None:
        given: dict[str, list[dict[str, Any]]] = {PRESENT: [], ABSENT: []}
        for kind, path, place, *row in rows:
            columns = self.columns.get(path)
            if columns is None or kind in ("images", "picture"):
                continue
            try:
                name = self._name(columns.of(row, "LabelName"))
                if kind == "labels":
                    _take_label(given, name, columns.of(row, "Confidence"))
                elif kind == "boxes":
                    image.marks.append(_box(image, columns, row, name, place))
                else:
                    image.marks.append(self._mask(image, columns, row, name, path, place))
            except ValueError as error:
                word = {"labels": "answer", "boxes": "box"}.get(kind, "mask")
                self.reading.ledger.refused(word, str(error), place)
        answers = [{"name": question, "checklist_answers": some} for question, some in given.items() if some]
        if answers:
            image.answers = Raw(to_json(answers).encode())

    def _name(self, label: str) -> str:
        if not label:
            raise ValueError("no LabelName")
        if label not in self.names:
            self.names[label] = self.reading.classes.add(label).name
        return self.names[label]

    def _mask(self, image: Image, columns: Columns, row: list[str], name: str, path: str, place: str) -> Mark:
        file_name = columns.of(row, "MaskPath")
        folder = PurePosixPath(path).name.removeprefix("oidv6-").partition("-")[0]
        places = [f"masks/{folder}/{file_name}", f"masks/{file_name}"]
        png = next((data for one in places if (data := self.source.neighbour(one)) is not None), None)
        if png is None:
            raise ValueError(f"its picture {shown(file_name)} is not there")
        pixels = decode_mask(png)
        if not image.width:
            image.height, image.width = pixels.shape
        if pixels.shape != (image.height, image.width):
            # Masks are often smaller than their images; the nearest pixel is what Open Images advises.
            down = np.arange(image.height) * pixels.shape[0] // image.height
            across = np.arange(image.width) * pixels.shape[1] // image.width
            pixels = pixels[down][:, across]
            self.reading.ledger.changed("repaired", "mask", "it was not of its image's size", place)
        attributes = {"box_id": columns.of(row, "BoxID")}
        attributes["predicted_iou"] = columns.of(row, "PredictedIoU")
        attributes["clicks"] = columns.of(row, "Clicks")
        said = {"attributes": {key: one for key, one in attributes.items() if one}}
        return Mark(kind=MASK, name=name, rle=rle.of_mask(pixels), id=place, coco=Raw(to_json(said).encode()))


def _split(path: str) -> str:
    if path.startswith("images/"):
        return _SPLITS.get(path.split("/")[1], "")
    first = PurePosixPath(path).name.removeprefix("oidv6-").partition("-")[0]
    return _SPLITS.get(first, "")


def _number(columns: Columns, row: list[str], name: str) -> float:
    text = columns.of(row, name)
    try:
        found = float(text)
    except ValueError:
        raise ValueError(f"{name} is {shown(text)}; a number is wanted") from None
    if not abs(found) < 1e6:
        raise ValueError(f"{name} is {shown(text)}; a number below a million is wanted")
    return found


def _take_label(given: dict[str, list[dict[str, Any]]], name: str, text: str) -> None:
    try:
        confidence = float(text)
    except ValueError:
        raise ValueError(f"Confidence is {shown(text)}; a number is wanted") from None
    if not 0 <= confidence <= 1:
        raise ValueError(f"Confidence is {shown(text)}; it is from 0 to 1")
    one: dict[str, Any] = {"name": name}
    if 0 < confidence < 1:
        one["confidence"] = confidence
    given[PRESENT if confidence else ABSENT].append(one)


def _box(image: Image, columns: Columns, row: list[str], name: str, place: str) -> Mark:
    if not image.width or not image.height:
        raise ValueError("the image is not there, so its size is not known")
    left, right = (_pixels(_number(columns, row, one), image.width) for one in ("XMin", "XMax"))
    top, bottom = (_pixels(_number(columns, row, one), image.height) for one in ("YMin", "YMax"))
    if right < left or bottom < top:
        raise ValueError("a box whose maximum is below its minimum")
    text = columns.of(row, "Confidence")
    # Boxes that people drew have the confidence 1, without a point.
    confidence = None if text in ("", "1") else _number(columns, row, "Confidence")
    if confidence is not None and not 0 <= confidence <= 1:
        raise ValueError(f"Confidence is {shown(text)}; it is from 0 to 1")
    attributes: dict[str, Any] = {}
    for column, attribute in FLAGS.items():
        if (flag := columns.of(row, column)) in ("0", "1"):
            attributes[attribute] = flag == "1"
    said: dict[str, Any] = {"attributes": attributes} if attributes else {}
    if (source := columns.of(row, "Source")) not in ("", "xclick"):
        said[KEY] = {"Source": source}
    box = Box(left=left, top=top, width=right - left, height=bottom - top)
    coco = Raw(to_json(said).encode()) if said else Raw(b"")
    return Mark(kind=BOX, name=name, bounding_box=box, confidence=confidence, coco=coco, id=place)


def _pixels(share: float, size: int) -> float:
    """Pixels; the round number that is written as this share, where there is one."""
    found = share * size
    near = round(found, 4)
    return near if round(near / size, DIGITS) == round(share, DIGITS) else found
