"""File to file: several files of one data set are one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import annotary


def document(name: str, number: int) -> str:
    """A COCO file with an image, a box and a class of its own."""
    return json.dumps(
        {
            "images": [{"id": number, "file_name": name, "width": 100, "height": 80}],
            "categories": [{"id": 3, "name": "ship"}, {"id": number, "name": f"only {number}"}],
            "annotations": [{"id": number, "image_id": number, "category_id": 3, "bbox": [10, 10, 20, 30]}],
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "annotations"
    made.mkdir()
    (made / "instances_train2017.json").write_text(document("a.jpg", 10))
    (made / "instances_val2017.json").write_text(document("b.jpg", 11))
    return made


def test_files_that_are_named_for_splits_are_of_them(folder: Path, tmp_path: Path) -> None:
    done = annotary.convert(folder, tmp_path / "yolo", to="yolo")
    assert (done.rows, done.annotations) == (2, 2)
    found = sorted(str(path.relative_to(tmp_path / "yolo")) for path in (tmp_path / "yolo").rglob("*.txt"))
    assert "labels/train/a.txt" in found
    assert "labels/val/b.txt" in found
    (boxes,) = done.losses["balance"]
    assert boxes == {"kind": "box", "in": 2, "out": 2, "dropped": 0}


def test_a_problem_names_the_file_of_several(folder: Path, tmp_path: Path) -> None:
    (folder / "instances_val2017.json").write_text(
        '{"images": [{"id": 1, "file_name": 7}], "annotations": []}'
    )
    with pytest.raises(annotary.Refused, match=r"instances_val2017\.json"):
        annotary.convert(folder, tmp_path / "yolo", to="yolo")
    assert not (tmp_path / "yolo").exists()


@pytest.mark.parametrize("name", ["csv", "parquet", "cvat", "coco", "label-studio"])
def test_a_folder_of_what_was_written_is_known_by_its_content(
    folder: Path, tmp_path: Path, name: str
) -> None:
    annotary.convert(folder, tmp_path / "there", to=name)
    done = annotary.convert(tmp_path / "there", tmp_path / "back.json", to="coco")
    assert (done.format, done.rows, done.annotations) == (name, 2, 2)
    found = json.loads((tmp_path / "back.json").read_text())
    assert {one["file_name"]: one["split"] for one in found["images"]} == {"a.jpg": "train", "b.jpg": "val"}


def test_a_folder_of_nothing_known_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.md").write_text("nothing")
    with pytest.raises(annotary.Invalid, match=r"no \.json, \.jsonl, \.ndjson, \.csv, \.parquet, \.xml file"):
        annotary.convert(tmp_path / "notes", tmp_path / "out", to="coco")


def test_a_conversion_that_needs_no_store_starts_without_a_database(folder: Path, tmp_path: Path) -> None:
    program = (
        "import sys, annotary\n"
        "annotary.convert(sys.argv[1], sys.argv[2], to='voc')\n"
        "print(sorted({'sqlalchemy', 'alembic', 'psycopg', 'annotary.store'} & sys.modules.keys()))\n"
    )
    command = [sys.executable, "-c", program, str(folder), str(tmp_path / "voc")]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
