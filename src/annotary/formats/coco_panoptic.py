"""COCO panoptic: pictures in which a pixel's colour is its segment's id, and JSON that says what these are.

annotations/panoptic_SPLIT.json        images, segments by image, categories
annotations/panoptic_SPLIT/NAME.png    a pixel is R + 256 G + 65536 B: its segment's id; 0 belongs to nothing
images/SPLIT/NAME                      the image's own file
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import PurePosixPath
from typing import NamedTuple

import msgspec
from msgspec import Raw

from annotary.formats import Format, Part, TrainingOptions
from annotary.formats import _label_png as pictures
from annotary.formats import _marks as marks
from annotary.formats._bodies import one_by_one, with_bodies
from annotary.formats._coco_file import gathered
from annotary.formats._coco_ids import Categories, Ids, image_element
from annotary.formats._disk import Later
from annotary.formats._losses import drop, mark_id, no_answers
from annotary.formats._names import Names
from annotary.formats._panoptic_read import HIGHEST, folder, read, starts
from annotary.formats._rle import Rle
from annotary.formats._stored import DIGEST, GEOMETRY
from annotary.formats._told import Told
from annotary.model.base import to_json
from annotary.model.image import MASK, NOTHING, POLYGON, TEST, TRAIN, VAL, Image, ImageSet, Mark

_REPLACED = frozenset(("id", "segment_id", "image_id", "category_id", "iscrowd", *GEOMETRY, DIGEST))
_OWN = frozenset(("image_id", "file_name", "segments_info"))
_members = msgspec.json.Decoder(dict[str, Raw]).decode


class Options(TrainingOptions, frozen=True):
    """What every training format has."""

    def one_file(self) -> bool:
        """Pictures are files of their own."""
        return False


def write(found: ImageSet, options: Options) -> Iterator[Part]:
    """The picture of each image, then a JSON file for each split."""
    writer = _Writer(found)
    for image, body in with_bodies(found, _prepared(found, options)):
        yield from writer.image(image, body)
    yield from writer.ending()


class _Writer:
    """What is the same for all files of one export."""

    def __init__(self, found: ImageSet) -> None:
        self.found = found
        self.ledger = found.ledger
        self.names = Names(found.ledger)
        self.ids = Ids(found, "image")
        self.categories = Categories(found.classes)
        self.held: dict[str, tuple[Later, Later]] = {}

    def image(self, image: Image, body: _Body) -> Iterator[Part]:
        """One image's picture; its elements of the JSON file are put by."""
        split = image.split or TRAIN
        images, annotations = self.held.setdefault(split, (Later(), Later()))
        path = self.names.path(image.name, image.id, ending=".png")
        id, text = image_element(image, self.ids)
        images.add((b"" if images.empty else b",\n") + text)
        if body.png is not None:
            yield Part(f"annotations/panoptic_{split}/{path}", body.png)
            segments = [self._segment(one) for one in body.segments]
            said = Told(image.coco, b'"panoptic"').mapping("panoptic")
            rest = "".join(f",{to_json(key)}:{to_json(one)}" for key, one in said.items() if key not in _OWN)
            head = f'{{"image_id":{id},"file_name":{to_json(path)}{rest},"segments_info":['
            element = head.encode() + b",\n".join(segments) + b"]}"
            annotations.add((b"" if annotations.empty else b",\n") + element)
        ending = PurePosixPath(image.name).suffix
        yield from self.found.picture(image, f"images/{split}/{path.removesuffix('.png')}{ending or '.jpg'}")

    def _segment(self, segment: _Segment) -> bytes:
        name = segment.name
        one = self.found.classes.by_name.get(name) or self.found.classes.add(name)
        return b'{"id":%d,"category_id":%d,%b' % (segment.number, self.categories.of(one), segment.rest)

    def ending(self) -> Iterator[Part]:
        """The JSON files."""
        carried = self.found.carried.get("coco-panoptic") or self.found.carried.get("coco") or {}
        more = "".join(f",\n{to_json(key)}:{to_json(one)}" for key, one in carried.items())
        last = self.categories.elements(isthing=1) + more.encode() + b"}\n"
        for split in (TRAIN, VAL, TEST):
            if split not in self.held and split != TRAIN:
                continue
            images, annotations = self.held.get(split, (Later(), Later()))
            yield from gathered(f"annotations/panoptic_{split}.json", images, annotations, last)


class _Segment(NamedTuple):
    """A segment's id, its class, and its other members."""

    number: int
    name: str
    rest: bytes


