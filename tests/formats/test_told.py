"""Keys that another program filled with anything end in no traceback, no broken file, no lost annotation."""

import json
from xml.etree import ElementTree

import pytest

import annotary

ODD = [
    None,
    1,
    "x",
    [],
    {},
    [1],
    [["a b", "x"]],
    {"rest": {"a b": "x", 'c="d': 1}},
    {"rest": 3},
    {"given": ["box", {}]},
]
ODD += [
    {"given": ["box", {}]},
    {"given": ["nonsense", 3]},
    {"together": [1]},
    {"points": [["x", 1]]},
    {"circle": 7},
    {"flags": 3},
]
ODD += [{"other": 4}, {"occluded": [1]}, {"pose": 3, "<a>": ["b"]}, {"attributes": 3}, {"version": 7}]
KEYS = ("attributes", "voc", "cvat", "labelme", "panoptic", "segment_id", "iscrowd")


@pytest.mark.parametrize("to", ["voc", "coco-panoptic", "labelme", "cvat"])
def test_odd_keys_do_no_harm(tmp_path, to):
    square = [2, 2, 8, 2, 8, 8, 2, 8]
    images, annotations = [], []
    for at, (key, odd) in enumerate((key, odd) for key in KEYS for odd in ODD):
        images.append({"id": at, "file_name": f"{at}.jpg", "width": 20, "height": 20, key: odd})
        one = {"image_id": at, "category_id": 1, key: odd, "area": "x" if at % 2 else None}
        annotations.append({"id": 2 * at, "segmentation": [square], **one})
        annotations.append({"id": 2 * at + 1, "bbox": [1, 1, 2, 2], **one})
    document = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "car", "cvat": {"attributes": 3, "rest": [["<", ""]]}}],
    }
    (tmp_path / "in.json").write_text(json.dumps(document))
    folder = tmp_path / ("out.xml" if to == "cvat" else "out")
    done = annotary.convert(tmp_path / "in.json", folder, to=to)
    counts = {one.kind: (one.went_in, one.came_out) for one in done.findings.ledger.balance}
    each = len(KEYS) * len(ODD)
    assert counts["polygon"] == (each, each)
    assert counts["box"] == (each, 0 if to == "coco-panoptic" else each)
    for path in [folder] if to == "cvat" else folder.rglob("*.xml"):
        ElementTree.parse(path)
    for path in tmp_path.rglob("*.json"):
        json.loads(path.read_text())
