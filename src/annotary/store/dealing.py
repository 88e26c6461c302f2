"""Labels read in step with the rows they belong to, and dealt out to them page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Grouped = dict[int, list[tuple[Any, ...]]]


class Labels:
    """The labels of a span in the order of its rows, dealt out page by page."""

    def __init__(self, pieces: Iterator[list[tuple[Any, ...]]]) -> None:
        self.pieces = pieces
        self.held: list[tuple[Any, ...]] = []

    def up_to(self, last: int) -> list[tuple[Any, ...]]:
        """Those of the rows up to a number."""
        held = self.held
        while not held or held[-1][0] <= last:
            more = next(self.pieces, None)
            if more is None:
                break
            held = held + more
        end = len(held)
        while end and held[end - 1][0] > last:
            end -= 1
        self.held = held[end:]
        return held[:end] if end < len(held) else held


def grouped(found: list[tuple[Any, ...]]) -> Grouped:
    """Labels by row, those of a row in their order."""
    grouped: Grouped = {label[0]: [label] for label in found}
    if len(grouped) != len(found):
        for several in grouped.values():
            several.clear()
        for label in found:
            grouped[label[0]].append(label)
    return grouped
