from __future__ import annotations

import pytest

from annotary.errors import Conflict, NotFound
from annotary.operations.data_rows import DeleteDataRows
from annotary.operations.datasets import CountDataRows, CreateDataset, FindDatasets, GetDataset
from tests.engine.world import World, add_rows


def test_a_dataset_is_made_empty_and_found(world: World) -> None:
    made = world.call(CreateDataset(name="night", description="after dark"))
    assert (len(made.id), made.created_by) == (25, "annotary@localhost")
    assert world.call(GetDataset(dataset_id=made.id)) == made
    assert world.call(FindDatasets(name="night")) == [made]
    assert {one.name for one in world.call(FindDatasets())} == {"images", "night"}
    assert world.call(CountDataRows(dataset_id=made.id)) == 0


def test_a_datasets_id_can_be_taken_once(world: World) -> None:
    world.call(CreateDataset(name="a", id="mine"))
    with pytest.raises(Conflict, match="dataset 'mine' is there already"):
        world.call(CreateDataset(name="b", id="mine"))
    assert world.call(GetDataset(dataset_id="mine")).name == "a"


def test_its_data_rows_are_counted(world: World) -> None:
    (images,) = world.call(FindDatasets(name="images"))
    assert world.call(CountDataRows(dataset_id=images.id)) == 10
    add_rows(world.engine, ["elsewhere"], dataset="other")
    world.call(DeleteDataRows(data_row_ids=tuple(world.ids[:3])))
    assert world.call(CountDataRows(dataset_id=images.id)) == 7


def test_an_unknown_dataset_is_not_found(world: World) -> None:
    for operation in (GetDataset(dataset_id="nope"), CountDataRows(dataset_id="nope")):
        with pytest.raises(NotFound, match="no dataset 'nope'"):
            world.call(operation)
