"""The lines of YOLO's label files, read and written, whatever their numbers mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from annotary.formats import Part, Prepare, Reading, Source
from annotary.formats import _geometry as geometry
from annotary.formats._around import together as measured
from annotary.formats._bodies import one_by_one, with_bodies
from annotary.formats._image_index import Index, picture_name
from annotary.formats._json import shown
from annotary.formats._losses import drop, mark_id, no_answers, wrote
from annotary.formats._names import Names
from annotary.formats._yolo_files import DETECT, data_yaml, files
from annotary.model.geometry import Box
from annotary.model.image import BOX, POLYGON, TRAIN, Image, ImageSet, Mark
from annotary.model.sheet import Prepared, Sheet

ROUND = 1e-3
"""So many pixels beyond the border are a matter of rounding, not of the annotation."""
OUTLINES = "more numbers than a box has: an outline, which yolo-seg and yolo-obb read (give that format)"
OUTSIDE = "it lies outside its image"
REACHES = "it reaches beyond its image"
DETECTION = "YOLO detection"
FEW = "fewer numbers than the four of a box"
_FAR = 1e9
_FOUR = "%d %.8f %.8f %.8f %.8f"
Numbers = Callable[[ImageSet, Image, Mark], Sequence[float]]
"""The shares of an image that a mark is written as; ValueError says why it is not."""
Together = Callable[[ImageSet, Any], list[bytes] | None]
"""The texts of the files of a sheet or of some images; None where marks are written one by one."""
Shape = Callable[[list[float], Image], Mark]
"""A mark, without its name, of a line's numbers; ValueError says what is wrong with them."""


# Writing


class Lines(NamedTuple):
    """How a kind of YOLO data set says its marks; `together`, where it is there, of many at a time."""

    numbers: Numbers
    task: str
    title: str
    confidence: bool
    together: Together | None = None

    def of(self, found: ImageSet) -> Callable[[Image], bytes]:
        """The text of an image's file."""
        return partial(_lines, found, self)


def write_set(found: ImageSet, lines: Lines) -> Iterator[Part]:
    """A label file for each image, its picture where there is one, then the index of images and data.yaml."""
    names = Names(found.ledger)
    index = Index()
    splits: set[str] = set()
    for images, texts in _texts(found, lines):
        stems = names.paths([image.name for image in images], [image.id for image in images], ending="")
        of_splits = [image.split or TRAIN for image in images]
        splits.update(of_splits)
        pictures = [
            f"images/{split}/{picture_name(image, stem)}"
            for image, split, stem in zip(images, of_splits, stems, strict=True)
        ]
        index.add_all(images, pictures)
        for image, text, split, stem, picture in zip(images, texts, of_splits, stems, pictures, strict=True):
            yield Part(f"labels/{split}/{stem}.txt", text)
            yield from found.picture(image, picture)
    yield from index.parts()
    # A detector's data.yaml is what it always was.
    yield data_yaml(found.classes, splits, **({} if lines.task == DETECT else {"task": lines.task}))


def prepared(lines_of: Callable[[Any], Lines]) -> Prepare:
    """How a kind of YOLO data set prepares rows, by its options."""
    return one_by_one(lambda found, options: lines_of(options).of(found))


def _texts(found: ImageSet, lines: Lines) -> Iterator[tuple[list[Image], Iterable[bytes]]]:
    """Images with the texts of their files, in order, many at a time where they are made so."""
    text_of = lines.of(found)
    if lines.together is None:
        yield from (([image], [text]) for image, text in with_bodies(found, text_of))
        return
    if found.sheets is None:
        for images in measured(found.images()):
            texts = lines.together(found, images)
            yield images, texts if texts is not None else map(text_of, images)
        return
    for some in found.some():
        if isinstance(some, Sheet) and (texts := lines.together(found, some)) is not None:
            yield some.images, texts
        elif isinstance(some, Prepared):
            found.ledger.replay(some.calls)
            yield some.images, some.made
        else:
            again = some.again() if isinstance(some, Sheet) else iter((some,))
            yield from (([image], [text_of(image)]) for image in again)


