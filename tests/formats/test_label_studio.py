"""Label Studio: real exports, every kind of region, what is odd in them, and what is wrong."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy
import pytest

import annotary
from annotary.engine import sinks
from annotary.formats import _runs as runs
from annotary.formats import load
from annotary.model.geometry import Point
from annotary.model.image import POINT, Classes, Image, ImageSet, Mark
from annotary.model.ledger import Ledger

Json = dict[str, Any]
WIDTH, HEIGHT = 200, 100


def region(kind: str, id: str = "r1", label: str = "car", **value: Any) -> Json:
    """A region as Label Studio exports it."""
    return {
        "id": id,
        "type": f"{kind}labels",
        "from_name": "label",
        "to_name": "image",
        "original_width": WIDTH,
        "original_height": HEIGHT,
        "image_rotation": 0,
        "value": {**value, f"{kind}labels": [label]},
    }


def box(id: str = "r1", **value: Any) -> Json:
    return region("rectangle", id, **{"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0, **value})


def task(*results: Json, **more: Any) -> Json:
    """A task of one annotation."""
    return {
        "id": 1,
        "data": {"image": "/data/a.jpg"},
        "annotations": [{"id": 7, "result": list(results)}],
        **more,
    }


def converted(where: Path, tasks: Any, to: str = "coco") -> tuple[Any, Json]:
    """Tasks in another format, and the ledger."""
    (where / "given.json").write_text(json.dumps(tasks))
    done = annotary.convert(where / "given.json", where / "out.json", to=to)
    assert done.format == "label-studio"
    return json.loads((where / "out.json").read_bytes()), done.findings.ledger.document()


def through_a_store(where: Path, tasks: Any) -> Any:
    """Tasks imported, and exported again."""
    (where / "given.json").write_text(json.dumps(tasks))
    with annotary.Client(where / "store") as client:
        client.load(where / "given.json", project="again")
        export = client.get_projects()[0].export(format="label-studio").open(counted=True)
        sinks.deliver(export.parts, where / "stored.json", lines=False, one_file=True, name="stored")
    return json.loads((where / "stored.json").read_bytes())


@pytest.mark.parametrize(
    ("name", "tasks", "count"), [("data", 2, 6), ("data_obb", 3, 25), ("data_polygons", 1, 1)]
)
def test_real_exports_come_out_as_they_went_in(
    shared: Path, tmp_path: Path, name: str, tasks: int, count: int
) -> None:
    """Counts by the sample's README; every number, key and annotation is there again."""
    given = json.loads((shared / f"data/label-studio/test_export_yolo/{name}.json").read_bytes())
    found, ledger = converted(tmp_path, given, "label-studio")
    assert len(found) == tasks
    assert sum(one["in"] for one in ledger["balance"]) == count
    assert ledger["losses"] == []
    for before, after in zip(given, found, strict=True):
        assert {key: one for key, one in before.items() if one} == {
            key: one for key, one in after.items() if one
        } | {"annotations": before["annotations"]}
        for one, other in zip(before["annotations"], after["annotations"], strict=True):
            assert {k: v for k, v in one.items() if k != "result"} == {
                k: v for k, v in other.items() if k != "result"
            }
            for mine, theirs in zip(one["result"], other["result"], strict=True):
                assert {k: v for k, v in mine.items() if k != "value"} == {
                    k: v for k, v in theirs.items() if k != "value"
                }
                for key, value in mine["value"].items():
                    assert theirs["value"][key] == (
                        value if isinstance(value, list) and isinstance(value[0], str) else near(value)
                    )


def near(value: Any) -> Any:
    """A number, or a list of points, but for the last digits."""
    return (
        [pytest.approx(one, abs=1e-9) for one in value] if isinstance(value, list) else pytest.approx(value)
    )


def test_a_turned_rectangle_turns_in_pixels(tmp_path: Path) -> None:
    """About its top left corner, clockwise; per cent of width and of height are not the same length."""
    found, _ = converted(tmp_path, [task(box(rotation=90))])
    (one,) = found["annotations"]
    assert one["segmentation"][0] == pytest.approx([20, 20, 20, 80, -20, 80, -20, 20])


def test_an_upright_rectangle_is_a_box(tmp_path: Path) -> None:
    found, _ = converted(tmp_path, [task(box(rotation=360))])
    assert found["annotations"][0]["bbox"] == [20, 20, 60, 40]


def test_an_ellipse_is_measured_and_comes_back(tmp_path: Path) -> None:
    given = [task(region("ellipse", x=50, y=50, radiusX=20, radiusY=30, rotation=30))]
    found, ledger = converted(tmp_path, given)
    area = found["annotations"][0]["area"]
    (loss,) = ledger["losses"]
    assert loss["iou_mean"] == pytest.approx(area / (math.pi * 40 * 30), abs=1e-5)
    back, _ = converted(tmp_path, given, "label-studio")
    assert back[0]["annotations"][0]["result"][0]["value"] == given[0]["annotations"][0]["result"][0]["value"]
    assert through_a_store(tmp_path, given) == back


