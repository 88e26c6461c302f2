"""Training formats through every port: here, on PostgreSQL, and over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import annotary

COCO: dict[str, Any] = {
    "images": [
        {"id": 7, "file_name": "a.jpg", "width": 100, "height": 80},
        {"id": 9, "file_name": "b.jpg", "width": 64, "height": 48},
    ],
    "categories": [{"id": 3, "name": "ship"}, {"id": 90, "name": "buoy"}],
    "annotations": [
        {"id": 41, "image_id": 7, "category_id": 3, "bbox": [10, 10, 20, 30], "iscrowd": 0},
        {"id": 42, "image_id": 7, "category_id": 90, "segmentation": [[50, 10, 90, 10, 90, 70]]},
    ],
}


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    path = tmp_path / "given.json"
    path.write_text(json.dumps(COCO))
    return path


def files(task: Any) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in task.open().parts:
        found[part.path] = found.get(part.path, b"") + part.data
    return found


def test_a_coco_file_goes_in_and_out_with_its_ids(client: annotary.Client, coco: Path) -> None:
    report = client.load(coco, project="Harbour")
    assert (report.rows, report.annotations, report.problems) == (2, 2, ())
    (project,) = client.get_projects()
    (text,) = files(project.export(format="coco")).values()
    again = json.loads(text)
    assert [one["id"] for one in again["images"]] == [7, 9]
    assert [(one["id"], one["category_id"]) for one in again["annotations"]] == [(41, 3), (42, 90)]


def test_a_folder_goes_in_and_out(client: annotary.Client, coco: Path, tmp_path: Path) -> None:
    folder = tmp_path / "yolo"
    annotary.convert(coco, folder, to="yolo")
    report = client.load(folder, project="Harbour")
    assert (report.rows, report.annotations) == (2, 2)
    (project,) = client.get_projects()
    found = files(project.export(format="yolo", options={"images": "skip"}))
    for name in ("labels/train/a.txt", "labels/train/b.txt", "data.yaml"):
        assert found[name] == (folder / name).read_bytes()


def test_the_ledger_comes_with_an_export(client: annotary.Client, coco: Path) -> None:
    client.load(coco, project="Harbour")
    (project,) = client.get_projects()
    export = project.export(format="yolo").open()
    assert sum(len(part.data) for part in export.parts)
    ledger = export.findings.ledger.document()
    assert [(one["kind"], one["in"], one["out"], one["dropped"]) for one in ledger["balance"]] == [
        ("box", 1, 1, 0),
        ("polygon", 1, 1, 0),
    ]
    assert [(one["action"], one["kind"], one["count"]) for one in ledger["losses"]] == [
        ("approximated", "polygon", 1)
    ]


def test_strict_refuses_before_anything_is_written(client: annotary.Client, coco: Path) -> None:
    client.load(coco, project="Harbour")
    (project,) = client.get_projects()
    with pytest.raises(annotary.Lossy, match="polygon would be approximated"):
        list(project.export(format="yolo", strict=True).open().parts)


def test_predictions_out_of_a_file_are_measured(client: annotary.Client, coco: Path, tmp_path: Path) -> None:
    client.load(coco, project="Harbour")
    (project,) = client.get_projects()
    results = tmp_path / "results.json"
    predicted = [{"image_id": 7, "category_id": 3, "bbox": [10, 10, 20, 30], "score": 0.9}]
    results.write_text(json.dumps(predicted))
    evaluation = project.evaluate(results)
    assert evaluation.boxes.ap50 == pytest.approx(0.5)


def test_splits_that_a_project_does_not_keep_are_told(client: annotary.Client, tmp_path: Path) -> None:
    images = [{**one, "split": split} for one, split in zip(COCO["images"], ("train", "test"), strict=True)]
    path = tmp_path / "split.json"
    path.write_text(json.dumps({**COCO, "images": images}))
    (notice,) = client.load(path, project="Harbour").notices
    assert notice.value == "the split of 2 images"
    assert "--split" in notice.reason
