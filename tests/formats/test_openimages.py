"""Open Images: tables of boxes, masks and labels."""

import csv
import io
import json
from pathlib import Path

import pytest
from PIL import Image as Picture

import annotary
from annotary.engine.recognising import recognised
from annotary.engine.sources import FolderSource
from annotary.model.geometry import Box
from annotary.model.image import BOX, MASK, Classes, Image, Mark
from tests.formats.everything import Found, raw, stored, written

CLASSES = "LabelName,DisplayName\n/m/0,cat\n/m/1,dog\n"
BBOX = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,"
    "IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside\n"
)
TABLES = {
    "annotations/class-descriptions.csv": CLASSES,
    "annotations/images.meta": "a 10 20\n",
}


def table(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def given(where: Path, **more: str) -> Found:
    named = {
        "boxes": "annotations/validation-annotations-bbox.csv",
        "masks": "annotations/validation-annotations-object-segmentation.csv",
        "labels": "annotations/validation-annotations-human-imagelabels.csv",
        "images": "annotations/image_ids_and_rotation.csv",
        "classes": "annotations/class-descriptions.csv",
    }
    files = {path: text.encode() for path, text in TABLES.items()}
    files |= {named[name]: text.encode() for name, text in more.items()}
    return Found("openimages", stored(files, where / "set"))


def boxes(image: Image) -> list[tuple[float, ...]]:
    return [mark.bounding_box.corners() for mark in image.marks if mark.bounding_box is not None]


# The real samples


def test_version_6_as_its_readme_counts_it(shared: Path) -> None:
    path = shared / "data/datumaro-tiny/open_images_dataset/v6"
    assert recognised(FolderSource(path)) == "openimages"
    found = Found("openimages", path)
    assert not found.problems
    by_name = {one.external_id: one for one in found.images}
    assert [(one.external_id, one.split) for one in found.images] == [
        ("a.jpg", "train"), ("b.jpg", "train"), ("c.jpg", "test"), ("d.png", "val"),
    ]  # fmt: skip
    assert [one.name for one in found.classes] == [f"Generic label #{at}" for at in range(4)]
    assert [one.category["open_images"] for one in found.classes] == ["/m/0", "/m/1", "/m/2", "/m/3"]
    b, c = by_name["b.jpg"], by_name["c.jpg"]
    assert (b.height, b.width) == (2, 8)
    assert [mark.kind for mark in b.marks] == [BOX, MASK]
    width, height = c.width, c.height
    assert boxes(b) == [(1.6, 0.6, 8, 1)]
    assert boxes(c) == [pytest.approx((0.7 * width, 0, 0.8 * width, 0.5 * height))]
    assert c.marks[0].confidence == 0.7
    assert json.loads(bytes(c.marks[0].coco))["attributes"] == {
        "occluded": True, "truncated": False, "is_group_of": True, "is_depiction": False, "is_inside": False,
    }  # fmt: skip
    assert not b.marks[0].coco
    said = {one.external_id: json.loads(bytes(one.answers)) for one in found.images if one.answers}
    assert said["a.jpg"] == [{"name": "labels", "checklist_answers": [{"name": "Generic label #0"}]}]
    assert said["b.jpg"][0]["name"] == "labels verified absent"
    assert [one["name"] for one in said["c.jpg"][0]["checklist_answers"]] == [
        "Generic label #1", "Generic label #3",
    ]  # fmt: skip
    assert [one.value for one in found.notices] == ["annotations/bbox_labels_600_hierarchy.json"]


def test_version_6_written_has_the_same_lines(shared: Path) -> None:
    path = shared / "data/datumaro-tiny/open_images_dataset/v6"
    found = Found("openimages", path)
    files, ledger = written("openimages", found.images, found.classes)
    assert not ledger.losses
    for name in (
        "oidv6-class-descriptions.csv", "oidv6-train-annotations-bbox.csv", "test-annotations-bbox.csv",
        "train-annotations-object-segmentation.csv", "test-annotations-human-imagelabels.csv",
        "oidv6-train-annotations-human-imagelabels.csv",
    ):  # fmt: skip
        original = table((path / "annotations" / name).read_bytes())
        mine = table(files[f"annotations/{name}"])
        if "object-segmentation" in name:
            # The box of a mask is the box of its pixels.
            original = [{key: one for key, one in row.items() if "Box" not in key} for row in original]
            mine = [{key: one for key, one in row.items() if "Box" not in key} for row in mine]
        assert mine == original
    assert "masks/train/b_m0_01234567.png" in files


def test_version_5_is_read(shared: Path) -> None:
    found = Found("openimages", shared / "data/datumaro-tiny/open_images_dataset/v5")
    assert not found.problems and not found.ledger.losses
    assert sorted((one.external_id, one.split) for one in found.images) == [
        ("aa.jpg", "train"), ("cc.jpg", "test"),
    ]  # fmt: skip
    assert len(found.classes) == 2


# Writing


def test_what_it_cannot_say_is_in_the_ledger() -> None:
    files, ledger = written("openimages")
    dropped = {(one.kind, one.count): one.reason for one in ledger.losses if one.action == "dropped"}
    assert dropped == {
        ("answer", 2): "Open Images has no answers about an object",
        ("point", 1): "Open Images has no point",
        ("polyline", 1): "Open Images has no polyline",
        ("relationship", 2): "Open Images has no relationship",
    }
    others = {(one.action, one.kind, one.reason) for one in ledger.losses if one.action != "dropped"}
    assert others == {
        ("approximated", "answer", "a question and its answer became labels of the image"),
        ("approximated", "cuboid", "a cuboid became the box around it"),
        ("approximated", "polygon", "painted in whole pixels"),
        ("clipped", "box", "it reaches beyond its image"),
        ("renamed", "image", "a name that no file may have"),
        ("repaired", "mask", "Open Images has no column for other attributes"),
    }
    for one in ledger.balance:
        assert one.went_in == one.came_out + one.dropped
    rows = table(files["annotations/oidv6-train-annotations-bbox.csv"])
    assert rows[0] == {
        "ImageID": "night/cam 1", "Source": "xclick", "LabelName": "car", "Confidence": "1",
        "XMin": "0.09375", "XMax": "0.34375", "YMin": "0.166666666667", "YMax": "0.4375",
        "IsOccluded": "-1", "IsTruncated": "-1", "IsGroupOf": "-1", "IsDepiction": "-1", "IsInside": "-1",
    }  # fmt: skip
    assert [row["Confidence"] for row in rows[2:]] == ["0.875", "1.0"]
    labels = table(files["annotations/oidv6-train-annotations-human-imagelabels.csv"])
    assert [row["LabelName"] for row in labels] == ["weather: rain", "weather: fog"]
    names = table(files["annotations/oidv6-class-descriptions.csv"])
    assert [row["DisplayName"] for row in names][:3] == ["never", "van", "car"]
    assert 'night/cam 1" 12 16' in files["annotations/images.meta"].decode()


def test_read_and_written_again_is_the_same(tmp_path: Path) -> None:
    files, _ = written("openimages")
    found = Found("openimages", stored(files, tmp_path / "set"))
    assert not found.problems and not found.notices and not found.ledger.losses
    assert [(one.external_id, one.global_key) for one in found.images] == [
        ("night/cam 1.jpg", "key-1"), ("empty.png", "key-2"),
        ("../=cmd|' /C calc'!A0.jpg", "key-3"), ("scored.jpg", "key-4"),
    ]  # fmt: skip
    assert boxes(found.images[0])[0] == (1.5, 2, 5.5, 5.25)
    again, ledger = written("openimages", found.images, found.classes)
    assert again == files
    assert {one.action for one in ledger.losses} == {"renamed"}


@pytest.mark.parametrize("size", [(7, 11), (1000, 3), (333, 777), (65_535, 60_000)])
def test_pixels_come_back_as_they_were(size: tuple[int, int], tmp_path: Path) -> None:
    width, height = size
    marks = [
        Mark(kind=BOX, name="a", bounding_box=Box(left=left, top=1, width=width - left, height=1.25))
        for left in range(min(width, 300))
    ]
    files, _ = written(
        "openimages", [Image(external_id="a.jpg", width=width, height=height, marks=marks)], Classes()
    )
    found = Found("openimages", stored(files, tmp_path / "set"))
    assert boxes(found.images[0]) == [(left, 1, width, 2.25) for left in range(min(width, 300))]


def test_a_label_name_that_is_another_class_stays_different() -> None:
    among = Classes()
    among.add("cat", category={"open_images": "dog"})
    among.add("dog")
    files, _ = written("openimages", [Image(external_id="a.jpg")], among)
    names = table(files["annotations/oidv6-class-descriptions.csv"])
    assert [(row["LabelName"], row["DisplayName"]) for row in names] == [("dog", "cat"), ("dog~", "dog")]


def test_empty_answers_and_text_are_losses() -> None:
    answers = raw([{"name": "q", "checklist_answers": []}, {"name": "t", "text_answer": {"content": "x"}}])
    _, ledger = written("openimages", [Image(external_id="a.jpg", answers=answers)])
    assert [(one.went_in, one.came_out, one.dropped) for one in ledger.balance] == [(2, 0, 2)]


# Reading


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a,xclick,/m/0,1,0.5,0.4,0,1\n", "maximum is below its minimum"),
        ("a,xclick,/m/0,1,left,0.4,0,1\n", "XMin is left; a number is wanted"),
        ("a,xclick,/m/0,1,0,nan,0,1\n", "XMax is nan"),
        ("a,xclick,/m/0,2.5,0,1,0,1\n", "from 0 to 1"),
        ("a,xclick\n", "no LabelName"),
    ],
)
def test_a_wrong_box_is_a_loss_with_its_place(line: str, reason: str, tmp_path: Path) -> None:
    found = given(tmp_path, boxes=BBOX + line + "a,xclick,/m/1,1,0,1,0,1,0,0,0,0,0\n")
    ((said, place),) = found.refused
    assert reason in said and place == "annotations/validation-annotations-bbox.csv, line 2"
    assert [mark.name for mark in found.images[0].marks] == ["dog"]


