"""CVAT: shapes, attributes, tags, labels and flags come out as they came in."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import annotary
from annotary.formats import load

HEAD = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <id>5</id>
      <name>roads</name>
      <labels>
        <label>
          <name>car</name>
          <color>#fa3253</color>
          <type>any</type>
          <attributes>
            <attribute>
              <name>parked</name>
              <mutable>False</mutable>
              <input_type>checkbox</input_type>
              <default_value>false</default_value>
              <values>false</values>
            </attribute>
            <attribute>
              <name>make</name>
              <mutable>False</mutable>
              <input_type>select</input_type>
              <default_value>a</default_value>
              <values>a
b</values>
            </attribute>
            <attribute>
              <name>speed</name>
              <mutable>True</mutable>
              <input_type>number</input_type>
              <default_value>0</default_value>
              <values>0
200
5</values>
            </attribute>
          </attributes>
        </label>
        <label>
          <name>night</name>
          <color>#000000</color>
          <type>tag</type>
          <attributes/>
        </label>
      </labels>
    </task>
    <dumped>2024-01-01 00:00:00.000000+00:00</dumped>
  </meta>
"""
BODY = """  <image id="7" name="a/b &amp; c.jpg" subset="Train" width="40" height="30">
    <tag label="night" source="manual">
    </tag>
    <box label="car" source="manual" occluded="1" xtl="1.25" ytl="2.5" xbr="10.1" ybr="20.7" z_order="3">
      <attribute name="parked">true</attribute>
      <attribute name="make">b</attribute>
      <attribute name="speed">55</attribute>
    </box>
    <box label="car" source="auto" occluded="0" xtl="10" ytl="10" xbr="20" ybr="16" rotation="30.5" z_order="0">
    </box>
    <polygon label="car" source="manual" occluded="0" points="1,2;3.5,4;6,5.25" z_order="0" group_id="4">
    </polygon>
    <polyline label="car" source="manual" occluded="0" points="1,2;3,4" z_order="0">
    </polyline>
    <points label="car" source="manual" occluded="0" points="1,2" z_order="0">
    </points>
    <points label="car" source="manual" occluded="0" points="1,2;3,4;5,6" z_order="0">
      <attribute name="make">a</attribute>
    </points>
    <ellipse label="car" source="manual" occluded="0" cx="20" cy="15" rx="5" ry="3" rotation="10" z_order="0">
    </ellipse>
    <cuboid label="car" source="manual" occluded="0" xtl1="1" ytl1="1" xtr1="9" ytr1="1" xbl1="1" ybl1="9" xbr1="9" ybr1="9" xtl2="4" ytl2="3" xtr2="12" ytr2="3" xbl2="4" ybl2="11" xbr2="12" ybr2="11" z_order="0">
    </cuboid>
    <mask label="car" source="manual" occluded="0" rle="1, 2, 1, 4" left="3" top="2" width="4" height="2" z_order="1">
    </mask>
  </image>
  <image id="9" name="empty.jpg" width="40" height="30">
  </image>
</annotations>
"""  # noqa: E501 -- as CVAT writes it


def converted(tmp_path: Path, text: str, to: str = "cvat") -> tuple[Any, str]:
    (tmp_path / "in.xml").write_text(text)
    path = tmp_path / ("out.xml" if to == "cvat" else "out.json")
    done = annotary.convert(tmp_path / "in.xml", path, to=to)
    return done, path.read_text()


def lines(text: str) -> list[str]:
    """What an XML file says, whatever its white space is between elements."""
    root = ElementTree.fromstring(text)
    for one in root.iter():
        one.tail = None
        if len(one) or not (one.text or "").strip():
            one.text = None
    return ElementTree.tostring(root).decode().replace("><", ">\n<").splitlines()


def test_everything_comes_out_as_it_came_in(tmp_path):
    done, made = converted(tmp_path, HEAD + BODY)
    assert made.split("  </meta>\n")[1] == BODY
    assert lines(made) == lines(HEAD + BODY)
    assert {one.reason for one in done.findings.ledger.losses} == {
        "a cuboid became the outline around its corners",
        "an ellipse became a polygon of 64 corners",
    }
    assert {one.kind: (one.went_in, one.came_out) for one in done.findings.ledger.balance} == {
        "answer": (5, 5), "box": (1, 1), "mask": (1, 1),
        "point": (4, 4), "polygon": (4, 4), "polyline": (1, 1),
    }  # fmt: skip


