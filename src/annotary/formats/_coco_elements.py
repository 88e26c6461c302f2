"""Elements of a COCO file for a sheet of images: what the writer says of a plain mark, for all at once."""

from __future__ import annotations

from itertools import repeat

import msgspec
import numpy as np

from annotary.formats._coco_ids import Ids
from annotary.formats._columns import Column, Shapes

_encode = msgspec.json.Encoder().encode


def annotation_elements(
    shapes: Shapes, keys: list[bytes], image_ids: list[int], ids: Ids, categories: dict[str, int]
) -> bytes:
    """The elements of boxes and polygons; `keys` name the images lastingly, as UTF-8."""
    counts = np.diff(shapes.ends).tolist()
    count = len(shapes.marks)
    segmentations = np.full(count, "[]", object)
    segmentations[~shapes.is_box] = [f"[[{one}]]" for one in shapes.polygons.flat_texts()]
    places, areas = np.empty((count, 4)), np.empty(count)
    left, top, right, bottom = shapes.polygons.bounds
    # Coordinates may be as large as numbers are; so is what follows from them then.
    with np.errstate(all="ignore"):
        places[shapes.is_box] = shapes.boxes.T
        places[~shapes.is_box] = np.array([left, top, right - left, bottom - top]).T
        areas[shapes.is_box] = shapes.boxes[2] * shapes.boxes[3]
    areas[~shapes.is_box] = shapes.polygons.areas
    named = [key + b"\x1f" for key in keys]
    of = [one for some in map(repeat, named, counts) for one in some]
    made = ids.made_all(
        [
            key + one.feature_id.encode("utf-8", "surrogatepass")
            for key, one in zip(of, shapes.marks, strict=True)
        ]
    )
    return ",\n".join(
        [
            f'{{"id":{id},"image_id":{image},"category_id":{categories[name]},"segmentation":{segmentation},'
            f'"area":{area},"bbox":[{place}],"iscrowd":0}}'
            for id, image, name, segmentation, area, place in zip(
                made,
                [one for some in map(repeat, image_ids, counts) for one in some],
                shapes.names,
                segmentations.tolist(),
                _text(areas)[1:-1].split(","),
                _text(places)[2:-2].split("],["),
                strict=True,
            )
        ]
    ).encode()


def _text(numbers: Column) -> str:
    return _encode(numbers.tolist()).decode()
