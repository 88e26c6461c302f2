"""Open Images (V6): tables of boxes, masks and labels by split, with shares of the image as coordinates.

    annotations/oidv6-class-descriptions.csv              the classes: LabelName, DisplayName
    annotations/image_ids_and_rotation.csv                the images, their splits and addresses
    annotations/images.meta                               their heights and widths, as Datumaro reads them
    annotations/[oidv6-]SPLIT-annotations-bbox.csv        boxes with their flags
    annotations/SPLIT-annotations-object-segmentation.csv and masks/SPLIT/NAME.png
    annotations/[oidv6-]SPLIT-annotations-human-imagelabels.csv
    images/SPLIT/ID.jpg                                   the image's own file

SPLIT is train, validation or test; only the files of train have the prefix, as in the original.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import msgspec

from annotary.formats import Format, Part, TrainingOptions
from annotary.formats import _marks as marks
from annotary.formats._bodies import one_by_one, with_bodies
from annotary.formats._csv_lines import Lines
from annotary.formats._disk import Later
from annotary.formats._losses import drop, mark_id
from annotary.formats._names import Names
from annotary.formats._openimages_read import (
    ABOUT,
    ABSENT,
    BOXES,
    DIGITS,
    FLAGS,
    IMAGES,
    KEY,
    LABELS,
    MASKS,
    META,
    PICTURES,
    PRESENT,
    folder,
    read,
)
from annotary.formats._told import Told
from annotary.model.image import BOX, CUBOID, MASK, POLYGON, TEST, TRAIN, VAL, Image, ImageSet, Mark
from annotary.model.ledger import Ledger

_FOLDERS = {TRAIN: "train", VAL: "validation", TEST: "test"}
_BORDER = 1e-9
"""A share so little beyond the border is a matter of rounding."""
_TABLES = {
    "{old}{split}-annotations-bbox.csv": BOXES,
    "{split}-annotations-object-segmentation.csv": MASKS,
    "{old}{split}-annotations-human-imagelabels.csv": LABELS,
}
_BOXES, _MASKS, _LABELS = _TABLES
_MASK_ATTRIBUTES = ("box_id", "predicted_iou", "clicks")


class Options(TrainingOptions, frozen=True):
    """What every training format has."""

    def one_file(self) -> bool:
        """Always a folder."""
        return False


class _Answer(msgspec.Struct):
    name: str = ""
    confidence: float | None = None


class _Question(msgspec.Struct):
    name: str = ""
    radio_answer: _Answer | None = None
    checklist_answers: list[_Answer] | None = None


_questions = msgspec.json.Decoder(list[_Question]).decode
_KEYS = (b'"attributes"', b'"open_images"', b'"iscrowd"')


def write(found: ImageSet, options: Options) -> Iterator[Part]:
    """The pictures of each image, then the tables."""
    writer = _Writer(found)
    for image, rows in with_bodies(found, _prepared(found, options)):
        yield from writer.image(image, rows)
    yield from writer.tables()


class _Writer:
    """What is the same for all images of an export."""

    def __init__(self, found: ImageSet) -> None:
        self.found = found
        self.ledger = found.ledger
        self.names = Names(found.ledger)
        # Masks get other names than their images whenever these have folders: nothing to report.
        self.mask_names = Names(Ledger())
        self.held: dict[str, Later] = {}
        self.meta = Later()
        self.labels: dict[str, str] = {}
        self.taken: set[str] = set()
        # In order of their numbers, whatever is met first: labels are the same in every part of an export.
        for one in found.classes:
            self._label(one.name)

    def _add(self, path: str, *row: object) -> None:
        line = Lines()
        line.add(*row)
        self.held.setdefault(path, Later()).add(line.taken())

    def _row(self, table: str, split: str, *row: object) -> None:
        self._add(table.format(old="oidv6-" if split == TRAIN else "", split=split), *row)

    def tables(self) -> Iterator[Part]:
        """The tables of all splits, the images and the classes."""
        for split in _FOLDERS.values():
            for table, header in _TABLES.items():
                path = table.format(old="oidv6-" if split == TRAIN else "", split=split)
                if path in self.held or (split, table) == (TRAIN, _BOXES):
                    yield from self._table(path, header)
        yield from self._table("image_ids_and_rotation.csv", IMAGES)
        yield Part(META, b"")
        for chunk in self.meta.chunks():
            yield Part(META, chunk)
        for one in self.found.classes:
            self._label(one.name)
        lines = Lines()
        lines.add("LabelName", "DisplayName")
        known = {one.name: self.labels[one.name] for one in self.found.classes}
        for name, label in {**known, **self.labels}.items():
            lines.add(label, name)
        yield Part("annotations/oidv6-class-descriptions.csv", lines.taken())

    def _table(self, path: str, header: tuple[str, ...]) -> Iterator[Part]:
        line = Lines()
        line.add(*header)
        yield Part(f"annotations/{path}", line.taken())
        for chunk in self.held.get(path, Later()).chunks():
            yield Part(f"annotations/{path}", chunk)

    def _label(self, name: str) -> str:
        """A class's LabelName: the one that came in, else its name."""
        label = self.labels.get(name)
        if label is None:
            one = self.found.classes.by_name.get(name)
            said = one.category.get(KEY) if one is not None else None
            label = said if isinstance(said, str) and said else name
            while label in self.taken:
                label += "~"
            self.taken.add(label)
            self.labels[name] = label
        return label

    def image(self, image: Image, body: list[_Row]) -> Iterator[Part]:
        """One image's pictures; its lines are put by."""
        id = self.names.path(image.name, image.id, ending="")
        split = _FOLDERS[image.split or TRAIN]
        ending = PurePosixPath(image.name).suffix
        said = Told(image.coco, *_KEYS).mapping(KEY)
        address = image.row_data if image.row_data != image.external_id else ""
        own = (image.width or "", image.height or "", image.external_id, image.global_key)
        about = [said.get(name, 0 if name == "Rotation" else "") for name in ABOUT]
        self._add("image_ids_and_rotation.csv", id, split, address, *about, *own)
        if image.width and image.height:
            spelt = id.replace("\\", "\\\\").replace('"', '\\"')
            self.meta.add(f'"{spelt}" {image.height} {image.width}\n'.encode())
        yield from self.found.picture(
            image, f"images/{split}/{id}{ending if ending.lower() in PICTURES else '.jpg'}"
        )
        for row in body:
            yield from self._line(id, split, row)

    def _line(self, id: str, split: str, row: _Row) -> Iterator[Part]:
        """A line of a table, and the picture it names."""
        label = self._label(row.name)
        if row.png is None:
            self._row(row.table, split, id, row.source, label, *row.rest)
            return
        stem = f"{id}_{label.replace('/', '')}_{row.source}".replace("/", "_")
        path = self.mask_names.path(stem, str(row.place), ending=None) + ".png"
        self._row(_MASKS, split, path, id, label, row.source, *row.rest)
        yield Part(f"masks/{split}/{path}", row.png)


