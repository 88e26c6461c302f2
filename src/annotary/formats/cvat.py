"""CVAT for images 1.1: one XML file of labels with their attributes, and of images with shapes and tags."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from annotary.formats import Format, Part, TrainingOptions
from annotary.formats import _marks as marks
from annotary.formats._bodies import one_by_one, with_bodies
from annotary.formats._cvat_answers import Attribute, Labels, attributes_of, tags_of
from annotary.formats._cvat_read import (
    CUBOID_CORNERS,
    GEOMETRY,
    IN_SPACE,
    SUBSETS,
    folder,
    in_space,
    read,
    ring_of,
    split_of,
    starts,
)
from annotary.formats._decimals import number, span
from annotary.formats._disk import Later
from annotary.formats._losses import drop, mark_id
from annotary.formats._names import Names
from annotary.formats._runs import window_of
from annotary.formats._told import Told
from annotary.formats._xml import is_name, markup, quoted, sayable
from annotary.model.image import POINT, WORDS, Image, ImageSet, Mark


class Options(TrainingOptions, frozen=True):
    """What every training format has."""

    def one_file(self) -> bool:
        """One file, unless copies of images are asked for; splits are CVAT's subsets."""
        return self.images != "copy"


def write(found: ImageSet, options: Options) -> Iterator[Part]:
    """The labels, known once all images have been read, then the images, which were put by."""
    path = "" if options.one_file() else "annotations.xml"
    writer = _Writer(found)
    images = Later()
    names = Names(found.ledger)
    for image, body in with_bodies(found, _prepared(found, options)):
        images.add(writer.image(image, body).encode())
        if path:
            yield from found.picture(image, f"images/{names.path(image.name, image.id)}")
    yield Part(path, writer.head().encode())
    for chunk in images.chunks():
        yield Part(path, chunk)
    yield Part(path, b"</annotations>\n")


class _Body(NamedTuple):
    """What stands in an image's element, and the labels met there: name, attributes, whether it is a tag."""

    text: str
    met: list[tuple[str, tuple[Attribute, ...], bool]]


class _Writer:
    """What is the same for all images of an export."""

    def __init__(self, found: ImageSet) -> None:
        self.found = found
        self.ledger = found.ledger
        self.labels = Labels(found.classes, found.carried)
        self.number = 0

    def head(self) -> str:
        """The start of the file, labels and all."""
        carried = self.found.carried.get("cvat", {})
        kind = carried.get("kind", "task")
        labels = self.labels.lines("      ")
        try:
            own = "".join(markup(one, "      ", "  ") for one in carried.get("members", ()))
            rest = "".join(markup(one, "    ", "  ") for one in carried.get("rest", ()))
        except (ValueError, TypeError) as error:
            self.ledger.changed("repaired", "file", f"what it carried for CVAT: {error}", self.found.name)
            own, rest = "", ""
        own = own or "      <mode>annotation</mode>\n"
        kind = kind if kind in ("task", "project", "job") else "task"
        return (
            # UTF-8 goes without saying; said, some programs that read it as text refuse the file.
            '<?xml version="1.0"?>\n<annotations>\n  <version>1.1</version>\n  <meta>\n'
            f"    <{kind}>\n{own}{labels}    </{kind}>\n{rest}  </meta>\n"
        )

    def image(self, image: Image, body: _Body) -> str:
        """One image's element."""
        carried = Told(image.coco, b'"cvat"').mapping("cvat")
        name = str(carried.get("name", image.name))
        if not sayable(name):
            self.ledger.changed("renamed", "image", "signs that XML cannot say", image.id or name)
        subset = carried.get("subset")
        if image.split and (not isinstance(subset, str) or split_of(subset) != image.split):
            subset = SUBSETS[image.split]
        said = {
            "id": carried.get("id", self.number),
            "name": name,
            "subset": subset,
            "task_id": carried.get("task_id"),
            "width": image.width or None,
            "height": image.height or None,
            "annotary_name": image.external_id if image.external_id not in ("", name) else None,
            "annotary_key": image.global_key or None,
            "annotary_address": image.row_data
            if image.row_data not in ("", name, image.external_id)
            else None,
        }
        self.number += 1
        for label, attributes, tag in body.met:
            self.labels.met(label, attributes, tag=tag)
        return f"  <image{_written(said)}>\n{body.text}  </image>\n"


def _prepared(found: ImageSet, options: Options) -> Callable[[Image], _Body]:
    del options
    return lambda image: _Drawing(found).body(image)


