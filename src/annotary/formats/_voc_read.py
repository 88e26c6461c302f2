"""Pascal VOC read: XML files wherever they lie, lists of images, and pictures of classes and objects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import msgspec
from msgspec import Raw

from annotary.formats import Options, Reading, Source
from annotary.formats._decimals import FAR, parsed
from annotary.formats._disk import Groups
from annotary.formats._json import Broken, shown
from annotary.formats._seen import Seen
from annotary.formats._voc_pixels import Found, Legend, legend_of, marks_of
from annotary.formats._xml import Element, document
from annotary.model.corpus import Problem
from annotary.model.geometry import Box
from annotary.model.image import BOX, MASK, TEST, TRAIN, VAL, Image, Mark

FLAGS = ("pose", "truncated", "difficult", "occluded")
"""What an object's own elements say; they are carried as attributes."""
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".jfif")
_SPLITS = {"train": TRAIN, "val": VAL, "valid": VAL, "validation": VAL, "test": TEST}
_KINDS = {"Annotations": "xml", "JPEGImages": "picture", "SegmentationClass": "c", "SegmentationObject": "o"}
_LIST = re.compile(r"(?P<before>(?:.*/)?)ImageSets/(?P<kind>\w+)/(?P<name>[^/]+)\.txt")
_FLAGGED = re.compile(r"\s+(-1|0|1)$")
_ROOT = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<annotation[\s>]", re.DOTALL
)
# LabelMe's old XML has the same root; its objects have polygons of points, where others number coordinates.
_OTHER = re.compile(rb"<polygon>\s*<(pt|username|closed_date)|<imagesize>|<nrows>")
_MOST = 64 << 20
"""No XML file of one image is larger, in bytes."""


def starts(start: bytes) -> bool:
    """Whether a file begins as a VOC annotation."""
    return _ROOT.match(start) is not None and _OTHER.search(start) is None and b"<filename" in start


def folder(source: Source) -> bool:
    """Whether a folder has VOC annotations, or pictures of classes in VOC's folders."""
    for path in islice(source.paths(), 20_000):
        if path.lower().endswith(".xml"):
            return starts(next(iter(source.open(path)), b""))
        if "SegmentationClass" in path.split("/")[:-1] and path.endswith(".png"):
            return True
    return False


def derived_name(stem: str, file_name: str) -> str:
    """An image's name by the place of its XML file and the file name in it."""
    inside, slash, _ = stem.rpartition("/")
    return f"{inside}{slash}{file_name}"


def read(source: Source, options: Options, reading: Reading) -> Iterator[Image]:
    """Images in the order of the lists, then of the files, each with its objects."""
    del options
    files = _Files(source)
    legend = legend_of(source, reading)
    try:
        for number, (stem, split) in enumerate(files.stems()):
            image = _image(source, files, stem, split, legend, reading)
            if image is not None:
                image.number = number
                yield image
    finally:
        files.paths.close()


class _Files:
    """The files of a data set, by the names of their images."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lists: list[tuple[int, str, str, str]] = []
        self._one = next(iter(source.chunks()), None) is not None
        self.paths = Groups()
        self.paths.add(self._entries())

    def _entries(self) -> Iterator[tuple[int | str, bytes]]:
        for path in self._source.paths():
            if listed := _LIST.fullmatch(path):
                name = listed["name"]
                if name in _SPLITS or name in ("trainval", "default"):
                    rank = ("train", "val", "test").index(_SPLITS[name]) if name in _SPLITS else 3
                    kind = "" if listed["kind"] == "Main" else listed["kind"]
                    self._lists.append((rank, kind, path, listed["before"]))
                continue
            where, stem = _placed(path)
            ending = PurePosixPath(path).suffix.lower()
            if ending == ".xml" or self._one:
                where = "xml"
            elif ending not in PICTURES:
                continue
            elif where == "xml" or not where:
                where = "picture"
            yield f"{where}\x1f{stem}", path.encode("utf-8", "surrogateescape")

    def path(self, kind: str, stem: str) -> str:
        """The path of an image's file of a kind; empty where it has none."""
        found = self.paths.of(f"{kind}\x1f{stem}")
        return found[0].decode("utf-8", "surrogateescape") if found else ""

    def stems(self) -> Iterator[tuple[str, str]]:
        """Each image's name once, with its split."""
        seen = Seen()
        for _, _, path, before in sorted(self._lists):
            split = _SPLITS.get(PurePosixPath(path).stem, "")
            for stem in self._listed(path, before):
                if seen.add(stem):
                    yield stem, split
        for key in self.paths.each():
            _, _, stem = str(key).partition("\x1f")
            if seen.add(stem):
                split = next((_SPLITS[one] for one in stem.split("/")[:-1] if one in _SPLITS), "")
                yield stem, split

    def _listed(self, path: str, before: str) -> Iterator[str]:
        for line in _lines(self._source.open(path)):
            name = line.strip()
            if len(name) > 1 and name[0] == name[-1] == '"':
                name = name[1:-1]
            # Lists of one class's images say after the name whether it is there.
            if _FLAGGED.search(name) and not any(self.path(kind, before + name) for kind in _KINDS.values()):
                name = _FLAGGED.sub("", name)
            if name:
                yield before + name


