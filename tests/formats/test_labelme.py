"""LabelMe: every shape type, flags, groups and what others added come out as they came in."""

import base64
import io
import json
import math
from collections import Counter

import numpy as np
import pytest
from PIL import Image as Picture

import annotary


def document(shapes, **more):
    return {
        "version": "5.0.1",
        "flags": {},
        "shapes": shapes,
        "imagePath": "a.jpg",
        "imageData": None,
        "imageHeight": 40,
        "imageWidth": 50,
        **more,
    }


def shape(kind, points, **more):
    return {
        "label": kind,
        "points": points,
        "group_id": None,
        "description": "",
        "shape_type": kind,
        "flags": {},
        "mask": None,
        **more,
    }


def converted(tmp_path, given, to="labelme"):
    (tmp_path / "in").mkdir(exist_ok=True)
    (tmp_path / "in/a.json").write_text(json.dumps(given))
    done = annotary.convert(tmp_path / "in", tmp_path / "out", to=to)
    path = tmp_path / "out" / ("a.json" if to == "labelme" else "in.json")
    return done, json.loads(path.read_text())


def picture(mask):
    file = io.BytesIO()
    Picture.fromarray(mask.astype(np.uint8)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


EVERY = [
    shape("rectangle", [[32.5, 35.25], [12.0, 13.5]], group_id=3, flags={"hidden": True, "wet": False}),
    shape("polygon", [[1.0, 2.0], [30.1, 2.0], [30.1, 20.7]], description="the large one"),
    shape("circle", [[20.0, 20.0], [23.0, 24.0]]),
    shape("line", [[1.0, 1.0], [5.0, 9.0]]),
    shape("linestrip", [[1.0, 1.0], [5.0, 9.0]]),
    shape("linestrip", [[1.0, 1.0], [5.0, 9.0], [6.5, 9.0]], score=0.25),
    shape("point", [[4.0, 4.5]]),
    shape("points", [[4.0, 4.5], [6.0, 7.0], [8.0, 9.0]]),
    shape("points", [[1.0, 1.0], [2.0, 2.0]], point_labels=[0, 1]),
]


def test_every_shape_comes_out_as_it_came_in(tmp_path):
    given = document(EVERY, flags={"day": True, "rain": False}, camera={"id": 7})
    done, made = converted(tmp_path, given)
    assert made == given
    assert {one.reason for one in done.findings.ledger.losses} == {"a circle became a polygon of 64 corners"}
    assert all(one.went_in == one.came_out for one in done.findings.ledger.balance)


def test_every_shape_comes_out_of_a_store(tmp_path):
    # A project's labels are people's: they have no confidence.
    given = document(
        [one for one in EVERY if "score" not in one], flags={"day": True, "rain": False}, camera={"id": 7}
    )
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.json").write_text(json.dumps(given))
    with annotary.Client(tmp_path / "store") as client:
        client.load(tmp_path / "in", project="p")
        parts = list(client.get_projects()[0].export(format="labelme").open().parts)
    (made,) = [json.loads(part.data) for part in parts if part.path == "a.json"]
    assert made == given


def test_flags_and_descriptions_are_answers(tmp_path):
    given = document(EVERY[:2], flags={"day": True, "rain": False})
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.json").write_text(json.dumps(given))
    annotary.convert(tmp_path / "in", tmp_path / "out.ndjson", to="labelbox-v2")
    row = json.loads((tmp_path / "out.ndjson").read_text())
    (project,) = row["projects"].values()
    found = project["labels"][0]["annotations"]
    (flags,) = found["classifications"]
    assert (flags["name"], [one["name"] for one in flags["checklist_answers"]]) == ("flags", ["day"])
    box, polygon = found["objects"]
    assert box["classifications"][0]["checklist_answers"][0]["name"] == "hidden"
    assert polygon["classifications"][0]["text_answer"]["content"] == "the large one"


def test_a_mask_keeps_its_pixels(tmp_path):
    pixels = np.random.default_rng(1).random((7, 9)) < 0.6
    pixels[0, 0] = pixels[-1, -1] = True
    given = document([shape("mask", [[3.7, 2.0], [11.7, 8.0]], mask=picture(pixels))])
    _, made = converted(tmp_path, given)
    (mask,) = made["shapes"]
    assert mask["points"] == [[3.7, 2.0], [11.7, 8.0]]
    found = np.asarray(Picture.open(io.BytesIO(base64.b64decode(mask["mask"]))))
    assert ((found > 0) == pixels).all()


def test_a_circle_is_a_polygon_elsewhere_and_measured(tmp_path):
    done, made = converted(tmp_path, document([EVERY[2]]), to="coco")
    (one,) = made["annotations"]
    (loss,) = done.findings.ledger.losses
    assert loss.iou_mean == pytest.approx(one["area"] / (25 * math.pi), abs=1e-4)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (shape("polygon", [[1, 1], [2, 2]]), "a polygon of 2 points"),
        (shape("rectangle", [[1, 1]]), "a rectangle of 1 points"),
        (shape("mask", [[1, 1], [2, 2]]), "a mask of 2 points, no mask"),
        (shape("mask", [[1, 1], [2, 2]], mask="!"), "a mask is a PNG in base64"),
        (shape("mask", [[1, 1], [2, 2]], mask="AAAA"), "not a PNG"),
        (
            shape("mask", [[1, 1], [9, 9]], mask=picture(np.ones((2, 2)))),
            "a mask of 2 x 2 pixels in a box of 9 x 9",
        ),
        (shape("mask", [[49, 39], [50, 40]], mask=picture(np.ones((2, 2)))), "reaches outside the image"),
        (shape("blob", [[1, 1]]), "the shape type blob is not known"),
        (shape("point", [[1e300, 1]]), "a coordinate beyond"),
        (shape("point", [["x", 1]]), "Expected `float`, got `str`"),
        ({"points": []}, "missing required field `label`"),
    ],
)
def test_wrong_shapes_are_in_the_ledger_with_their_place(tmp_path, wrong, reason):
    done, made = converted(tmp_path, document([wrong, EVERY[3]]))
    (loss,) = done.findings.ledger.losses
    assert (loss.action, loss.ids) == ("dropped", ("a.json, $.shapes[0]",))
    assert reason in loss.reason
    assert len(made["shapes"]) == 1


