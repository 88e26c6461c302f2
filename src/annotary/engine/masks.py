"""Masks: from a feature id to pixels. What is no mask is drawn: its filled shape at the image's size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, select

from annotary.engine.core import Engine
from annotary.errors import Invalid, NotFound
from annotary.formats import _geometry as geometry
from annotary.formats import _masks as pictures
from annotary.formats import _png as png
from annotary.formats._png import check_size
from annotary.formats._rle import Rle
from annotary.model.annotation import Annotations, LineObject, MaskObject, PointObject, PolylineObject
from annotary.model.base import feature_hash
from annotary.model.carried import decode
from annotary.model.project import ModelRun
from annotary.model.row import MediaAttributes
from annotary.store.filters import FOREVER
from annotary.store.schema import collections, data_row_versions, labels, rows

POINT = 6
"""A point is drawn as a disc of so many pixels across."""
_BASE, _ESCAPE = "\x1a", "\\u001a"


class _Label(NamedTuple):
    """What is needed of a label to find and draw what is in it."""

    collection: int
    data_row: int
    id: str
    annotations: str
    masks: str | None


def mask_png(engine: Engine, feature_id: str, *, place: tuple[str, str] | None = None) -> bytes:
    """The canonical 1-bit PNG of a mask that is kept here; raises NotFound.

    `place` is where it has to be: ("project", id), ("model_run", id) or ("model", id).
    """
    with engine.store.reading() as connection:
        for label in _labels_with(engine, connection, feature_id, place):
            if label.masks is not None:
                name = msgspec.json.decode(label.masks).get(feature_id)
                if name is not None:
                    return engine.store.blobs.get(name, connection)
    raise NotFound(
        f"no pixels of a mask {feature_id!r} are kept here; a mask known only by its URL is at that URL"
    )


def shape_png(engine: Engine, feature_id: str, *, place: tuple[str, str] | None = None) -> bytes:
    """The canonical 1-bit PNG of an object of any kind: its mask, or its shape filled. Raises NotFound."""
    try:
        return mask_png(engine, feature_id, place=place)
    except NotFound:
        drawn = _drawn(engine, feature_id, place)
        if drawn is None:
            raise
    return drawn.png()


def picture(engine: Engine, feature_id: str, *, place: tuple[str, str] | None = None) -> bytes:
    """The same as 8-bit grey PNG: 255 inside, 0 outside. Raises NotFound."""
    return png.render_mask_8bit(png.decode_mask(shape_png(engine, feature_id, place=place)))


def composite(engine: Engine, label_id: str) -> bytes:
    """All masks of a label as one RGB PNG, each in the colour that exports give it; raises NotFound."""
    with engine.store.reading() as connection:
        found = connection.execute(
            select(labels.c.masks)
            .join(collections, collections.c.n == labels.c.collection)
            .where(
                labels.c.id == label_id,
                labels.c.until == FOREVER,
                labels.c.masks.is_not(None),
                collections.c.org == engine.store.org,
                collections.c.kind.in_(("project", "model_run")),
            )
        ).first()
        if found is None:
            raise NotFound(f"no masks of a label {label_id!r} are kept here")
        kept = msgspec.json.decode(found.masks)
        masks = [png.decode_mask(engine.store.blobs.get(name, connection)) for name in kept.values()]
    height, width = masks[0].shape
    return png.composite(((mask, pictures.colour(index)) for index, mask in enumerate(masks)), height, width)


def _labels_with(
    engine: Engine, connection: Connection, feature_id: str, place: tuple[str, str] | None
) -> Iterator[_Label]:
    """The present labels that may have a feature in them."""
    sql, values = _LABELS, [feature_hash(feature_id), engine.store.org, FOREVER]
    if place is None:
        sql += " AND c.kind IN ('project', 'model_run')"
    elif place[0] == "model":
        runs = [run.id for run in engine.store.find(ModelRun, parent=place[1], limit=100_000)]
        sql += f" AND c.kind = 'model_run' AND c.id IN ({','.join('?' * len(runs)) or 'NULL'})"
        values += runs
    else:
        sql += " AND c.kind = ? AND c.id = ?"
        values += place
    for found in connection.exec_driver_sql(engine.store.database.sql(sql), tuple(values)):
        yield _Label._make(found)


# In plain SQL: every mask asks this, and its making would take longer than its answer.
_LABELS = """
    SELECT l.collection, l.data_row, l.id, l.annotations, l.masks
    FROM features f
    JOIN labels l ON l.collection = f.collection AND l.data_row = f.data_row
    JOIN collections c ON c.n = l.collection
    WHERE f.hash = ? AND c.org = ? AND l.until = ?"""


def _drawn(engine: Engine, feature_id: str, place: tuple[str, str] | None) -> Rle | None:
    """An object's filled shape; None where there is no such object, or nothing to draw of it."""
    with engine.store.reading() as connection:
        for label in _labels_with(engine, connection, feature_id, place):
            given = msgspec.json.decode(label.annotations.replace(_BASE, _ESCAPE))
            for one in given["objects"]:
                if one["feature_id"] == feature_id:
                    (drawn,) = decode(msgspec.json.encode({"objects": [one]}), Annotations)[0].objects
                    height, width = _size(connection, label, feature_id)
                    return _filled(drawn, height, width)
    return None


def _size(connection: Connection, label: _Label, feature_id: str) -> tuple[int, int]:
    media: str = connection.execute(
        select(data_row_versions.c.media)
        .join(rows, rows.c.version == data_row_versions.c.n)
        .where(
            rows.c.collection == label.collection, rows.c.data_row == label.data_row, rows.c.until == FOREVER
        )
    ).scalar_one()
    known, _ = decode(msgspec.json.encode(_members(media).get("media_attributes", {})), MediaAttributes)
    if not isinstance(known.height, int) or not isinstance(known.width, int):
        raise Invalid(f"{feature_id!r} cannot be drawn: the size of its image is not known")
    check_size(known.height, known.width)
    return known.height, known.width


def _members(text: str) -> dict[str, Any]:
    members: dict[str, Any] = msgspec.json.decode(f"{{{text}}}")
    return members


def _filled(drawn: Any, height: int, width: int) -> Rle | None:
    match drawn:
        case PolylineObject() | LineObject():
            return geometry.fill_line(geometry.corners(drawn), 1, height, width)
        case PointObject():
            return geometry.fill_line(geometry.corners(drawn), POINT, height, width)
        case MaskObject():
            return None
    return geometry.fill_parts([geometry.outline(drawn)], height, width)
