"""Imports of labels, pre-labels and predictions that have a name in their project or model run."""

from __future__ import annotations

from annotary.engine.core import Engine, handles
from annotary.errors import Conflict, NotFound
from annotary.model.base import new_id
from annotary.model.project import AnnotationImport, ModelRun, Project
from annotary.operations.annotation_imports import (
    DeleteAnnotationImport,
    FindAnnotationImports,
    GetAnnotationImport,
    Kind,
    StartAnnotationImport,
)
from annotary.operations.imports import StartImport

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


@handles(FindAnnotationImports)
def find_annotation_imports(engine: Engine, request: FindAnnotationImports) -> list[AnnotationImport]:
    """The imports of a kind."""
    _check_parent(engine, request.kind, request.parent_id)
    found = engine.store.find(AnnotationImport, parent=request.parent_id, limit=ALL)
    return sorted(
        (one for one in found if one.kind == request.kind), key=lambda one: (one.created_at, one.id)
    )


@handles(DeleteAnnotationImport)
def delete_annotation_import(engine: Engine, request: DeleteAnnotationImport) -> AnnotationImport:
    """Forget an import."""
    found = engine.store.get(AnnotationImport, request.import_id)
    engine.store.delete(AnnotationImport, found.id)
    return found
