"""Models and their runs."""

from __future__ import annotations

from annotary.model.project import Model, ModelRun, Name
from annotary.model.row import Split
from annotary.operations import Operation, get, post


class CreateModel(Operation[Model]):
    """Make a model."""

    route = post("/models")
    needs = "member"
    name: Name
    ontology_id: str | None = None
    id: str | None = None


class GetModel(Operation[Model]):
    """One model, by id."""

    route = get("/models/{model_id}")
    model_id: str


class FindModels(Operation[list[Model]]):
    """Models by id, all or those with a name."""

    route = get("/models")
    name: str | None = None


class CreateModelRun(Operation[ModelRun]):
    """Make a run of a model, empty yet."""

    route = post("/models/{model_id}/runs")
    needs = "member"
    model_id: str
    name: Name
    id: str | None = None


class GetModelRun(Operation[ModelRun]):
    """One model run, by id."""

    route = get("/model-runs/{model_run_id}")
    model_run_id: str


class FindModelRuns(Operation[list[ModelRun]]):
    """The runs of a model, or all."""

    route = get("/model-runs")
    model_id: str | None = None


class AddRunRows(Operation[int]):
    """Put data rows into a run, with copies of their labels in a project; gives how many."""

    route = post("/model-runs/{model_run_id}/rows")
    needs = "member"
    model_run_id: str
    data_row_ids: tuple[str, ...]
    project_id: str | None = None


class AssignSplit(Operation[int]):
    """Say which rows of a run were for training, validation and test; gives how many."""

    route = post("/model-runs/{model_run_id}/splits")
    needs = "member"
    model_run_id: str
    data_row_ids: tuple[str, ...]
    split: Split
