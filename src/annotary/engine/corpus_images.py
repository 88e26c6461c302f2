"""What training formats write of the store: the images of projects, runs and datasets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from annotary.engine.core import Engine
from annotary.engine.findings import Findings
from annotary.engine.image_places import ImagePlaces, Member, Names
from annotary.engine.image_sets import Picture, Pictures, Together, image_set, on_disk
from annotary.engine.sources import below
from annotary.formats import TrainingOptions
from annotary.formats._images import images as of_pages
from annotary.formats._images import sheets as sheets_of
from annotary.model.corpus import Corpus, Notify, Page
from annotary.model.image import Image, ImageSet, classes_of
from annotary.model.sheet import Sheet


def of_corpus(
    engine: Engine,
    corpus: Corpus,
    options: TrainingOptions,
    findings: Findings,
    folder: Path | None,
    spread: Together | None = None,
    *,
    sheets: bool = False,
) -> ImageSet:
    """The images of a project, run or dataset; of a run its predictions where they are asked for.

    Their own files are in `folder`, or where an import said. `sheets`: they may be had in sheets. `spread`
    gives the same, which several processes read.
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
    return image_set(
        name,
        found,
        lambda: of_pages(corpus.again(), predictions=predictions),
        classes_of(ontologies, options.class_index),
        findings.ledger,
        corpus.pixels,
        _pictures(engine, folder, findings.notify),
        carried,
        options,
        predictions=predictions,
        together=spread or (together if sheets else None),
    )


def rows_of(corpus: Corpus, *, sheets: bool) -> Iterator[Sheet | Image]:
    """The rows of a corpus, in `sheets` those that are plain."""
    predictions, splits = _of_runs(corpus)
    read = sheets_of if sheets else of_pages
    return read(corpus.pages, predictions=predictions, splits=splits)


def _of_runs(corpus: Corpus) -> tuple[bool, bool]:
    """Whether a corpus shows predictions, and whether its rows carry a run's split."""
    runs = any(shown.kind == "model_run" for shown in corpus.shown)
    return runs and corpus.params.predictions, runs and corpus.single


def _pictures(engine: Engine, folder: Path | None, notify: Notify) -> Pictures:
    """In a folder the user gave, or in the store's places."""
    places = ImagePlaces(engine)

    def find(image: Image) -> Picture | None:
        names = Names(image.row_data, image.external_id, image.global_key, image.width, image.height)
        if folder is not None:
            for name in names.paths():
                if (there_is := below([folder], name)) is not None:
                    return on_disk(there_is)
        found = places.find(names)
        if found is None or isinstance(found, Path):
            return None if found is None else on_disk(found)
        if isinstance(found, Member):
            return Picture(None, found.chunks)
        return Picture(*places.stored(found))

    return Pictures(find, lambda: folder is not None or bool(places), notify)
