"""Exports of every format by several processes: the same bytes, losses and counts as one process writes."""

from __future__ import annotations

import json
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
from annotary.engine import partitions, spreading
from annotary.engine.core import Engine
from annotary.engine.exporting import open_export
from annotary.engine.processes import Died
from annotary.engine.sheet_parts import MADE
from annotary.model.export import ExportParams, ExportQuery, ProjectScope
from annotary.model.image import Image
from annotary.model.project import Project
from annotary.operations.exports import StartExport
from annotary.sample.truth import row as sample_row
from annotary.store import Store
from tests.formats import everything

WRITERS = [name for name in formats.names() if formats.load(name).write is not None]
TRAINING = [name for name in WRITERS if formats.load(name).images]
SPLIT = {"split": (0.5, 0.3, 0.2)}
MORE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("voc", {"segmentation": True}),
    ("voc", {"whole": True}),
)
ALL = [(name, {}) for name in WRITERS] + [(name, SPLIT) for name in TRAINING] + list(MORE)
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
    with annotary.Client(place / "sample") as client:
        client.port.load([sample_row(3, at) for at in range(4)], format="labelbox-v2")
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
def _short_stretches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Few rows a stretch; what a process keeps open for its next job is closed where it is this one."""
    monkeypatch.setattr(spreading, "STEP", 3)
    monkeypatch.setattr(spreading, "LONGEST", 3)
    opened = partitions._engine
    engines: dict[tuple[str, ...], Engine] = {}

    def kept(*asked: str) -> Engine:
        return engines.get(asked) or engines.setdefault(asked, opened.__wrapped__(*asked))

    monkeypatch.setattr(partitions, "_engine", kept)
    yield
    for engine in engines.values():
        engine.close()


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
    engine: Engine, monkeypatch: pytest.MonkeyPatch, others: Executor, *given: Any, **more: Any
) -> Written:
    """The same by several; `others` do what this process does not."""
    with monkeypatch.context() as patched:
        patched.setattr(spreading, "Processes", lambda count, folder: nullcontext(others))
        return written(engine, *given, workers=2, **more)


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
    engine: Engine, monkeypatch: pytest.MonkeyPatch, name: str, options: dict[str, Any]
) -> None:
    """By others where they are not killed, by whoever asked where they are."""
    one = written(engine, name, options, workers=1)
    assert one[2]["rows"] == 24
    others = Here(2, 5)
    same(spread(engine, monkeypatch, others, name, options), one)
    assert others.given == 8 or not formats.load(name).options(**options).in_stretches()
    if name in TRAINING and name != "coco":
        assert others.made > 4, "else one way was compared with itself"
