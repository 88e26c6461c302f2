"""Where other programs crash, renumber or fall silent: each trap ends in the ledger or has a place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import annotary
from annotary.engine import sinks

WAYS = ["converted", "stored"]


def annotation(id: Any = 7, **changed: Any) -> dict[str, Any]:
    """A box of class 3 on image 5."""
    whole = {"id": id, "image_id": 5, "category_id": 3, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}
    return {key: one for key, one in {**whole, **changed}.items() if one is not None}


def coco(*annotations: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """A file of one image of 10 x 8 pixels, and the categories 3 and 90."""
    categories = [{"id": 3, "name": "car", "supercategory": "vehicle"}, {"id": 90, "name": "brush"}]
    image = {"id": 5, "file_name": "a.jpg", "width": 10, "height": 8}
    return {"images": [image], "annotations": list(annotations), "categories": categories, **changed}


class Passage:
    """A file's way into another format, straight or through a store: what came out, and the ledger."""

    def __init__(self, where: Path, how: str) -> None:
        self.where = where
        self.how = how
        self.losses: list[dict[str, Any]] = []
        self.balance: dict[str, tuple[int, int, int]] = {}

    def run(self, given: dict[str, Any], to: str = "coco", **options: Any) -> Any:
        source = self.where / "given.json"
        source.write_text(json.dumps(given))
        out = self.where / ("out.json" if to == "coco" else "out")
        if self.how == "converted":
            document = annotary.convert(source, out, to=to, options=options).findings.ledger.document()
            self._take(document)
        else:
            with annotary.Client(self.where / "store") as client:
                report = client.load(source, project="traps")
                self._take(report.losses)
                export = client.get_projects()[0].export(format=to, options=options).open(counted=True)
                sinks.deliver(export.parts, out, lines=export.lines, one_file=export.one_file, name="out")
                self._take(export.findings.ledger.document())
        return json.loads(out.read_bytes()) if to == "coco" else out

    def _take(self, document: dict[str, Any]) -> None:
        self.losses += document["losses"]
        for one in document["balance"]:
            assert one["in"] == one["out"] + one["dropped"], one
            before = self.balance.get(one["kind"], (one["in"], 0, 0))
            self.balance[one["kind"]] = (before[0], one["out"], before[2] + one["dropped"])

    def lost(self, action: str, reason: str) -> list[str]:
        """The ids of the one line of the ledger that says so."""
        found = [one for one in self.losses if one["action"] == action and reason in one["reason"]]
        assert len(found) == 1, self.losses
        ids: list[str] = found[0]["ids"]
        return ids


@pytest.fixture(params=WAYS)
def passage(request: pytest.FixtureRequest, tmp_path: Path) -> Passage:
    return Passage(tmp_path, request.param)


# Regions that end other programs


BAD_RLE = {
    "too short": {"size": [8, 10], "counts": [10, 20]},
    "too long": {"size": [8, 10], "counts": [10, 20, 500]},
    "negative": {"size": [8, 10], "counts": [90, -10]},
    "not a number": {"size": [8, 10], "counts": ["ten"]},
    "no text of COCO's": {"size": [8, 10], "counts": "\x7f\x7f"},
    "without a size": {"counts": [80]},
    "of another size": {"size": [1 << 20, 1 << 20], "counts": [1 << 40]},
}


@pytest.mark.parametrize("segmentation", BAD_RLE.values(), ids=BAD_RLE.keys())
def test_run_lengths_of_the_wrong_length(
    passage: Passage, segmentation: dict[str, Any], tmp_path: Path
) -> None:
    """It is told of by its id, and the good one beside it arrives."""
    bad = annotation(9, segmentation=segmentation, iscrowd=1, bbox=[0, 0, 3, 4])
    found = passage.run(coco(annotation(7), bad), to="masks", fill=True)
    assert any("9" in one["ids"] for one in passage.losses if one["action"] == "dropped"), passage.losses
    assert passage.balance["mask"] == (1, 0, 1)
    assert passage.balance["box"] == (1, 1, 0)
    assert (found / "legend.json").exists()


