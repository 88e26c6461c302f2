"""Images by hand that have every kind of the model, and names that nobody should have chosen."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from msgspec import Raw

from annotary.engine.image_sets import of_reader
from annotary.engine.sources import FileSource, FolderSource
from annotary.formats import _rle as rle
from annotary.formats import load, reading
from annotary.model.base import to_json
from annotary.model.geometry import Box, Cuboid, Point, Vector
from annotary.model.image import (
    ARROW,
    BOND,
    BOX,
    CUBOID,
    MASK,
    POINT,
    POLYGON,
    POLYLINE,
    Classes,
    Image,
    Mark,
)
from annotary.model.ledger import Ledger


def raw(value: Any) -> Raw:
    return Raw(to_json(value).encode())


def answer(question: str, **given: Any) -> dict[str, Any]:
    return {"feature_id": f"{question}-1", "name": question, **given}


def images() -> list[Image]:
    """Four images: every kind; nothing; hostile names and a carried COCO annotation; scores."""
    ring = np.zeros((12, 16), bool)
    ring[2:10, 3:12] = True
    ring[4:8, 5:9] = False
    radio = answer("occluded", radio_answer={"feature_id": "o-1", "name": "partly", "classifications": []})
    text = answer("plate", text_answer={"content": 'M-"X" 1,\r\n2'})
    weather = answer(
        "weather",
        checklist_answers=[
            {"feature_id": f"w-{one}", "name": one, "classifications": []} for one in ("rain", "fog")
        ],
    )
    cuboid = Cuboid(center=Point(x=8, y=6), rotation=Vector(x=0.1, y=0.2, z=0), size=Vector(x=4, y=3, z=2))
    everything = Image(
        external_id="night/cam 1.jpg",
        global_key="key-1",
        row_data="https://example.org/night/cam%201.jpg?size=full",
        width=16,
        height=12,
        split="train",
        answers=raw([weather]),
        marks=[
            Mark(kind=BOX, name="car", feature_id="b1",
                 bounding_box=Box(left=1.5, top=2.0, width=4.0, height=3.25),
                 classifications=raw([radio, text])),
            Mark(kind=POLYGON, name="tree", feature_id="p1", ring=[1.0, 1.0, 6.5, 1.0, 4.0, 7.25]),
            Mark(kind=POLYLINE, name="lane", feature_id="l1", ring=[0.0, 11.0, 8.0, 5.5, 15.0, 11.0]),
            Mark(kind=POINT, name="light", feature_id="t1", point=Point(x=3.5, y=4.0)),
            Mark(kind=MASK, name="road", feature_id="m1", rle=rle.of_mask(ring)),
            Mark(kind=CUBOID, name="van", feature_id="c1", cuboid=raw(cuboid)),
            Mark(kind=ARROW, name="belongs to", feature_id="r1",
                 unidirectional_relationship=raw({"source": "b1", "target": "p1"})),
            Mark(kind=BOND, name="next to", feature_id="r2",
                 bidirectional_relationship=raw({"source": "b1", "target": "m1"})),
        ],
    )  # fmt: skip
    empty = Image(
        external_id="empty.png", global_key="key-2", row_data="empty.png", width=8, height=8, split="val"
    )
    parts = [[1.0, 1.0, 4.0, 1.0, 4.0, 4.0, 1.0, 4.0], [6.0, 6.0, 9.0, 6.0, 9.0, 9.0]]
    hostile = Image(
        external_id="../=cmd|' /C calc'!A0.jpg",
        global_key="key-3",
        row_data="../=cmd|' /C calc'!A0.jpg",
        width=10,
        height=10,
        split="test",
        marks=[
            Mark(kind=MASK, name="=1+1 \"<b>\"", feature_id="h1", parts=parts,
                 coco=raw({"id": 7, "area": 13.5, "iscrowd": 0, "attributes": {"truncated": True},
                           "segmentation": parts})),
            Mark(kind=BOX, name="soft \u2028break, <x>", feature_id="h2",
                 bounding_box=Box(left=-1.0, top=0.0, width=20.0, height=5.0)),
        ],
    )  # fmt: skip
    scored = Image(
        external_id="scored.jpg",
        global_key="key-4",
        row_data="scored.jpg",
        width=10,
        height=10,
        split="train",
        marks=[
            Mark(kind=BOX, name="car", feature_id="s1", confidence=0.875,
                 bounding_box=Box(left=0.0, top=0.0, width=10.0, height=10.0)),
            Mark(kind=BOX, name="car", feature_id="s2", confidence=1.0,
                 bounding_box=Box(left=1 / 3, top=2 / 3, width=1.0, height=1.0)),
        ],
    )  # fmt: skip
    return [everything, empty, hostile, scored]


def classes() -> Classes:
    """Classes in an order of their own, one of them without an object."""
    made = Classes()
    for name in ("never", "van", "car", "tree", "lane", "light", "road"):
        made.add(name, color="#102030" if name == "never" else "")
    return made


def written(
    name: str,
    given: list[Image] | None = None,
    among: Classes | None = None,
    carried: dict[str, Any] | None = None,
    **options: Any,
) -> tuple[dict[str, bytes], Ledger]:
    """The files of a format by path, and the ledger."""
    form = load(name)
    assert form.write is not None
    ledger, chosen = Ledger(), form.options(**{"images": "skip", **options})
    found = of_reader(
        "set",
        lambda: iter(images() if given is None else given),
        classes() if among is None else among,
        carried or {},
        ledger,
        SimpleNamespace(name="nowhere"),  # type: ignore[arg-type]
        chosen,  # type: ignore[arg-type]
    )
    runs = [
        (path, b"".join(part.data for part in pieces))
        for path, pieces in groupby(form.write(found, chosen), lambda part: part.path)
    ]
    assert len(dict(runs)) == len(runs)
    return dict(runs), ledger


def stored(files: dict[str, bytes], where: Path) -> Path:
    """The files below a folder, or the one file."""
    if list(files) == [""]:
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(files[""])
        return where
    for path, data in files.items():
        (where / path).parent.mkdir(parents=True, exist_ok=True)
        (where / path).write_bytes(data)
    return where


class Found:
    """What a reader gave."""

    def __init__(self, name: str, path: Path) -> None:
        form = load(name)
        assert form.read is not None
        self.problems: list[Any] = []
        self.notices: list[Any] = []
        self.ledger = Ledger()
        to = reading(self.problems.append, self.notices.append, self.ledger)
        source = FolderSource(path) if path.is_dir() else FileSource(path)
        self.images: list[Image] = list(form.read(source, form.options(), to))
        self.classes = to.classes
        self.carried = to.carried

    @property
    def refused(self) -> list[tuple[str, str]]:
        """Reasons and places of what was left out."""
        return [(one.reason, id) for one in self.ledger.losses if one.action == "dropped" for id in one.ids]
