"""Models and their runs."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from annotary.model.base import Value
from annotary.model.project import Model, ModelRun, Name, Pipeline
from annotary.model.row import Split
from annotary.operations import Operation, get, patch, post


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
    config: dict[str, Any] | None = None


class GetModelRun(Operation[ModelRun]):
    """One model run, by id."""

    route = get("/model-runs/{model_run_id}")
    model_run_id: str


class FindModelRuns(Operation[list[ModelRun]]):
    """The runs of a model, or all; with `data_row_id` those that the row is in.

    With `project_id` those that have a data row in common with the project.
    """

    route = get("/model-runs")
    model_id: str | None = None
    data_row_id: str | None = None
    project_id: str | None = None


class AddRunRows(Operation[int]):
    """Put data rows into a run, with copies of their labels in a project; gives how many.

    With `label_ids` the rows are those of the labels, and no other label comes along; with only a
    `project_id` they are all of the project's rows that have labels.
    """

    route = post("/model-runs/{model_run_id}/rows")
    needs = "member"
    model_run_id: str
    data_row_ids: tuple[str, ...] = ()
    global_keys: tuple[str, ...] = ()
    label_ids: tuple[str, ...] = ()
    project_id: str | None = None


class AssignSplit(Operation[int]):
    """Say which rows of a run were for training, validation and test; gives how many."""

    route = post("/model-runs/{model_run_id}/splits")
    needs = "member"
    model_run_id: str
    split: Split
    data_row_ids: tuple[str, ...] = ()
    global_keys: tuple[str, ...] = ()


class RunRow(Value):
    """A data row of a run."""

    run_data_row_id: str
    data_row_id: str
    split: Split
    label_id: str | None = None


class FindRunRows(Operation[list[RunRow]]):
    """The rows of a run in order; the next page begins after the data row `after`."""

    route = get("/model-runs/{model_run_id}/rows")
    model_run_id: str
    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class RemoveRunRows(Operation[int]):
    """Take rows out of a run, with their labels and predictions there; gives how many."""

    route = post("/model-runs/{model_run_id}/removals")
    needs = "member"
    model_run_id: str
    data_row_ids: tuple[str, ...]


class ChangeModelRun(Operation[ModelRun]):
    """Set what a training program says of a run: its configuration, how far it is."""

    route = patch("/model-runs/{model_run_id}")
    needs = "member"
    model_run_id: str
    config: dict[str, Any] | None | UnsetType = UNSET
    pipeline: Pipeline | None | UnsetType = UNSET


class DeleteModelRuns(Operation[int]):
    """Remove runs with their predictions; gives how many."""

    route = post("/model-runs/deletions")
    needs = "admin"
    model_run_ids: tuple[str, ...]


class DeleteModels(Operation[int]):
    """Remove models with their runs; gives how many."""

    route = post("/models/deletions")
    needs = "admin"
    model_ids: tuple[str, ...]