def test_a_brush_is_its_pixels(tmp_path: Path) -> None:
    mask = numpy.zeros((HEIGHT, WIDTH), numpy.bool_)
    mask[10:30, 20:70] = mask[50:60, 5:9] = True
    given = [task(region("brush", format="rle", rle=runs.pack_brush(mask)))]
    found, ledger = converted(tmp_path, given)
    assert found["annotations"][0]["area"] == int(mask.sum())
    assert ledger["losses"] == []


def everything() -> Json:
    """A task with one of each: two annotators, answers, relations, lines, points, several labels."""
    choice = {
        "id": "r1",
        "type": "choices",
        "from_name": "side",
        "to_name": "image",
        "value": {"choices": ["left"]},
    }
    about = {"id": "i1", "type": "choices", "from_name": "scene", "to_name": "image"}
    text = {
        "id": "i2",
        "type": "textarea",
        "from_name": "remark",
        "to_name": "image",
        "value": {"text": ["fog"]},
    }
    relation = {"type": "relation", "from_id": "r1", "to_id": "r2", "direction": "right", "labels": ["pulls"]}
    both = {"type": "relation", "from_id": "r2", "to_id": "r3", "direction": "bi", "labels": ["beside"]}
    line = region("polygon", "r2", points=[[1, 2], [3, 4], [9, 2]], closed=False)
    point = region("keypoint", "r3", x=50, y=50, width=0.75)
    first = [
        box(),
        choice,
        {**about, "value": {"choices": ["day", "rain"]}},
        text,
        line,
        point,
        relation,
        both,
    ]
    second = [box("r1", x=11), {**about, "value": {"choices": ["night"]}}]
    return {
        "id": 9,
        "data": {"image": "s3://bucket/deep/a.jpg", "source": "cam 1"},
        "annotations": [
            {"id": 7, "completed_by": 1, "ground_truth": True, "lead_time": 1.5, "result": first},
            {"id": 8, "completed_by": 2, "was_cancelled": False, "result": second},
        ],
        "meta": {"batch": 4},
        "project": 3,
    }


@pytest.mark.parametrize("way", ["converted", "stored"])
def test_everything_comes_back(way: str, tmp_path: Path) -> None:
    given = [everything()]
    if way == "converted":
        found, ledger = converted(tmp_path, given, "label-studio")
        assert ledger["losses"] == []
        kinds = {one["kind"]: one["out"] for one in ledger["balance"]}
        assert kinds == {"answer": 4, "box": 2, "point": 1, "polyline": 1, "relationship": 2}
    else:
        found = through_a_store(tmp_path, given)
    (one,) = found
    assert {key: one[key] for key in ("id", "data", "meta", "project")} == {
        key: given[0][key] for key in ("id", "data", "meta", "project")
    }
    for before, after in zip(given[0]["annotations"], one["annotations"], strict=True):
        assert {k: v for k, v in before.items() if k != "result"} == {
            k: v for k, v in after.items() if k != "result"
        }
        for item in before["result"]:
            same = [
                other
                for other in after["result"]
                if other["type"] == item["type"] and other.get("value") == item.get("value")
            ]
            assert same, item
            if "from_name" in item:
                assert same[0]["from_name"] == item["from_name"]


def test_labels_beside_rectangles(tmp_path: Path) -> None:
    """<Rectangle> and <Labels> make two results of one id."""
    shape = {**box(), "type": "rectangle", "from_name": "shape"}
    del shape["value"]["rectanglelabels"]
    labels = {**shape, "type": "labels", "from_name": "kind", "value": {**shape["value"], "labels": ["dog"]}}
    found, ledger = converted(tmp_path, [task(shape, labels)])
    assert [one["name"] for one in found["categories"]] == ["dog"]
    assert ledger["losses"] == []
    back, _ = converted(tmp_path, [task(shape, labels)], "label-studio")
    result = back[0]["annotations"][0]["result"]
    assert [(one["type"], one["from_name"]) for one in result] == [("rectangle", "shape"), ("labels", "kind")]


def test_predictions_have_scores(tmp_path: Path) -> None:
    own = {**box("r2"), "score": 0.25}
    group = {"model_version": "v3", "score": 0.75, "result": [box(), own]}
    given = [{"id": 1, "data": {"image": "a.jpg"}, "predictions": [group]}]
    found, _ = converted(tmp_path, given)
    assert [one["score"] for one in found["annotations"]] == [0.75, 0.25]
    back, _ = converted(tmp_path, given, "label-studio")
    assert back[0]["annotations"] == []
    assert back[0]["predictions"][0]["model_version"] == "v3"
    assert len(back[0]["predictions"][0]["result"]) == 2


