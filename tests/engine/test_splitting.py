"""Splits: nobody moves when data comes, groups stay together, shares hold within classes, seeds differ."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

import annotary
from annotary.engine import sinks
from annotary.engine.splitting import checked, rarest, split
from annotary.formats import TrainingOptions
from annotary.model.image import BOX, Image, Mark

THREE = (0.8, 0.1, 0.1)


def image(number: int, *names: str, scene: str = "") -> Image:
    fields = [{"schema_id": "s", "schema_name": "scene", "value": scene}] if scene else []
    return Image(
        number=number,
        global_key=f"image-{number}",
        marks=[Mark(kind=BOX, name=name) for name in names],
        metadata=msgspec.Raw(msgspec.json.encode(fields)),
    )


def splits(images: list[Image], **options: Any) -> dict[str, str]:
    given = TrainingOptions(**options)
    rare = rarest(iter(images)) if given.stratify else str
    return {one.global_key: one.split for one in split(iter(images), checked(given), rare)}


def test_adding_data_moves_nothing() -> None:
    few = splits([image(number) for number in range(0, 500, 7)], split=THREE)
    many = splits([image(number) for number in range(5_000)], split=THREE)
    assert few.items() <= many.items()


def test_shares_hold() -> None:
    counts = Counter(splits([image(number) for number in range(20_000)], split=THREE).values())
    assert counts["train"] / 20_000 == pytest.approx(0.8, abs=0.01)
    assert counts["val"] / 20_000 == pytest.approx(0.1, abs=0.01)
    assert counts["test"] / 20_000 == pytest.approx(0.1, abs=0.01)


def test_another_seed_is_another_split() -> None:
    images = [image(number) for number in range(1_000)]
    one, other = splits(images, split=(0.5, 0.5)), splits(images, split=(0.5, 0.5), seed=1)
    moved = sum(one[key] != other[key] for key in one)
    assert 400 < moved < 600


def test_order_does_not_matter() -> None:
    images = [image(number) for number in range(300)]
    assert splits(images, split=THREE) == splits(images[::-1], split=THREE)


def test_groups_stay_together() -> None:
    images = [image(number, scene=f"scene-{number // 10}") for number in range(2_000)]
    found = splits(images, split=THREE, split_by="scene")
    for start in range(0, 2_000, 10):
        assert len({found[f"image-{number}"] for number in range(start, start + 10)}) == 1
    assert len(set(found.values())) == 3


def test_images_without_the_field_are_groups_of_one() -> None:
    images = [image(number) for number in range(500)]
    assert splits(images, split=THREE, split_by="scene") == splits(images, split=THREE)


def test_a_rare_class_is_in_every_split() -> None:
    images = [image(number, "car", *(["bear"] if number % 50 == 0 else [])) for number in range(1_000)]
    found = splits(images, split=THREE, stratify=True)
    bears = Counter(found[f"image-{number}"] for number in range(0, 1_000, 50))
    assert abs(bears["train"] - 16) <= 1
    assert abs(bears["val"] - 2) <= 1
    assert abs(bears["test"] - 2) <= 1


WRONG = {
    "shares": ({"split": (0.5, 0.6)}, "add up to 1.1"),
    "negative": ({"split": (1.5, -0.5)}, "not two or three shares"),
    "four": ({"split": (0.25, 0.25, 0.25, 0.25)}, "not two or three shares"),
    "no shares": ({"stratify": True}, "need shares"),
    "both": ({"split": THREE, "stratify": True, "split_by": "scene"}, "not both"),
}


@pytest.mark.parametrize(("options", "reason"), WRONG.values(), ids=WRONG.keys())
def test_wrong_shares_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(annotary.Invalid, match=reason):
        checked(TrainingOptions(**options))


# Written down


def coco(count: int) -> dict[str, Any]:
    images = [{"id": at + 1, "file_name": f"{at}.jpg", "width": 10, "height": 8} for at in range(count)]
    boxes = [
        {"id": at, "image_id": at + 1, "category_id": 1 + at % 2, "bbox": [1, 2, 3, 4], "iscrowd": 0}
        for at in range(count)
    ]
    categories = [{"id": 1, "name": "car"}, {"id": 2, "name": "bear"}]
    return {"images": images, "annotations": boxes, "categories": categories}


def exported(where: Path, name: str, format: str, **options: Any) -> Path:
    with annotary.Client(where / "store") as client:
        if not client.get_projects():
            (where / "given.json").write_text(json.dumps(coco(40)))
            client.load(where / "given.json", project="splits")
        export = client.get_projects()[0].export(format=format, options=options).open()
        out = where / name
        sinks.deliver(export.parts, out, lines=False, one_file=export.one_file, name=name)
    return out


def test_coco_and_yolo_have_the_same_splits(tmp_path: Path) -> None:
    yolo = exported(tmp_path, "yolo", "yolo", split=(0.6, 0.2, 0.2))
    coco_set = exported(tmp_path, "coco", "coco", split=(0.6, 0.2, 0.2))
    for one in ("train", "val", "test"):
        found = json.loads((coco_set / f"annotations/instances_{one}.json").read_bytes())
        names = {Path(image["file_name"]).stem for image in found["images"]}
        assert names == {path.stem for path in (yolo / f"labels/{one}").iterdir()}
        assert {each["name"] for each in found["categories"]} == {"car", "bear"}


def test_a_file_that_numbers_the_classes_decides(tmp_path: Path) -> None:
    out = exported(tmp_path, "numbered", "yolo", class_index={"bear": 4, "car": 9})
    assert "names:\n  4: bear\n  9: car" in (out / "data.yaml").read_text()
    numbers = {path.read_text().split()[0] for path in (out / "labels/train").iterdir()}
    assert numbers == {"4", "9"}


def test_classes_that_the_file_does_not_number_keep_the_ontologys(tmp_path: Path) -> None:
    out = exported(tmp_path, "numbered", "yolo", class_index={"bear": 4})
    assert "names:\n  0: car\n  4: bear" in (out / "data.yaml").read_text()


def test_a_number_that_another_class_has_is_not_given_twice(tmp_path: Path) -> None:
    out = exported(tmp_path, "numbered", "yolo", class_index={"bear": 0})
    assert "names:\n  0: bear\n  1: car" in (out / "data.yaml").read_text()


def test_a_coco_file_says_the_split_of_each_image_and_takes_it_back(tmp_path: Path) -> None:
    given = coco(3)
    for image, name in zip(given["images"], ("train", "val", "somewhere"), strict=True):
        image["split"] = name
    (tmp_path / "given.json").write_text(json.dumps(given))
    annotary.convert(tmp_path / "given.json", tmp_path / "yolo", to="yolo")
    there = {path.stem: path.parent.name for path in (tmp_path / "yolo/labels").rglob("*.txt")}
    assert there == {"0": "train", "1": "val", "2": "train"}
    annotary.convert(tmp_path / "yolo", tmp_path / "back.json", to="coco")
    found = json.loads((tmp_path / "back.json").read_bytes())["images"]
    assert {one["file_name"]: one["split"] for one in found} == {
        "0.jpg": "train",
        "1.jpg": "val",
        "2.jpg": "train",
    }
    annotary.convert(tmp_path / "given.json", tmp_path / "same.json", to="coco")
    assert json.loads((tmp_path / "same.json").read_bytes())["images"] == given["images"]
