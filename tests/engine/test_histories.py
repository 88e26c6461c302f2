"""Two promises about any history of edits: `since` completes an old export, `as_of` repeats it."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from annotary.engine.checking import check
from tests.engine.histories import EDITS, RUN, edit, run
from tests.engine.world import World, exported, lines

FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"workflow_status": "ToLabel"},
    {"workflow_status": "InReview"},
    {"workflow_status": "Done"},
    {"last_activity_at": ["2026-05-04 08:20:00", None]},
    {"label_created_at": ["2026-05-04 08:05:00", "2026-05-04 08:30:00"]},
)
SEEDS = range(3)
STEPS = 45


@pytest.mark.parametrize("seed", SEEDS)
def test_since_applied_to_an_old_export_gives_the_new_one(world: World, seed: int) -> None:
    random = Random(seed)
    batches = {"batch_ids": [world.batch.id]}
    earlier: list[tuple[int, dict[str, Any], dict[str, Any]]] = []
    for step in range(STEPS):
        world.clock.tick(random.randrange(90))
        done = edit(world.engine, random, "streets")
        if step % 9 == 0 or step == STEPS - 1:
            for filters in (*FILTERS, batches):
                now = world.rows(filters=filters)
                for cursor, asked, old in earlier:
                    if asked == filters:
                        applied = _applied(old, world.rows(filters=filters, since=cursor))
                        assert applied == now, (seed, step, done, cursor, filters)
                earlier.append((world.sequence(), filters, now))
    assert check(world.engine.store).findings == ()


def _applied(old: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = {**old, **changes}
    return {id: row for id, row in merged.items() if not row.get("deleted")}


@pytest.mark.parametrize("seed", SEEDS)
def test_as_of_repeats_an_export_to_the_byte(world: World, seed: int) -> None:
    random = Random(100 + seed)
    run(world.engine, random, "streets")
    made: list[tuple[bool, dict[str, Any], bytes, int]] = []
    for step in range(STEPS):
        world.clock.tick(random.randrange(90))
        edit(world.engine, random, "streets")
        if step % 4 == 0:
            filters = random.choice(FILTERS)
            for of_run, asked in ((False, {}), (False, filters), (True, {})):
                id = RUN if of_run else "streets"
                made.append((of_run, asked, *exported(world.engine, id, run=of_run, filters=asked)))
    for of_run, asked, data, cursor in made:
        id = RUN if of_run else "streets"
        again, _ = exported(world.engine, id, run=of_run, filters=asked, as_of=cursor)
        assert again == data, (seed, cursor, asked)


@pytest.mark.parametrize("seed", SEEDS)
def test_since_holds_for_model_runs(world: World, seed: int) -> None:
    random = Random(200 + seed)
    run(world.engine, random, "streets")
    old, cursor = exported(world.engine, RUN, run=True)
    for _ in range(STEPS):
        world.clock.tick(random.randrange(90))
        random.choice((run, lambda *given: edit(*given)))(world.engine, random, "streets")
    new, _ = exported(world.engine, RUN, run=True)
    changes, _ = exported(world.engine, RUN, run=True, since=cursor)
    assert _applied(lines(old), lines(changes)) == lines(new)


def test_every_kind_of_edit_can_be_done(world: World) -> None:
    random = Random(5)
    for one in EDITS * 2:
        world.clock.tick()
        one(world.engine, random, "streets")
