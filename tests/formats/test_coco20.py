"""Twenty real COCO images through the store, through Labelbox's v2, and out again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray
from pycocotools.coco import COCO

import annotary
from annotary.engine import sinks

# pycocotools is built for the numpy before this one, and works.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FILES = {"instances.json": (10, 62, 0, 26), "rle.json": (10, 231, 10, 22)}
"""Images, annotations, crowds and classes with annotations, by the sample's README."""


@pytest.fixture(params=FILES)
def given(request: pytest.FixtureRequest, shared: Path) -> Path:
    path: Path = shared / "data/coco20" / request.param
    return path


def by_id(elements: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    assert len({one["id"] for one in elements}) == len(elements)
    return {one["id"]: one for one in elements}


def masks(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[int, NDArray[numpy.uint8]]:
    """The pixels of all annotations, as pycocotools paints them."""
    found = COCO(str(path))
    capsys.readouterr()
    return {id: found.annToMask(one) for id, one in found.anns.items()}


def same(before: Path, after: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every number of both files, order of elements aside; masks pixel for pixel."""
    one, other = json.loads(before.read_bytes()), json.loads(after.read_bytes())
    for key in ("images", "annotations", "categories"):
        assert by_id(one[key]) == by_id(other[key])
    assert {key: value for key, value in one.items() if not isinstance(value, list)} == {
        key: value for key, value in other.items() if not isinstance(value, list)
    }
    assert one.get("licenses") == other.get("licenses")
    first, second = masks(before, capsys), masks(after, capsys)
    assert first.keys() == second.keys()
    for id, pixels in first.items():
        assert numpy.array_equal(pixels, second[id])


def counted(path: Path) -> None:
    """An independent count beside that of the README."""
    images, annotations, crowds, classes = FILES[path.name]
    found = json.loads(path.read_bytes())
    assert (len(found["images"]), len(found["annotations"])) == (images, annotations)
    assert sum(one["iscrowd"] for one in found["annotations"]) == crowds
    assert len({one["category_id"] for one in found["annotations"]}) == classes


def test_through_the_store(given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counted(given)
    with annotary.Client(tmp_path / "store") as client:
        report = client.load(given, project="coco20")
        assert report.losses["losses"] == []
        export = client.get_projects()[0].export(format="coco", strict=True).open()
        sinks.deliver(export.parts, tmp_path / "out.json", lines=False, name="out.json")
        kinds = {one.kind: (one.went_in, one.came_out) for one in export.findings.ledger.balance}
    same(given, tmp_path / "out.json", capsys)
    expected: Counter[str] = Counter()
    for one in json.loads(given.read_bytes())["annotations"]:
        shape = one["segmentation"]
        expected["mask" if isinstance(shape, dict) or len(shape) > 1 else "polygon"] += 1
    assert kinds == {kind: (count, count) for kind, count in expected.items()}


@pytest.mark.parametrize("to", ["labelbox-v2"])
def test_through_labelbox_and_back(
    given: Path, to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = annotary.convert(given, tmp_path / "rows.ndjson", to=to)
    assert done.findings.ledger.losses == []
    assert {Path(one.path).name for one in done.files} == {"rows.ndjson", "rows.ontology.json"}
    annotary.convert(tmp_path / "rows.ndjson", tmp_path / "out.json", to="coco")
    same(given, tmp_path / "out.json", capsys)


def test_through_coco_itself(given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    annotary.convert(given, tmp_path / "out.json", to="coco", strict=True)
    same(given, tmp_path / "out.json", capsys)


@pytest.mark.parametrize("program", ["pycocotools", "faster-coco-eval"])
@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_what_was_written_measured_against_itself_is_perfect(
    given: Path, program: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the programs that the field measures with: they load it, paint its masks, and find all of it."""
    annotary.convert(given, tmp_path / "out.json", to="coco")
    if program == "pycocotools":
        from pycocotools.cocoeval import COCOeval as Judge

        truth: Any = COCO(str(tmp_path / "out.json"))
    else:
        from faster_coco_eval import COCO as FasterCOCO
        from faster_coco_eval import COCOeval_faster as Judge

        truth = FasterCOCO(str(tmp_path / "out.json"))
    results = [
        {
            "image_id": one["image_id"],
            "category_id": one["category_id"],
            "score": 1.0,
            **({"bbox": one["bbox"]} if kind == "bbox" else {"segmentation": truth.annToRLE(one)}),
        }
        for one in truth.anns.values()
        if not one["iscrowd"]
    ]
    judge = Judge(truth, truth.loadRes(results), kind)
    judge.params.maxDets = [1, 10, 1000]
    judge.evaluate()
    judge.accumulate()
    capsys.readouterr()
    # Of all sizes, with as many as there are: every threshold, class and recall.
    precision = judge.eval["precision"][..., 0, -1]
    assert precision[precision > -1].min() == pytest.approx(1.0)
    assert (precision > -1).any()
