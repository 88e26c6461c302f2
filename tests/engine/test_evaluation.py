"""Evaluation: cases by hand, and other programs' numbers for the same boxes and pixels."""

from __future__ import annotations

import contextlib
import io
import json
import random
from pathlib import Path
from typing import Any

import pytest

import annotary
from annotary.errors import Invalid, Refused
from annotary.model.analysis import Averages, Evaluation

CLASSES = ("car", "dog", "tree")


def _coco(images: int = 12, seed: int = 3) -> dict[str, Any]:
    luck = random.Random(seed)
    annotations = []
    for image in range(1, images + 1):
        for _ in range(luck.randint(1, 7)):
            left, top = luck.uniform(0, 300), luck.uniform(0, 200)
            width, height = luck.uniform(5, 180), luck.uniform(5, 150)
            box = [left, top, width, height]
            one = {"id": len(annotations) + 1, "image_id": image, "bbox": box, "area": width * height}
            annotations.append({**one, "category_id": luck.randint(1, 3), "iscrowd": 0})
    return {
        "images": [
            {"id": n, "file_name": f"{n}.jpg", "width": 500, "height": 400} for n in range(1, images + 1)
        ],
        "annotations": annotations,
        "categories": [{"id": n + 1, "name": name} for n, name in enumerate(CLASSES)],
    }


def _results(coco: dict[str, Any], seed: int = 5) -> list[dict[str, Any]]:
    luck = random.Random(seed)
    found = []
    for one in coco["annotations"]:
        if luck.random() < 0.85:
            box = [number + luck.gauss(0, 6) for number in one["bbox"]]
            category = one["category_id"] if luck.random() < 0.9 else luck.randint(1, 3)
            found.append((one["image_id"], category, [*box[:2], max(box[2], 1), max(box[3], 1)]))
        if luck.random() < 0.3:
            box = [luck.uniform(0, 300), luck.uniform(0, 200), luck.uniform(5, 90), luck.uniform(5, 90)]
            found.append((one["image_id"], luck.randint(1, 3), box))
    scores = luck.sample(range(1, 10_000), len(found))
    return [
        {"image_id": image, "category_id": category, "bbox": box, "score": score / 10_000}
        for (image, category, box), score in zip(found, scores, strict=True)
    ]


def _polygons(coco: dict[str, Any]) -> dict[str, Any]:
    for one in coco["annotations"]:
        left, top, width, height = one["bbox"]
        ring = [left, top + height / 2, left + width / 2, top, left + width, top + height, left, top + height]
        one["segmentation"] = [ring]
        one["area"] = abs(
            sum(ring[n] * ring[(n + 3) % 8] - ring[n + 1] * ring[(n + 2) % 8] for n in range(0, 8, 2)) / 2
        )
    return coco


def _evaluated(
    client: annotary.Client, folder: Path, coco: dict[str, Any], results: Any, **more: Any
) -> Evaluation:
    labels, predictions = folder / "labels.json", folder / "predictions.json"
    labels.write_text(json.dumps(coco))
    predictions.write_text(json.dumps(results))
    client.load(labels, project="boxes")
    (project,) = client.get_projects("boxes")
    return project.evaluate(predictions, **more)


def _judged(program: str, coco: dict[str, Any], results: Any, kind: str) -> list[float | None]:
    with contextlib.redirect_stdout(io.StringIO()):
        if program == "pycocotools":
            from pycocotools.coco import COCO
            from pycocotools.cocoeval import COCOeval

            truth = COCO()
            judge_of: Any = COCOeval
        else:
            from faster_coco_eval import COCO as FastCOCO
            from faster_coco_eval import COCOeval_faster

            truth = FastCOCO()
            judge_of = COCOeval_faster
        truth.dataset = coco
        truth.createIndex()
        judge = judge_of(truth, truth.loadRes([dict(one) for one in results]), kind)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return [None if one < 0 else float(one) for one in judge.stats[:12]]


def _numbers(found: Averages) -> list[float | None]:
    return [getattr(found, name) for name in Averages.__struct_fields__]


@pytest.mark.parametrize("program", ["pycocotools", "faster-coco-eval"])
def test_averages_of_boxes_are_those_of_other_programs(
    client: annotary.Client, tmp_path: Path, program: str
) -> None:
    coco = _coco()
    results = _results(coco)
    found = _evaluated(client, tmp_path, coco, results)
    assert 0.1 < (found.boxes.ap or 0) < 0.9
    assert _numbers(found.boxes) == pytest.approx(_judged(program, coco, results, "bbox"), abs=1e-9)


