"""Pascal VOC: boxes to the last digit, flags, parts, class order, and pictures of classes and objects."""

import json
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Picture
from pycocotools import mask as pycoco

import annotary
from annotary.formats import _rle as rle
from annotary.formats import _voc_pixels as pixels
from annotary.formats._decimals import number, parsed, span

SKIP = {"images": "skip"}


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("manifest.json", "losses.json")
    }


def objects(folder: Path) -> dict[str, list]:
    """What XML files say of objects, by file name."""
    found = {}
    for path in sorted(folder.rglob("*.xml")):
        root = ElementTree.parse(path).getroot()
        found[path.name] = [
            (
                one.findtext("name"),
                *(float(one.findtext(f"bndbox/{tag}") or "nan") for tag in ("xmin", "ymin", "xmax", "ymax")),
                *((one.findtext(tag) or "0") for tag in ("truncated", "difficult")),
            )
            for one in root.iter("object")
        ]
    return found


def again(tmp_path: Path, **options) -> None:
    """What is read back and written again is the same."""
    annotary.convert(tmp_path / "out", tmp_path / "again", to="voc", options={**SKIP, **options})
    assert files(tmp_path / "again") == files(tmp_path / "out")


def data_set(tmp_path: Path, xml: str, **beside: str) -> Path:
    folder = tmp_path / "in"
    (folder / "Annotations").mkdir(parents=True)
    (folder / "Annotations/a.xml").write_text(xml)
    for name, text in beside.items():
        (folder / f"{name}.txt").write_text(text)
    return folder


def annotation(*objects: str, head: str = "<filename>a.jpg</filename>") -> str:
    size = "<size><width>40</width><height>30</height><depth>3</depth></size>"
    return f"<annotation>\n{head}\n{size}\n" + "\n".join(objects) + "\n</annotation>\n"


def box(numbers: str = "1 1 9 9", name: str = "car", more: str = "") -> str:
    corners = "".join(
        f"<{tag}>{one}</{tag}>"
        for tag, one in zip(("xmin", "ymin", "xmax", "ymax"), numbers.split(), strict=True)
    )
    return f"<object><name>{name}</name><bndbox>{corners}</bndbox>{more}</object>"


def test_blood_cells(shared, tmp_path):
    source = shared / "data/bccd-voc20"
    done = annotary.convert(source, tmp_path / "out", to="voc", options=SKIP)
    assert (done.rows, done.annotations) == (20, 339)
    assert not done.findings.ledger.losses
    before, after = objects(source), objects(tmp_path / "out")
    assert before == after
    every = [one for some in after.values() for one in some]
    assert Counter(one[0] for one in every) == {"RBC": 294, "Platelets": 25, "WBC": 20}
    assert sum((one[3] - one[1]) * (one[4] - one[2]) for one in every) == 3_437_058
    assert sum(one[5] == "1" for one in every) == 90
    assert (tmp_path / "out/ImageSets/Main/val.txt").read_text().split() == (
        (source / "ImageSets/Main/val.txt").read_text().split()
    )
    paths = [ElementTree.parse(path).findtext("path") for path in (tmp_path / "out").rglob("*.xml")]
    assert all(path and path.startswith("/home/pi/") for path in paths)
    again(tmp_path)


def test_blood_cells_come_out_of_a_store(shared, tmp_path):
    source = shared / "data/bccd-voc20"
    with annotary.Client(tmp_path / "store") as client:
        client.load(source, project="cells")
        parts = list(client.get_projects()[0].export(format="voc", options=SKIP).open().parts)
    annotary.convert(source, tmp_path / "out", to="voc", options=SKIP)
    made = {part.path: part.data for part in parts if part.path.endswith(".xml")}
    assert made == {path: data for path, data in files(tmp_path / "out").items() if path.endswith(".xml")}


def test_fractions_of_other_programs_stay(shared, tmp_path):
    source = shared / "data/labelme/bbox_detection/data_dataset_voc"
    done = annotary.convert(source, tmp_path / "out", to="voc", options=SKIP)
    assert (done.rows, done.annotations) == (3, 9)
    before, after = objects(source), objects(tmp_path / "out")
    assert before.keys() == after.keys()
    for name, some in before.items():
        for one, other in zip(some, after[name], strict=True):
            assert one[0] == other[0]
            assert one[1:5] == pytest.approx(other[1:5], abs=1e-12)
    every = [one for some in after.values() for one in some]
    assert sum((one[3] - one[1]) * (one[4] - one[2]) for one in every) == pytest.approx(289_238, abs=1)
    names = (source / "class_names.txt").read_text().splitlines()[1:]
    listed = (tmp_path / "out/labelmap.txt").read_text().splitlines()[2:]
    assert [line.split(":")[0] for line in listed] == names
    again(tmp_path)


