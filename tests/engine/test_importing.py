"""Imports page by page: what one page says holds for the next, though that was looked up before."""

from __future__ import annotations

import json
import sys
from itertools import islice
from typing import Any

import pytest

from annotary.engine import pages
from annotary.engine.aside import Aside
from annotary.engine.core import Engine
from annotary.engine.loading import Stopped, import_sources
from annotary.engine.sources import ValueSource
from annotary.model.corpus import Parsed
from annotary.model.project import Project
from annotary.model.row import DataRow, Row
from annotary.sample.workload import workload
from annotary.store import Store
from tests.engine.world import exported


def box(id: str) -> dict[str, Any]:
    shape = {"top": 1, "left": 2, "height": 3, "width": 4}
    return {"feature_id": id, "name": "car", "annotation_kind": "ImageBoundingBox", "bounding_box": shape}


def row(number: int, label: str = "", **data_row: Any) -> dict[str, Any]:
    if not data_row:
        data_row = {"id": f"row-{number}", "global_key": f"key-{number}"}
    drawn = {"objects": [box(f"box-{number}")]}
    return {
        "data_row": {"row_data": f"https://example.org/{number}.png", **data_row},
        "projects": {
            "p": {"name": "p", "labels": [{"id": label or f"label-{number}", "annotations": drawn}]}
        },
    }


def take(engine: Engine, rows: list[dict[str, Any]], **options: Any) -> Any:
    return import_sources(engine, [ValueSource(rows)], format="labelbox-v2", dataset="images", **options)


def reasons(engine: Engine, rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Place and reason of all problems of an import."""
    with pytest.raises(Stopped) as stopped:
        take(engine, rows)
    return [(one.place, one.reason) for one in stopped.value.report.problems]


@pytest.mark.parametrize("page", [1, 2, 3, 256])
@pytest.mark.parametrize("apart", [1, 2, 3, 5])
def test_a_row_may_not_stand_twice_however_far_apart(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, page: int, apart: int
) -> None:
    monkeypatch.setattr(pages, "PAGE", page)
    rows = [row(number) for number in range(8)]
    rows[1 + apart] = row(1)
    ((place, reason),) = reasons(engine, rows)
    assert place.startswith(f"values, line {2 + apart} ")
    assert reason.startswith("the same data row stands twice")


@pytest.mark.parametrize("page", [1, 2, 256])
@pytest.mark.parametrize("order", [1, -1])
def test_a_stored_row_named_by_id_and_by_key_stands_twice(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, page: int, order: int
) -> None:
    monkeypatch.setattr(pages, "PAGE", page)
    take(engine, [row(number) for number in range(3)])
    named = [row(1, "a", id="row-1"), row(1, "b", global_key="key-1")][::order]
    ((_, reason),) = reasons(engine, [row(7), *named, row(8)])
    assert reason.startswith("the same data row stands twice")


@pytest.mark.parametrize("page", [1, 2, 256])
def test_a_key_that_a_row_has_just_got_belongs_to_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(pages, "PAGE", page)
    take(engine, [row(number) for number in range(3)])
    given = [row(1, id="row-1", global_key="other"), row(7), row(2, id="row-2", global_key="other")]
    known = reasons(engine, given)
    assert known == [
        ("values, line 3 data_row.global_key", "the global key belongs to data row row-1 already")
    ]


def test_a_key_that_a_row_has_just_lost_is_free(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE", 1)
    take(engine, [row(number) for number in range(3)])
    take(engine, [row(1, id="row-1", global_key="other"), row(9, id="row-9", global_key="key-1")])
    known = engine.store.data_rows_by("global_key", ["other", "key-1"])
    assert {key: one.id for key, one in known.items()} == {"other": "row-1", "key-1": "row-9"}


@pytest.mark.parametrize("page", [1, 2, 256])
def test_a_row_a_label_gathers_its_labels(engine: Engine, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    monkeypatch.setattr(pages, "PAGE", page)
    lines = [
        {"ID": f"label-{number}", "DataRow ID": "row-1", "Labeled Data": "https://example.org/1.png"}
        | {"Project Name": "p", "Label": {"objects": [], "classifications": []}}
        for number in range(5)
    ]
    report = import_sources(engine, [ValueSource(lines)], format="labelbox-v1", project="p")
    assert report.labels == 5
    (project,) = engine.store.find(Project)
    (line,) = exported(engine, project.id)[0].splitlines()
    (share,) = json.loads(line)["projects"].values()
    assert sorted(label["id"] for label in share["labels"]) == [f"label-{number}" for number in range(5)]


def test_pages_of_any_size_make_the_same_store(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [json.loads(line) for line in islice(workload(90), 90)]
    found = set()
    for page in (1, 7, 30, 256):
        monkeypatch.setattr(pages, "PAGE", page)
        other = Engine(Store.open(tmp_path_factory.mktemp("pages")), clock=engine.clock)
        take(other, rows)
        (project,) = other.store.find(Project)
        found.add(exported(other, project.id)[0])
        other.close()
    assert len(found) == 1
    assert found.pop().count(b"\n") == 90


def test_large_rows_make_small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE_BYTES", 100)
    shown = Row(data_row=DataRow(row_data="x"))
    rows = iter([Parsed(shown, (), "", 40)] * 4 + [Parsed(shown, (), "", 900)] * 2)
    assert [len(pages.page_of(rows)) for _ in range(4)] == [3, 2, 1, 0]


def test_a_failure_beside_ends_the_import_and_undoes_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE", 2)
    put = engine.store.put_data_rows
    calls = []

    def fails(*given: Any) -> None:
        calls.append(given)
        if len(calls) == 2:
            raise OSError("no space")
        put(*given)

    monkeypatch.setattr(engine.store, "put_data_rows", fails)
    before = sys.getswitchinterval()
    with pytest.raises(OSError, match="no space"):
        take(engine, [row(number) for number in range(20)])
    assert len(calls) == 2
    assert sys.getswitchinterval() == before
    assert engine.store.find(Project) == []
    assert engine.store.data_rows_by("id", ["row-0", "row-1"]) == {}


def test_jobs_beside_are_done_in_order_until_one_fails() -> None:
    done: list[int] = []
    with Aside() as aside:
        for number in range(50):
            aside.submit(done.append, number)
        aside.settle()
        assert done == list(range(50))
        aside.submit(int, "no number")
        late = aside.submit(done.append, 50)
        with pytest.raises(ValueError, match="no number"):
            aside.settle()
        with pytest.raises(ValueError, match="no number"):
            late.result()
    assert done == list(range(50))
