"""Models and their runs."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import msgspec
from msgspec import UNSET
from msgspec.structs import replace
from sqlalchemy import select

from annotary.engine import run_rows
from annotary.engine.core import Engine, handles
from annotary.engine.places import EMPTY
from annotary.engine.versions import OpenRun, known_rows, open_run, pages_of
from annotary.errors import Conflict, NotFound
from annotary.model.base import derived_uuid, to_json
from annotary.model.ontology import Ontology
from annotary.model.project import Model, ModelRun, Project, Snapshot
from annotary.model.row import Split
from annotary.operations.model_runs import (
    AddRunRows,
    AssignSplit,
    ChangeModelRun,
    CreateModel,
    CreateModelRun,
    DeleteModelRuns,
    DeleteModels,
    FindModelRuns,
    FindModels,
    FindRunRows,
    GetModel,
    GetModelRun,
    RemoveRunRows,
    RunRow,
)
from annotary.store import lookup
from annotary.store.schema import collections

ALL = 100_000


@handles(CreateModel)
def create_model(engine: Engine, request: CreateModel) -> Model:
    """Make a model."""
    store = engine.store
    with store.transaction():
        if request.ontology_id is not None:
            store.get(Ontology, request.ontology_id)
        store.alone("Model", request.name)
        if store.find(Model, name=request.name, limit=1):
            raise Conflict(f"there is a model {request.name!r} already; give another name")
        model = Model(
            id=request.id or str(uuid4()),
            name=request.name,
            created_at=engine.now(),
            ontology_id=request.ontology_id,
        )
        store.add(model)
        return model


@handles(GetModel)
def get_model(engine: Engine, request: GetModel) -> Model:
    """One model."""
    return engine.store.get(Model, request.model_id)


@handles(FindModels)
def find_models(engine: Engine, request: FindModels) -> list[Model]:
    """Models by id."""
    return engine.store.find(Model, name=request.name, limit=ALL)


@handles(CreateModelRun)
def create_model_run(engine: Engine, request: CreateModelRun) -> ModelRun:
    """Make a run, empty yet."""
    store = engine.store
    with store.transaction():
        model = store.get(Model, request.model_id)
        store.alone("ModelRun", model.id, request.name)
        if store.find(ModelRun, name=request.name, parent=model.id, limit=1):
            raise Conflict(f"model {model.name!r} has a run {request.name!r} already; give another name")
        run = ModelRun(
            id=request.id or str(uuid4()),
            model_id=model.id,
            name=request.name,
            created_at=engine.now(),
            created_by=engine.user.email,
            config=request.config,
        )
        store.add(run)
        shown = EMPTY
        if model.ontology_id is not None:
            shown = to_json(store.get(Ontology, model.ontology_id).normalized)
        store.collect("model_run", run.id, run.name, shown)
        return run


@handles(GetModelRun)
def get_model_run(engine: Engine, request: GetModelRun) -> ModelRun:
    """One model run."""
    return engine.store.get(ModelRun, request.model_run_id)


@handles(FindModelRuns)
def find_model_runs(engine: Engine, request: FindModelRuns) -> list[ModelRun]:
    """Model runs by id; raises NotFound."""
    store = engine.store
    if request.model_id is not None:
        store.get(Model, request.model_id)
    found = store.find(ModelRun, parent=request.model_id, limit=ALL)
    if request.project_id is not None:
        store.get(Project, request.project_id)
        with store.reading() as connection:
            beside = lookup.runs_beside(connection, store.org, request.project_id)
        found = [run for run in found if run.id in beside]
    if request.data_row_id is None:
        return found
    row = store.data_rows_by("id", [request.data_row_id]).get(request.data_row_id)
    if row is None:
        raise NotFound(f"no data row {request.data_row_id!r}")
    with store.reading() as connection:
        query = select(collections.c.id).where(
            collections.c.kind == "model_run", collections.c.n.in_(store.collections_of(row.n))
        )
        ids = set(connection.execute(query).scalars())
    return [run for run in found if run.id in ids]


@handles(AddRunRows)
def add_run_rows(engine: Engine, request: AddRunRows) -> int:
    """Put data rows into a run, with copies of their labels in a project."""
    store = engine.store
    with store.transaction() as connection:
        opened = open_run(engine, request.model_run_id)
        if request.label_ids:
            return _add_labels(engine, opened, request.label_ids)
        ids = request.data_row_ids
        if not ids and not request.global_keys and request.project_id is not None:
            store.get(Project, request.project_id)
            ids = tuple(lookup.labelled_ids(connection, store.org, request.project_id))
        return run_rows.add(engine, opened, ids, request.project_id, global_keys=request.global_keys)


def _add_labels(engine: Engine, opened: OpenRun, ids: tuple[str, ...]) -> int:
    """Put the rows of labels into a run, with these labels and no others."""
    store, missing = engine.store, dict.fromkeys(ids)
    rows: dict[str, dict[str, None]] = {}
    for some in pages_of(ids):
        with store.reading() as connection:
            for label in lookup.labels_page(connection, store.org, ids=some, limit=2 * len(some)):
                missing.pop(label["id"], None)
                rows.setdefault(label["project_id"], {})[label["data_row_id"]] = None
    if missing:
        raise NotFound(f"no label {next(iter(missing))!r}")
    only = frozenset(ids)
    return sum(run_rows.add(engine, opened, list(several), id, only=only) for id, several in rows.items())


@handles(AssignSplit)
def assign_split(engine: Engine, request: AssignSplit) -> int:
    """Say what rows of a run were for."""
    split = to_json(request.split.lower())
    with engine.store.transaction():
        opened = open_run(engine, request.model_run_id)
        ids = list(known_rows(engine.store, request.data_row_ids, request.global_keys))
        count = 0
        for rows in opened.rows(engine.store, ids):
            changed = [{**row, "extra": split} for row in rows if row["extra"] != split]
            opened.change.put_rows([], changed)
            count += len(rows)
        return count


@handles(FindRunRows)
def find_run_rows(engine: Engine, request: FindRunRows) -> list[RunRow]:
    """The rows of a run, each with its first label."""
    store = engine.store
    run = store.get(ModelRun, request.model_run_id)
    at, _, _ = store.at("model_run", run.id)
    with store.reading() as connection:
        after = 0
        if request.after is not None:
            number = lookup.number_of(connection, store.org, request.after)
            if number is None:
                raise NotFound(f"no data row {request.after!r} to go on after")
            after = number
        found = lookup.run_rows(connection, at.collection, after, request.limit)
    return [
        RunRow(
            run_data_row_id=derived_uuid(run.id, row["data_row_id"]),
            data_row_id=row["data_row_id"],
            split=_split(row["extra"]),
            label_id=row["label_id"],
        )
        for row in found
    ]


def _split(stored: str) -> Split:
    split: Split = msgspec.convert((msgspec.json.decode(stored) if stored else "unassigned").upper(), Split)
    return split


@handles(RemoveRunRows)
def remove_run_rows(engine: Engine, request: RemoveRunRows) -> int:
    """Take rows out of a run."""
    with engine.store.transaction():
        opened = open_run(engine, request.model_run_id)
        count = 0
        for rows in opened.rows(engine.store, request.data_row_ids):
            opened.change.remove_rows(rows, engine.now())
            count += len(rows)
        return count


@handles(ChangeModelRun)
def change_model_run(engine: Engine, request: ChangeModelRun) -> ModelRun:
    """Set what a training program says of a run."""
    given: dict[str, Any] = {
        name: value for name in ("config", "pipeline") if (value := getattr(request, name)) is not UNSET
    }
    with engine.store.transaction():
        changed = replace(open_run(engine, request.model_run_id).run, **given)
        engine.store.put(changed)
        return changed


@handles(DeleteModelRuns)
def delete_model_runs(engine: Engine, request: DeleteModelRuns) -> int:
    """Remove runs with all that is in them."""
    store = engine.store
    with store.transaction():
        for id in dict.fromkeys(request.model_run_ids):
            store.get(ModelRun, id)
            store.retire("model_run", id)
            store.delete_under(Snapshot, id)
            store.delete(ModelRun, id)
        return len(set(request.model_run_ids))


@handles(DeleteModels)
def delete_models(engine: Engine, request: DeleteModels) -> int:
    """Remove models with their runs."""
    store = engine.store
    with store.transaction():
        for id in dict.fromkeys(request.model_ids):
            store.get(Model, id)
            runs = tuple(run.id for run in store.find(ModelRun, parent=id, limit=ALL))
            delete_model_runs(engine, DeleteModelRuns(model_run_ids=runs))
            store.delete(Model, id)
        return len(set(request.model_ids))