@pytest.mark.parametrize("program", ["pycocotools", "faster-coco-eval"])
def test_averages_of_pixels_are_those_of_other_programs(
    client: annotary.Client, tmp_path: Path, program: str
) -> None:
    coco = _polygons(_coco())
    luck = random.Random(8)
    results = [
        {
            "image_id": one["image_id"],
            "category_id": one["category_id"],
            "segmentation": [[number + luck.gauss(0, 4) for number in one["segmentation"][0]]],
            "score": luck.random(),
        }
        for one in coco["annotations"]
        if luck.random() < 0.8
    ]
    found = _evaluated(client, tmp_path, coco, results)
    assert found.shapes is not None
    from pycocotools import mask

    # Rasterised beforehand: other programs derive areas of results from boxes otherwise.
    filled = []
    for one in results:
        rle = mask.merge(mask.frPyObjects(one["segmentation"], 400, 500))
        filled.append({**one, "segmentation": rle})
    theirs = _judged(program, coco, filled, "segm")
    # Sizes apart: a prediction's area is by its polygon here, by its pixels there.
    assert _numbers(found.shapes)[:3] == pytest.approx(theirs[:3], abs=1e-9)
    assert _numbers(found.shapes)[6:9] == pytest.approx(theirs[6:9], abs=1e-9)


def test_labels_against_themselves_are_perfect(client: annotary.Client, tmp_path: Path) -> None:
    coco = _polygons(_coco())
    results = [{**one, "score": 0.9} for one in coco["annotations"]]
    found = _evaluated(client, tmp_path, coco, results)
    assert [found.boxes.ap, found.boxes.ap50] == pytest.approx([1, 1], abs=1e-9)
    assert found.shapes is not None
    assert found.shapes.ap == pytest.approx(1, abs=1e-9)
    assert {one.precision for one in found.classes} == {one.recall for one in found.classes} == {1}
    assert found.worst == ()
    assert found.predictions == found.labels == len(coco["annotations"])


def _small(*boxes: tuple[int, int, list[float]], crowd: bool = False) -> dict[str, Any]:
    coco = _coco(2)
    coco["annotations"] = [
        {"id": n, "image_id": image, "category_id": category, "bbox": box, "area": box[2] * box[3]}
        | {"iscrowd": int(crowd)}
        for n, (image, category, box) in enumerate(boxes, start=1)
    ]
    return coco


def _said(image: int, category: int, box: list[float], score: float) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": box, "score": score}


def test_one_of_two_found_and_one_false(client: annotary.Client, tmp_path: Path) -> None:
    coco = _small((1, 1, [0, 0, 100, 100]), (2, 1, [0, 0, 100, 100]))
    results = [_said(1, 1, [200, 200, 50, 50], 0.9), _said(1, 1, [0, 0, 100, 100], 0.8)]
    found = _evaluated(client, tmp_path, coco, results)
    # The precision is 1/2 up to the recall 1/2: 51 of 101 points.
    assert found.boxes.ap == pytest.approx(51 / 101 / 2, abs=1e-9)
    (car,) = [one for one in found.classes if one.name == "car"]
    assert (car.labels, car.predictions, car.matched) == (2, 2, 1)
    assert (car.precision, car.recall) == (0.5, 0.5)
    worst = [(one.iou, len(one.pairs), len(one.missed), len(one.spurious)) for one in found.worst]
    assert worst == [(0, 0, 1, 0), (0.5, 1, 0, 1)]
    assert found.worst[1].pairs[0].iou == 1


def test_a_mistaken_class_is_confusion(client: annotary.Client, tmp_path: Path) -> None:
    coco = _small((1, 1, [0, 0, 100, 100]))
    found = _evaluated(client, tmp_path, coco, [_said(1, 2, [0, 0, 100, 80], 0.9)])
    names = [one.name for one in found.classes]
    assert names == ["car", "dog"]
    assert found.confusion == ((0, 1, 0), (0, 0, 0), (0, 0, 0))
    (row,) = found.worst
    assert (row.iou, row.pairs[0].name, row.pairs[0].predicted) == (0, "car", "dog")
    assert row.pairs[0].iou == pytest.approx(0.8)


def test_thresholds_are_kept(client: annotary.Client, tmp_path: Path) -> None:
    coco = _small((1, 1, [0, 0, 100, 100]))
    results = [_said(1, 1, [0, 0, 100, 60], 0.4)]
    assert _evaluated(client, tmp_path, coco, results).classes[0].matched == 1
    assert _evaluated(client, tmp_path, coco, results, iou=0.7).classes[0].matched == 0
    few = _evaluated(client, tmp_path, coco, results, confidence=0.5)
    assert (few.predictions, few.classes[0].recall, few.classes[0].precision) == (0, 0, None)


def test_predictions_within_a_crowd_are_ignored(client: annotary.Client, tmp_path: Path) -> None:
    coco = _small((1, 1, [0, 0, 400, 300]), crowd=True)
    coco["annotations"].append(
        {"id": 2, "image_id": 1, "category_id": 1, "bbox": [410, 0, 50, 50], "area": 2500, "iscrowd": 0}
    )
    results = [_said(1, 1, [10, 10, 40, 40], 0.9), _said(1, 1, [410, 0, 50, 50], 0.8)]
    found = _evaluated(client, tmp_path, coco, results)
    assert (found.ignored, found.labels, found.predictions) == (1, 1, 1)
    assert found.boxes.ap == pytest.approx(1, abs=1e-9)


