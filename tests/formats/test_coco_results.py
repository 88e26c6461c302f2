"""COCO results: predictions of images that other files hold, in by their ids and out again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO

import annotary
from annotary.engine import sinks

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
RLE = {"size": [8, 10], "counts": "8`0h1"}
RESULTS: list[dict[str, Any]] = [
    {"image_id": 5, "category_id": 90, "bbox": [1.5, 2.0, 3.1, 4.0], "score": 0.75},
    {"image_id": 139, "category_id": 3, "bbox": [1.0, 2.0, 3.0, 4.0], "score": 0.5},
    {"image_id": 5, "category_id": 3, "bbox": [0.0, 0.0, 2.0, 2.0], "score": 0.25},
]


def labels(*ids: int, folder: str = "") -> dict[str, Any]:
    images = [{"id": id, "file_name": f"{folder}{id}.jpg", "width": 10, "height": 8} for id in ids]
    categories = [{"id": 3, "name": "car"}, {"id": 90, "name": "brush"}]
    box = {"id": 1, "image_id": ids[0], "category_id": 3, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}
    return {"images": images, "annotations": [box], "categories": categories}


def saved(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


@pytest.fixture
def client(tmp_path: Path) -> Any:
    with annotary.Client(tmp_path / "store") as client:
        client.load(saved(tmp_path / "labels.json", labels(5, 139)), project="streets", dataset="one")
        yield client


def run_of(client: Any) -> Any:
    (run,) = client.get_model_runs()
    return run


def written(handle: Any, where: Path, **options: Any) -> Any:
    export = handle.export(format="coco", options=options, **PREDICTIONS).open()
    sinks.deliver(export.parts, where, lines=False, one_file=export.one_file, name=where.name)
    return json.loads(where.read_bytes())


PREDICTIONS = {"params": {"predictions": True}}


def test_joined_by_the_ids_that_came_in_and_out_again(client: Any, tmp_path: Path) -> None:
    report = client.load(saved(tmp_path / "results.json", RESULTS), model="detector", run="first")
    assert (report.rows, report.annotations, report.losses["losses"]) == (2, 3, [])
    assert len(list(client.get_projects()[0].export().stream())) == 2
    found = written(run_of(client), tmp_path / "out.json", layout="results")
    assert sorted(found, key=lambda one: -one["score"]) == RESULTS
    names = {one["name"] for one in written(run_of(client), tmp_path / "whole.json")["categories"]}
    assert names == {"car", "brush"}


def test_pycocotools_reads_the_results_beside_the_labels(
    client: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks = [{"image_id": 5, "category_id": 3, "bbox": [1, 0, 2, 8], "segmentation": RLE, "score": 0.5}]
    client.load(saved(tmp_path / "results.json", masks), model="detector", run="first")
    (one,) = written(run_of(client), tmp_path / "out.json", layout="results")
    assert one["segmentation"] == RLE
    project = client.get_projects()[0].export(format="coco").open()
    sinks.deliver(project.parts, tmp_path / "truth.json", lines=False, name="truth.json")
    found = COCO(str(tmp_path / "truth.json")).loadRes(str(tmp_path / "out.json"))
    capsys.readouterr()
    assert [found.annToMask(one).sum() for one in found.anns.values()] == [16]


def test_joined_by_external_id(client: Any, tmp_path: Path) -> None:
    results = [{**RESULTS[0], "image_id": "5.jpg"}]
    client.load(saved(tmp_path / "results.json", results), model="detector", run="first")
    assert written(run_of(client), tmp_path / "out.json", layout="results") == [RESULTS[0]]


def test_an_image_that_is_not_known_is_a_problem(client: Any, tmp_path: Path) -> None:
    results = saved(tmp_path / "results.json", [*RESULTS, {**RESULTS[0], "image_id": 6}])
    with pytest.raises(annotary.Refused, match=r"results\.json, image 6: no image came with this id.*: 6"):
        client.load(results, model="detector", run="first")
    report = client.load(results, model="detector", run="first", on_problem="skip")
    assert report.problem_count == 1
    (balance,) = report.losses["balance"]
    assert balance == {"kind": "box", "in": 4, "out": 3, "dropped": 1}


def test_an_id_of_two_images_wants_a_dataset(client: Any, tmp_path: Path) -> None:
    other = saved(tmp_path / "other.json", labels(5, folder="other/"))
    client.load(other, project="fields", dataset="two")
    results = saved(tmp_path / "results.json", RESULTS[:1])
    with pytest.raises(annotary.Refused, match=r"2 data rows came with this image id.*--dataset"):
        client.load(results, model="detector", run="first")
    client.load(results, model="detector", run="first", dataset="two")
    (row,) = run_of(client).export().stream()
    assert row["data_row"]["external_id"] == "other/5.jpg"


def test_results_go_into_a_run(client: Any, tmp_path: Path) -> None:
    with pytest.raises(annotary.Invalid, match="give --model and --run"):
        client.load(saved(tmp_path / "results.json", RESULTS), project="streets")
