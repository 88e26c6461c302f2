"""Imports with processes that read ahead: the same store, the same problems, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from annotary.engine import ahead, importing, pages
from annotary.engine.core import Engine
from annotary.engine.entries import Origin
from annotary.engine.loading import Report, Stopped, import_sources
from annotary.engine.places import Places
from annotary.engine.preparing import Item, Ready, Task, take_ready
from annotary.engine.sharing import Target
from annotary.engine.sources import FileSource, ValueSource
from annotary.errors import AnnotaryError, Invalid
from annotary.formats import load
from annotary.formats._json import Document
from annotary.model.project import Project
from annotary.model.row import Row
from annotary.sample.workload import workload
from annotary.store import Store
from tests._processes import children
from tests.engine.world import Clock, exported

MODULE = "annotary.engine.preparing"

WORKERS = (1, 3)
V2 = "labelbox-v2"


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(pages, "PAGE", 16)
    yield
    assert not children(os.getpid(), MODULE), "a process was left behind"


def rows(count: int) -> list[dict[str, Any]]:
    return [json.loads(line) for line in islice(workload(count), count)]


def write(path: Path, given: list[dict[str, Any]], end: bytes = b"") -> Path:
    path.write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in given) + end)
    return path


def project_of(row: dict[str, Any]) -> dict[str, Any]:
    (share,) = row["projects"].values()
    return dict(share)


def everything(engine: Engine) -> list[bytes]:
    return [exported(engine, project.id)[0] for project in engine.store.find(Project)]


def taken(place: Path, *imports: Path, workers: int, **options: Any) -> tuple[list[bytes], list[Report]]:
    """What a store has after imports, and their reports."""
    engine = Engine(Store.open(place), clock=Clock())
    reports = []
    for path in imports:
        try:
            reports.append(import_sources(engine, [FileSource(path)], workers=workers, **options))
        except Stopped as stopped:
            reports.append(stopped.report)
    found = everything(engine)
    engine.close()
    return found, reports


def same(folder: Path, *imports: Path, **options: Any) -> tuple[list[bytes], list[Report]]:
    """Import with one process and with several: the same store and the same reports."""
    found = [taken(folder / f"store-{workers}", *imports, workers=workers, **options) for workers in WORKERS]
    for content, reports in found:
        assert content == found[0][0]
        for one, other in zip(reports, found[0][1], strict=True):
            assert (one.rows, one.labels, one.annotations, one.problems, one.notices) == (
                *(other.rows, other.labels, other.annotations, other.problems, other.notices),
            )
    return found[0]


def test_any_number_of_processes_makes_the_same_store(tmp_path: Path) -> None:
    given = rows(300)
    (content,), (report,) = same(tmp_path, write(tmp_path / "rows.ndjson", given))
    assert content.count(b"\n") == report.rows == 300
    assert report.problem_count == 0


def test_rows_are_made_ready_by_the_other_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the tests of this file would compare one way with itself."""
    ready = []

    def counted(entry: Any, *others: Any) -> None:
        ready.append(entry.id)
        take_ready(entry, *others)

    monkeypatch.setattr(importing, "take_ready", counted)
    taken(tmp_path / "store", write(tmp_path / "rows.ndjson", rows(2000)), workers=2)
    assert 1000 < len(set(ready)) == len(ready) <= 2000


def test_an_import_again_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.ndjson", rows(400))
    before, _ = taken(tmp_path / "other", path, workers=1)
    after, _ = same(tmp_path, path, path)
    assert after == before


def test_a_file_that_is_written_anew_meanwhile_is_noticed(tmp_path: Path) -> None:
    given = rows(6)
    path = write(tmp_path / "rows.ndjson", given)
    lines = path.read_bytes().splitlines()
    source = FileSource(path)
    target, origin = Target(), Origin(now="", user="")
    before = ahead.Ahead(
        lambda number, of: Task(source, V2, target, origin, "", False, number, of),
        *(1, cast("Places", None), lambda problem: None),
    )

    def item(number: int) -> Item:
        return Item(number, len(lines[number]), f"line {number + 1}", cast("Ready", None))

    assert before.document(item(1)) == Document(lines[1], "line 2")
    assert before.document(item(3)) == Document(lines[3], "line 4")
    write(path, given[:4])
    before._again = None
    with pytest.raises(Invalid, match=r"rows\.ndjson, line 5: the file has changed"):
        before.document(item(4))


def test_another_row_in_the_place_of_a_known_one_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = rows(2000)
    path = write(tmp_path / "rows.ndjson", given)
    taken(tmp_path / "store", path, workers=1)
    read = ahead.Ahead.document
    monkeypatch.setattr(
        ahead.Ahead, "document", lambda self, item: read(self, msgspec.structs.replace(item, number=0))
    )
    engine = Engine(Store.open(tmp_path / "store"), clock=Clock())
    with pytest.raises(Invalid, match="the file has changed"):
        import_sources(engine, [FileSource(path)], workers=2)
    engine.close()


