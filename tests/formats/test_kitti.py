"""KITTI: real sets, what is said in space, names with spaces, wrong lines."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture

import annotary
from annotary.engine import sinks
from annotary.engine.recognising import opened, recognised

CAR = "Car 0.88 3 -0.69 0.00 192.37 402.31 374.00 1.60 1.57 3.23 -2.70 1.74 3.68 -1.29"
DONT_CARE = "DontCare -1 -1 -10 503.89 169.71 590.61 190.13 -1 -1 -1 -1000 -1000 -1000 -10"
FOUND = "Van 0.00 0 -10 1.50 2.00 3.25 4.00 -1 -1 -1 -1000 -1000 -1000 -10 0.75"


def a_set(where: Path, *lines: str, folder: str = "training/label_2") -> Path:
    (where / folder).mkdir(parents=True)
    (where / folder / "000001.txt").write_text("".join(f"{line}\n" for line in lines))
    return where


def coco(source: Path, where: Path, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    done = annotary.convert(source, where / "out.json", to="coco", **more)
    assert done.format == "kitti"
    return json.loads((where / "out.json").read_bytes()), done.findings.ledger.document()


def counts(found: dict[str, Any]) -> Counter[str]:
    names = {one["id"]: one["name"] for one in found["categories"]}
    return Counter(names[one["category_id"]] for one in found["annotations"])


@pytest.mark.parametrize("way", ["converted", "stored"])
def test_every_word_comes_back(way: str, tmp_path: Path) -> None:
    """What a label says in space, occlusion and all, is carried; the lines are the same to the last digit."""
    source = a_set(tmp_path / "set", CAR, DONT_CARE, FOUND)
    if way == "converted":
        done = annotary.convert(source, tmp_path / "again", to="kitti")
        assert done.findings.ledger.losses == []
    else:
        with annotary.Client(tmp_path / "store") as client:
            assert client.load(source, project="again").losses["losses"] == []
            export = client.get_projects()[0].export(format="kitti").open(counted=True)
            sinks.deliver(export.parts, tmp_path / "again", lines=False, one_file=False, name="again")
    text = (tmp_path / "again/training/label_2/000001.txt").read_text()
    assert text.splitlines() == [CAR, DONT_CARE, FOUND]


def test_boxes_flags_and_scores(tmp_path: Path) -> None:
    found, ledger = coco(a_set(tmp_path / "set", CAR, FOUND), tmp_path)
    car, van = found["annotations"]
    assert car["bbox"] == pytest.approx([0, 192.37, 402.31, 181.63])
    assert car["attributes"] == {"truncated": True, "occluded": True}
    assert van["score"] == 0.75
    assert ledger["losses"] == []


def test_flags_of_coco_files_are_written(tmp_path: Path) -> None:
    one = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "segmentation": [], "iscrowd": 0}
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 10, "height": 10}],
        "annotations": [
            {**one, "attributes": {"occluded": True, "truncated": 0.25}},
            {**one, "id": 2, "iscrowd": 1},
        ],
        "categories": [{"id": 1, "name": "car"}],
    }
    (tmp_path / "given.json").write_text(json.dumps(document))
    done = annotary.convert(tmp_path / "given.json", tmp_path / "out", to="kitti")
    first, _ = (tmp_path / "out/training/label_2/a.txt").read_text().splitlines()
    assert first == "car 0.25 1 -10 1.00 2.00 4.00 6.00 -1 -1 -1 -1000 -1000 -1000 -10"
    assert [(loss.action, loss.count) for loss in done.findings.ledger.losses] == [("repaired", 1)]


def test_its_own_sample(shared: Path, tmp_path: Path) -> None:
    """Datumaro's set: by its own files two images, a truck and four vans."""
    folder = shared / "data/datumaro-tiny/kitti_dataset/kitti_detection"
    (one,) = opened([folder])
    assert recognised(one) == "kitti"
    found, ledger = coco(folder, tmp_path)
    assert counts(found) == {"Truck": 1, "Van": 4}
    assert [one["file_name"] for one in found["images"]] == ["000030_10.png", "000030_11.png"]
    assert all(one["width"] for one in found["images"])
    assert ledger["losses"] == []


def test_labelformat_set(shared: Path, tmp_path: Path) -> None:
    """Names with spaces; pictures in a folder that the labels do not have; counts by the README."""
    folder = shared / "data/labelformat-fixtures/object_detection/KITTI"
    found, ledger = coco(folder, tmp_path)
    assert counts(found) == {"snowboard": 6, "person": 5, "bench": 2, "bicycle with space": 2, "dog": 1}
    area = sum(one["bbox"][2] * one["bbox"][3] for one in found["annotations"])
    assert area == pytest.approx(217_702, abs=1)
    assert {one["file_name"].startswith("a-difficult subfolder/") for one in found["images"]} == {True}
    assert all(one["width"] for one in found["images"])
    assert ledger["losses"] == []


