"""Pascal VOC: an XML file of boxes an image, lists of images by split, and pictures of classes and objects.

    Annotations/NAME.xml            the image's size and its objects
    ImageSets/Main/SPLIT.txt        the names of the images of train, val and test
    labelmap.txt                    the classes; a class's colour says its number
    JPEGImages/NAME.jpg             the image's own file

With `segmentation` also, for images that have polygons or masks:

    SegmentationClass/NAME.png      a pixel is its class's number + 1; 0 is background, 255 is void
    SegmentationObject/NAME.png     a pixel is its object's place in the XML file, from 1
    ImageSets/Segmentation/SPLIT.txt

VOC counts pixels from 1 and a box includes its last one: xmin = left + 1, xmax = left + width.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import repeat
from math import ceil, floor
from typing import Annotated, Any, NamedTuple

from msgspec import Meta

from annotary.errors import Invalid
from annotary.formats import Format, Part, TrainingOptions
from annotary.formats import _label_png as pictures
from annotary.formats import _marks as marks
from annotary.formats._around import around, measured, together
from annotary.formats._bodies import of_many
from annotary.formats._decimals import ends, span
from annotary.formats._disk import Later
from annotary.formats._image_index import picture_name
from annotary.formats._losses import drop, mark_id, no_answers, wrote
from annotary.formats._names import Names
from annotary.formats._rle import Rle
from annotary.formats._told import Told
from annotary.formats._voc_boxes import CROWD, box_lines, objects, plain_object
from annotary.formats._voc_pixels import HIGHEST, colour
from annotary.formats._voc_read import FLAGS, derived_name, folder, read, starts
from annotary.formats._xml import escaped, markup
from annotary.model.base import to_json
from annotary.model.image import (
    ARROW,
    BOND,
    BOX,
    CUBOID,
    MASK,
    POLYGON,
    TEST,
    TRAIN,
    VAL,
    Image,
    ImageSet,
    Mark,
)

_BOXED = frozenset((BOX, POLYGON, MASK, CUBOID))
_UNSAID = re.compile("[:\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


class Options(TrainingOptions, frozen=True):
    """What a VOC data set has beside the rest."""

    segmentation: Annotated[
        bool, Meta(description="pictures of classes and objects too, for polygons and masks")
    ] = False
    whole: Annotated[
        bool, Meta(description="coordinates as whole numbers, outwards: for programs that read no others")
    ] = False

    def one_file(self) -> bool:
        """Always a folder."""
        return False


def write(found: ImageSet, options: Options) -> Iterator[Part]:
    """The files of each image, then the lists of images and the classes."""
    writer = _Writer(found)
    for image, body in of_many(found, _Bodies(found, options).of, together):
        yield from writer.image(image, body)
    yield from writer.lists()
    yield writer.labelmap()


def _prepared(found: ImageSet, options: Options) -> Callable[[list[Image]], list[_Body]]:
    bodies = _Bodies(found, options)
    return lambda images: list(bodies.of(measured(images)))


class _Body(NamedTuple):
    """An image's objects as text, the names of its classes, and its pictures of classes and objects.

    Whether it is `segmented` is said even where too many objects leave it without pictures.
    """

    text: str
    names: tuple[str, ...]
    segmented: bool = False
    pictures: tuple[bytes, bytes] | None = None


class _Writer:
    """What is the same for all images of an export."""

    def __init__(self, found: ImageSet) -> None:
        self.found = found
        self.ledger = found.ledger
        self.names = Names(found.ledger)
        self.held: dict[str, Later] = {}
        self.met: set[str] = set()

    def image(self, image: Image, body: _Body) -> Iterator[Part]:
        """One image's parts; its name is put by for the lists."""
        stem = self.names.path(image.name, image.id, ending="")
        picture = picture_name(image, stem)
        self._list("Main", image, stem)
        for name in body.names:
            self._meet(name)
        head = self._head(image, stem, picture, segmented=body.segmented)
        yield Part(f"Annotations/{stem}.xml", f"{head}{body.text}</annotation>\n".encode())
        if body.segmented:
            self._list("Segmentation", image, stem)
        if body.pictures is not None:
            classes, objects = body.pictures
            yield Part(f"SegmentationClass/{stem}.png", classes)
            yield Part(f"SegmentationObject/{stem}.png", objects)
        yield from self.found.picture(image, f"JPEGImages/{picture}")

    def _meet(self, name: str) -> None:
        """A class that is used, or listed; where it is spelt otherwise, that is told once."""
        if name not in self.met:
            self.met.add(name)
            self.found.classes.index(name)
            if _named(name) != name:
                self.ledger.changed("renamed", "class", "labelmap.txt or XML cannot say this name", name)

    def _list(self, kind: str, image: Image, stem: str) -> None:
        path = f"ImageSets/{kind}/{image.split or TRAIN}.txt"
        held = self.held.get(path)
        if held is None:
            held = self.held[path] = Later()
        held.add(f"{stem}\n".encode())

    def lists(self) -> Iterator[Part]:
        """The names of the images by split; there is always a list for training."""
        for kind in ("Main", "Segmentation"):
            for split in (TRAIN, VAL, TEST):
                path = f"ImageSets/{kind}/{split}.txt"
                if path in self.held or (kind, split) == ("Main", TRAIN):
                    yield Part(path, b"")
                    for chunk in self.held.get(path, Later()).chunks():
                        yield Part(path, chunk)

    def labelmap(self) -> Part:
        """The classes as CVAT and Datumaro write them; VOC's colour of a class's value says the value."""
        lines = ["# label:color_rgb:parts:actions\n"]
        if "background" not in self.found.classes.by_name:
            lines.append("background:0,0,0::\n")
        for one in self.found.classes:
            self._meet(one.name)
            red, green, blue = colour(one.index + 1)
            lines.append(f"{_named(one.name)}:{red},{green},{blue}::\n")
        return Part("labelmap.txt", "".join(lines).encode("utf-8", "replace"))

    def _head(self, image: Image, stem: str, picture: str, *, segmented: bool) -> str:
        said = Told(image.coco, b'"voc"').items("voc")
        file_name = picture.rsplit("/", 1)[-1]
        try:
            own = {one[0]: markup(one, "\t") for one in said if one[0] in ("folder", "depth")}
            rest = [markup(one, "\t") for one in said if one[0] not in own]
        except (ValueError, TypeError, LookupError) as error:
            self.ledger.changed("repaired", "image", f"what it carried for VOC: {error}", image.name)
            own, rest = {}, []
        lines = ["<annotation>\n", own.get("folder", "\t<folder>JPEGImages</folder>\n")]
        lines.append(f"\t<filename>{escaped(file_name)}</filename>\n")
        if image.width and image.height:
            size = f"\t\t<width>{image.width}</width>\n\t\t<height>{image.height}</height>\n"
            depth = own.get("depth", "\t<depth>3</depth>\n")
            lines.append(f"\t<size>\n{size}\t{depth}\t</size>\n")
        lines.append(f"\t<segmented>{int(segmented)}</segmented>\n")
        lines.extend(rest)
        lines.append(self._own(image, derived_name(stem, file_name)))
        return "".join(lines)

    def _own(self, image: Image, name: str) -> str:
        """What other programs pass over: the image's name, key and address, where VOC does not say them."""
        rest = {
            "name": image.external_id if image.external_id != name else "",
            "key": image.global_key,
            "address": image.row_data if image.row_data not in (name, image.external_id) else "",
        }
        lines = "".join(f"\t\t<{tag}>{escaped(text)}</{tag}>\n" for tag, text in rest.items() if text)
        return f"\t<annotary>\n{lines}\t</annotary>\n" if lines else ""


