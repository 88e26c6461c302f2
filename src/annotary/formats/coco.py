"""COCO instances: boxes, polygons of parts, run-lengths, keypoints carried; results files of predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw

from annotary.formats import Format, Part, Prepare, Reading, Source, TrainingOptions
from annotary.formats import _marks as marks
from annotary.formats._coco_elements import Elements, elements
from annotary.formats._coco_ids import Categories, Ids, image_element
from annotary.formats._coco_read import read, starts
from annotary.formats._disk import Later
from annotary.formats._losses import drop, mark_id, no_answers, sheet_written, wrote
from annotary.formats._stored import DIGEST, GEOMETRY
from annotary.model.base import to_json
from annotary.model.image import (
    BOX,
    CUBOID,
    MASK,
    NOTHING,
    POLYGON,
    TEST,
    TRAIN,
    VAL,
    Image,
    ImageSet,
    Mark,
)
from annotary.model.sheet import Prepared, Sheet


class Options(TrainingOptions, frozen=True):
    """What a COCO file has beside the rest."""

    layout: Annotated[
        Literal["file", "splits", "results"],
        Meta(
            description="file: all in one; splits: annotations/instances_SPLIT.json and images/SPLIT;"
            " results: an array of predictions with their scores, as COCO's evaluation reads it"
        ),
    ] = "file"

    def one_file(self) -> bool:
        """One file, unless splits or copies of images are asked for."""
        return self.layout == "results" or (
            self.layout == "file" and not self.split and self.images != "copy"
        )

    def in_stretches(self) -> bool:
        """Where all is one file."""
        return super().in_stretches() and self.one_file() and self.layout == "file"


class _Annotation(msgspec.Struct, gc=False):
    """What decides how an annotation that came from a COCO file goes out."""

    id: int | None = None
    image_id: int | str | None = None
    category_id: int | None = None
    segmentation: Raw = NOTHING
    area: Raw = NOTHING
    bbox: Raw = NOTHING
    iscrowd: Raw = NOTHING
    geometry_digest: Raw = NOTHING


_annotation = msgspec.json.Decoder(_Annotation).decode
_members = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode
_OWN = frozenset(("id", "image_id", "category_id", *GEOMETRY, "iscrowd", "score", DIGEST))
_ELEMENT = b'{"id":%d,"image_id":%d,"category_id":%d,"segmentation":%b,"area":%b,"bbox":%b,"iscrowd":0'
_KINDS = (BOX, POLYGON, MASK, CUBOID)


def write(found: ImageSet, options: Options) -> Iterator[Part]:
    """Images as they come; annotations follow from a temporary file; then what says of the whole."""
    writer = _Writer(found, splits=options.one_file())
    if options.layout == "results":
        yield from _results(found, writer)
        return
    if options.one_file():
        yield from _one_file(found, writer)
        return
    held: dict[str, tuple[Later, Later]] = {}
    for image in found.images():
        split = image.split or TRAIN
        images, annotations = held.setdefault(split, (Later(), Later()))
        text, file_name = writer.image(image)
        images.add((b"" if images.empty else b",\n") + text)
        writer.annotations(image, annotations)
        yield from found.picture(image, f"images/{split}/{file_name}")
    for split in (TRAIN, VAL, TEST):
        if split in held or split == TRAIN:
            images, annotations = held.get(split, (Later(), Later()))
            path = f"annotations/instances_{split}.json"
            yield Part(path, b'{"images":[\n')
            for chunk in images.chunks():
                yield Part(path, chunk)
            yield Part(path, b'],\n"annotations":[\n')
            for chunk in annotations.chunks():
                yield Part(path, chunk)
            yield Part(path, b'],\n"categories":' + writer.ending())


def _results(found: ImageSet, writer: _Writer) -> Iterator[Part]:
    """Predictions by the ids that images and categories have in a COCO file of the same rows."""
    comma = b"["
    for image in found.images():
        writer.image(image)
        texts = list(writer.elements(image, writer.result))
        if texts:
            yield Part("", comma + b"\n" + b",\n".join(texts))
            comma = b","
    yield Part("", b"[]\n" if comma == b"[" else b"\n]\n")


def _one_file(found: ImageSet, writer: _Writer) -> Iterator[Part]:
    annotations = Later()
    comma = b'{"images":[\n'
    for some in found.some():
        if not isinstance(some, Image) and (texts := writer.sheet(some, annotations)) is not None:
            yield Part("", comma + texts)
            comma = b",\n"
            continue
        for image in (some,) if isinstance(some, Image) else some.again():
            yield Part("", comma + writer.image(image)[0])
            writer.annotations(image, annotations)
            comma = b",\n"
    yield Part("", (b"" if comma == b",\n" else comma) + b'],\n"annotations":[\n')
    for chunk in annotations.chunks():
        yield Part("", chunk)
    yield Part("", b'],\n"categories":' + writer.ending())


def _in_no_split(sheet: Sheet) -> bool:
    return not any([image.split for image in sheet.images])


def _prepared(found: ImageSet, options: Options) -> Callable[[Sheet | list[Image]], Elements | None]:
    """With the categories that classes have where no row brings its own."""
    categories = Categories(found.classes)
    for one in found.classes:
        categories.of(one)

    def made(some: Sheet | list[Image]) -> Elements | None:
        if isinstance(some, list) or not _in_no_split(some):
            return None
        there = elements(some, categories.ids)
        if there is not None:
            sheet_written(found.ledger, some, "COCO", "COCO")
        return there

    return made


class _Writer:
    """What is the same for all files of one export: ids, categories."""

    def __init__(self, found: ImageSet, *, splits: bool) -> None:
        self.found = found
        self.image_ids = Ids(found, "image")
        self.ids = Ids(found, "annotation")
        self.categories = Categories(found.classes)
        self.image_id = 0
        self._key = ""
        self.splits = splits

    def ending(self) -> bytes:
        """The categories and what files said of the whole: known once all images have been read."""
        carried = self.found.carried.get("coco", {})
        more = b"".join(f",\n{to_json(key)}:{to_json(one)}".encode() for key, one in carried.items())
        return self.categories.elements() + more + b"}\n"

    def image(self, image: Image) -> tuple[bytes, str]:
        """The image's element, and its file's name."""
        self._key = image.key
        self.image_id, text = image_element(image, self.image_ids, split=self.splits)
        return text, image.name

    def sheet(self, sheet: Sheet | Prepared, out: Later) -> bytes | None:
        """The elements of a sheet's images; None where it is to be written mark by mark."""
        if isinstance(sheet, Prepared):
            made: Elements | None = sheet.made
        else:
            made = elements(sheet, self.categories.ids) if _in_no_split(sheet) else None
        if made is None or not self._take(made):
            return None
        if made.annotations:
            out.add((b"" if out.empty else b",\n") + made.annotations)
        if isinstance(sheet, Prepared):
            self.found.ledger.replay(sheet.calls)
        else:
            sheet_written(self.found.ledger, sheet, "COCO", "COCO")
        return made.images

    def _take(self, made: Elements) -> bool:
        """Give a sheet the ids it was made with; whether that can be."""
        for name, id in made.categories.items():
            if (self.categories.ids.get(name) or self.categories.of(self.found.classes.by_name[name])) != id:
                return False
        if not (self.image_ids.are_new(made.image_ids) and self.ids.are_new(made.ids)):
            return False
        self.image_ids.give(made.image_ids)
        self.ids.give(made.ids)
        return True

    def annotations(self, image: Image, out: Later) -> None:
        """The elements of an image's annotations; what cannot be said goes into the ledger."""
        texts = self.elements(image, self._annotation)
        if texts:
            out.add((b"" if out.empty else b",\n") + b",\n".join(texts))

    def elements(self, image: Image, element: Callable[[Image, Mark, int], bytes | None]) -> list[bytes]:
        """One for each mark that can be said."""
        ledger = self.found.ledger
        written: list[Mark] = []
        texts: list[bytes] = []
        for place, mark in enumerate(image.marks):
            try:
                text = element(image, mark, place)
            except ValueError as error:
                drop(ledger, image, mark, str(error))
                continue
            if text is None:
                drop(ledger, image, mark, f"COCO has no {mark.word}")
                continue
            texts.append(text)
            written.append(mark)
        wrote(ledger, written)
        no_answers(ledger, image, written, "COCO")
        return texts

    def result(self, image: Image, mark: Mark, place: int) -> bytes | None:
        """A prediction: its box, and of all but boxes the pixels, which are all that evaluation reads."""
        del place
        if mark.kind not in _KINDS:
            return None
        ledger, pixels = self.found.ledger, self.found.pixels
        segmentation = b""
        if mark.kind != BOX:
            found = marks.run_lengths(mark, image, pixels)
            segmentation = b',"segmentation":' + _encode(found.segmentation())
        left, top, right, bottom = marks.corners(mark, image, pixels)
        # Right less left need not be the width that was there.
        box = mark.bounding_box
        size = [box.width, box.height] if box is not None else [right - left, bottom - top]
        one = self.found.classes.by_name.get(mark.name) or self.found.classes.add(mark.name)
        category = self.categories.ids.get(mark.name) or self.categories.of(one)
        if mark.kind not in (BOX, MASK):
            ledger.approximated(mark.word, "a result has pixels in place of points", mark_id(image, mark))
        if mark.confidence is None:
            ledger.changed("repaired", mark.word, "a result needs a score: 1", mark_id(image, mark))
        head = f'{{"image_id":{self.image_id},"category_id":{category},"bbox":'.encode()
        score = _encode(1.0 if mark.confidence is None else mark.confidence)
        return head + _encode([left, top, *size]) + segmentation + b',"score":' + score + b"}"

    def _annotation(self, image: Image, mark: Mark, place: int) -> bytes | None:
        kind = mark.kind
        if mark.coco is NOTHING and kind in (BOX, POLYGON):
            return self._plain(image, mark, place)
        if kind not in _KINDS:
            return None
        said = _annotation(mark.coco) if mark.coco else None
        if said is not None and kind == MASK and said.segmentation:
            marks.check_run_lengths(mark, image)
        one = self.found.classes.by_name.get(mark.name) or self.found.classes.add(mark.name)
        if said is not None and not one.category and said.category_id is not None:
            one.category = {"id": said.category_id}
            if said.category_id not in self.categories.taken and one.name not in self.categories.ids:
                self.categories.take(one.name, said.category_id)
        category = self.categories.ids.get(mark.name) or self.categories.of(one)
        carried = said.id if said is not None else None
        body = b"" if self._unchanged(mark, said, category) else self._body(image, mark, said)
        id = self.ids.of(carried, f"{image.key}\x1f{mark.feature_id or place}")
        if not body and id == carried:
            return bytes(mark.coco)
        body = body or self._body(image, mark, said)
        return f'{{"id":{id},"image_id":{self.image_id},"category_id":{category},'.encode() + body

    def _plain(self, image: Image, mark: Mark, place: int) -> bytes:
        """The element of a box or polygon of which no COCO file has said anything: most of them."""
        box = mark.bounding_box
        if box is not None:
            place_and_size = _encode((box.left, box.top, box.width, box.height))
            segmentation, area = b"[]", box.width * box.height
        else:
            segmentation = mark.flat_text()
            numbers = mark.flat()
            if len(numbers) < 6:
                raise ValueError("a polygon of fewer than 3 points")
            xs, ys = numbers[::2], numbers[1::2]
            left, top = min(xs), min(ys)
            place_and_size = _encode((left, top, max(xs) - left, max(ys) - top))
            segmentation, area = b"[%b]" % segmentation, marks.area_of(xs, ys)
        name = mark.name
        category = self.categories.ids.get(name)
        if category is None:
            classes = self.found.classes
            category = self.categories.of(classes.by_name.get(name) or classes.add(name))
        text = (
            b'{"id":%d,"image_id":%d,"category_id":%d,"segmentation":%b,"area":%b,"bbox":%b,"iscrowd":0'
            % (
                self.ids.made(f"{self._key}\x1f{mark.feature_id or place}"),
                self.image_id,
                category,
                segmentation,
                _encode(area),
                place_and_size,
            )
        )
        if mark.confidence is not None:
            text += b',"score":' + _encode(mark.confidence)
        return text + b"}"

    def _unchanged(self, mark: Mark, said: _Annotation | None, category: int) -> bool:
        """Whether the annotation can go out as it came in."""
        return (
            said is not None
            # What comes from the store has a digest, and the rest of its geometry in the object.
            and not said.geometry_digest
            and said.image_id == self.image_id
            and said.category_id == category
            and (mark.kind not in (POLYGON, MASK) or said.segmentation is not NOTHING)
            and (mark.kind != BOX or said.bbox is not NOTHING)
        )

    def _body(self, image: Image, mark: Mark, said: _Annotation | None) -> bytes:
        """All members but the ids."""
        pixels = self.found.pixels
        if mark.kind == BOX:
            left, top, right, bottom = marks.corners(mark)
            assert mark.bounding_box is not None
            width, height = mark.bounding_box.width, mark.bounding_box.height
            segmentation = b"[]"
            area = _encode(width * height)
        else:
            left, top, right, bottom = marks.corners(mark, image, pixels)
            width, height = right - left, bottom - top
            segmentation, area = self._filled(image, mark, said)
        box = _encode([left, top, width, height])
        crowd = b"0"
        if said is not None:
            box = bytes(said.bbox) or box
            area = bytes(said.area) or area
            crowd = bytes(said.iscrowd) or crowd
            segmentation = bytes(said.segmentation) or segmentation
        body = b'"segmentation":%b,"area":%b,"bbox":%b,"iscrowd":%b' % (segmentation, area, box, crowd)
        if mark.confidence is not None:
            body += b',"score":' + _encode(mark.confidence)
        if mark.coco:
            for key, value in _members(mark.coco).items():
                if key not in _OWN:
                    body += b"," + to_json(key).encode() + b":" + bytes(value)
        return body + b"}"

    def _filled(self, image: Image, mark: Mark, said: _Annotation | None) -> tuple[bytes, bytes]:
        """Segmentation and area of a polygon, mask or cuboid."""
        if mark.kind == POLYGON:
            flat = mark.flat()
            if len(flat) < 6:
                raise ValueError("a polygon of fewer than 3 points")
            return _encode([flat]), _encode(marks.flat_area(flat))
        if mark.kind == CUBOID:
            ring = marks.rings(mark)[0]
            reason = "a cuboid became the outline around its corners"
            self.found.ledger.approximated(mark.word, reason, mark_id(image, mark))
            return _encode([ring]), _encode(marks.flat_area(ring))
        if (parts := marks.parts(mark)) is not None:
            return _encode(parts), _encode(marks.area(mark, image))
        if said is not None and said.segmentation and said.area:
            return bytes(said.segmentation), bytes(said.area)
        found = marks.run_lengths(mark, image, self.found.pixels)
        return _encode(found.segmentation()), _encode(found.area())


def _read(source: Source, options: Options, reading: Reading) -> Iterator[Image]:
    del options
    return read(source, reading)


FORMAT = Format(
    title="COCO instances",
    options=Options,
    write=write,
    read=_read,
    prepare=Prepare(_prepared, sheets=True),
    images=True,
    starts=starts,
    ending=".json",
    says="boxes, polygons of parts, masks as run-lengths, scores; keypoints carried from COCO files",
)
