"""Images out of a file say together, byte for byte and loss for loss, what they say one by one."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import annotary
from annotary.formats import _bodies, _coco_read, _decimals, voc, yolo
from annotary.formats._voc_boxes import objects
from annotary.formats._yolo_boxes import lines_of

Json = dict[str, Any]
UNUSUAL: dict[str, Json] = {
    "usual": {},
    "crowd": {"iscrowd": 1},
    "crowd in a word": {"iscrowd": True},
    "attributes": {"attributes": {"difficult": True, "colour": "red"}},
    "parts": {"voc": [["part", [["name", "head"]]]]},
    "keypoints": {"keypoints": [1, 2, 2], "num_keypoints": 1},
    "score": {"score": 0.25},
    "parts of a mask": {"segmentation": [[1, 1, 9, 1, 9, 9], [20, 20, 30, 20, 30, 30]]},
    "runs": {"segmentation": {"counts": [8000 - 40, 40], "size": [80, 100]}},
    "runs of another size": {"segmentation": {"counts": [1, 2, 3], "size": [80, 100]}},
    "no area": {"segmentation": {"counts": [8000 - 40, 40], "size": [80, 100]}, "area": "large"},
    "outside": {"segmentation": [], "bbox": [700, 700, 3, 3]},
    "beyond": {"segmentation": [], "bbox": [-3.5, 2, 200, 12.25]},
    "sums": {"segmentation": [], "bbox": [0.1, 0.7, 0.2, 10.1]},
    "many decimals": {"segmentation": [], "bbox": [1.12345678901, 0.00001, 3.0000000005, 4]},
    "far away": {"segmentation": [[1e12, 1, 2, 1e300, 5, 6]]},
    "nothing inside": {"segmentation": [[1, 2, 30, 2, 5, 2]]},
    "no box": {"segmentation": [], "bbox": [1, 2, 3]},
    "no category": {"category_id": 99},
    "another type": {"category_id": "ship"},
    "a class that is spelt otherwise": {"category_id": 4},
}


def document(unusual: list[str], share: float, seed: int) -> Json:
    """A file of 150 images; a share of the annotations is unusual."""
    luck = random.Random(seed)
    annotations = []
    for number in range(900):
        left, top = round(luck.uniform(0, 60), 2), round(luck.uniform(0, 40), 2)
        right, bottom = round(left + luck.uniform(5, 30), 2), round(top + luck.uniform(5, 30), 2)
        one = {
            "id": number,
            "image_id": luck.randrange(150),
            "category_id": luck.randrange(1, 4),
            "segmentation": [[left, top, right, top, right, bottom]] if number % 3 else [],
            "bbox": [left, top, round(right - left, 2), round(bottom - top, 2)],
            "area": 12.5,
            "iscrowd": 0,
        }
        annotations.append(one | (UNUSUAL[luck.choice(unusual)] if luck.random() < share else {}))
    images = [{"id": at, "file_name": f"{at}.jpg", "width": 100, "height": 80} for at in range(150)]
    categories = [{"id": at + 1, "name": name} for at, name in enumerate(("a", "b & c", "d", "e:f"))]
    return {"images": images, "annotations": annotations, "categories": categories}


def written(source: Path, folder: Path, name: str, options: Json) -> tuple[dict[str, bytes], Json]:
    done = annotary.convert(source, folder, to=name, options=options)
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return files, done.losses


@pytest.mark.parametrize("unusual", [*UNUSUAL, "all"])
def test_images_say_together_what_they_say_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unusual: str
) -> None:
    some = [*UNUSUAL] if unusual == "all" else [unusual]
    source = tmp_path / "some.json"
    source.write_text(json.dumps(document(some, 0.02 if unusual == "all" else 0.1, seed=len(unusual))))
    monkeypatch.setattr(_bodies, "_IMAGES", 16)
    calls = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            nonlocal calls
            made = function(*given)
            calls += made is not None
            return made

        return call

    for name, options in (("yolo", {}), ("yolo", {"split": (0.5, 0.5)}), ("voc", {})):
        with monkeypatch.context() as patched:
            patched.setattr(yolo, "lines_of", counted(lines_of))
            patched.setattr(voc, "objects", counted(objects))
            together = written(source, tmp_path / f"{name} {len(options)}", name, options)
        with monkeypatch.context() as patched:
            patched.setattr(yolo, "lines_of", lambda *given: None)
            patched.setattr(voc, "objects", lambda *given: None)
            patched.setattr(_coco_read, "_AHEAD", 1)
            one_by_one = written(source, tmp_path / f"{name} {len(options)} alone", name, options)
        assert together[0] == one_by_one[0]
        # Of what is infinitely large the share is no number, and as such not even what it is.
        assert json.dumps(together[1]) == json.dumps(one_by_one[1])
        assert all(one["in"] == one["out"] + one["dropped"] for one in together[1]["balance"])
    # There is something to compare, where not every batch has what is written mark by mark.
    assert calls or unusual not in ("usual", "crowd", "runs", "parts of a mask")


def test_the_text_of_many_numbers_is_that_of_each() -> None:
    luck = random.Random(2)
    ends = [(round(luck.uniform(-90, 5000), 2), round(luck.uniform(-90, 5000), 9)) for _ in range(3000)]
    ends += [(0.0, -0.0), (-1.0, 0.1 + 0.2), (1 / 3, 0.0001), (99999.123456789, 12.0)]
    low, high = np.array(ends).T
    wanted = [text for one in ends for text in _decimals.ends(*one, 1)]
    assert _decimals.all_ends(low, high, 1) == wanted


@pytest.mark.parametrize("number", [0.00001, 1e6, 1.0000000005, float("inf")])
def test_a_number_whose_shortest_text_may_be_another_is_left_to_others(number: float) -> None:
    assert _decimals.all_ends(np.array([number]), np.array([number]), 0) is None


@pytest.mark.parametrize("to", ["yolo", "coco-panoptic"])
def test_an_image_id_that_no_database_takes_is_a_problem(tmp_path: Path, to: str) -> None:
    found = document(["usual"], 0, 1)
    found["images"][2]["id"] = 1 << 63
    found["annotations"][5]["image_id"] = 1 << 64
    (tmp_path / "some.json").write_text(json.dumps(found))
    with pytest.raises(annotary.Refused, match=r"images\[2\]"):
        annotary.convert(tmp_path / "some.json", tmp_path / "there", to=to)
    done = annotary.convert(tmp_path / "some.json", tmp_path / "there", to=to, on_problem="skip")
    assert "$.annotations[5]" in [id for one in done.losses["losses"] for id in one["ids"]]


def test_corners_too_far_away_for_whole_numbers_are_a_loss(tmp_path: Path) -> None:
    (tmp_path / "some.json").write_text(json.dumps(document(["far away"], 0.1, 1)))
    done = annotary.convert(tmp_path / "some.json", tmp_path / "voc", to="voc", options={"whole": True})
    assert "its corners are too far away for whole numbers" in [
        one["reason"] for one in done.losses["losses"]
    ]