class _Bodies:
    """What is written of images without knowing any others."""

    def __init__(self, found: ImageSet, options: Options) -> None:
        self.found = found
        self.options = options
        self.ledger = found.ledger

    def of(self, images: list[Image]) -> Iterator[_Body]:
        """The bodies of some images."""
        boxes_only = not (self.options.segmentation or self.options.whole)
        plain = objects(self.found, images, _spelling) if boxes_only else None
        for image, text in zip(images, plain or repeat(None), strict=False):
            # What a relationship is called is no class.
            drawn = [mark.name for mark in image.marks if mark.kind not in (ARROW, BOND)]
            names = tuple(dict.fromkeys(drawn))
            yield _Body(text, names) if text is not None else self._body(image, names)

    def _body(self, image: Image, names: tuple[str, ...]) -> _Body:
        text, numbers = self._objects(image)
        if not numbers:
            return _Body(text, names)
        if not all([mark.name in self.found.classes.by_name for _, mark, _ in numbers]):
            # New classes are numbered in the order of all objects.
            for name in names:
                self.found.classes.index(name)
        return _Body(text, names, True, self._painted(image, numbers))

    def _objects(self, image: Image) -> tuple[str, list[tuple[int, Mark, Rle]]]:
        """The objects of an image mark by mark, and those that pictures show: place, mark, pixels."""
        pixels = self._pixels(image) if self.options.segmentation else {}
        texts, numbers, written = [], [], []
        for place, mark in enumerate(image.marks):
            try:
                texts.append(self._object(image, mark, exact=place in pixels))
            except ValueError as error:
                drop(self.ledger, image, mark, str(error))
                continue
            written.append(mark)
            if place in pixels:
                numbers.append((len(written), mark, pixels[place]))
        wrote(self.ledger, written)
        no_answers(self.ledger, image, written, "VOC")
        return "".join(texts), numbers

    def _object(self, image: Image, mark: Mark, *, exact: bool) -> str:
        """An object's lines; ValueError says why there are none. `exact`: its pixels are written too."""
        said = Told(mark.coco, b'"attributes"', b'"voc"', b'"iscrowd"')
        name = _spelling(mark.name)
        box = self._box(image, mark, exact)
        if not said:
            return plain_object(name, "0", mark.confidence, box)
        flags = said.mapping("attributes")
        difficult = _flag(flags.get("difficult"))
        if said.iscrowd:
            difficult = "1"
            self.ledger.changed("repaired", mark.word, CROWD, mark_id(image, mark))
        pose = escaped(flags["pose"]) if isinstance(flags.get("pose"), str) else "Unspecified"
        more = f"\t\t<occluded>{_flag(flags['occluded'])}</occluded>\n" if "occluded" in flags else ""
        if mark.confidence is not None:
            more += f"\t\t<confidence>{mark.confidence!r}</confidence>\n"
        rest = _attributes(flags) if flags else ""
        try:
            rest += "".join(markup(one, "\t\t") for one in said.items("voc"))
        except ValueError as error:
            reason = f"what it carried for VOC: {error}"
            self.ledger.changed("repaired", mark.word, reason, mark_id(image, mark))
        return (
            f"\t<object>\n\t\t<name>{name}</name>\n\t\t<pose>{pose}</pose>\n"
            f"\t\t<truncated>{_flag(flags.get('truncated'))}</truncated>\n"
            f"\t\t<difficult>{difficult}</difficult>\n{more}\t\t<bndbox>\n{box}\t\t</bndbox>\n{rest}\t</object>\n"
        )

    def _box(self, image: Image, mark: Mark, exact: bool) -> str:
        if mark.kind not in _BOXED:
            raise ValueError(f"VOC has no {mark.word}")
        box = mark.bounding_box
        if box is None and not exact:
            left, top, right, bottom = around(self.found, image, mark, "VOC")
        else:
            left, top, right, bottom = marks.corners(mark, image, self.found.pixels)
        if self.options.whole:
            try:
                low_x, low_y, high_x, high_y = floor(left) + 1, floor(top) + 1, ceil(right), ceil(bottom)
                covered = float((high_x - low_x + 1) * (high_y - low_y + 1))
            except OverflowError:
                raise ValueError("its corners are too far away for whole numbers") from None
            if covered and (before := (right - left) * (bottom - top)) != covered:
                reason = "coordinates became whole numbers"
                self.ledger.approximated(mark.word, reason, mark_id(image, mark), before / covered)
            return box_lines(map(str, (low_x, high_x, low_y, high_y)))
        if box is not None:
            return box_lines((*span(box.left, box.width, 1), *span(box.top, box.height, 1)))
        return box_lines((*ends(left, right, 1), *ends(top, bottom, 1)))

    # The pictures

    def _pixels(self, image: Image) -> dict[int, Rle]:
        """The pixels of polygons and masks by their places; the others are boxes only."""
        made: dict[int, Rle] = {}
        for place, mark in enumerate(image.marks):
            if mark.kind not in (POLYGON, MASK) or not (image.width and image.height):
                continue
            try:
                found = marks.run_lengths(mark, image, self.found.pixels)
            except ValueError:
                continue
            if (found.height, found.width) == (image.height, image.width) and found.area():
                made[place] = found
        return made

    def _painted(self, image: Image, numbers: list[tuple[int, Mark, Rle]]) -> tuple[bytes, bytes] | None:
        if numbers[-1][0] >= HIGHEST:
            for _, mark, _ in numbers:
                reason = f"a picture has numbers for {HIGHEST - 1} objects; the box around it is there"
                self.ledger.approximated(mark.word, reason, mark_id(image, mark))
            return None
        painted = pictures.paint((one for _, _, one in numbers), image.height, image.width)
        for (_, mark, _), area, hidden in zip(numbers, painted.areas, painted.hidden, strict=True):
            if hidden:
                reason = (
                    "other objects cover a part of it" if hidden < area else "other objects cover all of it"
                )
                self.ledger.approximated(mark.word, reason, mark_id(image, mark), (area - hidden) / area)
            elif mark.kind != MASK:
                self.ledger.approximated(mark.word, "painted in whole pixels", mark_id(image, mark))
        values = [self._value(mark.name) for _, mark, _ in numbers]
        palette = pictures.voc_palette()
        places = painted.labels([number for number, _, _ in numbers])
        return pictures.encode_palette(painted.labels(values), palette), pictures.encode_palette(
            places, palette
        )

    def _value(self, name: str) -> int:
        value = self.found.classes.index(name) + 1
        if not 0 < value < HIGHEST:
            raise Invalid(f"class {name!r} would have the value {value}; values are from 1 to {HIGHEST - 1}")
        return value


def _named(name: str) -> str:
    """A class's name as XML and labelmap.txt both can say it."""
    made = _UNSAID.sub("_", name).strip() or "_"
    return f"_{made[1:]}" if made.startswith("#") else made


@lru_cache(1000)
def _spelling(name: str) -> str:
    """A class's name as the XML file spells it."""
    return escaped(_named(name))


def _flag(value: object) -> str:
    return "1" if value in (1, True, "1", "true", "True") else "0"


def _attributes(said: dict[str, Any]) -> str:
    """What VOC has no element for, as CVAT and Datumaro write it."""
    rest = [
        ["attribute", [["name", key], ["value", one if isinstance(one, str) else to_json(one)]]]
        for key, one in said.items()
        if key not in FLAGS
    ]
    return markup(["attributes", rest], "\t\t") if rest else ""


FORMAT = Format(
    title="Pascal VOC",
    options=Options,
    write=write,
    read=read,
    prepare=_prepared,
    images=True,
    starts=starts,
    folder=folder,
    ending=".xml",
    says="boxes, difficult, truncated, occluded, pose, parts; masks and polygons as pictures on request",
)
