"""What each training format can say, by trying: images of one thing each are written and read again.

The table of docs/formats.md is made of what came back, so that a format that gains or loses something
changes that page; and it is an error where the ledger tells another story than the files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from math import isclose
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image as Picture

import annotary
from annotary.formats import _rle as rle
from annotary.formats import load, names

Json = dict[str, Any]
PLAIN = "imagefolder"
"""It says everything, one record an image: what is put in, and what is looked at."""
NEAR = 0.01
"""Pixels that a number may be off, since some formats round."""
COPY = {"images": "copy"}
SIZE = (64, 48)
NO = "no"
BOX = [8, 8, 16, 12]
CORNERS = "8 8, 40 10, 30 36"
PARTS = "MULTIPOLYGON (((4 4, 20 4, 20 20, 4 20, 4 4)), ((30 30, 50 30, 50 44, 30 44, 30 30)))"
CUBOID = {
    "center": {"x": 30, "y": 24},
    "rotation": {"x": 0.1, "y": 0.2, "z": 0},
    "size": {"x": 14, "y": 10, "z": 8},
    "projection": "orthographic",
}
ANSWERS: dict[str, Json] = {
    "radio": {"radio_answer": {"name": "on", "classifications": []}},
    "checklist": {"checklist_answers": [{"name": "on", "classifications": []}, {"name": "old"}]},
    "text": {"text_answer": {"content": "a scratch"}},
}
BELOW = {"feature_id": "why-1", "name": "why", "text_answer": {"content": "wet"}}
COLUMNS = (
    "box",
    "polygon",
    "polygon of parts",
    "polyline",
    "point",
    "mask",
    "cuboid",
    "relationship",
    "answer of an image",
    "answer of an object",
    "nested answer",
    "score",
    "split",
    "empty image",
    "unused class",
)


def _record(name: str, *objects: Json, split: str = "train", answers: Any = None) -> tuple[str, Json]:
    """An image and its objects, each with `kind` and what else is said of it."""

    def column(key: str, otherwise: Any) -> list[Any]:
        return [one.get(key, otherwise) for one in objects]

    width, height = SIZE
    file = f"{name.replace(' ', '-')}.png"
    return split, {
        "file_name": file,
        "external_id": file,
        "global_key": name,
        "row_data": file,
        "width": width,
        "height": height,
        "answers": _text(answers),
        "carried": "",
        "objects": {
            "bbox": column("bbox", None),
            "names": column("name", "thing"),
            "kinds": column("kind", "box"),
            "ids": [f"{name}:{at}" for at, _ in enumerate(objects)],
            "geometry": column("geometry", ""),
            "confidence": column("confidence", -1.0),
            "answers": [_text(one.get("answers")) for one in objects],
            "carried": ["" for _ in objects],
        },
    }


def _text(value: Any) -> str:
    return "" if value is None else json.dumps(value)


def _answer(kind: str, *below: Json) -> list[Json]:
    given = json.loads(json.dumps(ANSWERS[kind]))
    if below:
        given["radio_answer"]["classifications"] = list(below)
    return [{"feature_id": f"{kind}-1", "name": kind, **given}]


def _rows() -> list[tuple[str, Json]]:
    box = {"bbox": BOX}
    # Columns one below the other: a square of 20 pixels with a hole of 8.
    column, holed = [28, 20], [28, 6, 8, 6]
    runs = [388, 20, *column * 5, *holed * 8, *column * 6]
    mask = {"size": [SIZE[1], SIZE[0]], "counts": [*runs, SIZE[0] * SIZE[1] - sum(runs)]}
    ends = {"source": "relationship:0", "target": "relationship:1", "directed": True}
    return [
        _record("box", box),
        _record("polygon", {"kind": "polygon", "geometry": f"POLYGON (({CORNERS}, 8 8))"}),
        _record("polygon of parts", {"kind": "mask", "geometry": PARTS}),
        _record("polyline", {"kind": "polyline", "name": "line", "geometry": f"LINESTRING ({CORNERS})"}),
        _record("point", {"kind": "point", "name": "dot", "geometry": "POINT (20 12)"}),
        _record("mask", {"kind": "mask", "geometry": json.dumps(mask)}),
        _record("cuboid", {"kind": "cuboid", "name": "crate", "geometry": json.dumps(CUBOID)}),
        _record(
            "relationship",
            box,
            {"bbox": [30, 20, 10, 10]},
            {"kind": "relationship", "name": "near", "geometry": json.dumps(ends)},
        ),
        _record("answer of an image", answers=_answer("text")),
        _record("answer of an object", {**box, "answers": _answer("radio")}),
        _record("nested answer", {**box, "answers": _answer("radio", BELOW)}),
        _record("score", {**box, "confidence": 0.5}),
        _record("split", box, split="test"),
        _record("empty image"),
    ]


def _kept(folder: Path) -> dict[str, tuple[str, Json]]:
    """The records of a folder by the image's name, with their splits."""
    found = {}
    for path in folder.rglob("metadata.jsonl"):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            name = Path(record["external_id"] or record["file_name"]).name
            found[name.removesuffix(".png").replace("-", " ")] = path.parent.name, record
    return found


