"""COCO panoptic read: the JSON in slices, a picture an image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import msgspec
from msgspec import Raw

from annotary.formats import Options, Reading, Source
from annotary.formats import _label_png as pictures
from annotary.formats._coco_read import ImageId, Picture
from annotary.formats._disk import Groups
from annotary.formats._json import Broken, shown
from annotary.formats._members import members
from annotary.model.corpus import Problem
from annotary.model.image import MASK, TEST, TRAIN, VAL, Image, Mark

HIGHEST = (1 << 24) - 1
"""The highest id of a segment: red, green and blue."""
_ARRAYS = frozenset(("images", "annotations", "categories"))
_START = re.compile(rb'\A[\xef\xbb\xbf\s]*\{\s*"(info|licenses|images|annotations|categories)"\s*:')
_SPLITS = {"train": TRAIN, "val": VAL, "test": TEST}
_FOLDERS = ("", "masks", "panoptic", "annotations")
"""Where else than in the folder of its own name a file's pictures may be."""


class _Category(msgspec.Struct):
    id: int
    name: str


class _Segment(msgspec.Struct, gc=False):
    id: int
    category_id: int


class _Annotation(msgspec.Struct, gc=False):
    image_id: ImageId
    file_name: str
    segments_info: list[Raw] = []


_ref = msgspec.json.Decoder(_Annotation).decode
_picture = msgspec.json.Decoder(Picture).decode
_category = msgspec.json.Decoder(_Category).decode
_segment = msgspec.json.Decoder(_Segment).decode


def starts(start: bytes) -> bool:
    """Whether a file begins as COCO panoptic does."""
    return _START.match(start) is not None and re.search(rb'"segments_info"\s*:', start) is not None


def folder(source: Source) -> bool:
    """Whether a folder's JSON files, but for a manifest and its like, are all of this format."""
    found = False
    for path in islice(source.paths(), 20_000):
        if _is_file(path):
            if not starts(b"".join(islice(source.open(path), 1))):
                return False
            found = True
    return found


def _is_file(path: str) -> bool:
    return path.endswith(".json") and PurePosixPath(path).name not in ("manifest.json", "losses.json")


def read(source: Source, options: Options, reading: Reading) -> Iterator[Image]:
    """Images in the order of the files, each with its segments as masks."""
    del options
    if next(iter(source.chunks()), None) is not None:
        yield from _File(source, PurePosixPath(source.name).name, source.chunks(), reading).images()
        return
    order = ("train", "val", "test")
    paths = sorted(
        filter(_is_file, source.paths()),
        key=lambda path: (next((at for at, one in enumerate(order) if one in path), 9), path),
    )
    for path in paths:
        yield from _File(source, path, source.open(path), reading).images()


