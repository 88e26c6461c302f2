from __future__ import annotations

from typing import Any

import msgspec
import pytest

from annotary.engine.masks import mask_png
from annotary.errors import Invalid, NotFound
from annotary.model.annotation import Annotations
from annotary.model.project import ConsensusSettings
from annotary.model.row import LabelDetails, Performance
from annotary.operations.labels import (
    CreateReview,
    DeleteLabels,
    DropBenchmark,
    FindLabels,
    GetLabel,
    SaveLabel,
    SetBenchmark,
)
from annotary.operations.ontologies import CreateOntology
from annotary.operations.projects import ChangeProject, CreateBatch, CreateProject, GetProject, MoveRows
from tests.engine.world import START, World, annotated, box, exported, mask, parked, png, take_rows

LABELING, REVIEW, REWORK = "Initial labeling task", "Initial review task", "Rework (all rejected)"
NOW = START.isoformat(timespec="milliseconds")


def get(world: World, id: str, as_of: int | None = None) -> Any:
    return world.call(GetLabel(project_id="streets", label_id=id, as_of=as_of))


# Saving


def test_a_saved_label_is_completed_and_stands_in_exports(world: World) -> None:
    label = world.label(0, box(classifications=[parked("kerb")]))
    (drawn,) = label.annotations.objects
    assert (drawn.feature_schema_id, drawn.name, drawn.value) == ("car", "Big Car", "big_car")
    (answer,) = drawn.classifications[0].answers()
    assert (answer.feature_schema_id, answer.value) == ("parked-yes", "yes")
    assert answer.classifications[0].feature_schema_id == "where"
    assert label.label_details == LabelDetails(
        created_at=NOW, updated_at=NOW, created_by="annotary@localhost", content_last_updated_at=NOW
    )
    (shown,) = world.part(0)["labels"]
    assert shown == msgspec.json.decode(msgspec.json.encode(label))
    assert world.call(FindLabels(project_id="streets", data_row_id=world.ids[0])) == [label]
    assert get(world, label.id) == label


def test_the_callers_annotations_stay_as_they_are(world: World) -> None:
    given = annotated(box(classifications=[parked()]))
    before = msgspec.json.encode(given)
    first, second = (
        world.call(SaveLabel(project_id="streets", data_row_id=world.ids[0], annotations=given))
        for _ in range(2)
    )
    assert msgspec.json.encode(given) == before
    assert first.annotations.objects[0].feature_id != second.annotations.objects[0].feature_id


def test_a_new_version_keeps_who_made_it_and_when(world: World) -> None:
    label = world.label(0)
    world.call(CreateReview(project_id="streets", label_id=label.id, score=-1))
    sequence = world.sequence()
    now = world.clock.tick()
    after = world.label(0, box(5), label_id=label.id)
    assert after.id == label.id
    details = after.label_details
    assert isinstance(details, LabelDetails)
    assert (details.created_at, details.updated_at, details.content_last_updated_at) == (NOW, now, now)
    assert len(details.reviews) == 1
    assert get(world, label.id, sequence).annotations.objects[0].bounding_box.left == 1
    assert get(world, label.id).annotations.objects[0].bounding_box.left == 5
    assert world.active(0) == now
    with pytest.raises(NotFound, match=f"no label '{label.id}' in project 'streets' at 1"):
        get(world, label.id, 1)
    with pytest.raises(Invalid, match="as_of: 999"):
        get(world, label.id, 999)


def test_what_is_said_of_a_label_is_kept_and_written_the_stores_way(world: World) -> None:
    details = LabelDetails(created_at="2025-01-02T03:04:05+01:00", created_by="ann@example.com")
    performance = Performance(seconds_to_create=12, skipped=True)
    label = world.label(0, details=details, performance=performance)
    said = label.label_details
    assert isinstance(said, LabelDetails)
    assert (said.created_at, said.created_by) == ("2025-01-02T02:04:05.000+00:00", "ann@example.com")
    assert label.performance_details == performance
    again = world.label(0, label_id=label.id)
    assert again.performance_details == performance
    assert set(world.rows(filters={"label_created_at": ["2025-01-02", "2025-01-02"]})) == {world.ids[0]}
    with pytest.raises(Invalid, match="not a date"):
        world.label(0, details=LabelDetails(created_at="yesterday"))


