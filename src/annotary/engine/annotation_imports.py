"""Imports of labels, pre-labels and predictions that have a name in their project or model run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from annotary.engine.core import Engine, handles
from annotary.engine.outcomes import objects
from annotary.engine.sources import FileSource
from annotary.engine.versions import known_rows
from annotary.errors import Conflict, NotFound
from annotary.model.base import new_id, to_json
from annotary.model.project import AnnotationImport, ModelRun, Project
from annotary.operations.annotation_imports import (
    DeleteAnnotationImport,
    FindAnnotationImports,
    FindPreLabels,
    GetAnnotationImport,
    GetImportById,
    Kind,
    StartAnnotationImport,
)
from annotary.operations.imports import StartImport
from annotary.store import Store

ALL = 100_000
FORMAT = "labelbox-ndjson"


@handles(StartAnnotationImport)
def start_annotation_import(engine: Engine, request: StartAnnotationImport) -> AnnotationImport:
    """Begin an import under a name that is free."""
    store = engine.store
    with store.transaction():
        _check_parent(engine, request.kind, request.parent_id)
        store.alone("AnnotationImport", request.parent_id, request.name)
        if _named(engine, request.kind, request.parent_id, request.name):
            raise Conflict(f"there is an import {request.name!r} already; give another name")
        task = engine.call(_import(engine, request))
        made = AnnotationImport(
            id=new_id(),
            kind=request.kind,
            parent_id=request.parent_id,
            name=request.name,
            source=request.source,
            task_id=task.id,
            created_at=engine.now(),
            created_by=engine.user.email,
        )
        store.add(made)
        return made


def _import(engine: Engine, request: StartAnnotationImport) -> StartImport:
    label = f"Import {request.name}"
    if request.kind == "predictions":
        run = engine.store.get(ModelRun, request.parent_id)
        return StartImport(
            source=request.source,
            format=FORMAT,
            model=run.model_id,
            run=run.id,
            on_problem="skip",
            outcomes=True,
            name=label,
        )
    return StartImport(
        source=request.source,
        format=FORMAT,
        project=request.parent_id,
        on_problem="skip",
        dry_run=request.kind == "pre-labels",
        submits=request.kind == "labels",
        outcomes=True,
        name=label,
    )


def _check_parent(engine: Engine, kind: Kind, id: str) -> None:
    if kind == "predictions":
        engine.store.get(ModelRun, id)
    else:
        engine.store.get(Project, id)


def _named(engine: Engine, kind: Kind, parent_id: str, name: str) -> list[AnnotationImport]:
    found = engine.store.find(AnnotationImport, name=name, parent=parent_id, limit=ALL)
    return [one for one in found if one.kind == kind]


@handles(GetAnnotationImport)
def get_annotation_import(engine: Engine, request: GetAnnotationImport) -> AnnotationImport:
    """One import."""
    _check_parent(engine, request.kind, request.parent_id)
    found = _named(engine, request.kind, request.parent_id, request.name)
    if not found:
        raise NotFound(f"no import {request.name!r} into {request.parent_id!r}")
    return found[0]


@handles(GetImportById)
def get_import_by_id(engine: Engine, request: GetImportById) -> AnnotationImport:
    """One import, by its id."""
    return engine.store.get(AnnotationImport, request.import_id)


@handles(FindAnnotationImports)
def find_annotation_imports(engine: Engine, request: FindAnnotationImports) -> list[AnnotationImport]:
    """The imports of a kind."""
    _check_parent(engine, request.kind, request.parent_id)
    found = engine.store.find(AnnotationImport, parent=request.parent_id, limit=ALL)
    return sorted(
        (one for one in found if one.kind == request.kind), key=lambda one: (one.created_at, one.id)
    )


@handles(FindPreLabels)
def find_pre_labels(engine: Engine, request: FindPreLabels) -> list[dict[str, Any]]:
    """The lines for a data row, of all imports of pre-labels that are over, without those refused."""
    store = engine.store
    (row,) = known_rows(store, (request.data_row_id,)).values()
    names = {row.id, row.global_key} - {None}
    found: dict[Any, dict[str, Any]] = {}
    every = FindAnnotationImports(kind="pre-labels", parent_id=request.project_id)
    for one in find_annotation_imports(engine, every):
        task = store.tasks.get(one.task_id)
        if task.status != "COMPLETE":
            continue
        refused = {line.get("uuid") for line in _lines(store, (task.result or {}).get("failures"))}
        for line in _lines(store, one.source):
            about, uuid = line.get("dataRow"), line.get("uuid")
            if isinstance(about, dict) and not names.isdisjoint(about.values()) and uuid not in refused:
                found[to_json(uuid)] = line
    return list(found.values())


def _lines(store: Store, file_id: str | None) -> Iterator[dict[str, Any]]:
    """The objects of a file of lines; of what is no JSON its import has told."""
    if file_id is None:
        return
    with store.files.local(store.files.get(file_id)) as path:
        yield from objects(FileSource(path))


@handles(DeleteAnnotationImport)
def delete_annotation_import(engine: Engine, request: DeleteAnnotationImport) -> AnnotationImport:
    """Forget an import."""
    found = engine.store.get(AnnotationImport, request.import_id)
    engine.store.delete(AnnotationImport, found.id)
    return found
