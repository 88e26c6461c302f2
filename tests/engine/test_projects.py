from __future__ import annotations

import pytest
from msgspec import UNSET

from annotary.errors import Conflict, Invalid, NotFound
from annotary.model.export import ExportFilters, ExportParams
from annotary.model.project import Batch, ConsensusSettings, Issue, Snapshot
from annotary.operations.data_rows import CreateIssue, DeleteDataRows
from annotary.operations.labels import GetLabel
from annotary.operations.ontologies import CreateOntology
from annotary.operations.projects import (
    ChangeProject,
    CreateBatch,
    CreateProject,
    CreateSnapshot,
    DeleteProject,
    FindBatches,
    FindProjects,
    FindSnapshots,
    GetProject,
    MoveRows,
    RemoveRows,
    SetPriority,
    Summarize,
)
from annotary.store.rows import pages as pages_of
from tests.engine.world import World, add_rows, exported, mask, take_rows

LABELING, REVIEW, REWORK = "Initial labeling task", "Initial review task", "Rework (all rejected)"


def moved(world: World, place: int, task: str | None, **more: str) -> int:
    ids = {one.name: one.id for one in world.project.tasks}
    to = ids[task] if task else None
    return world.call(
        MoveRows(project_id="streets", data_row_ids=(world.ids[place],), task_id=to, **more)  # type: ignore[arg-type]
    )


# Projects


def test_a_project_has_the_default_workflow_and_is_found_by_id_and_name(world: World) -> None:
    other = world.call(CreateProject(name="Other", description="more of it"))
    assert len(other.id) == 25
    assert [task.name for task in other.tasks] == [LABELING, REVIEW, REWORK]
    assert other.created_by == "annotary@localhost"
    assert world.call(GetProject(project_id=other.id)) == other
    assert world.call(FindProjects(name="Other")) == [other]
    assert {one.id for one in world.call(FindProjects())} == {"streets", other.id}
    assert len(world.call(FindProjects(limit=1))) == 1


def test_a_projects_id_can_be_taken_once(world: World) -> None:
    with pytest.raises(Conflict, match="project 'streets' is there already"):
        world.call(CreateProject(name="again", id="streets"))
    assert world.call(GetProject(project_id="streets")).name == "Streets"


def test_a_project_needs_an_ontology_that_exists(world: World) -> None:
    with pytest.raises(NotFound, match="no ontology 'nope'"):
        world.call(CreateProject(name="x", id="x", ontology_id="nope"))
    with pytest.raises(NotFound, match="no project 'x'"):
        world.call(GetProject(project_id="x"))


def test_renaming_shows_on_every_row_and_in_exports_since_then(world: World) -> None:
    world.label(0)
    before, cursor = exported(world.engine, "streets")
    active = world.active(0)
    world.clock.tick()
    changed = world.call(ChangeProject(project_id="streets", name="Roads", description="all"))
    assert (changed.name, changed.description, changed.ontology_id) == ("Roads", "all", "street")
    since = world.rows(since=cursor)
    assert set(since) == set(world.ids[:6])
    assert {row["projects"]["streets"]["name"] for row in since.values()} == {"Roads"}
    assert world.active(0) == active
    assert exported(world.engine, "streets", as_of=cursor)[0] == before


def test_a_change_to_what_is_there_already_is_none(world: World) -> None:
    before = world.sequence()
    world.call(ChangeProject(project_id="streets", name="Streets", description=None, ontology_id="street"))
    world.call(ChangeProject(project_id="streets"))
    assert world.sequence() == before


def test_another_ontology_is_taken_while_there_are_no_labels(world: World) -> None:
    other = world.call(CreateOntology(name="other", normalized=world.ontology.normalized, id="other"))
    cursor = world.sequence()
    world.call(ChangeProject(project_id="streets", ontology_id=other.id))
    assert {
        row["projects"]["streets"]["project_details"]["ontology_id"] for row in world.rows().values()
    } == {"other"}
    assert len(world.rows(since=cursor)) == 6
    world.label(0)
    with pytest.raises(Conflict, match="has labels made with ontology 'other'"):
        world.call(ChangeProject(project_id="streets", ontology_id="street"))


