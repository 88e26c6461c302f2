"""What training formats write: images out of the store or another file, counted, and each in its split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from annotary.engine import splitting
from annotary.engine.sources import CHUNK, below
from annotary.formats import Part, Source, TrainingOptions
from annotary.formats._images import images as of_pages
from annotary.formats._images import sheets as sheets_of
from annotary.model.corpus import Corpus, Page
from annotary.model.image import NO_ANSWERS, WORDS, Classes, Image, ImageSet, classes_of
from annotary.model.ledger import Ledger
from annotary.model.sheet import Sheet

Some = TypeVar("Some", Image, Image | Sheet)


def counted(found: Iterable[Some], ledger: Ledger) -> Iterator[Some]:
    """Images, whose marks and answers are entered into the ledger as they go by."""
    kinds: Counter[str] = Counter()
    answers = 0
    try:
        for some in found:
            if isinstance(some, Sheet):
                kinds.update(some.kinds)
                answers += some.answer_count()
            else:
                for mark in some.marks:
                    kinds[mark.kind] += 1
                    # What `answered` says, without a call for each mark.
                    if mark.classifications not in NO_ANSWERS:
                        answers += mark.answer_count()
                if some.answers:
                    answers += some.answer_count()
            yield some
    finally:
        for kind, count in kinds.items():
            ledger.took(WORDS.get(kind, kind), count)
        if answers:
            ledger.took("answer", answers)


def of_corpus(
    corpus: Corpus, options: TrainingOptions, ledger: Ledger, name: str, folder: Path | None
) -> ImageSet:
    """The images of a project, run or dataset; of a run its predictions where they are asked for."""
    runs = any(shown.kind == "model_run" for shown in corpus.shown)
    predictions = runs and corpus.params.predictions
    pages: list[Iterable[Page]] = [corpus.pages]

    def given() -> Iterable[Page]:
        return pages.pop() if pages else corpus.again()

    def found() -> Iterator[Image]:
        return of_pages(given(), predictions=predictions, splits=runs and corpus.single)

    def together() -> Iterator[Sheet | Image]:
        return sheets_of(given(), predictions=predictions, splits=runs and corpus.single)

    ontologies = [shown.ontology.normalized for shown in corpus.shown]
    carried = {}
    for one in ontologies:
        if isinstance(one.carried, dict):
            carried.update(one.carried)
    return _image_set(
        name,
        found,
        lambda: of_pages(corpus.again(), predictions=predictions),
        classes_of(ontologies, options.class_index),
        ledger,
        corpus.pixels,
        Pictures(folder, None),
        carried,
        options,
        predictions=predictions,
        together=together,
    )


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
    return _image_set(name, read, read, classes, ledger, _no_pixels, Pictures(None, source), carried, options)


def _no_pixels(name: str) -> bytes:
    raise KeyError(name)


def _no_picture(image: Image, path: str) -> tuple[Part, ...]:
    return ()


def _image_set(
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
    together: Callable[[], Iterator[Sheet | Image]] | None = None,
) -> ImageSet:
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

    def sheets(found: Callable[[], Iterator[Sheet | Image]]) -> Iterator[Sheet | Image]:
        if not options.split:
            yield from once(found())
            return
        for some in once(found()):
            heads = some.images if isinstance(some, Sheet) else [some]
            for _ in splitting.split(iter(heads), options, _alike):
                pass
            yield some

    return ImageSet(
        name,
        images,
        classes,
        ledger,
        pixels,
        _no_picture
        if pictures.folder is None and pictures.source is None
        else lambda image, path: pictures.parts(image, path, options.images),
        carried,
        predictions,
        # To stratify, all marks of an image are looked at.
        partial(sheets, together) if together is not None and not options.stratify else None,
    )


def _alike(image: Image) -> str:
    return ""


class Pictures:
    """Where the images' own files are: in a folder the user gave, or in the source."""

    def __init__(self, folder: Path | None, source: Source | None) -> None:
        self.folder = folder
        self.source = source

    def parts(self, image: Image, path: str, how: str) -> Iterator[Part]:
        """The parts that put it at a path; none where it is not to be had."""
        if how == "skip":
            return
        there = self.source.located(image.local) if self.source is not None and image.local else ""
        member = there.removeprefix("zip:") if there.startswith("zip:") else ""
        if member:
            # Nothing can lead into an archive.
            if how == "copy" and self.source is not None:
                yield from (Part(path, piece) for piece in self.source.open(member))
            return
        found = Path(there) if there else self._file(image)
        if found is None:
            return
        if how == "link":
            yield Part(path, b"", str(found))
            return
        with found.open("rb") as file:
            empty = True
            while chunk := file.read(CHUNK):
                empty = False
                yield Part(path, chunk)
            if empty:
                yield Part(path, b"")

    def _file(self, image: Image) -> Path | None:
        if self.folder is None:
            return None
        for name in (image.external_id, image.global_key, image.row_data.split("?")[0].rsplit("/", 1)[-1]):
            if name and (found := below([self.folder], name)) is not None:
                return found
        return None
