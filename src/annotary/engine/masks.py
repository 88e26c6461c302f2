"""Masks: from a feature id to pixels."""

from __future__ import annotations

import msgspec
from sqlalchemy import select

from annotary.engine.core import Engine
from annotary.errors import NotFound
from annotary.model.base import feature_hash
from annotary.store.schema import FOREVER, collections, features, labels


def blob(engine: Engine, name: str) -> bytes:
    """Stored bytes by their hash; raises NotFound."""
    with engine.store.reading() as connection:
        return engine.store.blobs.get(name, connection)


def mask_png(engine: Engine, feature_id: str) -> bytes:
    """The canonical 1-bit PNG of a mask that is kept here; raises NotFound."""
    store = engine.store
    with store.reading() as connection:
        found = connection.execute(
            select(labels.c.masks)
            .join(
                features,
                (features.c.collection == labels.c.collection) & (features.c.data_row == labels.c.data_row),
            )
            .join(collections, collections.c.n == labels.c.collection)
            .where(
                features.c.hash == feature_hash(feature_id),
                collections.c.org == store.org,
                labels.c.until == FOREVER,
                labels.c.masks.is_not(None),
            )
        )
        for (masks,) in found:
            name = msgspec.json.decode(masks).get(feature_id)
            if name is not None:
                return store.blobs.get(name, connection)
    raise NotFound(
        f"no pixels of a mask {feature_id!r} are kept here; a mask known only by its URL is at that URL"
    )