@pytest.mark.parametrize("segmentation", BAD_RLE.values(), ids=BAD_RLE.keys())
def test_run_lengths_of_the_wrong_length_are_not_handed_on(passage: Passage, segmentation: Any) -> None:
    """COCO to COCO copies what it need not read; this it reads."""
    bad = annotation(9, segmentation=segmentation, iscrowd=1, bbox=[0, 0, 3, 4])
    found = passage.run(coco(annotation(7), bad))
    assert [one["id"] for one in found["annotations"]] == [7]
    assert [one["ids"] for one in passage.losses if one["action"] == "dropped"] == [["9"]]


def test_a_mask_of_another_size_than_its_image(passage: Passage) -> None:
    bad = annotation(9, segmentation={"size": [4, 4], "counts": [6, 4, 6]}, iscrowd=1)
    passage.run(coco(bad), to="masks")
    (line,) = [one for one in passage.losses if one["action"] == "dropped"]
    assert line["ids"] == ["9"]
    assert "size" in line["reason"] or "pixels" in line["reason"]


def test_zero_size_boxes_survive(passage: Passage) -> None:
    found = passage.run(coco(annotation(7, bbox=[1, 2, 0, 0], area=0)))
    assert [one["bbox"] for one in found["annotations"]] == [[1, 2, 0, 0]]
    assert passage.losses == []


def test_zero_size_boxes_reach_yolo(passage: Passage) -> None:
    found = passage.run(coco(annotation(7, bbox=[1, 2, 0, 0], area=0)), to="yolo")
    text = (found / "labels/train/a.txt").read_text()
    assert text == "0 0.10000000 0.25000000 0.00000000 0.00000000\n"


def test_boxes_beyond_the_image_are_clipped_and_told(passage: Passage) -> None:
    found = passage.run(coco(annotation(7, bbox=[-2, 2, 6, 20])), to="yolo")
    assert len(passage.lost("clipped", "beyond its image")) == 1
    assert (found / "labels/train/a.txt").read_text() == "0 0.20000000 0.62500000 0.40000000 0.75000000\n"


def test_boxes_beyond_the_image_stay_as_they_are_in_coco(passage: Passage) -> None:
    found = passage.run(coco(annotation(7, bbox=[-2, 2, 6, 20], area=120)))
    assert found["annotations"][0]["bbox"] == [-2, 2, 6, 20]
    assert passage.losses == []


def test_boxes_outside_the_image_are_told(passage: Passage) -> None:
    found = passage.run(coco(annotation(7, bbox=[50, 50, 6, 2])), to="yolo")
    assert len(passage.lost("dropped", "outside its image")) == 1
    assert (found / "labels/train/a.txt").read_text() == ""


def test_points_on_the_border(passage: Passage) -> None:
    ring = [0, 0, 10, 0, 10, 8, 0, 8]
    given = coco(annotation(7, segmentation=[ring], bbox=[0, 0, 10, 8], area=80))
    found = passage.run(given)
    assert found["annotations"] == given["annotations"]
    assert passage.losses == []


def test_points_on_the_border_reach_yolo(passage: Passage) -> None:
    ring = [0, 0, 10, 0, 10, 8, 0, 8]
    given = coco(annotation(7, segmentation=[ring], bbox=[0, 0, 10, 8], area=80))
    found = passage.run(given, to="yolo")
    assert (found / "labels/train/a.txt").read_text() == "0 0.50000000 0.50000000 1.00000000 1.00000000\n"
    assert not [one for one in passage.losses if one["action"] in ("clipped", "dropped")]


@pytest.mark.parametrize(
    "ring", [[[1, 2]], [[1, 2, 3, 4]], [[1, 2, 3, 4, 5]], [[]], [1, 2, 3, 4, 5, 6], "no"]
)
def test_polygons_of_one_point_become_their_box(passage: Passage, ring: Any) -> None:
    found = passage.run(coco(annotation(7, segmentation=ring)))
    assert len(passage.lost("repaired", "became its box")) == 1
    assert [one["bbox"] for one in found["annotations"]] == [[1, 2, 3, 4]]
    assert found["annotations"][0]["id"] == 7


@pytest.mark.parametrize(
    "ring", [[["a", 2, 3, 4, 5, 6]], [[1, 2, 3, 4, 5, 6], ["x", 1, 2, 3, 4, 5]], [[{}, 1, 1, 1, 1, 1]]]
)
def test_polygons_of_words_are_told(passage: Passage, ring: Any) -> None:
    passage.run(coco(annotation(7, segmentation=ring), annotation(8)), to="yolo")
    assert any(one["ids"] == ["7"] or "annotation 7" in one["ids"][0] for one in passage.losses)
    assert passage.balance["box"][1] >= 1


