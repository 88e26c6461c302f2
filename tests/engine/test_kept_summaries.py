"""Counts that are kept and brought up are those that counting anew gives."""

from __future__ import annotations

from random import Random

import pytest

from annotary.engine import summaries
from annotary.engine.summaries import count_ahead
from annotary.errors import NotFound, Unavailable
from annotary.model.project import KeptSummary, Summary
from annotary.operations.projects import Summarize
from tests.engine.histories import RUN, edit, run
from tests.engine.world import World


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every project is a large one, which a worker counts."""
    monkeypatch.setattr(summaries, "WORTH", 0)
    monkeypatch.setattr(summaries, "TOLD", 2)
    monkeypatch.setattr(summaries, "MOST", 8)


def anew(world: World, kind: str, id: str) -> Summary:
    at, _, _ = world.engine.store.at(kind, id)
    return summaries._counted(world.engine, kind, id, at)


@pytest.mark.parametrize("seed", range(2))
def test_what_is_brought_up_is_what_is_counted_anew(world: World, large: None, seed: int) -> None:
    random, luck = Random(seed), Random(seed)
    run(world.engine, random, "streets")
    kept = 0
    for step in range(24):
        world.clock.tick(random.randrange(90))
        done = edit(world.engine, random, "streets")
        if luck.random() < 0.4:
            count_ahead(world.engine.store, lambda: False)
        for kind, id in (("project", "streets"), ("model_run", RUN)):
            found = world.call(Summarize(kind=kind, id=id))
            assert found == anew(world, kind, id), (seed, step, done)
            at, _, _ = world.engine.store.at(kind, id)
            held = summaries._kept(world.engine, at)
            kept += held is not None and held.summary is not None and held.summary.sequence != at.sequence
    assert kept > 10


def test_who_will_not_wait_is_told_how_far_it_has_come(
    world: World, large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summaries, "MOST", 0)
    monkeypatch.setattr("annotary.store.rows.PAGE_ROWS", 1)
    asked = Summarize(kind="project", id="streets", at_once=True)
    with pytest.raises(Unavailable, match="being counted: 0 of"):
        world.call(asked)
    at, _, _ = world.engine.store.at("project", "streets")
    turns = iter((False, True, True))
    with pytest.raises(summaries.Stopped):
        count_ahead(world.engine.store, lambda: next(turns))
    with pytest.raises(Unavailable, match="being counted: 2 of"):
        world.call(asked)
    count_ahead(world.engine.store, lambda: False)
    assert world.call(asked) == anew(world, "project", "streets")
    assert world.engine.store.get(KeptSummary, str(at.collection)).counted == 0


def test_small_projects_are_not_kept(world: World) -> None:
    count_ahead(world.engine.store, lambda: False)
    world.call(Summarize(kind="project", id="streets"))
    at, _, _ = world.engine.store.at("project", "streets")
    with pytest.raises(NotFound):
        world.engine.store.get(KeptSummary, str(at.collection))
