"""Other programs read what annotary writes, and see in it what the original says."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import annotary
from tests.peers.conftest import Peers

Json = dict[str, Any]


@pytest.fixture(scope="session")
def truth(coco20: Path) -> Json:
    """What the original file says, counted without annotary."""
    document = json.loads((coco20 / "instances.json").read_bytes())
    names = {one["id"]: one["name"] for one in document["categories"]}
    return {
        "images": len(document["images"]),
        "objects": len(document["annotations"]),
        "classes": dict(Counter(names[one["category_id"]] for one in document["annotations"])),
        "boxes": sum(one["bbox"][2] * one["bbox"][3] for one in document["annotations"]),
    }


def agrees(seen: Json, truth: Json, share: float = 1e-6, *, images: bool = True) -> None:
    """All counts are equal, and the sum of boxes within a share."""
    assert seen["objects"] == truth["objects"]
    assert seen["classes"] == truth["classes"]
    assert seen["boxes"] == pytest.approx(truth["boxes"], rel=share)
    if images:
        assert seen["images"] == truth["images"]


def converted(coco20: Path, folder: Path, to: str, **options: Any) -> Path:
    given = {"images": "copy", **options}
    annotary.convert(coco20 / "instances.json", folder, to=to, images=coco20 / "images", options=given)
    return folder


@pytest.mark.parametrize("program", ["labelformat", "supervision", "globox"])
def test_coco(program: str, peers: Peers, coco20: Path, tmp_path: Path, truth: Json) -> None:
    file = tmp_path / "ours.json"
    annotary.convert(coco20 / "instances.json", file, to="coco")
    agrees(peers("read", program, "coco", file, coco20 / "images"), truth)


def test_masks_of_coco_are_supervisions(peers: Peers, coco20: Path, tmp_path: Path) -> None:
    annotary.convert(coco20 / "instances.json", tmp_path / "ours.json", to="coco")
    ours = peers("read", "supervision", "coco-masks", tmp_path / "ours.json", coco20 / "images")
    theirs = peers("read", "supervision", "coco-masks", coco20 / "instances.json", coco20 / "images")
    assert ours["pixels"] == theirs["pixels"] > 0


def test_datumaro_reads_coco(peers: Peers, coco20: Path, tmp_path: Path, truth: Json) -> None:
    folder = converted(coco20, tmp_path / "ours", "coco", layout="splits")
    seen = peers("read", "datumaro", "coco_instances", folder)
    # It counts the parts of an object one by one.
    assert seen["objects"] >= truth["objects"]
    assert seen["classes"].keys() == truth["classes"].keys()
    assert seen["images"] == truth["images"]


@pytest.mark.parametrize("program", ["labelformat", "supervision"])
def test_yolo(program: str, peers: Peers, coco20: Path, tmp_path: Path, truth: Json) -> None:
    folder = converted(coco20, tmp_path / "ours", "yolo")
    agrees(peers("read", program, "yolo", folder), truth, 0.05)


def test_datumaro_reads_yolo(peers: Peers, coco20: Path, tmp_path: Path, truth: Json) -> None:
    folder = converted(coco20, tmp_path / "ours", "yolo")
    agrees(peers("read", "datumaro", "yolo", folder), truth, 0.05)


@pytest.mark.parametrize(
    ("program", "format", "to", "place", "images", "share"),
    [
        ("labelformat", "voc", "voc", "Annotations", "JPEGImages", 0.05),
        ("supervision", "voc", "voc", "Annotations", "JPEGImages", 0.05),
        ("globox", "voc", "voc", "Annotations", "JPEGImages", 0.05),
        ("datumaro", "voc_detection", "voc", "", "", 0.05),
        ("datumaro", "cvat", "cvat", "", "", None),
        ("datumaro", "datumaro", "datumaro", "", "", None),
        ("labelformat", "yolo-seg", "yolo-seg", "", "", None),
        ("supervision", "yolo-seg", "yolo-seg", "", "", None),
        ("supervision", "yolo-obb", "yolo-obb", "", "", None),
        ("datumaro", "kitti", "kitti", "", "", 1e-4),
        ("datumaro", "open_images", "openimages", "", "", None),
    ],
)
def test_other_layouts(
    program: str,
    format: str,
    to: str,
    place: str,
    images: str,
    share: float | None,
    peers: Peers,
    coco20: Path,
    tmp_path: Path,
    truth: Json,
) -> None:
    """Boxes are compared where the layout has boxes of all objects."""
    folder = converted(coco20, tmp_path / "ours", to)
    seen = peers("read", program, format, folder / place, folder / images)
    # KITTI has no space in a class's name; annotary reads its own back.
    classes = {name.replace("_", " "): count for name, count in seen["classes"].items() if count}
    agrees({**seen, "classes": classes}, truth if share else {**truth, "boxes": seen["boxes"]}, share or 1)


def test_labelformat_reads_cvat(peers: Peers, coco20: Path, tmp_path: Path, truth: Json) -> None:
    """Of CVAT it reads boxes alone: those of a YOLO folder."""
    boxes = converted(coco20, tmp_path / "boxes", "yolo")
    annotary.convert(boxes, tmp_path / "ours.xml", to="cvat")
    agrees(peers("read", "labelformat", "cvat", tmp_path / "ours.xml"), truth, 0.05)
