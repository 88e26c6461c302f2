"""Snapshots and counts of a project; those of runs are in `test_model_runs.py`."""

from __future__ import annotations

import pytest

from annotary.errors import Conflict, Invalid, NotFound
from annotary.operations.labels import CreateReview
from annotary.operations.projects import CreateSnapshot, FindSnapshots, Summarize
from tests.engine.world import START, World, box, exported, mask, parked, take_rows

# Snapshots


def test_a_snapshot_names_the_present_state(world: World) -> None:
    data, cursor = exported(world.engine, "streets")
    first = world.call(CreateSnapshot(kind="project", id="streets", name="v1"))
    assert (first.sequence, first.scope_id, first.created_at[:19]) == (
        cursor,
        "streets",
        START.isoformat()[:19],
    )
    world.label(0)
    second = world.call(CreateSnapshot(kind="project", id="streets", name="a v2"))
    assert world.call(FindSnapshots(kind="project", id="streets")) == [first, second]
    assert exported(world.engine, "streets", as_of=first.sequence)[0] == data


@pytest.mark.parametrize(("name", "error"), [("v1", Conflict), ("17", Invalid), (" ", Invalid)])
def test_names_of_snapshots_are_words_and_taken_once(world: World, name: str, error: type[Exception]) -> None:
    world.call(CreateSnapshot(kind="project", id="streets", name="v1"))
    with pytest.raises(error, match="give a"):
        world.call(CreateSnapshot(kind="project", id="streets", name=name))
    with pytest.raises(NotFound, match="no model run 'streets'"):
        world.call(CreateSnapshot(kind="model_run", id="streets", name="v1"))


# Counts


def test_a_summary_counts_by_status_kind_and_class(world: World) -> None:
    answered = {"name": "weather", "checklist_answers": [{"name": "rain"}, {"name": "fog"}]}
    label = world.label(0, box(classifications=[parked()]), box(2), mask())
    world.label(0, box(3))
    world.label(1, {"name": "light", "annotation_kind": "ImagePoint", "point": {"x": 1, "y": 2}})
    row = {
        "data_row": {"id": world.ids[6], "row_data": "https://example.org/key-6.png", "global_key": "key-6"}
    }
    part = {"labels": [{"id": "answered", "annotations": {"objects": [], "classifications": [answered]}}]}
    take_rows(world.engine, [{**row, "projects": {"streets": part}}])
    world.call(CreateReview(project_id="streets", label_id=label.id, score=1))
    summary = world.call(Summarize(kind="project", id="streets"))
    assert (summary.rows, summary.labels, summary.rows_without_objects) == (7, 4, 5)
    assert summary.by_status == {"DONE": 2, "IN_REVIEW": 1, "TO_LABEL": 4}
    assert summary.by_kind == {"box": 3, "checklist": 1, "mask": 1, "point": 1, "radio": 1, "text": 1}
    assert summary.by_class == {"Big Car": 3, "light": 1, "road": 1}
    assert summary.sequence == world.sequence()