class _Body(NamedTuple):
    """The picture of an image, if its size is known, and its segments."""

    png: bytes | None
    segments: list[_Segment]


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
        kept = self._kept(image)
        written: list[Mark] = []
        png = None
        segments: list[_Segment] = []
        if image.width and image.height:
            painted = pictures.paint((one for _, one in kept), image.height, image.width)
            numbers = _numbers(image, [mark for mark, _ in kept])
            ids = painted.labels(numbers)
            png = pictures.encode_ids(ids)
            seen = pictures.masks_of(ids)
            for (mark, whole), number in zip(kept, numbers, strict=True):
                if number in seen:
                    rest = self._members(image, mark, seen[number], whole)
                    segments.append(_Segment(number, mark.name, rest))
                    written.append(mark)
                else:
                    drop(self.ledger, image, mark, "other objects cover all of it")
        no_answers(self.ledger, image, written, "a panoptic picture")
        return _Body(png, segments)

    def _kept(self, image: Image) -> list[tuple[Mark, Rle]]:
        """The marks that have pixels, with these."""
        kept: list[tuple[Mark, Rle]] = []
        for mark in image.marks:
            try:
                kept.append((mark, self._pixels(mark, image)))
            except ValueError as error:
                drop(self.ledger, image, mark, str(error))
        return kept

    def _pixels(self, mark: Mark, image: Image) -> Rle:
        if mark.kind not in (MASK, POLYGON):
            raise ValueError(f"a panoptic picture has no {mark.word}: it has no pixels of its own")
        if not image.width or not image.height:
            raise ValueError("the image's size is not known")
        found = marks.run_lengths(mark, image, self.found.pixels)
        if (found.height, found.width) != (image.height, image.width):
            raise ValueError("the mask is not of its image's size")
        if not found.area():
            raise ValueError("it covers no pixel")
        return found

    def _members(self, image: Image, mark: Mark, seen: Rle, whole: Rle) -> bytes:
        """What is said of a segment beside its id and category.

        Area and box are as they came, unless a part of it is hidden.
        """
        self.ledger.wrote(mark.word)
        said = Told(mark.coco, b'"segment_id"', b'"iscrowd"')
        given = _members(mark.coco) if mark.coco else {}
        area, box = bytes(given.get("area", NOTHING)), bytes(given.get("bbox", NOTHING))
        visible = seen.area()
        if visible != (before := whole.area()):
            share = visible / before
            reason = "other objects cover a part of it"
            self.ledger.approximated(mark.word, reason, mark_id(image, mark), share)
            area = box = b""
        elif mark.kind != MASK:
            self.ledger.approximated(mark.word, "painted in whole pixels", mark_id(image, mark))
        if mark.confidence is not None:
            self.ledger.changed("repaired", mark.word, "its confidence is left out", mark_id(image, mark))
        if not said.segment_id:
            # What a COCO annotation says of area and box is of its outline, not of these pixels.
            area = box = b""
        members = {
            b"iscrowd": b"%d" % said.iscrowd,
            b"area": area or b"%d" % visible,
            b"bbox": box or msgspec.json.encode(list(seen.box() or (0, 0, 0, 0))),
        }
        for key, value in given.items():
            if key not in _REPLACED:
                members[to_json(key).encode()[1:-1]] = bytes(value)
        return b",".join(b'"%b":%b' % one for one in members.items()) + b"}"


def _numbers(image: Image, kept: list[Mark]) -> list[int]:
    """The ids of segments: those that came in, else by a hash of what lasts, each once in its picture."""
    found: list[int] = []
    given = [Told(mark.coco, b'"segment_id"').segment_id for mark in kept]
    taken = {one for one in given if 0 < one <= HIGHEST}
    used: set[int] = set()
    for place, (mark, number) in enumerate(zip(kept, given, strict=True)):
        key = f"{image.key}\x1f{mark.feature_id or place}"
        while not 0 < number <= HIGHEST or number in used:
            digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=3).digest()
            number = int.from_bytes(digest, "big")
            key += "\x1f"
            if number in taken:
                number = 0
        used.add(number)
        found.append(number)
    return found


FORMAT = Format(
    title="COCO panoptic",
    options=Options,
    write=write,
    read=read,
    prepare=one_by_one(_prepared),
    images=True,
    starts=starts,
    folder=folder,
    ending=".json",
    says="masks and polygons as segments of one picture, crowds, things and stuff; ids, areas, boxes kept",
)
