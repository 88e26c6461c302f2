"""LabelMe read: JSON files wherever they lie; the pictures inside them are never unpacked."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from annotary.formats import Options, Reading, Source
from annotary.formats import _rle as rle
from annotary.formats._json import LIMIT, shown
from annotary.formats._png import MAX_PIXELS, check_size, decode_mask
from annotary.formats._runs import place as placed
from annotary.model.annotation import Classification
from annotary.model.corpus import Problem
from annotary.model.geometry import Box, Point
from annotary.model.image import (
    BOX,
    MASK,
    NOTHING,
    POINT,
    POLYGON,
    POLYLINE,
    TEST,
    TRAIN,
    VAL,
    Image,
    Mark,
)

SPECIAL = ("__ignore__", "_background_")
"""What labels.txt lists before the classes."""
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".jfif")
CORNERS = 64
"""A circle becomes a polygon of so many corners."""
_SPLITS = {"train": TRAIN, "val": VAL, "valid": VAL, "validation": VAL, "test": TEST}
_START = re.compile(
    rb'\A[\xef\xbb\xbf\s]*\{\s*"(version|flags|shapes|lineColor|fillColor|image(Path|Data|Height|Width))"\s*:'
)
_FAR = 1e9
_WORDS = {"rectangle": "box", "polygon": "polygon", "circle": "polygon", "mask": "mask", "point": "point"}


class _Shape(msgspec.Struct, gc=False):
    label: str
    points: list[tuple[float, float]]
    shape_type: str | None = "polygon"
    group_id: int | str | None = None
    description: str | None = None
    flags: dict[str, bool] | None = None
    mask: str | None = None
    score: float | None = None
    classifications: tuple[Classification, ...] = ()


class _File(msgspec.Struct, gc=False):
    shapes: list[Raw]
    version: str | None = None
    flags: dict[str, bool] | None = None
    imagePath: str | None = None
    imageData: Raw | UnsetType = UNSET
    imageHeight: int | None = None
    imageWidth: int | None = None
    classifications: tuple[Classification, ...] = ()
    annotary: dict[str, str] = {}


_file = msgspec.json.Decoder(_File).decode
_shape = msgspec.json.Decoder(_Shape).decode
_raws = msgspec.json.Decoder(dict[str, Raw]).decode


def starts(start: bytes) -> bool:
    """Whether a file begins as LabelMe's do."""
    return (
        _START.match(start) is not None and re.search(rb'"shapes"\s*:|"imageData"\s*:\s*"', start) is not None
    )


def folder(source: Source) -> bool:
    """Whether a folder has LabelMe files: its first JSON files are."""
    found = [path for path in islice(source.paths(), 20_000) if _is_file(path)][:3]
    return bool(found) and all(starts(next(iter(source.open(path)), b"")) for path in found)


def _is_file(path: str) -> bool:
    return path.lower().endswith(".json") and PurePosixPath(path).name not in ("manifest.json", "losses.json")


def derived_name(path: str, image_path: str) -> str:
    """An image's name by the place of its file and the path in it; a path that leads out is its last part."""
    name = image_path.replace("\\", "/")
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or ":" in parts[0]:
        name = parts[-1]
    inside = [one for one in path.split("/")[:-1] if one not in _SPLITS]
    return "/".join((*inside, *(one for one in name.split("/") if one not in ("", "."))))


def read(source: Source, options: Options, reading: Reading) -> Iterator[Image]:
    """Images in order of their files, each with its shapes."""
    del options
    labels = source.neighbour("labels.txt")
    for line in (labels or b"").decode("utf-8", "replace").split("\n"):
        if line.strip() and line.strip() not in SPECIAL:
            reading.classes.add(line.strip())
    one_file = next(iter(source.chunks()), None) is not None
    number = 0
    for path in source.paths():
        if not one_file and not _is_file(path):
            continue
        image = _image(source, path, reading)
        if image is not None:
            image.number = number
            number += 1
            yield image