class _File:
    """One JSON file and its pictures."""

    def __init__(self, source: Source, path: str, chunks: Iterator[bytes], reading: Reading) -> None:
        self.source = source
        self.path = path
        self.reading = reading
        self.chunks = chunks
        self.names: dict[int, str] = {}
        stem = PurePosixPath(path).stem
        self.split = next((_SPLITS[one] for one in re.split(r"[_\-.0-9]", stem) if one in _SPLITS), "")
        beside = str(PurePosixPath(path).parent)
        own = f"{beside}/{stem}" if beside != "." else stem
        rest = [one if beside == "." else f"{beside}/{one}".rstrip("/") for one in _FOLDERS]
        self.folders = [own, *rest]

    def images(self) -> Iterator[Image]:
        """Its images in order."""
        pictures, annotations = Groups(), Groups()
        carried: dict[str, Any] = {}
        try:
            try:
                for part in members(self.chunks, _ARRAYS):
                    if part.key == "images" and part.first >= 0:
                        pictures.add((part.first + at, bytes(raw)) for at, raw in enumerate(part.elements))
                    elif part.key == "annotations" and part.first >= 0:
                        self._take(part.elements, part.first, annotations)
                    elif part.key == "categories" and part.first >= 0:
                        for at, raw in enumerate(part.elements):
                            self._take_category(raw, part.place(at))
                    else:
                        carried[part.key] = msgspec.json.decode(part.data)
            except (Broken, msgspec.DecodeError) as error:
                self._report("", "", str(error))
                return
            if carried:
                kept = self.reading.carried.get("coco-panoptic", {})
                self.reading.carried["coco-panoptic"] = {**carried, **kept}
            for number, data in enumerate(pictures.all()):
                image = self._image(data, number, annotations)
                if image is not None:
                    yield image
        finally:
            pictures.close()
            annotations.close()

    def _report(self, place: str, value: str, reason: str) -> None:
        where = self.path if self.path != PurePosixPath(self.source.name).name else ""
        self.reading.report(Problem(place=f"{where} {place}".strip() or "$", value=value, reason=reason))

    def _take(self, raws: list[Raw], first: int, annotations: Groups) -> None:
        for at, raw in enumerate(raws):
            try:
                annotations.add([(_ref(raw).image_id, bytes(raw))])
            except msgspec.DecodeError as error:
                text = shown(bytes(raw).decode(errors="replace"))
                self._report(f"$.annotations[{first + at}]", text, str(error))

    def _take_category(self, raw: Raw, place: str) -> None:
        try:
            one = _category(raw)
        except msgspec.DecodeError as error:
            self._report(place, shown(bytes(raw).decode(errors="replace")), str(error))
            return
        if one.id in self.names:
            self._report(place, str(one.id), "this category id is there twice")
            return
        said = msgspec.json.decode(raw)
        name = said.pop("name")
        known = self.reading.classes.by_name.get(name)
        if known is not None and known.category.get("id", one.id) != one.id:
            reason = "another category has this name: its id is added"
            name = f"{name} ({one.id})"
            self.reading.ledger.changed("renamed", "class", reason, name)
        self.names[one.id] = name
        self.reading.classes.add(name, category=said, kinds=("raster-segmentation",))

    def _image(self, data: bytes, number: int, annotations: Groups) -> Image | None:
        try:
            one = _picture(data)
        except msgspec.DecodeError as error:
            self._report(f"$.images[{number}]", shown(data.decode(errors="replace")), str(error))
            return None
        image = Image(
            number=number,
            external_id=one.file_name,
            row_data=one.coco_url or one.flickr_url or one.file_name,
            width=max(one.width, 0),
            height=max(one.height, 0),
            split=self.split,
            coco=Raw(data),
            place=f"$.images[{number}]",
            local=self._local(one.file_name),
        )
        found = annotations.of(one.id)
        if len(found) > 1:
            self._report(image.place, str(one.id), "its segments are there twice")
        if found:
            self._segments(image, found[0])
        return image

    def _local(self, name: str) -> str:
        if not self.split or self.source.located(name):
            return name
        return f"images/{self.split}/{name}"

    def _segments(self, image: Image, data: bytes) -> None:
        said = msgspec.json.decode(data)
        annotation = _ref(data)
        rest = {
            key: one for key, one in said.items() if key not in ("image_id", "file_name", "segments_info")
        }
        if rest:
            element = msgspec.json.decode(image.coco)
            image.coco = Raw(msgspec.json.encode({**element, "panoptic": rest}))
        png = next(
            (
                png
                for inside in self.folders
                if (png := self.source.neighbour(f"{inside}/{annotation.file_name}".lstrip("/"))) is not None
            ),
            None,
        )
        if png is None:
            place = f"the picture {annotation.file_name}"
            for _ in annotation.segments_info:
                self.reading.ledger.refused("mask", "the picture of its segments is not there", place)
            return
        try:
            ids = pictures.decode_ids(png)
            height, width = ids.shape
            if (image.width, image.height) != (width, height):
                size = f"an image of {image.width} x {image.height}"
                raise ValueError(f"a picture of {width} x {height} pixels of {size}")
        except ValueError as error:
            self._report(image.place, annotation.file_name, str(error))
            return
        masks = pictures.masks_of(ids)
        image.marks = [
            mark
            for raw in annotation.segments_info
            if (mark := self._mark(raw, masks, annotation)) is not None
        ]
        for left in masks:
            place = f"{annotation.file_name}, id {left}"
            self.reading.ledger.refused("mask", "its id is not in segments_info", place)

    def _mark(self, raw: Raw, masks: dict[int, Any], annotation: _Annotation) -> Mark | None:
        try:
            one = _segment(raw)
            if one.id not in masks:
                raise ValueError("no pixel has its id")
            rle = masks.pop(one.id)
            name = self.names.get(one.category_id)
            if name is None:
                raise ValueError(f"category {one.category_id} is not listed")
        except ValueError as error:
            place = f"{annotation.file_name}: {shown(bytes(raw).decode(errors='replace'))}"
            self.reading.ledger.refused("mask", str(error), place)
            return None
        said = msgspec.json.decode(raw)
        said.pop("id")
        said.pop("category_id")
        coco = Raw(msgspec.json.encode({"segment_id": one.id, **said}))
        return Mark(kind=MASK, name=name, rle=rle, coco=coco, id=f"{annotation.file_name}, id {one.id}")
