"""Targets 6 and 7: what it costs to take workload W in."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from annotary.engine.sources import FileSource
from annotary.model.carried import decode
from annotary.model.row import Row
from annotary.sample.workload import workload
from bench.measure import median, ratios, rounds, say, spent
from bench.targets import Result
from bench.workshop import Workshop, imported


def validation(shop: Workshop) -> Iterator[Result]:
    """Target 6."""
    lines = list(workload(shop.rows))

    def typed() -> None:
        for line in lines:
            decode(line, Row)

    def loads() -> None:
        for line in lines:
            orjson.loads(line)

    found = rounds({"typed": typed, "loads": loads}, shop.rounds)
    each = ratios(found, "typed", "loads", "wall")
    took, floor = (median([cost.wall for cost in found[one]]) for one in ("typed", "loads"))
    yield Result("6", median(each), (min(each), max(each)), f"{took:.2f} s over {floor:.2f} s")


def load(shop: Workshop) -> Iterator[Result]:
    """Target 7: from the first byte of the file to the acknowledged commit, checkpoint included."""
    file = shop.file
    speeds = []
    processor = []
    for number in range(shop.rounds):
        say(f"  import {number + 1} of {shop.rounds}")
        folder = shop.new_folder("import")
        cost = spent(lambda folder=folder: imported(folder, FileSource(file)).close())  # type: ignore[misc]
        speeds.append(shop.rows / cost.wall)
        processor.append(cost.cpu / shop.rows * 1e6)
    shop.new_folder("import")
    notes = f"{median(processor):.0f} us of CPU a row, {file.stat().st_size / 1e6:,.0f} MB"
    yield Result("7", median(speeds), (min(speeds), max(speeds)), notes)