def test_an_object_more_can_be_put_before_those_that_are_there(world: World) -> None:
    label = world.label(0)
    given = Annotations(objects=(*annotated(box(3)).objects, *label.annotations.objects))
    request = SaveLabel(project_id="streets", data_row_id=world.ids[0], annotations=given, label_id=label.id)
    after = world.call(request)
    assert [one.feature_id for one in after.annotations.objects][1] == label.annotations.objects[0].feature_id


def test_labels_of_a_row_keep_their_order(world: World) -> None:
    ids = [world.label(0, box(place)).id for place in range(4)]
    world.call(DeleteLabels(project_id="streets", label_ids=(ids[1],)))
    ids.append(world.label(0, box(9)).id)
    world.label(0, box(8), label_id=ids[0])
    found = world.call(FindLabels(project_id="streets", data_row_id=world.ids[0]))
    assert [label.id for label in found] == [ids[0], *ids[2:]]
    assert [label["id"] for label in world.part(0)["labels"]] == [ids[0], *ids[2:]]


def test_masks_have_an_address_and_keep_their_pixels(world: World) -> None:
    label = world.label(0, mask("road-1", seed=3))
    (drawn,) = label.annotations.objects
    url = "http://127.0.0.1:8100/api/v1/projects/streets/annotations/road-1/index/1/mask"
    assert drawn.mask.url == url
    assert world.part(0)["labels"][0]["annotations"]["objects"][0]["mask"] == {"url": url}
    # What was got can be saved again, with more.
    given = Annotations(objects=(*label.annotations.objects, *annotated(mask("road-2", 4)).objects))
    world.call(
        SaveLabel(project_id="streets", data_row_id=world.ids[0], annotations=given, label_id=label.id)
    )
    assert mask_png(world.engine, "road-1") == png(3)
    assert mask_png(world.engine, "road-2") == png(4)


def test_unknown_keys_of_an_imported_label_survive_a_new_version(world: World) -> None:
    label = {
        "id": "imported",
        "x_team": "blue",
        "label_details": {"created_at": "2026-01-01", "x_tool": "pen"},
        "performance_details": {"seconds_to_create": 3, "x_idle": 1},
        "annotations": {"objects": []},
        "is_benchmark_reference": True,
    }
    row = {
        "data_row": {"id": world.ids[0], "row_data": "https://example.org/key-0.png", "global_key": "key-0"}
    }
    take_rows(world.engine, [{**row, "projects": {"streets": {"labels": [label]}}}])
    world.label(0, label_id="imported", performance=Performance(seconds_to_create=4))
    world.call(CreateReview(project_id="streets", label_id="imported", score=1))
    (shown,) = world.part(0)["labels"]
    assert (shown["x_team"], shown["is_benchmark_reference"]) == ("blue", True)
    assert (shown["label_details"]["x_tool"], len(shown["label_details"]["reviews"])) == ("pen", 1)
    assert shown["performance_details"] == {
        "seconds_to_create": 4,
        "seconds_to_review": 0,
        "skipped": False,
        "x_idle": 1,
    }


def test_a_project_without_an_ontology_learns_one(world: World) -> None:
    world.call(CreateProject(name="bare", id="bare"))
    world.call(CreateBatch(project_id="bare", name="b", data_row_ids=(world.ids[0],)))
    request = SaveLabel(project_id="bare", data_row_id=world.ids[0], annotations=annotated(box()))
    first = world.call(request)
    second = world.call(request)
    ids = {one.annotations.objects[0].feature_schema_id for one in (first, second)}
    ontology_id = world.call(GetProject(project_id="bare")).ontology_id
    assert ontology_id is not None
    normalized = world.engine.store.get(type(world.ontology), ontology_id).normalized
    assert [(tool.name, {tool.feature_schema_id}) for tool in normalized.tools] == [("Big Car", ids)]