def test_a_picture_inside_is_left_out_and_named(tmp_path):
    done, made = converted(tmp_path, document(EVERY[3:4], imageData=picture(np.ones((3, 3)))))
    assert made["imageData"] is None
    (loss,) = done.findings.ledger.losses
    assert (loss.action, loss.reason) == ("repaired", "the picture inside its file is left out")


def test_paths_that_lead_out_are_names_only(tmp_path):
    _, made = converted(tmp_path, document(EVERY[3:4], imagePath="../../etc/a.jpg"))
    assert made["imagePath"] == "a.jpg"


def test_broken_files_are_named(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.json").write_text(json.dumps(document(EVERY[3:4])))
    (tmp_path / "in/b.json").write_text('{"version": "5", "shapes": [')
    with pytest.raises(annotary.Refused, match=r"b\.json"):
        annotary.convert(tmp_path / "in", tmp_path / "out", to="labelme")


@pytest.mark.parametrize(
    ("folder", "images", "labels"),
    [
        (
            "instance_segmentation/data_annotated",
            3,
            {"person": 7, "sofa": 4, "__ignore__": 2, "bus": 2, "bottle": 1, "car": 1, "chair": 1},
        ),
        ("bbox_detection/data_annotated", 3, {"person": 6, "bus": 2, "car": 1}),
        ("classification/data_annotated", 2, {}),
        (
            "primitives",
            1,
            {"rectangle": 2, "polygon": 1, "circle": 1, "line": 1, "line_strip": 1, "point": 1, "octagon": 1},
        ),
    ],
)
def test_real_files_keep_their_shapes_to_the_last_digit(shared, tmp_path, folder, images, labels):
    source = shared / "data/labelme" / folder
    done = annotary.convert(source, tmp_path / "out", to="labelme", options={"images": "skip"})
    assert done.rows == images
    counts: Counter = Counter()
    for path in source.glob("*.json"):
        given, made = json.loads(path.read_text()), json.loads((tmp_path / "out" / path.name).read_text())
        for key in "flags", "imagePath", "imageHeight", "imageWidth", "version":
            assert made[key] == given[key]
        for before, after in zip(given["shapes"], made["shapes"], strict=True):
            counts[after["label"]] += 1
            for key in "label", "points", "group_id", "shape_type", "flags":
                assert after[key] == before[key]
            if before.get("mask"):
                pixels = [
                    np.asarray(Picture.open(io.BytesIO(base64.b64decode(one["mask"])))) > 0
                    for one in (before, after)
                ]
                assert (pixels[0] == pixels[1]).all()
    assert counts == labels
    annotary.convert(tmp_path / "out", tmp_path / "again", to="labelme")
    for path in (tmp_path / "out").rglob("*.*"):
        if path.name not in ("manifest.json", "losses.json"):
            assert (tmp_path / "again" / path.relative_to(tmp_path / "out")).read_bytes() == path.read_bytes()


def test_class_order_follows_labels_txt(shared, tmp_path):
    source = shared / "data/labelme/instance_segmentation"
    (tmp_path / "in").mkdir()
    for path in (source / "data_annotated").glob("*.json"):
        (tmp_path / "in" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "in/labels.txt").write_bytes((source / "labels.txt").read_bytes())
    annotary.convert(tmp_path / "in", tmp_path / "out", to="labelme")
    assert (tmp_path / "out/labels.txt").read_text().split() == (source / "labels.txt").read_text().split()
