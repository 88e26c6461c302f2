"""CVAT for images 1.1 read: image by image, however large the file is."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec
import numpy as np
from msgspec import Raw

from annotary.formats import Options, Reading, Source
from annotary.formats import _geometry as geometry
from annotary.formats import _rle as rle
from annotary.formats._cvat_answers import answers_of, label_of, tags_as_answer
from annotary.formats._decimals import FAR, number, parsed
from annotary.formats._json import Broken, shown
from annotary.formats._runs import Window, mask_of_window
from annotary.formats._seen import Seen
from annotary.formats._xml import Element, children
from annotary.model.corpus import Problem
from annotary.model.geometry import Box, Cuboid, Face, Point, cuboid_gap
from annotary.model.image import (
    BOX,
    CUBOID,
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

SUBSETS = {TRAIN: "Train", VAL: "Validation", TEST: "Test"}
CORNERS = 64
"""An ellipse becomes a polygon of so many corners."""
CUBOID_CORNERS = tuple(
    f"{axis}{corner}{face}" for face in "12" for corner in ("tl", "tr", "bl", "br") for axis in "xy"
)
"""A cuboid's front, then its back; the order of `cuboid_corners`."""
GEOMETRY = {
    "box": ("xtl", "ytl", "xbr", "ybr", "rotation"),
    "ellipse": ("cx", "cy", "rx", "ry", "rotation"),
    "cuboid": CUBOID_CORNERS,
    "polygon": ("points",),
    "polyline": ("points",),
    "points": ("points",),
    "mask": ("rle", "left", "top", "width", "height"),
}
"""The attributes that say where a shape is."""
IN_SPACE = "annotary_cuboid"
_SPACE = {"center": "xy", "rotation": "xyz", "size": "xyz"}
_WORDS = {"points": "point"}
_ROOT = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<annotations[\s>]", re.DOTALL
)


def starts(start: bytes) -> bool:
    """Whether a file begins as CVAT's XML does."""
    return (
        _ROOT.match(start) is not None
        and re.search(rb"<(version>1\.1|meta>|image |track )", start) is not None
    )


def folder(source: Source) -> bool:
    """Whether a folder has one XML file, and that is CVAT's."""
    found = [path for path in islice(source.paths(), 20_000) if path.lower().endswith(".xml")]
    return len(found) == 1 and starts(next(iter(source.open(found[0])), b""))


def split_of(subset: str) -> str:
    """The split that a subset's name says."""
    known = {"train": TRAIN, "training": TRAIN, "val": VAL, "validation": VAL, "valid": VAL, "test": TEST}
    return known.get(subset.lower(), "")


def read(source: Source, options: Options, reading: Reading) -> Iterator[Image]:
    """Images in order of the file, each with its tags and shapes."""
    del options
    one_file = next(iter(source.chunks()), None) is not None
    path = "" if one_file else next(one for one in source.paths() if one.lower().endswith(".xml"))
    reader = _Reader(source, path, reading)
    try:
        for one in children(source.chunks() if one_file else source.open(path)):
            if one.tag == "meta":
                reader.meta(one)
            elif one.tag == "image":
                yield reader.image(one)
            elif one.tag == "track":
                name = one.attributes.get("label", "")
                reason = "tracks of a video are not read: export the task as CVAT for images"
                reading.ledger.refused("track", reason, reader.place(one, name))
    except Broken as broken:
        problem = broken.problem
        place = f"{path} {problem.place}".strip()
        reading.report(Problem(place=place, value=problem.value, reason=problem.reason))


