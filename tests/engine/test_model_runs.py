from __future__ import annotations

from typing import Any

import pytest

from annotary.engine.masks import mask_png
from annotary.errors import Conflict, NotFound
from annotary.operations.labels import DeleteLabels
from annotary.operations.model_runs import (
    AddRunRows,
    AssignSplit,
    CreateModel,
    CreateModelRun,
    FindModelRuns,
    FindModels,
    GetModel,
    GetModelRun,
    RemoveRunRows,
)
from annotary.operations.ontologies import CreateOntology
from annotary.operations.projects import (
    CreateProject,
    CreateSnapshot,
    DeleteProject,
    FindSnapshots,
    Summarize,
)
from tests.engine.world import World, box, exported, lines, mask, png, take_rows


@pytest.fixture
def run(world: World) -> str:
    world.call(CreateModel(name="detector", id="model"))
    return world.call(CreateModelRun(model_id="model", name="first", id="run")).id


def add(world: World, *places: int, labels: bool = True) -> int:
    ids = tuple(world.ids[place] for place in places)
    count: int = world.call(
        AddRunRows(model_run_id="run", data_row_ids=ids, project_id="streets" if labels else None)
    )
    return count


def rows(world: World, **query: Any) -> dict[str, Any]:
    found = lines(exported(world.engine, "run", run=True, **query)[0])
    return {
        id: row if row.get("deleted") else row["experiments"]["model"]["runs"]["run"]
        for id, row in found.items()
    }


def test_models_and_runs_have_ids_of_the_vendors_shape(world: World) -> None:
    model = world.call(CreateModel(name="m", ontology_id="street"))
    first = world.call(CreateModelRun(model_id=model.id, name="1"))
    assert (len(model.id), len(first.id)) == (36, 36)
    assert world.call(GetModel(model_id=model.id)) == model
    assert world.call(GetModelRun(model_run_id=first.id)) == first
    other = world.call(CreateModel(name="n"))
    second = world.call(CreateModelRun(model_id=other.id, name="1"))
    assert world.call(FindModels(name="m")) == [model]
    assert {one.id for one in world.call(FindModels())} == {model.id, other.id}
    assert world.call(FindModelRuns(model_id=other.id)) == [second]
    assert len(world.call(FindModelRuns())) == 2


def test_runs_of_a_project_are_those_with_a_present_row_of_it(world: World, run: str) -> None:
    def found(project: str = "streets") -> list[str]:
        return [one.id for one in world.call(FindModelRuns(project_id=project))]

    assert found() == [], "it has no row yet"
    add(world, 1)
    assert found() == [run]
    other = world.call(CreateProject(name="Other"))
    assert found(other.id) == []
    world.call(CreateModelRun(model_id="model", name="second", id="second"))
    assert found() == [run]
    world.call(RemoveRunRows(model_run_id=run, data_row_ids=(world.ids[1],)))
    assert found() == [], "what was removed is not present"
    with pytest.raises(NotFound, match="no project 'nope'"):
        found("nope")


def test_names_and_ids_are_taken_once(world: World, run: str) -> None:
    world.call(CreateModel(name="other", id="other"))
    for operation, error, complaint in (
        (CreateModel(name="detector"), Conflict, "there is a model 'detector' already"),
        (CreateModel(name="x", id="model"), Conflict, "model 'model' is there already"),
        (CreateModel(name="x", ontology_id="nope"), NotFound, "no ontology 'nope'"),
        (CreateModelRun(model_id="model", name="first"), Conflict, "has a run 'first' already"),
        (CreateModelRun(model_id="other", name="x", id="run"), Conflict, "model run 'run' is there already"),
        (CreateModelRun(model_id="nope", name="x"), NotFound, "no model 'nope'"),
        (GetModel(model_id="nope"), NotFound, "no model 'nope'"),
        (GetModelRun(model_run_id="nope"), NotFound, "no model run 'nope'"),
        (FindModelRuns(model_id="nope"), NotFound, "no model 'nope'"),
    ):
        with pytest.raises(error, match=complaint):
            world.call(operation)
    world.call(CreateModelRun(model_id="other", name="first"))


def test_rows_come_with_copies_of_their_labels(world: World, run: str) -> None:
    label = world.label(0, box(), mask("road-1", 2))
    assert add(world, 0, 1, 0) == 2
    labelled, bare = rows(world)[world.ids[0]], rows(world)[world.ids[1]]
    assert (len(labelled["run_data_row_id"]), bare["labels"]) == (36, [])
    (copy,) = labelled["labels"]
    (original,) = world.part(0)["labels"]
    assert copy["id"] == label.id
    drawn, masked = copy["annotations"]["objects"]
    assert drawn == original["annotations"]["objects"][0]
    assert masked["mask"]["url"].endswith("/api/v1/models/model/annotations/road-1/mask")
    # A copy: what happens in the project does not reach it, and its pixels are its own.
    world.call(DeleteProject(project_id="streets"))
    assert rows(world)[world.ids[0]] == labelled
    assert mask_png(world.engine, "road-1") == png(2)


