"""What must be reached (T) and what is striven for (G), and how a measured figure is judged."""

from __future__ import annotations

from typing import NamedTuple


class Target(NamedTuple):
    """`must` falls short if missed, `goal` is what to strive for; `more` where more is better."""

    what: str
    must: float | None
    goal: float | None
    unit: str = "x"
    more: bool = False

    def verdict(self, measured: float) -> str:
        def within(limit: float) -> bool:
            return measured >= limit if self.more else measured <= limit

        if self.must is None or self.goal is None:
            return "no target"
        return "goal" if within(self.goal) else "reached" if within(self.must) else "falls short"

    def shown(self, figure: float | None) -> str:
        if figure is None:
            return "-"
        if self.unit == "rows/s":
            return f"{figure:,.0f} {self.unit}"
        if self.unit == "MB":
            return f"{figure:.1f} {self.unit}"
        return f"{figure:.2f} {self.unit}"


TARGETS = {
    "1": Target("v2 export, all on, SQLite: CPU over SELECT of finished rows", 2.0, 1.5),
    "2": Target("v2 export, all off, SQLite: CPU over SELECT of finished rows", 1.4, 1.1),
    "3": Target("v1 export: time over orjson.loads of the annotations", 1.5, 1.0),
    "4": Target("COCO export from the store: time over orjson.loads of the annotations", 2.8, 2.0),
    "5": Target("YOLO boxes from the store: time over orjson.loads of the annotations", 1.5, 1.2),
    "6": Target("typed validation of lines: time over orjson.loads of them", 1.2, 0.9),
    "7": Target("whole NDJSON import into SQLite, indexes on", 8_000, 15_000, "rows/s", True),
    "8": Target("filter that leaves 0.1 % of the rows: time over the full export's", 1.0, 0.3, "%"),
    "9": Target("--since for 0.1 % of the rows: time a row over the full export's", 3.0, 1.0),
    "10": Target("private memory of an export of 10 times the rows, less that of one", 20, 5, "MB"),
    "11": Target("peak private memory of any streaming export or import", 200, 100, "MB"),
    "12": Target("database size over the bytes of the full v2 export", 1.3, 1.2),
    "13": Target("v2 export, all on, PostgreSQL: time over COPY of finished rows", 3.0, 1.6),
    "14": Target("HTTP download of a finished export: rate over a raw socket loop's", 0.5, 0.9, more=True),
    "15": Target("first byte of a streamed export", 1.0, 0.2, "s"),
    "17": Target("export beside a busy writer: time over alone", 4.0, 2.0),
    "17 writer": Target("the writer beside an export: rows a second over alone", 0.5, 0.8, more=True),
    "17 log": Target("SQLite's log after an export beside a writer", 64, 32, "MB"),
    "requests": Target("a small GraphQL query: requests a second over a bare application's", None, None),
    **{
        f"2 {short}{database and ' postgres'}": Target(
            f"{said} export, {database or 'SQLite'}: rate of two processes over one's", None, None, more=True
        )
        for database in ("", "PostgreSQL")
        for short, said in (("v1", "v1"), ("v2", "v2"), ("coco", "COCO"))
    },
    **{
        f"{what}{database}": Target(f"the page's {said}{database and ', PostgreSQL'}", 0.5, 0.1, "s")
        for database in ("", " PostgreSQL")
        for what, said in (
            ("grid", "first rows of a large project"),
            ("count", "count of what a filter leaves"),
            ("facets", "facets beside a filter"),
            ("row", "row with its neighbours"),
        )
    },
    "18": Target("COCO file to YOLO, VOC, COCO: CPU over json.load and a plain loop", 1.0, 0.5),
}


class Result(NamedTuple):
    """One measured figure; `spread` holds its lowest and highest round, `notes` what it was made of."""

    target: str
    measured: float
    spread: tuple[float, float]
    notes: str
