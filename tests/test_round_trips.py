"""v1 and v2, there and back: nothing is lost that both can say, whatever the names are."""

from __future__ import annotations

import tempfile
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import annotary

HOSTILE = (
    'quote " and \\ backslash',
    "control \x00 \x01 \x1a \x1f \x7f",
    "line\nbreaks\r\n\u2028\u2029\u0085",
    "emoji \U0001f600\U0001f469\u200d\U0001f4bb",
    "right to left \u202e\u05d0\u05d1",
    "<script>alert(1)</script> & 'quotes' %s %% {}",
    '"url":"\\u001a/x", "x":5.0,',
    "long " * 2000,
    " ",
)
names = st.one_of(
    st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
)
numbers = st.one_of(
    st.integers(0, 5000),
    st.floats(0, 5000, allow_nan=False),
    st.floats(0, 5000, allow_nan=False).map(lambda x: round(x, 3)),
)
points = st.builds(lambda x, y: {"x": x, "y": y}, numbers, numbers)
DETAILS = dict.fromkeys(
    ("data_row_details", "project_details", "label_details", "performance_details", "metadata_fields"), True
)


class Ids:
    """Ids that are never given twice."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        return f"cfeature{self.count:017d}"


@st.composite
def ontologies(draw: Any) -> dict[str, Any]:
    """Tools and questions with different, hostile names, two levels deep."""
    some = draw(st.lists(names, min_size=16, max_size=16, unique=True))
    inner = {
        "type": "text",
        "name": some[0],
        "featureSchemaId": "inner",
        "options": [],
    }
    middle = {
        "type": "radio",
        "name": some[1],
        "featureSchemaId": "middle",
        "options": [{"value": some[2], "featureSchemaId": "middle option", "options": [inner]}],
    }

    def question(name: str, id: str, kind: str, first: str, second: str) -> dict[str, Any]:
        options = [
            {"value": first, "featureSchemaId": f"{id} one", "options": [middle] if id == "outer" else []},
            {"value": second, "featureSchemaId": f"{id} two", "options": []},
        ]
        return {"type": kind, "name": name, "featureSchemaId": id, "options": options}

    kinds = ("rectangle", "polygon", "line", "point", "raster-segmentation", "cuboid", "edge")
    return {
        "tools": [
            {
                "tool": kind,
                "name": name,
                "featureSchemaId": kind,
                "classifications": [question(some[3], "outer", "checklist", some[4], some[5])],
            }
            for kind, name in zip(kinds, some[6:13], strict=True)
        ],
        "classifications": [question(some[13], "image", "radio", some[14], some[15])],
    }


def answered(draw: Any, question: dict[str, Any], new: Ids) -> dict[str, Any]:
    """An answer to a question, with answers to some of the questions under it."""
    given = {"feature_id": new(), "feature_schema_id": question["featureSchemaId"], "name": question["name"]}
    if question["type"] == "text":
        return {**given, "text_answer": {"content": draw(names)}}
    chosen = draw(st.lists(st.sampled_from(question["options"]), min_size=1, max_size=2, unique_by=str))
    answers = [
        {
            "feature_id": new(),
            "feature_schema_id": option["featureSchemaId"],
            "name": option["value"],
            "classifications": [
                answered(draw, nested, new) for nested in option["options"] if draw(st.booleans())
            ],
        }
        for option in chosen
    ]
    if question["type"] == "radio":
        return {**given, "radio_answer": answers[0]}
    return {**given, "checklist_answers": answers}


@st.composite
def rows(draw: Any, ontology: dict[str, Any]) -> dict[str, Any]:
    """A row with one label that has some of everything both generations can say."""
    new = Ids()
    objects: list[dict[str, Any]] = []
    for tool in ontology["tools"][:6]:
        for _ in range(draw(st.integers(0, 2))):
            objects.append(
                {
                    "feature_id": new(),
                    "feature_schema_id": tool["featureSchemaId"],
                    "name": tool["name"],
                    "classifications": [
                        answered(draw, one, new) for one in tool["classifications"] if draw(st.booleans())
                    ],
                    **_shape(draw, tool["tool"], new.count),
                }
            )
    edge = ontology["tools"][6]
    if len(objects) > 1 and draw(st.booleans()):
        objects.append(
            {
                "feature_id": new(),
                "feature_schema_id": "edge",
                "name": edge["name"],
                "annotation_kind": "ImageUnidirectionalRelationship",
                "classifications": [],
                "unidirectional_relationship": {
                    "source": objects[0]["feature_id"],
                    "target": objects[1]["feature_id"],
                },
            }
        )
    classifications = [answered(draw, one, new) for one in ontology["classifications"] if draw(st.booleans())]
    when = "2026-03-04T05:06:07.089+00:00"
    return {
        "data_row": {
            "id": "crow00000000000000000000a",
            "global_key": draw(names)[:200],
            "external_id": draw(names),
            "row_data": "https://example.org/image.png",
            "details": {"dataset_name": "a dataset", "created_at": when, "updated_at": when},
        },
        "media_attributes": {"height": 5000, "width": 5000, "mime_type": "image/png"},
        "projects": {
            "cproject0000000000000000a": {
                "name": "a project",
                "labels": [
                    {
                        "id": "clabel000000000000000000a",
                        "label_details": {
                            "created_at": when,
                            "updated_at": "2026-03-05T00:00:00.000+00:00",
                            "created_by": "a@example.com",
                            "reviews": [
                                {"id": "r1", "score": 1, "created_at": when, "created_by": "b@example.com"}
                            ],
                        },
                        "performance_details": {
                            "seconds_to_create": draw(numbers),
                            "seconds_to_review": 0,
                            "skipped": False,
                        },
                        "annotations": {"objects": objects, "classifications": classifications},
                    }
                ],
                "project_details": {
                    "workflow_status": "DONE",
                    "task_name": "Done",
                    "workflow_history": [
                        {
                            "action": "Approve",
                            "created_at": when,
                            "created_by": "cuser0000000000000000000a",
                            "previous_task_name": "Initial review task",
                            "previous_task_id": "0ae49522-97f0-4a07-96c6-bd4d50963acd",
                        }
                    ],
                },
            }
        },
    }


def _shape(draw: Any, tool: str, number: int) -> dict[str, Any]:
    if tool == "rectangle":
        keys = ("top", "left", "height", "width")
        box = {key: draw(numbers) for key in keys}
        return {"annotation_kind": "ImageBoundingBox", "bounding_box": box}
    if tool == "polygon":
        ring = draw(st.lists(points, min_size=3, max_size=6))
        return {"annotation_kind": "ImagePolygon", "polygon": [*ring, ring[0]]}
    if tool == "line":
        return {"annotation_kind": "ImagePolyline", "line": draw(st.lists(points, min_size=2, max_size=5))}
    if tool == "point":
        return {"annotation_kind": "ImagePoint", "point": draw(points)}
    if tool == "raster-segmentation":
        url = f"https://example.org/mask/{number}?a=b&c=%20"
        return {"annotation_kind": "ImageSegmentationMask", "mask": {"url": url}}
    turn = st.floats(-3, 3, allow_nan=False)
    return {
        "annotation_kind": "ImageCuboid",
        "cuboid": {
            "center": draw(points),
            "rotation": {"x": draw(turn), "y": draw(turn), "z": draw(turn)},
            "size": {"x": 10, "y": 20, "z": 30},
            "projection": "orthographic",
        },
    }


def through(values: list[Any], format: str, ontology: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """Values imported into a store of their own, and its v1 and v2 exports."""
    with tempfile.TemporaryDirectory() as folder, annotary.Client(folder) as client:
        made = client.create_ontology("given", ontology, id="contology000000000000000a")
        client.create_project("a project", id="cproject0000000000000000a", ontology_id=made.id)
        client.port.load(values, format=format)
        project = client.get_project("cproject0000000000000000a")
        v1 = project.export_labels(download=True)
        assert isinstance(v1, list)
        return v1, project.export_v2(params=DETAILS).result


def both(row: dict[str, Any]) -> Any:
    """What of a v2 row v1 can say too."""
    (share,) = row["projects"].values()
    (label,) = share["labels"]
    annotations = label["annotations"]
    return {
        "data_row": {
            key: row["data_row"].get(key) for key in ("id", "global_key", "external_id", "row_data")
        },
        "dataset": row["data_row"]["details"]["dataset_name"],
        "label": (label["id"], label["performance_details"]["skipped"]),
        "times": {
            key: label["label_details"][key] for key in ("created_at", "updated_at", "created_by", "reviews")
        },
        "seconds": label["performance_details"]["seconds_to_create"],
        "objects": sorted(annotations["objects"], key=lambda one: str(one["feature_id"])),
        "classifications": annotations["classifications"],
        "relationships": annotations["relationships"],
        "workflow": [
            share["project_details"][key] for key in ("workflow_status", "task_name", "workflow_history")
        ],
    }


EXAMPLES = settings(max_examples=25, suppress_health_check=list(HealthCheck))


@EXAMPLES
@given(st.data())
def test_v2_to_v1_to_v2(data: Any) -> None:
    ontology = data.draw(ontologies())
    row = data.draw(rows(ontology))
    v1, before = through([row], "labelbox-v2", ontology)
    _, after = through(v1, "labelbox-v1", ontology)
    assert both(after[0]) == both(before[0])


@EXAMPLES
@given(st.data())
def test_v1_to_v2_to_v1(data: Any) -> None:
    ontology = data.draw(ontologies())
    row = data.draw(rows(ontology))
    first, _ = through([row], "labelbox-v2", ontology)
    v1, v2 = through(first, "labelbox-v1", ontology)
    assert v1 == first
    again, _ = through(v2, "labelbox-v2", ontology)
    for label in (*again, *first):
        # Only v1 has its own address for the editor; v2 cannot carry it.
        label.pop("View Label")
    assert again == first


@EXAMPLES
@given(st.data())
def test_what_goes_in_as_v2_comes_out(data: Any) -> None:
    ontology = data.draw(ontologies())
    row = data.draw(rows(ontology))
    _, (shown,) = through([row], "labelbox-v2", ontology)
    _, (again,) = through([shown], "labelbox-v2", ontology)
    assert again == shown
    (share,), (given_share,) = shown["projects"].values(), row["projects"].values()
    wanted = given_share["labels"][0]["annotations"]
    found = share["labels"][0]["annotations"]
    by_id = {one["feature_id"]: one for one in found["objects"]}
    assert set(by_id) == {one["feature_id"] for one in wanted["objects"]}
    for one in wanted["objects"]:
        for key in ("name", "bounding_box", "polygon", "line", "point", "mask"):
            assert by_id[one["feature_id"]].get(key) == one.get(key)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_one_ascii_line_each(tmp_path: Any, name: str) -> None:
    """Lines stay lines for readers that split at U+2028, and bytes are characters."""
    row = {
        "data_row": {"row_data": "https://example.org/1.png", "external_id": name},
        "projects": {
            "p": {
                "name": name,
                "labels": [
                    {
                        "annotations": {
                            "objects": [
                                {
                                    "name": name,
                                    "annotation_kind": "ImagePoint",
                                    "classifications": [{"name": name, "text_answer": {"content": name}}],
                                    "point": {"x": 1, "y": 2},
                                }
                            ]
                        }
                    }
                ],
            }
        },
    }
    with annotary.Client(tmp_path) as client:
        client.port.load([row], format="labelbox-v2")
        (line,) = client.get_project("p").export().lines()
        assert line.isascii()
        assert len(line.decode().splitlines()) == 1
        (shown,) = client.get_project("p").export().stream()
        share = shown["projects"]["p"]
        (drawn,) = share["labels"][0]["annotations"]["objects"]
        assert share["name"] == drawn["name"] == shown["data_row"]["external_id"] == name
        assert drawn["classifications"][0]["text_answer"]["content"] == name