BAD_ANNOTATIONS = {
    "negative width": annotation(9, bbox=[1, 2, -3, 4]),
    "three numbers": annotation(9, bbox=[1, 2, 3]),
    "words": annotation(9, bbox=["a", 2, 3, 4]),
    "no geometry": annotation(9, bbox=None),
    "category not listed": annotation(9, category_id=77),
    "no category": annotation(9, category_id=None),
    "image not listed": annotation(9, image_id=66),
    "no image": annotation(9, image_id=None),
    "not an object": "nonsense",
    "id of words": annotation("nine"),
}


@pytest.mark.parametrize("bad", BAD_ANNOTATIONS.values(), ids=BAD_ANNOTATIONS.keys())
def test_one_bad_annotation_is_told_and_the_others_arrive(passage: Passage, bad: Any) -> None:
    found = passage.run(coco(annotation(7), bad, annotation(8)))
    assert [one["id"] for one in found["annotations"]] == [7, 8]
    (line,) = [one for one in passage.losses if one["action"] == "dropped"]
    assert line["kind"] == "annotation"
    assert line["count"] == 1
    assert line["ids"][0]


def test_an_area_of_words_is_not_believed(passage: Passage) -> None:
    ring = [[1, 1, 5, 1, 5, 5], [6, 6, 8, 6, 8, 8]]
    passage.run(coco(annotation(7, segmentation=ring, area="large", bbox=[1, 1, 7, 7])), to="yolo")
    assert passage.balance["mask"] == (1, 1, 0)


# What others renumber, recompute or cut


def test_category_ids_with_gaps_stay(passage: Passage) -> None:
    found = passage.run(coco(annotation(7), annotation(8, category_id=90)))
    assert {one["id"]: one["name"] for one in found["categories"]} == {3: "car", 90: "brush"}
    assert [one["category_id"] for one in found["annotations"]] == [3, 90]


def test_annotation_and_image_ids_stay(passage: Passage) -> None:
    found = passage.run(coco(annotation(1 << 40), annotation(0)))
    assert sorted(one["id"] for one in found["annotations"]) == [0, 1 << 40]
    assert found["images"][0]["id"] == 5


def test_an_annotation_id_that_is_there_twice_is_told(passage: Passage) -> None:
    found = passage.run(coco(annotation(7), annotation(7)))
    assert len({one["id"] for one in found["annotations"]}) == 2
    assert passage.lost("renamed", "twice") == ["7"]


def test_areas_are_not_computed_anew(passage: Passage) -> None:
    ring = [[1, 1, 5, 1, 5, 5]]
    found = passage.run(coco(annotation(7, segmentation=ring, bbox=[1, 1, 4, 4], area=7.25)))
    assert found["annotations"][0]["area"] == 7.25


def test_all_parts_of_a_mask_stay_one_object(passage: Passage) -> None:
    ring = [[1, 1, 5, 1, 5, 5], [6, 6, 8, 6, 8, 8], [0, 6, 2, 6, 2, 8]]
    found = passage.run(coco(annotation(7, segmentation=ring, bbox=[0, 1, 8, 7])))
    assert [one["segmentation"] for one in found["annotations"]] == [ring]


def test_crowds_stay_crowds(passage: Passage) -> None:
    rle = {"size": [8, 10], "counts": [10, 20, 50]}
    given = coco(annotation(7, segmentation=rle, iscrowd=1, area=20, bbox=[1, 0, 3, 8]))
    assert passage.run(given)["annotations"] == given["annotations"]


def test_classes_without_annotations_survive(passage: Passage) -> None:
    assert [one["name"] for one in passage.run(coco())["categories"]] == ["car", "brush"]


def test_classes_without_annotations_survive_in_yolo(passage: Passage) -> None:
    text = (passage.run(coco(), to="yolo") / "data.yaml").read_text()
    assert "0: car" in text
    assert "1: brush" in text


def test_images_without_annotations_survive(passage: Passage) -> None:
    given = coco(annotation(7))
    given["images"].append({"id": 6, "file_name": "night/b.jpg", "width": 10, "height": 8})
    assert [one["file_name"] for one in passage.run(given)["images"]] == ["a.jpg", "night/b.jpg"]


