"""How an export finds its rows: along which keys, and what other writers do meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from annotary.model.export import ExportParams
from annotary.store import rows
from tests.engine.world import World, exported

NARROW: tuple[dict[str, Any], ...] = (
    {"since": 1},
    {"filters": {"workflow_status": "ToLabel"}},
    {"filters": {"last_activity_at": ["2026-05-04 08:00:00", None]}},
)


def test_changed_rows_are_read_by_their_versions_own_numbers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not world.engine.store.database.is_sqlite:
        pytest.skip("only SQLite says beforehand which way it goes")
    for asked in NARROW:
        plan = " ".join(_plan(world, monkeypatch, **asked))
        assert "SEARCH r USING INTEGER PRIMARY KEY" in plan, asked
        assert "rows_order" not in plan, asked
        # They are walked through as they are given; rows would be sorted whole.
        assert "SCAN k " in plan and "USE TEMP B-TREE" not in plan, asked


def test_a_row_is_read_with_its_label_by_its_number(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    if not world.engine.store.database.is_sqlite:
        pytest.skip("only SQLite says beforehand which way it goes")
    for number in range(3):
        world.label(number)
    for asked in ({}, *NARROW):
        plan = _plan(world, monkeypatch, **asked)
        assert any(step.startswith("SEARCH l USING INTEGER PRIMARY KEY") for step in plan), asked
    assert "USE TEMP B-TREE FOR ORDER BY" not in " ".join(_plan(world, monkeypatch))
    assert "SEARCH v " in " ".join(_plan(world, monkeypatch))
    assert "SEARCH v " not in " ".join(_plan(world, monkeypatch, params=ExportParams()))


def _plan(world: World, monkeypatch: pytest.MonkeyPatch, **asked: Any) -> list[str]:
    """How SQLite reads the rows of an export."""
    said: list[str] = []
    stream = rows._Run.stream

    def explained(run: Any, stack: Any, sql: str, parameters: Any = ()) -> Any:
        if "rows r " in sql:
            said.extend(step[-1].decode() for step in run.fetch(f"EXPLAIN QUERY PLAN {sql}", parameters))
        return stream(run, stack, sql, parameters)

    with monkeypatch.context() as patch:
        patch.setattr(rows._Run, "stream", explained)
        world.rows(**asked)
    assert said
    return said


def test_rows_that_change_before_their_keys_are_found_are_shown_as_they_were(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys come from the present; a version that has just begun must not stand in for the one asked for."""
    few_keys = rows._Run.few_keys
    made = []

    def change_first(reading: rows._Run, chosen: Any) -> Any:
        world.clock.tick()
        made.extend(world.label(place) for place in range(4))
        return few_keys(reading, chosen)

    for asked in NARROW:
        world.label(1)
        expected = exported(world.engine, "streets", **asked)
        with monkeypatch.context() as patch:
            patch.setattr(rows._Run, "few_keys", change_first)
            assert exported(world.engine, "streets", **asked) == expected, asked
    assert made
