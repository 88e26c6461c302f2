"""Imports with names, carried out by a worker's hands: what comes of each line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from annotary.engine.core import Engine
from annotary.engine.outcomes import OTHER_LINE
from annotary.engine.runner import Runner
from annotary.errors import Conflict, NotFound
from annotary.model.project import AnnotationImport
from annotary.operations.annotation_imports import (
    DeleteAnnotationImport,
    FindAnnotationImports,
    FindPreLabels,
    GetAnnotationImport,
    Kind,
    StartAnnotationImport,
)
from annotary.operations.model_runs import CreateModel, CreateModelRun
from annotary.operations.tasks import GetTask
from tests.engine.world import World, exported, lines


@pytest.fixture
def queued(world: World) -> Engine:
    """The world's engine as a server has it: long work is queued."""
    engine = world.engine
    return Engine(engine.store, user=engine.user, clock=engine.clock, queued=True)


def start(
    engine: Engine, given: list[dict[str, Any]], kind: Kind, parent: str, name: str
) -> AnnotationImport:
    pieces = [json.dumps(one).encode() + b"\n" for one in given]
    file = engine.store.files.make(
        pieces, name="lines.ndjson", media_type="application/x-ndjson", now=engine.now()
    )
    return engine.call(StartAnnotationImport(kind=kind, parent_id=parent, name=name, source=file.id))


def carried_out(engine: Engine, made: AnnotationImport) -> dict[str, Any]:
    """The result of an import's task, after a worker was at it."""
    runner = Runner(engine.store, tasks=1)
    taken = engine.store.tasks.claim(runner._name, None, engine.now())
    assert taken is not None
    runner._carry_out(taken)
    task = engine.call(GetTask(task_id=made.task_id))
    assert task.status == "COMPLETE", task.error
    assert task.result is not None
    return task.result


def told(engine: Engine, id: str) -> Iterator[dict[str, Any]]:
    file = engine.store.files.get(id)
    yield from map(json.loads, b"".join(engine.store.files.read(file)).splitlines())


def point(uuid: str, name: str = "light", **row: str) -> dict[str, Any]:
    return {"uuid": uuid, "dataRow": row, "name": name, "point": {"x": 1, "y": 2}}


def test_labels_are_handed_in_and_every_line_is_told(world: World, queued: Engine) -> None:
    given = [
        point("1", globalKey="key-0"),
        point("2", globalKey="key-1"),
        point("3", globalKey="key-0", name="no such tool"),
        point("4", id=world.ids[2]),
        point("5", globalKey="no such row"),
    ]
    made = start(queued, given, "labels", "streets", "mine")
    assert queued.call(GetTask(task_id=made.task_id)).status == "QUEUED"
    result = carried_out(queued, made)
    statuses = list(told(queued, result["statuses"]))
    assert [(one["uuid"], one["status"]) for one in statuses] == [
        ("1", "FAILURE"),
        ("2", "SUCCESS"),
        ("3", "FAILURE"),
        ("4", "SUCCESS"),
        ("5", "FAILURE"),
    ]
    assert statuses[1]["dataRow"] == {"globalKey": "key-1", "id": world.ids[1]}
    assert statuses[1]["errors"] == []
    failures = list(told(queued, result["failures"]))
    assert failures == [one for one in statuses if one["status"] == "FAILURE"]
    messages = {one["uuid"]: one["errors"][0]["message"] for one in failures}
    assert "no such tool" in json.dumps(messages)
    assert OTHER_LINE in messages.values()
    assert "no such data row" in messages["5"]
    assert (result["taken"], result["failed"]) == (2, 3)
    assert [world.details(place)["workflow_status"] for place in (0, 1, 2)] == [
        "TO_LABEL",
        "IN_REVIEW",
        "IN_REVIEW",
    ]
    assert len(world.part(1)["labels"]) == 1


def test_a_name_is_there_once_among_imports_of_its_kind_and_place(world: World, queued: Engine) -> None:
    made = start(queued, [point("1", globalKey="key-0")], "labels", "streets", "mine")
    with pytest.raises(Conflict, match="import 'mine' already"):
        start(queued, [], "labels", "streets", "mine")
    with pytest.raises(NotFound, match="no project 'nope'"):
        start(queued, [], "labels", "nope", "mine")
    same = GetAnnotationImport(kind="labels", parent_id="streets", name="mine")
    assert queued.call(same) == made
    assert queued.call(FindAnnotationImports(kind="labels", parent_id="streets")) == [made]
    assert not queued.call(FindAnnotationImports(kind="pre-labels", parent_id="streets"))
    assert queued.call(DeleteAnnotationImport(import_id=made.id)) == made
    with pytest.raises(NotFound, match="no import 'mine'"):
        queued.call(same)


def test_pre_labels_are_checked_and_change_nothing(world: World, queued: Engine) -> None:
    before = world.sequence()
    given = [point("1", globalKey="key-0"), point("2", globalKey="key-1", name="no such tool")]
    result = carried_out(queued, start(queued, given, "pre-labels", "streets", "before"))
    assert [one["status"] for one in told(queued, result["statuses"])] == ["SUCCESS", "FAILURE"]
    assert world.sequence() == before


def test_predictions_go_into_their_run(world: World, queued: Engine) -> None:
    world.call(CreateModel(name="detector", ontology_id="street", id="model"))
    world.call(CreateModelRun(model_id="model", name="first", id="run"))
    given = [{**point("1", globalKey="key-3"), "confidence": 0.25}]
    result = carried_out(queued, start(queued, given, "predictions", "run", "best"))
    assert result["taken"] == 1
    row = lines(exported(queued, "run", run=True)[0])[world.ids[3]]
    (prediction,) = row["experiments"]["model"]["runs"]["run"]["predictions"]
    assert prediction["annotations"]["objects"][0]["confidence"] == 0.25


def test_a_broken_file_is_told_and_stores_nothing_of_what_is_broken(world: World, queued: Engine) -> None:
    file = queued.store.files.make(
        [json.dumps(point("1", globalKey="key-0")).encode() + b'\n{"uuid": \n'],
        name="lines.ndjson",
        media_type="application/x-ndjson",
        now=queued.now(),
    )
    made = queued.call(StartAnnotationImport(kind="labels", parent_id="streets", name="cut", source=file.id))
    result = carried_out(queued, made)
    statuses = list(told(queued, result["statuses"]))
    assert [one["status"] for one in statuses] == ["SUCCESS", "FAILURE"]


def test_pre_labels_are_found_by_their_data_row(world: World, queued: Engine) -> None:
    first = [point("1", globalKey="key-0"), point("2", id=world.ids[1]), point("3", globalKey="key-2")]
    made = start(queued, first, "pre-labels", "streets", "first")
    find = FindPreLabels(project_id="streets", data_row_id=world.ids[1])
    assert queued.call(find) == []
    carried_out(queued, made)
    assert queued.call(find) == [first[1]]
    again = [
        {**point("2", globalKey="key-1"), "point": {"x": 3, "y": 4}},
        point("9", "nope", globalKey="key-2"),
    ]
    carried_out(queued, start(queued, again, "pre-labels", "streets", "second"))
    assert queued.call(find) == [again[0]]
    refused = FindPreLabels(project_id="streets", data_row_id=world.ids[2])
    assert queued.call(refused) == [first[2]]
    shown = lines(exported(queued, "streets")[0])[world.ids[1]]
    assert not shown["projects"]["streets"]["labels"]
    with pytest.raises(NotFound, match="no data row 'nope'"):
        queued.call(FindPreLabels(project_id="streets", data_row_id="nope"))
