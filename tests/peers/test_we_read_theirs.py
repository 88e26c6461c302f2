"""annotary reads what other programs write, by content alone, and loses nothing of it in silence."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import annotary
from tests.peers.conftest import Peers

Classes = dict[str, int]


def seen(folder: Path, into: Path, images: Path) -> tuple[Classes, dict[str, Any]]:
    """Objects by class of a data set, as annotary converts it to COCO; and the ledger."""
    report = annotary.convert(folder, into, to="coco", images=images, options={"images": "skip"})
    document = json.loads(into.read_bytes())
    names = {one["id"]: one["name"] for one in document["categories"]}
    return dict(Counter(names[one["category_id"]] for one in document["annotations"])), report.losses


def truth(file: Path) -> Classes:
    """What the original says."""
    document = json.loads(file.read_bytes())
    names = {one["id"]: one["name"] for one in document["categories"]}
    return dict(Counter(names[one["category_id"]] for one in document["annotations"]))


@pytest.mark.parametrize(
    ("program", "format"),
    [
        ("labelformat", "yolo"),
        ("labelformat", "yolo-seg"),
        ("labelformat", "coco"),
        ("labelformat", "voc"),
        ("labelformat", "cvat"),
        ("supervision", "coco"),
        ("globox", "coco"),
        ("globox", "voc"),
        ("datumaro", "coco_instances"),
        ("datumaro", "yolo"),
        ("datumaro", "voc_detection"),
    ],
)
def test_objects_and_classes(program: str, format: str, peers: Peers, coco20: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    file = coco20 / "instances.json"
    peers("write", program, format, file, coco20 / "images", theirs)
    found, losses = seen(theirs, tmp_path / "ours.json", coco20 / "images")
    assert found == truth(file)
    assert all(line["dropped"] == 0 for line in losses["balance"])


@pytest.mark.parametrize(
    ("program", "format"),
    [("supervision", "yolo"), ("supervision", "voc"), ("datumaro", "cvat"), ("datumaro", "datumaro")],
)
def test_what_they_cut_into_parts(
    program: str, format: str, peers: Peers, coco20: Path, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    file = coco20 / "instances.json"
    peers("write", program, format, file, coco20 / "images", theirs)
    found, losses = seen(theirs, tmp_path / "ours.json", coco20 / "images")
    wanted = truth(file)
    assert found.keys() == wanted.keys()
    # They write an object of several parts as several objects; none is fewer.
    assert all(found[name] >= count for name, count in wanted.items())
    assert all(line["dropped"] == 0 for line in losses["balance"])