def test_a_box_needs_the_size_of_its_image(tmp_path: Path) -> None:
    found = given(tmp_path, boxes=BBOX + "z,xclick,/m/0,1,0,1,0,1,0,0,0,0,0\n")
    assert "size is not known" in found.refused[0][0]


def test_wrong_labels_and_masks_are_losses_with_their_places(tmp_path: Path) -> None:
    found = given(
        tmp_path,
        labels="ImageID,Source,LabelName,Confidence\na,v,/m/0,sure\na,v,/m/0,7\n",
        masks="MaskPath,ImageID,LabelName,BoxID\n../../../secret.png,a,/m/0,1\n",
    )
    assert sorted(reason for reason, _ in found.refused) == [
        "Confidence is 7; it is from 0 to 1",
        "Confidence is sure; a number is wanted",
        "its picture ../../../secret.png is not there",
    ]


def test_a_mask_of_another_size_is_made_its_images(tmp_path: Path) -> None:
    (tmp_path / "set/masks/validation").mkdir(parents=True)
    picture = Picture.new("L", (2, 1))
    picture.putpixel((1, 0), 255)
    picture.save(tmp_path / "set/masks/validation/m.png")
    found = given(tmp_path, masks="MaskPath,ImageID,LabelName,BoxID\nm.png,a,/m/0,1\n")
    (mark,) = found.images[0].marks
    assert (mark.rle.height, mark.rle.width, mark.rle.box()) == (10, 20, (10, 0, 10, 10))
    assert [one.action for one in found.ledger.losses] == ["repaired"]


