"""Suspicious labels: each reason by one label that has it, and none for labels that are well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

import annotary
from annotary.engine.core import Engine
from annotary.errors import Invalid
from annotary.model.analysis import Suspects
from annotary.model.export import ExportQuery, ProjectScope, RunScope
from annotary.model.ontology import Normalized
from annotary.operations.analyses import FindSuspects
from annotary.operations.model_runs import AddRunRows, CreateModel, CreateModelRun
from annotary.operations.ontologies import CreateOntology
from annotary.operations.projects import CreateProject
from tests.engine.world import ONTOLOGY, World, annotated, box, mask


def _found(world: World, **more: Any) -> Suspects:
    return world.call(FindSuspects(query=ExportQuery(scope=ProjectScope(id="streets")), **more))


def _polygon(*points: tuple[float, float], name: str = "tree") -> dict[str, Any]:
    ring = [{"x": x, "y": y} for x, y in points]
    return {"name": name, "annotation_kind": "ImagePolygon", "polygon": ring}


def _box(left: float, top: float, width: float, height: float, **more: Any) -> dict[str, Any]:
    return box(bounding_box={"left": left, "top": top, "width": width, "height": height}, **more)


def test_sound_labels_are_not_suspicious(world: World) -> None:
    world.label(0, _box(1, 1, 4, 4), _box(6, 1, 4, 4), _polygon((0, 0), (5, 0), (5, 5)), mask())
    found = _found(world)
    assert (found.rows, found.labels, found.found, found.suspects) == (6, 1, {}, ())


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        ([_box(1, 1, 4, 4), _box(1, 1, 4, 4)], "duplicate"),
        ([_polygon((0, 0), (5, 0), (5, 5)), _polygon((0, 0), (5, 0), (5, 5))], "duplicate"),
        ([_box(9, 1, 4, 4)], "out of bounds"),
        ([_box(-1, 1, 4, 4)], "out of bounds"),
        ([_polygon((0, 0), (5, 0), (5, 9))], "out of bounds"),
        ([_box(1, 1, 0, 4)], "no area"),
        ([_polygon((0, 0), (5, 5), (2, 2))], "no area"),
        ([_polygon((0, 0), (8, 6), (8, 0), (1, 3))], "self-intersecting"),
        ([_box(1, 1, 1, 1)], "tiny"),
    ],
)
def test_each_reason_is_found_alone(world: World, objects: list[dict[str, Any]], reason: str) -> None:
    label = world.label(0, *objects)
    found = _found(world)
    assert found.found == {reason: 1}
    (suspect,) = found.suspects
    assert (suspect.reason, suspect.label_id, suspect.data_row_id) == (reason, label.id, world.ids[0])
    assert suspect.global_key == "key-0"
    assert suspect.feature_id
    assert 0 < suspect.score <= 1


def test_the_most_suspicious_come_first_and_the_rest_is_counted(world: World) -> None:
    world.label(0, _box(1, 1, 1, 1), _box(5, 1, 0, 4))
    world.label(1, _box(9, 1, 4, 4))
    found = _found(world, limit=1)
    assert [one.reason for one in found.suspects] == ["no area"]
    assert found.found == {"no area": 1, "out of bounds": 1, "tiny": 1}
    assert _found(world, limit=0).suspects == ()
    scores = [one.score for one in _found(world).suspects]
    assert scores == sorted(scores, reverse=True)
    with pytest.raises(Invalid, match="limit"):
        _found(world, limit=-1)


def _project(engine: Engine, normalized: dict[str, Any]) -> World:
    world = World.__new__(World)
    world.engine, world.call = engine, engine.call
    made = msgspec.convert(normalized, Normalized)
    engine.call(CreateOntology(name="asking", normalized=made, id="asking"))
    engine.call(CreateProject(name="asking", ontology_id="asking", id="asking"))
    return world


def test_required_questions_want_answers(world: World) -> None:
    normalized = msgspec.json.decode(msgspec.json.encode(ONTOLOGY))
    normalized["classifications"][0]["required"] = True
    normalized["tools"][0]["classifications"][0]["required"] = True
    other = _project(world.engine, normalized)
    from annotary.operations.labels import SaveLabel
    from annotary.operations.projects import CreateBatch

    other.call(CreateBatch(project_id="asking", name="all", data_row_ids=tuple(world.ids[:2])))
    answer = {"name": "weather", "checklist_answers": [{"name": "rain"}]}
    parked = {"name": "Is it parked?", "radio_answer": {"name": "No"}}
    for place, given in enumerate(
        (annotated(_box(1, 1, 4, 4)), annotated(_box(1, 1, 4, 4, classifications=[parked]), answers=[answer]))
    ):
        other.call(SaveLabel(project_id="asking", data_row_id=world.ids[place], annotations=given))
    found = other.call(FindSuspects(query=ExportQuery(scope=ProjectScope(id="asking"))))
    assert {(one.data_row_id, one.detail) for one in found.suspects} == {
        (world.ids[0], "weather"),
        (world.ids[0], "Is it parked?"),
    }


def test_unusual_sizes_stand_out_of_their_class(world: World) -> None:
    many = [_box(1, 1, 3 + n / 100, 2) for n in range(40)]
    world.label(0, *many)
    assert "unusual size" not in _found(world).found
    world.label(1, _box(0, 0, 12, 8))
    found = [one for one in _found(world, limit=1000).suspects if one.reason == "unusual size"]
    assert [one.data_row_id for one in found] == [world.ids[1]]
    assert "larger than usual" in found[0].detail


def test_a_run_of_sound_labels(world: World) -> None:
    world.label(0, _box(1, 1, 4, 4))
    model = world.call(CreateModel(name="m", ontology_id="street"))
    run = world.call(CreateModelRun(model_id=model.id, name="r"))
    world.call(AddRunRows(model_run_id=run.id, data_row_ids=(world.ids[0],), project_id="streets"))
    found = world.call(FindSuspects(query=ExportQuery(scope=RunScope(id=run.id))))
    assert (found.rows, found.labels, found.found) == (1, 1, {})


def test_a_box_unlike_the_polygon_of_its_class(client: annotary.Client, tmp_path: Path) -> None:
    ring = [0, 0, 100, 0, 100, 100, 0, 100]
    annotations = [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 100, 100], "segmentation": [ring]},
        {"id": 2, "image_id": 1, "category_id": 1, "bbox": [0, 0, 100, 60]},
        {"id": 3, "image_id": 2, "category_id": 1, "bbox": [0, 0, 100, 100], "segmentation": [ring]},
        {"id": 4, "image_id": 2, "category_id": 1, "bbox": [0, 0, 100, 99]},
    ]
    pictures = [{"id": n, "file_name": f"{n}.jpg", "width": 200, "height": 200} for n in (1, 2)]
    document = {"images": pictures, "annotations": annotations, "categories": [{"id": 1, "name": "car"}]}
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(document))
    client.load(path, project="cars")
    (project,) = client.get_projects("cars")
    found = project.lint()
    assert found.found == {"box unlike its shape": 1}
    assert found.suspects[0].score == pytest.approx(0.4)
