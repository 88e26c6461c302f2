"""An import from its files to its report: which format, into what, all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from msgspec import field, to_builtins
from msgspec.structs import replace

from annotary.engine import ahead, image_places, places, tasks
from annotary.engine.ahead import Ahead
from annotary.engine.core import Engine, handles
from annotary.engine.entries import Origin
from annotary.engine.features import Features
from annotary.engine.findings import Findings
from annotary.engine.image_sets import counted
from annotary.engine.importing import Importer
from annotary.engine.outcomes import Outcomes
from annotary.engine.preparing import Task as Reading
from annotary.engine.recognising import opened, recognised
from annotary.engine.results import Results
from annotary.engine.sharing import Target
from annotary.engine.sources import FileSource
from annotary.errors import Invalid, NotFound, Refused
from annotary.formats import Format, Source, load, reading
from annotary.formats._images import parsed
from annotary.model.base import Value, derived_id, derived_uuid, new_id
from annotary.model.corpus import Notice, Parsed, Problem
from annotary.model.image import Image
from annotary.model.ledger import Ledger
from annotary.model.ontology import Ontology
from annotary.model.project import Model, ModelRun, Project
from annotary.model.task import Task
from annotary.operations.imports import StartImport
from annotary.operations.ontologies import CreateOntology
from annotary.operations.projects import ChangeProject
from annotary.operations.tasks import Job

Progress = Callable[[int], None]


class Report(Value):
    """What came of an import."""

    rows: int
    labels: int
    annotations: int
    ontologies: int = 0
    problems: tuple[Problem, ...] = ()
    problem_count: int = 0
    notices: tuple[Notice, ...] = ()
    projects: tuple[str, ...] = ()
    model_runs: tuple[str, ...] = ()
    losses: dict[str, Any] = field(default_factory=lambda: Ledger().document())
    stored: bool = True
    task_id: str | None = None


class Stopped(Refused):
    """An import that stopped at problems, with all it has to tell."""

    def __init__(self, report: Report) -> None:
        first = report.problems[0]
        more = f" (and {report.problem_count - 1:,} more)" if report.problem_count > 1 else ""
        message = f"nothing was stored: {first.place}: {first.reason}: {first.value}{more}"
        super().__init__(message, report.problems)
        self.report = report


class _Undone(Exception):
    """Ends the transaction of an import that shall leave nothing behind."""


def import_sources(
    engine: Engine,
    sources: Iterable[Source],
    *,
    format: str | None = None,
    project: str | None = None,
    dataset: str | None = None,
    model: str | None = None,
    run: str | None = None,
    on_problem: Literal["stop", "skip"] = "stop",
    dry_run: bool = False,
    submits: bool = False,
    merges: bool = False,
    outcomes: Outcomes | None = None,
    unnamed: str | None = None,
    progress: Progress = lambda rows: None,
    record: Callable[[Report], str] | None = None,
    workers: int | None = None,
) -> Report:
    """Import files in one transaction; raises Refused where there is a problem and it shall stop.

    `submits` hands labels in as a labeller does; `merges` keeps other metadata of known data rows; `outcomes`
    are told of every line. `record` notes the import down within its transaction and gives its task's id;
    where it raises, nothing is stored. `unnamed` is the project of rows whose file names none. `workers` is
    how many processes work at it: this one alone for small files, by default, and another one for large ones.
    """
    if (model is None) != (run is None):
        raise Invalid("predictions need both --model and --run")
    if run is not None and project is not None:
        raise Invalid("give either --project or --model and --run")
    findings = Findings()
    origin = Origin(now=engine.now(), user=engine.user.email, submits=submits, merges=merges)
    report: Report | None = None
    given = [(source, format or recognised(source)) for source in sources]
    try:
        with engine.store.transaction():
            target = _target(engine, project, dataset, model, run, unnamed)
            totals = [0, 0, 0]
            ontologies = 0
            seen: set[str] = set()
            runs: set[str] = set()
            # Ontologies and data rows first: labels refer to them.
            for source, name in sorted(given, key=lambda one: _rank(one[1])):
                form = load(name)
                if form.read_ontology is not None:
                    seen |= _take_ontology(engine, form, source, target)
                    ontologies += 1
                    continue
                tell = _after(progress, totals[0])
                importer = _take(
                    engine, form, name, source, target, origin, findings, tell, outcomes, workers
                )
                for at, value in enumerate((importer.rows, importer.labels, importer.annotations)):
                    totals[at] += value
                for place in importer.places.all():
                    (seen if place.kind == "project" else runs).add(place.id)
            stopped = bool(findings.problem_count) and on_problem == "stop"
            report = Report(
                rows=totals[0],
                labels=totals[1],
                annotations=totals[2],
                ontologies=ontologies,
                problems=tuple(findings.problems),
                problem_count=findings.problem_count,
                notices=tuple(findings.notices),
                losses=findings.ledger.document(),
                projects=tuple(sorted(seen)),
                model_runs=tuple(sorted(runs)),
                stored=not (stopped or dry_run),
            )
            if stopped or dry_run:
                raise _Undone
            report = replace(report, task_id=(record or _recorder(engine, given))(report))
    except _Undone:
        pass
    assert report is not None
    if findings.problem_count and on_problem == "stop" and not dry_run:
        raise Stopped(report)
    return report


def _recorder(engine: Engine, given: list[tuple[Source, str]]) -> Callable[[Report], str]:
    def record(report: Report) -> str:
        task = _task(engine, given, report)
        engine.store.tasks.put(task)
        return task.id

    return record


def _task(engine: Engine, given: list[tuple[Source, str]], report: Report) -> Task:
    """The record of an import that was carried out."""
    now = engine.now()
    names = ", ".join(Path(source.name).name for source, _ in given[:3])
    return Task(
        id=new_id(),
        name=f"Import {names}{', ...' if len(given) > 3 else ''}",
        type="import",
        status="COMPLETE",
        created_at=now,
        updated_at=now,
        completion_percentage=100,
        created_by=engine.user.email,
        result=told_of(report),
    )


def told_of(report: Report) -> dict[str, Any]:
    """The report of an import without its problems, which are a file."""
    built: dict[str, Any] = to_builtins(replace(report, problems=()))
    return built


def _after(progress: Progress, rows: int) -> Progress:
    """Progress of one file, told as that of all files."""
    return lambda more: progress(rows + more)


def _rank(name: str) -> int:
    return {"ontology": 0, "data-rows": 1}.get(name, 2)


def _take(
    engine: Engine,
    form: Format,
    name: str,
    source: Source,
    target: Target,
    origin: Origin,
    findings: Findings,
    progress: Progress,
    outcomes: Outcomes | None,
    workers: int | None,
) -> Importer:
    if form.read is None:
        raise Invalid(f"{name} is a format to write, not to read")
    if form.images and not (target.project or target.run or target.unnamed):
        # Said once, before all images are read and each has the same problem.
        raise Invalid(f"{source.name}: {name} files name no project; give --project NAME")

    def report(problem: Problem) -> None:
        if outcomes is not None:
            outcomes.failed(problem)
        findings.report(replace(problem, place=f"{source.name}, {problem.place}".rstrip(", ")))

    def notify(notice: Notice) -> None:
        findings.notify(replace(notice, place=f"{source.name}, {notice.place}".rstrip(", ")))

    placed = Findings()
    placed.report = report  # type: ignore[method-assign]
    placed.notify = notify  # type: ignore[method-assign]
    placed.ledger = findings.ledger

    def parse(document: Any) -> Parsed | None:
        return None if form.parse is None else form.parse(document, report)

    importer = Importer(
        engine.store,
        target,
        origin,
        placed,
        merges=form.merges,
        by_name=not form.ids_decide,
        flat=form.flat,
        checks_metadata=form.checks_metadata,
        balances=form.images,
        taken=None if outcomes is None else outcomes.taken,
    )
    to = reading(report, notify, findings.ledger)
    count = 0 if origin.submits else ahead.workers(workers, form, source)
    if isinstance(source, FileSource) and count:
        file = source

        def task(number: int, of: int) -> Reading:
            by_name = not form.ids_decide
            return Reading(file, name, target, origin, engine.store.org, by_name, number, of)

        with Ahead(task, count, importer.places, report) as before:
            given = before.rows(parse)
            importer.take(given, progress, before.settled, lambda item: parse(before.document(item)))
        return importer
    if not form.images:
        importer.take(form.read(source, form.options(), to), progress)
        return importer
    read = _without_splits(form.read(source, form.options(), to), notify)
    images: Iterable[Image] = counted(read, findings.ledger)
    results = Results(engine, target, findings.ledger, report)
    importer.take(parsed(results.joined(images), name, findings.ledger), progress)
    importer.number(results.classes or to.classes, {name: to.carried[name]} if name in to.carried else {})
    return importer


def _without_splits(images: Iterable[Image], notify: Callable[[Notice], None]) -> Iterator[Image]:
    """The images; tells at the end where they were in several splits, which a project does not keep."""
    found, count = set(), 0
    for image in images:
        found.add(image.split)
        count += bool(image.split)
        yield image
    if len(found) > 1:
        reason = (
            "a project keeps no splits; --split makes them when it is exported, and a model run has its own"
        )
        notify(Notice(place="", value=f"the split of {count:,} images", reason=reason))


def _target(
    engine: Engine,
    project: str | None,
    dataset: str | None,
    model: str | None,
    run: str | None,
    unnamed: str | None,
) -> Target:
    """Where rows shall go, by names or ids; what does not exist yet is to be made."""
    store = engine.store
    wanted = None if project is None else _project_named(engine, project)
    run_wanted = None
    if model is not None and run is not None:
        its_model = named(engine, Model, model)
        model_id = its_model.id if its_model else derived_uuid(store.org, "model", model)
        runs = store.find(ModelRun, parent=model_id)
        its_run = next((one for one in runs if run in (one.id, one.name)), None)
        run_id = its_run.id if its_run else derived_uuid(model_id, "run", run)
        run_wanted = (run_id, run, model_id, its_model.name if its_model else model)
    rest = None if unnamed is None or run_wanted is not None else _project_named(engine, unnamed)
    return Target(project=wanted, run=run_wanted, dataset=dataset, unnamed=rest)


def _project_named(engine: Engine, given: str) -> tuple[str, str]:
    """The id and name of a project by either; of one that is to be made where there is none."""
    found = named(engine, Project, given)
    return (found.id, found.name) if found else (derived_id(engine.store.org, "project", given), given)


def named(engine: Engine, kind: Any, given: str) -> Any:
    """Something by its id, else by its name; None where there is none, Invalid where several match."""
    try:
        return engine.store.get(kind, given)
    except NotFound:
        pass
    found = engine.store.find(kind, name=given, limit=10)
    if len(found) > 1:
        ids = ", ".join(one.id for one in found)
        raise Invalid(f"several are named {given!r}; give one of the ids: {ids}")
    return found[0] if found else None


def _take_ontology(engine: Engine, form: Format, source: Source, target: Target) -> set[str]:
    """An ontology file: for the project, or by itself under the file's name."""
    assert form.read_ontology is not None
    normalized = form.read_ontology(source)
    name = Path(source.name).name.split(".")[0]
    if target.project is None:
        _keep_ontology(engine, derived_id(engine.store.org, "ontology", name), name, normalized)
        return set()
    id, project_name = target.project
    try:
        project = engine.store.get(Project, id)
    except NotFound:
        project = places.new_project(engine.store, project_name, engine.now(), id=id, user=engine.user.email)
    ontology = _keep_ontology(
        engine, project.ontology_id or derived_id(id, "ontology"), project_name, normalized
    )
    if project.ontology_id is None:
        engine.call(ChangeProject(project_id=id, ontology_id=ontology.id))
    return {id}