def test_awkward_names_stay(shared, tmp_path):
    source = shared / "data/labelformat-fixtures/object_detection/PascalVOC"
    done = annotary.convert(source, tmp_path / "out", to="voc", options=SKIP)
    assert (done.rows, done.annotations) == (2, 16)
    assert objects(source) == objects(tmp_path / "out")
    annotary.convert(source, tmp_path / "c.json", to="coco")
    made = json.loads((tmp_path / "c.json").read_text())
    names = {one["id"]: one["name"] for one in made["categories"]}
    assert Counter(names[one["category_id"]] for one in made["annotations"]) == {
        "snowboard": 6, "person": 5, "bench": 2, "bicycle with space": 2, "dog": 1,
    }  # fmt: skip
    # That program counts from 0 and leaves out the last pixel: each side is one less than VOC's rule says.
    sides = [(one["bbox"][2] - 1) * (one["bbox"][3] - 1) for one in made["annotations"]]
    assert sum(sides) == 217_702
    again(tmp_path)


@pytest.mark.parametrize(
    ("name", "rows", "marks"),
    [("voc_dataset1", 2, 3), ("voc_dataset2", 5, 4), ("voc_dataset3", 2, 1)],
)
def test_small_data_sets(shared, tmp_path, name, rows, marks):
    source = shared / "data/datumaro-tiny/voc_dataset" / name
    done = annotary.convert(source, tmp_path / "out", to="voc", options={**SKIP, "segmentation": True})
    assert (done.rows, done.annotations) == (rows, marks)
    again(tmp_path, segmentation=True)
    if name == "voc_dataset1":
        text = (tmp_path / "out/Annotations/2007_000001.xml").read_text()
        assert "<part>" in text and "<xmin>5.5</xmin>" in text and "<ridinghorse>1</ridinghorse>" in text
    if name == "voc_dataset2":
        given = (source / "labelmap.txt").read_text().splitlines()
        # Objects of this set are called background, which so is a class like others.
        listed = [line for line in given if not line.startswith(("ignored", "background"))]
        made = (tmp_path / "out/labelmap.txt").read_text().splitlines()
        assert made[: len(listed)] == listed
        assert [line.split(":")[0] for line in made[len(listed) :]] == ["background"]


def test_splits_are_folders_in_some_programs(shared, tmp_path):
    source = shared / "data/datumaro-tiny/roboflow_dataset/voc"
    done = annotary.convert(source, tmp_path / "out", to="voc", options=SKIP)
    assert (done.rows, done.annotations) == (3, 4)
    lists = {path: data for path, data in files(tmp_path / "out").items() if path.startswith("ImageSets")}
    assert {path: data.split() for path, data in lists.items()} == {
        "ImageSets/Main/train.txt": [b"train_001", b"train_002"],
        "ImageSets/Main/val.txt": [b"val_001"],
    }


def test_pictures_of_objects_keep_their_pixels(shared, tmp_path):
    source = shared / "data/labelme/instance_segmentation/data_dataset_voc"
    done = annotary.convert(source, tmp_path / "out", to="voc", options={**SKIP, "segmentation": True})
    assert (done.rows, done.annotations) == (3, 12)
    for path in (source / "SegmentationObject").glob("*.png"):
        given, made = (
            np.asarray(Picture.open(one / "SegmentationObject" / path.name))
            for one in (source, tmp_path / "out")
        )
        void = given == 255
        # Objects are numbered without gaps, as they stand in the XML file.
        numbers = np.unique(given[~void])
        assert (np.searchsorted(numbers, given[~void]) == made[~void]).all()
        classes, now = (
            np.asarray(Picture.open(one / "SegmentationClass" / path.name))
            for one in (source, tmp_path / "out")
        )
        ignored = classes == 255
        assert (classes[~ignored] == now[~ignored]).all()
        assert not now[ignored].any()
    (loss,) = (one for one in done.findings.ledger.losses if one.action == "renamed")
    assert loss.ids == ("2011_000006, object 7",)
    again(tmp_path, segmentation=True)