def test_wrong_tables_are_problems_with_their_places(tmp_path: Path) -> None:
    found = given(tmp_path, images="Id,Subset\na,train\n", classes="/m/0\n")
    assert [(one.place, one.reason) for one in found.problems] == [
        ("annotations/class-descriptions.csv, line 1", "a class is a label's name and the name to show"),
        ("annotations/image_ids_and_rotation.csv, line 1", "the column ImageID is missing"),
    ]


def test_what_else_lies_there_is_told_of_and_labels_without_a_name_are_their_own(tmp_path: Path) -> None:
    (tmp_path / "set/annotations").mkdir(parents=True)
    (tmp_path / "set/annotations/train-annotations-vrd.csv").write_text("a\n")
    found = given(tmp_path, boxes=BBOX + "a,machine,/m/9,1,0,1,0,1,0,0,0,0,0\n")
    assert [one.value for one in found.notices] == ["annotations/train-annotations-vrd.csv"]
    assert found.images[0].marks[0].name == "/m/9"
    assert json.loads(bytes(found.images[0].marks[0].coco))["open_images"] == {"Source": "machine"}


def test_pictures_without_a_line_are_images(tmp_path: Path) -> None:
    path = tmp_path / "set/images/train/sub/x.png"
    path.parent.mkdir(parents=True)
    Picture.new("L", (4, 3)).save(path)
    found = given(tmp_path, boxes=BBOX + "sub/x,xclick,/m/0,1,0,1,0,1,0,0,0,0,0\n")
    (image,) = found.images
    assert (image.external_id, image.width, image.height) == ("sub/x.png", 4, 3)
    assert image.split == "val"  # the box's file comes before the picture's folder


def test_coco_becomes_open_images_and_keeps_its_counts(shared: Path, tmp_path: Path) -> None:
    document = json.loads((shared / "data/coco20/instances.json").read_text())
    annotary.convert(shared / "data/coco20/instances.json", tmp_path / "set", to="openimages")
    found = Found("openimages", tmp_path / "set")
    assert len(found.images) == len(document["images"])
    assert len(found.classes) == len(document["categories"])
    assert sum(len(one.marks) for one in found.images) == len(document["annotations"])