def _lines(pieces: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for one in whole:
            yield one.decode("utf-8", "surrogateescape")
    yield rest.decode("utf-8", "surrogateescape")


def _placed(path: str) -> tuple[str, str]:
    """Which of VOC's folders a file is in, and its image's name: the path without that and its ending."""
    parts = path.split("/")
    parts[-1] = PurePosixPath(parts[-1]).stem or parts[-1]
    for at, part in enumerate(parts[:-1]):
        if part in _KINDS:
            return _KINDS[part], "/".join((*parts[:at], *parts[at + 1 :]))
    return "", "/".join(parts)


def _image(
    source: Source, files: _Files, stem: str, split: str, legend: Legend, reading: Reading
) -> Image | None:
    path, picture = files.path("xml", stem), files.path("picture", stem)
    root = Element("annotation", {}, 0)
    if path:
        try:
            root = document(_bounded(source.open(path)))
            if root.tag != "annotation":
                raise Broken(
                    f"line {root.line}", f"<{root.tag}>", "not a VOC file: <annotation> is wanted here"
                )
        except Broken as broken:
            problem = broken.problem
            reading.report(
                Problem(place=f"{path}, {problem.place}", value=problem.value, reason=problem.reason)
            )
            return None
    image = _named(root, stem, split, picture)
    image.place = path or picture or stem
    image.local = picture or image.local
    width, height = _whole(root.said("size", "width")), _whole(root.said("size", "height"))
    size = (width, height) if width and height else source.size_of(image.local)
    if size is not None:
        image.width, image.height = size
    made = [_object(one, place, path, image, reading) for place, one in enumerate(root.children)]
    marks = [one for one in made if one is not None]
    image.marks = _with_pixels(source, files, stem, image, marks, legend, reading)
    return image


def _bounded(pieces: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > _MOST:
            raise Broken("the end", f"{size:,} bytes", f"a VOC file of more than {_MOST >> 20} MiB")
        yield piece


def _named(root: Element, stem: str, split: str, picture: str) -> Image:
    """The image with its names and what is carried along."""
    given = re.split(r"[/\\]", root.said("filename"))[-1]
    tail = PurePosixPath(picture or f"{stem}.jpg").name
    if not given or (picture and not PurePosixPath(given).suffix):
        given = tail
    inside = (
        stem
        if not picture or "JPEGImages" in picture
        else "/".join(one for one in stem.split("/") if one not in _SPLITS)
    )
    name = derived_name(inside, given)
    own = root.child("annotary") or Element("annotary", {}, 0)
    external_id = own.said("name") or name
    said = _carried(root)
    return Image(
        external_id=external_id,
        global_key=own.said("key"),
        row_data=own.said("address") or external_id,
        split=split,
        local=derived_name(stem, given),
        coco=Raw(msgspec.json.encode({"voc": said})) if said else Raw(b""),
    )


def _carried(root: Element) -> list[Any]:
    known = ("filename", "size", "segmented", "object", "annotary")
    said = [one.plain() for one in root.children if one.tag not in known]
    depth = root.said("size", "depth")
    if depth not in ("", "3"):
        said.append(["depth", depth])
    return [one for one in said if one != ["folder", "JPEGImages"]]


def _whole(text: str) -> int:
    try:
        found = float(text)
    except ValueError:
        return 0
    return int(found) if 0 < found < FAR else 0


def _object(one: Element, at: int, path: str, image: Image, reading: Reading) -> Mark | None:
    if one.tag != "object":
        return None
    place = f"{path}, line {one.line}"
    name = one.said("name")
    try:
        if not name:
            raise ValueError("an object without a name")
        box = _box(one)
        confidence = one.said("confidence")
        score = float(confidence) if confidence else None
        if score is not None and not 0 <= score <= 1:
            raise ValueError(f"a confidence of {shown(confidence)}; it is from 0 to 1")
    except ValueError as error:
        reading.ledger.refused("box", str(error), place)
        return None
    said: dict[str, Any] = {}
    if attributes := _flags(one):
        said["attributes"] = attributes
    known = (*FLAGS, "name", "bndbox", "confidence", "attributes")
    if more := [child.plain() for child in one.children if child.tag not in known]:
        said["voc"] = more
    return Mark(
        kind=BOX,
        name=name,
        bounding_box=box,
        confidence=score,
        coco=Raw(msgspec.json.encode(said)) if said else Raw(b""),
        id=place,
    )


def _flags(one: Element) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for child in one.children:
        text = child.text.strip()
        if child.tag == "pose" and text not in ("", "Unspecified"):
            found["pose"] = text
        elif (child.tag in ("truncated", "difficult") and text == "1") or (child.tag == "occluded" and text):
            found[child.tag] = text == "1"
        elif child.tag == "attributes":
            found.update({inner.said("name"): inner.said("value") for inner in child.children})
    return found


def _box(one: Element) -> Box:
    """The box from its left to its right edge: VOC counts pixels from 1, and the last one is inside."""
    tags = ("xmin", "ymin", "xmax", "ymax")
    numbers = [parsed(one.said("bndbox", tag), f"<{tag}>") for tag in tags]
    left, top, right, bottom = numbers[0] - 1, numbers[1] - 1, numbers[2], numbers[3]
    if right < left or bottom < top:
        raise ValueError("a box whose maximum is below its minimum")
    return Box(left=float(left), top=float(top), width=float(right - left), height=float(bottom - top))


def _with_pixels(
    source: Source,
    files: _Files,
    stem: str,
    image: Image,
    marks: list[Mark],
    legend: Legend,
    reading: Reading,
) -> list[Mark]:
    """The marks, those of them as masks that have pixels, and those that only have pixels."""
    paths = [files.path(kind, stem) for kind in ("c", "o")]
    if not any(paths):
        return marks
    classes, objects = (source.neighbour(path) if path else None for path in paths)
    if not image.width:
        image.width, image.height = source.size_of(paths[0] or paths[1]) or (0, 0)
    size = (image.height, image.width)
    try:
        found, void = marks_of(classes, objects, [one.name for one in marks], legend, size)
    except ValueError as error:
        reading.report(Problem(place=paths[1] or paths[0], value=stem, reason=str(error)))
        return marks
    if void:
        reason = "pixels marked as void, around objects or to be ignored, belong to nothing"
        reading.ledger.changed("repaired", "mask", reason, image.name)
    made = list(marks)
    for one in found:
        if one.place:
            made[one.place - 1] = _masked(marks[one.place - 1], one)
        else:
            made.append(Mark(kind=MASK, name=one.name, rle=one.rle, id=f"{stem}, object {one.value}"))
            if one.value not in (0, len(made)):
                reason = "an object's number became its place among the objects"
                reading.ledger.changed("renamed", "mask", reason, made[-1].id)
    return made


def _masked(mark: Mark, found: Found) -> Mark:
    """A box that has pixels: the box stays, as what its file says of the mask."""
    box = mark.bounding_box
    assert box is not None
    said = msgspec.json.decode(mark.coco) if mark.coco else {}
    said["bbox"] = [box.left, box.top, box.width, box.height]
    return Mark(
        kind=MASK,
        name=mark.name,
        rle=found.rle,
        confidence=mark.confidence,
        coco=Raw(msgspec.json.encode(said)),
        id=mark.id,
    )
