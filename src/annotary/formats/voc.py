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
from collections.abc import Iterator
from itertools import repeat
from math import ceil, floor
from typing import Annotated, Any

from msgspec import Meta

from annotary.errors import Invalid
from annotary.formats import Format, Part, TrainingOptions
from annotary.formats import _label_png as pictures
from annotary.formats import _marks as marks
from annotary.formats._around import around, together
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
    writer = _Writer(found, options)
    for images in together(found.images()):
        plain = None if options.segmentation or options.whole else objects(found, images, writer.spelling)
        for image, texts in zip(images, plain or repeat(None), strict=False):
            yield from writer.image(image, texts)
    yield from writer.lists()
    yield writer.labelmap()


class _Writer:
    """What is the same for all images of an export."""

    def __init__(self, found: ImageSet, options: Options) -> None:
        self.found = found
        self.options = options
        self.ledger = found.ledger
        self.names = Names(found.ledger)
        self.held: dict[str, Later] = {}
        self.spelt: dict[str, str] = {}

    def image(self, image: Image, plain: str | None) -> Iterator[Part]:
        """One image's parts; its name is put by for the lists. `plain` is its objects, if they are known."""
        stem = self.names.path(image.name, image.id, ending="")
        picture = picture_name(image, stem)
        self._list("Main", image, stem)
        texts, numbers = (plain, []) if plain is not None else self._objects(image)
        head = self._head(image, stem, picture, segmented=bool(numbers))
        yield Part(f"Annotations/{stem}.xml", f"{head}{texts}</annotation>\n".encode())
        if numbers:
            self._list("Segmentation", image, stem)
            yield from self._painted(image, stem, numbers)
        yield from self.found.picture(image, f"JPEGImages/{picture}")

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
            name = self._named(one.name)
            red, green, blue = colour(one.index + 1)
            lines.append(f"{name}:{red},{green},{blue}::\n")
        return Part("labelmap.txt", "".join(lines).encode("utf-8", "replace"))

    # The XML file

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

    def _object(self, image: Image, mark: Mark, *, exact: bool) -> str:
        """An object's lines; ValueError says why there are none. `exact`: its pixels are written too."""
        said = Told(mark.coco, b'"attributes"', b'"voc"', b'"iscrowd"')
        name = self.spelling(mark.name)
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

    def spelling(self, name: str) -> str:
        """A class's name as the XML file spells it."""
        made = self.spelt.get(name)
        if made is None:
            self.found.classes.index(name)
            self.spelt[name] = made = escaped(self._named(name))
        return made

    def _named(self, name: str) -> str:
        """A class's name as XML and labelmap.txt both can say it."""
        made = _UNSAID.sub("_", name).strip() or "_"
        made = f"_{made[1:]}" if made.startswith("#") else made
        if made != name and name not in self.spelt:
            self.ledger.changed("renamed", "class", "labelmap.txt or XML cannot say this name", name)
            self.spelt[name] = escaped(made)
        return made

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

    def _painted(self, image: Image, stem: str, numbers: list[tuple[int, Mark, Rle]]) -> Iterator[Part]:
        if numbers[-1][0] >= HIGHEST:
            for _, mark, _ in numbers:
                reason = f"a picture has numbers for {HIGHEST - 1} objects; the box around it is there"
                self.ledger.approximated(mark.word, reason, mark_id(image, mark))
            return
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
        yield Part(f"SegmentationClass/{stem}.png", pictures.encode_palette(painted.labels(values), palette))
        places = painted.labels([number for number, _, _ in numbers])
        yield Part(f"SegmentationObject/{stem}.png", pictures.encode_palette(places, palette))

    def _value(self, name: str) -> int:
        value = self.found.classes.index(name) + 1
        if not 0 < value < HIGHEST:
            raise Invalid(f"class {name!r} would have the value {value}; values are from 1 to {HIGHEST - 1}")
        return value


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
    images=True,
    starts=starts,
    folder=folder,
    ending=".xml",
    says="boxes, difficult, truncated, occluded, pose, parts; masks and polygons as pictures on request",
)
