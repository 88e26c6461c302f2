"""What training formats write: images out of the store or another file, counted, and each in its split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from annotary.engine import splitting
from annotary.engine.core import Engine
from annotary.engine.findings import Findings
from annotary.engine.image_places import ImagePlaces, Member, Names
from annotary.engine.sources import CHUNK, below
from annotary.formats import Part, Source, TrainingOptions
from annotary.formats._images import images as of_pages
from annotary.formats._images import sheets as sheets_of
from annotary.model.corpus import Corpus, Notice, Notify, Page
from annotary.model.image import NO_ANSWERS, WORDS, Classes, Image, ImageSet, classes_of
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
    engine: Engine,
    corpus: Corpus,
    options: TrainingOptions,
    findings: Findings,
    folder: Path | None,
    spread: Together | None = None,
) -> ImageSet:
    """The images of a project, run or dataset; of a run its predictions where they are asked for.

    Their own files are in `folder`, or where an import said. `spread` gives the same sheets and images, which
    several processes read.
    """
    name = corpus.shown[0].name if len(corpus.shown) == 1 else "data rows"
    predictions, splits = _of_runs(corpus)
    pages: list[Iterable[Page]] = [corpus.pages]

    def given() -> Iterable[Page]:
        return pages.pop() if pages else corpus.again()

    def found() -> Iterator[Image]:
        return of_pages(given(), predictions=predictions, splits=splits)

    def together() -> Iterator[Sheet | Image]:
        return sheets_of(given(), predictions=predictions, splits=splits)

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
        findings.ledger,
        corpus.pixels,
        Pictures(folder, places=ImagePlaces(engine), notify=findings.notify),
        carried,
        options,
        predictions=predictions,
        together=spread or together,
    )


def in_sheets(corpus: Corpus) -> Iterator[Sheet | Image]:
    """The rows of a corpus, plain ones together."""
    predictions, splits = _of_runs(corpus)
    return sheets_of(corpus.pages, predictions=predictions, splits=splits)


def _of_runs(corpus: Corpus) -> tuple[bool, bool]:
    """Whether a corpus shows predictions, and whether its rows carry a run's split."""
    runs = any(shown.kind == "model_run" for shown in corpus.shown)
    return runs and corpus.params.predictions, runs and corpus.single


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
    return _image_set(
        name, read, read, classes, ledger, _no_pixels, Pictures(source=source), carried, options
    )


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
    together: Together | None = None,
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

    def sheets(found: Together) -> Iterator[Sheet | Prepared | Image]:
        if not options.split:
            yield from once(found())
            return
        for some in once(found()):
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
        partial(pictures.parts, how=options.images) if pictures.asked(options.images) else _no_picture,
        carried,
        predictions,
        # To stratify, all marks of an image are looked at.
        partial(sheets, together) if together is not None and not options.stratify else None,
    )


def _alike(image: Image) -> str:
    return ""


class Pictures:
    """Where the images' own files are: in a folder the user gave, in the source, or in the store's places."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        source: Source | None = None,
        places: ImagePlaces | None = None,
        notify: Notify = lambda notice: None,
    ) -> None:
        self.folder = folder
        self.source = source
        self.places = places
        self._notify = notify

    def asked(self, how: str) -> bool:
        """Whether anything is to be said or given of an image; looked up once, not for each."""
        anywhere = self.folder is not None or self.source is not None or bool(self.places)
        return how == "copy" or (how == "link" and anywhere)

    def parts(self, image: Image, path: str, how: str) -> Iterator[Part]:
        """The parts that put it at a path; none where it is not to be had, which is told."""
        if how == "skip":
            return
        found = self._found(image)
        if found is None:
            if self.folder is not None or self.places or (how == "copy" and self.source is None):
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

    def _found(self, image: Image) -> _File | None:
        if self.source is not None:
            there = self.source.located(image.local) if image.local else ""
            if not there.startswith("zip:"):
                return _on_disk(Path(there)) if there else None
            return _File(None, partial(self.source.open, there.removeprefix("zip:")))
        names = Names(image.row_data, image.external_id, image.global_key, image.width, image.height)
        if self.folder is not None:
            for name in names.paths():
                if (there_is := below([self.folder], name)) is not None:
                    return _on_disk(there_is)
        found = self.places.find(names) if self.places is not None else None
        if found is None or isinstance(found, Path):
            return None if found is None else _on_disk(found)
        if isinstance(found, Member):
            return _File(None, found.chunks)
        assert self.places is not None
        return _File(*self.places.stored(found))


MISSING = "the image's own file is not to be had here"
UNLINKED = (
    "the image's own file is in an archive or a database, where no link leads; copied it can be had"
    " (images: copy)"
)


class _File(NamedTuple):
    """A picture's bytes, and where it lies if a link can lead there."""

    path: Path | None
    chunks: Callable[[], Iterator[bytes]]


def _on_disk(path: Path) -> _File:
    return _File(path, partial(_read, path))


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
