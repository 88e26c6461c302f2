"""Rows as small pictures: their objects as far as these show them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import msgspec

from annotary.engine.statistics import status_of
from annotary.formats._images import image_of
from annotary.model.geometry import Cuboid, Face
from annotary.model.image import ARROW, BOND, BOX, CUBOID, MASK, POINT, Image, Mark
from annotary.operations.looking import Drawn, RowCard

SHAPES = 200
"""So many objects of a row are drawn on its small picture."""
CORNERS = 64
"""So many corners of an outline; a small picture does not show more."""
_EXTRA = 9
_cuboid = msgspec.json.Decoder(Cuboid).decode


def card(row: tuple[Any, ...], labels: list[tuple[Any, ...]], predictions: list[tuple[Any, ...]]) -> RowCard:
    """The card of a Record with its labels and predictions."""
    image = image_of(row, labels, False)
    shapes = list(_drawn(image, is_prediction=False))
    if predictions:
        shapes += _drawn(image_of(row, predictions, False), is_prediction=True)
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


def _drawn(image: Image, *, is_prediction: bool) -> Iterator[Drawn]:
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
            is_prediction=is_prediction,
        )


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
