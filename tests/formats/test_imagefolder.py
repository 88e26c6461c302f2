"""Hugging Face's imagefolder: pictures, and metadata.jsonl beside them."""

import json
from pathlib import Path

import pytest
from PIL import Image as Picture

import annotary
from annotary.formats import _marks as marks
from annotary.model.image import BOX, MASK
from tests.formats.everything import Found, images, stored, written


def folder(where: Path, lines: list[object], path: str = "train/metadata.jsonl") -> Found:
    (where / path).parent.mkdir(parents=True, exist_ok=True)
    text = "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines)
    (where / path).write_text(text)
    return Found("imagefolder", where)


def pictured(folder: Path, sizes: dict[str, tuple[int, int]]) -> None:
    for name, size in sizes.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Picture.new("RGB", size, (9, 9, 9)).save(folder / name)


def test_lines_are_as_documented() -> None:
    files, ledger = written("imagefolder")
    assert list(files) == [
        "train/metadata.jsonl", "validation/metadata.jsonl", "test/metadata.jsonl", "classes.json",
    ]  # fmt: skip
    first, scored = map(json.loads, files["train/metadata.jsonl"].splitlines())
    assert first["file_name"] == "night/cam 1.jpg" and (first["width"], first["height"]) == (16, 12)
    objects = first["objects"]
    assert {len(some) for some in objects.values()} == {8}
    assert objects["bbox"][0] == [1.5, 2.0, 4.0, 3.25] and objects["categories"][0] == 2
    assert objects["geometry"][1] == "POLYGON ((1 1, 6.5 1, 4 7.25, 1 1))"
    assert objects["kinds"][-1] == "relationship" and objects["bbox"][-1] is None
    assert scored["objects"]["confidence"] == [0.875, 1.0]
    (hostile,) = map(json.loads, files["test/metadata.jsonl"].splitlines())
    assert hostile["file_name"].startswith("%2E%2E/")
    assert {(one.action, one.kind) for one in ledger.losses} == {("renamed", "image")}
    assert all(one.went_in == one.came_out for one in ledger.balance)


def test_read_and_written_again_is_the_same(tmp_path: Path) -> None:
    files, _ = written("imagefolder", carried={"coco": {"info": {"year": 2024}}})
    found = Found("imagefolder", stored(files, tmp_path / "set"))
    assert not found.problems and not found.notices and not found.ledger.losses
    given = {one.external_id: one for one in images()}
    assert {one.external_id for one in found.images} == set(given)
    for image in found.images:
        expected = given[image.external_id]
        assert (image.split, image.width, image.row_data) == (
            expected.split, expected.width, expected.row_data,
        )  # fmt: skip
        for mark, one in zip(image.marks, expected.marks, strict=True):
            assert (mark.kind, mark.name, mark.feature_id) == (one.kind, one.name, one.feature_id)
            assert (mark.bounding_box, mark.confidence) == (one.bounding_box, one.confidence)
            if one.kind == MASK:
                assert marks.run_lengths(mark, image) == marks.run_lengths(one, expected)
    again, _ = written("imagefolder", found.images, found.classes, found.carried)
    assert again == files


def test_hugging_face_datasets_reads_it(tmp_path: Path) -> None:
    """With names that look like another split's, and with the files annotary puts beside."""
    import datasets

    names = {"a.jpg": (10, 8), "night/test-1.png": (6, 6), "val.jpg": (4, 4), "c.jpg": (5, 5)}
    pictured(tmp_path / "pictures", names)
    lines = ["image,kind,class,left,top,width,height,split"]
    lines += [
        "a.jpg,box,car,1,2,3,4,train",
        "a.jpg,box,van,0,0,9,9,train",
        "night/test-1.png,image,,,,,,train",
    ]
    lines += ["val.jpg,box,van,1,1,1,1,val", "c.jpg,box,car,0.5,1,1,1,test"]
    (tmp_path / "set.csv").write_text("\n".join(lines) + "\n")
    annotary.convert(
        tmp_path / "set.csv",
        tmp_path / "set",
        to="imagefolder",
        images=tmp_path / "pictures",
        options={"images": "copy"},
    )
    cache = str(tmp_path / "cache")
    found = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "set"), cache_dir=cache)
    assert {split: one.num_rows for split, one in found.items()} == {"train": 2, "validation": 1, "test": 1}
    first = next(one for one in found["train"] if one["external_id"] == "a.jpg")
    assert first["image"].size == (10, 8) == (first["width"], first["height"])
    assert first["objects"]["bbox"] == [[1, 2, 3, 4], [0, 0, 9, 9]]
    assert first["objects"]["categories"] == [0, 1]


