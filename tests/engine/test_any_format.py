"""Exports of every format by several processes: the same bytes, losses and counts as one process writes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import annotary
from annotary import formats
from annotary.engine import corpus_images, spreading
from annotary.engine.core import Engine
from annotary.engine.exporting import open_export
from annotary.engine.processes import Died, Processes
from annotary.engine.sheet_parts import MADE
from annotary.model.export import ExportParams, ExportQuery, ProjectScope
from annotary.model.image import Classes, Image
from annotary.model.project import Project
from annotary.operations.exports import StartExport
from annotary.sample.truth import row as sample_row
from annotary.store import Store
from tests._processes import children
from tests.formats import everything

MODULE = "annotary.engine.processes"
WRITERS = [name for name in formats.names() if formats.load(name).write is not None]
TRAINING = [name for name in WRITERS if formats.load(name).images]
COPIED = {"split": (0.5, 0.3, 0.2), "images": "copy"}
MORE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("voc", {"segmentation": True}),
    ("voc", {"whole": True}),
    ("coco", {"layout": "splits"}),
    ("coco", {"layout": "results"}),
    ("masks", {"fill": True, "line_width": 2.0, "order": "size"}),
)
ALL = [(name, {}) for name in WRITERS] + [(name, COPIED) for name in TRAINING] + list(MORE)
ROWS = 22
HOSTILE = ("a/b: 1.jpg", "A/B: 1.JPG", "../up.png", "aux.png", "x" * 300 + ".jpg", "no ending", 'é\n,".png')


def _images() -> Iterator[Image]:
    """Images of every kind, which have the same names again some rows later."""
    for time in range(5):
        for at, image in enumerate(everything.images()):
            for mark in image.marks:
                mark.feature_id += f"-{time}"
                for name in ("unidirectional_relationship", "bidirectional_relationship"):
                    if ends := getattr(mark, name):
                        ends = {key: f"{id}-{time}" for key, id in json.loads(bytes(ends)).items()}
                        setattr(mark, name, everything.raw(ends))
            name = HOSTILE[(3 * time + at) % len(HOSTILE)] if time % 2 else image.external_id
            coco = everything.raw({"id": 7 + time // 2, "license": 3}) if at == 1 else image.coco
            yield replace(image, global_key=f"{image.key}-{time}", external_id=name, coco=coco)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with every kind of object, carried words of COCO files, and some rows of the sample."""
    place = tmp_path_factory.mktemp("any")
    files, _ = everything.written("csv", list(_images()), everything.classes())
    (place / "images.csv").write_bytes(files[""])
    (place / "images").mkdir()
    (place / "images" / "scored.jpg").write_bytes(b"pixels")
    with annotary.Client(place / "sample") as client:
        client.port.load([sample_row(3, at) for at in range(ROWS - 20)], format="labelbox-v2")
        client.get_projects()[0].export(format="csv").save(place / "sample.csv")
    with annotary.Client(place / "store") as client:
        for name in ("images.csv", "sample.csv"):
            client.load(place / name, project="any")
    return place / "store"


@pytest.fixture
def engine(store: Path) -> Iterator[Engine]:
    engine = Engine(Store.open(store))
    yield engine
    engine.close()


