"""Real exports and import payloads: in, out, and compared to the last digit."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import annotary

V1_IMAGES = ("image_export", "highly_nested_image", "tiled_image_export", "unkown_media_type_export")
V1_OTHERS = ("pdf_export", "text_export", "video_export")
NDJSON_IMAGES = (
    "classification_import",
    "classification_import_name_only",
    "image_import",
    "image_import_name_only",
    "nested_import",
    "nested_import_name_only",
    "polyline_import",
    "polyline_without_confidence_import",
    "rectangle_import",
    "relationship_import",
)
NDJSON_OTHERS = (
    "conversation_entity_import",
    "conversation_entity_without_confidence_import",
    "custom_confusion_matrix_import",
    "custom_scalar_import",
    "metric_import",
    "mmc_import",
    "pdf_import",
    "pdf_import_name_only",
    "text_entity_import",
    "text_entity_without_confidence_import",
    "video_import",
    "video_import_name_only",
)


@pytest.fixture
def data(shared: Path) -> Path:
    return shared / "data"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def holds(wanted: Any, given: Any) -> bool:
    """Whether all of `wanted` is in `given`, to the last digit."""
    if isinstance(wanted, dict):
        return all(key in given and holds(value, given[key]) for key, value in wanted.items())
    if isinstance(wanted, list):
        return len(wanted) == len(given) and all(map(holds, wanted, given))
    return bool(wanted == given)


def test_zealot_export(client: annotary.Client, data: Path) -> None:
    """1,235 rows, 1,096 boxes of one class, 660 labels without any; counts from the data's own page."""
    path = data / "labelbox-v2-zealot" / "export-result.ndjson"
    report = client.load(path)
    assert (report.rows, report.labels, report.annotations) == (1235, 1235, 1096)
    project = client.get_project("cligsku3003yp072g9zlu2n48")
    found = project.export_v2().result
    wanted = lines(path)
    assert [row["data_row"]["id"] for row in found] == [row["data_row"]["id"] for row in wanted]
    assert all(map(holds, wanted, found))
    objects = [
        drawn
        for row in found
        for label in row["projects"][project.id]["labels"]
        for drawn in label["annotations"]["objects"]
    ]
    assert Counter(drawn["name"] for drawn in objects) == {"Zealot": 1096}
    area = sum(drawn["bounding_box"]["width"] * drawn["bounding_box"]["height"] for drawn in objects)
    assert area == 772_472
    summary = project.summary()
    assert summary.rows_without_objects == 660
    assert summary.by_class == {"Zealot": 1096}


def test_small_v2_export_with_awkward_names(client: annotary.Client, data: Path) -> None:
    path = data / "labelformat-fixtures" / "object_detection" / "Labelbox" / "export-result.ndjson"
    client.load(path)
    found = client.get_projects()[0].export_v2().result
    assert all(map(holds, lines(path), found))


@pytest.mark.parametrize("name", V1_IMAGES)
def test_v1_export_comes_back(client: annotary.Client, data: Path, name: str) -> None:
    path = data / "labelbox-v1" / "exports" / f"{name}.json"
    client.load(path)
    given = json.loads(path.read_text())
    wanted = given if isinstance(given, list) else [given]
    found = {label["ID"]: label for project in client.get_projects() for label in labels(project)}
    assert set(found) == {label["ID"] for label in wanted}
    for label in wanted:
        assert _bare(found[label["ID"]]) == _bare(label)


def labels(project: Any) -> list[dict[str, Any]]:
    found = project.export_labels(download=True)
    assert isinstance(found, list)
    return found


def _bare(value: Any) -> Any:
    """Without the addresses of pictures that annotary renders itself: those of shapes it knows."""
    if isinstance(value, dict):
        shape = {"bbox", "polygon", "line", "point", "cuboid", "geometry"} & value.keys()
        return {key: _bare(one) for key, one in value.items() if not (shape and key == "instanceURI")}
    if isinstance(value, list):
        return [_bare(one) for one in value]
    return value


@pytest.mark.parametrize("name", V1_OTHERS)
def test_v1_of_other_media_is_refused(client: annotary.Client, data: Path, name: str) -> None:
    path = data / "labelbox-v1" / "exports" / f"{name}.json"
    with pytest.raises(annotary.Refused, match="not an image"):
        client.load(path)
    assert client.get_projects() == []


def data_rows_of(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ids = dict.fromkeys(line["dataRow"]["id"] for line in lines)
    return [
        {
            "data_row": {"id": id, "row_data": f"https://example.org/{id}.png"},
            "projects": {"project-1": {"name": "payloads"}},
        }
        for id in ids
    ]


@pytest.mark.parametrize("name", NDJSON_IMAGES)
def test_import_payload(client: annotary.Client, data: Path, name: str) -> None:
    """Predictions into a run keep everything a payload says, and give it back as import lines."""
    path = data / "labelbox-v1" / "import-ndjson" / f"{name}.json"
    given = json.loads(path.read_text())
    client.port.load(data_rows_of(given), format="labelbox-v2")
    report = client.load(path, model="model", run="run")
    assert report.problem_count == 0
    (run,) = client.get_model_runs()
    written = run.export(params={"predictions": True}, format="labelbox-ndjson").result
    found = {(line["dataRow"]["id"], line["uuid"]): line for line in written}
    assert len(found) == len(given)
    for line in given:
        mine = found[line["dataRow"]["id"], line["uuid"]]
        assert holds(_payload(line), mine), (line, mine)


def _payload(line: dict[str, Any]) -> dict[str, Any]:
    """What must come back: a name or a schema id may have been looked up, an empty list may be left out."""
    kept = {key: value for key, value in line.items() if value != []}
    kept.pop("dataRow")
    if isinstance(kept.get("classifications"), list):
        kept["classifications"] = [_payload({**one, "dataRow": 0}) for one in kept["classifications"]]
    return kept


@pytest.mark.parametrize("name", NDJSON_IMAGES)
def test_import_payload_as_ground_truth(client: annotary.Client, data: Path, name: str) -> None:
    path = data / "labelbox-v1" / "import-ndjson" / f"{name}.json"
    given = json.loads(path.read_text())
    client.port.load(data_rows_of(given), format="labelbox-v2")
    client.load(path, project="project-1")
    before = client.get_project("project-1").export().cursor
    client.load(path, project="project-1")
    assert client.get_project("project-1").export().cursor == before
    text = b"".join(client.get_project("project-1").export_v2().lines())
    assert b"confidence" not in text


@pytest.mark.parametrize("name", NDJSON_OTHERS)
def test_import_payload_of_other_kinds_is_refused(client: annotary.Client, data: Path, name: str) -> None:
    path = data / "labelbox-v1" / "import-ndjson" / f"{name}.json"
    given = json.loads(path.read_text())
    client.port.load(data_rows_of(given), format="labelbox-v2")
    with pytest.raises(annotary.Refused, match="not an image annotation"):
        client.load(path, project="project-1")
