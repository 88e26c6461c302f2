"""Two promises about any history of edits: `since` completes an old export, `as_of` repeats it."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from annotary.engine.checking import check
from annotary.errors import Outdated
from annotary.model.export import ExportParams
from annotary.store.filters import FOREVER
from annotary.store.migrations import fitting
from tests.engine.histories import EDITS, RUN, edit, run
from tests.engine.world import ALL_DETAILS, World, exported, lines

FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"workflow_status": "ToLabel"},
    {"workflow_status": "InReview"},
    {"workflow_status": "Done"},
    {"last_activity_at": ["2026-05-04 08:20:00", None]},
    {"label_created_at": ["2026-05-04 08:05:00", "2026-05-04 08:30:00"]},
)
PARAMS = (
    ALL_DETAILS,
    ExportParams(),
    ExportParams(metadata_fields=True, label_details=True),
    ExportParams(data_row_details=True, attachments=True, performance_details=True),
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
                params = PARAMS[seed % len(PARAMS)]
                now = world.rows(filters=filters, params=params)
                for cursor, asked, old in earlier:
                    if asked == filters:
                        applied = _applied(old, world.rows(filters=filters, params=params, since=cursor))
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
    made: list[tuple[dict[str, Any], bytes, int]] = []
    for step in range(STEPS):
        world.clock.tick(random.randrange(90))
        edit(world.engine, random, "streets")
        if step % 4 == 0:
            filters, params = random.choice(FILTERS), random.choice(PARAMS)
            for asked in ({}, {"filters": filters}, {"params": params}, {"id": RUN, "run": True}):
                asked = {"id": "streets", **asked}
                made.append((asked, *exported(world.engine, **asked)))
    for asked, data, cursor in made:
        again, _ = exported(world.engine, **asked, as_of=cursor)
        assert again == data, (seed, cursor, asked)


DERIVED = (
    "SELECT n, front, label FROM rows ORDER BY n",
    "SELECT n, signature FROM labels ORDER BY n",
    "SELECT n, external_id FROM data_rows ORDER BY n",
    "SELECT signature, kind, name FROM shown ORDER BY signature, kind, name",
)
"""What stores of the first release do not have, and follows from what they do have."""
BACK = (
    "ALTER TABLE rows DROP COLUMN front",
    "ALTER TABLE rows DROP COLUMN label",
    "DROP INDEX rows_present",
    f"CREATE INDEX rows_status ON rows (collection, status) WHERE until = {FOREVER}",
    "DROP INDEX labels_signature",
    "ALTER TABLE labels DROP COLUMN signature",
    "DROP INDEX data_rows_external_id",
    "ALTER TABLE data_rows DROP COLUMN external_id",
    "DROP TABLE shown",
    "DROP INDEX rows_unusual",
    "DROP TABLE placed_blobs",
    "ALTER TABLE alembic_version DROP COLUMN oldest",
    "UPDATE alembic_version SET version_num = '0001'",
)


def test_a_store_of_the_first_release_is_led_to_the_same_bytes(world: World) -> None:
    """Its rows do not know their labels; those of all states are led there as if they always had been."""
    random = Random(300)
    made = []
    for step in range(STEPS):
        world.clock.tick()
        edit(world.engine, random, "streets")
        if step % 5 == 0:
            run(world.engine, random, "streets")
            made += [(params, *exported(world.engine, "streets", params=params)) for params in PARAMS]
    database = world.engine.store.database
    derived = [text(query) for query in DERIVED]
    with database.transaction() as connection:
        known = [connection.execute(query).all() for query in derived]
        for statement in BACK:
            connection.execute(text(statement))
    with pytest.raises(Outdated, match="run: annotary migrate"):
        fitting.ensure(database)
    fitting.ensure(database, migrate=True)
    with database.connection() as connection:
        assert [connection.execute(query).all() for query in derived] == known
    assert check(world.engine.store).findings == ()
    for params, data, cursor in made:
        assert exported(world.engine, "streets", params=params, as_of=cursor)[0] == data


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