def _lines(found: ImageSet, said: Lines, image: Image) -> bytes:
    lines: list[str] = []
    written: list[Mark] = []
    ledger, classes = found.ledger, found.classes
    if image.marks and not (image.width and image.height):
        for mark in image.marks:
            drop(ledger, image, mark, "the image's size is not known")
        no_answers(ledger, image, [], said.title)
        return b""
    for mark in image.marks:
        try:
            made = said.numbers(found, image, mark)
        except ValueError as error:
            drop(ledger, image, mark, str(error))
            continue
        line = (_FOUR if len(made) == 4 else "%d" + " %.8f" * len(made)) % (classes.index(mark.name), *made)
        if said.confidence and mark.confidence is not None:
            line += f" {mark.confidence:.8g}"
        elif mark.confidence is not None:
            ledger.changed("repaired", mark.word, "its confidence is left out", mark_id(image, mark))
        lines.append(line)
        written.append(mark)
    wrote(ledger, written)
    no_answers(ledger, image, written, said.title)
    return ("\n".join(lines) + "\n").encode() if lines else b""


def clipped(found: ImageSet, image: Image, mark: Mark, ring: geometry.Ring) -> geometry.Ring:
    """The ring's part inside its image, which the ledger tells of; ValueError where there is none."""
    width, height = image.width, image.height
    if (ring >= -ROUND).all() and (ring <= (width + ROUND, height + ROUND)).all():
        return ring
    inside = geometry.clip_ring(ring, 0, 0, width, height)
    if len(inside) < 3 or not geometry.ring_area(inside):
        raise ValueError(OUTSIDE)
    found.ledger.changed("clipped", mark.word, REACHES, mark_id(image, mark))
    return inside


def shares(ring: geometry.Ring, image: Image) -> list[float]:
    """x, y, x, y, ... as shares of the image."""
    numbers: list[float] = (ring / (image.width, image.height)).reshape(-1).tolist()
    return numbers


# Reading


def read_set(source: Source, reading: Reading, shape: Shape) -> Iterator[Image]:
    """Images in order of their files, split by split, each with the marks of its label file."""
    for image, label in files(source, reading):
        if label:
            image.marks = list(_marks(source, label, image, reading, shape))
        yield image


def _marks(source: Source, path: str, image: Image, reading: Reading, shape: Shape) -> Iterator[Mark]:
    for at, name, found in _numbers(source, path, reading):
        place = f"{path}, line {at}"
        word = "box" if len(found) < 6 else "polygon"
        if not image.width or not image.height:
            reading.ledger.refused(word, "the image is not there, so its size is not known", place)
            continue
        try:
            mark = shape(found, image)
        except ValueError as error:
            reading.ledger.refused(word, str(error), place)
            continue
        mark.name, mark.id = name, place
        yield mark


def _numbers(source: Source, path: str, reading: Reading) -> Iterator[tuple[int, str, list[float]]]:
    """The lines of a label file: line number, class, numbers; a wrong line is a loss."""
    text = b"".join(source.open(path)).decode("utf-8", "replace")
    by_index = {one.index: one.name for one in reading.classes}
    for at, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        word = "box" if len(words) < 7 else "polygon"
        try:
            found = [float(one) for one in words]
            if not all(abs(one) < _FAR for one in found) or found[0] != int(found[0]):
                raise ValueError
        except ValueError:
            reading.ledger.refused(word, "not a class and numbers", f"{path}, line {at}: {shown(line)}")
            continue
        name = by_index.get(int(found[0]))
        if name is None:
            reason = f"class {int(found[0])} has no name in the data set"
            reading.ledger.refused(word, reason, f"{path}, line {at}")
            continue
        yield at, name, found[1:]


def box(found: list[float], image: Image) -> Mark:
    """A box of its centre, its size and perhaps a score."""
    if len(found) < 4:
        raise ValueError(FEW)
    x, y, w, h = found[:4]
    if w < 0 or h < 0:
        raise ValueError("a width or height below 0")
    width, height = image.width, image.height
    made = Box(left=(x - w / 2) * width, top=(y - h / 2) * height, width=w * width, height=h * height)
    return Mark(kind=BOX, bounding_box=made, confidence=_score(found[4:]))


def outline(found: list[float], image: Image) -> Mark:
    """A polygon of its corners and perhaps a score; a box where there are no more numbers than of a box."""
    if len(found) < 6:
        return box(found, image)
    corners, score = (found[:-1], found[-1:]) if len(found) % 2 else (found, [])
    width, height = image.width, image.height
    ring = [one * (height if at % 2 else width) for at, one in enumerate(corners)]
    return Mark(kind=POLYGON, ring=ring, confidence=_score(score))


def _score(found: list[float]) -> float | None:
    return found[0] if found and 0 <= found[0] <= 1 else None
