"""COCO instances: boxes, polygons of parts, run-lengths, keypoints carried; results files of predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Annotated, Any, Literal

from msgspec import Meta

from annotary.formats import Format, Part, Reading, Source, TrainingOptions
from annotary.formats._bodies import with_bodies
from annotary.formats._coco_bodies import Bodies, Body, Said, each, stays
from annotary.formats._coco_elements import Elements, elements
from annotary.formats._coco_file import gathered
from annotary.formats._coco_ids import Categories, Ids, image_element
from annotary.formats._coco_read import read, starts
from annotary.formats._disk import Later
from annotary.formats._losses import sheet_written
from annotary.model.base import to_json
from annotary.model.image import (
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

    def sheets(self) -> bool:
        """Where all is one file."""
        return self.one_file() and self.layout == "file"


_HEAD = b'{"id":%d,"image_id":%d,"category_id":%d,%b'


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
    for some in found.some():
        for image, element, texts in writer.images(some):
            split = image.split or TRAIN
            images, annotations = held.setdefault(split, (Later(), Later()))
            images.add((b"" if images.empty else b",\n") + element)
            _add(annotations, texts)
            yield from found.picture(image, f"images/{split}/{image.name}")
    for split in (TRAIN, VAL, TEST):
        if split in held or split == TRAIN:
            images, annotations = held.get(split, (Later(), Later()))
            yield from gathered(f"annotations/instances_{split}.json", images, annotations, writer.ending())


def _add(annotations: Later, texts: list[bytes]) -> None:
    if texts:
        annotations.add((b"" if annotations.empty else b",\n") + b",\n".join(texts))


def _results(found: ImageSet, writer: _Writer) -> Iterator[Part]:
    """Predictions by the ids that images and categories have in a COCO file of the same rows."""
    comma = b"["
    for image, bodies in with_bodies(found, writer.bodies.results):
        writer.image(image)
        texts = [writer.result(body) for body in bodies]
        if texts:
            yield Part("", comma + b"\n" + b",\n".join(texts))
            comma = b","
    yield Part("", b"[]\n" if comma == b"[" else b"\n]\n")


def _one_file(found: ImageSet, writer: _Writer) -> Iterator[Part]:
    annotations = Later()
    comma = b'{"images":[\n'
    for some in found.some():
        if not isinstance(some, Image) and (text := writer.sheet(some, annotations)) is not None:
            yield Part("", comma + text)
            comma = b",\n"
            continue
        for _, element, texts in writer.images(some):
            yield Part("", comma + element)
            _add(annotations, texts)
            comma = b",\n"
    yield Part("", (b"" if comma == b",\n" else comma) + b'],\n"annotations":[\n')
    for chunk in annotations.chunks():
        yield Part("", chunk)
    yield Part("", b'],\n"categories":' + writer.ending())


def _in_no_split(sheet: Sheet) -> bool:
    return not any([image.split for image in sheet.images])


def _prepared(found: ImageSet, options: Options) -> Callable[[Sheet | list[Image]], Any]:
    """With the categories that classes have where no row brings its own."""
    bodies = Bodies(found)
    categories = Categories(found.classes)
    for one in found.classes:
        categories.of(one)

    def made(some: Sheet | list[Image]) -> Elements | list[list[Body]] | None:
        if isinstance(some, list):
            return [bodies.results(one) if options.layout == "results" else bodies.of(one) for one in some]
        there = elements(some, categories.ids) if _in_no_split(some) else None
        if there is not None:
            sheet_written(found.ledger, some, "COCO", "COCO")
        return there

    return made


class _Writer:
    """What is the same for all files of one export: ids, categories."""

    def __init__(self, found: ImageSet, *, splits: bool) -> None:
        self.found = found
        self.bodies = Bodies(found)
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

    def images(self, some: Image | Sheet | Prepared) -> Iterator[tuple[Image, bytes, list[bytes]]]:
        """Each image with its element and those of its annotations."""
        if isinstance(some, Prepared) and not isinstance(some.made, Elements):
            self.found.ledger.replay(some.calls)
            for image, bodies in zip(some.images, some.made, strict=True):
                yield image, self.image(image), self._numbered(bodies)
            return
        for image in (some,) if isinstance(some, Image) else some.again():
            yield image, self.image(image), each(self.found, image, self._annotation)

    def image(self, image: Image) -> bytes:
        """The image's element."""
        self._key = image.key
        self.image_id, text = image_element(image, self.image_ids, split=self.splits)
        return text

    def sheet(self, sheet: Sheet | Prepared, out: Later) -> bytes | None:
        """The elements of a sheet's images; None where it is to be written mark by mark."""
        if isinstance(sheet, Prepared):
            made = sheet.made
        else:
            made = elements(sheet, self.categories.ids) if _in_no_split(sheet) else None
        if not (isinstance(made, Elements) and self._take(made)):
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

    def _annotation(self, image: Image, mark: Mark, place: int) -> bytes | None:
        said = self.bodies.said(image, mark)
        if said is not None and stays(mark, said):
            return self._as_it_came(image, mark, place, said)
        body = self.bodies.annotation(image, mark, place, said)
        return None if body is None else self._element(body)

    def _as_it_came(self, image: Image, mark: Mark, place: int, said: Said) -> bytes:
        """An annotation that goes out as it came in, if its ids do."""
        category = self._category(mark.name, said.category_id)
        same = said.image_id == self.image_id and said.category_id == category
        members = b"" if same else self.bodies.members(image, mark, said)
        id = self.ids.of(said.id, f"{self._key}\x1f{mark.feature_id or place}")
        if same and id == said.id:
            return bytes(mark.coco)
        return _HEAD % (id, self.image_id, category, members or self.bodies.members(image, mark, said))

    def _numbered(self, bodies: list[Body]) -> list[bytes]:
        """The elements of annotations; those that are left out have been told of."""
        texts: list[bytes] = []
        for body in bodies:
            with suppress(ValueError):
                texts.append(self._element(body))
        return texts

    def _element(self, body: Body) -> bytes:
        """An annotation's element; raises ValueError."""
        category = self._category(body.name, body.category)
        if body.error:
            raise ValueError(body.error)
        id = self.ids.of(body.id, f"{self._key}\x1f{body.key}")
        return _HEAD % (id, self.image_id, category, body.members)

    def result(self, body: Body) -> bytes:
        """A prediction's element."""
        category = self._category(body.name, None)
        return b'{"image_id":%d,"category_id":%d,%b' % (self.image_id, category, body.members)

    def _category(self, name: str, said: int | None) -> int:
        """The id of a mark's category; `said` is the one it came with."""
        if said is None and (known := self.categories.ids.get(name)) is not None:
            return known
        one = self.found.classes.by_name.get(name) or self.found.classes.add(name)
        if not one.category and said is not None:
            one.category = {"id": said}
            if said not in self.categories.taken and one.name not in self.categories.ids:
                self.categories.take(one.name, said)
        return self.categories.ids.get(name) or self.categories.of(one)


def _read(source: Source, options: Options, reading: Reading) -> Iterator[Image]:
    del options
    return read(source, reading)


FORMAT = Format(
    title="COCO instances",
    options=Options,
    write=write,
    read=_read,
    prepare=_prepared,
    images=True,
    starts=starts,
    ending=".json",
    says="boxes, polygons of parts, masks as run-lengths, scores; keypoints carried from COCO files",
)
