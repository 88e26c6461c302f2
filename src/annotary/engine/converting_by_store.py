"""File to file by way of a store that goes again: for Labelbox formats, whose rows have more than images."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from msgspec import UNSET

from annotary.engine.conversion import Conversion, Progress, deliver
from annotary.engine.core import Engine
from annotary.engine.exporting import open_export
from annotary.engine.loading import import_sources
from annotary.engine.places import Places
from annotary.errors import Invalid, Refused
from annotary.formats import Format, Source, load
from annotary.model.base import to_json
from annotary.model.export import DETAILS, ExportQuery, ProjectScope, params_from
from annotary.model.image import classes_of
from annotary.model.ontology import Normalized, Ontology
from annotary.model.project import Project
from annotary.operations.exports import StartExport
from annotary.store import Store


def by_store(
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
            deliver(done, export.parts, destination, name, form, options, text)
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
