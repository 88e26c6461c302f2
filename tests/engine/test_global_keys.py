from __future__ import annotations

import pytest

from annotary.errors import Conflict, Invalid, NotFound
from annotary.operations.data_rows import ChangeDataRow, FindDataRows
from annotary.operations.global_keys import AssignGlobalKeys, ClearGlobalKeys, FindGlobalKeys, Keyed
from tests.engine.world import World


def test_data_rows_are_found_by_global_keys_in_the_order_asked_for(world: World) -> None:
    found = world.call(FindGlobalKeys(global_keys=("key-3", "nope", "key-0")))
    assert found == [
        Keyed(data_row_id=world.ids[3], global_key="key-3"),
        Keyed(data_row_id=world.ids[0], global_key="key-0"),
    ]


def test_keys_are_cleared_and_given_again(world: World) -> None:
    came = world.call(ClearGlobalKeys(global_keys=("key-0", "nope", "key-0")))
    assert (came.cleared, came.missing) == (("key-0",), ("nope",))
    assert "global_key" not in world.row(0)["data_row"]
    first, second = world.ids[0], world.ids[1]
    given = AssignGlobalKeys(
        assignments=(
            Keyed(data_row_id=first, global_key="new"),
            Keyed(data_row_id=second, global_key="key-1"),
            Keyed(data_row_id=second, global_key="key-2"),
            Keyed(data_row_id="nope", global_key="key-9999"),
        )
    )
    came_then = world.call(given)
    assert [one.global_key for one in came_then.assigned] == ["new"]
    assert [one.global_key for one in came_then.unmodified] == ["key-1"]
    assert [one.global_key for one in came_then.invalid] == ["key-2"]
    assert [one.data_row_id for one in came_then.missing] == ["nope"]
    assert world.row(0)["data_row"]["global_key"] == "new"


def test_a_data_row_is_changed_wherever_it_is_shown(world: World) -> None:
    world.clock.tick()
    before = world.active(0)
    changed = world.call(
        ChangeDataRow(data_row_id=world.ids[0], external_id="outside", row_data="https://example.org/x.png")
    )
    assert (changed.data_row.external_id, changed.data_row.global_key) == ("outside", "key-0")
    shown = world.row(0)["data_row"]
    assert (shown["external_id"], shown["row_data"]) == ("outside", "https://example.org/x.png")
    assert world.active(0) > before
    with pytest.raises(Conflict, match=f"{world.ids[1]}.*has the global key 'key-1' already"):
        world.call(ChangeDataRow(data_row_id=world.ids[0], global_key="key-1"))
    with pytest.raises(NotFound, match="no data row 'nope'"):
        world.call(ChangeDataRow(data_row_id="nope", external_id="x"))
    with pytest.raises(Invalid, match="row_data"):
        world.call(ChangeDataRow(data_row_id=world.ids[0], row_data=""))


def test_data_rows_are_listed_newest_first_in_pages(world: World) -> None:
    dataset = world.row(0)["data_row"]["details"]["dataset_id"]
    newest = list(reversed(world.ids))
    page = world.call(FindDataRows(dataset_id=dataset, limit=4))
    assert [row.data_row.id for row in page] == newest[:4]
    more = world.call(FindDataRows(dataset_id=dataset, before=newest[3], limit=100))
    assert [row.data_row.id for row in more] == newest[4:]
    named = world.call(FindDataRows(ids=(world.ids[5], "nope", world.ids[2])))
    assert [row.data_row.id for row in named] == [world.ids[5], world.ids[2]]
    world.call(ChangeDataRow(data_row_id=world.ids[4], external_id='a "quoted" %_ name'))
    (found,) = world.call(FindDataRows(external_ids=('a "quoted" %_ name',)))
    assert found.data_row.id == world.ids[4]
    assert not world.call(FindDataRows(external_ids=("a",)))
    assert (found.media_attributes.width, found.attachments, found.metadata_fields) == (12, (), ())
    with pytest.raises(NotFound, match="no data row 'nope' to go on after"):
        world.call(FindDataRows(before="nope"))
    with pytest.raises(NotFound, match="no dataset 'nope'"):
        world.call(FindDataRows(dataset_id="nope"))