class _Drawing:
    """One image on its way to what stands in its element: that follows from it alone."""

    def __init__(self, found: ImageSet) -> None:
        self.found = found
        self.ledger = found.ledger
        self.met: dict[tuple[str, tuple[Attribute, ...], bool], None] = {}

    def body(self, image: Image) -> _Body:
        """What stands in it."""
        text = "".join((*self._tags(image), *self._shapes(image)))
        return _Body(text, list(self.met))

    def _tags(self, image: Image) -> Iterator[str]:
        for label, tag in tags_of(image.answers, self.ledger, image.name):
            self.met[label, tuple(tag), True] = None
            yield _closed("tag", {"label": label, "source": "manual"}, tag)
        self.ledger.wrote("answer", image.answer_count())

    def _shapes(self, image: Image) -> Iterator[str]:
        """The shapes in order; points of one shape are together again."""
        held: list[tuple[float, float]] = []
        first: tuple[Mark, Told] | None = None
        for mark in image.marks:
            said = Told(mark.coco, b'"cvat"', b'"attributes"')
            together = said.mapping("cvat").get("together")
            if first is not None and (
                mark.kind != POINT or together is None or first[1].mapping("cvat").get("together") != together
            ):
                yield self._points(image, *first, held)
                first = None
            if mark.kind == POINT and mark.point is not None:
                self._count(mark)
                held = [*held, (mark.point.x, mark.point.y)] if first else [(mark.point.x, mark.point.y)]
                first = first or (mark, said)
                continue
            try:
                tag, geometry = self._drawn(image, mark, said.mapping("cvat"))
            except ValueError as error:
                drop(self.ledger, image, mark, str(error))
                continue
            self._count(mark)
            yield self._shape(image, mark, said, tag, geometry)
        if first is not None:
            yield self._points(image, *first, held)

    def _count(self, mark: Mark) -> None:
        self.ledger.wrote(mark.word)
        self.ledger.wrote("answer", mark.answer_count())

    def _points(self, image: Image, mark: Mark, said: Told, held: list[tuple[float, float]]) -> str:
        return self._shape(
            image, mark, said, "points", {"points": _pairs([one for pair in held for one in pair])}
        )

    def _shape(self, image: Image, mark: Mark, said: Told, tag: str, geometry: dict[str, Any]) -> str:
        if not sayable(mark.name):
            self.ledger.changed("renamed", "class", "signs that XML cannot say", mark.name)
        if mark.confidence is not None:
            self.ledger.changed("repaired", mark.word, "its confidence is left out", mark_id(image, mark))
        found = attributes_of(mark.classifications, self.ledger, mark_id(image, mark))
        self.met[mark.name, tuple(found), False] = None
        rest = said.mapping("cvat").get("rest")
        more = {
            key: one
            for key, one in (rest.items() if isinstance(rest, dict) else ())
            if is_name(key) and key not in (*geometry, "label", "occluded")
        }
        written = {
            "label": mark.name,
            "source": more.pop("source", "manual"),
            "occluded": int(said.mapping("attributes").get("occluded") in (True, 1, "1", "true")),
            **geometry,
            "z_order": more.pop("z_order", 0),
            **more,
        }
        return _closed(tag, written, found)

    def _drawn(self, image: Image, mark: Mark, said: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """An element's tag and geometry; ValueError where CVAT has none."""
        match WORDS.get(mark.kind):
            case "box":
                return "box", _corners(mark)
            case "polyline":
                return "polyline", {"points": _pairs(mark.flat())}
            case "polygon":
                flat = mark.flat()
                if len(flat) < 6:
                    raise ValueError("a polygon of fewer than 3 points")
                return _as_given(said, flat) or ("polygon", {"points": _pairs(flat)})
            case "cuboid":
                return "cuboid", _cuboid(mark)
            case "mask":
                return "mask", self._window(image, mark)
        raise ValueError(f"CVAT has no {mark.word}")

    def _window(self, image: Image, mark: Mark) -> dict[str, Any]:
        """A mask's run-lengths in the smallest box around it."""
        if not image.width or not image.height:
            raise ValueError("the image's size is not known")
        drawn_in_parts = marks.parts(mark) is not None
        found = marks.run_lengths(mark, image, self.found.pixels)
        if not found.area():
            raise ValueError("it covers no pixel")
        if drawn_in_parts:
            self.ledger.approximated(mark.word, "painted in whole pixels", mark_id(image, mark))
        left, top, part = found.part()
        window = window_of(part)
        assert window is not None
        return {
            "rle": ", ".join(map(str, window.counts)),
            "left": left + window.left,
            "top": top + window.top,
            "width": window.width,
            "height": window.height,
        }


def _corners(mark: Mark) -> dict[str, str]:
    box = mark.bounding_box
    assert box is not None
    (left, right), (top, bottom) = span(box.left, box.width), span(box.top, box.height)
    return {"xtl": left, "ytl": top, "xbr": right, "ybr": bottom}


def _cuboid(mark: Mark) -> dict[str, str]:
    """The eight corners; what they follow from is said too, in an attribute that CVAT passes over."""
    corners = [number(round(one, 9)) for one in marks.cuboid_corners(mark).reshape(-1).tolist()]
    return {**dict(zip(CUBOID_CORNERS, corners, strict=True)), IN_SPACE: in_space(mark)}


def _as_given(said: dict[str, Any], flat: list[float]) -> tuple[str, dict[str, Any]] | None:
    """The rotated box, ellipse or cuboid that a polygon came from, unless it has been changed since."""
    given = said.get("given")
    try:
        tag, geometry = given  # type: ignore[misc]
        ring = ring_of(tag, geometry)
    except (ValueError, TypeError, KeyError):
        return None
    if len(ring) != len(flat) or any(abs(a - b) > 1e-6 for a, b in zip(ring, flat, strict=True)):
        return None
    return tag, {key: geometry[key] for key in GEOMETRY[tag] if key in geometry}


def _pairs(flat: list[float]) -> str:
    texts = [number(one) for one in flat]
    return ";".join(f"{x},{y}" for x, y in zip(texts[::2], texts[1::2], strict=True))


def _written(said: dict[str, Any]) -> str:
    return "".join(f' {key}="{quoted(str(one))}"' for key, one in said.items() if one is not None)


def _closed(tag: str, said: dict[str, Any], found: list[Attribute]) -> str:
    """An element below an image, with its attributes."""
    lines = "".join(
        f'      <attribute name="{quoted(one.name)}">{quoted(one.value)}</attribute>\n' for one in found
    )
    return f"    <{tag}{_written(said)}>\n{lines}    </{tag}>\n"


FORMAT = Format(
    title="CVAT for images 1.1",
    options=Options,
    write=write,
    read=read,
    prepare=one_by_one(_prepared),
    images=True,
    starts=starts,
    folder=folder,
    ending=".xml",
    says="boxes, rotated boxes, polygons, lines, points, ellipses, cuboids, masks, tags, attributes, z-order",
)
