"""Exports in parts: one after the other they are the one file, and the manifest tells them all."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

import annotary
from annotary.engine import cluster, partitions, spreading
from annotary.engine.core import Engine
from annotary.engine.in_parts import deliver_parts
from annotary.engine.loading import import_sources
from annotary.engine.partitions import Goal, Job
from annotary.engine.sources import ValueSource
from annotary.errors import Invalid, Unavailable
from annotary.model.task import Artifact
from annotary.sample.workload import workload
from annotary.store import Store
from annotary.store.addresses import opened
from annotary.store.places import Folder
from tests._dask import cluster_of
from tests._processes import children

ROWS = 60
FILES = 12
FORMATS = ("labelbox-v1", "labelbox-v2", "labelbox-ndjson")
MODULE = "annotary.engine.processes"


@pytest.fixture(autouse=True)
def _small_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(spreading, "FILE_STEP", ROWS // FILES)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield
    assert not children(os.getpid(), MODULE), "a process was left behind"
    assert not list(tmp_path.rglob(".annotary-*")), "a folder was left behind"


def filled(target: str) -> str:
    """A store with one project of workload W."""
    engine = Engine(Store.open(target))
    import_sources(engine, [ValueSource([json.loads(line) for line in workload(ROWS)])])
    engine.close()
    return target


@pytest.fixture
def street(tmp_path: Path) -> str:
    return filled(str(tmp_path / "store"))


def whole(target: str, **given: Any) -> bytes:
    with annotary.Client(target) as client:
        (project,) = client.get_projects()
        return b"".join(part.data for part in project.export(workers=1, **given).open().parts)


def saved(target: str, destination: Path | str, **given: Any) -> list[Artifact]:
    with annotary.Client(target) as client:
        (project,) = client.get_projects()
        return project.export(**given).save_parts(destination)


def read(address: str) -> dict[str, bytes]:
    """All that lies at an address."""
    place = opened(address)
    names = [kept.name for kept in place.names("")]
    return {name: place.whole(name) for name in sorted(names)}


def checked(found: dict[str, bytes]) -> bytes:
    """The parts one after the other, which are what their manifest says."""
    manifest = json.loads(found["manifest.json"])
    said = {one.pop("path"): one for one in manifest["files"]}
    assert [*said, "manifest.json"] == sorted([*said, "manifest.json"], key="manifest.json".__eq__)
    assert set(found) == {*said, "manifest.json"}
    for name, one in said.items():
        digest = hashlib.sha256(found[name]).hexdigest()
        assert one == {"bytes": len(found[name]), "sha256": digest, "rows": found[name].count(b"\n")}
    assert manifest["counts"]["rows"] == sum(one["rows"] for one in said.values())
    return b"".join(found[name] for name in said)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("format", FORMATS)
def test_in_a_folder(street: str, tmp_path: Path, format: str, workers: int) -> None:
    out = tmp_path / "out"
    files = saved(street, out, format=format, workers=workers)
    assert [Path(one.path) for one in files] == [*sorted(out.glob("part-*")), out / "manifest.json"]
    assert {one.sha256 for one in files} == {
        hashlib.sha256(path.read_bytes()).hexdigest() for path in out.iterdir()
    }
    found = read(out.as_uri())
    assert len(found) == FILES + 1
    # Lines of ndjson are annotations: only their rows are one a line.
    if format != "labelbox-ndjson":
        assert checked(found) == whole(street, format=format)
    else:
        parts = [found[name] for name in found if name != "manifest.json"]
        assert b"".join(parts) == whole(street, format=format)


def test_of_a_filter_that_leaves_few_rows(street: str, tmp_path: Path) -> None:
    (id,) = (json.loads(line)["data_row"]["id"] for line in whole(street).splitlines()[ROWS // 2 :][:1])
    saved(street, tmp_path / "out", filters={"data_row_ids": [id]})
    found = read((tmp_path / "out").as_uri())
    # Stretches without a row are no files.
    assert len(found) == 2
    assert json.loads(checked(found))["data_row"]["id"] == id


def test_of_nothing_there_is_a_manifest(tmp_path: Path) -> None:
    with annotary.Client(tmp_path / "empty") as client:
        client.create_project(name="Nothing").export().save_parts(tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest["files"] == [] and manifest["counts"]["rows"] == 0


def test_what_is_refused(street: str, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "file").touch()
    for destination, given, reason in (
        (full, {}, "is there already and not empty"),
        (full / "file", {}, "is there already and not empty"),
        (tmp_path / "out.zip", {}, "named like a file"),
        (tmp_path / "out", {"format": "labelbox-v1", "options": {"array": True}}, "and arrays"),
        (tmp_path / "out", {"options": {"masks": "png"}}, "in parts; without .* pictures of masks"),
        ("s3://No/Bucket", {}, "not a bucket"),
    ):
        with pytest.raises(Invalid, match=reason):
            saved(street, destination, **given)
    assert {path.name for path in tmp_path.iterdir()} == {"full", "store"}


def failing(after: int) -> Callable[[int], None]:
    """Progress that ends an export once so many rows are written."""

    def moved(rows: int) -> None:
        if rows >= after:
            raise Unavailable("enough")

    return moved


def test_a_failure_leaves_no_folder(street: str, tmp_path: Path) -> None:
    with annotary.Client(street) as client:
        (project,) = client.get_projects()
        with pytest.raises(Unavailable, match="enough"):
            deliver_parts(project.export(workers=2).open(), tmp_path / "out", failing(20))
    assert {path.name for path in tmp_path.iterdir()} == {"store"}


def test_a_process_that_dies_costs_its_part(street: str, tmp_path: Path) -> None:
    killed: list[int] = []

    def moved(rows: int) -> None:
        if not killed:
            killed.extend(children(os.getpid(), MODULE))
            for process in killed:
                os.kill(process, signal.SIGKILL)

    with annotary.Client(street) as client:
        (project,) = client.get_projects()
        deliver_parts(project.export(workers=3).open(), tmp_path / "out", moved)
    assert killed
    assert checked(read((tmp_path / "out").as_uri())) == whole(street)


@pytest.mark.postgres
def test_into_a_bucket(postgres_url: str, bucket: str) -> None:
    street = filled(postgres_url)
    goal = f"{bucket}/monday"
    files = saved(street, goal, workers=2)
    assert files[0].path == f"{goal}/part-00000.ndjson"
    assert checked(read(goal)) == whole(street)
    with pytest.raises(Invalid, match="monday is there already and not empty"):
        saved(street, goal)
    with annotary.Client(street) as client:
        (project,) = client.get_projects()
        with pytest.raises(Unavailable, match="enough"):
            deliver_parts(project.export(workers=2).open(), f"{bucket}/tuesday", failing(20))
    assert read(f"{bucket}/tuesday") == {}
    assert checked(read(goal)) == whole(street)


@pytest.mark.postgres
def test_a_cluster_writes_into_a_bucket_by_itself(postgres_url: str, bucket: str) -> None:
    street = filled(postgres_url)
    with cluster_of(2) as address, cluster.cluster(address) as (executor, threads):
        noted = _Noted(executor)
        saved(street, f"{bucket}/monday", executor=noted, workers=threads)
    assert checked(read(f"{bucket}/monday")) == whole(street)
    # What was written there came back as a name and numbers.
    assert len(noted.answers) > 3
    assert not any(one.data for one in noted.answers)


class _Noted(Executor):
    """An executor whose answers are kept."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.answers: list[Any] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = self._executor.submit(fn, *args, **kwargs)
        future.add_done_callback(lambda done: self.answers.append(done.result()))
        return future


class _Elsewhere(Executor):
    """Who writes into a folder of its own under the same name, as another machine does."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        job: Job = args[0]
        assert isinstance(job.goal, Goal)
        place = Folder(self._folder, ".").root.as_uri()
        future: Future[Any] = Future()
        future.set_result(fn(job._replace(goal=Goal(place, job.goal.name))))
        return future


@pytest.mark.postgres
def test_a_folder_that_is_not_shared_is_noticed(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    street = filled(postgres_url)
    engine = Engine(Store.open(street))
    monkeypatch.setattr(partitions, "_engine", lambda *asked: engine)
    with pytest.raises(Invalid, match="where this machine does not see it; give a folder that all"):
        saved(street, tmp_path / "out", executor=_Elsewhere(tmp_path / "other"), workers=1)
    engine.close()
    assert not (tmp_path / "out").exists()
