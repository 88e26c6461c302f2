"""The index of features: from a feature's hash to the data row that has it."""

from __future__ import annotations

from collections.abc import Iterable

HALF = 1 << 31
"""What is taken from a hash, so that it is a signed number."""


def feature_entries(hashes: Iterable[int], data_row: int) -> list[int]:
    """Features' hashes, each with the data row that has it: 32 bits each as one signed number of 64, in the
    order of the index.
    """
    own = data_row - (HALF << 32)
    return [(hash << 32) + own for hash in hashes]
