"""Rows counted by cells, beside the same rows counted one by one."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from annotary.engine.core import Engine
from annotary.engine.loading import import_sources
from annotary.model.export import ProjectScope, filters_from
from annotary.operations.looking import CountMatching, FindFacets, FindRows
from annotary.store import Store
from tests.test_filters import CHOICES, ROWS, ROWS_MADE, passes

NAMES = ("class_names", "kinds", "no_objects", "workflow_status", "batch_ids")


class Lines:
    name = "generated"

    def chunks(self) -> Any:
        import msgspec

        yield b"\n".join(map(msgspec.json.encode, ROWS_MADE)) + b"\n"

    def neighbour(self, path: str) -> bytes | None:
        return None


@pytest.fixture
def engine(store_url: str) -> Any:
    engine = Engine(Store.open(store_url))
    import_sources(engine, [Lines()], format="labelbox-v2")
    yield engine
    engine.close()


def test_cells_count_what_rows_one_by_one_give(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = ProjectScope(id="project-1")
    tried = 0
    for one, other in itertools.combinations(NAMES, 2):
        for first, second in itertools.product(CHOICES[one], CHOICES[other]):
            given = {one: first, other: second}
            filters = filters_from(given)
            wanted = sum(passes(row, given) for row in ROWS_MADE)
            few = engine.call(FindFacets(scope=scope, filters=filters))
            with monkeypatch.context() as wide:
                wide.setattr("annotary.store.looking.FEW", 0)
                found = engine.call(CountMatching(scope=scope, filters=filters))
                assert engine.call(FindFacets(scope=scope, filters=filters)) == few, given
            assert (found.rows, found.of) == (wanted, ROWS), given
            tried += 1
    assert tried > 80


def test_pages_hold_every_row_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = ProjectScope(id="project-1")
    for few, given in itertools.product((0, 20_000), ({}, {"no_objects": True}, {"kinds": ["box", "point"]})):
        monkeypatch.setattr("annotary.store.looking.FEW", few)
        filters = filters_from(given)
        wanted = [row["data_row"]["id"] for row in ROWS_MADE if passes(row, given)]
        seen: list[str] = []
        page = engine.call(FindRows(scope=scope, filters=filters, limit=7))
        assert page.previous is None
        while True:
            seen += [row.data_row_id for row in page.rows]
            if page.next is None:
                break
            page = engine.call(FindRows(scope=scope, filters=filters, limit=7, after=page.next))
        assert seen == wanted
        before = engine.call(FindRows(scope=scope, filters=filters, limit=7, before=page.previous))
        assert [row.data_row_id for row in before.rows] == wanted[-len(page.rows) - 7 : -len(page.rows)]
