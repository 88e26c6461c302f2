"""File to file: a reader's images straight into a writer; other formats by way of a store that goes again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from msgspec.structs import replace

from annotary.engine.conversion import ONTOLOGY, Conversion, Progress, deliver, ontology_name
from annotary.engine.findings import refuse_losses
from annotary.engine.image_sets import of_reader
from annotary.engine.recognising import opened, recognised
from annotary.engine.sources import FileSource, Several
from annotary.engine.splitting import checked
from annotary.errors import Invalid, Refused
from annotary.formats import Format, Part, Reading, Source, TrainingOptions, load, options_of, reading
from annotary.model.corpus import Problem
from annotary.model.image import TEST, TRAIN, VAL, Classes, Image
from annotary.model.ontology import Normalized


def convert(
    source: str | Path,
    destination: str | Path,
    *,
    to: str,
    format: str | None = None,
    images: str | Path | None = None,
    options: dict[str, Any] | None = None,
    strict: bool = False,
    on_problem: Literal["stop", "skip"] = "stop",
    progress: Progress = lambda rows: None,
) -> Conversion:
    """Convert a file, folder or archive; raises Invalid, Lossy, and Refused where there is a problem."""
    form = load(to)
    if form.write is None:
        raise Invalid(f"{to} is a format to read, not to write")
    chosen = options_of(to, options or {})
    sources = list(opened([source], Path(images) if images is not None else None, format))
    given = [(one, format or recognised(one)) for one in sources]
    ontology = next((one for one, name in given if name == ONTOLOGY and len(given) > 1), None)
    sources = [one for one, name in given if ontology is None or name != ONTOLOGY]
    named = {name for _, name in given} - ({ONTOLOGY} if ontology is not None else set())
    if len(named) > 1:
        raise Invalid(
            f"{source} has files of several formats: {', '.join(sorted(named))}; convert one of them"
        )
    (name,) = named
    done = Conversion(name, to)
    if load(name).images and isinstance(chosen, TrainingOptions):
        _directly(done, sources, Path(destination), form, chosen, strict, on_problem, progress)
    else:
        said = _ontology(ontology if ontology is not None else _ontology_beside(sources))
        target = (Path(destination), form, chosen, options or {})
        # Its imports take as long as a small conversion, and most conversions need no store.
        from annotary.engine.converting_by_store import by_store

        by_store(done, sources, said, *target, strict, on_problem, progress)
    return done


def _ontology_beside(sources: list[Source]) -> Source | None:
    """The ontology that a conversion wrote beside its rows."""
    if len(sources) != 1 or not isinstance(sources[0], FileSource):
        return None
    path = sources[0].path
    beside = path.with_name(ontology_name(path.name))
    return FileSource(beside) if beside != path and beside.is_file() else None


def _ontology(source: Source | None) -> Normalized | None:
    """What it says."""
    read = load(ONTOLOGY).read_ontology
    return read(source) if source is not None and read is not None else None


def _directly(
    done: Conversion,
    sources: list[Source],
    destination: Path,
    form: Format,
    options: TrainingOptions,
    strict: bool,
    on_problem: str,
    progress: Progress,
) -> None:
    checked(options)
    if strict:
        trial = Conversion(done.format, done.to)
        for _ in _parts(trial, sources, form, options, on_problem, lambda rows: None):
            pass
        refuse_losses(trial.findings.ledger)
    parts = _parts(done, sources, form, options, on_problem, progress)
    deliver(done, parts, destination, sources[0].name, form, options)


def _parts(
    done: Conversion,
    sources: list[Source],
    form: Format,
    options: TrainingOptions,
    on_problem: str,
    progress: Progress,
) -> Iterator[Part]:
    reader = load(done.format)
    read = reader.read
    assert read is not None and form.write is not None
    findings, classes = done.findings, Classes(options.class_index)
    carried: dict[str, Any] = {}
    times: list[bool] = []

    def told(source: Source) -> Reading:
        def report(problem: Problem) -> None:
            findings.report(replace(problem, place=f"{source.name}, {problem.place}".rstrip(", ")))
            if on_problem == "stop":
                raise Refused(
                    f"nothing was written: {source.name}, {problem.place}: {problem.reason}: {problem.value}",
                    findings.problems,
                )

        return reading(report, findings.notify, findings.ledger)

    def images() -> Iterator[Image]:
        # Only the first time through is told of.
        counting = not times
        times.append(True)
        for source in sources:
            to = told(source) if counting else reading(lambda one: None, lambda one: None)
            split = split_of_name(source.name) if len(sources) > 1 else ""
            for image in read(source, reader.options(), to._replace(classes=classes, carried=carried)):
                image.split = image.split or split
                if counting:
                    if done.rows % 64 == 0:
                        progress(done.rows)
                    done.rows += 1
                    done.annotations += len(image.marks)
                yield image

    name = Path(sources[0].name).name
    among = sources[0] if len(sources) == 1 else Several(sources)
    found = of_reader(name, images, classes, carried, findings.ledger, among, options)
    yield from form.write(found, options)


def split_of_name(name: str) -> str:
    """The split that one of several files is of, by its name.

    >>> split_of_name("annotations/instances_val2017.json"), split_of_name("trains.json")
    ('val', '')
    """
    found = _SPLIT_NAME.search(Path(name).name.lower())
    return "" if found is None else _SPLITS[found[1]]


_SPLITS = {"train": TRAIN, "training": TRAIN, "val": VAL, "valid": VAL, "validation": VAL, "test": TEST}
_SPLIT_NAME = re.compile(r"(?<![a-z])(train(?:ing)?|val(?:id(?:ation)?)?|test)(?![a-z])")
