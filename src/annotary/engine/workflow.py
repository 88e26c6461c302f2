"""The workflow of a project: where its rows wait, and the history of their moves."""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import replace

from annotary.engine.versions import Fields, renewed
from annotary.model import sections
from annotary.model.carried import Extras, decode
from annotary.model.project import DONE, Project, WorkflowTask
from annotary.model.row import ProjectDetails, WorkflowEvent

Place = tuple[str, str]
"""Name and id of a workflow task."""


def details_of(row: Fields) -> tuple[ProjectDetails, Extras]:
    """What a project knows of a row, and the unknown keys it came with."""
    return decode(row["extra"], ProjectDetails)


def with_details(details: ProjectDetails, extras: Extras) -> str:
    """The section again."""
    return sections.project_details(details, [(("project_details", *path), value) for path, value in extras])


class Mover:
    """Moves rows of a project, as somebody, now."""

    def __init__(self, project: Project, by: str, now: str) -> None:
        self.project = project
        self.by = by
        self.now = now

    def moved(self, row: Fields, to: WorkflowTask | None, action: str = "Move") -> Fields:
        """A row after its move to a task, or to Done; the same row where it is there already."""
        details, extras = details_of(row)
        before = self._place(details)
        after = None if to is None else (to.name, to.id)
        there = (DONE, "DONE") if to is None else (to.name, to.status())
        if (details.task_name, details.workflow_status) == there:
            return row
        return self._written(row, details, extras, to, [self._event(action, before, after)])

    def submitted(self, row: Fields, labels: int) -> Fields:
        """A row after a labeller's submit: on to review if it waited for this, with `labels` on it now."""
        details, extras = details_of(row)
        review, labeling = self.project.task("review"), self.project.task("labeling")
        next_place = (review.name, review.id)
        if details.workflow_status == "IN_REWORK":
            event = self._event("Move", self._place(details), next_place)
            return self._written(row, details, extras, review, [event])
        expected = details.consensus_expected_label_count
        if details.workflow_status != "TO_LABEL" or (isinstance(expected, int) and labels < expected):
            return row
        place = (labeling.name, labeling.id)
        events = [self._event("Move", self._place(details), next_place)]
        history = details.workflow_history
        if not history or history[0].next_task_name is UNSET:
            # The vendor notes that a row was taken up only when its work is handed in.
            events = [self._event("Move", place, next_place), self._event("Move", None, place)]
        return self._written(row, details, extras, review, events)

    def _event(self, action: str, before: Place | None, after: Place | None) -> WorkflowEvent:
        return WorkflowEvent(
            action=action,
            created_at=self.now,
            created_by=self.by,
            previous_task_name=before[0] if before else UNSET,
            previous_task_id=before[1] if before else UNSET,
            next_task_name=after[0] if after else UNSET,
            next_task_id=after[1] if after else UNSET,
        )

    def _place(self, details: ProjectDetails) -> Place | None:
        """The task a row is in; None where it is in none."""
        if details.workflow_status == "DONE":
            return None
        for task in self.project.tasks:
            if task.name == details.task_name:
                return task.name, task.id
        last = details.workflow_history[0] if details.workflow_history else None
        if last is not None and last.next_task_name == details.task_name:
            # A task of the project the row was imported from, which has its own id.
            return str(last.next_task_name), str(last.next_task_id)
        for task in self.project.tasks:
            if task.status() == details.workflow_status:
                return task.name, task.id
        return None

    def _written(
        self,
        row: Fields,
        details: ProjectDetails,
        extras: Extras,
        to: WorkflowTask | None,
        events: list[WorkflowEvent],
    ) -> Fields:
        """A row with its new place and events; they go to the front, and keys carried with old ones move."""
        known_id = details.task_id is not UNSET
        details = replace(
            details,
            workflow_status="DONE" if to is None else to.status(),
            task_name=DONE if to is None else to.name,
            task_id=(None if to is None else to.id) if known_id else UNSET,
            workflow_history=(*events, *details.workflow_history),
        )
        shifted = [(_shifted(path, len(events)), value) for path, value in extras]
        extra = with_details(details, shifted)
        return renewed(row, self.now, status=details.workflow_status, extra=extra)


def _shifted(path: tuple[str | int, ...], by: int) -> tuple[str | int, ...]:
    if len(path) > 1 and path[0] == "workflow_history" and isinstance(path[1], int):
        return (path[0], path[1] + by, *path[2:])
    return path
