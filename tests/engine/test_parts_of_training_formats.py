"""Exports of training formats in parts: each is a data set by itself, together they are the one export."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from msgspec import Raw
from PIL import Image as Picture

import annotary
from annotary.engine import corpus_images, partitions, spreading
from annotary.engine.converting import split_of_name
from annotary.engine.core import Engine
from annotary.engine.in_parts import deliver_parts
from annotary.engine.partitions import parts_place
from annotary.engine.recognising import opened
from annotary.engine.sinks import UNLINKED
from annotary.engine.written import delivered
from annotary.errors import Invalid, Lossy, Unavailable
from annotary.formats import load, reading
from annotary.model.geometry import Box
from annotary.model.image import BOX, Classes, Image, Mark, Settled
from annotary.model.ledger import Ledger
from annotary.sample.truth import row as sample_row
from annotary.store import Store
from tests._processes import children
from tests.formats.everything import written

ROWS, STEP = 22, 5
MODULE = "annotary.engine.processes"
FORMATS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("coco", {}, ".json"),
    ("coco", {"split": [0.6, 0.4]}, ".zip"),
    ("yolo", {}, ".zip"),
    ("masks", {}, ".zip"),
    ("csv", {"split": [0.6, 0.4]}, ".csv"),
    ("parquet", {}, ".parquet"),
    ("voc", {}, ".zip"),
    ("kitti", {}, ".zip"),
)


@pytest.fixture(autouse=True)
def _small_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(spreading, "FILE_STEP", STEP)
    monkeypatch.setattr(spreading, "CLOSELY", 1)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield
    assert not children(os.getpid(), MODULE), "a process was left behind"
    assert not list(tmp_path.rglob(".annotary-*")), "a folder was left behind"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with one project of some rows of the sample, masks and all."""
    return filled(str(tmp_path_factory.mktemp("sample")))


def filled(target: str) -> str:
    with annotary.Client(target) as client:
        client.port.load([sample_row(3, index) for index in range(ROWS)], format="labelbox-v2")
    return target