def test_images_without_annotations_have_an_empty_label_file(passage: Passage) -> None:
    found = passage.run(coco(), to="yolo")
    assert (found / "labels/train/a.txt").read_bytes() == b""


def test_label_files_are_not_empty_in_silence(passage: Passage) -> None:
    """A crowd has no place among YOLO's boxes: it becomes its box, and the ledger says so."""
    rle = {"size": [8, 10], "counts": [10, 20, 50]}
    found = passage.run(coco(annotation(7, segmentation=rle, iscrowd=1, bbox=[1, 0, 3, 8])), to="yolo")
    assert (found / "labels/train/a.txt").read_text() != ""
    assert len(passage.lost("approximated", "a mask became the box")) == 1


def test_names_with_folders_survive(passage: Passage) -> None:
    given = coco(annotation(7))
    given["images"][0]["file_name"] = "night/cam 1/a.jpg"
    assert passage.run(given)["images"][0]["file_name"] == "night/cam 1/a.jpg"


def test_keys_of_others_come_out_again(passage: Passage) -> None:
    given = coco(annotation(7, keypoints=[1, 2, 2], num_keypoints=1, attributes={"wet": True}))
    given["images"][0]["date_captured"] = "2013-11-18 02:53:27"
    given["info"] = {"year": 2017}
    found = passage.run(given)
    assert found["annotations"][0]["keypoints"] == [1, 2, 2]
    assert found["annotations"][0]["attributes"] == {"wet": True}
    assert found["images"][0]["date_captured"] == "2013-11-18 02:53:27"
    assert found["info"] == {"year": 2017}


# Files of a wrong kind


def test_a_file_that_is_cut_off_has_a_place(tmp_path: Path) -> None:
    (tmp_path / "cut.json").write_text(json.dumps(coco(annotation(7)))[:-40])
    with pytest.raises(annotary.Refused, match=r"cut\.json.*(byte|\$)"):
        annotary.convert(tmp_path / "cut.json", tmp_path / "out.json", to="coco")
    assert not (tmp_path / "out.json").exists()


def test_an_image_of_a_wrong_kind_has_a_place(tmp_path: Path) -> None:
    given = coco(annotation(7))
    given["images"].append({"id": 6, "file_name": 12})
    (tmp_path / "bad.json").write_text(json.dumps(given))
    with pytest.raises(annotary.Refused, match=r"bad\.json, \$\.images\[1\].*file_name"):
        annotary.convert(tmp_path / "bad.json", tmp_path / "out.json", to="coco")


def test_a_category_that_is_there_twice_has_a_place(tmp_path: Path) -> None:
    given = coco(annotation(7))
    given["categories"].append({"id": 3, "name": "lorry"})
    (tmp_path / "bad.json").write_text(json.dumps(given))
    with pytest.raises(annotary.Refused, match=r"\$\.categories\[2\].*twice"):
        annotary.convert(tmp_path / "bad.json", tmp_path / "out.json", to="coco")


def yolo(where: Path, *lines: str, names: str = "names: [car, brush]") -> Path:
    """A data set of one image, 10 x 8 pixels, and a label file."""
    folder = where / "set"
    for one in ("images/train", "labels/train"):
        (folder / one).mkdir(parents=True)
    (folder / "data.yaml").write_text(f"path: .\ntrain: images/train\n{names}\n")
    Image.new("1", (10, 8)).save(folder / "images/train/a.png")
    (folder / "labels/train/a.txt").write_text("\n".join(lines))
    return folder


BAD_LINES = [
    "0 0.5 0.5",
    "x 0.5 0.5 0.1 0.1",
    "0 0.5 0.5 -0.1 0.1",
    "7 0.5 0.5 0.1 0.1",
    "0 nan 0.5 0.1 0.1",
    "0.5 1 1 1 1",
]


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_wrong_line_of_yolo_is_told_with_file_and_line(tmp_path: Path, line: str) -> None:
    source = yolo(tmp_path, "0 0.5 0.5 0.2 0.25", line, "1 0.5 0.5 0.2 0.25")
    done = annotary.convert(source, tmp_path / "out.json", to="coco", format="yolo")
    found = json.loads((tmp_path / "out.json").read_bytes())
    assert [one["bbox"] for one in found["annotations"]] == [[4, 3, 2, 2]] * 2
    (loss,) = done.findings.ledger.losses
    assert loss.action == "dropped"
    assert loss.ids[0].startswith("labels/train/a.txt, line 2")


