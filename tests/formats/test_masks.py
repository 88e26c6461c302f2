"""Masks as pictures: what is written is what is seen, and comes back."""

import io
import json
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from PIL import Image as Picture
from pycocotools import mask as pycoco

import annotary
from annotary.engine.image_sets import of_reader
from annotary.engine.sources import FolderSource
from annotary.errors import Invalid
from annotary.formats import _rle as rle
from annotary.formats import load, masks, reading
from annotary.model.geometry import Box, Point
from annotary.model.image import ARROW, BOX, MASK, POINT, POLYGON, POLYLINE, Classes, Image, Mark
from annotary.model.ledger import Ledger


def square(left, top, side):
    return [left, top, left + side, top, left + side, top + side, left, top + side]


def polygon(ring, name="car", id="p", **more):
    return Mark(kind=POLYGON, name=name, feature_id=id, ring=[float(one) for one in ring], **more)


def mask(pixels, name="road", id="m"):
    return Mark(kind=MASK, name=name, feature_id=id, rle=rle.of_mask(pixels))


def image_set(images, classes=None, **options):
    """The parts, all of them, and the ledger."""
    source = SimpleNamespace(name="nowhere")
    ledger, chosen = Ledger(), masks.Options(images="skip", **options)
    found = of_reader("set", lambda: iter(images), classes or Classes(), {}, ledger, source, chosen)
    return list(masks.write(found, chosen)), ledger


def files_of(parts):
    return {
        path: b"".join(part.data for part in pieces) for path, pieces in groupby(parts, lambda one: one.path)
    }


def pixels(png):
    return np.asarray(Picture.open(io.BytesIO(png)))


def stored(files, folder):
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return FolderSource(folder)


def read_back(files, folder):
    problems, ledger = [], Ledger()
    to = reading(problems.append, problems.append, ledger)
    found = list(masks.read(stored(files, folder), masks.Options(), to))
    return found, to.classes, problems, ledger


def test_classes_and_objects_are_pictures():
    road = np.zeros((6, 8), bool)
    road[3:] = True
    image = Image(external_id="a/b.jpg", width=8, height=6, marks=[mask(road), polygon(square(1, 1, 3))])
    parts, ledger = image_set(
        [image, Image(external_id="c.jpg", width=3, height=2)], classes=Classes({"car": 0, "road": 1})
    )
    files = files_of(parts)
    assert list(files) == [
        "classes/a/b.png", "objects/a/b.png", "classes/c.png", "objects/c.png",
        "objects.jsonl", "legend.json", "legend.csv",
    ]  # fmt: skip
    expected = np.where(road, 2, 0)
    expected[1:4, 1:4] = 1
    assert (pixels(files["classes/a/b.png"]) == expected).all()
    assert (pixels(files["objects/a/b.png"]) == np.array([0, 2, 1])[expected]).all()
    assert not pixels(files["classes/c.png"]).any()
    first, second = map(json.loads, files["objects.jsonl"].splitlines())
    assert [(one["number"], one["value"], one["name"], one["id"]) for one in first["objects"]] == [
        (1, 2, "road", "m"),
        (2, 1, "car", "p"),
    ]
    assert second["image"] == "c.jpg" and "objects" not in second
    legend = json.loads(files["legend.json"])
    assert [(one["value"], one["index"], one["name"]) for one in legend["classes"]] == [
        (1, 0, "car"),
        (2, 1, "road"),
    ]
    assert files["legend.csv"].decode().splitlines()[1:] == ["1,0,car,#800000", "2,1,road,#008000"]
    hidden, painted = (next(one for one in ledger.losses if one.kind == kind) for kind in ("mask", "polygon"))
    assert (hidden.action, hidden.reason) == ("approximated", "other objects cover a part of it")
    assert hidden.iou_mean == pytest.approx(21 / 24)
    assert painted.reason == "painted in whole pixels"
    assert all(one.went_in == one.came_out == 1 for one in ledger.balance)


def test_written_read_and_written_again_is_the_same(tmp_path):
    rng = np.random.default_rng(1)
    images = [
        Image(
            external_id=f"{number} %.jpg",
            global_key=f"key {number}",
            row_data=f"https://example.org/{number}.jpg",
            width=40,
            height=30,
            split=["train", "val", ""][number % 3],
            marks=[
                mask(rng.random((30, 40)) < 0.3, name=f"class {place % 3}", id=f"{number}-{place}")
                for place in range(9)
            ],
        )
        for number in range(5)
    ]
    first, _ = image_set(images)
    files = files_of(first)
    found, classes, problems, ledger = read_back(files, tmp_path)
    assert not problems and not ledger.losses
    again, ledger = image_set(found, classes=classes)
    assert files_of(again) == files
    assert not ledger.losses
    assert [image.split for image in found] == [image.split for image in images]
    assert [image.global_key for image in found] == [image.global_key for image in images]
    for image, given in zip(found, images, strict=True):
        covered = np.zeros((30, 40), bool)
        for mark, original in zip(image.marks[::-1], given.marks[::-1], strict=True):
            assert mark.feature_id == original.feature_id
            assert (mark.rle.mask() == (original.rle.mask() & ~covered)).all()
            covered |= original.rle.mask()


