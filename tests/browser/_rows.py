"""Rows that are hard to draw: thousands of polygons, names that mean harm, boxes that lie on each other."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

PROJECT = "cviewerproject0000000000"
SCRIPT = '<script>alert("1")</script>'
IMAGE_TAG = "\"><img src=x onerror='alert(2)'>"
RIGHT_TO_LEFT = "مركبة \u202eevil"
ENDLESS = "long name " * 1000
NAMES = (SCRIPT, IMAGE_TAG, RIGHT_TO_LEFT, ENDLESS)


def polygon(number: int, x: float, y: float, radius: float, corners: int = 24) -> dict[str, Any]:
    """A wobbly disc."""
    luck = random.Random(number)
    ring = []
    for corner in range(corners):
        angle, far = 2 * math.pi * corner / corners, radius * luck.uniform(0.7, 1)
        ring.append({"x": round(x + far * math.cos(angle), 2), "y": round(y + far * math.sin(angle), 2)})
    return {
        "annotation_kind": "ImagePolygon",
        "feature_id": f"busy{number}",
        "name": f"cell {number % 7}",
        "value": f"cell_{number % 7}",
        "classifications": [],
        "polygon": [*ring, ring[0]],
    }


def box(
    id: str, name: str, left: float, top: float, width: float, height: float, **more: Any
) -> dict[str, Any]:
    """A box."""
    return {
        "annotation_kind": "ImageBoundingBox",
        "feature_id": id,
        "name": name,
        "value": "v",
        "classifications": [],
        "bounding_box": {"top": top, "left": left, "height": height, "width": width},
        **more,
    }


def text(id: str, name: str, content: str) -> dict[str, Any]:
    """A question answered by text."""
    return {"feature_id": id, "name": name, "value": "v", "text_answer": {"content": content}}


def row(id: str, objects: list[Any], classifications: list[Any], **more: Any) -> dict[str, Any]:
    """A row as Labelbox v2 has it, of 2000 x 1500 pixels, whose image is nowhere."""
    annotations = {"objects": objects, "classifications": classifications, "relationships": []}
    label = {"label_kind": "Default", "version": "1.0.0", "id": f"label-{id}", "annotations": annotations}
    return {
        "data_row": {"id": id, "external_id": id, "row_data": f"nowhere/{id}.png", **more},
        "media_attributes": {"height": 1500, "width": 2000},
        "projects": {PROJECT: {"name": "Hard to draw", "labels": [label]}},
    }


def busy(count: int) -> dict[str, Any]:
    """A row of so many polygons, spread evenly."""
    across = math.ceil(math.sqrt(count * 4 / 3))
    step = 2000 / across
    made = [
        polygon(number, step * (number % across + 0.5), step * (number // across + 0.5), step * 0.48)
        for number in range(count)
    ]
    return row(f"busy-{count}", made, [])


def hostile() -> dict[str, Any]:
    """A row whose names and answers mean harm."""
    objects = [
        box(f"hostile{number}", name, 100 + 450 * number, 200, 300, 400, classifications=[
            text(f"answer{number}", name, name)
        ])
        for number, name in enumerate(NAMES)
    ]  # fmt: skip
    return row("hostile", objects, [text("said", SCRIPT, ENDLESS)], global_key=IMAGE_TAG)


def identical() -> dict[str, Any]:
    """A row in which two boxes look like one, beside one that stands alone."""
    objects = [
        box("twin1", "car", 100, 100, 400, 300),
        box("twin2", "car", 100, 100, 400, 300),
        box("single", "car", 900, 100, 400, 300),
    ]
    return row("twins", objects, [])


def holed() -> dict[str, Any]:
    """A row with a polygon of 1000 pixels that has a hole of 600 in its middle, joined by a seam."""
    corners = [(500, 250), (1500, 250), (1500, 1250), (500, 1250), (500, 250)]
    corners += [(700, 450), (1300, 450), (1300, 1050), (700, 1050), (700, 450), (500, 250)]
    about = {"annotation_kind": "ImagePolygon", "feature_id": "holed", "name": "ring", "value": "ring"}
    ring = [{"x": x, "y": y} for x, y in corners]
    return row("holed", [{**about, "classifications": [], "polygon": ring}], [])


COVERED = "covered.png"


def covered() -> dict[str, Any]:
    """A COCO file of one image: a mask over six tenths of it, and one over a tenth."""

    def mask(number: int, counts: list[int], box: list[int]) -> dict[str, Any]:
        pixels = {"size": [100, 100], "counts": counts}
        about = {"id": number, "image_id": 1, "category_id": number, "iscrowd": 1}
        return {**about, "bbox": box, "area": counts[1], "segmentation": pixels}

    return {
        "images": [{"id": 1, "file_name": COVERED, "width": 100, "height": 100}],
        "annotations": [
            mask(1, [0, 6000, 4000], [0, 0, 60, 100]),
            mask(2, [7000, 1000, 2000], [70, 0, 10, 100]),
        ],
        "categories": [{"id": 1, "name": "ground"}, {"id": 2, "name": "patch"}],
    }


def written(folder: Path) -> tuple[Path, Path]:
    """Files with all of them: as Labelbox v2, which names its project, and COCO."""
    rows = [identical(), hostile(), holed(), busy(3000)]
    lines, coco = folder / "hard.ndjson", folder / "covered.json"
    lines.write_text("".join(json.dumps(one) + "\n" for one in rows))
    coco.write_text(json.dumps(covered()))
    return lines, coco
