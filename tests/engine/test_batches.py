from __future__ import annotations

import pytest

from annotary.engine import batches
from annotary.errors import Conflict, Invalid, NotFound
from annotary.operations.batches import (
    AddBatchRows,
    CreateBatches,
    CreateEmptyBatch,
    DeleteBatch,
    DeleteBatchLabels,
    GetBatch,
    RemoveBatchRows,
)
from annotary.operations.projects import CountRows, FindBatches
from tests.engine.world import World


def test_a_batch_has_a_size(world: World) -> None:
    found = world.call(GetBatch(batch_id=world.batch.id))
    assert (found.batch, found.size) == (world.batch, 6)
    with pytest.raises(NotFound, match="no batch 'nope'"):
        world.call(GetBatch(batch_id="nope"))


def test_rows_are_added_to_an_empty_batch_later(world: World) -> None:
    made = world.call(CreateEmptyBatch(project_id="streets", name="later", priority=3))
    assert world.call(GetBatch(batch_id=made.id)).size == 0
    more = AddBatchRows(
        project_id="streets", batch_id=made.id, data_row_ids=(world.ids[6],), global_keys=("key-7",)
    )
    assert world.call(more) == 2
    assert world.call(GetBatch(batch_id=made.id)).size == 2
    assert (world.details(6)["batch_name"], world.details(6)["priority"]) == ("later", 3)
    hurried = AddBatchRows(project_id="streets", batch_id=made.id, data_row_ids=(world.ids[8],), priority=1)
    world.call(hurried)
    assert world.details(8)["priority"] == 1


def test_a_batch_name_is_there_once_and_a_row_in_one_batch(world: World) -> None:
    with pytest.raises(Conflict, match="batch 'first' already"):
        world.call(CreateEmptyBatch(project_id="streets", name="first"))
    made = world.call(CreateEmptyBatch(project_id="streets", name="later"))
    before = world.sequence()
    again = AddBatchRows(project_id="streets", batch_id=made.id, data_row_ids=(world.ids[9], world.ids[0]))
    with pytest.raises(Conflict, match="in one batch only"):
        world.call(again)
    assert world.sequence() == before
    with pytest.raises(NotFound, match="no batch"):
        world.call(AddBatchRows(project_id="streets", batch_id="nope", data_row_ids=(world.ids[9],)))


def test_many_rows_are_sent_in_batches_of_a_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_LIMIT", 3)
    made = world.call(CreateBatches(project_id="streets", prefix="many-", data_row_ids=tuple(world.ids[6:])))
    assert [one.name for one in made] == ["many-0000", "many-0001"]
    assert [world.call(GetBatch(batch_id=one.id)).size for one in made] == [3, 1]
    with pytest.raises(Invalid, match="no data rows"):
        world.call(CreateBatches(project_id="streets", prefix="none"))


def test_a_whole_dataset_is_sent(world: World) -> None:
    dataset = world.row(0)["data_row"]["details"]["dataset_id"]
    with pytest.raises(Conflict, match="in one batch only"):
        world.call(CreateBatches(project_id="streets", prefix="all", dataset_id=dataset))
    assert [one.name for one in world.call(FindBatches(project_id="streets"))] == ["first"]


def test_rows_without_labels_are_taken_out_of_a_batch(world: World) -> None:
    world.label(1)
    assert world.call(RemoveBatchRows(project_id="streets", batch_id=world.batch.id)) == 5
    assert list(world.rows()) == [world.ids[1]]


def test_a_batchs_labels_are_removed_and_its_rows_wait_again(world: World) -> None:
    labels = [world.label(place).id for place in (0, 2)]
    assert world.details(0)["workflow_status"] == "IN_REVIEW"
    gone = world.call(DeleteBatchLabels(project_id="streets", batch_id=world.batch.id))
    assert sorted(gone) == sorted(labels)
    assert not world.part(0)["labels"]
    assert world.details(0)["workflow_status"] == "TO_LABEL"
    assert world.history(0)[0] == ("Move", "Initial review task", "Initial labeling task")


def test_a_batch_goes_with_its_rows_but_not_with_labels(world: World) -> None:
    label = world.label(0)
    with pytest.raises(Conflict, match="remove its labels first"):
        world.call(DeleteBatch(project_id="streets", batch_id=world.batch.id))
    assert len(world.rows()) == 6
    assert world.call(DeleteBatchLabels(project_id="streets", batch_id=world.batch.id)) == [label.id]
    world.call(DeleteBatch(project_id="streets", batch_id=world.batch.id))
    assert not world.rows()
    assert not world.call(FindBatches(project_id="streets"))
    assert world.send(world.ids[:6]).name == "first"


def test_rows_and_labels_are_counted(world: World) -> None:
    world.send(world.ids[6:8], "second")
    world.label(0)
    counts = world.call(CountRows(project_id="streets"))
    assert (counts.rows, counts.labels, counts.skipped) == (8, 1, 0)
    assert counts.by_status == {"IN_REVIEW": 1, "TO_LABEL": 7}
    assert sorted(counts.batches.values()) == [2, 6]
    some = world.call(CountRows(project_id="streets", batch_ids=(world.batch.id,)))
    assert some.by_status == {"IN_REVIEW": 1, "TO_LABEL": 5}
    assert some.rows == 6
