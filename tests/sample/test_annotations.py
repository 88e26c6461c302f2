"""Annotations: exact, complete, in the layout of export v2."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from annotary.sample.annotations import annotations, clipped
from annotary.sample.cuboid import Cuboid
from annotary.sample.draw import mask
from annotary.sample.identity import cuids
from annotary.sample.scene import scene

KINDS = {
    "ImageBoundingBox",
    "ImagePolygon",
    "ImagePolyline",
    "ImagePoint",
    "ImageSegmentationMask",
    "ImageCuboid",
    "ImageUnidirectionalRelationship",
    "ImageBidirectionalRelationship",
}


def ids(index):
    return cuids("test", index)


@pytest.fixture(scope="module")
def made():
    """Sixty scenes with their annotations."""
    return [(view, annotations(view, ids(view.index))) for view in (scene(1, index) for index in range(60))]


def objects(made):
    return [(view, thing) for view, label in made for thing in label["objects"]]


def numbers(value):
    match value:
        case dict():
            return [number for part in value.values() for number in numbers(part)]
        case list():
            return [number for part in value for number in numbers(part)]
        case float():
            return [value]
    return []


def answers(classifications):
    """Every question with what was answered, nested ones too, as (path, answer) pairs."""
    for question in classifications:
        chosen = question.get("checklist_answers") or [question.get("radio_answer")]
        if "text_answer" in question:
            yield question["name"], question["text_answer"]["content"]
            continue
        for answer in chosen:
            yield question["name"], answer["name"]
            yield from (
                (f"{question['name']}/{path}", name) for path, name in answers(answer["classifications"])
            )


def test_every_kind_occurs(made):
    assert {thing["annotation_kind"] for _, thing in objects(made)} == KINDS
    assert any(not label["objects"] for _, label in made)


def test_feature_ids_are_unique_cuids(made):
    texts = [json.dumps(label, default=len) for _, label in made]
    found = [part.partition('"')[0] for text in texts for part in text.split('"feature_id": "')[1:]]
    links = sum(len(label["relationships"]) for _, label in made)
    # A relationship stands in two lists.
    assert len(found) - links == len(set(found))
    assert all(len(one) == 25 and one[0] == "c" and one.isalnum() and one == one.lower() for one in found)


def test_coordinates_have_three_decimals(made):
    for _, thing in objects(made):
        if thing["annotation_kind"] != "ImageCuboid":
            assert all(round(number, 3) == number for number in numbers(thing))
        for box in (thing["bounding_box"],) if "bounding_box" in thing else ():
            assert all(isinstance(side, float) for side in box.values())


def test_shapes_lie_in_the_image(made):
    for view, thing in objects(made):
        points = (
            thing.get("polygon") or thing.get("line") or [thing[key] for key in ("point",) if key in thing]
        )
        assert all(0 <= point["x"] <= view.width and 0 <= point["y"] <= view.height for point in points)
        if "bounding_box" in thing:
            box = thing["bounding_box"]
            assert min(box["left"], box["top"]) >= 0
            assert box["left"] + box["width"] <= view.width
            assert box["top"] + box["height"] <= view.height


def test_polygons_are_closed_and_have_an_area(made):
    rings = [thing["polygon"] for _, thing in objects(made) if "polygon" in thing]
    assert all(ring[0] == ring[-1] and len(ring) >= 4 for ring in rings)
    for ring in rings:
        xs, ys = np.array([point["x"] for point in ring]), np.array([point["y"] for point in ring])
        assert abs(np.sum(xs[:-1] * ys[1:] - xs[1:] * ys[:-1])) > 100


def test_masks_are_the_visible_pixels(made):
    for view, label in made[:20]:
        by_id = {ids(view.index)(thing.name): thing for thing in view.things}
        for thing in label["objects"]:
            if "mask" in thing:
                image = Image.open(io.BytesIO(thing["mask"]["png"]))
                pixels = np.asarray(image)
                assert image.mode == "L"
                assert set(np.unique(pixels)) <= {0, 255}
                assert ((pixels == 255) == mask(view, by_id[thing["feature_id"]])).all()


def test_cuboids_are_written_in_full_precision(made):
    for _, thing in objects(made):
        if "cuboid" in thing:
            shape = thing["cuboid"]
            cuboid = Cuboid(
                centre=(shape["center"]["x"], shape["center"]["y"]),
                rotation=tuple(shape["rotation"].values()),
                size=tuple(shape["size"].values()),
            )
            assert shape["projection"] == "orthographic"
            for face, depth in (("front", 1), ("back", -1)):
                written = {name: (corner["x"], corner["y"]) for name, corner in shape[face].items()}
                assert written == cuboid.face(depth)


def test_relationships_join_what_is_there(made):
    for _, label in made:
        known = {thing["feature_id"]: thing["name"] for thing in label["objects"]}
        assert [thing for thing in label["objects"] if thing["annotation_kind"].endswith("ship")] == label[
            "relationships"
        ]
        for link in label["relationships"]:
            ends = link.get("unidirectional_relationship") or link["bidirectional_relationship"]
            names = (known[ends["source"]], known[ends["target"]])
            allowed = {
                "walks": ("pedestrian", "dog"),
                "belongs_to": ("trailer", "car"),
                "next_to": ("car", "car"),
            }
            assert names == allowed[link["name"]]
            assert ("bidirectional_relationship" in link) == (link["name"] == "next_to")


def test_answers_are_nested(made):
    given = {}
    for _, label in made:
        image = label["classifications"]
        for path, answer in [
            *answers(image),
            *(a for o in label["objects"] for a in answers(o["classifications"])),
        ]:
            given.setdefault(path, set()).add(answer)
    assert given["occluded"] == {"no", "partly", "fully"}
    assert given["occluded/occluded_by"] == {"car", "pole", "person", "tree"}
    assert given["age_group"] == {"child", "adult", "senior"}
    assert given["time_of_day"] == {"day", "dusk", "night"}
    assert given["time_of_day/street_lights"] == {"on", "off"}
    assert given["weather"] == {"clear", "rain", "fog", "wind"}
    assert len(given["plate"]) > 30
    assert not all(remark.isascii() for remark in given["remark"])


def test_a_car_in_full_view_is_not_called_occluded(made):
    hidden = {"no": [], "partly": [], "fully": []}
    for view, label in made[:30]:
        by_id = {ids(view.index)(thing.name): thing for thing in view.things}
        for thing in label["objects"]:
            if thing["name"] == "car":
                box = thing["bounding_box"]
                shown = mask(view, by_id[thing["feature_id"]]).sum() / (box["width"] * box["height"])
                hidden[thing["classifications"][0]["radio_answer"]["name"]].append(shown)
    assert min(hidden["no"]) > 0.5
    assert max(hidden["fully"]) < 0.05
    assert max(hidden["fully"]) < np.mean(hidden["partly"]) < min(0.9, np.mean(hidden["no"]))


def test_names_and_nothing_of_the_schema(made):
    text = json.dumps([label for _, label in made], default=len)
    assert "schema" not in text
    assert '"value"' not in text


def test_a_ring_is_cut_at_the_edges():
    assert set(clipped(((-5.0, -5.0), (5.0, -5.0), (5.0, 5.0), (-5.0, 5.0)), 10, 10)) == {
        (0.0, 0.0),
        (5.0, 0.0),
        (5.0, 5.0),
        (0.0, 5.0),
    }
    assert clipped(((-5.0, 0.0), (-1.0, 0.0), (-1.0, 5.0)), 10, 10) == ()
