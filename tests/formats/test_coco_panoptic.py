"""Panoptic pictures: ids, crowds, areas, boxes and every pixel of real files come out as they came in."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image as Picture

import annotary
from annotary.engine import sinks
from annotary.formats import load


def ids_of(path: Path) -> np.ndarray:
    pixels = np.asarray(Picture.open(path).convert("RGB")).astype(np.uint32)
    return pixels[..., 0] + 256 * pixels[..., 1] + 65536 * pixels[..., 2]


def segments_of(document: dict) -> dict:
    return {one["image_id"]: one["segments_info"] for one in document["annotations"]}


def test_twenty_real_pictures_are_equal_pixel_for_pixel(shared, tmp_path):
    source = shared / "data/coco20/panoptic.json"
    done = annotary.convert(source, tmp_path / "out", to="coco-panoptic", options={"images": "skip"})
    assert (done.rows, done.annotations) == (20, 369)
    ledger = done.findings.ledger
    assert [one.document() for one in ledger.balance] == [
        {"kind": "mask", "in": 369, "out": 369, "dropped": 0}
    ]
    assert not ledger.losses
    given = json.loads(source.read_text())
    made = json.loads((tmp_path / "out/annotations/panoptic_train.json").read_text())
    assert segments_of(made) == segments_of(given)
    assert made["images"] == given["images"]
    assert made["categories"] == sorted(given["categories"], key=lambda one: one["id"])
    assert (made["info"], made["licenses"]) == (given["info"], given["licenses"])
    assert sum(one["iscrowd"] for some in segments_of(made).values() for one in some) == 9
    labelled = 0
    for one in given["annotations"]:
        before = ids_of(shared / "data/coco20/masks" / one["file_name"])
        after = ids_of(tmp_path / "out/annotations/panoptic_train" / one["file_name"])
        assert (before == after).all()
        labelled += int((after > 0).sum())
    assert labelled == 5_196_669


def test_real_pictures_come_out_of_a_store(shared, tmp_path):
    source = shared / "data/coco20/panoptic.json"
    with annotary.Client(tmp_path / "store") as client:
        client.load(source, project="p")
        project = client.get_projects()[0]
        export = project.export(format="coco-panoptic").open()
        sinks.deliver(export.parts, tmp_path / "out", lines=False, one_file=False, name="")
    given = json.loads(source.read_text())
    made = json.loads((tmp_path / "out/annotations/panoptic_train.json").read_text())
    assert segments_of(made) == segments_of(given)
    for one in given["annotations"]:
        before = ids_of(shared / "data/coco20/masks" / one["file_name"])
        assert (ids_of(tmp_path / "out/annotations/panoptic_train" / one["file_name"]) == before).all()


def test_splits_are_files_of_their_own(shared, tmp_path):
    source = shared / "data/coco20/panoptic.json"
    options = {"images": "skip", "split": (0.5, 0.5)}
    annotary.convert(source, tmp_path / "out", to="coco-panoptic", options=options)
    assert {path.name for path in (tmp_path / "out/annotations").iterdir()} == {
        "panoptic_train", "panoptic_train.json", "panoptic_val", "panoptic_val.json",
    }  # fmt: skip
    again = annotary.convert(tmp_path / "out", tmp_path / "again", to="coco-panoptic")
    assert (again.format, again.annotations) == ("coco-panoptic", 369)
    for path in (tmp_path / "out/annotations").rglob("*.*"):
        assert (
            tmp_path / "again/annotations" / path.relative_to(tmp_path / "out/annotations")
        ).read_bytes() == (path.read_bytes())


def small(tmp_path: Path, segments: list[dict], pixels: np.ndarray) -> Path:
    """A file of one image with these segments and pixels."""
    folder = tmp_path / "in"
    folder.mkdir()
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": pixels.shape[1], "height": pixels.shape[0]}],
        "annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": segments}],
        "categories": [{"id": 5, "name": "sky", "isthing": 0}],
    }
    (folder / "p.json").write_bytes(msgspec.json.encode(document))
    colours = np.stack([pixels & 255, pixels >> 8 & 255, pixels >> 16], axis=-1).astype(np.uint8)
    Picture.fromarray(colours).save(folder / "a.png")
    return folder / "p.json"


def test_segments_without_pixels_and_pixels_without_segments_are_named(tmp_path):
    pixels = np.array([[1, 1, 300], [0, 0, 300]], np.uint32)
    segments = [{"id": 1, "category_id": 5}, {"id": 7, "category_id": 5}]
    done = annotary.convert(small(tmp_path, segments, pixels), tmp_path / "out", to="coco-panoptic")
    ledger = done.findings.ledger
    assert {one.reason for one in ledger.losses} == {"no pixel has its id", "its id is not in segments_info"}
    assert [one.document() for one in ledger.balance] == [{"kind": "mask", "in": 3, "out": 1, "dropped": 2}]


def test_a_picture_of_another_size_is_refused(tmp_path):
    path = small(tmp_path, [{"id": 1, "category_id": 5}], np.ones((2, 3), np.uint32))
    path.write_text(path.read_text().replace('"width":3', '"width":4'))
    with pytest.raises(annotary.Refused, match="a picture of 3 x 2 pixels of an image of 4 x 2"):
        annotary.convert(path, tmp_path / "out", to="coco-panoptic")
    assert not (tmp_path / "out").exists()


def test_what_lies_below_is_measured(tmp_path):
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 10, "height": 10}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 8, 0, 8, 8, 0, 8]]},
            {"id": 2, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 4, 0, 4, 8, 0, 8]]},
            {"id": 3, "image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2]},
        ],
        "categories": [{"id": 1, "name": "car"}],
    }
    source = tmp_path / "c.json"
    source.write_text(json.dumps(document))
    done = annotary.convert(source, tmp_path / "out", to="coco-panoptic")
    losses = {one.reason: one for one in done.findings.ledger.losses}
    assert losses["other objects cover a part of it"].iou_mean == 0.5
    assert losses["a panoptic picture has no box: it has no pixels of its own"].count == 1
    made = json.loads((tmp_path / "out/annotations/panoptic_train.json").read_text())
    (element,) = made["annotations"]
    assert [one["area"] for one in element["segments_info"]] == [32, 32]
    assert len({one["id"] for one in element["segments_info"]}) == 2


def test_instances_are_not_taken_for_it(shared):
    start = (shared / "data/coco20/instances.json").read_bytes()[: 1 << 16]
    form = load("coco-panoptic")
    assert form.starts is not None and not form.starts(start)
