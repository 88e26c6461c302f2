"""YOLO detection: sets without pictures, sets that hold outlines too, real sets."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import annotary
from annotary.engine.recognising import opened, recognised

NAMES = "names: [car, dog]\n"


def a_set(where: Path, **labels: str) -> Path:
    """A folder of label files by name, without pictures."""
    (where / "labels").mkdir(parents=True)
    (where / "data.yaml").write_text(NAMES)
    for name, text in labels.items():
        (where / "labels" / f"{name}.txt").write_text(text)
    return where


def coco(source: Path, where: Path, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A set as COCO, and the ledger."""
    out = where / "out.json"
    done = annotary.convert(source, out, to="coco", **more)
    return json.loads(out.read_bytes()), done.findings.ledger.document()


@pytest.mark.parametrize("name", ["a.jpg", "a.PNG", "labels/a.jpeg", "images/a.png"])
def test_the_size_of_a_picture_elsewhere(name: str, tmp_path: Path) -> None:
    """A set of label files alone: its pictures are found by their names in the folder that is given."""
    picture = tmp_path / "pictures" / name.replace("labels/", "")
    picture.parent.mkdir(parents=True)
    Image.new("L", (200, 100)).save(picture, "PNG")
    source = a_set(tmp_path / "set", a="1 0.5 0.5 0.1 0.2\n")
    found, ledger = coco(source, tmp_path, images=str(tmp_path / "pictures"))
    (image,) = found["images"]
    assert (image["file_name"], image["width"], image["height"]) == (picture.name, 200, 100)
    assert [one["bbox"] for one in found["annotations"]] == [[90, 40, 20, 20]]
    assert ledger["losses"] == []


def test_without_pictures_nothing_is_made_up(tmp_path: Path) -> None:
    source = a_set(tmp_path / "set", a="1 0.5 0.5 0.1 0.2\n")
    found, ledger = coco(source, tmp_path)
    assert found["annotations"] == []
    assert ledger["balance"] == [{"kind": "box", "in": 1, "out": 0, "dropped": 1}]
    assert "its size is not known" in ledger["losses"][0]["reason"]


def test_one_polygon_makes_a_set_of_outlines(tmp_path: Path) -> None:
    """supervision writes boxes and polygons into one file: the set is one of yolo-seg, boxes and all."""
    Image.new("L", (100, 100)).save(tmp_path / "a.png")
    mixed = "0 0.5 0.5 0.2 0.2\n1 0.1 0.1 0.2 0.1 0.2 0.2\n"
    source = a_set(tmp_path / "set", a=mixed, b="0 0.5 0.5 0.2 0.2\n")
    Image.new("L", (100, 100)).save(source / "b.png")
    (one,) = opened([source])
    assert recognised(one) == "yolo-seg"
    found, ledger = coco(source, tmp_path, images=tmp_path)
    assert Counter(len(one["segmentation"]) for one in found["annotations"]) == {0: 2, 1: 1}
    assert ledger["losses"] == []


def test_outlines_in_a_set_of_boxes_are_one_reason(tmp_path: Path) -> None:
    Image.new("L", (100, 100)).save(tmp_path / "a.png")
    lines = [f"0 {' '.join(['0.1 0.2'] * count)}" for count in (3, 4, 9)]
    source = a_set(tmp_path / "set", a="\n".join(["0 0.5 0.5 0.2 0.2", *lines]))
    found, ledger = coco(source, tmp_path, images=tmp_path, format="yolo")
    assert len(found["annotations"]) == 1
    (loss,) = ledger["losses"]
    assert (loss["count"], loss["kind"]) == (3, "polygon")
    assert "yolo-seg" in loss["reason"]
    assert loss["ids"][0] == "labels/a.txt, line 2"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 0.1 0.2 0.3", "fewer numbers"),
        ("0 a b c d", "not a class and numbers"),
        ("0.5 0.1 0.2 0.3 0.4", "not a class and numbers"),
        ("7 0.1 0.2 0.3 0.4", "class 7 has no name"),
        ("0 0.1 0.2 -0.3 0.4", "below 0"),
        ("0 nan 0.2 0.3 0.4", "not a class and numbers"),
    ],
)
def test_a_wrong_line_is_a_loss(line: str, reason: str, tmp_path: Path) -> None:
    Image.new("L", (100, 100)).save(tmp_path / "a.png")
    source = a_set(tmp_path / "set", a=f"{line}\n0 0.5 0.5 0.1 0.1\n")
    found, ledger = coco(source, tmp_path, images=tmp_path, format="yolo")
    assert len(found["annotations"]) == 1
    (loss,) = ledger["losses"]
    assert reason in loss["reason"]
    assert "line 1" in loss["ids"][0]


def test_an_index_that_is_no_table_is_refused(tmp_path: Path) -> None:
    source = a_set(tmp_path / "set", a="0 0.5 0.5 0.1 0.1\n")
    (source / "images.csv").write_text("file,width\n" + "x" * 200_000 + "\n")
    with pytest.raises(annotary.Invalid, match=r"images\.csv, line 2"):
        coco(source, tmp_path)


def test_label_studio_set(shared: Path, tmp_path: Path) -> None:
    """Seven photographs whose class numbers follow classes.txt, by the sample's README."""
    found, ledger = coco(shared / "data/label-studio/test_import_yolo_data", tmp_path)
    names = {one["id"]: one["name"] for one in found["categories"]}
    counts = Counter(names[one["category_id"]] for one in found["annotations"])
    assert counts == {"closed_door": 10, "bus": 8, "number": 6, "opened_door": 1}
    assert list(names.values()) == ["closed_door", "opened_door", "bus", "number"]
    assert len(found["images"]) == 7
    assert ledger["losses"] == []


def test_labelformat_set(shared: Path, tmp_path: Path) -> None:
    """Names with spaces and folders; 16 boxes of five classes, by the sample's README."""
    folder = shared / "data/labelformat-fixtures/object_detection/YOLOv8"
    found, ledger = coco(folder, tmp_path)
    names = {one["id"]: one["name"] for one in found["categories"]}
    counts = Counter(names[one["category_id"]] for one in found["annotations"])
    assert counts == {"snowboard": 6, "person": 5, "bench": 2, "bicycle with space": 2, "dog": 1}
    area = sum(one["bbox"][2] * one["bbox"][3] for one in found["annotations"])
    assert area == pytest.approx(217_702, rel=2e-3)
    assert ledger["losses"] == []