def test_pictures_without_xml(shared, tmp_path):
    source = shared / "data/labelformat-fixtures/semantic_segmentation/pascalvoc"
    done = annotary.convert(source, tmp_path / "out", to="voc", options={**SKIP, "segmentation": True})
    assert done.rows == 2
    for path in ("2007_000032.png", "subdir/2007_000033.png"):
        given, made = (
            np.asarray(Picture.open(one / "SegmentationClass" / path)) for one in (source, tmp_path / "out")
        )
        assert (np.where(given == 255, 0, given) == made).all()
    assert {one.reason for one in done.findings.ledger.losses} == {
        "pixels marked as void, around objects or to be ignored, belong to nothing"
    }


@pytest.mark.parametrize("name", ["instances", "rle"])
def test_coco_boxes_are_exact_and_its_masks_come_out(shared, tmp_path, name):
    source = shared / "data/coco20" / f"{name}.json"
    options = {**SKIP, "segmentation": True}
    done = annotary.convert(source, tmp_path / "out", to="voc", options=options)
    given = json.loads(source.read_text())
    assert done.annotations == len(given["annotations"])
    for one in done.findings.ledger.balance:
        assert one.went_in == one.came_out + one.dropped
    sizes = {one["id"]: (one["height"], one["width"]) for one in given["images"]}
    stems = {one["id"]: one["file_name"].removesuffix(".jpg") for one in given["images"]}
    seen: dict[int, int] = {}
    for one in given["annotations"]:
        place = seen[one["image_id"]] = seen.get(one["image_id"], 0) + 1
        size = sizes[one["image_id"]]
        shape = pycoco.frPyObjects(one["segmentation"], *size)
        mask = rle.of_segmentation(pycoco.merge(shape) if isinstance(shape, list) else shape).mask()
        painted = np.asarray(Picture.open(tmp_path / f"out/SegmentationObject/{stems[one['image_id']]}.png"))
        # Where its number is, it is; others may hide the rest.
        assert not (painted == place)[~mask].any()
    again(tmp_path, segmentation=True)


def test_boxes_go_to_voc_and_back_to_the_last_digit(tmp_path):
    boxes = [[359.17, 146.17, 112.45, 213.57], [0.1, 0.2, 0.3, 0.7], [-3.5, 7, 50, 2.25], [5, 6, 0, 0]]
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}],
        "annotations": [
            {"id": at, "image_id": 1, "category_id": 1, "bbox": one} for at, one in enumerate(boxes, 1)
        ],
        "categories": [{"id": 1, "name": "car"}],
    }
    (tmp_path / "c.json").write_text(json.dumps(document))
    annotary.convert(tmp_path / "c.json", tmp_path / "out", to="voc")
    annotary.convert(tmp_path / "out", tmp_path / "back.json", to="coco")
    back = json.loads((tmp_path / "back.json").read_text())
    assert [one["bbox"] for one in back["annotations"]] == boxes
    first = objects(tmp_path / "out")["a.xml"][0]
    # Pixels are counted from 1, and the last one is inside.
    assert first[1:5] == (360.17, 147.17, 471.62, 359.74)


# What is smaller than a millionth of a pixel is noise.
SIZES = st.floats(0, 1e6).filter(lambda one: not 0 < one < 1e-6)


@given(SIZES, SIZES, st.sampled_from([1, -1]))
def test_spans_are_exact(start, size, sign):
    start *= sign
    low, high = span(start, size, 1)
    assert float(parsed(low, "x") - 1) == start
    assert float(parsed(high, "x") - parsed(low, "x") + 1) == size
    assert float(number(start)) == start


