"""LabelMe: a JSON file beside each picture, with its shapes; and labels.txt, the classes in order.

    NAME.json       the shapes of the image, its size, its flags
    labels.txt      __ignore__, _background_, then the classes
    NAME.jpg        the image's own file

With splits these are below `train/`, `val/` and `test/`. Shapes are rectangles, polygons, circles, lines,
line strips, points and masks (the PNG of a box of pixels).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from annotary.formats import Format, Part, TrainingOptions
from annotary.formats import _marks as marks
from annotary.formats._bodies import one_by_one, with_bodies
from annotary.formats._labelme_read import PICTURES, SPECIAL, circle_ring, derived_name, folder, read, starts
from annotary.formats._losses import drop, mark_id
from annotary.formats._names import Names
from annotary.formats._png import render_mask_8bit
from annotary.formats._told import Told
from annotary.model.image import POINT, WORDS, Image, ImageSet, Mark

VERSION = "5.5.0"
"""The release of LabelMe whose files these are like, where none came in."""
_INDENT = 2


class Options(TrainingOptions, frozen=True):
    """What every training format has."""

    def one_file(self) -> bool:
        """Always a folder."""
        return False


def write(found: ImageSet, options: Options) -> Iterator[Part]:
    """The files of each image, then the list of classes."""
    names_of = Names(found.ledger)
    for image, body in with_bodies(found, _prepared(found, options)):
        yield from _files(found, image, body, names_of)
    names = [one.name.replace("\n", " ").replace("\r", " ") for one in found.classes]
    lines = [*SPECIAL, *(one for one in names if one not in SPECIAL)]
    yield Part("labels.txt", "".join(f"{one}\n" for one in lines).encode("utf-8", "replace"))


class _Body(NamedTuple):
    """The members of an image's file, `shapes` as JSON, and the names of the classes of its shapes."""

    members: dict[str, Any]
    shapes: msgspec.Raw
    names: tuple[str, ...]


def _files(found: ImageSet, image: Image, body: _Body, names: Names) -> Iterator[Part]:
    """One image's file and its picture."""
    folder_of = f"{image.split}/" if image.split else ""
    stem = names.path(image.name, image.id, ending="")
    ending = PurePosixPath(image.name).suffix
    picture = stem + (ending if ending.lower() in PICTURES else ".jpg")
    file_name = PurePosixPath(picture).name
    for name in body.names:
        found.classes.index(name)
    document = {**body.members, "shapes": body.shapes, "imagePath": file_name}
    name = derived_name(f"{stem}.json", file_name)
    own = {
        "name": image.external_id if image.external_id != name else "",
        "key": image.global_key,
        "address": image.row_data if image.row_data not in (name, image.external_id) else "",
    }
    if any(own.values()):
        document["annotary"] = {key: text for key, text in own.items() if text}
    text = msgspec.json.format(msgspec.json.encode(document), indent=_INDENT)
    yield Part(f"{folder_of}{stem}.json", text + b"\n")
    yield from found.picture(image, f"{folder_of}{picture}")


def _prepared(found: ImageSet, options: Options) -> Callable[[Image], _Body]:
    del options
    return _Bodies(found).of


