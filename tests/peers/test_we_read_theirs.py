"""annotary reads what other programs write, by content alone, and loses nothing of it in silence."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import annotary
from tests.peers.conftest import Peers

Json = dict[str, Any]


def seen(folder: Path, into: Path, images: Path | None = None) -> tuple[Json, Any]:
    """Objects by class of a data set, as annotary converts it to COCO; and its report."""
    report = annotary.convert(folder, into, to="coco", images=images, options={"images": "skip"})
    document = json.loads(into.read_bytes())
    names = {one["id"]: one["name"] for one in document["categories"]}
    classes = Counter(names[one["category_id"]] for one in document["annotations"])
    return {"images": len(document["images"]), "classes": dict(classes)}, report


def truth(coco20: Path) -> Json:
    document = json.loads((coco20 / "instances.json").read_bytes())
    names = {one["id"]: one["name"] for one in document["categories"]}
    classes = Counter(names[one["category_id"]] for one in document["annotations"])
    return {"images": len(document["images"]), "classes": dict(classes)}


@pytest.mark.parametrize(
    ("program", "format"),
    [
        ("labelformat", "yolo"),
        ("labelformat", "coco"),
        ("supervision", "yolo"),
        ("supervision", "coco"),
        ("globox", "coco"),
        ("datumaro", "coco_instances"),
        ("datumaro", "yolo"),
    ],
)
def test_boxes_and_classes(program: str, format: str, peers: Peers, coco20: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    peers("write", program, format, coco20 / "instances.json", coco20 / "images", theirs)
    found, _ = seen(theirs, tmp_path / "ours.json", coco20 / "images")
    assert found["classes"] == truth(coco20)["classes"]