def test_a_changed_file_changes_what_it_says_and_nothing_else(tmp_path: Path) -> None:
    first = rows(400)
    second = rows(500)
    for number, row in enumerate(second):
        match number % 5:
            case 0:
                # What a file does not say stays as it is.
                row["data_row"].pop("details")
                row.pop("metadata_fields")
            case 1:
                (label,) = project_of(row)["labels"]
                label["annotations"]["objects"] = label["annotations"]["objects"][:1]
            case 2:
                row["data_row"]["more"] = {"of": number}
    paths = [write(tmp_path / "first.ndjson", first), write(tmp_path / "second.ndjson", second)]
    content, _ = same(tmp_path, *paths)
    assert content[0].count(b"\n") == 500


def test_the_same_problems_in_the_same_order(tmp_path: Path) -> None:
    given = rows(400)
    for number in range(50, 400, 10):
        row = given[number]
        match number // 10 % 6:
            case 0:
                given[number] = given[number - 3]
            case 1:
                given[number] = given[number - 40]
            case 2:
                row["media_attributes"]["height"] = -1
            case 3:
                (label,) = project_of(row)["labels"]
                label["annotations"]["objects"] *= 2
            case 4:
                row["data_row"]["global_key"] = given[number - 7]["data_row"]["global_key"]
            case _:
                row["data_row"]["details"]["created_at"] = "yesterday"
    path = write(tmp_path / "rows.ndjson", given)
    content, (report,) = same(tmp_path, path)
    assert content == []
    assert report.problem_count > 20
    (kept, *_), _ = same(tmp_path, path, on_problem="skip")
    assert kept.count(b"\n") == report.rows


@pytest.mark.parametrize("end", [b'{"data_row": \n', b"[]\n", b"\xff\xfe\n"])
@pytest.mark.parametrize("count", [1, 16, 65])
def test_a_file_that_ends_badly(tmp_path: Path, end: bytes, count: int) -> None:
    content, (report,) = same(
        tmp_path, write(tmp_path / "rows.ndjson", rows(count + 1)[:count], end), format=V2
    )
    assert content == []
    assert report.problem_count == 1


def test_an_array_is_read_ahead_too(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows(100), indent=1))
    (content,), _ = same(tmp_path, path)
    assert content.count(b"\n") == 100


def test_into_a_named_project_and_as_predictions(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.ndjson", rows(200))
    (content,), _ = same(tmp_path / "project", path, project="streets", dataset="images")
    assert content.count(b"\n") == 200
    _, (report,) = same(tmp_path / "run", path, model="m", run="r")
    assert report.labels == 200


def test_a_process_that_dies_ends_the_import_and_stores_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "rows.ndjson", rows(3000))
    engine = Engine(Store.open(tmp_path / "store"))

    def kill(rows: int) -> None:
        for process in children(os.getpid(), MODULE):
            os.kill(process, signal.SIGKILL)

    with pytest.raises(AnnotaryError, match=r"a process that reads ahead failed: .* try --workers 1"):
        import_sources(engine, [FileSource(path)], workers=2, progress=kill)
    assert everything(engine) == []
    engine.close()


def test_an_interrupted_import_leaves_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.ndjson", rows(1000))
    engine = Engine(Store.open(tmp_path / "store"))

    def interrupt(rows: int) -> None:
        assert children(os.getpid(), MODULE)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_sources(engine, [FileSource(path)], workers=3, progress=interrupt)
    assert everything(engine) == []
    engine.close()


def test_when_the_import_is_killed_its_processes_end(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.ndjson", rows(6000))
    command = "from annotary.cli import main; main()"
    program = subprocess.Popen(
        [
            sys.executable,
            "-c",
            command,
            "--at",
            str(tmp_path / "store"),
            "import",
            str(path),
            "--workers",
            "3",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 60
    while len(begun := children(program.pid, MODULE)) < 2 and time.monotonic() < until:
        assert program.poll() is None, "it ended before its processes were seen"
        time.sleep(0.01)
    time.sleep(0.3)
    program.kill()
    program.wait()
    assert len(begun) == 2
    while any(_runs(one) for one in begun) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(_runs(one) for one in begun)


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_only_large_files_of_independent_rows_are_read_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "rows.ndjson", rows(2))
    v2, v1 = load("labelbox-v2"), load("labelbox-v1")
    source = FileSource(path)
    monkeypatch.setattr(ahead, "processors", lambda: 4)
    assert ahead.workers(None, v2, source) == 0
    assert ahead.workers(3, v2, source) == 2
    assert ahead.workers(3, v1, source) == 0
    assert ahead.workers(3, v2, ValueSource([])) == 0
    monkeypatch.setattr(ahead, "LEAST", 100)
    assert ahead.workers(None, v2, source) == 1
    assert ahead.workers(1, v2, source) == 0
    monkeypatch.setattr(ahead, "processors", lambda: 1)
    assert ahead.workers(None, v2, source) == 0
    for wrong in (0, -1, 17):
        with pytest.raises(Invalid, match=f"workers: from 1 to 16 processes, not {wrong}"):
            ahead.workers(wrong, v2, source)


def test_parsing_a_document_is_what_reading_a_file_does() -> None:
    form = load("labelbox-v2")
    assert form.parse is not None
    row = rows(1)[0]

    found = form.parse(
        Document(json.dumps(row).encode(), "line 1"), lambda problem: pytest.fail(str(problem))
    )
    assert found is not None
    assert isinstance(found.row, Row)
    assert found.row.data_row.id == row["data_row"]["id"]
