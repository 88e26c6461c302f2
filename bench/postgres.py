"""Target 13: the same export from PostgreSQL, beside a COPY of finished rows; and by two processes."""

from __future__ import annotations

from collections.abc import Iterator

from annotary.engine.sources import FileSource
from annotary.sample.workload import workload
from bench import reference
from bench.measure import median, ratios, rounds, say
from bench.sqlite_exports import gained
from bench.targets import Result
from bench.workshop import ON, Workshop, imported, pieces, to_new_file
from tests._postgres import Unavailable, temporary_postgres


def postgres(shop: Workshop) -> Iterator[Result]:
    """Target 13."""
    try:
        with temporary_postgres() as url:
            yield from _measured(shop, url)
    except Unavailable as error:
        say(f"  left out: {error}")


def _measured(shop: Workshop, url: str) -> Iterator[Result]:
    import psycopg

    say(f"  importing {shop.rows:,} rows")
    engine = imported(url, FileSource(shop.file))
    out = shop.folder / "export.ndjson"
    lines = list(reference.lines_of(pieces(engine, ON)))
    reference.compare(lines, workload(shop.rows), reference.v2_on, shop.rows)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE bench_on (n bigint PRIMARY KEY, line text COMPRESSION lz4)")
        with connection.cursor().copy("COPY bench_on FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int8", "text"])
            for number, line in enumerate(lines):
                copy.write_row((number, line.decode()))
        connection.execute("VACUUM ANALYZE")

        def floor() -> Iterator[bytes]:
            with connection.cursor().copy("COPY (SELECT line FROM bench_on ORDER BY n) TO STDOUT") as copy:
                for data in copy:
                    yield bytes(data)

        works = {
            "on": lambda: to_new_file(out, pieces(engine, ON)),
            "copy": lambda: to_new_file(out, floor()),
        }
        found = rounds(works, shop.rounds)
    gains = list(gained(engine, shop, "2 {} postgres"))
    engine.close()
    each = ratios(found, "on", "copy", "wall")
    took, least = (median([cost.wall for cost in found[one]]) for one in ("on", "copy"))
    cpu = median(ratios(found, "on", "copy", "cpu"))
    notes = f"{took:.2f} s over {least:.2f} s; the client's CPU {cpu:.2f} x"
    yield Result("13", median(each), (min(each), max(each)), notes)
    yield from gains
    out.unlink(missing_ok=True)