def test_a_removed_project_is_gone_with_all_that_was_in_it(world: World) -> None:
    label = world.label(0, mask("road-1"))
    world.call(CreateIssue(project_id="streets", data_row_id=world.ids[0], text="hm"))
    world.call(CreateSnapshot(kind="project", id="streets", name="then"))
    world.call(DeleteProject(project_id="streets"))
    store = world.engine.store
    for kind in (Batch, Issue, Snapshot):
        assert store.find(kind) == []
    for operation in (
        GetProject(project_id="streets"),
        DeleteProject(project_id="streets"),
        GetLabel(project_id="streets", label_id=label.id),
        FindBatches(project_id="streets"),
        FindSnapshots(kind="project", id="streets"),
        Summarize(kind="project", id="streets"),
    ):
        with pytest.raises(NotFound, match="no project 'streets'"):
            world.call(operation)
    # The data rows stay, and the id is free again.
    again = world.call(CreateProject(name="again", id="streets", ontology_id="street"))
    assert world.rows() == {}
    world.send(world.ids[:2])
    assert world.part(0)["labels"] == []
    assert again.name == world.part(0)["name"] == "again"
    world.call(DeleteProject(project_id="streets"))


def test_an_export_that_reads_a_project_while_it_is_removed_comes_to_its_end(world: World) -> None:
    world.label(0)
    whole, _ = exported(world.engine, "streets")
    at, _, _ = world.engine.store.at("project", "streets")
    pages = pages_of(world.engine.reader, at, ExportParams(), ExportFilters())
    world.call(DeleteProject(project_id="streets"))
    assert sum(len(page.rows) for page in pages) == 6 == len(whole.splitlines())


# Batches


def test_rows_of_a_batch_wait_to_be_labelled(world: World) -> None:
    batch = world.send(world.ids[6:8], "second", priority=2)
    assert len(batch.id) == 36
    assert world.details(6) == {
        "ontology_id": "street",
        "task_name": LABELING,
        "batch_id": batch.id,
        "batch_name": "second",
        "workflow_status": "TO_LABEL",
        "priority": 2,
        "consensus_expected_label_count": 1,
        "workflow_history": [],
    }
    assert world.part(6)["labels"] == world.part(6)["project_tags"] == []
    assert [one.name for one in world.call(FindBatches(project_id="streets"))] == ["first", "second"]
    assert set(world.rows(filters={"batch_ids": [batch.id]})) == set(world.ids[6:8])


def test_rows_are_sent_by_global_key_too(world: World) -> None:
    request = CreateBatch(
        project_id="streets", name="keys", data_row_ids=(world.ids[7],), global_keys=("key-9", "key-8")
    )
    world.call(request)
    assert set(world.ids[7:]) < set(world.rows())


def test_a_batch_of_a_project_without_an_ontology_makes_one_that_grows(world: World) -> None:
    world.call(CreateProject(name="bare", id="bare"))
    world.call(CreateBatch(project_id="bare", name="b", data_row_ids=(world.ids[0],)))
    assert world.call(GetProject(project_id="bare")).ontology_id


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"data_row_ids": ("nope",)}, r"no data row 'nope'"),
        ({"global_keys": ("key-7", "nope")}, r"no data row with global key 'nope'"),
    ],
)
def test_unknown_rows_are_named(world: World, given: dict[str, tuple[str, ...]], complaint: str) -> None:
    before = world.sequence()
    with pytest.raises(NotFound, match=complaint):
        world.call(CreateBatch(project_id="streets", name="x", **given))  # type: ignore[arg-type]
    assert world.sequence() == before
    assert len(world.call(FindBatches(project_id="streets"))) == 1