def test_everything_comes_out_of_a_store(tmp_path):
    (tmp_path / "in.xml").write_text(HEAD + BODY)
    with annotary.Client(tmp_path / "store") as client:
        client.load(tmp_path / "in.xml", project="p")
        parts = client.get_projects()[0].export(format="cvat").open().parts
        made = b"".join(part.data for part in parts).decode()
    # Which subset an image is in is the file's word; a project has no splits.
    assert lines(made.split("  </meta>\n")[0] + "</meta></annotations>") == lines(HEAD + "</annotations>")
    assert made.split("  </meta>\n")[1].replace(' subset="Train"', "") == BODY.replace(' subset="Train"', "")


def test_attributes_and_tags_are_answers(tmp_path):
    (tmp_path / "in.xml").write_text(HEAD + BODY)
    annotary.convert(tmp_path / "in.xml", tmp_path / "out.ndjson", to="labelbox-v2")
    row = json.loads((tmp_path / "out.ndjson").read_text().splitlines()[0])
    (project,) = row["projects"].values()
    found = project["labels"][0]["annotations"]
    (tags,) = found["classifications"]
    assert (tags["name"], [one["name"] for one in tags["checklist_answers"]]) == ("tags", ["night"])
    box = found["objects"][0]
    answers = {one["name"]: one for one in box["classifications"]}
    assert answers["parked"]["radio_answer"]["name"] == "true"
    assert answers["make"]["radio_answer"]["name"] == "b"
    assert answers["speed"]["text_answer"]["content"] == "55"
    assert box["coco"]["attributes"] == {"occluded": True}


def test_geometry_elsewhere(tmp_path):
    _, made = converted(tmp_path, HEAD + BODY, to="coco")
    found = json.loads(made)["annotations"]
    assert found[0]["bbox"] == [1.25, 2.5, 8.85, 18.2]
    rotated = np.array(found[1]["segmentation"][0]).reshape(-1, 2)
    assert rotated.mean(axis=0) == pytest.approx([15, 13])
    # Clockwise on the screen: the top side goes down to the right.
    across = rotated[1] - rotated[0]
    assert math.degrees(math.atan2(across[1], across[0])) == pytest.approx(30.5)
    assert found[1]["area"] == pytest.approx(60)
    (ellipse,) = (one for one in found if len(str(one["segmentation"]).split(",")) == 128)
    assert ellipse["area"] == pytest.approx(math.pi * 15, rel=2e-3)
    assert found[-1]["area"] == 6


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        ('<box label="car" xtl="x" ytl="1" xbr="2" ybr="2"/>', "xtl is x; a number is wanted"),
        ('<box label="car" xtl="nan" ytl="1" xbr="2" ybr="2"/>', "xtl is nan; a number up to"),
        ('<box label="car" xtl="5" ytl="1" xbr="2" ybr="2"/>', "right or bottom comes before"),
        ('<polygon label="car" points="1,2;3,4"/>', "a polygon of fewer than 3 points"),
        ('<polyline label="car" points="1;2"/>', "points are x,y;x,y;"),
        ('<polyline label="" points="1,1;2,2"/>', "it names no label"),
        (
            '<mask label="car" rle="1, 2" left="0" top="0" width="9" height="9"/>',
            "run-lengths cover 3 pixels",
        ),
        ('<mask label="car" rle="1" left="0" top="0" width="99999" height="99999"/>', "too many pixels"),
        (
            '<mask label="car" rle="0, 4" left="39" top="0" width="2" height="2"/>',
            "reaches outside the image",
        ),
        ('<skeleton label="car"/>', "a skeleton is not read"),
    ],
)
def test_wrong_shapes_are_in_the_ledger_with_their_line(tmp_path, element, reason):
    image = f'<image id="0" name="x.jpg" width="40" height="30">\n{element}\n</image>'
    done, made = converted(tmp_path, f"<annotations>\n<version>1.1</version>\n{image}\n</annotations>")
    (loss,) = done.findings.ledger.losses
    assert (loss.action, loss.ids) == ("dropped", ("line 4, x.jpg",))
    assert reason in loss.reason
    assert 'name="x.jpg"' in made


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<annotations><version>1.1</version><image ", "not XML"),
        ("<annotations><version>1.1</version>" + "<a>" * 100, "more than 40 in each other"),
        (
            '<!DOCTYPE a [<!ENTITY a "b"><!ENTITY c "&a;&a;">]>\n<annotations><meta>&c;</meta></annotations>',
            "entities of a document's own are not read",
        ),
    ],
)
def test_broken_and_hostile_files_are_refused(tmp_path, text, reason):
    (tmp_path / "in.xml").write_text(text)
    with pytest.raises(annotary.Refused, match=reason):
        annotary.convert(tmp_path / "in.xml", tmp_path / "out.xml", to="cvat", format="cvat")
    assert not (tmp_path / "out.xml").exists()