def test_pictures_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    Picture.new("L", (1242, 375)).save(tmp_path / "pictures/000001.png")
    found, _ = coco(a_set(tmp_path / "set", CAR), tmp_path, images=tmp_path / "pictures")
    assert [(one["file_name"], one["width"]) for one in found["images"]] == [("000001.png", 1242)]


def test_pictures_without_labels_are_images(tmp_path: Path) -> None:
    source = a_set(tmp_path / "set", CAR)
    (source / "testing/image_2").mkdir(parents=True)
    Picture.new("L", (20, 10)).save(source / "testing/image_2/000009.png")
    found, _ = coco(source, tmp_path)
    assert [one["file_name"] for one in found["images"]] == ["000001.png", "000009.png"]


def test_names_are_one_word_and_come_back(tmp_path: Path) -> None:
    """Programs take a line apart at its spaces: such names are written otherwise, each in its own way."""
    names = ["dining table", "dining_table", "7", "two\nlines", " edge", "class 1", "plain"]
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 10, "height": 10}],
        "annotations": [
            {"id": at, "image_id": 1, "category_id": at, "bbox": [1, 2, 3, 4], "segmentation": []}
            for at in range(len(names))
        ],
        "categories": [{"id": at, "name": name} for at, name in enumerate(names)],
    }
    (tmp_path / "given.json").write_text(json.dumps(document))
    done = annotary.convert(tmp_path / "given.json", tmp_path / "out", to="kitti")
    lines = (tmp_path / "out/training/label_2/a.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == [
        "dining_table_(2)",
        "dining_table",
        "7_",
        "two_lines",
        "edge",
        "class_1",
        "plain",
    ]
    assert all(len(line.split()) == 15 for line in lines)
    found, _ = coco(tmp_path / "out", tmp_path)
    assert counts(found) == dict.fromkeys(names, 1)
    assert [one["name"] for one in found["categories"]] == names
    (renamed,) = done.findings.ledger.losses
    assert (renamed.action, renamed.count) == ("renamed", 5)


def test_class_numbers_stay(tmp_path: Path) -> None:
    numbers = {"DontCare": 3, "Car": 1}
    annotary.convert(
        a_set(tmp_path / "set", CAR, DONT_CARE),
        tmp_path / "out",
        to="kitti",
        options={"class_index": numbers},
    )
    assert (tmp_path / "out/kitti_classes.txt").read_text().splitlines() == ["", "Car", "", "DontCare"]
    annotary.convert(tmp_path / "out", tmp_path / "yolo", to="yolo-seg")
    assert "1: Car\n  3: DontCare" in (tmp_path / "yolo/data.yaml").read_text()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Car 1 2 3", "not a type and 14 numbers"),
        (CAR.replace("402.31", "-5"), "before its left or top"),
        (CAR.replace("402.31", "1e300"), "before its left or top"),
        (CAR.replace("402.31", "nan"), "not a type and 14 numbers"),
        ("Car" + " " * 100_000 + "x", "not a type and 14 numbers"),
    ],
)
def test_a_wrong_line_is_a_loss(line: str, reason: str, tmp_path: Path) -> None:
    found, ledger = coco(a_set(tmp_path / "set", FOUND, line), tmp_path)
    assert counts(found) == {"Van": 1}
    (loss,) = ledger["losses"]
    assert reason in loss["reason"]
    assert loss["ids"][0].startswith("training/label_2/000001.txt, line 2")


def test_other_scores_are_carried(tmp_path: Path) -> None:
    """KITTI's benchmark takes any number as a score."""
    line = FOUND.replace("0.75", "12.5")
    source = a_set(tmp_path / "set", line)
    done = annotary.convert(source, tmp_path / "again", to="kitti")
    assert (tmp_path / "again/training/label_2/000001.txt").read_text() == f"{line}\n"
    assert [loss.action for loss in done.findings.ledger.losses] == ["repaired"]


@pytest.mark.parametrize("numbers", [14, 16, 80])
def test_yolo_is_not_taken_for_kitti(numbers: int, tmp_path: Path) -> None:
    """A polygon of seven corners has as many numbers as a line of KITTI, one of more has more."""
    source = a_set(tmp_path / "set", "0 " + " ".join(["0.5"] * numbers), folder="labels")
    (source / "data.yaml").write_text("names: [car]\n")
    (one,) = opened([source])
    assert recognised(one) == "yolo-seg"