def test_rows_without_a_label_are_left_aside(client: annotary.Client, tmp_path: Path) -> None:
    coco = _small((1, 1, [0, 0, 100, 100]))
    found = _evaluated(
        client, tmp_path, coco, [_said(1, 1, [0, 0, 100, 100], 0.9), _said(2, 1, [0, 0, 9, 9], 0.9)]
    )
    assert (found.rows, found.left_out) == (1, {"image without a label": 1})
    assert found.boxes.ap == pytest.approx(1, abs=1e-9)


def test_what_is_wrong_is_said(client: annotary.Client, tmp_path: Path) -> None:
    coco = _small((1, 1, [0, 0, 100, 100]))
    with pytest.raises(Invalid, match="iou"):
        _evaluated(client, tmp_path, coco, [_said(1, 1, [0, 0, 1, 1], 0.9)], iou=2)
    with pytest.raises((Invalid, Refused)):
        _evaluated(client, tmp_path, coco, "no predictions")
    with pytest.raises(Invalid, match="nothing to measure"):
        _evaluated(client, tmp_path, coco, [_said(1, 1, [0, 0, 9, 9], 0.9)], data_row_ids=["none"])


def _box(id: str, name: str, left: float, **more: Any) -> dict[str, Any]:
    place = {"top": 0, "left": left, "height": 100, "width": 100}
    about = {"annotation_kind": "ImageBoundingBox", "feature_id": id, "name": name, "value": name}
    return {**about, "classifications": [], "bounding_box": place, **more}


def _label(id: str, *boxes: dict[str, Any]) -> dict[str, Any]:
    empty: dict[str, Any] = {"classifications": [], "relationships": []}
    return {"label_kind": "Default", "version": "1.0.0", "id": id, "annotations": {"objects": boxes, **empty}}


@pytest.fixture
def run(client: annotary.Client, tmp_path: Path) -> Any:
    """A run with a row of two labels, and one without a label."""
    labels = [
        _label("one", _box("car", "car", 0), _box("dog", "dog", 200)),
        _label("two", _box("only", "car", 50)),
    ]
    said = [_box("sure", "car", 0, confidence=0.9), _box("unsure", "dog", 400, confidence=0.2)]
    rows = []
    for id, part in (("labelled", labels), ("bare", [])):
        predictions = [_label(f"said-{id}", *(said if part else []))]
        shown = {"name": "r", "run_data_row_id": f"in-{id}", "labels": part, "predictions": predictions}
        rows.append(
            {
                "data_row": {"id": id, "external_id": id, "row_data": f"{id}.png"},
                "media_attributes": {"height": 400, "width": 500},
                "experiments": {"model": {"name": "m", "runs": {"run": shown}}},
            }
        )
    path = tmp_path / "run.ndjson"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    client.load(path)
    return client.get_model_run("run")


def test_one_row_is_matched_by_itself(run: Any) -> None:
    found = run.match("labelled")
    assert (found.missed, found.spurious) == (("dog", "only"), ("unsure",))
    assert [(one.label, one.prediction, one.iou) for one in found.pairs] == [("car", "sure", 1)]
    (row,) = run.evaluate().worst
    assert found == row


def test_the_runs_of_a_row_are_found(run: Any, client: annotary.Client) -> None:
    assert [one.id for one in client.get_model_runs(data_row_id="labelled")] == ["run"]
    client.create_dataset("elsewhere").create_data_rows([{"id": "other", "row_data": "x.png"}])
    assert client.get_model_runs(data_row_id="other") == []
    with pytest.raises(annotary.NotFound, match="nowhere"):
        client.get_model_runs(data_row_id="nowhere")


def test_one_label_of_a_row_is_matched_by_itself(run: Any) -> None:
    found = run.match("labelled", label_id="two", iou=0.3)
    assert [(one.label, one.prediction) for one in found.pairs] == [("only", "sure")]
    assert found.pairs[0].iou == pytest.approx(1 / 3)
    assert run.match("labelled", label_id="two", iou=0.34).pairs == ()
    assert run.match("labelled", confidence=0.5).spurious == ()


def test_a_row_without_a_label_is_not_matched(run: Any) -> None:
    with pytest.raises(Invalid, match="'bare' has no label to compare"):
        run.match("bare")
    with pytest.raises(Invalid, match="no label 'three' to compare"):
        run.match("labelled", label_id="three")
    with pytest.raises(annotary.NotFound, match="nowhere"):
        run.match("nowhere")


def test_without_averages_all_else_is_the_same(client: annotary.Client, tmp_path: Path) -> None:
    coco = _polygons(_coco())
    results = _results(coco)
    with_them = _evaluated(client, tmp_path, coco, results)
    without = _evaluated(client, tmp_path, coco, results, averages=False)
    assert with_them.boxes.ap is not None and without.boxes.ap is None and without.shapes is None
    for name in ("rows", "confusion", "worst", "labels", "predictions", "left_out"):
        assert getattr(with_them, name) == getattr(without, name)
    for one, other in zip(with_them.classes, without.classes, strict=True):
        assert (one.name, one.precision, one.recall) == (other.name, other.precision, other.recall)
        assert other.ap50 is None and other.curve == ()
