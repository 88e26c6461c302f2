"""`make bench`: run the benchmarks, print their figures as a table, keep them as JSON."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import (
    conversions,
    imports,
    large,
    page,
    postgres,
    server,
    sqlite_exports,
    training_exports,
    writer,
)
from bench.measure import forget, machine, say
from bench.targets import TARGETS, Result
from bench.workshop import Workshop

HERE = Path(__file__).parent
BENCHES: dict[str, tuple[tuple[str, ...], Callable[[Workshop], Iterator[Result]]]] = {
    "size": (("12",), sqlite_exports.size),
    "v2": (("1", "2"), sqlite_exports.v2),
    "v1": (("3", "2 v1", "2 v2", "2 coco"), sqlite_exports.v1),
    "coco": (("4",), training_exports.coco),
    "yolo": (("5",), training_exports.yolo),
    "validation": (("6",), imports.validation),
    "import": (("7",), imports.load),
    "large": (("8", "9", "10", "11"), large.large),
    "page": (
        tuple(f"{what}{database}" for database in ("", " PostgreSQL") for what in page.WORKS),
        page.page,
    ),
    "postgres": (("13", "2 v1 postgres", "2 v2 postgres", "2 coco postgres"), postgres.postgres),
    "writer": (("17", "17 writer", "17 log"), writer.writer),
    "server": (("14", "15", "requests"), server.server),
    "conversions": (("18",), conversions.conversions),
}
"""Each benchmark with the targets it measures, in the order of running: size before tables are added."""


def main(arguments: list[str] | None = None) -> int:
    given = _arguments(arguments)
    rows = given.rows or (10_000 if given.quick else 100_000)
    large_rows = 50_000 if given.quick and not given.rows else 10 * rows
    wanted = set(given.names) or set(BENCHES)
    shop = Workshop(HERE / "data", rows, large_rows, given.rounds)
    results: list[Result] = []
    started = time.monotonic()
    try:
        for name, (targets, bench) in BENCHES.items():
            if name in wanted or wanted & set(targets):
                say(f"{name}: targets {', '.join(targets)}")
                forget()
                for result in bench(shop):
                    results.append(result)
                    figure = TARGETS[result.target].shown(result.measured)
                    say(f"  {result.target}: {figure} ({result.notes})")
    finally:
        shop.close()
    results.sort(key=lambda one: list(TARGETS).index(one.target))
    _print(results)
    say(f"{time.monotonic() - started:.0f} s")
    _keep(results, given.into, rows=rows, large_rows=large_rows, rounds=given.rounds)
    return any(TARGETS[one.target].verdict(one.measured) == "falls short" for one in results)


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    known = ", ".join(f"{name} ({', '.join(targets)})" for name, (targets, _) in BENCHES.items())
    parser = argparse.ArgumentParser(prog="python -m bench", description=f"Benchmarks: {known}.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks or target numbers; default all")
    parser.add_argument("--rows", type=int, help="rows of workload W; the large store has ten times as many")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each measurement (default 5)")
    parser.add_argument("--quick", action="store_true", help="10,000 and 50,000 rows")
    parser.add_argument("--into", type=Path, default=HERE / "results", help="folder of the JSON file")
    given = parser.parse_args(arguments)
    choices = {*BENCHES, *(target for targets, _ in BENCHES.values() for target in targets)}
    if unknown := sorted(set(given.names) - choices):
        parser.error(f"unknown benchmark {unknown[0]!r}; known: {known}")
    return given


def _print(results: list[Result]) -> None:
    table = Table(title="annotary, measured in one run: the median of each")
    for column in ("#", "what", "measured", "lowest - highest", "T", "G", "verdict", "made of"):
        table.add_column(column, justify="right" if column in ("#", "measured", "T", "G") else "left")
    for number, measured, (low, high), notes in results:
        target = TARGETS[number]
        verdict = target.verdict(measured)
        table.add_row(
            *(number, target.what, target.shown(measured), f"{low:,.2f} - {high:,.2f}"),
            *(target.shown(target.must), target.shown(target.goal), verdict, notes),
        )
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _keep(results: list[Result], folder: Path, **sizes: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "machine": machine(),
        **sizes,
        "results": [
            {
                "target": one.target,
                "what": TARGETS[one.target].what,
                "measured": one.measured,
                "lowest": one.spread[0],
                "highest": one.spread[1],
                "must": TARGETS[one.target].must,
                "goal": TARGETS[one.target].goal,
                "unit": TARGETS[one.target].unit,
                "verdict": TARGETS[one.target].verdict(one.measured),
                "notes": one.notes,
            }
            for one in results
        ],
    }
    name = "-".join(one.target.replace(" ", "-") for one in results) if len(results) < len(TARGETS) else "all"
    (folder / f"{name or 'none'}.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
