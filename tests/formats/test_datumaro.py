"""Datumaro: its own sample, every type of annotation, and what is wrong with one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import annotary
from annotary.engine import sinks
from annotary.engine.recognising import opened, recognised
from annotary.formats import _rle

Json = dict[str, Any]
LABELS = ["car", "dog", "sky"]


def annotation(kind: str, **more: Any) -> Json:
    return {"id": 1, "type": kind, "attributes": {}, "group": 0, "label_id": 0, **more}


def a_set(
    where: Path, *annotations: Any, subset: str = "train", first: str = "categories", **item: Any
) -> Path:
    """A folder of one file of one item."""
    labels = [{"name": one, "parent": "", "attributes": []} for one in LABELS]
    categories = {"label": {"label_groups": [], "labels": labels, "attributes": ["night"]}}
    items = [
        {
            "id": "deep/a",
            "annotations": list(annotations),
            "image": {"path": "deep/a.png", "size": [100, 200]},
            **item,
        }
    ]
    whole = {"categories": categories, "items": items, "infos": {"author": "me"}}
    ordered = {first: whole[first], **whole}
    (where / "annotations").mkdir(parents=True)
    (where / f"annotations/{subset}.json").write_text(json.dumps({"dm_format_version": "1.0", **ordered}))
    return where


def again(source: Path, where: Path, way: str) -> tuple[dict[str, Json], list[Json]]:
    """The set written as Datumaro's once more, by its files; and the losses."""
    out = where / "again"
    if way == "converted":
        done = annotary.convert(source, out, to="datumaro")
        assert done.format == "datumaro"
        losses = done.findings.ledger.document()["losses"]
    else:
        with annotary.Client(where / "store") as client:
            losses = client.load(source, project="again").losses["losses"]
            export = client.get_projects()[0].export(format="datumaro").open(counted=True)
            sinks.deliver(export.parts, out, lines=False, one_file=False, name="again")
            losses += export.findings.ledger.document()["losses"]
    files = {one.stem: json.loads(one.read_bytes()) for one in (out / "annotations").iterdir()}
    return files, losses


def test_its_own_sample(shared: Path, tmp_path: Path) -> None:
    """Three files of four images with label groups; by its own files: 1, 4, 2 and no tags."""
    source = shared / "data/datumaro-tiny/datumaro_dataset/legacy"
    (one,) = opened([source])
    assert recognised(one) == "datumaro"
    files, losses = again(source, tmp_path, "converted")
    assert losses == []
    tags = {
        item["id"]: [one["label_id"] for one in item["annotations"]]
        for document in files.values()
        for item in document["items"]
    }
    assert tags == {"a": [0], "b": [0, 1, 2, 3], "c": [1, 3], "d": []}
    for name, document in files.items():
        given = json.loads((source / f"annotations/{name}.json").read_bytes())
        assert document["categories"] == given["categories"]
        assert document["infos"] == given["infos"]
        for before, after in zip(given["items"], document["items"], strict=True):
            assert before["annotations"] == [
                {"attributes": {}, **one} if "attributes" in mine else without(one, "attributes")
                for mine, one in zip(before["annotations"], after["annotations"], strict=True)
            ]


def without(one: Json, key: str) -> Json:
    return {name: value for name, value in one.items() if name != key}


CORNERS = [[0, 0], [5, 5], [9, 5], [4, 0], [5, 9], [9, 9], [4, 4], [0, 4]]
EVERY = [
    annotation(
        "bbox", id=5, bbox=[1.5, 2, 30, 40], z_order=3, group=2, object_id=9, attributes={"occluded": True}
    ),
    annotation("polygon", id=6, points=[1, 2, 30, 4, 9, 50.25], z_order=1, label_id=1),
    annotation("polyline", id=7, points=[1, 2, 30, 4], z_order=0),
    annotation("points", id=8, points=[7, 8], visibility=[1], z_order=0),
    annotation("points", id=9, points=[7, 8, 9, 10, 30, 60], visibility=[2, 0, 1], z_order=0),
    annotation("ellipse", id=10, points=[10, 10, 50, 30], z_order=0),
    annotation(
        "cuboid_2d", id=11, z_order=0, points=[[0, 0], [5, 5], [9, 5], [4, 0], [5, 9], [9, 9], [4, 4], [0, 4]]
    ),
    annotation("bbox", id=12, bbox=[1, 2, 3, 4], z_order=0, attributes={"score": 0.5, "why": "dark"}),
    {"id": 13, "type": "caption", "attributes": {"by": "me"}, "group": 0, "caption": "a street"},
    annotation("label", id=14, label_id=2, group=4),
]


@pytest.mark.parametrize("way", ["converted", "stored"])
def test_every_type_comes_back(way: str, tmp_path: Path) -> None:
    source = a_set(tmp_path / "set", *EVERY, attr={"frame": 3})
    files, losses = again(source, tmp_path, way)
    (item,) = files["train"]["items"]
    assert sorted(item["annotations"], key=lambda one: one["id"]) == EVERY
    assert item["attr"] == {"frame": 3}
    assert item["image"] == {"path": "deep/a.png", "size": [100, 200]}
    assert files["train"]["categories"]["label"]["attributes"] == ["night"]
    assert {one["action"] for one in losses} == {"approximated"}
    assert {one["reason"].split(" became")[0] for one in losses} == {
        "an ellipse",
        "a cuboid",
        "several points of one object",
    }