def test_class_order_is_the_same_in_every_split_and_export(tmp_path: Path) -> None:
    """One class is only in one split: numbers are those of the ontology everywhere."""
    given = coco()
    for at in range(40):
        given["images"].append({"id": 100 + at, "file_name": f"{at}.jpg", "width": 10, "height": 8})
        given["annotations"].append(annotation(at, image_id=100 + at, category_id=90))
    (tmp_path / "given.json").write_text(json.dumps(given))
    with annotary.Client(tmp_path / "store") as client:
        client.load(tmp_path / "given.json", project="order")
        project = client.get_projects()[0]
        numbers = set()
        for at, split in enumerate(((), (0.5, 0.5), (0.2, 0.3, 0.5))):
            export = project.export(format="yolo", options={"split": split}).open()
            out = tmp_path / f"out{at}"
            sinks.deliver(export.parts, out, lines=False, one_file=False, name="out")
            for path in out.rglob("labels/*/*.txt"):
                numbers |= {line.split()[0] for line in path.read_text().splitlines()}
            assert "0: car\n  1: brush" in (out / "data.yaml").read_text()
    assert numbers == {"1"}


def test_the_filter_that_is_seen_is_exported(tmp_path: Path) -> None:
    given = coco(annotation(7))
    given["images"].append({"id": 6, "file_name": "b.jpg", "width": 10, "height": 8})
    (tmp_path / "given.json").write_text(json.dumps(given))
    with annotary.Client(tmp_path / "store") as client:
        client.load(tmp_path / "given.json", project="filters")
        project = client.get_projects()[0]
        rows = {row["data_row"]["external_id"]: row["data_row"]["id"] for row in project.export().stream()}
        export = project.export(format="coco", filters={"data_row_ids": [rows["b.jpg"]]}).open(counted=True)
        sinks.deliver(export.parts, tmp_path / "out", lines=False, one_file=True, name="out.json")
    found = json.loads((tmp_path / "out/out.json").read_bytes())
    assert [one["file_name"] for one in found["images"]] == ["b.jpg"]
    assert export.total == export.done == 1


# What was said of a geometry that is another by now


def test_what_coco_said_of_another_geometry_is_not_believed(tmp_path: Path) -> None:
    """Ids, flags and foreign keys stay with the object; areas and boxes of what it was before go."""
    ring = [[1, 1, 5, 1, 5, 5]]
    crowd = {"size": [8, 10], "counts": [10, 20, 50]}
    given = coco(
        annotation(7, segmentation=ring, bbox=[1, 1, 4, 4], area=7.25, wet=True),
        annotation(8, area=99),
        annotation(9, segmentation=crowd, bbox=[1, 0, 3, 8], area=20, iscrowd=1),
    )
    (tmp_path / "given.json").write_text(json.dumps(given))
    with annotary.Client(tmp_path / "store") as client:
        client.load(tmp_path / "given.json", project="edited")
        project = client.get_projects()[0]

        def written() -> list[dict[str, Any]]:
            export = project.export(format="coco").open()
            text = b"".join(part.data for part in export.parts)
            found: list[dict[str, Any]] = json.loads(text)["annotations"]
            return found

        assert written() == [
            {**one, "segmentation": one.get("segmentation", [])} for one in given["annotations"]
        ]
        (row,) = project.export().stream()
        (label,) = row["projects"][project.id]["labels"]
        objects = [{k: v for k, v in one.items() if k != "coco"} for one in label["annotations"]["objects"]]
        objects[1]["bounding_box"] = {"left": 0, "top": 0, "width": 2, "height": 3}
        objects[0]["polygon"][1]["x"] = objects[0]["polygon"][2]["x"] = 9
        saved = {"objects": objects, "classifications": [], "relationships": []}
        project.save_label(row["data_row"]["id"], saved, label_id=label["id"])
        polygon, box, mask = written()
        assert (polygon["id"], polygon["wet"], box["id"], mask["id"]) == (7, True, 8, 9)
        assert polygon["segmentation"] == [[1, 1, 9, 1, 9, 5]]
        assert (polygon["bbox"], polygon["area"]) == ([1, 1, 8, 4], 16)
        assert (box["bbox"], box["area"]) == ([0, 0, 2, 3], 6)
        assert mask == given["annotations"][2]
