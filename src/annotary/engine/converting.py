"""File to file: a reader's images straight into a writer; other formats by way of a store that goes again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from annotary.engine import sinks
from annotary.engine.core import Engine
from annotary.engine.exporting import open_export, refuse_losses
from annotary.engine.findings import Findings
from annotary.engine.image_sets import of_reader
from annotary.engine.loading import import_sources
from annotary.engine.manifest import beside
from annotary.engine.places import Places
from annotary.engine.recognising import opened, recognised
from annotary.engine.sources import FileSource, Several
from annotary.engine.splitting import checked
from annotary.errors import Invalid, Refused
from annotary.formats import Format, Part, Reading, Source, TrainingOptions, load, options_of, reading
from annotary.model.base import to_json
from annotary.model.corpus import Problem
from annotary.model.export import DETAILS, ExportQuery, ProjectScope, params_from
from annotary.model.image import TEST, TRAIN, VAL, Classes, Image, classes_of
from annotary.model.ontology import Normalized, Ontology
from annotary.model.project import Project
from annotary.model.task import Artifact
from annotary.operations.exports import StartExport
from annotary.store import Store

Progress = Callable[[int], None]
ONTOLOGY = "ontology"


@dataclass
class Conversion:
    """What came of a conversion."""

    format: str
    to: str
    findings: Findings = field(default_factory=Findings)
    files: list[Artifact] = field(default_factory=list)
    rows: int = 0
    annotations: int = 0

    @property
    def losses(self) -> dict[str, Any]:
        """The ledger, as `--json` and `losses.json` show it."""
        return self.findings.ledger.document()


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
        _by_store(done, sources, said, *target, strict, on_problem, progress)
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


def ontology_name(name: str) -> str:
    """What the ontology beside a file is called.

    >>> ontology_name("rows.ndjson.gz")
    'rows.ontology.json'
    """
    return f"{name.split('.')[0]}.{ONTOLOGY}.json"


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
    _deliver(done, parts, destination, sources[0].name, form, options)


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


def _deliver(
    done: Conversion,
    parts: Iterator[Part],
    destination: Path,
    name: str,
    form: Format,
    options: Any,
    ontology: bytes = b"",
) -> None:
    """Put it where it shall be; with an ontology, beside rows that do not say all of it."""
    about = {
        "annotary": version("annotary"),
        "converted": Path(name).name,
        "from": done.format,
        "format": done.to,
    }
    ledger = done.findings.ledger
    last = beside(
        about,
        ledger,
        lambda: {"rows": done.rows, "annotations": done.annotations},
        manifest=not options.one_file(),
    )

    def all_beside(listed: Iterator[bytes] | None) -> Iterator[Part]:
        if ontology:
            yield Part(ontology_name(destination.name), ontology)
        yield from last(listed)

    done.files = sinks.deliver(
        parts,
        destination,
        lines=form.writes_lines(options),
        one_file=options.one_file(),
        name=Path(name).name.split(".")[0] + form.ending,
        beside=all_beside,
    )


def _by_store(
    done: Conversion,
    sources: list[Source],
    ontology: Normalized | None,
    destination: Path,
    form: Format,
    options: Any,
    given: dict[str, Any],
    strict: bool,
    on_problem: Any,
    progress: Progress,
) -> None:
    """Through a store in a temporary folder: for Labelbox formats, whose rows have more than images."""
    with TemporaryDirectory(prefix="annotary-") as folder:
        engine = Engine(Store.open(folder))
        try:
            name = Path(sources[0].name).name.split(".")[0]
            wanted = name if load(done.format).images else None
            try:
                report = import_sources(
                    engine,
                    sources,
                    format=done.format,
                    project=wanted,
                    on_problem=on_problem,
                    progress=progress,
                )
            except Refused as refused:
                raise Refused(str(refused).replace("stored", "written", 1), refused.problems) from None
            for problem in report.problems:
                done.findings.report(problem)
            for notice in report.notices:
                done.findings.notify(notice)
            if len(report.projects) != 1:
                found = len(report.projects)
                raise Invalid(f"{name} has rows of {found} projects; one at a time can be converted")
            if ontology is not None:
                _number(engine, report.projects[0], ontology)
            params = params_from(dict.fromkeys(DETAILS, True))
            query = ExportQuery(scope=ProjectScope(id=report.projects[0]), params=params, as_of=UNSET)
            request = StartExport(query=query, format=done.to, options=given, strict=strict)
            export = open_export(engine, request, counted=True)
            done.findings.ledger = export.findings.ledger
            done.findings.ledger.before(report.losses)
            told = ontology is not None or load(done.format).images
            text = _shown(engine, report.projects[0]) if told and not form.images else b""
            _deliver(done, export.parts, destination, name, form, options, text)
            done.rows, done.annotations = export.done, export.annotations
        finally:
            engine.close()


def _number(engine: Engine, project: str, ontology: Normalized) -> None:
    """Give a project what the ontology beside its rows says: classes without objects, their order and ids."""
    with engine.store.transaction():
        places = Places(engine.store, engine.now(), engine.user.email)
        carried = ontology.carried if isinstance(ontology.carried, dict) else {}
        places.project(project, None).features.number(classes_of([ontology]), carried)
        places.keep_ontologies(engine.store.change)


def _shown(engine: Engine, project: str) -> bytes:
    """A project's ontology as a file: Labelbox rows say neither classes without objects nor their order."""
    id = engine.store.get(Project, project).ontology_id
    assert id is not None
    return msgspec.json.format(to_json(engine.store.get(Ontology, id).normalized).encode(), indent=2) + b"\n"
