from __future__ import annotations

import pytest

from annotary.engine.exporting import open_export
from annotary.errors import Conflict, Invalid, NotFound
from annotary.model.export import CatalogScope, ExportFilters, ExportParams, ExportQuery, Range, SliceScope
from annotary.operations.exports import StartExport
from annotary.operations.model_runs import AddRunRows, CreateModel, CreateModelRun, RemoveRunRows
from annotary.operations.projects import ChangeProject, GetProject
from annotary.operations.slices import (
    CountSliceRows,
    CreateSlice,
    DeleteSlice,
    FindSliceRows,
    FindSlices,
    GetSlice,
)
from annotary.operations.tags import CreateTag, FindTags
from tests.engine.world import World, lines


def _exported(world: World, scope: SliceScope | CatalogScope, **more: ExportFilters) -> set[str]:
    query = ExportQuery(scope=scope, params=ExportParams(all_projects=True), **more)
    export = open_export(world.engine, StartExport(query=query))
    return set(lines(b"".join(part.data for part in export.parts)))


def test_a_slice_is_a_question_asked_again(world: World) -> None:
    world.clock.tick()
    filters = ExportFilters(label_created_at=Range(start=world.engine.now()))
    made = world.call(CreateSlice(name="fresh", filters=filters))
    assert world.call(GetSlice(slice_id=made.id)) == made
    assert world.call(CountSliceRows(slice_id=made.id)) == 0
    world.label(2)
    world.label(4)
    assert world.call(CountSliceRows(slice_id=made.id)) == 2
    (first,) = world.call(FindSliceRows(slice_id=made.id, limit=1))
    (second,) = world.call(FindSliceRows(slice_id=made.id, after=first.id))
    assert [(one.id, one.global_key) for one in (first, second)] == [
        (world.ids[2], "key-2"),
        (world.ids[4], "key-4"),
    ]
    assert _exported(world, SliceScope(id=made.id)) == {world.ids[2], world.ids[4]}
    world.call(DeleteSlice(slice_id=made.id))
    assert not world.call(FindSlices())
    with pytest.raises(NotFound, match="no slice"):
        world.call(GetSlice(slice_id=made.id))


def test_a_slice_of_a_model_run(world: World) -> None:
    made = world.call(
        CreateSlice(name="some", filters=ExportFilters(global_keys=("key-1", "key-2", "key-3")))
    )
    model = world.call(CreateModel(name="m"))
    run = world.call(CreateModelRun(model_id=model.id, name="r"))
    world.call(AddRunRows(model_run_id=run.id, data_row_ids=(world.ids[0], world.ids[2], world.ids[3])))
    world.call(RemoveRunRows(model_run_id=run.id, data_row_ids=(world.ids[3],)))
    found = world.call(FindSliceRows(slice_id=made.id, model_run_id=run.id))
    assert [one.id for one in found] == [world.ids[2]]
    assert world.call(CountSliceRows(slice_id=made.id, model_run_id=run.id)) == 1
    with pytest.raises(NotFound, match="no model run"):
        world.call(CountSliceRows(slice_id=made.id, model_run_id="nope"))


def test_the_catalog_is_everything(world: World) -> None:
    assert _exported(world, CatalogScope()) == set(world.ids)
    some = ExportFilters(global_keys=("key-1", "nope"))
    assert _exported(world, CatalogScope(), filters=some) == {world.ids[1]}


def test_what_a_slice_cannot_be(world: World) -> None:
    with pytest.raises(Invalid, match="workflow_status filters projects only"):
        world.call(CreateSlice(name="s", filters=ExportFilters(workflow_status="DONE")))
    with pytest.raises(NotFound, match="no dataset 'nope'"):
        world.call(CreateSlice(name="s", dataset_id="nope"))
    made = world.call(CreateSlice(name="s"))
    with pytest.raises(Invalid, match="filters of its own"):
        _exported(world, SliceScope(id=made.id), filters=ExportFilters(data_row_ids=(world.ids[0],)))


def test_tags_are_made_once_and_given_to_projects(world: World) -> None:
    made = world.call(CreateTag(name="night", color="#00ff7f"))
    assert (made.color, world.call(FindTags())) == ("00ff7f", [made])
    with pytest.raises(Conflict, match="tag 'night' already"):
        world.call(CreateTag(name="night", color="000000"))
    with pytest.raises(Invalid, match="not a colour"):
        world.call(CreateTag(name="day", color="blue"))
    world.call(ChangeProject(project_id="streets", settings={"tags": [made.id]}))
    project = world.call(GetProject(project_id="streets"))
    assert (project.settings.tags, project.name) == ((made.id,), "Streets")
    with pytest.raises(Invalid, match="settings"):
        world.call(ChangeProject(project_id="streets", settings={"no such": 1}))
