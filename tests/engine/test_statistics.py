"""Statistics against a counter of its own: the export's JSON, counted with nothing of ours."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import annotary
from annotary.engine.core import Engine
from annotary.engine.loading import import_sources
from annotary.engine.sources import FileSource
from annotary.errors import Invalid, NotFound
from annotary.model.export import ExportFilters, ExportQuery, ProjectScope
from annotary.operations.analyses import CountStatistics
from annotary.sample.workload import workload
from annotary.store import Store
from tests.engine.world import World, box, mask


def _query(**more: Any) -> ExportQuery:
    return ExportQuery(scope=ProjectScope(id="streets"), **more)


def _shoelace(points: list[dict[str, float]]) -> float:
    pairs = zip(points, points[1:] + points[:1], strict=True)
    return abs(sum(a["x"] * b["y"] - b["x"] * a["y"] for a, b in pairs)) / 2


def _polygon(name: str, *points: tuple[float, float]) -> dict[str, Any]:
    ring = [{"x": x, "y": y} for x, y in points]
    return {"name": name, "annotation_kind": "ImagePolygon", "polygon": ring}


def test_sizes_are_those_of_the_geometry(world: World) -> None:
    road = mask()
    world.label(0, box(), _polygon("tree", (0, 0), (4, 0), (4, 3)), road)
    found = world.call(CountStatistics(query=_query()))
    # 2 x 3, half of 4 x 3, and 2 x 2 pixels in an image of 12 x 8.
    assert found.sizes == {
        name: {"small": 1, "medium": 0, "large": 0} for name in ("Big Car", "road", "tree")
    }
    shares = sorted(one.low for one in found.relative_area for _ in range(one.count))
    assert shares == [0.02, 0.05, 0.05]
    assert sum(one.count for one in found.aspect) == 3
    assert {(one.low, one.count) for one in found.objects_per_row if one.count} == {(0, 5), (3, 1)}
    assert found.by_class_and_kind == {"Big Car": {"box": 1}, "road": {"mask": 1}, "tree": {"polygon": 1}}
    assert sum(found.labels_by_status.values()) == 1
    assert found.by_annotator == {"annotary@localhost": 1}
    assert found.by_day == {"2026-05-04": 1}
    assert found.unmeasured == 0


@pytest.mark.parametrize(("side", "size"), [(32, "small"), (33, "medium"), (96, "medium"), (97, "large")])
def test_the_limits_of_sizes_are_those_of_coco(world: World, side: int, size: str) -> None:
    extent = {"top": 0, "left": 0, "height": side, "width": side}
    world.label(0, box(bounding_box=extent))
    assert world.call(CountStatistics(query=_query())).sizes["Big Car"][size] == 1


def test_filters_and_states_choose_the_rows(world: World) -> None:
    world.label(0)
    before = world.sequence()
    world.label(1)
    one = ExportFilters(data_row_ids=(world.ids[1],))
    assert world.call(CountStatistics(query=_query(filters=one))).labels == 1
    assert world.call(CountStatistics(query=_query(as_of=before))).labels == 1
    assert world.call(CountStatistics(query=_query())).labels == 2


def test_splits_are_those_of_an_export(world: World) -> None:
    found = world.call(CountStatistics(query=_query(), split=(0.5, 0.25, 0.25)))
    assert sum(one.rows for one in found.by_split.values()) == 6
    with pytest.raises(Invalid, match="add up to"):
        world.call(CountStatistics(query=_query(), split=(0.5, 0.1)))
    with pytest.raises(NotFound):
        world.call(CountStatistics(query=ExportQuery(scope=ProjectScope(id="nowhere"))))


def test_a_generated_project_counts_like_its_file(store_url: str, tmp_path: Path) -> None:
    path = tmp_path / "work.ndjson"
    path.write_bytes(b"".join(line.rstrip(b"\n") + b"\n" for line in workload(300)))
    classes: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    days: Counter[str] = Counter()
    labels = rows = empty = 0
    sizes: Counter[str] = Counter()
    for line in path.read_text().splitlines():
        row = json.loads(line)
        rows += 1
        drawn = 0
        for part in row["projects"].values():
            for label in part["labels"]:
                labels += 1
                days[label["label_details"]["created_at"][:10]] += 1
                for one in label["annotations"]["objects"]:
                    drawn += 1
                    classes[one["name"]] += 1
                    kinds[one["annotation_kind"]] += 1
                    area = None
                    if "bounding_box" in one:
                        area = one["bounding_box"]["width"] * one["bounding_box"]["height"]
                    elif "polygon" in one:
                        area = _shoelace(one["polygon"])
                    if area is not None:
                        size = "small" if area <= 1024 else "medium" if area <= 9216 else "large"
                        sizes[f"{one['name']} {size}"] += 1
        empty += not drawn
    with annotary.Client(store_url) as client:
        client.load(path)
        (project,) = client.get_projects()
        found = project.stats()
    assert (found.rows, found.labels, found.rows_without_objects) == (rows, labels, empty)
    assert found.by_class == dict(classes)
    assert found.objects == classes.total()
    assert found.by_day == dict(days)
    assert found.by_kind.get("box", 0) == kinds["ImageBoundingBox"]
    assert found.by_kind.get("polygon", 0) == kinds["ImagePolygon"]
    assert sizes
    counted = {f"{name} {size}": n for name, of in found.sizes.items() for size, n in of.items() if n}
    assert {name: counted.get(name, 0) for name in sizes} == dict(sizes)


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    peaks = []
    for rows in (600, 1800):
        path = tmp_path / f"{rows}.ndjson"
        path.write_bytes(b"".join(line.rstrip(b"\n") + b"\n" for line in workload(rows)))
        engine = Engine(Store.open(tmp_path / str(rows)))
        report = import_sources(engine, [FileSource(path)])
        query = ExportQuery(scope=ProjectScope(id=report.projects[0]))
        engine.call(CountStatistics(query=query))
        tracemalloc.start()
        engine.call(CountStatistics(query=query))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        engine.close()
    assert peaks[1] < peaks[0] * 1.3
