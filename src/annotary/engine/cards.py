"""Rows as small pictures: their objects as far as these show them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

import msgspec

from annotary.engine.statistics import status_of
from annotary.errors import AnnotaryError
from annotary.formats._contours import thin, trace
from annotary.formats._images import image_of
from annotary.formats._png import decode_mask
from annotary.model.geometry import Cuboid, Face
from annotary.model.image import ARROW, BOND, BOX, CUBOID, MASK, POINT, Image, Mark
from annotary.operations.looking import Drawn, RowCard

SHAPES = 200
"""So many objects of a row are drawn on its small picture."""
CORNERS = 64
"""So many corners of an outline; a small picture does not show more."""
ROUGH = 160
"""Masks are looked at with so many pixels on their longer side."""
RINGS = 24
KEPT = 20_000
"""So many outlines are remembered."""
_EXTRA = 9
Rings = tuple[tuple[float, ...], ...]
Pixels = Callable[[str], bytes]
_outlines: dict[str, Rings] = {}
_cuboid = msgspec.json.Decoder(Cuboid).decode


def card(
    row: tuple[Any, ...],
    labels: list[tuple[Any, ...]],
    predictions: list[tuple[Any, ...]],
    pixels: Pixels,
) -> RowCard:
    """The card of a Record with its labels and predictions; `pixels` gives a mask's PNG by its hash."""
    image = image_of(row, labels, False)
    shapes = list(_drawn(image, pixels, is_prediction=False))
    if predictions:
        shapes += _drawn(image_of(row, predictions, False), pixels, is_prediction=True)
    return RowCard(
        data_row_id=image.id,
        global_key=image.global_key or None,
        external_id=image.external_id or None,
        name=PurePosixPath(image.row_data.partition("?")[0]).name or image.id,
        width=image.width,
        height=image.height,
        status=(status_of(row[_EXTRA]) if row[_EXTRA].startswith(b"{") else None) or "",
        labels=len(labels),
        predictions=len(predictions),
        shapes=tuple(shapes[:SHAPES]),
        more_shapes=max(0, len(shapes) - SHAPES),
    )


def _drawn(image: Image, pixels: Pixels, *, is_prediction: bool) -> Iterator[Drawn]:
    for mark in image.marks:
        if mark.kind in (ARROW, BOND):
            continue
        try:
            points = _points(mark)
        except (ValueError, msgspec.DecodeError):
            # What cannot be drawn is seen when the row is opened.
            continue
        yield Drawn(
            feature_id=mark.feature_id,
            kind=mark.word,
            name=mark.name,
            points=points,
            rings=_rings(image.masks.get(mark.feature_id), pixels) if mark.kind == MASK else (),
            is_prediction=is_prediction,
        )


def _rings(name: str | None, pixels: Pixels) -> Rings:
    """The outline of a mask by its hash; worked out once for the same pixels."""
    if name is None:
        return ()
    found = _outlines.get(name)
    if found is None:
        try:
            found = outline(pixels(name))
        except (AnnotaryError, LookupError, ValueError):
            found = ()
        while len(_outlines) >= KEPT:
            _outlines.pop(next(iter(_outlines)), None)
        _outlines[name] = found
    return found


def outline(png: bytes) -> Rings:
    """The rings of a mask, roughly, in pixels of its image; none where it covers more than half of that.

    Raises ValueError.
    """
    mask = decode_mask(png)
    step = max(1, -(-max(mask.shape) // ROUGH))
    small = mask[::step, ::step]
    if small.mean() > 0.5:
        return ()
    rings = [thin(ring, 0.6) * step for region in trace(small) for ring in region.rings()]
    largest = sorted(rings, key=len, reverse=True)[:RINGS]
    return tuple(tuple(float(number) for number in ring.ravel()) for ring in largest)


def _points(mark: Mark) -> tuple[float, ...]:
    match mark.kind:
        case kind if kind == BOX and mark.bounding_box is not None:
            box = mark.bounding_box
            return box.left, box.top, box.left + box.width, box.top + box.height
        case kind if kind == POINT and mark.point is not None:
            return mark.point.x, mark.point.y
        case kind if kind == CUBOID:
            whole = _cuboid(mark.cuboid).with_corners()
            return tuple(number for face in (whole.front, whole.back) for number in _corners(face))
        case kind if kind == MASK:
            return ()
    flat = mark.flat()
    step = -(-len(flat) // 2 // CORNERS) or 1
    return tuple(number for at in range(0, len(flat), 2 * step) for number in flat[at : at + 2])


def _corners(face: Any) -> Iterator[float]:
    assert isinstance(face, Face)
    for corner in (face.top_left, face.top_right, face.bottom_right, face.bottom_left):
        yield corner.x
        yield corner.y
