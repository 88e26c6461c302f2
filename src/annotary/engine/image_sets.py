"""What training formats write: images, counted, and each in its split; those of another file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from annotary.engine import splitting
from annotary.engine.sources import CHUNK
from annotary.formats import Part, Source, TrainingOptions
from annotary.model.corpus import Notice, Notify
from annotary.model.image import NO_ANSWERS, WORDS, Classes, Image, ImageSet
from annotary.model.ledger import Ledger
from annotary.model.sheet import Prepared, Sheet

Together = Callable[[], Iterator[Sheet | Prepared | Image]]
Some = TypeVar("Some", Image, Image | Sheet | Prepared)


def counted(found: Iterable[Some], ledger: Ledger) -> Iterator[Some]:
    """Images, whose marks and answers are entered into the ledger as they go by."""
    kinds: Counter[str] = Counter()
    answers = 0
    try:
        for some in found:
            if isinstance(some, Sheet):
                kinds.update(some.kinds)
                answers += some.answer_count()
            elif isinstance(some, Prepared):
                kinds.update(some.kinds)
                answers += some.answers
            else:
                answers += tally(some, kinds)
            yield some
    finally:
        for kind, count in kinds.items():
            ledger.took(WORDS.get(kind, kind), count)
        if answers:
            ledger.took("answer", answers)


def tally(image: Image, kinds: Counter[str]) -> int:
    """Count an image's marks by their kinds; how many questions are answered about them and the image."""
    answers = image.answer_count()
    for mark in image.marks:
        kinds[mark.kind] += 1
        # What `answered` says, without a call for each mark.
        if mark.classifications not in NO_ANSWERS:
            answers += mark.answer_count()
    return answers


def of_reader(
    name: str,
    read: Callable[[], Iterator[Image]],
    classes: Classes,
    carried: dict[str, object],
    ledger: Ledger,
    source: Source,
    options: TrainingOptions,
) -> ImageSet:
    """The images of another file."""
    pictures = Pictures(partial(_in_source, source), lambda: True)
    return image_set(name, read, read, classes, ledger, _no_pixels, pictures, carried, options)


def _no_pixels(name: str) -> bytes:
    raise KeyError(name)


def image_set(
    name: str,
    read: Callable[[], Iterator[Image]],
    again: Callable[[], Iterator[Image]],
    classes: Classes,
    ledger: Ledger,
    pixels: Callable[[str], bytes],
    pictures: Pictures,
    carried: dict[str, object],
    options: TrainingOptions,
    *,
    predictions: bool = False,
    together: Together | None = None,
) -> ImageSet:
    """The images that `read` gives, and `again` once more; `together` gives them in sheets."""
    times: list[bool] = []

    def once(found: Iterator[Some]) -> Iterator[Some]:
        if times:
            # What is read a second time went in once.
            return found
        times.append(True)
        return counted(found, ledger)

    def images() -> Iterator[Image]:
        rare = splitting.rarest(again()) if options.stratify else _alike
        return splitting.split(once(read()), options, rare)

    def sheets(found: Together) -> Iterator[Sheet | Prepared | Image]:
        if not options.split:
            yield from once(found())
            return
        for some in once(found()):
            # Where images were prepared they have got their split.
            if not isinstance(some, Prepared):
                heads = [some] if isinstance(some, Image) else some.images
                for _ in splitting.split(iter(heads), options, _alike):
                    pass
            yield some

    return ImageSet(
        name,
        images,
        classes,
        ledger,
        pixels,
        partial(pictures.parts, how=options.images),
        carried,
        predictions,
        # To stratify, all marks of an image are looked at.
        partial(sheets, together) if together is not None and not options.stratify else None,
    )


def _alike(image: Image) -> str:
    return ""


class Pictures:
    """The images' own files: `find` says where one is, `anywhere` whether any may be found."""

    def __init__(
        self, find: Find, anywhere: Callable[[], bool], notify: Notify = lambda notice: None
    ) -> None:
        self._find = find
        self._anywhere = anywhere
        self._notify = notify

    @cached_property
    def _found_anywhere(self) -> bool:
        # Asked when the first image is written: who only works out what images show needs no place.
        return self._anywhere()

    def parts(self, image: Image, path: str, how: str) -> Iterator[Part]:
        """The parts that put it at a path; none where it is not to be had, which is told."""
        if how == "skip" or (how == "link" and not self._found_anywhere):
            return
        found = self._find(image)
        if found is None:
            self._notify(Notice(place=path, value=image.name, reason=MISSING))
        elif how == "copy":
            empty = True
            for chunk in found.chunks():
                empty = False
                yield Part(path, chunk)
            if empty:
                yield Part(path, b"")
        elif found.path is not None:
            yield Part(path, b"", str(found.path))
        else:
            self._notify(Notice(place=path, value=image.name, reason=UNLINKED))


MISSING = "the image's own file is not to be had here"
UNLINKED = (
    "the image's own file is in an archive or a database, where no link leads; copied it can be had"
    " (images: copy)"
)


class Picture(NamedTuple):
    """A picture's bytes, and where it lies if a link can lead there."""

    path: Path | None
    chunks: Callable[[], Iterator[bytes]]


Find = Callable[[Image], Picture | None]


def on_disk(path: Path) -> Picture:
    """A picture that is a file."""
    return Picture(path, partial(_read, path))


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _in_source(source: Source, image: Image) -> Picture | None:
    there = source.located(image.local) if image.local else ""
    if not there.startswith("zip:"):
        return on_disk(Path(there)) if there else None
    return Picture(None, partial(source.open, there.removeprefix("zip:")))