class _Reader:
    """What is known of a file so far."""

    def __init__(self, source: Source, path: str, reading: Reading) -> None:
        self.source = source
        self.path = path
        self.reading = reading
        self.kinds: dict[str, dict[str, str]] = {}
        self.seen = Seen()
        self.number = 0

    def place(self, one: Element, name: str = "") -> str:
        """Where an element begins."""
        return ", ".join(part for part in (self.path, f"line {one.line}", name) if part)

    def meta(self, meta: Element) -> None:
        """The labels with their attributes; the rest of the head is carried along."""
        carried: dict[str, Any] = {}
        for about in meta.children:
            if about.tag not in ("task", "project", "job"):
                carried.setdefault("rest", []).append(about.plain())
                continue
            carried["kind"] = about.tag
            carried["members"] = [one.plain() for one in about.children if one.tag != "labels"]
            labels = about.child("labels")
            for one in labels.children if labels is not None else ():
                self._label(one, carried)
        self.reading.carried["cvat"] = carried

    def _label(self, element: Element, carried: dict[str, Any]) -> None:
        name, color, said = label_of(element)
        if not name:
            self.reading.report(
                Problem(place=self.place(element), value="<label>", reason="a label has a name")
            )
            return
        self.kinds[name] = {one["name"]: one["input_type"] for one in said.get("attributes", ())}
        if said.get("type") == "tag":
            carried.setdefault("tags", {})[name] = {**said, "color": color}
        else:
            self.reading.classes.add(name, color=color, category={"cvat": said} if said else {})

    def image(self, one: Element) -> Image:
        """An image with what is on it."""
        given = one.attributes
        name, subset = given.get("name", ""), given.get("subset", "")
        known = ("name", "width", "height", "annotary_name", "annotary_key", "annotary_address")
        carried: dict[str, Any] = {key: text for key, text in given.items() if key not in known}
        if carried.get("id") == str(self.number):
            del carried["id"]
        if split_of(subset) and SUBSETS[split_of(subset)] == subset:
            del carried["subset"]
        external_id = given.get("annotary_name") or name
        if not self.seen.add(external_id):
            external_id = f"{subset or self.number}/{name}"
            self.seen.add(external_id)
        if external_id != name:
            carried["name"] = name
        inside = (f"images/{name}", f"images/{subset}/{name}", name)
        local = next((path for path in inside if self.source.located(path)), f"images/{name}")
        image = Image(
            number=self.number,
            external_id=external_id,
            global_key=given.get("annotary_key", ""),
            row_data=given.get("annotary_address") or external_id,
            width=_size(given.get("width", "")),
            height=_size(given.get("height", "")),
            split=split_of(subset),
            coco=Raw(msgspec.json.encode({"cvat": carried})) if carried else NOTHING,
            place=self.place(one),
            local=local,
        )
        self.number += 1
        if not image.width or not image.height:
            image.width, image.height = self.source.size_of(local) or (0, 0)
        image.answers = tags_as_answer([each for each in one.children if each.tag == "tag"], self.kinds)
        for at, shape in enumerate(one.children):
            if shape.tag != "tag":
                image.marks.extend(self._marks(shape, at, image))
        return image

    def _marks(self, one: Element, at: int, image: Image) -> list[Mark]:
        given = one.attributes
        label = given.get("label", "")
        place = self.place(one, image.external_id)
        said: dict[str, Any] = {}
        try:
            if one.tag not in GEOMETRY:
                raise ValueError(f"a {shown(one.tag)} is not read")
            if not label:
                raise ValueError("it names no label")
            made = _drawn(one, at, image, said)
        except ValueError as error:
            self.reading.ledger.refused(_WORDS.get(one.tag, one.tag), str(error), place)
            return []
        if one.tag in ("ellipse", "cuboid") and made[0].kind == POLYGON:
            self._approximated(one.tag, place)
        own = (*GEOMETRY[one.tag], "label", "occluded", IN_SPACE)
        rest = {key: text for key, text in given.items() if key not in own}
        rest = {key: text for key, text in rest.items() if (key, text) not in _USUAL}
        if rest:
            said["rest"] = rest
        coco: dict[str, Any] = {"cvat": said} if said else {}
        if given.get("occluded") == "1":
            coco["attributes"] = {"occluded": True}
        for mark in made:
            mark.name, mark.id = label, place
            mark.coco = Raw(msgspec.json.encode(coco)) if coco else NOTHING
        made[0].classifications = answers_of(one, self.kinds.get(label, {}))
        return made

    def _approximated(self, tag: str, place: str) -> None:
        if tag == "ellipse":
            share = CORNERS / (2 * math.pi) * math.sin(2 * math.pi / CORNERS)
            reason = f"an ellipse became a polygon of {CORNERS} corners"
            self.reading.ledger.approximated("polygon", reason, place, share)
        else:
            reason = "a cuboid became the outline around its corners"
            self.reading.ledger.approximated("polygon", reason, place)


_USUAL = (("source", "manual"), ("z_order", "0"))
"""What is written where nothing else came in."""