def test_flags_parts_and_the_rest_are_carried(tmp_path):
    more = (
        "<pose>Left</pose><truncated>1</truncated><difficult>1</difficult><occluded>0</occluded>"
        "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part><point><x>3</x></point>"
        "<attributes><attribute><name>wet &amp; cold</name><value>30</value></attribute></attributes>"
    )
    head = "<folder>VOC2012</folder><filename>a.png</filename><owner><name>A &lt;B&gt;</name></owner>"
    source = data_set(tmp_path, annotation(box(more=more), head=head))
    annotary.convert(source, tmp_path / "out", to="voc")
    text = (tmp_path / "out/Annotations/a.xml").read_text()
    given, made = ElementTree.fromstring(annotation(box(more=more), head=head)), ElementTree.fromstring(text)
    for one in given.iter():
        assert any(
            one.tag == other.tag and (one.text or "").strip() == (other.text or "").strip()
            for other in made.iter()
        ), one.tag
    annotary.convert(tmp_path / "out", tmp_path / "c.json", to="coco")
    (found,) = json.loads((tmp_path / "c.json").read_text())["annotations"]
    assert found["attributes"] == {
        "pose": "Left", "truncated": True, "difficult": True, "occluded": False, "wet & cold": "30",
    }  # fmt: skip
    annotary.convert(tmp_path / "c.json", tmp_path / "from", to="voc")
    assert (tmp_path / "from/Annotations/a.xml").read_text().split("<object>")[1] == text.split("<object>")[1]
    again(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (box("1 1 x 9"), "<xmax> is x; a number is wanted"),
        (box("1 1 inf 9"), "<xmax> is inf; a number up to"),
        (box("9 1 1 9"), "a box whose maximum is below its minimum"),
        ("<object><name>car</name></object>", "<xmin> is ; a number is wanted"),
        (box(name=""), "an object without a name"),
        (box(more="<confidence>7</confidence>"), "a confidence of 7"),
    ],
)
def test_wrong_objects_are_in_the_ledger_with_their_line(tmp_path, wrong, reason):
    done = annotary.convert(data_set(tmp_path, annotation(wrong, box())), tmp_path / "out", to="voc")
    (loss,) = done.findings.ledger.losses
    assert (loss.action, loss.ids) == ("dropped", ("Annotations/a.xml, line 4",))
    assert reason in loss.reason
    assert len(objects(tmp_path / "out")["a.xml"]) == 1


def test_hostile_files_are_refused(tmp_path):
    bomb = '<!DOCTYPE a [<!ENTITY a "b"><!ENTITY c "&a;&a;">]>\n' + annotation(box(name="&c;"))
    with pytest.raises(annotary.Refused, match=r"Annotations/a\.xml, line 1.*entities of a document's own"):
        annotary.convert(data_set(tmp_path, bomb), tmp_path / "out", to="voc", format="voc")
    assert not (tmp_path / "out").exists()


def test_paths_in_files_lead_nowhere(tmp_path):
    head = "<filename>../../../etc/passwd.jpg</filename><path>/etc/passwd</path>"
    annotary.convert(data_set(tmp_path, annotation(box(), head=head)), tmp_path / "out", to="voc")
    assert set(files(tmp_path / "out")) == {
        "Annotations/passwd.xml", "ImageSets/Main/train.txt", "labelmap.txt",
    }  # fmt: skip


def test_whole_numbers_on_request(tmp_path):
    source = data_set(tmp_path, annotation(box("1.5 2 8.5 9")))
    done = annotary.convert(source, tmp_path / "out", to="voc", options={"whole": True})
    assert objects(tmp_path / "out")["a.xml"][0][1:5] == (1, 2, 9, 9)
    (loss,) = done.findings.ledger.losses
    assert loss.reason == "coordinates became whole numbers"
    assert loss.iou_mean == pytest.approx(8 / 9, abs=1e-6)


def test_what_voc_cannot_say_is_in_the_ledger(shared, tmp_path):
    done = annotary.convert(shared / "data/coco20/rle.json", tmp_path / "out", to="voc", options=SKIP)
    losses = {one.reason: one.count for one in done.findings.ledger.losses}
    assert losses["a crowd is marked difficult"] == 10
    assert losses["a polygon became the box around it"] + losses["a mask became the box around it"] == 231


def test_numbers_of_classes_are_said_by_colours(tmp_path):
    assert [pixels.value_of(pixels.colour(one)) for one in range(3000)] == list(range(3000))
    source = data_set(tmp_path, annotation(box(), box(name="dog")))
    options = {"class_index": {"dog": 17, "car": 3}}
    annotary.convert(source, tmp_path / "out", to="voc", options=options)
    again(tmp_path)
    annotary.convert(tmp_path / "out", tmp_path / "m", to="masks", options={"fill": True, **SKIP})
    legend = json.loads((tmp_path / "m/legend.json").read_text())
    assert {one["name"]: one["index"] for one in legend["classes"]} == {"car": 3, "dog": 17}