def test_a_set_of_others_is_read(tmp_path: Path) -> None:
    """As in the documentation of `datasets`: numbers of classes without names, and other columns."""
    pictured(tmp_path / "train", {"0001.png": (640, 480), "0002.png": (30, 20), "sub/unlisted.png": (7, 5)})
    boxes = {"bbox": [[302.0, 109.0, 73.0, 52.0]], "categories": [4]}
    lines = [{"file_name": "0001.png", "objects": boxes}, {"file_name": "0002.png", "text": "a cat"}]
    found = folder(tmp_path, lines)
    first, second, third = found.images
    assert (first.width, first.height, first.split) == (640, 480, "train")
    (mark,) = first.marks
    assert mark.kind == BOX and mark.name == "4" and mark.bounding_box is not None
    assert mark.bounding_box.corners() == (302, 109, 375, 161)
    assert [(one.name, one.index) for one in found.classes] == [("4", 4)]
    assert not second.marks and third.external_id == "sub/unlisted.png"
    assert [(one.value, one.place) for one in found.notices] == [("text", "train/metadata.jsonl, line 2")]
    named = folder(
        tmp_path / "n", [{"file_name": "a.png", "objects": {"bbox": [[0, 0, 1, 1]], "category": ["x"]}}]
    )
    assert named.images[0].marks[0].name == "x"


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        ({"bbox": [[1, 2, 3]], "names": ["x"]}, "length 4"),
        ({"bbox": [[1, 2, 3, -4]], "names": ["x"]}, "not below 0"),
        ({"bbox": [[1, 2, 3, 4]]}, "without a class"),
        ({"bbox": [[1, 2, 3, 4]], "names": [["x"]]}, "Expected `str"),
        ({"kinds": ["mask"], "names": ["x"], "geometry": ['{"size":[2,2],"counts":"9"}']}, "outside 0 to 4"),
        ({"kinds": ["mask"], "names": ["x"], "geometry": ["../../etc/passwd"]}, "geometry is POINT"),
    ],
)
def test_a_wrong_object_is_a_loss_with_its_place(objects: object, reason: str, tmp_path: Path) -> None:
    found = folder(tmp_path, [{"file_name": "a.png", "objects": objects}])
    ((said, place),) = found.refused
    assert reason in said and place == "train/metadata.jsonl, line 1, objects[0]"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"file_name": 1}', "Expected `str`"),
        ('{"file_name": "a.png", "objects": []}', "Expected `object`"),
        ('{"file_name": "a.png", "width": -1}', "width and height"),
        ('{"file_name": "a.png", "answers": "{"}', "answers"),
        ('{"file_name": "a.png"', "JSON"),
    ],
)
def test_a_wrong_line_is_a_problem_with_its_place(line: str, reason: str, tmp_path: Path) -> None:
    found = folder(tmp_path, ['{"file_name": "ok.png"}', line])
    assert found.problems[0].place.startswith("train/metadata.jsonl, line 2")
    assert reason in found.problems[0].reason
    assert [one.external_id for one in found.images] == ["ok.png"]


def test_pictures_outside_the_folder_are_not_looked_at(tmp_path: Path) -> None:
    pictured(tmp_path, {"secret.png": (3, 3)})
    found = folder(tmp_path / "set", [{"file_name": "../../secret.png"}])
    assert found.images[0].width == 0
