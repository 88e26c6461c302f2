"""Targets 4 and 5: training formats out of a store with workload W."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from annotary.sample.workload import workload
from bench.measure import say
from bench.reference import Differs
from bench.sqlite_exports import over_loads
from bench.targets import Result
from bench.workshop import OFF, Lines, Workshop, imported, pieces

CHECKED = 500
"""So many rows of each export are compared with a plain writer before anything is measured."""
Json = dict[str, Any]


def coco(shop: Workshop) -> Iterator[Result]:
    """Target 4."""
    _check(shop, "coco")
    yield over_loads(shop, "4", "coco", OFF, workers=2)


def yolo(shop: Workshop) -> Iterator[Result]:
    """Target 5: the label files one after the other into one file, as creating files is no part of it."""
    _check(shop, "yolo")
    yield over_loads(shop, "5", "yolo", OFF, workers=2)


def _check(shop: Workshop, name: str) -> None:
    """Raise Differs unless an export says what a plain loop over the input says."""
    engine = imported(shop.new_folder("checked"), Lines(CHECKED))
    try:
        written = b"".join(pieces(engine, OFF, name))
    finally:
        engine.close()
        shop.new_folder("checked")
    rows = [json.loads(line) for line in workload(CHECKED)]
    if name == "coco":
        _same(_coco_read(json.loads(written)), map(_coco_row, rows))
    else:
        classes = {one: at for at, one in enumerate(_names(rows))}
        lines = written.decode().split("file,width,height")[0].splitlines()
        _same(lines, [line for row in rows for line in _yolo_row(row, classes)])
    say(f"  {name}: {CHECKED} rows are what a plain writer makes of them")


def _same(found: Iterable[Any], wanted: Iterable[Any]) -> None:
    for number, (one, other) in enumerate(zip(found, wanted, strict=True), start=1):
        if one != other:
            raise Differs(f"element {number} is {str(one)[:300]}, not {str(other)[:300]}")


def _coco_read(document: Json) -> Iterator[Json]:
    """Each image's annotations by name of their category, without the ids that are made."""
    names = {one["id"]: one["name"] for one in document["categories"]}
    found: dict[int, list[Json]] = {one["id"]: [] for one in document["images"]}
    for one in document["annotations"]:
        del one["id"]
        category, area = names[one["category_id"]], _rounded(one["area"])
        found[one.pop("image_id")].append({**one, "category_id": category, "area": area})
    for image in document["images"]:
        shown = {key: image[key] for key in ("file_name", "width", "height", "coco_url")}
        yield {**shown, "annotations": found[image["id"]]}


def _coco_row(row: Json) -> Json:
    return {
        "file_name": row["data_row"].get("external_id") or row["data_row"]["global_key"],
        "width": row["media_attributes"]["width"],
        "height": row["media_attributes"]["height"],
        "coco_url": row["data_row"]["row_data"],
        "annotations": [made for drawn in _objects(row) if (made := _coco_object(drawn)) is not None],
    }


def _objects(row: Json) -> Iterator[Json]:
    for part in row["projects"].values():
        for label in part["labels"]:
            yield from label["annotations"]["objects"]


def _coco_object(drawn: Json) -> Json | None:
    segmentation: list[list[float]] = []
    if "bounding_box" in drawn:
        box = drawn["bounding_box"]
        x, y, width, height = (box[key] for key in ("left", "top", "width", "height"))
        area = width * height
    elif "polygon" in drawn:
        ring = [(point["x"], point["y"]) for point in drawn["polygon"][:-1]]
        x, y, width, height = _around(ring)
        turns = zip(ring, [*ring[1:], ring[0]], strict=True)
        area = abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in turns)) / 2
        segmentation = [[value for point in ring for value in point]]
    else:
        return None
    made = {"category_id": drawn["name"], "segmentation": segmentation, "iscrowd": 0}
    return {**made, "area": _rounded(area), "bbox": [x, y, width, height]}


def _around(ring: list[tuple[float, float]]) -> tuple[float, float, float, float]:
    xs, ys = zip(*ring, strict=True)
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def _rounded(value: float) -> float:
    # Sums of products differ in their last digits with the order of summing.
    return round(value, 3)


def _names(rows: list[Json]) -> list[str]:
    return list(dict.fromkeys(drawn["name"] for row in rows for drawn in _objects(row)))


def _yolo_row(row: Json, classes: dict[str, int]) -> Iterator[str]:
    width, height = row["media_attributes"]["width"], row["media_attributes"]["height"]
    for drawn in _objects(row):
        made = _coco_object(drawn)
        if made is not None:
            left, top, w, h = made["bbox"]
            right, bottom = min(left + w, width), min(top + h, height)
            left, top = max(left, 0), max(top, 0)
            numbers = (left + right) / 2 / width, (top + bottom) / 2 / height
            sizes = (right - left) / width, (bottom - top) / height
            shares = " ".join(f"{value:.8f}" for value in (*numbers, *sizes))
            yield f"{classes[drawn['name']]} {shares}"
