"""The index of images beside files that say neither an image's size nor its names: images.csv."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from annotary.errors import Invalid
from annotary.formats import Part, Source
from annotary.formats._disk import Groups, Later
from annotary.model.image import Image

INDEX = "images.csv"
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".jfif")
_QUOTED = re.compile(r'["\r]')
_ENDINGS = (*PICTURES, *(one.upper() for one in PICTURES))
_COLUMNS = ("file", "width", "height", "name", "key", "address")


def picture_name(image: Image, stem: str) -> str:
    """The name of an image's file: a stem with the image's own ending, if it has one."""
    name = image.name
    # Not by pathlib: there is a name for every image.
    at = name.rfind(".")
    ending = name[at:] if at > name.rfind("/") + 1 else ""
    return stem + (ending if ending.lower() in PICTURES else ".jpg")


class Index:
    """The index as it is written."""

    def __init__(self) -> None:
        self._rows = Later()

    def add(self, image: Image, path: str) -> None:
        """Enter an image by the path of its picture."""
        self.add_all([image], [path])

    def add_all(self, images: list[Image], paths: list[str]) -> None:
        """The same of several."""
        rows = [
            (path, str(one.width or ""), str(one.height or ""), one.external_id, one.global_key, one.row_data)
            for one, path in zip(images, paths, strict=True)
        ]
        text = "\n".join([*map(",".join, rows), ""])
        commas = (len(_COLUMNS) - 1) * len(rows)
        if text.count(",") != commas or text.count("\n") != len(rows) or _QUOTED.search(text):
            # Else it is what the writer would say, a tenth of an export's time sooner.
            lines = io.StringIO()
            csv.writer(lines, lineterminator="\n").writerows(rows)
            text = lines.getvalue()
        self._rows.add(text.encode("utf-8", "surrogatepass"))

    def parts(self) -> Iterator[Part]:
        """The index as a file."""
        yield Part(INDEX, (",".join(_COLUMNS) + "\n").encode())
        for chunk in self._rows.chunks():
            yield Part(INDEX, chunk)


def read_index(source: Source, paths: Groups) -> Groups:
    """What the index says of each picture by its path; `paths` are the files that are there."""
    index = Groups()
    if paths.of(INDEX):
        lines = io.TextIOWrapper(_Stream(source.open(INDEX)), "utf-8", "surrogateescape", newline="")  # type: ignore[type-var]
        rows = csv.reader(lines)
        try:
            next(rows, None)
            index.add((row[0], msgspec.json.encode(row[1:])) for row in rows if len(row) == len(_COLUMNS))
        except csv.Error as error:
            raise Invalid(f"{source.name}, {INDEX}, line {rows.line_num}: {error}") from None
    return index


def indexed(image: Image, path: str, index: Groups) -> None:
    """Give an image the names and the size that the index has of its picture."""
    if kept := index.of(path):
        width, height, name, key, address = msgspec.json.decode(kept[0], type=list[str])
        image.external_id, image.global_key, image.row_data = name, key, address
        if width.isdigit() and height.isdigit():
            image.width, image.height = int(width), int(height)


class Elsewhere:
    """Pictures that lie in another folder than their format's own, by their names with or without folders."""

    def __init__(self, source: Source) -> None:
        self._source = source
        # Where the last one was: the next one is most likely there too.
        self._last = (0, "")

    def find(self, stem: str) -> str:
        """The path of the picture whose own path, less its ending, ends like this; empty where none does."""
        folders = stem.split("/")
        depth, ending = self._last
        if ending and (found := self._there(folders[depth:], ending)):
            return found
        for depth in range(len(folders)):
            for ending in _ENDINGS:
                if found := self._there(folders[depth:], ending):
                    self._last = (depth, ending)
                    return found
        return ""

    def _there(self, folders: list[str], ending: str) -> str:
        path = "/".join(folders) + ending
        return path if folders and self._source.located(path) else ""


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
