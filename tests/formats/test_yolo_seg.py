"""YOLO segmentation: outlines exactly, parts and holes in one ring, by their pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image as Picture

import annotary
from annotary.formats import _bridges as bridges
from annotary.formats import _contours as contours
from annotary.formats import _geometry as geometry
from annotary.formats import _rle as rle

SIDE = 100


def coco(where: Path, *segmentations: Any, **more: Any) -> Path:
    """A COCO file of one image, an annotation a segmentation."""
    Picture.new("L", (SIDE, SIDE)).save(where / "a.png")
    annotations = [
        {"id": at, "image_id": 1, "category_id": 1, "segmentation": one, "bbox": [0, 0, 9, 9], "area": 1}
        for at, one in enumerate(segmentations, 1)
    ]
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": SIDE, "height": SIDE}],
        "annotations": [{**one, **more} for one in annotations],
        "categories": [{"id": 1, "name": "car"}],
    }
    path = where / "given.json"
    path.write_text(json.dumps(document))
    return path


def written(source: Path, where: Path, **options: Any) -> tuple[list[list[float]], dict[str, Any]]:
    """The lines of the one label file without their class, and the ledger."""
    done = annotary.convert(source, where / "set", to="yolo-seg", options=options)
    text = (where / "set/labels/train/a.txt").read_text()
    lines = [[float(word) for word in line.split()[1:]] for line in text.splitlines()]
    return lines, done.findings.ledger.document()


def pixels(line: list[float]) -> rle.Rle:
    ring = numpy.array(line).reshape(-1, 2) * SIDE
    return geometry.fill_parts([ring], SIDE, SIDE)


def square(left: int, top: int, side: int) -> list[float]:
    return [left, top, left + side, top, left + side, top + side, left, top + side]


def test_a_polygon_is_its_corners(tmp_path: Path) -> None:
    lines, ledger = written(coco(tmp_path, [[10, 20, 30.5, 20, 30.5, 40]]), tmp_path)
    assert lines == [[0.1, 0.2, 0.305, 0.2, 0.305, 0.4]]
    assert ledger["losses"] == []


def test_parts_are_joined_and_measured(tmp_path: Path) -> None:
    parts = [square(10, 10, 20), square(50, 60, 10), square(80, 5, 7)]
    lines, ledger = written(coco(tmp_path, parts), tmp_path)
    wanted = geometry.fill_parts([geometry.flat_ring(one) for one in parts], SIDE, SIDE)
    assert rle.iou(pixels(lines[0]), wanted) == 1
    (loss,) = ledger["losses"]
    assert (loss["action"], loss["iou_worst"]) == ("approximated", 1)


def test_parts_that_overlap_stay_whole(tmp_path: Path) -> None:
    """Even-odd, a ring would have a hole where two of its parts overlap."""
    parts = [square(10, 10, 40), square(20, 20, 40)]
    lines, _ = written(coco(tmp_path, parts), tmp_path)
    wanted = geometry.fill_parts([geometry.flat_ring(one) for one in parts], SIDE, SIDE)
    assert rle.iou(pixels(lines[0]), wanted) == 1


def test_holes_stay_open(tmp_path: Path) -> None:
    mask = numpy.zeros((SIDE, SIDE), numpy.bool_)
    mask[10:60, 10:60] = True
    mask[20:30, 20:30] = mask[40:50, 35:55] = False
    mask[70:80, 70:90] = True
    lines, ledger = written(coco(tmp_path, rle.of_mask(mask).uncompressed()), tmp_path)
    assert pixels(lines[0]) == rle.of_mask(mask)
    (loss,) = ledger["losses"]
    assert loss["iou_mean"] == 1


def test_a_mask_of_one_part_is_no_loss(tmp_path: Path) -> None:
    mask = numpy.zeros((SIDE, SIDE), numpy.bool_)
    mask[10:60, 10:60] = mask[40:80, 40:80] = True
    lines, ledger = written(coco(tmp_path, rle.of_mask(mask).uncompressed()), tmp_path)
    assert pixels(lines[0]) == rle.of_mask(mask)
    assert ledger["losses"] == []


def test_many_pieces_join_quickly() -> None:
    """A mask of thousands of pieces: noise, but no reason to stop."""
    rows, columns = numpy.indices((120, 120))
    mask = (rows % 3 == 1) & (columns % 3 == 1)
    ring = bridges.joined(contours.trace(mask))
    found = rle.iou(geometry.fill_parts([ring], 120, 120), rle.of_mask(mask))
    assert found == 1


def test_what_is_outside_is_cut_off(tmp_path: Path) -> None:
    source = coco(tmp_path, [square(90, 90, 40)], [square(200, 200, 10)])
    lines, ledger = written(source, tmp_path)
    assert len(lines) == 1
    assert max(lines[0]) == 1
    assert [(one["action"], one["count"]) for one in ledger["losses"]] == [("clipped", 1), ("dropped", 1)]


def test_scores_come_back(tmp_path: Path) -> None:
    source = coco(tmp_path, [square(10, 10, 40)], score=0.25)
    lines, _ = written(source, tmp_path)
    assert lines[0][-1] == 0.25
    annotary.convert(tmp_path / "set", tmp_path / "back.json", to="coco", images=tmp_path)
    (back,) = json.loads((tmp_path / "back.json").read_bytes())["annotations"]
    assert back["score"] == 0.25
    assert back["segmentation"][0] == pytest.approx(square(10, 10, 40))


def test_fewer_corners_on_request(tmp_path: Path) -> None:
    disc = geometry.fill_line(numpy.array([[50.0, 50.0]]), 60, SIDE, SIDE)
    source = coco(tmp_path, disc.uncompressed())
    exact, _ = written(source, tmp_path)
    (tmp_path / "two").mkdir()
    simple, ledger = written(source, tmp_path / "two", tolerance=1.5)
    assert len(simple[0]) < len(exact[0]) / 3
    (loss,) = ledger["losses"]
    assert 0.9 < loss["iou_worst"] < 1
    assert loss["iou_worst"] == pytest.approx(rle.iou(pixels(simple[0]), disc), abs=1e-6)


def test_labelformat_set(shared: Path, tmp_path: Path) -> None:
    """Two real images with polygons, read by content."""
    folder = shared / "data/labelformat-fixtures/instance_segmentation/YOLOv8"
    done = annotary.convert(folder, tmp_path / "out.json", to="coco")
    found = json.loads((tmp_path / "out.json").read_bytes())
    lines = [line for one in folder.glob("labels/*.txt") for line in one.read_text().splitlines()]
    assert done.format == "yolo-seg"
    assert len(found["images"]) == 2
    assert sorted(len(one["segmentation"][0]) for one in found["annotations"]) == sorted(
        len(line.split()) - 1 for line in lines
    )
    assert done.findings.ledger.losses == []


def test_real_masks_through_one_ring(shared: Path, tmp_path: Path) -> None:
    """Every part and hole of twenty COCO images is in the one ring of its line."""
    for name in ("instances", "rle"):
        done = annotary.convert(
            shared / f"data/coco20/{name}.json", tmp_path / name, to="yolo-seg", options={"images": "skip"}
        )
        ledger = done.findings.ledger.document()
        assert all(one["dropped"] == 0 for one in ledger["balance"])
        (joined,) = [one for one in ledger["losses"] if one["action"] == "approximated"][:1]
        assert joined["iou_mean"] > 0.995
        assert joined["iou_worst"] > 0.97