def in_parts(target: str, out: Path, **given: Any) -> tuple[dict[str, bytes], Any]:
    """The files of an export in parts, as their manifest has them, and the export."""
    with annotary.Client(target) as client:
        (project,) = client.get_projects()
        export = project.export(**given).open(counted=True)
        deliver_parts(export, out)
    found = {path.name: path.read_bytes() for path in sorted(out.iterdir())}
    manifest = json.loads(found.pop("manifest.json"))
    losses = found.pop("losses.json", None)
    assert manifest["counts"] == export.counts()
    assert [one["path"] for one in manifest["files"]] == list(found)
    for one, data in zip(manifest["files"], found.values(), strict=True):
        assert (one["bytes"], one["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert sum(one["rows"] for one in manifest["files"]) == export.done
    ledger = export.findings.ledger
    assert manifest["losses"] == len(ledger.losses)
    assert (json.loads(losses) if losses else None) == (ledger.document() if ledger.losses else None)
    return found, export


def together(target: str, out: Path, **given: Any) -> tuple[Path, Any]:
    """The one export, and what there was to tell of it."""
    with annotary.Client(target) as client:
        (project,) = client.get_projects()
        export = project.export(workers=1, **given).open(counted=True)
        path = out / ("one" + (export.format.ending if export.one_file else ""))
        delivered(export, path)
    return path, export


def read(path: Path, format: str) -> tuple[list[tuple[str, str, list[tuple[str, str]]]], dict[str, Any]]:
    """The images of a data set with their splits and marks, in order of their names; the classes with their
    numbers and the ids of their categories.
    """
    form = load(format)
    assert form.read is not None
    problems: list[Any] = []
    to = reading(problems.append, lambda notice: None)
    images = []
    for source in opened([path], None, format):
        split = split_of_name(source.name)
        for one in form.read(source, form.options(), to):
            images.append((one.name, one.split or split, [(mark.kind, mark.name) for mark in one.marks]))
    assert not problems
    return sorted(images), {one.name: (one.index, one.category.get("id")) for one in to.classes}


@pytest.mark.parametrize(("format", "options", "ending"), FORMATS)
def test_each_part_is_a_data_set_and_together_they_are_the_one(
    sample: str, tmp_path: Path, format: str, options: dict[str, Any], ending: str
) -> None:
    asked = {"format": format, "options": options}
    path, one = together(sample, tmp_path, **asked)
    files, export = in_parts(sample, tmp_path / "out", workers=1, **asked)
    assert list(files) == [f"part-{number:05}{ending}" for number in range(5)]
    assert export.findings.ledger.document() == one.findings.ledger.document()
    assert export.findings.notices == one.findings.notices
    assert export.counts() == one.counts()
    images, classes = read(path, format)
    parts = [read(tmp_path / "out" / name, format) for name in files]
    assert all(some for some, _ in parts)
    assert sorted(image for some, _ in parts for image in some) == images
    assert len(images) == ROWS
    assert all(numbers == classes for _, numbers in parts)


@pytest.mark.parametrize(("format", "options"), [("coco", {}), ("masks", {}), ("csv", {})])
def test_other_processes_write_the_same_bytes(
    sample: str, tmp_path: Path, format: str, options: dict[str, Any]
) -> None:
    asked = {"format": format, "options": options}
    one, alone = in_parts(sample, tmp_path / "1", workers=1, **asked)
    two, others = in_parts(sample, tmp_path / "2", workers=2, **asked)
    assert one == two
    assert alone.findings.ledger.document() == others.findings.ledger.document()


def test_a_part_is_imported_again(sample: str, tmp_path: Path) -> None:
    files, _ = in_parts(sample, tmp_path / "out", format="yolo-seg")
    with annotary.Client(tmp_path / "again") as client:
        for name in files:
            client.load(tmp_path / "out" / name, project="again")
        (project,) = client.get_projects()
        assert len(project.export().result) == ROWS


def test_a_process_that_dies_costs_its_part_and_is_told_of_once(sample: str, tmp_path: Path) -> None:
    killed: list[int] = []

    def moved(rows: int) -> None:
        if not killed:
            killed.extend(children(os.getpid(), MODULE))
            for process in killed:
                os.kill(process, signal.SIGKILL)

    _, one = together(sample, tmp_path, format="masks")
    with annotary.Client(sample) as client:
        (project,) = client.get_projects()
        export = project.export(format="masks", workers=3).open(counted=True)
        deliver_parts(export, tmp_path / "out", moved)
    assert killed
    assert export.counts() == one.counts()
    assert export.findings.ledger.document() == one.findings.ledger.document()


class _Here(Executor):
    """Who does all at once, in this process."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@pytest.mark.postgres
def test_an_executor_writes_the_same_bytes(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(Store.open(filled(postgres_url)))
    monkeypatch.setattr(partitions, "_engine", lambda *asked: engine)
    for format in ("coco", "yolo"):
        one, alone = in_parts(postgres_url, tmp_path / f"{format}-1", workers=1, format=format)
        two, others = in_parts(postgres_url, tmp_path / f"{format}-2", executor=_Here(), format=format)
        assert one == two
        assert alone.findings.ledger.document() == others.findings.ledger.document()
    engine.close()


@pytest.mark.postgres
def test_into_a_bucket(postgres_url: str, bucket: str, tmp_path: Path) -> None:
    filled(postgres_url)
    files, _ = in_parts(postgres_url, tmp_path / "out", format="yolo")

    def moved(rows: int) -> None:
        raise Unavailable("enough")

    with annotary.Client(postgres_url) as client:
        (project,) = client.get_projects()
        told = project.export(format="yolo", workers=2).save_parts(f"{bucket}/monday")
        with pytest.raises(Unavailable, match="enough"):
            deliver_parts(project.export(format="yolo").open(), f"{bucket}/tuesday", moved)
    assert [one.path for one in told[: len(files)]] == [f"{bucket}/monday/{name}" for name in files]
    place = parts_place(f"{bucket}/monday")
    assert {name: place.whole(name) for name in files} == files
    assert not list(parts_place(f"{bucket}/tuesday").names(""))


def test_strict_refuses_before_anything_is_written(sample: str, tmp_path: Path) -> None:
    with pytest.raises(Lossy, match="nothing was written"):
        in_parts(sample, tmp_path / "out", format="yolo", strict=True)
    assert not (tmp_path / "out").exists()


def test_stratified_splits_are_refused(sample: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="are written in parts; without stratify"):
        in_parts(sample, tmp_path / "out", format="yolo", options={"split": [0.5, 0.5], "stratify": True})


def test_of_a_filter_that_leaves_few_rows(sample: str, tmp_path: Path) -> None:
    key = sample_row(3, ROWS - 1)["data_row"]["global_key"]
    files, export = in_parts(sample, tmp_path / "out", format="coco", filters={"global_keys": [key]})
    # A stretch without a row is no data set.
    assert list(files) == ["part-00004.json"]
    assert export.done == 1


def test_a_class_that_no_ontology_has_must_be_numbered(
    sample: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = list(read(together(sample, tmp_path, format="csv")[0], "csv")[1])
    monkeypatch.setattr(corpus_images, "classes_of", lambda ontologies, given: Classes(given))
    for format in ("coco", "yolo", "csv"):
        with pytest.raises(Invalid, match=r"class '.*' is in no ontology .* number it \(class_index"):
            in_parts(sample, tmp_path / "out", format=format, workers=1)
        assert not (tmp_path / "out").exists()
    given = {name: 10 + number for number, name in enumerate(known)}
    files, _ = in_parts(sample, tmp_path / "out", format="csv", options={"class_index": given}, workers=1)
    for name in files:
        numbers = read(tmp_path / "out" / name, "csv")[1]
        assert numbers == {name: (number, None) for name, number in given.items()}


def _image(number: int, name: str, coco: str = "") -> Image:
    mark = Mark(
        kind=BOX,
        name=name,
        feature_id=f"m{number}",
        bounding_box=Box(left=1.0, top=2.0, width=3.0, height=4.0),
        coco=Raw(coco.encode()),
    )
    return Image(
        number=number, id=f"i{number}", external_id=f"{number}.jpg", width=10, height=10, marks=[mark]
    )


def test_ids_that_rows_bring_are_not_those_of_one_part_only() -> None:
    own = '{"id":5,"image_id":1,"category_id":9,"bbox":[1,2,3,4],"area":12,"iscrowd":0}'
    found = []
    for settled in (Classes, lambda given: Settled(Classes(given))):
        parts = (_image(1, "car", own), _image(2, "car"))
        files = [written("coco", [one], settled({"car": 0}))[0][""] for one in parts]
        found.append([json.loads(file)["categories"] for file in files])
    (first, second), alike = found
    assert first != second
    assert alike == [second, second]


def test_names_that_become_one_are_told_apart_alike_in_all_parts() -> None:
    for name, type in (("a b", "a_b"), ("a  b", "a_b_(2)")):
        files, _ = written("kitti", [_image(1, name)], Settled(Classes({"a b": 0, "a  b": 1})))
        (labels,) = (data for path, data in files.items() if path.endswith("label_2/1.txt"))
        assert labels.startswith(f"{type} ".encode())
        assert files["kitti_classes.txt"] == b'a_b\t"a b"\na_b_(2)\t"a  b"\n'


@pytest.fixture
def crossing(tmp_path: Path) -> Path:
    """A folder with labels, and one in it with their pictures."""
    folder = tmp_path / "crossing"
    (folder / "pictures").mkdir(parents=True)
    for number in range(7):
        Picture.new("RGB", (64, 48), (number * 30, 90, 120)).save(folder / "pictures" / f"{number}.png")
    images = [{"id": 1 + n, "file_name": f"{n}.png", "width": 64, "height": 48} for n in range(7)]
    annotations = [
        {"id": 1 + n, "image_id": 1 + n, "category_id": 1 + n // 6, "bbox": [4, 4, 9, 9], "iscrowd": 0}
        for n in range(7)
    ]
    names = [{"id": 1, "name": "car"}, {"id": 2, "name": "van"}]
    document = {"images": images, "annotations": annotations, "categories": names}
    (folder / "instances.json").write_text(json.dumps(document))
    return folder


def test_pictures_go_into_the_archives(crossing: Path, tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    with annotary.Client(store) as client:
        client.load(crossing / "instances.json", project="crossing", images=crossing / "pictures")
    _, linked = in_parts(store, tmp_path / "linked", format="yolo", workers=2)
    assert [(one.reason, one.count) for one in linked.findings.notices] == [(UNLINKED, 7)]
    files, export = in_parts(store, tmp_path / "copied", format="yolo", options={"images": "copy"}, workers=2)
    assert not export.findings.notices
    copied = {
        name.rpartition("/")[2]: archive.read(name)
        for one in files
        for archive in [ZipFile(tmp_path / "copied" / one)]
        for name in archive.namelist()
        if name.endswith(".png")
    }
    assert copied == {path.name: path.read_bytes() for path in (crossing / "pictures").iterdir()}


def test_pictures_are_taken_from_a_folder(crossing: Path, tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    with annotary.Client(store) as client:
        client.load(crossing / "instances.json", project="crossing")
        (project,) = client.get_projects()
        task = project.export(format="yolo", options={"images": "copy"}, workers=2)
        export = task.open(images=crossing / "pictures")
        deliver_parts(export, tmp_path / "out")
    names = [name for path in (tmp_path / "out").glob("*.zip") for name in ZipFile(path).namelist()]
    assert sum(name.endswith(".png") for name in names) == 7


def test_ledgers_one_after_the_other_are_that_of_the_whole() -> None:
    whole, parts = Ledger(), [Ledger() for _ in range(3)]
    for number in range(330):
        for one in (whole, parts[number // 110]):
            one.took("box")
            one.approximated("box", "rounded", str(number), number / 330)
            if number % 3:
                one.wrote("box")
            else:
                one.dropped("box", "outside", str(number))
    sum_of = Ledger()
    for one in parts:
        sum_of.add(one)
    assert sum_of.document() == whole.document()
