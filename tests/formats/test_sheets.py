"""Plain rows written together say, byte for byte and loss for loss, what they say mark by mark."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import annotary
from annotary.engine import exporting, sheet_parts, spreading
from annotary.engine.core import Engine
from annotary.engine.corpus_images import of_corpus
from annotary.engine.exporting import open_corpus, open_export
from annotary.engine.findings import Findings
from annotary.engine.loading import import_sources
from annotary.engine.sources import ValueSource
from annotary.formats import _columns as columns
from annotary.formats import _marks as marks
from annotary.formats import _seen, load
from annotary.model.export import ExportQuery, ProjectScope
from annotary.model.image import POLYGON, Mark
from annotary.model.project import Project
from annotary.model.sheet import Prepared, Sheet
from annotary.operations.exports import StartExport
from annotary.sample.workload import workload
from annotary.store import Store

Json = dict[str, Any]
CUBOID = {
    "center": {"x": 500, "y": 400},
    "rotation": {"x": 0.1, "y": 0.2, "z": 0},
    "size": {"x": 40, "y": 30, "z": 20},
}


def objects(row: Json) -> list[Json]:
    return [
        drawn
        for share in row["projects"].values()
        for label in share["labels"]
        for drawn in label["annotations"]["objects"]
    ]


def box_of(row: Json, luck: random.Random) -> Json | None:
    found = [drawn for drawn in objects(row) if "bounding_box" in drawn]
    return luck.choice(found) if found else None


def ring_of(row: Json, luck: random.Random) -> Json | None:
    found = [drawn for drawn in objects(row) if "polygon" in drawn]
    return luck.choice(found) if found else None


def beyond(row: Json, luck: random.Random) -> None:
    if (drawn := box_of(row, luck)) is not None:
        drawn["bounding_box"] |= {"left": luck.choice((-30.5, 1900, -0.0005)), "width": 60.25}


def outside(row: Json, luck: random.Random) -> None:
    if (drawn := box_of(row, luck)) is not None:
        drawn["bounding_box"] |= {"top": 5000.5}


def flat(row: Json, luck: random.Random) -> None:
    if (drawn := box_of(row, luck)) is not None:
        drawn["bounding_box"] |= {"width": 0, "height": 0}


def far(row: Json, luck: random.Random) -> None:
    if (drawn := box_of(row, luck)) is not None:
        drawn["bounding_box"] |= {"left": 1e300, "width": 1e300}


def odd_ring(row: Json, luck: random.Random) -> None:
    if (drawn := ring_of(row, luck)) is not None:
        drawn["polygon"] = luck.choice(
            (
                drawn["polygon"][:-1],
                [{"x": 1, "y": 2}, {"x": 30, "y": 2}, {"x": 30, "y": 40.5}, {"x": 1, "y": 2}],
                [{"x": 1, "y": 2}, {"x": 30, "y": 2}, {"x": 30, "y": 2e2}],
                [{"x": 5, "y": 5}, {"x": 5, "y": 5}, {"x": 5, "y": 5}, {"x": 5, "y": 5}],
                [{"x": -7.25, "y": 1e-7}, {"x": 1e5, "y": 2}, {"x": 30, "y": 40.123456789012345}],
            )
        )


def short_ring(row: Json, luck: random.Random) -> None:
    if (drawn := ring_of(row, luck)) is not None:
        drawn["polygon"] = [{"x": 1, "y": 2}, {"x": 30, "y": 2}][: luck.randrange(1, 3)]


def answered(row: Json, luck: random.Random) -> None:
    drawn = luck.choice(objects(row))
    drawn["classifications"] = [
        {"feature_id": "q-1", "feature_schema_id": "s-1", "name": "state", "value": "state", **given}
        for given in ({"text_answer": {"content": 'a "b"'}}, {"text_answer": {"content": "c"}})
    ][: luck.randrange(1, 3)]


def carried(row: Json, luck: random.Random) -> None:
    luck.choice(objects(row))["coco"] = {"id": luck.randrange(50), "keypoints": [1, 2, 2], "iscrowd": 0}


def carried_image(row: Json, luck: random.Random) -> None:
    row["coco"] = {"id": luck.randrange(50), "license": 3}


def cuboid(row: Json, luck: random.Random) -> None:
    objects(row)[0].update({"annotation_kind": "ImageCuboid", "cuboid": CUBOID})
    for key in ("bounding_box", "polygon", "line", "point", "mask"):
        objects(row)[0].pop(key, None)


def no_size(row: Json, luck: random.Random) -> None:
    row["media_attributes"] = {"mime_type": "image/jpeg"}


def name(row: Json, luck: random.Random) -> None:
    row["data_row"]["external_id"] = luck.choice(
        ("../up.jpg", "aux.png", "night/cam 1.jpg", "twice.jpg", "TWICE.jpg", 'é 😀,"quoted".jpg', "a\nb.jpg")
    )


def new_class(row: Json, luck: random.Random) -> None:
    luck.choice(objects(row))["name"] = luck.choice(("unheard of", 'a "class"', "größer"))


def two_labels(row: Json, luck: random.Random) -> None:
    (share,) = row["projects"].values()
    second = json.loads(json.dumps(share["labels"][0]).replace('"feature_id": "c', '"feature_id": "d'))
    second["id"] = "second" + second["id"]
    share["labels"].append(second)


def no_label(row: Json, luck: random.Random) -> None:
    (share,) = row["projects"].values()
    share["labels"] = []


def nothing(row: Json, luck: random.Random) -> None:
    (share,) = row["projects"].values()
    share["labels"][0]["annotations"] |= {"objects": [], "classifications": []}


UNUSUAL: dict[str, Callable[[Json, random.Random], None]] = {
    one.__name__: one
    for one in (
        *(beyond, outside, flat, far, odd_ring, short_ring, answered, carried, carried_image, cuboid),
        *(no_size, name, new_class, two_labels, no_label, nothing),
    )
}
OPTIONS: dict[str, list[Json]] = {
    "coco": [{}, {"layout": "splits"}, {"split": (0.5, 0.5)}, {"layout": "results"}],
    "yolo": [{}, {"split": (0.6, 0.2, 0.2)}, {"class_index": {"pedestrian": 12, "building": 3}}],
}


def store_of(folder: Path, unusual: list[str], share: float, seed: int) -> Engine:
    luck = random.Random(seed)
    rows = [json.loads(line) for line in islice(workload(110), 110)]
    for row in rows:
        for one in unusual:
            if luck.random() < share and (objects(row) or one == "name"):
                UNUSUAL[one](row, luck)
    engine = Engine(Store.open(folder))
    import_sources(engine, [ValueSource(rows)], format="labelbox-v2", on_problem="skip")
    return engine


def written(
    engine: Engine, name: str, options: Json, *, together: bool
) -> tuple[dict[str, bytes], Json, int]:
    (project,) = engine.store.find(Project)
    form = load(name)
    chosen = form.options(**options)
    findings = Findings()
    corpus = open_corpus(engine, ExportQuery(scope=ProjectScope(id=project.id)))
    found = of_corpus(engine, corpus, chosen, findings, None, sheets=True)
    sheets = 0

    def counted() -> Any:
        nonlocal sheets
        assert found.sheets is not None
        for one in found.sheets():
            sheets += isinstance(one, Sheet)
            yield one

    files: defaultdict[str, bytes] = defaultdict(bytes)
    assert form.write is not None
    for part in form.write(found._replace(sheets=counted if together else None), chosen):
        files[part.path] += part.data
    return files, findings.ledger.document(), sheets


def same(engine: Engine, name: str, options: Json) -> int:
    """Whether both ways say the same; how many sheets there were."""
    files, losses, sheets = written(engine, name, options, together=True)
    wanted, lost, _ = written(engine, name, options, together=False)
    assert files == wanted
    assert losses == lost
    assert losses["balance"]
    assert all(one["in"] == one["out"] + one["dropped"] for one in losses["balance"])
    return sheets


@pytest.mark.parametrize("unusual", [*UNUSUAL, "all", "none"])
def test_sheets_say_what_marks_say(tmp_path: Path, unusual: str) -> None:
    some = [*UNUSUAL] if unusual == "all" else [] if unusual == "none" else [unusual]
    engine = store_of(tmp_path / "store", some, 0.04 if unusual == "all" else 0.1, seed=len(unusual))
    try:
        for name, options in OPTIONS.items():
            in_sheets = [one for one in options if load(name).options(**one).sheets()]
            sheets = [same(engine, name, one) for one in in_sheets]
            # There is something to compare.
            assert sheets[0] > 0
    finally:
        engine.close()


class AtOnce(Executor):
    """Does what it is asked for before it answers."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(work(*arguments, **named))
        return future