@pytest.fixture(autouse=True)
def _short_stretches(own_engines: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows a stretch."""
    monkeypatch.setattr(spreading, "STEP", 3)
    monkeypatch.setattr(spreading, "LONGEST", 3)
    monkeypatch.setattr(spreading, "CLOSELY", 1)


class Here(Executor):
    """Does what others have to do at once, but for the jobs over which it dies."""

    def __init__(self, *deaths: int) -> None:
        self.deaths = deaths
        self.given = 0
        self.made = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.given += 1
        try:
            if self.given in self.deaths:
                raise Died("killed")
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        else:
            self.made += sum(path == MADE for path, _ in future.result().parts)
        return future


Written = tuple[list[tuple[str, bytes, tuple[str, ...]]], dict[str, Any], dict[str, int]]


def written(
    engine: Engine, name: str, options: dict[str, Any], workers: int, images: Path | None = None
) -> Written:
    """The files of an export in order, its losses, and its counts."""
    (project,) = engine.store.find(Project)
    # Import lines have no word for several labels of one row.
    query = ExportQuery(scope=ProjectScope(id=project.id), params=ExportParams(label_details=True))
    request = StartExport(query=query, format=name, options=options, workers=workers)
    export = open_export(engine, request, counted=True, images=images)
    files = [
        (path, b"".join(part.data for part in parts), tuple(part.link for part in parts if part.link))
        for path, found in groupby(export.taken(), lambda part: part.path)
        for parts in [list(found)]
    ]
    return files, export.findings.ledger.document(), export.counts()


def spread(
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    others: Executor,
    name: str,
    options: dict[str, Any],
    images: Path | None = None,
) -> Written:
    """The same by several; `others` do what this process does not."""
    with monkeypatch.context() as patched:
        patched.setattr(spreading, "Processes", lambda count, folder: nullcontext(others))
        return written(engine, name, options, 2, images)


class Killed(Executor):
    """Other processes, of which one is killed when it has been given so many jobs."""

    def __init__(self, others: Processes, at: int) -> None:
        self.others = others
        self.at = at
        self.futures: list[Future[Any]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.futures.append(self.others.submit(fn, *args, **kwargs))
        if len(self.futures) == self.at:
            os.kill(children(os.getpid(), MODULE)[0], signal.SIGKILL)
        return self.futures[-1]


def same(many: Written, one: Written) -> None:
    """Compared piece by piece, so that a failure says where."""
    assert [path for path, *_ in many[0]] == [path for path, *_ in one[0]]
    for file, wanted in zip(many[0], one[0], strict=True):
        assert file == wanted
    for key in ("balance", "losses"):
        for loss, expected in zip(many[1][key], one[1][key], strict=True):
            assert loss == expected
    assert many[2] == one[2]


@pytest.mark.parametrize("name, options", ALL)
def test_stretches_are_the_whole(
    engine: Engine, store: Path, monkeypatch: pytest.MonkeyPatch, name: str, options: dict[str, Any]
) -> None:
    """By others where they are not killed, by whoever asked where they are."""
    images = store.parent / "images"
    one = written(engine, name, options, 1, images)
    assert one[2]["rows"] == ROWS
    others = Here(2, 5)
    same(spread(engine, monkeypatch, others, name, options, images), one)
    assert others.given == 8
    if name in TRAINING:
        assert others.made > 4, "else one way was compared with itself"
    if "images" in options and not formats.load(name).options(**options).one_file():
        assert b"pixels" in [data for _, data, _ in one[0]]


def test_links_to_images_come_with_what_others_have_made_of_them(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    for name in ("voc", "imagefolder"):
        one = written(engine, name, {"images": "link"}, 1, images=store.parent / "images")
        same(
            spread(engine, monkeypatch, Here(2), name, {"images": "link"}, images=store.parent / "images"),
            one,
        )
        assert any(links for *_, links in one[0])


def test_classes_that_no_ontology_has_are_numbered_by_who_knows_all_rows(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def some(*given: Any) -> Classes:
        every = classes_of(*given)
        made = Classes()
        for one in every:
            if one.name not in ("van", "car", "tree", '=1+1 "<b>"'):
                made.add(one.name, one.index)
        return made

    classes_of = corpus_images.classes_of
    monkeypatch.setattr(corpus_images, "classes_of", some)
    for name in ("coco", "cvat", "csv", "datumaro", "masks", "voc", "yolo", "yolo-seg"):
        others = Here(3)
        one = written(engine, name, {}, 1)
        same(spread(engine, monkeypatch, others, name, {}), one)
        assert others.made, "else one way was compared with itself"


def test_processes_of_their_own_of_which_one_is_killed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Processes(1, tmp_path / "parts") as own:
        # What it takes for a process to begin is longer than what these exports take.
        own.submit(len, "begun").result()
        for name in ("label-studio", "masks", "parquet"):
            killed = Killed(own, 1 if name == "masks" else 0)
            same(spread(engine, monkeypatch, killed, name, {}), written(engine, name, {}, 1))
            done = [future for future in killed.futures if future.exception() is None]
            assert done
            assert len(killed.futures) - len(done) == (name == "masks")
