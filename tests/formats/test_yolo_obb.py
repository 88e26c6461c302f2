"""YOLO oriented boxes: rectangles exactly, what else has an extent as the smallest rectangle around it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture

import annotary
from annotary.engine.recognising import opened, recognised
from annotary.sample.truth import row as sample_row

SIDE = 100


def convert(where: Path, *annotations: dict[str, Any]) -> tuple[list[list[float]], dict[str, Any]]:
    """The lines of annotations of one image, in pixels, and the ledger."""
    Picture.new("L", (SIDE, SIDE)).save(where / "a.png")
    whole = [{"id": at, "image_id": 1, "category_id": 1, **one} for at, one in enumerate(annotations, 1)]
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": SIDE, "height": SIDE}],
        "annotations": whole,
        "categories": [{"id": 1, "name": "car"}],
    }
    (where / "given.json").write_text(json.dumps(document))
    done = annotary.convert(where / "given.json", where / "set", to="yolo-obb")
    text = (where / "set/labels/train/a.txt").read_text()
    lines = [[round(float(word) * SIDE, 5) for word in line.split()[1:]] for line in text.splitlines()]
    return lines, done.findings.ledger.document()


def polygon(*corners: float) -> dict[str, Any]:
    return {"segmentation": [list(corners)], "bbox": [0, 0, 1, 1], "area": 1}


def test_a_box_is_its_four_corners_and_comes_back(tmp_path: Path) -> None:
    lines, ledger = convert(tmp_path, {"bbox": [10, 20, 30, 5], "segmentation": []})
    assert lines == [[10, 20, 40, 20, 40, 25, 10, 25]]
    assert ledger["losses"] == []
    (source,) = opened([tmp_path / "set"])
    assert recognised(source) == "yolo-obb"
    annotary.convert(tmp_path / "set", tmp_path / "back.json", to="coco")
    (back,) = json.loads((tmp_path / "back.json").read_bytes())["annotations"]
    assert back["bbox"] == pytest.approx([10, 20, 30, 5])
    assert back["segmentation"] == []


def test_a_turned_rectangle_stays_as_it_is(tmp_path: Path) -> None:
    lines, ledger = convert(tmp_path, polygon(50, 10, 90, 50, 70, 70, 30, 30))
    assert lines == [[50, 10, 90, 50, 70, 70, 30, 30]]
    assert ledger["losses"] == []


def test_another_polygon_is_measured(tmp_path: Path) -> None:
    lines, ledger = convert(tmp_path, polygon(10, 10, 50, 10, 50, 50))
    assert len(lines[0]) == 8
    (loss,) = ledger["losses"]
    assert loss["reason"] == "a polygon became the smallest rectangle around it"
    assert loss["iou_mean"] == pytest.approx(0.5)


def test_corners_beyond_the_image_lie_on_its_border(tmp_path: Path) -> None:
    """Ultralytics' loader passes over a whole file for one number above 1."""
    outside = {"bbox": [500, 500, 5, 5], "segmentation": []}
    lines, ledger = convert(tmp_path, {"bbox": [90, 90, 30, 5], "segmentation": []}, outside)
    assert lines == [[90, 90, 100, 90, 100, 95, 90, 95]]
    assert [(one["action"], one["count"]) for one in ledger["losses"]] == [("clipped", 1), ("dropped", 1)]


def test_cuboids_are_measured(tmp_path: Path) -> None:
    with annotary.Client(tmp_path / "store") as client:
        client.port.load([sample_row(3, index) for index in range(12)], format="labelbox-v2")
        export = client.get_projects()[0].export(format="yolo-obb").open()
        for _ in export.parts:
            pass
    reasons = {one.kind: one for one in export.findings.ledger.losses if one.action == "approximated"}
    assert 0.3 < reasons["cuboid"].iou_mean <= 1  # type: ignore[operator]


def test_other_outlines_are_refused(tmp_path: Path) -> None:
    convert(tmp_path, {"bbox": [10, 20, 30, 5], "segmentation": []})
    label = tmp_path / "set/labels/train/a.txt"
    label.write_text(label.read_text() + "0 0.1 0.1 0.2 0.1 0.2 0.2\n")
    done = annotary.convert(tmp_path / "set", tmp_path / "back.json", to="coco")
    (loss,) = done.findings.ledger.losses
    assert "yolo-seg" in loss.reason
