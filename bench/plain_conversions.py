"""The plain way from COCO to YOLO, VOC and COCO, to measure conversions against: `json.load` and a loop."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def yolo(source: Path, folder: Path) -> None:
    """A text file an image, a line a box: class, centre and size over the image's."""
    images, found, index, _ = _loaded(source)
    (folder / "labels").mkdir(parents=True)
    for image in images:
        width, height = image["width"], image["height"]
        lines = []
        for one in found[image["id"]]:
            x, y, w, h = one["bbox"]
            place = f"{(x + w / 2) / width:.6f} {(y + h / 2) / height:.6f} {w / width:.6f} {h / height:.6f}"
            lines.append(f"{index[one['category_id']]} {place}\n")
        (folder / "labels" / f"{Path(image['file_name']).stem}.txt").write_text("".join(lines))


def voc(source: Path, folder: Path) -> None:
    """An XML file an image."""
    images, found, _, names = _loaded(source)
    (folder / "Annotations").mkdir(parents=True)
    for image in images:
        parts = [
            f"<annotation><filename>{image['file_name']}</filename><size><width>{image['width']}</width>"
            f"<height>{image['height']}</height><depth>3</depth></size>"
        ]
        for one in found[image["id"]]:
            x, y, w, h = one["bbox"]
            parts.append(
                f"<object><name>{names[one['category_id']]}</name><difficult>0</difficult><bndbox>"
                f"<xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + w}</xmax><ymax>{y + h}</ymax>"
                "</bndbox></object>"
            )
        parts.append("</annotation>")
        (folder / "Annotations" / f"{Path(image['file_name']).stem}.xml").write_text("".join(parts))


def coco(source: Path, folder: Path) -> None:
    """The same again: read, taken apart, put together, written."""
    with source.open() as file:
        document = json.load(file)
    folder.mkdir(parents=True)
    annotations = [dict(one) for one in document["annotations"]]
    with (folder / "instances.json").open("w") as file:
        json.dump({**document, "annotations": annotations}, file)


def _loaded(source: Path) -> tuple[list[Json], dict[int, list[Json]], dict[int, int], dict[int, str]]:
    with source.open() as file:
        document = json.load(file)
    found: dict[int, list[Json]] = defaultdict(list)
    for one in document["annotations"]:
        found[one["image_id"]].append(one)
    categories = document["categories"]
    index = {one["id"]: number for number, one in enumerate(categories)}
    return document["images"], found, index, {one["id"]: one["name"] for one in categories}
