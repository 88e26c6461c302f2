"""A large COCO file: 20,000 images, 146,440 annotations, one tenth of them run-length crowds, in no order."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 640, 480
IMAGES, ANNOTATIONS = 20_000, 146_440
CLASSES = 80
CROWD = 10
"""One annotation in so many is a crowd."""
POOL = 2_000
"""So many segmentations of each kind there are; annotations draw from them."""

Shape = tuple[str, str, float]
"""A segmentation and a box as JSON, and the area in pixels."""


def write(path: Path, images: int = IMAGES, seed: int = 1) -> int:
    """Write such a file, with its share of annotations; how many these are."""
    luck = random.Random(seed)
    polygons = [_polygon(luck) for _ in range(POOL)]
    crowds = [_crowd(luck) for _ in range(POOL // CROWD)]
    count = ANNOTATIONS * images // IMAGES
    with path.open("w", encoding="ascii") as file:
        file.write('{"info": {"description": "made for benchmarks"}, "licenses": [], "images": [')
        file.write(", ".join(_images(images)))
        file.write('], "annotations": [')
        for number, one in enumerate(_annotations(images, count, polygons, crowds, luck)):
            file.write(f", {one}" if number else one)
        file.write(f'], "categories": {json.dumps(_categories())}}}')
    return count


def _images(count: int) -> Iterator[str]:
    for number in range(1, count + 1):
        yield json.dumps(
            {"id": number * 7, "file_name": f"{number:012d}.jpg", "width": WIDTH, "height": HEIGHT}
        )


def _annotations(
    images: int, count: int, polygons: list[Shape], crowds: list[Shape], luck: random.Random
) -> Iterator[str]:
    for number in range(1, count + 1):
        crowd = number % CROWD == 0
        segmentation, box, area = luck.choice(crowds if crowd else polygons)
        image, category = luck.randrange(1, images + 1) * 7, _category(luck.randrange(CLASSES))
        yield (
            f'{{"segmentation": {segmentation}, "area": {area}, "iscrowd": {int(crowd)},'
            f' "image_id": {image}, "bbox": {box}, "category_id": {category}, "id": {number * 3}}}'
        )


def _category(position: int) -> int:
    """Category numbers with a gap after every eighth, as COCO's have gaps."""
    return 1 + position + position // 8


def _categories() -> list[dict[str, Any]]:
    return [
        {"supercategory": f"group {position // 10}", "id": _category(position), "name": f"class {position}"}
        for position in range(CLASSES)
    ]


def _polygon(luck: random.Random) -> Shape:
    size = luck.uniform(10, 120)
    x, y = luck.uniform(size, WIDTH - size), luck.uniform(size, HEIGHT - size)
    corners = luck.randrange(20, 62)
    ring = []
    for corner in range(corners):
        angle, far = 2 * math.pi * corner / corners, size * luck.uniform(0.6, 1.0)
        ring.append((round(x + far * math.cos(angle), 2), round(y + far * math.sin(angle), 2)))
    xs, ys = zip(*ring, strict=True)
    turns = zip(ring, [*ring[1:], ring[0]], strict=True)
    area = abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in turns)) / 2
    box = [min(xs), min(ys), round(max(xs) - min(xs), 2), round(max(ys) - min(ys), 2)]
    return json.dumps([[value for point in ring for value in point]]), json.dumps(box), round(area, 2)


def _crowd(luck: random.Random) -> Shape:
    """A crowd of upright strips: a run of each of its columns, as COCO counts them, column by column."""
    width, height = luck.randrange(100, 500), luck.randrange(20, 300)
    left, top = luck.randrange(WIDTH - width), luck.randrange(HEIGHT - height)
    counts, at, area, tallest = [], 0, 0, 0
    for column in range(left, left + width):
        run = luck.randrange(height // 2, height)
        start = column * HEIGHT + top
        counts += [start - at, run]
        at, area, tallest = start + run, area + run, max(tallest, run)
    counts.append(WIDTH * HEIGHT - at)
    text = json.dumps({"counts": counts, "size": [HEIGHT, WIDTH]})
    return text, json.dumps([left, top, width, tallest]), float(area)