def test_what_a_model_says_is_a_prediction() -> None:
    """Of a model run: its name, the mean of the scores, and each region's own."""
    marks = [
        Mark(kind=POINT, name="eye", point=Point(x=1, y=1), confidence=score, feature_id=f"f{score}")
        for score in (0.25, 0.75)
    ]
    image = Image(external_id="a.jpg", width=10, height=10, marks=marks)
    found = ImageSet("run 3", lambda: iter([image]), Classes(), Ledger(), str.encode, no_picture, {}, True)
    form = load("label-studio")
    assert form.write is not None
    (one,) = json.loads(b"".join(part.data for part in form.write(found, form.options())))
    assert one["annotations"] == []
    (prediction,) = one["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("run 3", 0.5)
    assert [item["score"] for item in prediction["result"]] == [0.25, 0.75]


def no_picture(image: Image, path: str) -> tuple[()]:
    return ()


@pytest.mark.parametrize(
    ("given", "kind", "reason"),
    [
        (task(annotations=[{"was_cancelled": True, "result": [box()]}]), "box", "cancelled"),
        (task(box("r2"), predictions=[{"result": [box()]}]), "box", "a prediction beside annotations"),
        (task(drafts=[{"result": [box()]}]), "box", "draft"),
        (task(predictions=[4711]), "annotation", "only its number"),
        (task(box(x="a")), "box", "x is not a number"),
        (task(box(width=-1)), "box", "below 0"),
        (task(box(x=1e300)), "box", "beyond"),
        (task({**box(), "value": {"x": 1}}), "box", "without a label"),
        (task({**box(), "original_width": 0}), "box", "size is not known"),
        (task(region("polygon", points=[[1]])), "polygon", "pair of numbers"),
        (task(region("brush", format="rle", rle=[1, 2])), "mask", "rle ends before"),
        (task(region("brush", format="rle", rle=[999])), "mask", "0 to 255"),
        (task({"type": "relation", "from_id": "a", "to_id": "b"}), "relationship", "not there"),
        (task({"type": "videorectangle", "value": {}}), "videorectangle", "no annotation of an image"),
        (task({"id": ["x"], "type": "choices", "from_name": "q", "value": {}}), "answer", "choices"),
        (task("text"), "region", "no annotation of an image"),  # type: ignore[arg-type]
    ],
)
def test_what_is_left_out_is_in_the_ledger(given: Json, kind: str, reason: str, tmp_path: Path) -> None:
    _, ledger = converted(tmp_path, [given])
    (loss,) = ledger["losses"]
    assert (loss["action"], loss["kind"]) == ("dropped", kind)
    assert reason in loss["reason"]
    assert loss["ids"][0].startswith("$[0]")


def test_ratings_become_text(tmp_path: Path) -> None:
    rating = {"id": "x", "type": "rating", "from_name": "sharp", "to_name": "image", "value": {"rating": 4}}
    found, ledger = converted(tmp_path, [task(box(), rating)], "label-studio")
    assert [(one["action"], one["reason"]) for one in ledger["losses"]] == [
        ("approximated", "a rating became text")
    ]
    assert found[0]["annotations"][0]["result"][-1]["value"] == {"text": ["4"]}


def test_uploads_are_found_without_their_prefix(tmp_path: Path) -> None:
    """Label Studio puts eight digits before the name of a file that is uploaded."""
    from PIL import Image as Picture

    (tmp_path / "pictures").mkdir()
    Picture.new("L", (WIDTH, HEIGHT)).save(tmp_path / "pictures/cat.png")
    one = box()
    del one["original_width"], one["original_height"]
    given = task(one, data={"image": "/data/upload/3/e97d4735-cat.png"})
    (tmp_path / "given.json").write_text(json.dumps([given]))
    annotary.convert(tmp_path / "given.json", tmp_path / "out.json", to="coco", images=tmp_path / "pictures")
    found = json.loads((tmp_path / "out.json").read_bytes())
    assert found["annotations"][0]["bbox"] == [20, 20, 60, 40]


def test_pictures_beside_the_tasks(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data/label-studio/test_import_yolo_data"
    annotary.convert(folder, tmp_path / "out", to="label-studio", options={"images": "copy"})
    tasks = json.loads((tmp_path / "out/tasks.json").read_bytes())
    assert len(tasks) == 7
    assert sum(len(group["result"]) for one in tasks for group in one["annotations"]) == 25
    assert len(list((tmp_path / "out/images").iterdir())) == 7


@pytest.mark.parametrize(
    ("id", "kept"), [(5, True), (-5, True), ("t-1", True), (True, False), (10**40, False)]
)
def test_task_ids_come_back(id: Any, kept: bool, tmp_path: Path) -> None:
    (one,), _ = converted(tmp_path, [task(box(), id=id)], "label-studio")
    assert (one["id"] == id and type(one["id"]) is type(id)) == kept
    assert isinstance(one["id"], int | str)


def test_a_file_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    text = json.dumps([task(box(), meta={"deep": 17})]).replace("17", "[" * 3000 + "]" * 3000)
    (tmp_path / "given.json").write_text(text)
    with pytest.raises(annotary.Refused, match="nested deeper"):
        annotary.convert(tmp_path / "given.json", tmp_path / "out.json", to="coco")
