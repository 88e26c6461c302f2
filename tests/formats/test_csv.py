"""CSV: everything of the model, a line an object."""

import csv
import io
import json
from pathlib import Path

import pytest

import annotary
from annotary.engine.recognising import recognised
from annotary.engine.sources import FileSource
from annotary.formats import _marks as marks
from annotary.model.geometry import Box
from annotary.model.image import BOND, BOX, MASK, Classes, Image, Mark
from tests.formats.everything import Found, images, stored, written

HEAD = "image,kind,class,left,top,width,height,geometry,confidence,answers,carried\n"


def read(text: str | bytes, where: Path) -> Found:
    path = where / "given.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return Found("csv", path)


def test_every_kind_is_written_as_it_was_looked_at() -> None:
    files, ledger = written("csv", carried={"coco": {"info": {"year": 2024}}})
    lines = files[""].decode().split("\n")
    assert lines[0].split(",")[:9] == [
        "image", "image_id", "global_key", "row_data", "image_width", "image_height",
        "split", "kind", "class",
    ]  # fmt: skip
    about = "night/cam 1.jpg,,key-1,https://example.org/night/cam%201.jpg?size=full,16,12,train,"
    for line in (
        'polygon,tree,3,p1,1,1,5.5,6.25,"POLYGON ((1 1, 6.5 1, 4 7.25, 1 1))",,,',
        'polyline,lane,4,l1,0,5.5,15,5.5,"LINESTRING (0 11, 8 5.5, 15 11)",,,',
        "point,light,5,t1,3.5,4,0,0,POINT (3.5 4),,,",
        'mask,road,6,m1,3,2,9,8,"{""size"":[12,16],""counts"":""V18400J00000000000000060000^1""}",,,',
        'relationship,next to,,r2,,,,,"{""source"":""b1"",""target"":""m1"",""directed"":false}",,,',
    ):
        assert about + line in lines
    assert "empty.png,,key-2,empty.png,8,8,val,image,,,,,,,,,,," in lines
    assert ",,,,,,,class,van,1,,,,,,,,," in lines
    assert not ledger.losses
    assert all(one.went_in == one.came_out for one in ledger.balance)
    assert {one.kind: one.went_in for one in ledger.balance} == {
        "answer": 3, "box": 4, "cuboid": 1, "mask": 2,
        "point": 1, "polygon": 1, "polyline": 1, "relationship": 2,
    }  # fmt: skip


def test_read_and_written_again_is_the_same(tmp_path: Path) -> None:
    files, _ = written("csv", carried={"coco": {"info": {"year": 2024}}})
    found = Found("csv", stored(files, tmp_path / "set.csv"))
    assert not found.problems and not found.notices and not found.ledger.losses
    again, _ = written("csv", found.images, found.classes, found.carried)
    assert again == files


def test_every_object_comes_back(tmp_path: Path) -> None:
    files, _ = written("csv")
    found = Found("csv", stored(files, tmp_path / "set.csv"))
    given = images()
    assert [one.external_id for one in found.images] == [one.external_id for one in given]
    assert [one.split for one in found.images] == ["train", "val", "test", "train"]
    assert [one.name for one in found.classes][:3] == ["never", "van", "car"]
    assert found.classes.by_name["never"].color == "#102030"
    for image, expected in zip(found.images, given, strict=True):
        assert (image.global_key, image.row_data, image.width) == (
            expected.global_key, expected.row_data, expected.width,
        )  # fmt: skip
        for mark, one in zip(image.marks, expected.marks, strict=True):
            assert (mark.kind, mark.name, mark.feature_id, mark.confidence) == (
                one.kind, one.name, one.feature_id, one.confidence,
            )  # fmt: skip
            assert mark.bounding_box == one.bounding_box and mark.point == one.point
            if one.ring:
                assert mark.flat() == one.ring
            if one.kind == MASK:
                assert marks.run_lengths(mark, image) == marks.run_lengths(one, expected)
                assert marks.parts(mark) == marks.parts(one)
            if one.kind == BOND:
                assert marks.ends(mark) == marks.ends(one)
    assert json.loads(bytes(found.images[2].marks[0].coco))["area"] == 13.5


def test_coco_comes_back_whole(shared: Path, tmp_path: Path) -> None:
    for name in ("instances.json", "rle.json"):
        given = json.loads((shared / "data/coco20" / name).read_text())
        annotary.convert(shared / "data/coco20" / name, tmp_path / f"{name}.csv", to="csv", strict=True)
        annotary.convert(tmp_path / f"{name}.csv", tmp_path / name, to="coco", strict=True)
        again = json.loads((tmp_path / name).read_text())
        assert again["images"] == given["images"] and again["categories"] == given["categories"]
        assert len(again["annotations"]) == len(given["annotations"])
        by_id = {one["id"]: one for one in again["annotations"]}
        for one in given["annotations"]:
            there = by_id[one["id"]]
            if isinstance(one["segmentation"], dict):
                assert there["segmentation"]["size"] == one["segmentation"]["size"]
                one = {**one, "segmentation": there["segmentation"]}
            assert there == one


def test_lines_of_an_image_need_not_follow_each_other(tmp_path: Path) -> None:
    found = read(HEAD + "a,box,x,0,0,1,1\nb,image,\na,box,y,0,0,2,2\n", tmp_path)
    assert [(one.external_id, [mark.name for mark in one.marks]) for one in found.images] == [
        ("a", ["x", "y"]),
        ("b", []),
    ]


