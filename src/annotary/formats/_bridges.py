"""Several outlines as one ring: parts and holes joined by lines without width, there and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from annotary.formats import _contours as contours
from annotary.formats._contours import Region
from annotary.formats._geometry import Ring

_PAIRS = 50_000
"""The nearest corners of two rings are looked for among no more pairs; beyond, from one corner only."""


def joined(regions: Sequence[Region]) -> Ring:
    """One ring around all regions, which leaves their holes out; the nearest corners are joined."""
    rings = [contours.bridge(one) if one.holes else one.outer for one in regions]
    ring, rest = rings[0], list(rings[1:])
    for one in rest:
        start, end = _nearest(ring, one)
        turned = np.roll(one, -end, axis=0)
        ring = np.concatenate([ring[: start + 1], turned, turned[:1], ring[start:]])
    return ring


def _nearest(one: Ring, other: Ring) -> tuple[int, int]:
    """The places of two corners that are near each other, one in each ring."""
    if len(one) * len(other) > _PAIRS:
        end = int(np.lexsort((other[:, 0], other[:, 1]))[0])
        return int(np.argmin(((one - other[end]) ** 2).sum(axis=1))), end
    distances = ((one[:, np.newaxis] - other) ** 2).sum(axis=2)
    start, end = divmod(int(np.argmin(distances)), len(other))
    return start, end
