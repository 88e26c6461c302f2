"""Models and their runs."""

from __future__ import annotations

from uuid import uuid4

from annotary.engine import run_rows
from annotary.engine.core import Engine, handles
from annotary.engine.places import EMPTY
from annotary.engine.versions import open_run
from annotary.errors import Conflict
from annotary.model.base import to_json
from annotary.model.ontology import Ontology
from annotary.model.project import Model, ModelRun
from annotary.operations.model_runs import (
    AddRunRows,
    AssignSplit,
    CreateModel,
    CreateModelRun,
    FindModelRuns,
    FindModels,
    GetModel,
    GetModelRun,
)

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
    """Model runs by id."""
    if request.model_id is not None:
        engine.store.get(Model, request.model_id)
    return engine.store.find(ModelRun, parent=request.model_id, limit=ALL)


@handles(AddRunRows)
def add_run_rows(engine: Engine, request: AddRunRows) -> int:
    """Put data rows into a run, with copies of their labels in a project."""
    with engine.store.transaction():
        opened = open_run(engine, request.model_run_id)
        return run_rows.add(engine, opened, request.data_row_ids, request.project_id)


@handles(AssignSplit)
def assign_split(engine: Engine, request: AssignSplit) -> int:
    """Say what rows of a run were for."""
    split = to_json(request.split.lower())
    with engine.store.transaction():
        opened = open_run(engine, request.model_run_id)
        count = 0
        for rows in opened.rows(engine.store, request.data_row_ids):
            changed = [{**row, "extra": split} for row in rows if row["extra"] != split]
            opened.change.put_rows([], changed)
            count += len(rows)
        return count
