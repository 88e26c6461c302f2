"""Elements of a COCO file for a sheet of images: what the writer says of a plain mark, for all at once."""

from __future__ import annotations

from itertools import repeat
from typing import NamedTuple

import msgspec
import numpy as np

from annotary.formats import _columns as columns
from annotary.formats._coco_ids import hashed, plain_element
from annotary.formats._columns import Column, Shapes
from annotary.model.image import BOX, MASK, POLYGON
from annotary.model.sheet import Sheet

_encode = msgspec.json.Encoder().encode
_KINDS = (BOX, POLYGON, MASK)


class Elements(NamedTuple):
    """What a sheet says by itself, if its ids are new and its categories those that it was made with."""

    images: bytes
    annotations: bytes
    image_ids: Column
    ids: Column
    categories: dict[str, int]


def elements(sheet: Sheet, categories: dict[str, int]) -> Elements | None:
    """The elements of a sheet's images; None where it has something that is written mark by mark."""
    shapes = columns.drawn(sheet)
    # A category is given to a mask, too, before it turns out that its pixels are not there.
    names = dict.fromkeys(
        [one.name for one, kind in zip(sheet.marks, sheet.kinds, strict=True) if kind in _KINDS]
    )
    if shapes is None or not categories.keys() >= names.keys():
        return None
    keys = [image.key.encode("utf-8", "surrogatepass") for image in sheet.images]
    image_ids = hashed(keys)
    listed = image_ids.tolist()
    named = [key + b"\x1f" for key in keys]
    of = [one for some in map(repeat, named, np.diff(shapes.ends).tolist()) for one in some]
    ids = hashed(
        [
            key + one.feature_id.encode("utf-8", "surrogatepass")
            for key, one in zip(of, shapes.marks, strict=True)
        ]
    )
    images = [plain_element(image, id) + "}" for image, id in zip(sheet.images, listed, strict=True)]
    return Elements(
        ",\n".join(images).encode(),
        _annotations(shapes, listed, ids, categories),
        image_ids,
        ids,
        {name: categories[name] for name in names},
    )


def _annotations(shapes: Shapes, image_ids: list[int], ids: Column, categories: dict[str, int]) -> bytes:
    """The elements of boxes and polygons."""
    counts = np.diff(shapes.ends).tolist()
    count = len(shapes.marks)
    if not count:
        return b""
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
    return ",\n".join(
        [
            f'{{"id":{id},"image_id":{image},"category_id":{categories[name]},"segmentation":{segmentation},'
            f'"area":{area},"bbox":[{place}],"iscrowd":0}}'
            for id, image, name, segmentation, area, place in zip(
                ids.tolist(),
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