def _size(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _drawn(one: Element, at: int, image: Image, said: dict[str, Any]) -> list[Mark]:
    """The marks of a shape, as yet without names; `said` gets what they do not say."""
    given = one.attributes
    match one.tag:
        case "mask":
            return [Mark(kind=MASK, rle=_pixels(given, image))]
        case "box" if parsed(given.get("rotation", "0"), "rotation") == 0:
            left, top, right, bottom = (parsed(given.get(key, ""), key) for key in GEOMETRY["box"][:4])
            if right < left or bottom < top:
                raise ValueError("a box whose right or bottom comes before its left or top")
            width, height = float(right - left), float(bottom - top)
            return [
                Mark(kind=BOX, bounding_box=Box(left=float(left), top=float(top), width=width, height=height))
            ]
        case "cuboid" if IN_SPACE in given:
            return [Mark(kind=CUBOID, cuboid=_cuboid(given))]
        case "box" | "ellipse" | "cuboid":
            numbers = {key: given[key] for key in GEOMETRY[one.tag] if key in given}
            said["given"] = [one.tag, numbers]
            return [Mark(kind=POLYGON, ring=ring_of(one.tag, numbers))]
    points = _points(given.get("points", ""))
    if one.tag == "points":
        if len(points) > 2:
            said["together"] = at
        return [
            Mark(kind=POINT, point=Point(x=x, y=y)) for x, y in zip(points[::2], points[1::2], strict=True)
        ]
    least = 3 if one.tag == "polygon" else 2
    if len(points) < 2 * least:
        raise ValueError(f"a {one.tag} of fewer than {least} points")
    return [Mark(kind=POLYGON if one.tag == "polygon" else POLYLINE, ring=points)]


def in_space(mark: Mark) -> str:
    """A cuboid's centre, rotation vector and size, eight numbers."""
    said = msgspec.json.decode(mark.cuboid)
    numbers = [said[key][axis] for key, axes in _SPACE.items() for axis in axes]
    return ",".join(number(float(one)) for one in numbers)


def _cuboid(given: dict[str, str]) -> Raw:
    """A cuboid in space with its corners as they are drawn; ValueError where these do not go together."""
    numbers = [float(parsed(one, IN_SPACE)) for one in given[IN_SPACE].split(",")]
    names = [(key, axis) for key, axes in _SPACE.items() for axis in axes]
    if len(numbers) != len(names):
        raise ValueError(f"{IN_SPACE} has {len(numbers)} numbers, not {len(names)}")
    said: dict[str, Any] = {key: {} for key in _SPACE}
    for (key, axis), one in zip(names, numbers, strict=True):
        said[key][axis] = one
    drawn = [float(parsed(given.get(key, ""), key)) for key in CUBOID_CORNERS]
    corners = [{"x": x, "y": y} for x, y in zip(drawn[::2], drawn[1::2], strict=True)]
    for face, some in (("front", corners[:4]), ("back", corners[4:])):
        said[face] = dict(zip(Face.__struct_fields__, some, strict=True))
    found = msgspec.convert({**said, "projection": "orthographic"}, Cuboid)
    if cuboid_gap(found) > 0.01:
        raise ValueError(f"{IN_SPACE} is not that of its corners")
    return Raw(msgspec.json.encode(found))


def _points(text: str) -> list[float]:
    found = []
    for pair in text.split(";"):
        x, comma, y = pair.partition(",")
        if not comma:
            raise ValueError(f"points are x,y;x,y;...; this is {shown(text)}")
        found += [float(parsed(x, "x")), float(parsed(y, "y"))]
    return found


def ring_of(tag: str, given: dict[str, str]) -> list[float]:
    """A rotated box, an ellipse or a cuboid as a polygon's x, y, x, y, ...; raises ValueError.

    Rotations are in degrees, clockwise on the screen.
    """
    keys = GEOMETRY.get(tag, ())
    numbers = [float(parsed(str(given.get(key, "0" if key == "rotation" else "")), key)) for key in keys]
    if tag == "cuboid":
        found: list[float] = geometry.convex_hull(np.array(numbers).reshape(-1, 2)).reshape(-1).tolist()
        if len(found) < 6:
            raise ValueError("a cuboid without an extent")
        return found
    if tag == "box":
        left, top, right, bottom = numbers[:4]
        x, y, across, down = (left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2
        corners = [(-across, -down), (across, -down), (across, down), (-across, down)]
    elif tag == "ellipse":
        x, y, across, down = numbers[:4]
        steps = [2 * math.pi * step / CORNERS for step in range(CORNERS)]
        corners = [(across * math.cos(angle), down * math.sin(angle)) for angle in steps]
    else:
        raise ValueError(f"a {shown(tag)} is no shape")
    cos, sin = math.cos(math.radians(numbers[4])), math.sin(math.radians(numbers[4]))
    return [each for dx, dy in corners for each in (x + dx * cos - dy * sin, y + dx * sin + dy * cos)]


def _pixels(given: dict[str, str], image: Image) -> rle.Rle:
    if not image.width or not image.height:
        raise ValueError("the image's size is not known")
    try:
        counts = tuple(int(one) for one in given.get("rle", "").split(","))
        left, top, width, height = (int(float(given[key])) for key in GEOMETRY["mask"][1:])
    except (ValueError, KeyError, OverflowError):
        raise ValueError("a mask has rle, left, top, width and height, all whole numbers") from None
    if max(abs(one) for one in (left, top, width, height)) > FAR:
        raise ValueError(f"a mask further away than {FAR:.0f}")
    window = Window(counts, left, top, width, height)
    return rle.of_mask(mask_of_window(window, image.height, image.width))