def test_columns_in_any_order_and_others_are_told_of(tmp_path: Path) -> None:
    found = read("\ufeffclass,kind,image,mood,geometry\ncar,point,a.jpg,good,POINT (1 2)\n", tmp_path)
    assert found.images[0].marks[0].point is not None
    assert [(one.value, one.place) for one in found.notices] == [("mood", "line 1")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a,box,x,0,0,1,\n", "a box without left, top, width and height"),
        ("a,box,x,0,0,1,-1\n", "not below 0"),
        ("a,box,x,0,0,nan,1\n", "finite"),
        ("a,box,x,0,0,wide,1\n", "wide is not a number"),
        ("a,box,,0,0,1,1\n", "without a class"),
        ("a,sphere,x,0,0,1,1\n", "the kind is one of"),
        ("a,polygon,x,,,,,POINT (1 2)\n", "POINT is no geometry of a polygon"),
        ('a,polygon,x,,,,,"POLYGON ((0 0, 1 1, 1"\n', "JSON object"),
        ('a,polygon,x,,,,,"POLYGON ((0 0, 9 0, 9 9), (1 1, 2 1, 2 2))"\n', "holes"),
        ('a,polygon,x,,,,,"POLYGON ((0 0, 9, 9 9))"\n', "a point is x and y"),
        ('a,polygon,x,,,,,"POLYGON ((0 0, 9 0, inf 9))"\n', "finite"),
        ("a,mask,x,,,,,CIRCLE (1 2)\n", "geometry is POINT"),
        ('a,mask,x,,,,,"{""size"":[2,2],""counts"":""9""}"\n', "outside 0 to 4"),
        ('a,mask,x,,,,,"{""size"":[99999999,99999999],""counts"":""0""}"\n', "pixels"),
        ("a,mask,x\n", "without run-lengths"),
        ("a,relationship,x\n", "without its two ends"),
        ('a,cuboid,x,,,,,"{""center"":1}"\n', "no cuboid"),
        ("a,box,x,0,0,1,1,,1.5\n", "from 0 to 1"),
        ("a,box,x,0,0,1,1,,,{}\n", "answers"),
        ('a,box,x,0,0,1,1,,,"' + "[" * 5000 + '"\n', "answers"),
        ("a,box,x,0,0,1,1,,,,[]\n", "carried is a JSON object"),
    ],
)
def test_a_wrong_line_is_a_loss_with_its_place(line: str, reason: str, tmp_path: Path) -> None:
    found = read(HEAD + line + "a,box,ok,0,0,1,1\n", tmp_path)
    ((said, place),) = found.refused
    assert reason in said and place == "line 2"
    assert [mark.name for mark in found.images[0].marks] == ["ok"]
    assert not found.problems


@pytest.mark.parametrize(
    ("text", "reason", "place"),
    [
        (HEAD + 'a,box,"x\n', "not CSV", "line 2"),
        (HEAD.encode() + b"a,box,\xff,0,0,1,1\n", "not UTF-8", "after line"),
        ("image,kind\na,box\n", "a column is missing", "line 1"),
        (HEAD.replace("carried", "split") + "a,box,x,0,0,1,1,,,,dev\n", "the split is one of", "line 2"),
        (HEAD.replace("carried", "image_width") + "a,box,x,0,0,1,1,,,,-5\n", "width and height", "line 2"),
        (HEAD.replace("carried", "class_index") + "a,class,,,,,,,,,1\n", "a class without a name", "line 2"),
    ],
)
def test_a_wrong_file_is_a_problem_with_its_place(
    text: str | bytes, reason: str, place: str, tmp_path: Path
) -> None:
    found = read(text, tmp_path)
    assert reason in found.problems[0].reason and found.problems[0].place.startswith(place)


def test_fields_longer_than_the_csv_module_expects(tmp_path: Path) -> None:
    ring = ", ".join(f"{one} {one % 7}" for one in range(60_000))
    found = read(f'{HEAD}a,polygon,x,,,,,"POLYGON (({ring}))"\n', tmp_path)
    assert len(found.images[0].marks[0].flat()) == 120_000
    assert csv.field_size_limit() == 131_072  # as others have it


def test_it_is_recognised_by_its_columns(tmp_path: Path) -> None:
    for text, expected in ((HEAD, "csv"), ("image,xmin,ymin,xmax,ymax,label\n", None)):
        (tmp_path / "a.txt").write_text(text)
        if expected:
            assert recognised(FileSource(tmp_path / "a.txt")) == expected
        else:
            with pytest.raises(annotary.AnnotaryError):
                recognised(FileSource(tmp_path / "a.txt"))


def test_the_csv_module_reads_it() -> None:
    files, _ = written("csv")
    rows = list(csv.DictReader(io.StringIO(files[""].decode(), newline="")))
    assert [row["class"] for row in rows if row["kind"] == "box"][1] == "soft \u2028break, <x>"
    assert {len(row) for row in rows} == {19}


@pytest.mark.parametrize("name", ["line\nbreak", "a\rb", "\r\n", '"', ",", " padded ", "nul\0", "\u2028"])
def test_any_name_comes_back(name: str, tmp_path: Path) -> None:
    mark = Mark(kind=BOX, name=name, bounding_box=Box(left=1, top=1, width=1, height=1))
    files, _ = written("csv", [Image(external_id=name, marks=[mark])], Classes())
    found = Found("csv", stored(files, tmp_path / "set.csv"))
    assert [(image.external_id, image.marks[0].name) for image in found.images] == [(name, name)]


def test_pandas_polars_and_duckdb_read_it(tmp_path: Path) -> None:
    import duckdb
    import pandas
    import polars

    path = stored(written("csv", among=Classes())[0], tmp_path / "set.csv")
    assert pandas.read_csv(path).query("kind == 'box'")["width"].tolist() == [4, 20, 10, 1]
    assert polars.read_csv(path, infer_schema_length=None).filter(polars.col("kind") == "mask").height == 2
    assert duckdb.sql(f"select count(*) from '{path}' where kind = 'box'").fetchall() == [(4,)]
