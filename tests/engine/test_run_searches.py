from __future__ import annotations

import pytest

from annotary.errors import NotFound
from annotary.model.project import Pipeline
from annotary.operations.labels import SearchLabels, SetBenchmark
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
    GetModelRun,
    RemoveRunRows,
)
from tests.engine.world import World, box, exported, lines


@pytest.fixture
def run(world: World) -> str:
    model = world.call(CreateModel(name="detector", ontology_id="street", id="model"))
    made = world.call(CreateModelRun(model_id=model.id, name="first", id="run", config={"epochs": 3}))
    assert made.config == {"epochs": 3}
    return made.id


def _shown(world: World, run: str) -> dict[str, list[str]]:
    """The labels of the rows of a run, by data row."""
    data, _ = exported(world.engine, run, run=True)
    return {
        id: [label["id"] for label in row["experiments"]["model"]["runs"][run]["labels"]]
        for id, row in lines(data).items()
    }


def test_a_run_takes_given_labels_and_no_others(world: World, run: str) -> None:
    first, second = world.label(0), world.label(0)
    third = world.label(3)
    assert world.call(AddRunRows(model_run_id=run, label_ids=(second.id, third.id))) == 2
    assert _shown(world, run) == {world.ids[0]: [second.id], world.ids[3]: [third.id]}
    with pytest.raises(NotFound, match="no label 'nope'"):
        world.call(AddRunRows(model_run_id=run, label_ids=(first.id, "nope")))
    assert world.call(AddRunRows(model_run_id=run, label_ids=(first.id,))) == 1
    assert sorted(_shown(world, run)[world.ids[0]]) == sorted((first.id, second.id))


def test_a_run_takes_all_labelled_rows_of_a_project(world: World, run: str) -> None:
    labels = {world.ids[place]: [world.label(place).id] for place in (1, 4)}
    assert world.call(AddRunRows(model_run_id=run, project_id="streets")) == 2
    assert _shown(world, run) == labels
    assert world.call(AddRunRows(model_run_id=run, global_keys=("key-8",))) == 1
    assert _shown(world, run) == {**labels, world.ids[8]: []}


def test_the_rows_of_a_run_come_in_pages_with_split_and_label(world: World, run: str) -> None:
    label = world.label(2)
    world.call(AddRunRows(model_run_id=run, data_row_ids=tuple(world.ids[:4]), project_id="streets"))
    world.call(AssignSplit(model_run_id=run, split="TEST", global_keys=("key-2",)))
    page = world.call(FindRunRows(model_run_id=run, limit=3))
    rest = world.call(FindRunRows(model_run_id=run, after=page[-1].data_row_id))
    assert [one.data_row_id for one in (*page, *rest)] == world.ids[:4]
    assert [(one.split, one.label_id) for one in page] == [
        ("UNASSIGNED", None),
        ("UNASSIGNED", None),
        ("TEST", label.id),
    ]
    assert world.call(RemoveRunRows(model_run_id=run, data_row_ids=tuple(world.ids[:3]))) == 3
    assert [one.data_row_id for one in world.call(FindRunRows(model_run_id=run))] == [world.ids[3]]
    with pytest.raises(NotFound):
        world.call(FindRunRows(model_run_id=run, after="nope"))


def test_a_training_program_says_what_it_does(world: World, run: str) -> None:
    pipeline = Pipeline(status="FAILED", error_message="no memory", metadata={"host": "a"})
    world.call(ChangeModelRun(model_run_id=run, pipeline=pipeline))
    world.call(ChangeModelRun(model_run_id=run, config={"epochs": 4}))
    found = world.call(GetModelRun(model_run_id=run))
    assert (found.config, found.pipeline) == ({"epochs": 4}, pipeline)


def test_runs_and_models_are_deleted_with_what_is_in_them(world: World, run: str) -> None:
    world.call(CreateModelRun(model_id="model", name="second", id="other"))
    world.call(AddRunRows(model_run_id=run, data_row_ids=(world.ids[0],)))
    assert world.call(DeleteModelRuns(model_run_ids=(run, run))) == 1
    assert [one.id for one in world.call(FindModelRuns(model_id="model"))] == ["other"]
    with pytest.raises(NotFound, match="'run'"):
        world.call(DeleteModelRuns(model_run_ids=("other", run)))
    assert world.call(DeleteModels(model_ids=("model",))) == 1
    assert not world.call(FindModels())
    assert not world.call(FindModelRuns())
    again = world.call(
        CreateModelRun(model_id=world.call(CreateModel(name="detector")).id, name="first", id="run")
    )
    assert again.id == run


def test_labels_are_found_wherever_they_are(world: World) -> None:
    made = []
    for place in (3, 0, 5):
        world.clock.tick()
        made.append(world.label(place, box()))
    found = world.call(SearchLabels())
    assert [(one.label.id, one.data_row_id) for one in found] == [
        (label.id, world.ids[place]) for label, place in zip(made, (3, 0, 5), strict=True)
    ]
    assert {one.project_id for one in found} == {"streets"}
    newest = world.call(SearchLabels(newest_first=True, skip=1, limit=1))
    assert [one.label.id for one in newest] == [made[1].id]
    assert [one.label.id for one in world.call(SearchLabels(label_ids=(made[2].id, "nope")))] == [made[2].id]
    assert [one.label.id for one in world.call(SearchLabels(data_row_id=world.ids[3]))] == [made[0].id]
    assert not world.call(SearchLabels(dataset_ids=("nope",)))
    assert not world.call(SearchLabels(created_by="nobody@example.com"))
    assert len(world.call(SearchLabels(created_by=world.engine.user.email, project_id="streets"))) == 3
    world.call(SetBenchmark(project_id="streets", label_id=made[1].id))
    assert [one.label.id for one in world.call(SearchLabels(benchmarks=True))] == [made[1].id]
    with pytest.raises(NotFound, match="no project 'nope'"):
        world.call(SearchLabels(project_id="nope"))
