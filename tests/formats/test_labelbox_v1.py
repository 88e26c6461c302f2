"""Labelbox v1 as it is read: what goes in comes out again, and what cannot be taken over is told."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from annotary.formats.labelbox_v1 import FORMAT
from annotary.model.annotation import (
    Annotations,
    BoxObject,
    PointObject,
    PolygonObject,
    PolylineObject,
)
from annotary.model.geometry import Box, Point
from annotary.model.row import (
    LabelDetails,
    Performance,
    ProjectDetails,
    Review,
)
from tests.formats.corpora import HOSTILE, NOW, corpus_of, lines, read, sound, strict, text

SEED_KINDS = (
    "bounding-box",
    "checklist",
    "cuboid",
    "free-text",
    "mask",
    "point",
    "polygon",
    "polyline",
    "radio",
    "relationship",
)
IMAGES = ("image_export", "highly_nested_image", "tiled_image_export", "unkown_media_type_export")
OTHERS = {"video_export": "a video label", "text_export": "a text label", "pdf_export": "a PDF label"}
SHAPES = {"bbox", "polygon", "line", "point", "cuboid"}


def bare(value: Any) -> Any:
    """Without the addresses of pictures that annotary draws itself."""
    if isinstance(value, dict):
        drawn = SHAPES & value.keys()
        return {key: bare(one) for key, one in value.items() if not (drawn and key == "instanceURI")}
    return [bare(one) for one in value] if isinstance(value, list) else value


def label(**members: Any) -> dict[str, Any]:
    """One label of a v1 export with the keys of the first published one."""
    plain: dict[str, Any] = {
        "ID": "clabel0000000000000000001",
        "DataRow ID": "crow000000000000000000001",
        "Labeled Data": "https://example.com/1.jpg",
        "Label": {"objects": [], "classifications": []},
        "Created By": "ann@example.com",
        "Project Name": "a project",
        "Created At": "2021-04-08T17:29:33.000Z",
        "Updated At": "2021-04-08T17:30:34.123Z",
        "Seconds to Label": 149.852,
        "External ID": "layers",
        "Agreement": -1,
        "Benchmark Agreement": -1,
        "Benchmark ID": None,
        "Dataset Name": "a dataset",
        "Reviews": [],
        "View Label": "https://editor.example.com?project=cproject00000000000000000&label=clabel0000000000000000001",
        "Has Open Issues": 0,
        "Skipped": False,
        "DataRow Workflow Info": {"taskName": "Done", "Workflow History": []},
    }
    plain.update(members)
    return {key: value for key, value in plain.items() if value is not ...}


def with_objects(*objects: dict[str, Any], **lists: Any) -> dict[str, Any]:
    return label(Label={"objects": list(objects), "classifications": [], **lists})


def box(**members: Any) -> dict[str, Any]:
    return {
        "featureId": "cbox000000000000000000001",
        "schemaId": "cschema000000000000000001",
        "title": "Blue bird",
        "value": "blue_bird",
        "color": "#FF8000",
        "bbox": {"top": 186, "left": 192.5, "height": 300, "width": 519},
        **members,
    }


def question(number: int = 1, **members: Any) -> dict[str, Any]:
    return {
        "featureId": f"cquestion{number:016}",
        "schemaId": f"cschema{number:018}",
        "title": f"question {number}",
        "value": f"question_{number}",
        **members,
    }


def option(number: int = 1) -> dict[str, Any]:
    return {
        "featureId": f"coption{number:018}",
        "schemaId": f"coptionschema{number:012}",
        "title": "Yes",
        "value": "yes",
    }


def again(given: list[dict[str, Any]], **options: Any) -> list[Any]:
    """What is written of labels that were read."""
    return lines(FORMAT, corpus_of(sound(FORMAT, copy.deepcopy(given))), **options)


# There and back


def test_published_project_export_comes_back(shared: Path) -> None:
    given = json.loads((shared / "seed-examples" / "project-export-v1.json").read_text())
    for field_set in ("full", "seed"):
        corpus = corpus_of(sound(FORMAT, given), name="Beginner tutorial project")
        (found,) = lines(FORMAT, corpus, field_set=field_set)
        assert list(found) == list(given[0])
        assert bare(found) == bare(given[0])


@pytest.mark.parametrize("kind", SEED_KINDS)
def test_published_annotation_comes_back(shared: Path, kind: str) -> None:
    one = json.loads((shared / "seed-examples" / "v1" / f"{kind}.json").read_text())
    if kind == "relationship":
        ends = [box(featureId=one["data"][end]) for end in ("source", "target")]
        given = with_objects(*ends, relationships=[one])
    elif kind in ("checklist", "free-text", "radio"):
        given = label(Label={"objects": [], "classifications": [one]})
    else:
        given = with_objects(one)
    assert bare(again([given])) == bare([given])


@pytest.mark.parametrize("name", IMAGES)
def test_real_export_comes_back(shared: Path, name: str) -> None:
    given = json.loads((shared / "data" / "labelbox-v1" / "exports" / f"{name}.json").read_text())
    given = given if isinstance(given, list) else [given]
    found = lines(FORMAT, corpus_of(sound(FORMAT, given), name=given[0]["Project Name"]))
    assert bare(found) == bare(given)


@pytest.mark.parametrize("name", OTHERS)
def test_other_media_are_refused(shared: Path, name: str) -> None:
    data = (shared / "data" / "labelbox-v1" / "exports" / f"{name}.json").read_bytes()
    rows, remarks = read(FORMAT, data)
    (problem,) = remarks.problems
    assert rows == []
    assert problem.reason.startswith(f"not an image: {OTHERS[name]}")
    assert "\n" not in problem.reason


POINT = {"x": 1, "y": 2.5}
WHEN = "2022-09-29T15:46:23.269Z"
DIFFERENT = {
    "unknown keys": with_objects(
        box(note={"a": [1, None]}, bbox={"top": 1, "left": 2, "height": 3, "width": 4, "angle": 0.5}),
        classifications=[question(answer={**option(), "shown": True}, weight=3)],
        zones=[1, 2],
    )
    | {"Wholly new": {"x": 1}},
    "nothing known of a feature": with_objects({"featureId": "f1", "point": POINT}),
    "no ids": with_objects(
        {"title": "a", "point": POINT, "classifications": [{"title": "q", "answer": "x"}]}
    ),
    "null values": with_objects(box(value=None, color=None, polygon=None, classifications=None)),
    "two colours": with_objects(box(), box(featureId="other", color="#000000")),
    "a value that is a number": label(
        Label={"objects": [], "classifications": [question(answer={**option(), "value": 5})]}
    ),
    "closed polygon": with_objects(
        {**box(), "polygon": [POINT, {"x": 3, "y": 4}, {"x": 5, "y": 6}, POINT]} | {"bbox": ...}
    ),
    "one point polygons": with_objects(
        box(bbox=..., polygon=[POINT]), box(featureId="f", bbox=..., polygon=[POINT] * 2)
    ),
    "list in a list": with_objects(
        box(classifications=[[question(1, answer="a"), question(2, answer="b")], question(3, answer="c")]),
        classifications=[question(4, answer="d"), [question(5, answer="e")]],
    ),
    "old dropdown": label(
        Label={
            "objects": [],
            "classifications": [
                question(1, answer=[option(1)]),
                question(2, answer=[option(2), option(3)]),
                question(3, answer=[]),
            ],
        }
    ),
    "empty checklist": label(Label={"objects": [], "classifications": [question(answers=[])]}),
    "one answer not in a list": label(Label={"objects": [], "classifications": [question(answers=option())]}),
    "scope": label(Label={"objects": [], "classifications": [question(answers=[option()], scope="global")]}),
    "skipped, empty": label(Label={}, Skipped=True),
    "skipped, null": label(Label=None, Skipped=True),
    "skipped, lists": label(Skipped=True),
    "no Label": label(Label=...),
    "no lists": label(Label={"relationships": []}),
    "later keys": label(
        **{
            "Global Key": "key-1",
            "Media Attributes": {"height": 10, "width": 20, "mimeType": "image/png", "subSampling": "4:2:0"},
            "DataRow Metadata": [{"schemaId": "m1", "name": "tag", "value": "night", "kind": "string"}],
            "Is Benchmark": 1,
            "Data Split": "training",
            "media_type": "image",
            "Seconds to Create": 100.5,
            "Seconds to Review": 49.352,
        }
    ),
    "later keys, empty": label(
        **{
            "Global Key": None,
            "Media Attributes": {},
            "DataRow Metadata": [],
            "Is Benchmark": False,
            "Data Split": None,
            "Seconds to Review": None,
        }
    ),
    "exif number": label(**{"Media Attributes": {"exifRotation": 6}}),
    "no optional keys": {
        key: value
        for key, value in label().items()
        if key in ("ID", "DataRow ID", "Labeled Data", "Label", "View Label")
    },
    "nulls": label(
        **dict.fromkeys(("Created By", "Dataset Name", "Updated At", "External ID", "Agreement"), None)
    ),
    "scores": label(**{"Agreement": 0.75, "Benchmark Agreement": 1, "Benchmark ID": "clabel2"}),
    "reviews": label(
        Reviews=[
            {"id": "r1", "score": 1, "createdAt": "2021-04-08T17:29:33.000Z", "createdBy": "bob@example.com"},
            {
                "id": "r2",
                "score": -1,
                "createdAt": "2021-04-08T17:29:33Z",
                "createdBy": "bob@example.com",
                "labelId": "clabel0000000000000000001",
            },
        ]
    ),
    "other dates": label(**{"Created At": "2021-04-08", "Updated At": "2021-04-08T19:29:33+02:00"}),
    "issues": label(**{"Has Open Issues": 1}),
    "other workflow": label(
        **{
            "DataRow Workflow Info": {
                "taskName": "Rework (all rejected)",
                "Workflow History": [
                    {"actorId": "u1", "action": "Jumped", "createdAt": WHEN, "why": "x"},
                    {"action": "MOVE", "createdAt": WHEN, "nextTaskName": "Done"},
                ],
            }
        }
    ),
    "no history": label(**{"DataRow Workflow Info": {"taskName": "Done"}}),
    "both ways": with_objects(
        box(),
        box(featureId="f2"),
        relationships=[
            {
                "featureId": "r1",
                "schemaId": "s1",
                "data": {"source": "cbox000000000000000000001", "target": "f2", "label": "near"},
                "relationshipType": "bidirectional",
                "version": 1,
                "title": "beside",
            },
            {"featureId": "r2", "data": {"source": "f2", "target": "cbox000000000000000000001"}},
        ],
    ),
}


def _without_ellipsis(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_ellipsis(one) for key, one in value.items() if one is not ...}
    return [_without_ellipsis(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("case", DIFFERENT)
def test_what_is_unusual_comes_back(case: str) -> None:
    given = _without_ellipsis(DIFFERENT[case])
    (found,) = again([given])
    wanted = bare(given)
    if case == "no ids":
        # An id must be given to be pointed at; it is not written where the file had none.
        assert "featureId" not in found["Label"]["objects"][0]
    assert bare(found) == wanted
    assert strict(bare(found)) == strict(wanted)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_comes_back_in_one_ascii_line(name: str) -> None:
    given = with_objects(
        box(title=name, value=name, color=name, classifications=[question(1, answer=name)]),
        classifications=[
            question(2, answer={**option(), "title": name}),
            question(3, title=name, answers=[]),
        ],
    )
    given |= {"External ID": name, "Created By": name, "Project Name": name, name: name}
    corpus = corpus_of(sound(FORMAT, [given]), name=name)
    whole = text(FORMAT.write(corpus, FORMAT.options()))  # type: ignore[misc]
    assert whole.isascii() and whole.count(b"\n") == 1 and whole.endswith(b"\n")
    assert bare(json.loads(whole)) == bare(given)


@pytest.mark.parametrize("layout", ["object", "array", "lines"])
def test_one_object_an_array_or_lines(layout: str) -> None:
    many = [label(ID=f"clabel{number}") for number in range(1 if layout == "object" else 3)]
    data = {
        "object": json.dumps(many[0], indent=1),
        "array": json.dumps(many, indent=1),
        "lines": "\n".join(map(json.dumps, many)),
    }[layout]
    assert [one.row.projects.popitem()[1].labels[0].id for one in sound(FORMAT, data)] == [
        one["ID"] for one in many
    ]


# As the model has it


def test_project_workflow_and_label_are_taken_over() -> None:
    moves = [
        ("APPROVE", "Initial review task", None),
        ("REWORK", "Rework (all rejected)", "Initial review task"),
        ("MOVE", None, "Initial labeling task"),
    ]
    history = [
        {
            "actorId": f"user-{action}",
            "action": action,
            "createdAt": "2022-09-29T15:46:23.269Z",
            **({"previousTaskName": before, "previousTaskId": "1"} if before else {}),
            **({"nextTaskName": after, "nextTaskId": "2"} if after else {}),
        }
        for action, before, after in moves
    ]
    given = label(**{"DataRow Workflow Info": {"taskName": "Done", "Workflow History": history}})
    (found,) = sound(FORMAT, [given])
    (key, part) = found.row.projects.popitem()
    assert (key, part.name) == ("cproject00000000000000000", "a project")
    details = part.project_details
    assert isinstance(details, ProjectDetails)
    assert (details.task_name, details.workflow_status) == ("Done", "DONE")
    assert [event.action for event in details.workflow_history] == ["Approve", "Move", "Move"]
    assert details.workflow_history[1].created_by == "user-REWORK"
    made = part.labels[0]
    assert isinstance(made.label_details, LabelDetails) and isinstance(made.performance_details, Performance)
    assert made.label_details.created_at == "2021-04-08T17:29:33.000+00:00"
    assert made.performance_details.seconds_to_create == 149.852
    assert made.performance_details.consensus_score is msgspec.UNSET
    assert bare(again([given])) == [given]


@pytest.mark.parametrize(
    ("task", "status"),
    [
        ("Done", "DONE"),
        ("Initial review task", "IN_REVIEW"),
        ("Rework (all rejected)", "IN_REWORK"),
        ("Initial labeling task", "TO_LABEL"),
        ("Not done yet", msgspec.UNSET),
    ],
)
def test_task_tells_the_status(task: str, status: Any) -> None:
    (found,) = sound(FORMAT, [label(**{"DataRow Workflow Info": {"taskName": task, "Workflow History": []}})])
    details = found.row.projects.popitem()[1].project_details
    assert isinstance(details, ProjectDetails) and details.workflow_status == status


def test_seconds_are_split_where_the_file_splits_them() -> None:
    def seconds(**members: Any) -> tuple[float, float]:
        done = sound(FORMAT, [label(**members)])[0].row.projects.popitem()[1].labels[0].performance_details
        assert isinstance(done, Performance)
        return done.seconds_to_create, done.seconds_to_review

    assert seconds(**{"Seconds to Label": 10}) == (10, 0)
    assert seconds(**{"Seconds to Label": 10, "Seconds to Create": 7}) == (7, 3)
    assert seconds(**{"Seconds to Label": 10, "Seconds to Review": 4}) == (6, 4)
    assert seconds(**{"Seconds to Label": ...}) == (0, 0)
    assert isinstance(seconds(**{"Seconds to Label": 10})[0], int)


def test_ontology_is_told_colours_and_scopes() -> None:
    given = with_objects(box(), box(featureId="f2", schemaId=None), classifications=[])
    given["Label"]["classifications"] = [question(answer="x", scope="index")]
    kept = sound(FORMAT, [given])[0].row.projects.popitem()[1].labels[0].v1
    assert isinstance(kept, dict)
    assert kept["colors"] == {"cschema000000000000000001": "#FF8000", "Blue bird": "#FF8000"}
    assert kept["scopes"] == {"cschema000000000000000001": "index"}


def test_tiled_shapes_keep_the_numbers_of_the_map() -> None:
    ring = [[-99.5, 19.25], [-99.5, 19.5], [-99, 19.5], [-99, 19.25], [-99.5, 19.25]]
    tiles = [
        ("point", [-99.5, 19.25]),
        ("polyline", [ring[:3]]),
        ("polygon", [ring]),
        ("rectangle", [ring]),
    ]
    objects = [
        {"featureId": f"f{n}", "title": kind, "type": kind, "geometry": {"coordinates": place}}
        for n, (kind, place) in enumerate(tiles)
    ]
    given = with_objects(*objects)
    point, polyline, polygon, rectangle = (
        sound(FORMAT, [given])[0].row.projects.popitem()[1].labels[0].annotations.objects
    )
    assert isinstance(point, PointObject) and point.point == Point(x=-99.5, y=19.25)
    assert isinstance(polyline, PolylineObject) and len(polyline.line) == 3
    assert isinstance(polygon, PolygonObject) and len(polygon.polygon) == 4
    assert isinstance(rectangle, BoxObject)
    assert rectangle.bounding_box == Box(top=19.25, left=-99.5, height=0.25, width=0.5)
    assert again([given]) == [given]


# What has changed in the store since


def changed(given: dict[str, Any], **members: Any) -> dict[str, Any]:
    """What is written of a label that was read and then changed."""
    (one,) = sound(FORMAT, [given])
    ((key, part),) = one.row.projects.items()
    made = msgspec.structs.replace(part.labels[0], **members)
    projects = {key: msgspec.structs.replace(part, labels=(made,))}
    row = msgspec.structs.replace(one.row, projects=projects)
    (found,) = lines(FORMAT, corpus_of([one._replace(row=row)]))
    return dict(found)


def test_a_change_in_the_store_is_written() -> None:
    given = label(**{"Updated At": "2021-04-08", "Reviews": ..., "Agreement": None})
    details = LabelDetails(
        created_at=NOW,
        updated_at=NOW,
        created_by="bob@example.com",
        reviews=(Review(id="r", score=1, created_at=NOW, created_by="eve@example.com"),),
    )
    found = changed(given, label_details=details, performance_details=Performance(consensus_score=0.5))
    assert found["Updated At"] == "2024-05-06T07:08:09.010Z"
    assert found["Created By"] == "bob@example.com"
    assert found["Agreement"] == 0.5
    assert [one["createdBy"] for one in found["Reviews"]] == ["eve@example.com"]


def test_a_tiled_shape_that_was_moved_is_written_as_it_is() -> None:
    tile = {"featureId": "f1", "title": "p", "type": "point", "geometry": {"coordinates": [1.5, 2]}}
    moved = Annotations(objects=(PointObject(feature_id="f1", name="p", point=Point(x=7, y=8)),))
    (found,) = changed(with_objects(tile), annotations=moved)["Label"]["objects"]
    assert found["point"] == {"x": 7, "y": 8}
    assert "geometry" not in found and found["instanceURI"]


def test_what_was_not_written_by_v1_is_no_harm() -> None:
    for odd in ({"keys": 5}, {"features": [1]}, {"anything": True}):
        found = changed(label(), v1=odd)
        assert found["ID"] == "clabel0000000000000000001"


# What cannot be taken over

BAD = {
    "not an object": ("[1]", "$[0]", "Expected `object`, got `int`"),
    "not JSON": ("{", "line 1", "cut off"),
    "a list of frames": (json.dumps([label(Label=[{"frameNumber": 1}])]), "$[0]", "a video label"),
    "a text": (json.dumps([label(Label="Skip")]), "$[0] Label", "not the annotations of an image"),
    "other media": (json.dumps([label(media_type="video")]), "$[0]", "not an image: its media type is video"),
    "no shape": (json.dumps([with_objects({"title": "a"})]), "$[0] Label.objects[0]", "no geometry"),
    "a negative size": (
        json.dumps([with_objects(box(bbox={"top": 1, "left": 1, "height": -1, "width": 1}))]),
        "$[0] Label.objects[0].bbox.height",
        "Expected `float` >= 0",
    ),
    "text for a number": (
        json.dumps([with_objects(box(bbox=None, point={"x": "1", "y": 2}))]),
        "$[0] Label.objects[0].point.x",
        "Expected `float`, got `str`",
    ),
    "no answer": (
        json.dumps([label(Label={"classifications": [question()]})]),
        "$[0] Label.classifications[0]",
        "a classification without an answer",
    ),
    "holes": (
        json.dumps([with_objects({"type": "polygon", "geometry": {"coordinates": [[[1, 2]], [[3, 4]]]}})]),
        "$[0] Label.objects[0].geometry",
        "without holes",
    ),
    "no date": (json.dumps([label(**{"Created At": "yesterday"})]), "$[0] Created At", "not a date"),
    "no date of a review": (
        json.dumps([label(Reviews=[{"id": "r", "score": 1, "createdAt": "", "createdBy": "a"}])]),
        "$[0] Reviews[0].createdAt",
        "not a date",
    ),
    "no such score": (
        json.dumps([label(Reviews=[{"id": "r", "score": 7, "createdAt": NOW, "createdBy": "a"}])]),
        "$[0] Reviews[0].score",
        "Invalid enum value 7",
    ),
    "no data row": (
        json.dumps([label(**{"DataRow ID": None, "Labeled Data": None})]),
        "$[0] DataRow ID",
        "which data row it is",
    ),
    "nested too deep": ('[{"a":' + "[" * 9999 + "]" * 9999 + "}]", "$[0]", "nested deeper"),
    "not UTF-8": (b'[{"ID": "\xff"}]', "line 1", "not UTF-8"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_problem_with_its_place(case: str) -> None:
    data, place, reason = BAD[case]
    rows, remarks = read(FORMAT, data)
    assert rows == []
    (problem,) = remarks.problems
    assert problem.place.startswith(place)
    assert reason in problem.reason
    assert "\n" not in f"{problem.place}{problem.value}{problem.reason}"


def test_a_bad_label_leaves_the_others() -> None:
    rows, remarks = read(FORMAT, [label(), label(ID=5), label(ID="c3")])
    assert len(rows) == 2 and len(remarks.problems) == 1


@pytest.mark.parametrize(
    ("first", "claimed"),
    [
        (label(), True),
        ({"Label": {}, "Labeled Data": "x"}, True),
        ({"data_row": {}}, False),
        ({"Label": 1}, False),
    ],
)
def test_is_recognised_by_its_keys(first: dict[str, Any], claimed: bool) -> None:
    assert FORMAT.claims is not None and FORMAT.claims(first) is claimed