def test_what_has_no_pixels_is_in_the_ledger_and_painted_on_request():
    marks = [
        Mark(kind=BOX, name="a", feature_id="box", bounding_box=Box(left=1, top=1, width=2, height=2)),
        Mark(kind=POINT, name="a", feature_id="point", point=Point(x=8.5, y=8.5)),
        Mark(kind=POLYLINE, name="a", feature_id="line", ring=[1.0, 9.0, 6.0, 9.0]),
        Mark(kind=ARROW, name="a", feature_id="arrow"),
        polygon([1, 1, 2, 2], id="thin"),
        polygon(square(90, 90, 5), id="outside"),
        mask(np.ones((3, 3), bool), id="small"),
        Mark(kind=MASK, name="a", feature_id="linked"),
    ]
    image = Image(external_id="x.jpg", width=12, height=12, marks=marks)
    _, ledger = image_set([image])
    reasons = {id: one.reason for one in ledger.losses for id in one.ids}
    assert reasons == {
        "box": "it has no pixels of its own; fill paints it",
        "point": "it has no pixels of its own; a line width paints it",
        "line": "it has no pixels of its own; a line width paints it",
        "arrow": "masks have no relationships",
        "thin": "it covers no pixel",
        "outside": "it covers no pixel",
        "small": "the mask is not of its image's size",
        "linked": "the mask's pixels are behind a link that is not followed",
    }
    assert all(one.went_in == one.came_out + one.dropped for one in ledger.balance)
    parts, ledger = image_set([image], fill=True, line_width=2)
    assert {one.kind: one.came_out for one in ledger.balance} == {
        "box": 1, "point": 1, "polyline": 1, "relationship": 0, "polygon": 0, "mask": 0,
    }  # fmt: skip
    drawn = pixels(files_of(parts)["objects/x.png"])
    assert (drawn[1:3, 1:3] == 1).all() and drawn[8, 8] == 2 and (drawn[8:10, 1:6] == 3).all()


def test_objects_covered_or_without_a_size_are_dropped():
    marks = [polygon(square(2, 2, 3), id="under"), polygon(square(1, 1, 6), id="over")]
    unsized = Image(external_id="y.jpg", marks=[polygon(square(0, 0, 3), id="unsized")])
    answers = msgspec.Raw(b'[{"name":"night","radio_answer":{"name":"yes"}}]')
    image = Image(external_id="x.jpg", width=12, height=12, marks=marks, answers=answers)
    parts, ledger = image_set([image, unsized])
    dropped = {id: one.reason for one in ledger.losses if one.action == "dropped" for id in one.ids}
    assert dropped == {
        "under": "other objects cover all of it",
        "unsized": "the image's size is not known",
        "x.jpg": "a mask has no place for answers",
    }
    first = json.loads(files_of(parts)["objects.jsonl"].splitlines()[0])
    assert [(one["number"], one["id"]) for one in first["objects"]] == [(1, "over")]
    assert set(np.unique(pixels(files_of(parts)["objects/x.png"]))) == {0, 1}


def test_the_smaller_of_two_may_lie_on_top():
    marks = [polygon(square(2, 2, 3), id="small"), polygon(square(1, 1, 6), id="large")]
    image = Image(external_id="x.jpg", width=12, height=12, marks=marks)
    parts, ledger = image_set([image], order="size")
    files = files_of(parts)
    line = json.loads(files["objects.jsonl"].splitlines()[0])
    assert [one["id"] for one in line["objects"]] == ["large", "small"]
    assert (pixels(files["objects/x.png"])[2:5, 2:5] == 2).all()
    assert not any(one.action == "dropped" for one in ledger.losses)


def test_many_classes_and_objects_take_sixteen_bits():
    marks = [
        polygon(square(x, y, 1), name=f"c{x + 20 * y}", id=f"{x},{y}") for y in range(20) for x in range(20)
    ]
    files = files_of(image_set([Image(external_id="x.jpg", width=20, height=20, marks=marks)])[0])
    for path in "classes/x.png", "objects/x.png":
        assert (pixels(files[path]).reshape(-1) == np.arange(1, 401)).all()
    marks = [polygon(square(0, 0, 1))]
    with pytest.raises(Invalid, match="class 'car' would have the value 70001; values are from 1 to 65535"):
        image_set([Image(external_id="x.jpg", width=2, height=2, marks=marks)], Classes({"car": 70_000}))