@pytest.mark.parametrize(
    ("drawn", "complaint"),
    [
        (box(name="bus"), "unknown rectangle in the project's ontology; known: Big Car: 'bus'"),
        (box(feature_schema_id="tree"), "unknown rectangle"),
        (box(name="tree", feature_schema_id="car"), "schema id and name are not the same"),
        (box(float("nan")), "not finite"),
        (box(float("inf")), "not finite"),
        (mask() | {"mask": {"png": msgspec.to_builtins(b"no picture")}}, "mask"),
        (
            {
                "name": "stands on",
                "annotation_kind": "ImageUnidirectionalRelationship",
                "unidirectional_relationship": {"source": "a", "target": "b"},
            },
            "a relationship to an annotation that is not there",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused_and_changes_nothing(
    world: World, drawn: dict[str, Any], complaint: str
) -> None:
    before = world.sequence()
    with pytest.raises(Invalid, match=complaint):
        world.label(0, drawn)
    assert world.sequence() == before
    assert world.part(0)["labels"] == []


def test_the_same_feature_id_twice_is_refused(world: World) -> None:
    with pytest.raises(Invalid, match="twice in one label"):
        world.label(0, box(feature_id="same"), box(feature_id="same"))


def test_a_mask_of_another_size_is_refused(world: World) -> None:
    row = {
        "data_row": {"id": world.ids[0], "row_data": "https://example.org/key-0.png", "global_key": "key-0"}
    }
    take_rows(world.engine, [{**row, "media_attributes": {"height": 99, "width": 99}}])
    with pytest.raises(Invalid, match="the mask is not of its image's size, 99 x 99 px"):
        world.label(0, mask())


def test_unknown_labels_and_rows_are_named(world: World) -> None:
    label = world.label(0)
    for place, more, complaint in (
        (9, {}, f"data row '{world.ids[9]}' is not in project 'streets'"),
        (0, {"label_id": "nope"}, "no label 'nope' in project 'streets'"),
        (1, {"label_id": label.id}, f"label '{label.id}' is not one of data row '{world.ids[1]}'"),
        (0, {"project_id": "nope"}, "no project 'nope'"),
    ):
        with pytest.raises(NotFound, match=complaint):
            world.label(place, **more)
    with pytest.raises(NotFound, match="no label 'nope'"):
        get(world, "nope")
    with pytest.raises(NotFound, match="is not in project"):
        world.call(FindLabels(project_id="streets", data_row_id=world.ids[9]))


# The way through the workflow


def test_a_submit_sends_a_row_to_review(world: World) -> None:
    world.label(0)
    assert world.details(0)["workflow_status"] == "IN_REVIEW"
    assert world.history(0) == [("Move", LABELING, REVIEW), ("Move", None, LABELING)]
    world.label(0)
    assert len(world.history(0)) == 2


def test_saving_without_a_submit_moves_nothing_but_counts_as_activity(world: World) -> None:
    now = world.clock.tick()
    world.label(0, submit=False)
    assert (world.details(0)["workflow_status"], world.active(0)) == ("TO_LABEL", now)


def test_a_row_that_should_get_several_labels_waits_for_them(world: World) -> None:
    world.send(world.ids[6:7], "two", consensus=ConsensusSettings(number_of_labels=2))
    world.label(6)
    assert world.history(6) == []
    world.label(6)
    assert world.details(6)["workflow_status"] == "IN_REVIEW"


def test_rework_goes_back_to_review(world: World) -> None:
    label = world.label(0)
    world.call(CreateReview(project_id="streets", label_id=label.id, score=-1))
    assert world.history(0)[0] == ("Reject", REVIEW, REWORK)
    assert world.details(0)["workflow_status"] == "IN_REWORK"
    world.label(0, label_id=label.id)
    assert world.history(0)[0] == ("Move", REWORK, REVIEW)
    assert world.details(0)["workflow_status"] == "IN_REVIEW"


def test_approval_ends_the_way(world: World) -> None:
    label = world.label(0)
    now = world.clock.tick()
    review = world.call(CreateReview(project_id="streets", label_id=label.id, score=1))
    assert world.history(0)[0] == ("Approve", REVIEW, None)
    details = world.part(0)["labels"][0]["label_details"]
    assert details["reviews"] == [
        {"id": review.id, "score": 1, "created_at": now, "created_by": "annotary@localhost"}
    ]
    assert (details["updated_at"], details["content_last_updated_at"]) == (now, NOW)
    # A verdict on a row that is done is noted and moves it no more.
    world.call(CreateReview(project_id="streets", label_id=label.id, score=-1))
    assert world.details(0)["workflow_status"] == "DONE"
    world.label(0, label_id=label.id)
    assert world.details(0)["workflow_status"] == "DONE"


def test_a_review_needs_a_label(world: World) -> None:
    with pytest.raises(NotFound, match="no label 'nope'"):
        world.call(CreateReview(project_id="streets", label_id="nope", score=1))


def test_a_row_without_a_label_left_waits_to_be_labelled_again(world: World) -> None:
    first, second = world.label(0), world.label(0)
    delete = DeleteLabels(project_id="streets", label_ids=(first.id, first.id))
    assert world.call(delete) == 1
    assert world.details(0)["workflow_status"] == "IN_REVIEW"
    now = world.clock.tick()
    world.call(DeleteLabels(project_id="streets", label_ids=(second.id,)))
    assert world.history(0)[0] == ("Move", REVIEW, LABELING)
    assert (world.details(0)["workflow_status"], world.active(0)) == ("TO_LABEL", now)
    with pytest.raises(NotFound, match=f"no label '{first.id}'"):
        world.call(delete)
    world.label(0)
    assert world.history(0)[:2] == [("Move", LABELING, REVIEW), ("Move", REVIEW, LABELING)]


def test_labels_of_several_rows_are_removed_at_once_or_not_at_all(world: World) -> None:
    ids = tuple(world.label(place).id for place in range(3))
    before = world.sequence()
    with pytest.raises(NotFound, match="no label 'nope'"):
        world.call(DeleteLabels(project_id="streets", label_ids=(*ids, "nope")))
    assert world.sequence() == before
    assert world.call(DeleteLabels(project_id="streets", label_ids=ids)) == 3


# Benchmarks


def test_a_row_has_one_benchmark(world: World) -> None:
    ids = [world.label(0).id for _ in range(3)]

    def marked() -> list[str]:
        labels = world.part(0)["labels"]
        return [label["id"] for label in labels if label.get("is_benchmark_reference")]

    now = world.clock.tick()
    world.call(SetBenchmark(project_id="streets", label_id=ids[1]))
    assert (marked(), world.active(0)) == ([ids[1]], now)
    assert get(world, ids[1]).is_benchmark_reference is True
    world.call(SetBenchmark(project_id="streets", label_id=ids[2]))
    assert marked() == [ids[2]]
    before = world.sequence()
    world.call(SetBenchmark(project_id="streets", label_id=ids[2]))
    world.call(DropBenchmark(project_id="streets", label_id=ids[1]))
    assert world.sequence() == before
    world.call(DropBenchmark(project_id="streets", label_id=ids[2]))
    assert marked() == []
    with pytest.raises(NotFound, match="no label 'nope'"):
        world.call(SetBenchmark(project_id="streets", label_id="nope"))


def test_reading_is_no_activity(world: World) -> None:
    label = world.label(0)
    before, active = world.sequence(), world.active(0)
    world.clock.tick()
    get(world, label.id)
    world.call(FindLabels(project_id="streets", data_row_id=world.ids[0]))
    exported(world.engine, "streets")
    assert (world.sequence(), world.active(0)) == (before, active)


def test_activity_never_goes_back(world: World) -> None:
    later = world.clock.tick(3600)
    world.label(0)
    world.clock.tick(-1800)
    world.label(0)
    world.call(MoveRows(project_id="streets", data_row_ids=(world.ids[0],)))
    assert world.active(0) == later


def test_an_ontology_is_not_changed_under_a_label(world: World) -> None:
    world.label(0)
    other = world.call(CreateOntology(name="o", normalized=world.ontology.normalized))
    with pytest.raises(Exception, match="has labels"):
        world.call(ChangeProject(project_id="streets", ontology_id=other.id))


def test_an_option_named_by_its_value_is_shown_by_the_name_that_people_read(world: World) -> None:
    world.label(0, box(classifications=[{"name": "Is it parked?", "radio_answer": {"name": "yes"}}]))
    (drawn,) = world.part()["labels"][0]["annotations"]["objects"]
    answer = drawn["classifications"][0]["radio_answer"]
    assert (answer["name"], answer["value"]) == ("Yes", "yes")