class _Row(NamedTuple):
    """A line of a table, but for the image's name and what its class `name` is called there.

    `source` is the id of a mask's box, where the line is of a mask: its pixels are `png`.
    """

    table: str
    name: str
    source: str
    rest: tuple[object, ...]
    place: int = 0
    png: bytes | None = None


def _prepared(found: ImageSet, options: Options) -> Callable[[Image], list[_Row]]:
    del options
    rows = _Rows(found)
    return lambda image: list(rows.of(image))


class _Rows:
    """What tables have of an image without knowing any other."""

    def __init__(self, found: ImageSet) -> None:
        self.found = found
        self.ledger = found.ledger

    def of(self, image: Image) -> Iterator[_Row]:
        """The lines of an image's objects, then those of its answers."""
        for place, mark in enumerate(image.marks):
            try:
                yield self._mark(image, mark, place)
            except ValueError as error:
                drop(self.ledger, image, mark, str(error))
                continue
            self.ledger.wrote(mark.word)
            for _ in range(mark.answer_count()):
                self.ledger.dropped(
                    "answer", "Open Images has no answers about an object", mark_id(image, mark)
                )
        yield from self._answers(image)

    def _answers(self, image: Image) -> Iterator[_Row]:
        """Questions with options as labels of the image."""
        for one in _questions(image.answers) if image.answers else ():
            options = [one.radio_answer] if one.radio_answer is not None else one.checklist_answers
            if not options:
                self.ledger.dropped("answer", "Open Images has no text and no empty answer", image.name)
                continue
            for option in options:
                name = option.name if one.name in (PRESENT, ABSENT) else f"{one.name}: {option.name}"
                if one.name == ABSENT:
                    confidence = "0"
                else:
                    confidence = "1" if option.confidence is None else repr(option.confidence)
                yield _Row(_LABELS, name, "verification", (confidence,))
            self.ledger.wrote("answer")
            if one.name not in (PRESENT, ABSENT):
                reason = "a question and its answer became labels of the image"
                self.ledger.approximated("answer", reason, image.name)

    def _mark(self, image: Image, mark: Mark, place: int) -> _Row:
        """The line of an object; raises ValueError."""
        said = Told(mark.coco, *_KEYS)
        attributes = said.mapping("attributes")
        if mark.kind in (POLYGON, MASK):
            row = self._mask(image, mark, place, attributes)
            known: tuple[str, ...] = _MASK_ATTRIBUTES
        elif mark.kind in (BOX, CUBOID):
            row = self._box(image, mark, said)
            known = tuple(FLAGS.values())
        else:
            raise ValueError(f"Open Images has no {mark.word}")
        if any(one not in known for one in attributes):
            reason = "Open Images has no column for other attributes"
            self.ledger.changed("repaired", mark.word, reason, mark_id(image, mark))
        return row

    def _box(self, image: Image, mark: Mark, said: Told) -> _Row:
        left, top, right, bottom = marks.corners(mark, image)
        shares = self._shares(image, mark, (left, right, top, bottom), (image.width, image.height))
        if mark.kind == CUBOID:
            self.ledger.approximated(mark.word, "a cuboid became the box around it", mark_id(image, mark))
        confidence = "1" if mark.confidence is None else repr(float(mark.confidence))
        attributes = said.mapping("attributes")
        flags = [_flag(attributes.get(name)) for name in FLAGS.values()]
        if said.iscrowd:
            flags[list(FLAGS).index("IsGroupOf")] = "1"
        source = said.mapping(KEY).get("Source", "xclick")
        return _Row(_BOXES, mark.name, source, (confidence, *shares, *flags))

    def _shares(
        self,
        image: Image,
        mark: Mark,
        sides: tuple[float, float, float, float],
        size: tuple[int, int],
    ) -> list[str]:
        """XMin, XMax, YMin, YMax as shares of the image; raises ValueError."""
        width, height = size
        if not width or not height:
            raise ValueError("the image's size is not known")
        found = [sides[0] / width, sides[1] / width, sides[2] / height, sides[3] / height]
        if not all(abs(one) < 1e6 for one in found):
            raise ValueError("a coordinate is not a number, or far away")
        if found[0] > 1 or found[2] > 1 or found[1] < 0 or found[3] < 0:
            raise ValueError("it lies outside its image")
        if any(not -_BORDER <= one <= 1 + _BORDER for one in found):
            self.ledger.changed("clipped", mark.word, "it reaches beyond its image", mark_id(image, mark))
        return [_text(min(max(one, 0.0), 1.0)) for one in found]

    def _mask(self, image: Image, mark: Mark, place: int, said: dict[str, Any]) -> _Row:
        if mark.kind == POLYGON and not (image.width and image.height):
            raise ValueError("the image's size is not known")
        pixels = marks.run_lengths(mark, image, self.found.pixels)
        box = pixels.box()
        if box is None:
            raise ValueError("it covers no pixel")
        left, top, width, height = box
        size = (pixels.width, pixels.height)
        shares = self._shares(image, mark, (left, left + width, top, top + height), size)
        if mark.kind == POLYGON:
            self.ledger.approximated(mark.word, "painted in whole pixels", mark_id(image, mark))
        if mark.confidence is not None:
            reason = "its confidence is left out"
            self.ledger.changed("repaired", mark.word, reason, mark_id(image, mark))
        key = f"{mark.feature_id or place}".encode("utf-8", "replace")
        box_id = str(said.get("box_id") or blake2b(key, digest_size=4).hexdigest())
        more = (said.get("predicted_iou", ""), said.get("clicks", ""))
        return _Row(_MASKS, mark.name, box_id, (*shares, *more), place, pixels.png())


def _flag(value: object) -> str:
    """1, 0, or -1 where it is not known."""
    if value is None:
        return "-1"
    return "1" if value in (1, True, "1", "true", "True") else "0"


def _text(share: float) -> str:
    return f"{share:.{DIGITS}f}".rstrip("0").rstrip(".")


FORMAT = Format(
    title="Open Images: tables of boxes, masks and image labels",
    options=Options,
    write=write,
    read=read,
    prepare=one_by_one(_prepared),
    images=True,
    folder=folder,
    says="boxes with flags, masks, scores of boxes, answers as labels of the image; polygons as masks",
)
