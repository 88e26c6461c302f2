"""Parquet: everything of the model, a row an image; other programs read it in one line."""

import json
import sys
import tracemalloc
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

import annotary
from annotary.errors import Missing
from annotary.formats import _marks as marks
from annotary.formats import load
from annotary.formats.parquet import schema
from annotary.model.geometry import Box
from annotary.model.image import BOX, MASK, Classes, Image, Mark
from tests.formats.everything import Found, images, stored, written


@pytest.fixture
def path(tmp_path: Path) -> Path:
    files, ledger = written("parquet", carried={"coco": {"info": {"year": 2024}}})
    assert not ledger.losses
    assert all(one.went_in == one.came_out for one in ledger.balance)
    return stored(files, tmp_path / "set.parquet")


def rows(where: Path, table: list[dict[str, object]], **metadata: str) -> Found:
    form = schema().with_metadata(metadata) if metadata else schema()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table, schema=form), where / "given.parquet")
    return Found("parquet", where / "given.parquet")


def test_the_rows_are_as_documented(path: Path) -> None:
    table = pyarrow.parquet.read_table(path)
    assert table.schema.equals(schema())
    first, empty, hostile, scored = table.to_pylist()
    assert (first["image"], first["width"], first["split"]) == ("night/cam 1.jpg", 16, "train")
    box, polygon, line, point, mask, cuboid, arrow, bond = first["objects"]
    assert (box["class"], box["class_index"], box["bbox"]) == ("car", 2, [1.5, 2, 4, 3.25])
    assert json.loads(box["answers"])[0]["radio_answer"]["name"] == "partly"
    assert polygon["rings"] == [[1, 1, 6.5, 1, 4, 7.25]] and polygon["bbox"] == [1, 1, 5.5, 6.25]
    assert line["rings"] == [[0, 11, 8, 5.5, 15, 11]] and point["rings"] == [[3.5, 4]]
    assert mask["rle"] == {"size": [12, 16], "counts": "V18400J00000000000000060000^1"}
    assert json.loads(cuboid["cuboid"])["center"] == {"x": 8, "y": 6}
    assert (arrow["source"], arrow["target"], arrow["directed"]) == ("b1", "p1", True)
    assert (bond["source"], bond["directed"], bond["class_index"]) == ("b1", False, None)
    assert empty["objects"] == [] and empty["split"] == "val"
    assert len(hostile["objects"][0]["rings"]) == 2
    assert [one["confidence"] for one in scored["objects"]] == [0.875, 1.0]
    said = json.loads(pyarrow.parquet.ParquetFile(path).metadata.metadata[b"annotary"])
    assert [one["name"] for one in said["classes"]][:3] == ["never", "van", "car"]


def test_read_and_written_again_is_the_same(path: Path) -> None:
    found = Found("parquet", path)
    assert not found.problems and not found.notices and not found.ledger.losses
    again, _ = written("parquet", found.images, found.classes, found.carried)
    assert again[""] == path.read_bytes()


def test_every_object_comes_back(path: Path) -> None:
    found = Found("parquet", path)
    for image, expected in zip(found.images, images(), strict=True):
        for mark, one in zip(image.marks, expected.marks, strict=True):
            assert (mark.kind, mark.name, mark.feature_id, mark.confidence) == (
                one.kind, one.name, one.feature_id, one.confidence,
            )  # fmt: skip
            assert mark.bounding_box == one.bounding_box and mark.point == one.point
            if one.kind == MASK:
                assert marks.run_lengths(mark, image) == marks.run_lengths(one, expected)
                assert marks.parts(mark) == marks.parts(one)


def test_coco_comes_back_whole(shared: Path, tmp_path: Path) -> None:
    given = json.loads((shared / "data/coco20/instances.json").read_text())
    path = tmp_path / "set.parquet"
    annotary.convert(shared / "data/coco20/instances.json", path, to="parquet", strict=True)
    annotary.convert(path, tmp_path / "again.json", to="coco", strict=True)
    again = json.loads((tmp_path / "again.json").read_text())
    assert again["images"] == given["images"] and again["categories"] == given["categories"]
    by_id = {one["id"]: one for one in again["annotations"]}
    for one in given["annotations"]:
        there = by_id.pop(one["id"])
        if isinstance(one["segmentation"], dict):
            one = {**one, "segmentation": there["segmentation"]}
        assert there == one
    assert not by_id


# One line each


def test_pandas_reads_it(path: Path) -> None:
    import pandas

    frame = pandas.read_parquet(path)
    assert frame["objects"].map(len).tolist() == [8, 0, 2, 2]


def test_polars_reads_it(path: Path) -> None:
    import polars

    frame = polars.read_parquet(path)
    flat = frame.explode("objects").drop_nulls("objects")
    assert flat.select(polars.col("objects").struct.field("class")).to_series().to_list().count("car") == 3


def test_duckdb_reads_it(path: Path) -> None:
    import duckdb

    query = f"select o.class, count(*) from '{path}', unnest(objects) as t(o) group by all order by all"
    assert dict(duckdb.sql(query).fetchall())["car"] == 3