def test_names_that_xml_cannot_say_and_checklists(tmp_path):
    rows = {
        "version": "5", "flags": {}, "imagePath": "a.jpg", "imageHeight": 9, "imageWidth": 9,
        "shapes": [{"label": "a\u0001<b>", "points": [[1, 1], [4, 4]], "shape_type": "rectangle",
                    "flags": {"x": True, "y": True}}],
    }  # fmt: skip
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.json").write_text(json.dumps(rows))
    done = annotary.convert(tmp_path / "in", tmp_path / "out.xml", to="cvat")
    made = ElementTree.fromstring((tmp_path / "out.xml").read_text())
    box = made.find("image/box")
    assert box is not None and box.get("label") == "a\ufffd<b>"
    assert {one.get("name"): one.text for one in box} == {"flags/x": "true", "flags/y": "true"}
    assert {one.reason for one in done.findings.ledger.losses} == {
        "signs that XML cannot say",
        "a checklist became a checkbox for each answer",
    }


def test_memory_holds_one_image_at_a_time(tmp_path):
    import tracemalloc

    from annotary.engine.sources import FileSource
    from annotary.formats import reading

    def peak(images: int) -> int:
        with (tmp_path / "big.xml").open("w") as file:
            file.write("<annotations>\n<version>1.1</version>\n")
            for at in range(images):
                file.write(f'<image id="{at}" name="{at}.jpg" width="40" height="30">\n')
                file.write('<box label="car" xtl="1" ytl="1" xbr="2" ybr="2"/>\n' * 20 + "</image>\n")
            file.write("</annotations>\n")
        tracemalloc.start()
        form = load("cvat")
        assert form.read is not None
        source = FileSource(tmp_path / "big.xml")
        found = form.read(source, form.options(), reading(lambda one: None, lambda one: None))
        assert sum(len(image.marks) for image in found) == 20 * images
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(10)
    assert peak(900) < peak(100) * 2


@pytest.mark.parametrize(
    ("name", "rows", "counts", "refused"),
    [
        ("for_images/export_project", 6, {"box": 3, "polyline": 3, "polygon": 3, "points": 3}, 0),
        ("for_images/export_task/train.xml", 2, {"box": 1, "points": 1}, 2),
        ("for_video", 0, {}, 3),
    ],
)
def test_real_files_keep_every_shape(shared, tmp_path, name, rows, counts, refused):
    source = shared / "data/datumaro-tiny/cvat_dataset" / name
    done = annotary.convert(source, tmp_path / "out.xml", to="cvat")
    assert done.rows == rows
    root = ElementTree.fromstring((tmp_path / "out.xml").read_text())
    assert Counter(one.tag for image in root.iter("image") for one in image) == counts
    assert sum(one.count for one in done.findings.ledger.losses if one.action == "dropped") == refused
    given = ElementTree.parse(source if source.is_file() else source / "annotations.xml").getroot()
    before, after = (
        [
            (image.get("name"), one.tag, one.get("label"), one.get("z_order", "0"), one.get("occluded", "0"),
             [(each.get("name"), each.text) for each in one])
            for image in tree.iter("image") for one in image if one.get("label")
        ]
        for tree in (given, root)
    )  # fmt: skip
    assert before == after
    labels = [[one.findtext("name") for one in tree.iter("label")] for tree in (given, root)]
    assert labels[0] == labels[1]
    annotary.convert(tmp_path / "out.xml", tmp_path / "again.xml", to="cvat")
    assert (tmp_path / "again.xml").read_bytes() == (tmp_path / "out.xml").read_bytes()