def _keep_ontology(engine: Engine, id: str, name: str, normalized: Any) -> Ontology:
    try:
        present = engine.store.get(Ontology, id)
    except NotFound:
        return engine.call(CreateOntology(id=id, name=name, normalized=normalized))
    ids = {tool.feature_schema_id for tool in normalized.tools}
    missing = [tool.name for tool in present.normalized.tools if tool.feature_schema_id not in ids]
    if missing and not present.inferred:
        raise Invalid(
            f"the project's ontology has {missing[0]!r}, the file has not;"
            " an ontology in use may grow but not shrink"
        )
    features = Features(id, normalized, grows=False)
    changed = replace(present, normalized=features.normalized(), updated_at=engine.now(), inferred=False)
    if to_builtins(changed.normalized) != to_builtins(present.normalized) or present.inferred:
        engine.store.put(changed)
        places.show_ontology(engine.store, changed, engine.store.change)
    return changed


@handles(StartImport)
def start_import(engine: Engine, request: StartImport) -> Task:
    """Import a path or folder of this machine and report; on a server, queue a file that was sent to it."""
    if engine.queued:
        for id in (*request.more, *request.neighbours.values()):
            engine.store.files.get(id)
        if request.images is not None:
            raise Invalid("images: a server reads no folder of its own machine; send the masks in the file")
        file = engine.store.files.get(request.source)
        name = request.name or f"Import {Path(file.name).name}"
        return tasks.queue(engine, Job(load=request), name=name, type="import")
    images = Path(request.images) if request.images else None
    sources = list(opened([request.source], images, request.format))
    report = import_sources(
        engine,
        sources,
        format=request.format,
        project=request.project,
        unnamed=request.unnamed,
        dataset=request.dataset,
        model=request.model,
        run=request.run,
        on_problem=request.on_problem,
        dry_run=request.dry_run,
    )
    if not request.dry_run:
        image_places.note(engine, [Path(request.source)], sources, images, report.projects)
    return engine.store.tasks.get(report.task_id) if report.task_id else _task(engine, [], report)