def _shape(record: Json, at: int) -> tuple[str, list[float]]:
    """An object's kind and the numbers of its geometry; of a mask its pixels."""
    kind, text = record["objects"]["kinds"][at], record["objects"]["geometry"][at]
    if kind == "box":
        return kind, list(record["objects"]["bbox"][at])
    if kind == "mask" and text.startswith("{"):
        said = json.loads(text)
        return kind, list(map(float, rle.counts_of(rle.of_segmentation(said).mask())))
    if kind == "relationship":
        return kind, [float(json.loads(text)["directed"])]
    return kind, [float(one) for one in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", text)]


def _object(given: Json, found: Json, at: int = 0) -> str:
    """What became of an object: `yes` where it came back to a hundredth of a pixel."""
    if len(found["objects"]["kinds"]) <= at:
        return NO
    (kind, ours), (other, theirs) = _shape(given, at), _shape(found, at)
    if kind != other:
        return f"as {other}"
    near = len(ours) == len(theirs) and all(
        isclose(one, two, abs_tol=NEAR) for one, two in zip(ours, theirs, strict=True)
    )
    return "yes" if near else "about"


def _answered(given: Json, found: Json) -> str:
    """What became of the answers of an image, and of its objects."""

    def said(record: Json) -> list[Any]:
        texts = [record["answers"], *record["objects"]["answers"]]
        return [_plain(json.loads(text)) for text in texts if text]

    if not said(found):
        return NO
    return "yes" if said(given) == said(found) else "about"


def _plain(answers: list[Json]) -> Any:
    """Answers without the ids that a reader gives them, and without empty lists."""
    return json.loads(
        json.dumps(answers),
        object_hook=lambda one: {
            name: value for name, value in one.items() if name != "feature_id" and value != []
        },
    )


def _cells(name: str, folder: Path) -> dict[str, str]:
    """What came back from a format, by column. Raises AssertionError where the ledger says otherwise."""
    there, back = folder / name, folder / f"{name} back"
    pictures = folder / "pictures"
    done = annotary.convert(folder / "all", there, to=name, format=PLAIN, images=pictures, options=COPY)
    annotary.convert(there, back, to=PLAIN, format=name, images=pictures)
    given, found = _kept(folder / "all"), _kept(back)
    cells = {}
    for column, (split, record) in given.items():
        came_split, came = found[column]
        match column:
            case "split":
                cells[column] = "yes" if came_split == split else NO
            case "empty image":
                cells[column] = "yes" if not came["objects"]["kinds"] else "about"
            case "score":
                scores = came["objects"]["confidence"]
                cells[column] = "yes" if scores == record["objects"]["confidence"] else NO
            case "answer of an image" | "answer of an object" | "nested answer":
                cells[column] = _answered(record, came)
            case "relationship":
                cells[column] = _object(record, came, at=2)
            case _:
                cells[column] = _object(record, came)
    cells["unused class"] = "yes" if UNUSED in _classes(back) else NO
    told = {id.partition(":")[0].removesuffix(".png").replace("-", " ") for id in _left_out(done)}
    for column, cell in cells.items():
        if cell == NO and column not in told:
            # The file has it, as something that is no answer to whoever reads it.
            assert column in WRITTEN.get(name, ()), f"{name} loses the {column} in silence"
            cells[column] = "as attribute"
        assert cell != "yes" or column not in told or column == "split", (
            f"{name} reports the loss of the {column}, and has it"
        )
    return cells


def _left_out(done: Any) -> Iterator[str]:
    """The ids of what the ledger says is not there, or not as it was."""
    for loss in done.losses["losses"]:
        if loss["action"] == "dropped" or "left out" in loss["reason"]:
            assert "ids_more" not in loss
            yield from loss["ids"]


def _classes(folder: Path) -> list[str]:
    (path,) = folder.rglob("classes.json")
    return [one["name"] for one in json.loads(path.read_text())["classes"]]


WRITTEN = {"datumaro": ("answer of an image", "answer of an object", "nested answer")}
UNUSED = "never seen"


def table() -> str:
    """Formats by what they can say."""
    shown = [name for name in names() if load(name).images and load(name).write and load(name).read]
    with TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "pictures").mkdir()
        for split, record in _rows():
            path = folder / "all" / split / "metadata.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as file:
                file.write(json.dumps(record) + "\n")
            Picture.new("RGB", SIZE).save(folder / "pictures" / record["file_name"])
        named = ["thing", "line", "dot", "crate", "near", UNUSED]
        classes = [{"name": one, "index": at} for at, one in enumerate(named)]
        (folder / "all" / "classes.json").write_text(json.dumps({"classes": classes}))
        cells = {name: _cells(name, folder) for name in shown}
    rows = [f"| format | {' | '.join(COLUMNS)} |", f"|---{'|---' * len(COLUMNS)}|"]
    for name, its in cells.items():
        rows.append(f"| `{name}` | {' | '.join(its.get(column, '') for column in COLUMNS)} |")
    return "\n".join(rows)
