"""Elements of a COCO file for a sheet of images: what the writer says of a plain mark, for all at once."""

from __future__ import annotations

from itertools import chain, compress, repeat
from operator import attrgetter
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import Raw

from annotary.formats import _columns as columns
from annotary.formats._coco_ids import hashed, plain_elements
from annotary.formats._columns import Column, Shapes
from annotary.model.image import BOX, MASK, POLYGON
from annotary.model.sheet import Sheet

_encode_lines = msgspec.json.Encoder().encode_lines
_KINDS = frozenset((BOX, POLYGON, MASK))
_name = attrgetter("name")


class _Place(msgspec.Struct, gc=False, array_like=True):
    """A `bbox`."""

    left: float
    top: float
    width: float
    height: float


class _Annotation(msgspec.Struct, gc=False):
    id: int
    image_id: int
    category_id: int
    segmentation: tuple[Raw, ...]
    area: float
    bbox: _Place
    iscrowd: int = 0


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
    drawn = map(_KINDS.__contains__, sheet.kinds)
    names = dict.fromkeys(compress(map(_name, sheet.marks), drawn))
    if shapes is None or not categories.keys() >= names.keys():
        return None
    keys = [image.key.encode() for image in sheet.images]
    image_ids = hashed(keys)
    listed = image_ids.tolist()
    counts = np.diff(shapes.ends).tolist()
    named = [key + b"\x1f" for key in keys]
    of = chain.from_iterable(map(repeat, named, counts))
    ids = hashed([key + one.feature_id.encode() for key, one in zip(of, shapes.marks, strict=True)])
    of_images = chain.from_iterable(map(repeat, listed, counts))
    numbers = map(categories.__getitem__, shapes.names)
    made = map(_Annotation, ids.tolist(), of_images, numbers, *_geometry(shapes))
    return Elements(
        plain_elements(sheet.images, listed),
        _encode_lines(list(made))[:-1].replace(b"\n", b",\n"),
        image_ids,
        ids,
        {name: categories[name] for name in names},
    )


def _geometry(shapes: Shapes) -> tuple[list[tuple[Raw, ...]], list[float], list[_Place]]:
    """`segmentation`, `area` and `bbox` of boxes and polygons."""
    is_box, rings = shapes.is_box, shapes.rings
    texts = iter(rings.texts())
    segmentations: list[tuple[Raw, ...]]
    segmentations = [() if box else (Raw(next(texts)),) for box in is_box.tolist()]
    places, areas = np.empty((4, len(is_box))), np.empty(len(is_box))
    left, top, right, bottom = rings.bounds
    # Coordinates may be as large as numbers are; so is what follows from them then.
    with np.errstate(all="ignore"):
        places[:, is_box] = shapes.boxes
        places[:, ~is_box] = left, top, right - left, bottom - top
        areas[is_box] = shapes.boxes[2] * shapes.boxes[3]
    areas[~is_box] = rings.areas
    return segmentations, areas.tolist(), list(map(_Place, *places.tolist()))