def test_adding_rows_again_brings_their_labels_up_to_date(world: World, run: str) -> None:
    label = world.label(0)
    add(world, 0)
    _, cursor = exported(world.engine, "run", run=True)
    add(world, 0)
    assert exported(world.engine, "run", run=True)[1] == cursor
    world.label(0, box(7), label_id=label.id)
    world.label(0, box(8))
    add(world, 0)
    labels = rows(world, since=cursor)[world.ids[0]]["labels"]
    assert [one["annotations"]["objects"][0]["bounding_box"]["left"] for one in labels] == [7, 8]
    world.call(DeleteLabels(project_id="streets", label_ids=(label.id,)))
    add(world, 0)
    assert len(rows(world)[world.ids[0]]["labels"]) == 2


def test_rows_need_no_project(world: World, run: str) -> None:
    assert add(world, 9, labels=False) == 1
    assert rows(world)[world.ids[9]]["labels"] == []
    with pytest.raises(NotFound, match=f"data row '{world.ids[9]}' is not in project 'streets'"):
        add(world, 9)


def test_a_model_without_an_ontology_gets_that_of_the_labels(world: World, run: str) -> None:
    world.call(CreateModelRun(model_id="model", name="second", id="second"))
    world.label(0)
    add(world, 0)
    assert world.call(GetModel(model_id="model")).ontology_id == "street"
    for id in ("run", "second"):
        assert "Big Car" in world.engine.store.at("model_run", id)[2]
    other = world.call(CreateOntology(name="o", normalized=world.ontology.normalized))
    world.call(CreateModel(name="n", id="n", ontology_id=other.id))
    world.call(CreateModelRun(model_id="n", name="r", id="r"))
    world.call(AddRunRows(model_run_id="r", data_row_ids=(world.ids[0],), project_id="streets"))
    assert world.call(GetModel(model_id="n")).ontology_id == other.id


def test_a_split_is_shown_in_lower_case(world: World, run: str) -> None:
    add(world, 0, 1)
    _, cursor = exported(world.engine, "run", run=True)
    split = AssignSplit(model_run_id="run", data_row_ids=(world.ids[1],), split="TRAINING")
    assert world.call(split) == 1
    assert rows(world, since=cursor)[world.ids[1]]["data_split"] == "training"
    assert "data_split" not in rows(world)[world.ids[0]]
    _, cursor = exported(world.engine, "run", run=True)
    world.call(split)
    assert exported(world.engine, "run", run=True)[1] == cursor


def test_unknown_rows_and_runs_are_named(world: World, run: str) -> None:
    for operation, complaint in (
        (AssignSplit(model_run_id="run", data_row_ids=(world.ids[0],), split="TEST"), "is not in model run"),
        (AssignSplit(model_run_id="nope", data_row_ids=(), split="TEST"), "no model run 'nope'"),
        (AddRunRows(model_run_id="run", data_row_ids=("nope",)), "no data row 'nope'"),
        (AddRunRows(model_run_id="run", data_row_ids=(), project_id="nope"), "no project 'nope'"),
        (AddRunRows(model_run_id="nope", data_row_ids=()), "no model run 'nope'"),
    ):
        with pytest.raises(NotFound, match=complaint):
            world.call(operation)


def test_runs_are_counted_and_named_like_projects(world: World, run: str) -> None:
    world.label(0, box(), mask())
    add(world, 0, 1)
    part = {"name": "first", "predictions": [{"id": "p", "annotations": {"objects": [box(confidence=0.5)]}}]}
    row = {
        "data_row": {"id": world.ids[1], "row_data": "https://example.org/key-1.png", "global_key": "key-1"}
    }
    take_rows(world.engine, [{**row, "experiments": {"model": {"name": "detector", "runs": {"run": part}}}}])
    summary = world.call(Summarize(kind="model_run", id="run"))
    assert (summary.rows, summary.labels, summary.rows_without_objects) == (2, 2, 0)
    assert (summary.by_status, summary.by_kind) == ({}, {"box": 2, "mask": 1})
    snapshot = world.call(CreateSnapshot(kind="model_run", id="run", name="v1"))
    assert snapshot.sequence == summary.sequence
    assert world.call(FindSnapshots(kind="model_run", id="run")) == [snapshot]
    with pytest.raises(NotFound, match="no model run 'nope'"):
        world.call(Summarize(kind="model_run", id="nope"))