def test_hugging_face_datasets_reads_it(path: Path, tmp_path: Path) -> None:
    import datasets

    found = datasets.load_dataset(
        "parquet", data_files=str(path), split="train", cache_dir=str(tmp_path / "c")
    )
    assert found.num_rows == 4
    assert found[0]["objects"][0]["class"] == "car"


# What is wrong


def test_without_pyarrow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and so on")
    for way in (lambda: written("parquet"), lambda: Found("parquet", tmp_path / "a.parquet")):
        with pytest.raises(Missing, match=r"install 'annotary\[parquet\]'"):
            way()
    assert load("parquet").title


@pytest.mark.parametrize("damage", ["cut", "flipped", "start only"])
def test_a_broken_file_is_a_problem(path: Path, damage: str) -> None:
    data = path.read_bytes()
    data = {
        "cut": data[:-20],
        "flipped": data[:200] + bytes(255 - one for one in data[200:900]) + data[900:],
        "start only": b"PAR1",
    }[damage]
    path.write_bytes(data)
    assert "cannot be read" in Found("parquet", path).problems[0].reason


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"kind": "box", "class": "x"}, "a box without"),
        ({"kind": "box", "class": "x", "bbox": [1.0, 2.0]}, "a bbox is left, top, width, height"),
        ({"kind": "box", "class": "x", "bbox": [1.0, 2.0, float("nan"), 1.0]}, "finite"),
        ({"kind": "polygon", "class": "x", "rings": [[1.0, 2.0, 3.0]]}, "half a point"),
        ({"kind": "polygon", "class": "x", "rings": []}, "without points"),
        ({"kind": "mask", "class": "x", "rle": {"size": [2, 2], "counts": "9"}}, "outside 0 to 4"),
        ({"kind": "mask", "class": "x", "rle": {"size": [1 << 30, 1 << 30], "counts": "0"}}, "pixels"),
        ({"kind": "mask", "class": "x", "rle": {"size": None, "counts": None}}, "size is"),
        ({"kind": None, "class": "x"}, "Expected `str`"),
        ({"kind": "sphere", "class": "x"}, "the kind is one of"),
        (None, "Expected `object`"),
    ],
)
def test_a_wrong_object_is_a_loss_with_its_place(given: object, reason: str, tmp_path: Path) -> None:
    good = {"kind": "box", "class": "ok", "bbox": [0.0, 0.0, 1.0, 1.0]}
    found = rows(tmp_path, [{"image": "a"}, {"image": "b", "objects": [given, good]}])
    ((said, place),) = found.refused
    assert reason in said and place == "row 1, objects[0]"
    assert [mark.name for mark in found.images[1].marks] == ["ok"]


def test_a_wrong_row_is_a_problem_with_its_place(tmp_path: Path) -> None:
    for row, reason in (
        ({"split": "dev"}, "the split is one of"),
        ({"width": -1}, "width and height"),
        ({"answers": "{"}, "answers"),
        ({"carried": "[]"}, "a JSON object"),
    ):
        found = rows(tmp_path, [{"image": "a"}, row])
        assert found.problems[0].place == "row 1" and reason in found.problems[0].reason
        assert len(found.images) == 1
    assert rows(tmp_path, [], annotary='{"classes": 1}').problems[0].place == "metadata, annotary"


def test_other_columns_are_told_of(tmp_path: Path) -> None:
    table = pyarrow.table({"image": ["a.jpg"], "mood": ["good"]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    found = Found("parquet", tmp_path / "a.parquet")
    assert [one.external_id for one in found.images] == ["a.jpg"]
    assert [one.value for one in found.notices] == ["mood"]


def many(count: int) -> list[Image]:
    box = Box(left=1, top=1, width=2, height=2)
    return [
        Image(
            external_id=f"{number}.jpg",
            marks=[
                Mark(kind=BOX, name="a", feature_id=f"{number}-{at}", bounding_box=box) for at in range(20)
            ],
        )
        for number in range(count)
    ]


def test_row_groups_are_written_as_they_fill(tmp_path: Path) -> None:
    files, _ = written("parquet", many(250), row_group=100)
    path = stored(files, tmp_path / "a.parquet")
    given = pyarrow.parquet.ParquetFile(path)
    assert [given.metadata.row_group(at).num_rows for at in range(given.num_row_groups)] == [100, 100, 50]
    assert len(Found("parquet", path).images) == 250


def test_memory_does_not_grow_with_the_rows() -> None:
    from types import SimpleNamespace

    from annotary.engine.image_sets import of_reader
    from annotary.formats.parquet import Options, write
    from annotary.model.ledger import Ledger

    def peak(count: int) -> int:
        def given():  # type: ignore[no-untyped-def]
            for _ in range(count):
                yield from many(50)

        options = Options(images="skip", row_group=50)
        found = of_reader(
            "set",
            given,
            Classes(),
            {},
            Ledger(),
            SimpleNamespace(name="x"),
            options,  # type: ignore[arg-type]
        )
        tracemalloc.start()
        before = pyarrow.total_allocated_bytes()
        for _ in write(found, options):
            assert pyarrow.total_allocated_bytes() - before < 64 << 20
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(2)
    assert peak(24) < 1.5 * peak(4)
