"""Several at once, each with connections of its own, as separate processes have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from random import Random
from typing import Any

import pytest

from annotary.engine.core import Engine
from annotary.errors import Conflict, Invalid, NotFound
from annotary.model.row import MetadataField
from annotary.operations.data_rows import DeleteDataRows, SetMetadata
from annotary.operations.labels import SaveLabel
from annotary.operations.projects import CreateBatch, CreateProject, FindBatches
from annotary.operations.users import CreateKey
from annotary.store import Store
from tests.engine.histories import edit, run
from tests.engine.world import Clock, World, annotated, box, exported, lines

WORKERS = 6


@contextmanager
def at_once(url: str, clock: Clock) -> Iterator[Callable[[Callable[[Engine, int], Any]], list[Any]]]:
    """Does something as several people; what each of them got, or what stopped them."""
    engines = [Engine(Store.open(url), clock=clock) for _ in range(WORKERS)]

    def done(work: Callable[[Engine, int], Any]) -> list[Any]:
        def one(number: int) -> Any:
            try:
                return work(engines[number], number)
            except (Conflict, NotFound, Invalid) as error:
                return error

        with ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(one, range(WORKERS)))

    yield done
    for engine in engines:
        engine.close()


def test_labels_saved_at_once_are_all_there_in_one_order(world: World, store_url: str) -> None:
    before = world.sequence()

    def save(engine: Engine, number: int) -> None:
        for left in range(5):
            given = annotated(box(left))
            engine.call(SaveLabel(project_id="streets", data_row_id=world.ids[0], annotations=given))

    with at_once(store_url, world.clock) as do:
        assert do(save) == [None] * WORKERS
    assert world.sequence() == before + 5 * WORKERS
    assert len(world.part(0)["labels"]) == 5 * WORKERS
    assert len(world.history(0)) == 2


def test_metadata_set_at_once_is_all_kept(world: World, store_url: str) -> None:
    given = (
        ("tag", "night"),
        ("split", "train"),
        ("skipNFrames", 3),
        ("captureDateTime", "2026-01-01"),
    )

    def tell(engine: Engine, number: int) -> None:
        if number < len(given):
            field = MetadataField(schema_name=given[number][0], value=given[number][1])
            engine.call(SetMetadata(data_row_id=world.ids[0], fields=(field,)))

    with at_once(store_url, world.clock) as do:
        assert do(tell) == [None] * WORKERS
    assert {field["schema_name"] for field in world.row(0)["metadata_fields"]} == {name for name, _ in given}


@pytest.mark.parametrize(
    "operation",
    [CreateKey(name="ci"), CreateProject(name="p", id="p")],
    ids=["key", "project"],
)
def test_what_can_be_there_once_is_made_by_one(world: World, store_url: str, operation: Any) -> None:
    with at_once(store_url, world.clock) as do:
        got = do(lambda engine, number: engine.call(operation))
    assert sum(isinstance(one, Conflict) for one in got) == WORKERS - 1


def test_a_row_is_sent_by_one(world: World, store_url: str) -> None:
    ids = tuple(world.ids[6:])

    def send(engine: Engine, number: int) -> Any:
        given = ids if number % 2 else ids[::-1]
        return engine.call(CreateBatch(project_id="streets", name=f"batch {number}", data_row_ids=given))

    with at_once(store_url, world.clock) as do:
        got = do(send)
    assert sum(isinstance(one, Conflict) for one in got) == WORKERS - 1
    assert len(world.call(FindBatches(project_id="streets"))) == 2


def test_a_row_is_not_sent_while_it_is_deleted(world: World, store_url: str) -> None:
    ids = tuple(world.ids[6:])
    for number in range(WORKERS):
        world.call(CreateProject(name="p", id=f"p{number}", ontology_id="street"))

    def work(engine: Engine, number: int) -> Any:
        if number == 0:
            return engine.call(DeleteDataRows(data_row_ids=ids))
        return engine.call(CreateBatch(project_id=f"p{number}", name="b", data_row_ids=ids[::-1]))

    with at_once(store_url, world.clock) as do:
        got = do(work)
    assert got[0] == 4
    for number in range(1, WORKERS):
        assert lines(exported(world.engine, f"p{number}")[0]) == {}


def test_histories_made_at_once_keep_both_promises(world: World, store_url: str) -> None:
    run(world.engine, Random(0), "streets")
    made: list[tuple[bytes, int]] = []

    def work(engine: Engine, number: int) -> None:
        random = Random(number)
        for step in range(12):
            # Somebody else may be faster: what was found is no longer there.
            with suppress(Conflict, NotFound, Invalid):
                edit(engine, random, "streets")
            if step % 4 == 0:
                made.append(exported(engine, "streets"))

    with at_once(store_url, world.clock) as do:
        assert do(work) == [None] * WORKERS
    now = world.rows()
    for data, cursor in made:
        merged = {**lines(data), **world.rows(since=cursor)}
        assert {id: row for id, row in merged.items() if not row.get("deleted")} == now
        assert exported(world.engine, "streets", as_of=cursor)[0] == data
