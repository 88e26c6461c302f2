"""Targets 1, 2, 3 and 12, and what a second process gains: exports of workload W from SQLite."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import orjson

from annotary.engine.core import Engine
from annotary.formats import names
from annotary.model.export import ExportParams
from annotary.model.sections import plain
from annotary.sample.workload import workload
from annotary.store.opening import FILE_NAME
from bench import reference
from bench.measure import median, ratios, rounds
from bench.targets import Result
from bench.workshop import OFF, ON, Workshop, pieces, to_new_file

TOGETHER = (("v1", "labelbox-v1", ON), ("v2", "labelbox-v2", ON), ("coco", "coco", OFF))
"""What two processes are to write faster than one, by its name among the targets."""


def size(shop: Workshop) -> Iterator[Result]:
    """Target 12."""
    store, engine = shop.store, shop.engine
    exported = sum(len(piece) for piece in pieces(engine, ON))
    stored = sum(file.stat().st_size for file in store.iterdir() if file.name.startswith(FILE_NAME))
    figure = stored / exported
    yield Result("12", figure, (figure, figure), f"{stored / 1e6:,.0f} MB over {exported / 1e6:,.0f} MB")


def v2(shop: Workshop) -> Iterator[Result]:
    """Targets 1 and 2."""
    engine, out = shop.engine, shop.folder / "export.ndjson"
    sizes = shop.finished
    works = {}
    for name, params in (("on", ON), ("off", OFF)):
        # A file is unlinked before it is written: what freeing the old one costs is the same for both.
        works[name] = lambda params=params: to_new_file(out, pieces(engine, params))
        works[f"floor {name}"] = lambda name=name: to_new_file(out, shop.floor(f"bench_{name}"))
    found = rounds(works, shop.rounds)
    for target, name in (("1", "on"), ("2", "off")):
        each = ratios(found, name, f"floor {name}", "cpu")
        took, floor = (median([cost.cpu for cost in found[one]]) for one in (name, f"floor {name}"))
        notes = f"{took:.2f} s over {floor:.2f} s, {sizes[f'bench_{name}'] / 1e6:,.0f} MB"
        yield Result(target, median(each), (min(each), max(each)), notes)
    out.unlink()


def v1(shop: Workshop) -> Iterator[Result]:
    """Target 3."""
    if "labelbox-v1" not in names():
        return
    engine = shop.engine
    color_of = reference.colors(workload(shop.rows))
    found_lines = reference.lines_of(pieces(engine, ON, "labelbox-v1"))
    reference.compare(found_lines, workload(shop.rows), partial(reference.v1, color_of=color_of), shop.rows)
    yield over_loads(shop, "3", "labelbox-v1", ON, workers=2)
    yield from gained(engine, shop, "2 {}")


def gained(engine: Engine, shop: Workshop, target: str) -> Iterator[Result]:
    """What a second process gains; that its bytes are the same is compared first."""
    out = shop.folder / "export"
    for short, name, params in TOGETHER:
        digests = set()
        for workers in (1, 2):
            to_new_file(out, pieces(engine, params, name, workers=workers))
            with out.open("rb") as file:
                digests.add(hashlib.file_digest(file, "sha256").digest())
        if len(digests) > 1:
            raise reference.Differs(f"{name}: two processes do not write what one does")
        works = {
            str(workers): partial(_written, out, engine, name, params, workers=workers) for workers in (1, 2)
        }
        found = rounds(works, shop.rounds)
        each = ratios(found, "1", "2", "wall")
        one, two = (median([cost.wall for cost in found[workers]]) for workers in works)
        cpu = median(ratios(found, "2", "1", "cpu"))
        notes = f"{one:.2f} s with one, {two:.2f} s with two; CPU {cpu:.2f} x; load {os.getloadavg()[0]:.1f}"
        yield Result(target.format(short), median(each), (min(each), max(each)), notes)
    out.unlink()


def _written(out: Path, engine: Engine, name: str, params: ExportParams, *, workers: int) -> None:
    to_new_file(out, pieces(engine, params, name, workers=workers))


def over_loads(shop: Workshop, target: str, name: str, params: ExportParams, *, workers: int = 1) -> Result:
    """An export's time over that of orjson.loads of the same annotation bytes, which one process does."""
    engine, out = shop.engine, shop.folder / "export"
    with engine.store.database.raw() as cursor:
        cursor.execute("SELECT annotations FROM labels ORDER BY data_row")
        sections = [plain(section) for (section,) in cursor.fetchall()]

    def decode() -> None:
        for section in sections:
            orjson.loads(section)

    works = {
        "export": lambda: to_new_file(out, pieces(engine, params, name, workers=workers)),
        "loads": decode,
    }
    if workers > 1:
        works["alone"] = lambda: to_new_file(out, pieces(engine, params, name))
    found = rounds(works, shop.rounds)
    each = ratios(found, "export", "loads", "wall")
    took, floor = (median([cost.wall for cost in found[one]]) for one in ("export", "loads"))
    cpu = median(ratios(found, "export", "loads", "cpu"))
    out.unlink()
    notes = f"{took:.2f} s over {floor:.2f} s; CPU {cpu:.2f} x"
    if workers > 1:
        alone = median(ratios(found, "alone", "loads", "wall"))
        alone_cpu = median(ratios(found, "alone", "loads", "cpu"))
        notes = f"{workers} processes: {notes}; 1 process: {alone:.2f} x, CPU {alone_cpu:.2f} x"
    return Result(target, median(each), (min(each), max(each)), notes)
