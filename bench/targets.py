"""What must be reached (T) and what is striven for (G), and how a measured figure is judged."""

from __future__ import annotations

from typing import NamedTuple


class Target(NamedTuple):
    """`must` falls short if missed, `goal` is what to strive for; `more` where more is better."""

    what: str
    must: float
    goal: float
    unit: str = "x"
    more: bool = False

    def verdict(self, measured: float) -> str:
        def within(limit: float) -> bool:
            return measured >= limit if self.more else measured <= limit

        return "goal" if within(self.goal) else "reached" if within(self.must) else "falls short"

    def shown(self, figure: float) -> str:
        if self.unit == "rows/s":
            return f"{figure:,.0f} {self.unit}"
        if self.unit == "MB":
            return f"{figure:.1f} {self.unit}"
        return f"{figure:.2f} {self.unit}"


TARGETS = {
    "1": Target("v2 export, all on, SQLite: CPU over SELECT of finished rows", 2.0, 1.5),
    "2": Target("v2 export, all off, SQLite: CPU over SELECT of finished rows", 1.4, 1.1),
    "3": Target("v1 export: time over orjson.loads of the annotations", 1.5, 1.0),
    "6": Target("typed validation of lines: time over orjson.loads of them", 1.2, 0.9),
    "7": Target("whole NDJSON import into SQLite, indexes on", 8_000, 15_000, "rows/s", True),
    "8": Target("filter that leaves 0.1 % of the rows: time over the full export's", 1.0, 0.3, "%"),
    "9": Target("--since for 0.1 % of the rows: time a row over the full export's", 3.0, 1.0),
    "10": Target("private memory of an export of 10 times the rows, less that of one", 20, 5, "MB"),
    "11": Target("peak private memory of any streaming export or import", 200, 100, "MB"),
    "12": Target("database size over the bytes of the full v2 export", 1.3, 1.2),
    "13": Target("v2 export, all on, PostgreSQL: time over COPY of finished rows", 3.0, 1.6),
    "18": Target("COCO file to YOLO, VOC, COCO: CPU over json.load and a plain loop", 1.0, 0.5),
}


class Result(NamedTuple):
    """One measured figure; `spread` holds its lowest and highest round, `notes` what it was made of."""

    target: str
    measured: float
    spread: tuple[float, float]
    notes: str