def _image(source: Source, path: str, reading: Reading) -> Image | None:
    pieces, size = [], 0
    for piece in source.open(path):
        pieces.append(piece)
        size += len(piece)
        if size > LIMIT:
            reason = f"a file of more than {LIMIT >> 20} MiB; save it without the picture inside"
            reading.report(Problem(place=path, value="imageData", reason=reason))
            return None
    data = b"".join(pieces).removeprefix(b"\xef\xbb\xbf")
    try:
        found = _file(data)
        members = _raws(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reading.report(
            Problem(place=path, value=shown(data[:60].decode(errors="replace")), reason=str(error))
        )
        return None
    name = derived_name(path, found.imagePath or PurePosixPath(path).with_suffix(".jpg").name)
    own = found.annotary
    beside = PurePosixPath(path).parent / PurePosixPath((found.imagePath or name).replace("\\", "/")).name
    image = Image(
        external_id=own.get("name") or name,
        global_key=own.get("key", ""),
        row_data=own.get("address") or own.get("name") or name,
        width=_size(found.imageWidth),
        height=_size(found.imageHeight),
        split=next((_SPLITS[one] for one in path.split("/")[:-1] if one in _SPLITS), ""),
        place=path,
        local=str(beside),
    )
    if not image.width or not image.height:
        image.width, image.height = source.size_of(image.local) or (0, 0)
    if found.imageData is not UNSET and bytes(found.imageData) != b"null":
        reading.ledger.changed("repaired", "image", "the picture inside its file is left out", image.name)
    said: dict[str, Any] = {}
    if found.version:
        said["version"] = found.version
    if found.flags:
        said["flags"] = found.flags
    if other := _other(members, _File):
        said["other"] = other
    image.coco = Raw(msgspec.json.encode({"labelme": said})) if said else NOTHING
    image.answers = _answers(found.flags, None, found.classifications)
    for at, raw in enumerate(found.shapes):
        image.marks.extend(_marks(raw, at, path, image, reading))
    return image


def _size(number: int | None) -> int:
    return number if number is not None and 0 < number < _FAR else 0


def _other(members: dict[str, Raw], known: type[msgspec.Struct]) -> dict[str, Any]:
    """Keys of other programs, which LabelMe keeps too."""
    return {
        key: msgspec.json.decode(raw) for key, raw in members.items() if key not in known.__struct_fields__
    }


def _answers(flags: dict[str, bool] | None, description: str | None, more: tuple[Classification, ...]) -> Raw:
    """Flags that are set as answers to a checklist, a description as a text, and what stood as other data."""
    found: list[Any] = []
    if chosen := [{"name": key} for key, one in (flags or {}).items() if one]:
        found.append({"name": "flags", "checklist_answers": chosen})
    if description:
        found.append({"name": "description", "text_answer": {"content": description}})
    found.extend(more)
    return Raw(msgspec.json.encode(found)) if found else NOTHING


def _marks(raw: Raw, at: int, path: str, image: Image, reading: Reading) -> list[Mark]:
    place = f"{path}, $.shapes[{at}]"
    word = "shape"
    try:
        one = _shape(raw)
        kind = one.shape_type or "polygon"
        word = _WORDS.get(kind, "polyline" if kind.startswith("line") else "shape")
        if any(not abs(number) <= _FAR for pair in one.points for number in pair):
            raise ValueError(f"a coordinate beyond {_FAR:.0f}")
        if one.score is not None and not 0 <= one.score <= 1:
            raise ValueError(f"a score of {one.score}; it is from 0 to 1")
        said = _said(raw, one)
        made = _drawn(kind, one, at, image, said)
    except (msgspec.DecodeError, ValueError) as error:
        reading.ledger.refused(word, str(error), place)
        return []
    if kind == "circle":
        reason = f"a circle became a polygon of {CORNERS} corners"
        share = CORNERS / (2 * math.pi) * math.sin(2 * math.pi / CORNERS)
        reading.ledger.approximated("polygon", reason, place, share)
    answers = _answers(one.flags, one.description, one.classifications)
    for mark in made:
        mark.name, mark.id, mark.confidence = one.label, place, one.score
        if said:
            mark.coco = Raw(msgspec.json.encode({"labelme": said}))
    made[0].classifications = answers
    return made


def _said(raw: Raw, one: _Shape) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if one.group_id is not None:
        said["group_id"] = one.group_id
    if one.flags:
        said["flags"] = one.flags
    if other := _other(_raws(raw), _Shape):
        said["other"] = other
    return said


def _drawn(  # noqa: C901 -- a case a shape type
    kind: str, one: _Shape, at: int, image: Image, said: dict[str, Any]
) -> list[Mark]:
    """The marks of a shape, as yet without names; `said` gets what they do not say."""
    points = one.points
    flat = [number for pair in points for number in pair]
    match kind:
        case "rectangle" if len(points) in (2, 4):
            left, top, right, bottom = min(flat[::2]), min(flat[1::2]), max(flat[::2]), max(flat[1::2])
            if points != [(left, top), (right, bottom)]:
                said["points"] = points
            box = Box(left=left, top=top, width=right - left, height=bottom - top)
            if (left + box.width, top + box.height) != (right, bottom):
                # Left and width do not add up to the last digit.
                said["points"] = points
            return [Mark(kind=BOX, bounding_box=box)]
        case "circle" if len(points) == 2:
            said["circle"] = points
            return [Mark(kind=POLYGON, ring=circle_ring(points))]
        case "polygon" if len(points) > 2:
            return [Mark(kind=POLYGON, ring=flat)]
        case "line" | "linestrip" if len(points) > 1:
            if kind == "linestrip" and len(points) == 2:
                said["shape_type"] = kind
            return [Mark(kind=POLYLINE, ring=flat)]
        case "point" if len(points) == 1:
            return [Mark(kind=POINT, point=Point(x=flat[0], y=flat[1]))]
        case "points" if points:
            said["together"] = at
            return [Mark(kind=POINT, point=Point(x=x, y=y)) for x, y in points]
        case "mask" if len(points) == 2 and one.mask:
            said["points"] = points
            return [Mark(kind=MASK, rle=_pixels(one.mask, points, image))]
    if kind in ("rectangle", "circle", "polygon", "line", "linestrip", "point", "points", "mask"):
        raise ValueError(
            f"a {kind} of {len(points)} points{'' if one.mask or kind != 'mask' else ', no mask'}"
        )
    raise ValueError(f"the shape type {shown(kind)} is not known")


def _pixels(text: str, points: list[tuple[float, float]], image: Image) -> rle.Rle:
    """The mask of the whole image from the PNG of its box."""
    check_size(image.height, image.width, MAX_PIXELS)
    try:
        png = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a mask is a PNG in base64") from None
    part = decode_mask(png)
    (left, top), (right, bottom) = ((int(x), int(y)) for x, y in points)
    rows, columns = part.shape
    if (right - left + 1, bottom - top + 1) != (columns, rows):
        size = f"{right - left + 1} x {bottom - top + 1}"
        raise ValueError(f"a mask of {columns} x {rows} pixels in a box of {size}")
    return rle.of_mask(placed(part, left, top, image.height, image.width))


def circle_ring(points: Any) -> list[float]:
    """A circle by its centre and a point on it, as a polygon's x, y, x, y, ..."""
    (x, y), (edge_x, edge_y) = points
    radius = math.hypot(edge_x - x, edge_y - y)
    angles = [2 * math.pi * step / CORNERS for step in range(CORNERS)]
    return [
        number for angle in angles for number in (x + radius * math.cos(angle), y + radius * math.sin(angle))
    ]