def test_a_row_is_in_one_batch_of_a_project(world: World) -> None:
    with pytest.raises(Conflict, match=f"data row '{world.ids[5]}' is in project 'streets' already"):
        world.send(world.ids[5:], "second")
    assert set(world.rows()) == set(world.ids[:6])


def test_a_batch_needs_rows_and_a_name_of_its_own(world: World) -> None:
    with pytest.raises(Invalid, match="batch 'x' has no data rows"):
        world.send((), "x")
    with pytest.raises(Conflict, match="has a batch 'first' already"):
        world.send(world.ids[6:])


def test_consensus_is_for_a_share_of_the_rows_always_the_same(world: World) -> None:
    settings = ConsensusSettings(number_of_labels=3, coverage_percentage=0.6)
    for project in ("a", "b"):
        world.call(CreateProject(name=project, id=project, ontology_id="street"))
    ids = tuple(world.ids)
    expected = {}
    for project, given in (("a", ids), ("b", ids[::-1])):
        world.call(CreateBatch(project_id=project, name="c", data_row_ids=given, consensus=settings))
        rows, _ = exported(world.engine, project)
        expected[project] = [b'"consensus_expected_label_count":3' in line for line in rows.splitlines()]
        assert sum(expected[project]) == 6
    world.call(DeleteProject(project_id="a"))
    world.call(CreateProject(name="a", id="a", ontology_id="street"))
    world.call(CreateBatch(project_id="a", name="c", data_row_ids=ids[::-1], consensus=settings))
    rows, _ = exported(world.engine, "a")
    again = [b'"consensus_expected_label_count":3' in line for line in rows.splitlines()]
    assert again == expected["a"]


def test_a_row_that_was_taken_out_can_be_sent_again(world: World) -> None:
    world.label(0)
    world.call(RemoveRows(project_id="streets", data_row_ids=(world.ids[0],)))
    cursor = world.sequence()
    world.clock.tick()
    world.send(world.ids[:1], "again")
    row = world.rows(since=cursor)[world.ids[0]]
    assert row["projects"]["streets"]["labels"] == []
    assert world.history(0) == []


# Moves


def test_moves_are_noted_newest_first(world: World) -> None:
    world.clock.tick()
    now = world.clock.tick()
    assert moved(world, 0, REVIEW) == 1
    review = next(task for task in world.project.tasks if task.name == REVIEW)
    labeling = next(task for task in world.project.tasks if task.name == LABELING)
    details = world.details(0)
    assert (details["workflow_status"], details["task_name"]) == ("IN_REVIEW", REVIEW)
    assert list(details["workflow_history"][0].items()) == [
        ("action", "Move"),
        ("created_at", now),
        ("created_by", "annotary@localhost"),
        ("previous_task_name", LABELING),
        ("previous_task_id", labeling.id),
        ("next_task_name", REVIEW),
        ("next_task_id", review.id),
    ]
    assert world.active(0) == now
    moved(world, 0, None, action="Approve")
    assert (world.details(0)["workflow_status"], world.details(0)["task_name"]) == ("DONE", "Done")
    moved(world, 0, REWORK)
    assert world.history(0) == [
        ("Move", None, REWORK),
        ("Approve", REVIEW, None),
        ("Move", LABELING, REVIEW),
    ]
    assert set(world.rows(filters={"workflow_status": "InRework"})) == {world.ids[0]}


def test_a_row_that_is_there_already_stays_as_it_is(world: World) -> None:
    moved(world, 0, None)
    before = world.sequence()
    assert moved(world, 0, None) == 1
    assert world.sequence() == before
    assert len(world.history(0)) == 1