class _Bodies:
    """What is written of an image without knowing any other."""

    def __init__(self, found: ImageSet) -> None:
        self.found = found
        self.ledger = found.ledger

    def of(self, image: Image) -> _Body:
        """The body of an image."""
        said = _carried(image.coco)
        flags, description, rest = _answers(image.answers, said.get("flags"))
        if description:
            rest.insert(0, {"name": "description", "text_answer": {"content": description}})
        self.ledger.wrote("answer", image.answer_count())
        shapes, names = self._shapes(image)
        members: dict[str, Any] = {
            "version": said.get("version", VERSION),
            "flags": flags,
            "shapes": None,
            "imagePath": None,
            "imageData": None,
            "imageHeight": image.height or None,
            "imageWidth": image.width or None,
        }
        members.update(_rest(said, members))
        if rest:
            members["classifications"] = rest
        return _Body(members, msgspec.Raw(msgspec.json.encode(shapes)), tuple(names))

    def _shapes(self, image: Image) -> tuple[list[dict[str, Any]], dict[str, None]]:
        """The shapes, and the names of their classes in order."""
        shapes: list[dict[str, Any]] = []
        names: dict[str, None] = {}
        last: Any = None
        for mark in image.marks:
            said = _carried(mark.coco)
            together = said.get("together")
            try:
                if (
                    together is not None
                    and together == last
                    and mark.kind == POINT
                    and mark.point is not None
                ):
                    # A shape of several points: each is a mark of its own.
                    shapes[-1]["points"].append([mark.point.x, mark.point.y])
                else:
                    shapes.append(self._shape(image, mark, said))
            except ValueError as error:
                drop(self.ledger, image, mark, str(error))
                continue
            last = together
            names[mark.name] = None
            self.ledger.wrote(mark.word)
            self.ledger.wrote("answer", mark.answer_count())
        return shapes, names

    def _shape(self, image: Image, mark: Mark, said: dict[str, Any]) -> dict[str, Any]:
        kind, points, png = self._drawn(image, mark, said)
        flags, description, rest = _answers(mark.classifications, said.get("flags"))
        shape: dict[str, Any] = {
            "label": mark.name,
            "points": points,
            "group_id": said.get("group_id"),
            "description": description,
            "shape_type": kind,
            "flags": flags,
            "mask": png,
        }
        shape.update(_rest(said, shape))
        if mark.confidence is not None:
            shape["score"] = mark.confidence
        if rest:
            shape["classifications"] = rest
        return shape

    def _drawn(self, image: Image, mark: Mark, said: dict[str, Any]) -> tuple[str, Any, str | None]:
        """A mark's shape type, points, and mask; ValueError where LabelMe has none."""
        match WORDS.get(mark.kind):
            case "box":
                return "rectangle", _corners(mark, said), None
            case "polyline":
                points = _pairs(mark.flat())
                default = "line" if len(points) == 2 else "linestrip"
                return "linestrip" if said.get("shape_type") == "linestrip" else default, points, None
            case "point" if mark.point is not None:
                kind = "points" if said.get("together") is not None else "point"
                return kind, [[mark.point.x, mark.point.y]], None
            case "polygon":
                flat = mark.flat()
                if len(flat) < 6:
                    raise ValueError("a polygon of fewer than 3 points")
                circle = _given(said.get("circle"))
                if len(circle) == 2 and _same_circle(circle, flat):
                    return "circle", circle, None
                return "polygon", _pairs(flat), None
            case "cuboid":
                reason = "a cuboid became the outline around its corners"
                self.ledger.approximated(mark.word, reason, mark_id(image, mark))
                return "polygon", _pairs(marks.rings(mark)[0]), None
            case "mask":
                return self._mask(image, mark, said)
        raise ValueError(f"LabelMe has no {mark.word}")

    def _mask(self, image: Image, mark: Mark, said: dict[str, Any]) -> tuple[str, Any, str]:
        if not image.width or not image.height:
            raise ValueError("the image's size is not known")
        if marks.parts(mark) is not None:
            self.ledger.approximated(mark.word, "painted in whole pixels", mark_id(image, mark))
        found = marks.run_lengths(mark, image, self.found.pixels)
        if not found.area():
            raise ValueError("it covers no pixel")
        left, top, part = found.part()
        points = [
            [float(left), float(top)],
            [float(left + part.shape[1] - 1), float(top + part.shape[0] - 1)],
        ]
        given = _given(said.get("points"))
        if given and [[int(one) for one in pair] for pair in given] == points:
            points = given
        return "mask", points, base64.b64encode(render_mask_8bit(part)).decode()


def _carried(raw: msgspec.Raw) -> dict[str, Any]:
    return Told(raw, b'"labelme"').mapping("labelme")


def _rest(said: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """What LabelMe calls other data: keys of other programs."""
    other = said.get("other")
    return {key: one for key, one in other.items() if key not in known} if isinstance(other, dict) else {}


def _pairs(flat: list[float]) -> list[list[float]]:
    return [[x, y] for x, y in zip(flat[::2], flat[1::2], strict=True)]


def _given(points: Any) -> list[list[float]]:
    """Points as they are carried; none where they are something else."""
    try:
        return msgspec.convert(points, list[Annotated[list[float], Meta(min_length=2, max_length=2)]])
    except msgspec.ValidationError:
        return []


def _corners(mark: Mark, said: dict[str, Any]) -> list[list[float]]:
    """Top left and bottom right, or the corners as they were drawn."""
    left, top, right, bottom = marks.corners(mark)
    if given := _given(said.get("points")):
        xs, ys = [one[0] for one in given], [one[1] for one in given]
        if max(abs(min(xs) - left), abs(min(ys) - top), abs(max(xs) - right), abs(max(ys) - bottom)) < 1e-6:
            return given
    return [[left, top], [right, bottom]]


def _same_circle(circle: list[list[float]], flat: list[float]) -> bool:
    ring = circle_ring(circle)
    return len(ring) == len(flat) and all(abs(a - b) < 1e-6 for a, b in zip(ring, flat, strict=True))


def _answers(raw: msgspec.Raw, given: Any) -> tuple[dict[str, bool], str, list[dict[str, Any]]]:
    """Flags, the description, and the questions that LabelMe has no place for: these become other data."""
    flags = {key: False for key in given} if isinstance(given, dict) else {}
    description, rest = "", []
    for one in msgspec.json.decode(raw) if raw else ():
        match one:
            case {"name": "flags", "checklist_answers": list() as answers}:
                flags.update({str(answer.get("name")): True for answer in answers})
            case {"name": "description", "text_answer": {"content": str(text)}} if not description:
                description = text
            case _:
                rest.append(_bare(one))
    return flags, description, rest


def _bare(one: Any) -> Any:
    """Questions and answers by their names alone: ids are those of the store they came out of."""
    if isinstance(one, dict):
        gone = ("feature_id", "feature_schema_id", "value")
        return {key: _bare(value) for key, value in one.items() if key not in gone and value != []}
    return [_bare(value) for value in one] if isinstance(one, list) else one


FORMAT = Format(
    title="LabelMe",
    options=Options,
    write=write,
    read=read,
    prepare=one_by_one(_prepared),
    images=True,
    starts=starts,
    folder=folder,
    ending=".json",
    says="boxes, polygons, circles, lines, points, masks; flags, descriptions, groups; answers as other data",
)