def test_the_first_value_and_colours_are_the_user_s():
    classes = Classes()
    classes.add("car", color="#102030")
    image = Image(external_id="x.jpg", width=4, height=4, marks=[polygon(square(0, 0, 4))])
    png = files_of(image_set([image], classes, first_value=7)[0])["classes/x.png"]
    assert (pixels(png) == 7).all()
    assert Picture.open(io.BytesIO(png)).convert("RGB").getpixel((1, 1)) == (16, 32, 48)


def test_damaged_folders_are_problems_with_a_place(tmp_path):
    image = Image(external_id="x.jpg", width=8, height=6, marks=[polygon(square(1, 1, 3))])
    files = files_of(image_set([image, Image(external_id="y.jpg", width=8, height=6)])[0])
    good = files["objects.jsonl"]
    small = files_of(image_set([Image(external_id="x.jpg", width=3, height=2)])[0])["objects/x.png"]
    changes = {
        "not there": {"objects/x.png": None},
        "a picture of 3 x 2 pixels of an image of 8 x 6": {"objects/x.png": small},
        "truncated PNG": {"objects/x.png": files["objects/x.png"][:-20]},
        "not a PNG": {"objects/x.png": b"GIF89a"},
        "Expected `int`": {"objects.jsonl": good.replace(b'"width":8', b'"width":"8"', 1)},
    }
    for number, (message, change) in enumerate(changes.items()):
        damaged = {path: data for path, data in {**files, **change}.items() if data is not None}
        found, _, problems, _ = read_back(damaged, tmp_path / str(number))
        assert [one.external_id for one in found] == ["y.jpg"]
        (problem,) = problems
        assert problem.place.startswith("objects.jsonl, ") and message.lower() in problem.reason.lower()
    found, _, problems, ledger = read_back(
        {**files, "objects.jsonl": good.replace(b'"number":1', b'"number":9')}, tmp_path / "number"
    )
    assert [one.reason for one in ledger.losses] == ["no pixel has its number"]
    assert len(found) == 2 and not problems
    for legend in None, b"{", b'{"masks":"annotary"}':
        there = {**files, "legend.json": legend} if legend else {"x": b""}
        folder = tmp_path / f"legend {legend!r}"
        with pytest.raises(Invalid, match=r"legend\.json"):
            read_back(there, folder)
        assert not load("masks").folder(FolderSource(folder))
    assert load("masks").folder(FolderSource(tmp_path / "number"))


@pytest.mark.parametrize(("name", "count"), [("instances.json", 62), ("rle.json", 231)])
def test_real_objects_keep_their_pixels_ids_and_classes(shared, tmp_path, name, count):
    source = shared / "data/coco20" / name
    done = annotary.convert(source, tmp_path / "masks", to="masks")
    assert done.annotations == count
    balance = done.findings.ledger.balance
    assert sum(one.went_in for one in balance) == count
    assert all(one.went_in == one.came_out + one.dropped for one in balance)
    again = annotary.convert(tmp_path / "masks", tmp_path / "again", to="masks")
    assert not again.findings.ledger.losses
    made = {path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*.*")}
    assert len(made) == 2 * 10 + 4
    for path in made - {Path("manifest.json")}:
        assert (tmp_path / "again" / path).read_bytes() == (tmp_path / "masks" / path).read_bytes()
    annotary.convert(tmp_path / "masks", tmp_path / "back.json", to="coco")
    given, back = json.loads(source.read_text()), json.loads((tmp_path / "back.json").read_text())
    assert {one["id"]: one["file_name"] for one in back["images"]} == {
        one["id"]: one["file_name"] for one in given["images"]
    }
    assert {one["id"]: one["name"] for one in back["categories"]} == {
        one["id"]: one["name"] for one in given["categories"]
    }
    sizes = {one["id"]: (one["height"], one["width"]) for one in given["images"]}
    kept = {one["id"]: one for one in back["annotations"]}
    for image, size in sizes.items():
        hidden = np.zeros(size, bool)
        for one in [one for one in given["annotations"] if one["image_id"] == image][::-1]:
            whole = pycoco.frPyObjects(one["segmentation"], *size)
            whole = rle.of_segmentation(pycoco.merge(whole) if isinstance(whole, list) else whole).mask()
            if (whole & ~hidden).any():
                mine = kept.pop(one["id"])
                assert (mine["image_id"], mine["category_id"], mine["iscrowd"]) == (
                    image, one["category_id"], one["iscrowd"],
                )  # fmt: skip
                assert (rle.of_segmentation(mine["segmentation"]).mask() == (whole & ~hidden)).all()
            hidden |= whole
    assert not kept