def test_moves_go_on_from_tasks_of_the_vendor(world: World) -> None:
    event = {
        "action": "Move",
        "created_at": "2026-05-01T00:00:00Z",
        "created_by": "a@example.com",
        "next_task_name": "Second look",
        "next_task_id": "77777777-0000-5000-8000-000000000000",
        "x_reason": "kept",
    }
    details = {
        "task_name": "Second look",
        "task_id": "77777777-0000-5000-8000-000000000000",
        "workflow_status": "IN_REVIEW",
        "workflow_history": [event],
    }
    row = {
        "data_row": {"id": world.ids[6], "row_data": "https://example.org/key-6.png", "global_key": "key-6"}
    }
    take_rows(world.engine, [{**row, "projects": {"streets": {"project_details": details}}}])
    moved(world, 6, REWORK)
    newest, oldest = world.details(6)["workflow_history"]
    assert newest["previous_task_id"] == event["next_task_id"]
    assert oldest["x_reason"] == "kept"
    assert world.details(6)["task_id"] == newest["next_task_id"]
    moved(world, 6, None)
    assert world.details(6)["task_id"] is None


def test_an_unknown_task_or_row_is_named(world: World) -> None:
    with pytest.raises(NotFound, match="no workflow task 'nope' in project 'streets'; there are: "):
        world.call(MoveRows(project_id="streets", data_row_ids=(world.ids[0],), task_id="nope"))
    before = world.sequence()
    with pytest.raises(NotFound, match=f"data row '{world.ids[9]}' is not in project 'streets'"):
        world.call(MoveRows(project_id="streets", data_row_ids=(world.ids[0], world.ids[9])))
    with pytest.raises(NotFound, match="no data row 'nope'"):
        world.call(MoveRows(project_id="streets", data_row_ids=("nope",)))
    assert world.sequence() == before
    assert world.call(MoveRows(project_id="streets", data_row_ids=())) == 0


def test_priority_is_set_once_a_row(world: World) -> None:
    now = world.clock.tick()
    ids = (world.ids[0], world.ids[1], world.ids[0])
    assert world.call(SetPriority(project_id="streets", data_row_ids=ids, priority=1)) == 2
    assert (world.details(1)["priority"], world.active(1)) == (1, now)
    before = world.sequence()
    world.call(SetPriority(project_id="streets", data_row_ids=ids, priority=1))
    assert world.sequence() == before


def test_rows_taken_out_leave_tombstones(world: World) -> None:
    label = world.label(0)
    cursor = world.sequence()
    ids = tuple(world.ids[:2])
    assert world.call(RemoveRows(project_id="streets", data_row_ids=ids)) == 2
    gone = world.rows(since=cursor)
    assert [row["deleted"] for row in gone.values()] == [True, True]
    assert set(world.rows()) == set(world.ids[2:6])
    with pytest.raises(NotFound, match=f"no label '{label.id}'"):
        world.call(GetLabel(project_id="streets", label_id=label.id))
    with pytest.raises(NotFound, match="is not in project"):
        world.call(RemoveRows(project_id="streets", data_row_ids=ids))


def test_more_rows_than_a_page_are_worked_on_all(world: World) -> None:
    ids = add_rows(world.engine, [f"many-{number}" for number in range(520)])
    world.send(ids, "many")
    assert world.call(MoveRows(project_id="streets", data_row_ids=tuple(ids))) == 520
    assert world.call(Summarize(kind="project", id="streets")).by_status == {"DONE": 520, "TO_LABEL": 6}
    other = world.call(CreateOntology(name="other", normalized=world.ontology.normalized))
    cursor = world.sequence()
    world.call(ChangeProject(project_id="streets", ontology_id=other.id))
    assert len(world.rows(since=cursor)) == 526
    assert world.call(RemoveRows(project_id="streets", data_row_ids=tuple(ids))) == 520
    assert len(world.rows()) == 6
    assert world.call(DeleteDataRows(data_row_ids=tuple(ids))) == 520


def test_a_filter_is_read_at_the_exports_state_even_if_it_changes_meanwhile(world: World) -> None:
    store = world.engine.store
    at, _, _ = store.at("project", "streets")
    moved(world, 0, None)
    filters = ExportFilters(workflow_status="TO_LABEL")
    assert filters.batch_ids is UNSET
    pages = pages_of(store.database, at, ExportParams(), filters)
    assert sum(len(page.rows) for page in pages) == 6
