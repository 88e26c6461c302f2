"""Sending data rows on to another project, with what is known of them."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from annotary.model.base import Value
from annotary.model.project import Batch, Name
from annotary.operations import Operation, post
from annotary.operations.projects import Priority


class SourceLabels(Value):
    """Labels to bring along: of a project, what is drawn with the features that `features` names.

    It leads from their schema ids to those of the other project; what it does not name is left out.
    """

    project_id: str
    features: dict[str, str]


class SendRows(Operation[Batch]):
    """Send data rows to a project as a batch; raises Conflict where some are there already.

    `task_id` is where they go: a queue of the project, None for Done; the first queue where it is not given.
    With `skip_present` rows that are in the project already are passed over.
    """

    route = post("/projects/{project_id}/shipments")
    needs = "member"
    project_id: str
    name: Name
    data_row_ids: tuple[str, ...] = ()
    global_keys: tuple[str, ...] = ()
    priority: Priority = 5
    task_id: str | None | UnsetType = UNSET
    skip_present: bool = False
    labels: SourceLabels | None = None