def all_given(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Have all stretches, of so many rows, written by others."""
    monkeypatch.setattr(spreading, "STEP", step)
    monkeypatch.setattr(spreading, "LONGEST", step)
    monkeypatch.setattr(spreading, "LEFT", 0)
    monkeypatch.setattr(spreading, "Processes", lambda count, folder: nullcontext(AtOnce()))


def spread(engine: Engine, name: str, options: Json, workers: int, labels: Any = "all") -> Any:
    """All that so many processes say: files, losses, counts."""
    (project,) = engine.store.find(Project)
    query = ExportQuery(scope=ProjectScope(id=project.id), labels=labels)
    request = StartExport(query=query, format=name, options=options, workers=workers)
    export = open_export(engine, request, counted=True)
    files: defaultdict[str, bytes] = defaultdict(bytes)
    for part in export.taken():
        files[part.path] += part.data
    return files, export.findings.ledger.document(), export.counts()


@pytest.mark.parametrize("unusual", [*UNUSUAL, "all", "none"])
def test_several_processes_say_what_one_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unusual: str
) -> None:
    made: list[Any] = []
    left: list[Any] = []

    def joined(parts: Any, read: Any) -> Any:
        for one in sheet_parts.joined(parts, read):
            (made if isinstance(one, Prepared) else left).append(one)
            yield one

    monkeypatch.setattr(exporting, "joined", joined)
    all_given(monkeypatch, 10)
    some = [*UNUSUAL] if unusual == "all" else [] if unusual == "none" else [unusual]
    engine = store_of(tmp_path / "store", some, 0.01 if unusual == "all" else 0.05, seed=len(unusual))
    try:
        for name, options in OPTIONS.items():
            for one in options:
                labels = "latest" if unusual == "two_labels" else "all"
                assert spread(engine, name, one, 2, labels) == spread(engine, name, one, 1, labels)
    finally:
        engine.close()
    assert made
    assert not left


@pytest.mark.parametrize("clash", ["image", "annotation", "category"])
def test_what_was_made_apart_and_does_not_fit_is_written_mark_by_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clash: str
) -> None:
    """Two images of one name, two marks of one id and image, a class whose number a COCO file has taken."""
    rows = [json.loads(line) for line in islice(workload(110), 110)]
    for at in (70, 20):
        if clash == "category":
            break
        rows[at]["data_row"].pop("global_key")
        rows[at]["data_row"]["external_id"] = "the same"
    if clash == "annotation":
        for at in (70, 20):
            rows[at]["projects"][next(iter(rows[at]["projects"]))]["labels"][0]["annotations"]["objects"] = [
                {**objects(rows[0])[0], "feature_id": "one"}
            ]
    if clash == "category":
        objects(rows[0])[0].update(name="from a file", coco={"id": 5, "category_id": 2, "image_id": 1})
    all_given(monkeypatch, 40)
    again: list[Any] = []
    real = Prepared.again
    monkeypatch.setattr(Prepared, "again", lambda self: again.append(self) or real(self))
    engine = Engine(Store.open(tmp_path / "store"))
    try:
        import_sources(engine, [ValueSource(rows)], format="labelbox-v2", on_problem="skip")
        assert spread(engine, "coco", {}, 2) == spread(engine, "coco", {}, 1)
    finally:
        engine.close()
    assert again


@pytest.mark.parametrize("rows", ["no_label", "nothing"])
def test_sheets_without_a_mark(tmp_path: Path, rows: str) -> None:
    engine = store_of(tmp_path / "store", [rows], 1, seed=1)
    try:
        (sheets,) = {same_of_nothing(engine, name) for name in ("coco", "yolo")}
        assert sheets > 0
    finally:
        engine.close()


def same_of_nothing(engine: Engine, name: str) -> int:
    files, _, sheets = written(engine, name, {}, together=True)
    assert files == written(engine, name, {}, together=False)[0]
    return sheets


def test_ids_beyond_memory_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_seen, "_RECENT", 50)
    monkeypatch.setattr(_seen, "_BITS", 8)
    monkeypatch.setattr(_seen, "_PLACES", 255)
    engine = store_of(tmp_path / "store", ["carried", "two_labels"], 0.02, seed=3)
    try:
        assert same(engine, "coco", {}) > 0
    finally:
        engine.close()


def test_areas_and_bounds_are_those_of_single_polygons() -> None:
    luck = random.Random(5)
    sheet_marks = []
    for _ in range(200):
        ring = [
            {"x": round(luck.uniform(-50, 4000), luck.randrange(17)), "y": luck.uniform(0, 3000)}
            for _ in range(luck.randrange(3, 60))
        ]
        text = json.dumps(ring + ring[: luck.randrange(2)], separators=(",", ":"))
        sheet_marks.append(json.loads(f'{{"name":"a","text":{json.dumps(text)}}}')["text"])
    drawn = [columns.Drawn(kind=POLYGON, feature_id="f", polygon=one.encode()) for one in sheet_marks]
    sheet = Sheet([], [], [len(drawn)], drawn, [POLYGON] * len(drawn), list)
    shapes = columns.drawn(sheet)
    assert shapes is not None
    found = shapes.rings
    singles = [Mark(kind=POLYGON, polygon=one.encode()) for one in sheet_marks]
    assert found.areas.tolist() == [marks.flat_area(one.flat()) for one in singles]
    assert list(zip(*found.bounds.tolist(), strict=True)) == [marks.corners(one) for one in singles]
    again = [Mark(kind=POLYGON, polygon=one.encode()) for one in sheet_marks]
    assert found.texts() == [one.flat_text() for one in again]


@pytest.mark.parametrize("to", ["yolo", "voc"])
def test_polygons_of_a_file_measured_together_are_what_single_ones_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    luck = random.Random(11)
    file = tmp_path / "instances.json"
    file.write_text(json.dumps(coco_of(luck)))
    together = converted(file, tmp_path / "together", to)
    asked: list[int] = []

    def not_measured(found: list[bytes], *, again: bool) -> None:
        asked.append(len(found))

    monkeypatch.setattr(columns, "rings", not_measured)
    assert converted(file, tmp_path / "single", to) == together
    assert sum(asked) > 100


def coco_of(luck: random.Random) -> Json:
    annotations = []
    for id in range(400):
        ring = [round(luck.uniform(-20, 700), luck.randrange(5)) for _ in range(2 * luck.randrange(3, 30))]
        shape: Any = luck.choice(
            ([], [ring], [ring], [[*ring, *ring[:2]]], [ring, ring[::-1]], [ring[:5]], [[5] * 6])
        )
        box = [luck.uniform(0, 500), 20, 30.5, luck.randrange(40)]
        annotations.append(
            {"id": id, "image_id": luck.randrange(150), "category_id": 1, "bbox": box, "segmentation": shape}
            | {"area": 5, "iscrowd": 0}
        )
    images = [{"id": id, "file_name": f"{id}.jpg", "width": 640, "height": 480} for id in range(150)]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "a"}]}


def converted(file: Path, folder: Path, to: str) -> dict[str, bytes]:
    annotary.convert(file, folder, to=to, on_problem="skip")
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}
