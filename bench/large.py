"""Targets 8 to 11: a project ten times as large; filters, changes since a cursor, memory."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

from annotary.engine.core import Engine
from annotary.formats import load, names
from annotary.model.export import ExportFilters, Range
from annotary.model.project import Project
from annotary.store import Store
from bench import reference
from bench.child import watched
from bench.measure import median, ratios, rounds, say
from bench.targets import Result
from bench.workshop import ON, Workshop, pieces

PICTURES = ("coco-panoptic", "masks")
"""Formats that write pictures, some hundred a second: their memory is measured on fewer rows."""


class Large:
    """The large store, opened."""

    def __init__(self, shop: Workshop) -> None:
        self.rows = shop.large
        self.folder, self.import_peak = shop.large_store
        self.engine = Engine(Store.open(self.folder))
        (project,) = self.engine.store.find(Project)
        self.project = project.id

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.engine.store.database.raw() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall()


def large(shop: Workshop) -> Iterator[Result]:
    """Targets 8, 9, 10 and 11."""
    store = Large(shop)
    try:
        yield from _selections(shop, store)
    finally:
        store.engine.close()
    yield from _memory(shop, store)


def _selections(shop: Workshop, store: Large) -> Iterator[Result]:
    few = store.rows // 1000
    narrow = _narrow(store, few)
    cursor = _change(store, few)
    counts: dict[str, int] = {}

    def run(name: str, **query: Any) -> None:
        counts[name] = _lines(pieces(store.engine, ON, **query))

    say("  full exports, filters and cursors")
    works: dict[str, Any] = {name: (lambda n=name, f=one: run(n, filters=f)) for name, one in narrow.items()}
    works["full"] = lambda: run("full")
    works["since"] = lambda: run("since", since=cursor)
    found = rounds(works, shop.rounds)
    for name in narrow:
        if not 0.5 * few <= counts[name] <= 2 * few:
            raise reference.Differs(f"the filter {name} leaves {counts[name]:,} rows, not about {few:,}")
    if (counts["since"], counts["full"]) != (few, store.rows):
        raise reference.Differs(f"exported {counts}, wanted {few:,} changes of {store.rows:,} rows")
    wall = {name: median([cost.wall for cost in costs]) for name, costs in found.items()}
    shares = {name: [100 * one for one in ratios(found, name, "full", "wall")] for name in narrow}
    worst = max(shares, key=lambda name: median(shares[name]))
    each = shares[worst]
    shown = ", ".join(f"{name} {1000 * wall[name]:.0f} ms" for name in narrow)
    yield Result("8", median(each), (min(each), max(each)), f"{shown}; full {wall['full']:.1f} s; worst")
    each = [one * store.rows / few for one in ratios(found, "since", "full", "wall")]
    notes = f"{few:,} changes {1000 * wall['since']:.0f} ms, {store.rows:,} rows {wall['full']:.1f} s"
    yield Result("9", median(each), (min(each), max(each)), notes)


def _lines(data: Iterator[bytes]) -> int:
    """Count the lines; the data goes to /dev/null, so that no disk's speed hides a difference."""
    count = 0
    with open(os.devnull, "wb", buffering=0) as file:
        for piece in data:
            file.write(piece)
            count += piece.count(b"\n")
    return count


def _narrow(store: Large, few: int) -> dict[str, ExportFilters]:
    """Filters of each kind that leave about so many rows."""
    half = store.rows // 2
    found = {}
    for name, table, column in (
        ("last_activity_at", "rows", "activity"),
        ("label_created_at", "labels", "created_at"),
    ):
        ((start,), *_, (end,)) = store.query(
            f"SELECT {column} FROM {table} ORDER BY {column} LIMIT ? OFFSET ?", few, half
        )
        found[name] = ExportFilters(**{name: Range(start=start.decode(), end=end.decode())})
    ids = [row[0].decode() for row in store.query("SELECT id FROM data_rows WHERE n % 1000 = 7")]
    found["data_row_ids"] = ExportFilters(data_row_ids=tuple(ids))
    return found


def _change(store: Large, few: int) -> int:
    """Change so many rows here and there; the cursor from before."""
    at, _, _ = store.engine.store.at("project", store.project)
    numbers = random.Random(1).sample(range(1, store.rows + 1), few)
    with store.engine.store.transaction():
        change = store.engine.store.change(at.collection)
        for start in range(0, few, 500):
            change.put_rows(
                [], [{**row, "status": "DONE"} for row in change.rows(numbers[start : start + 500]).values()]
            )
    return at.sequence


def _memory(shop: Workshop, store: Large) -> Iterator[Result]:
    say("  memory")
    peaks = {f"import of {store.rows:,}": store.import_peak}
    differences = []
    for _ in range(min(shop.rounds, 3)):
        small = watched("export", shop.store, "labelbox-v2")
        big = watched("export", store.folder, "labelbox-v2")
        differences.append((big - small) / 1e6)
        peaks[f"v2 of {store.rows:,}"] = max(peaks.get(f"v2 of {store.rows:,}", 0), big)
    shown = f"{small / 1e6:.1f} MB and {big / 1e6:.1f} MB"
    yield Result("10", median(differences), (min(differences), max(differences)), shown)
    for name in names():
        if name != "labelbox-v2" and load(name).write is not None:
            folder = shop.few_store if name in PICTURES else shop.store
            peaks[name] = watched("export", folder, name)
            say(f"    {name}: {peaks[name] / 1e6:.0f} MB")
    peak = max(peaks.values()) / 1e6
    shown = ", ".join(f"{name} {one / 1e6:.0f} MB" for name, one in peaks.items())
    shown += f"; {' and '.join(PICTURES)} of {shop.few:,} rows"
    yield Result("11", peak, (peak, peak), shown)
