"""Models, their runs, and the data rows in these."""

from __future__ import annotations

from typing import Any

from annotary.model.project import Pipeline
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
)
from annotary.operations.tasks import GetTask
from annotary.server.labelbox import shapes
from annotary.server.labelbox.batches import started
from annotary.server.labelbox.context import Context, Json, resolves
from annotary.server.labelbox.filters import listed


@resolves("Query.model")
def model(parent: Any, context: Context, where: Json) -> Json:
    """One model."""
    return shapes.model(context.call(GetModel(model_id=where["id"])))


@resolves("Query.models")
def models(parent: Any, context: Context, orderBy: str | None = None, **asked: Any) -> Any:
    """Models."""
    found = context.call(FindModels())
    return listed(map(shapes.model, found), order=orderBy, **asked)


@resolves("Mutation.createModel")
def create_model(parent: Any, context: Context, data: Json) -> Json:
    """Make a model."""
    new = CreateModel(name=data["name"], ontology_id=data.get("ontologyId"))
    return shapes.model(context.call(new))


@resolves("Mutation.deleteModels")
def delete_models(parent: Any, context: Context, where: Json) -> int:
    """Remove models."""
    return context.call(DeleteModels(model_ids=tuple(where["ids"])))


@resolves("Query.modelRun")
def model_run(parent: Any, context: Context, where: Json) -> Json:
    """One model run."""
    return shapes.model_run(context.call(GetModelRun(model_run_id=where["id"])))


@resolves("Model.modelRuns")
def model_runs(parent: Json, context: Context, orderBy: str | None = None, **asked: Any) -> Any:
    """The runs of a model."""
    found = context.call(FindModelRuns(model_id=parent["id"]))
    return listed(map(shapes.model_run, found), order=orderBy, **asked)


@resolves("Mutation.createModelRun")
def create_model_run(parent: Any, context: Context, data: Json) -> Json:
    """Make a run of a model."""
    new = CreateModelRun(model_id=data["modelId"], name=data["name"], config=data.get("trainingMetadata"))
    return shapes.model_run(context.call(new))


@resolves("Mutation.deleteModelRuns")
def delete_model_runs(parent: Any, context: Context, where: Json) -> int:
    """Remove model runs."""
    return context.call(DeleteModelRuns(model_run_ids=tuple(where["ids"])))


@resolves("Mutation.updateModelRunConfig")
def update_config(parent: Any, context: Context, modelRun: Json, data: Json) -> Json:
    """Set a run's configuration."""
    change = ChangeModelRun(model_run_id=modelRun["id"], config=data.get("config"))
    return shapes.model_run(context.call(change))


@resolves("Mutation.resetModelRunConfig")
def reset_config(parent: Any, context: Context, modelRun: Json) -> Json:
    """Empty a run's configuration."""
    return shapes.model_run(context.call(ChangeModelRun(model_run_id=modelRun["id"], config={})))


@resolves("Mutation.updateTrainingPipeline")
def update_pipeline(parent: Any, context: Context, modelRun: Json, data: Json) -> Json:
    """Say how far the training behind a run is."""
    pipeline = Pipeline(
        status=data["status"], error_message=data.get("errorMessage"), metadata=data.get("metadata")
    )
    context.call(ChangeModelRun(model_run_id=modelRun["id"], pipeline=pipeline))
    return {
        "status": pipeline.status,
        "errorMessage": pipeline.error_message,
        "metadata": pipeline.metadata,
    }


# The rows of a run


@resolves("Query.annotationGroups")
def run_rows(
    parent: Any, context: Context, where: Json, after: str | None = None, first: int | None = None
) -> Json:
    """A page of a run's rows."""
    id = where["modelRunId"]["id"]
    size = max(1, min(first or 100, 1000))
    found = context.call(FindRunRows(model_run_id=id, after=after, limit=size))
    nodes = [
        {
            "id": one.run_data_row_id,
            "labelId": one.label_id,
            "modelRunId": id,
            "dataSplit": one.split,
            "_data_row_id": one.data_row_id,
        }
        for one in found
    ]
    return {"nodes": nodes, "pageInfo": {"endCursor": found[-1].data_row_id if len(found) == size else None}}


def _registered(context: Context, name: str, rows: int) -> str:
    task: str = started(context, name, "model-run-rows", rows)["taskId"]
    return task


@resolves("Mutation.createMEAModelRunLabelRegistrationTask")
def add_labels(parent: Any, context: Context, where: Json, data: Json) -> str:
    """Put labels with their rows into a run."""
    add = AddRunRows(model_run_id=where["id"], label_ids=tuple(data["labelIds"]))
    return _registered(context, "Add labels to model run", context.call(add))


@resolves("Mutation.createMEAModelRunProjectLabelRegistrationTask")
def add_project(parent: Any, context: Context, where: Json) -> str:
    """Put all labelled rows of a project into a run."""
    add = AddRunRows(model_run_id=where["modelRunId"], project_id=where["projectId"])
    return _registered(context, "Add a project's labels to model run", context.call(add))


@resolves("Mutation.createMEAModelRunDataRowRegistrationTask")
def add_rows(parent: Any, context: Context, where: Json, data: Json) -> str:
    """Put data rows into a run."""
    add = AddRunRows(
        model_run_id=where["id"],
        data_row_ids=tuple(data.get("dataRowIds") or ()),
        global_keys=tuple(data.get("globalKeys") or ()),
    )
    return _registered(context, "Add data rows to model run", context.call(add))


@resolves("Mutation.createAssignDataRowsToDataSplitTask")
def assign_split(parent: Any, context: Context, modelRun: Json, data: Json) -> str:
    """Say which rows were for what."""
    rows = 0
    for one in data["assignments"]:
        assign = AssignSplit(
            model_run_id=modelRun["id"],
            split=one["split"],
            data_row_ids=tuple(one.get("dataRowIds") or ()),
            global_keys=tuple(one.get("globalKeys") or ()),
        )
        rows += context.call(assign)
    return _registered(context, "Assign data splits", rows)


@resolves(
    "Query.MEALabelRegistrationTaskStatus",
    "Query.MEADataRowRegistrationTaskStatus",
    "Query.assignDataRowsToDataSplitTaskStatus",
)
def registration_status(parent: Any, context: Context, where: Json) -> Json:
    """How far the work on a run's rows is."""
    task = context.call(GetTask(task_id=where["id"]))
    return {"status": task.status, "errorMessage": task.error}


@resolves("Mutation.deleteModelRunDataRows")
def remove_rows(parent: Any, context: Context, where: Json) -> int:
    """Take rows out of a run."""
    ids = tuple(where["dataRowIds"])
    return context.call(RemoveRunRows(model_run_id=where["modelRunId"], data_row_ids=ids))