def test_a_mask_is_its_pixels(tmp_path: Path) -> None:
    made = _rle.of_counts([150, 40, 20000 - 190], 100, 200)
    rle = {"counts": made.counts.decode(), "size": [100, 200]}
    source = a_set(tmp_path / "set", annotation("mask", rle=rle, z_order=0))
    done = annotary.convert(source, tmp_path / "out.json", to="coco")
    (one,) = json.loads((tmp_path / "out.json").read_bytes())["annotations"]
    assert one["segmentation"] == rle
    assert done.findings.ledger.losses == []
    files, _ = again(source, tmp_path, "stored")
    assert files["train"]["items"][0]["annotations"][0]["rle"] == rle


@pytest.mark.parametrize("first", ["categories", "items"])
def test_categories_wherever_they_stand(first: str, tmp_path: Path) -> None:
    source = a_set(tmp_path / "set", annotation("bbox", bbox=[1, 2, 3, 4], label_id=1), first=first)
    annotary.convert(source, tmp_path / "out.json", to="coco")
    found = json.loads((tmp_path / "out.json").read_bytes())
    assert [one["name"] for one in found["categories"]] == LABELS
    assert found["annotations"][0]["category_id"] == 2


def test_a_single_file(tmp_path: Path) -> None:
    source = a_set(tmp_path / "set", annotation("bbox", bbox=[1, 2, 3, 4]))
    done = annotary.convert(source / "annotations/train.json", tmp_path / "out.json", to="coco")
    assert (done.format, done.annotations) == ("datumaro", 1)


@pytest.mark.parametrize(
    ("subset", "written"),
    [("validation", "validation"), ("minival2014", "minival2014"), ("default", "default")],
)
def test_subsets_keep_their_names(subset: str, written: str, tmp_path: Path) -> None:
    files, _ = again(a_set(tmp_path / "set", subset=subset), tmp_path, "converted")
    assert list(files) == [written]


def test_gaps_between_class_numbers_are_kept(tmp_path: Path) -> None:
    """A label's number is its place, so classes numbered 2 and 5 leave places empty."""
    source = a_set(tmp_path / "set", annotation("bbox", bbox=[1, 2, 3, 4]))
    numbers = {"car": 2, "dog": 5}
    annotary.convert(source, tmp_path / "one", to="datumaro", options={"class_index": numbers})
    annotary.convert(tmp_path / "one", tmp_path / "two", to="datumaro")
    one, two = ((tmp_path / name / "annotations/train.json").read_bytes() for name in ("one", "two"))
    assert one == two
    document = json.loads(one)
    names = [label["name"] for label in document["categories"]["label"]["labels"]]
    assert (names[2], names[5], names[0]) == ("car", "dog", "(no class 0)")
    assert document["items"][0]["annotations"][0]["label_id"] == 2


@pytest.mark.parametrize(
    ("wrong", "kind", "reason"),
    [
        (annotation("bbox", bbox=[1, 2, 3]), "box", "list of 4"),
        (annotation("bbox", bbox=[1, 2, -3, 4]), "box", "below 0"),
        (annotation("bbox", bbox=[1, 2, 1e300, 4]), "box", "beyond"),
        (annotation("polygon", points=[1, 2, 3]), "polygon", "even count"),
        (annotation("polygon", points="abc"), "polygon", "even count"),
        (annotation("mask", rle={"size": [9, 9], "counts": "zz~"}), "mask", "run-length"),
        (annotation("cuboid_3d"), "cuboid_3d", "does not have"),
        (annotation("bbox", bbox=[1, 2, 3, 4], label_id=7), "box", "label 7 is not in the categories"),
        (annotation("bbox", bbox=[1, 2, 3, 4], label_id=None), "box", "without a label"),
        ({"type": "caption"}, "answer", "without its text"),
        ({"type": ["x"]}, "['x']", "without a label"),
    ],
)
def test_what_is_left_out_is_in_the_ledger(wrong: Json, kind: str, reason: str, tmp_path: Path) -> None:
    source = a_set(tmp_path / "set", wrong, annotation("bbox", bbox=[1, 2, 3, 4]))
    done = annotary.convert(source, tmp_path / "out.json", to="coco")
    (loss,) = done.findings.ledger.losses
    assert (loss.action, loss.kind) == ("dropped", kind)
    assert reason in loss.reason
    assert loss.ids == ("annotations/train.json, $.items[0].annotations[0]",)
    assert done.annotations == 1


def test_an_item_that_is_none_has_a_place(tmp_path: Path) -> None:
    source = a_set(tmp_path / "set")
    path = source / "annotations/train.json"
    path.write_text(path.read_text().replace('"deep/a"', "17"))
    with pytest.raises(annotary.Refused, match=r"train\.json, \$\.items\[0\]"):
        annotary.convert(source, tmp_path / "out.json", to="coco")
