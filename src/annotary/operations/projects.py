"""Projects: making, finding, changing; their batches, workflow, snapshots."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from annotary.model.base import Value
from annotary.model.project import (
    Batch,
    ConsensusSettings,
    Name,
    Project,
    ProjectSettings,
    Snapshot,
    Summary,
)
from annotary.operations import Operation, delete, get, patch, post

ScopeKind = Literal["project", "model_run"]
Priority = Annotated[int, Meta(ge=1, le=5)]


class RowCounts(Value):
    """How many rows are where; `batches` by batch id."""

    rows: int
    labels: int
    skipped: int
    by_status: dict[str, int]
    batches: dict[str, int]


class CreateProject(Operation[Project]):
    """Make a project with the default workflow."""

    route = post("/projects")
    needs = "member"
    name: Name
    description: str | None = None
    ontology_id: str | None = None
    id: str | None = None
    settings: ProjectSettings = ProjectSettings()


class GetProject(Operation[Project]):
    """One project, by id."""

    route = get("/projects/{project_id}")
    project_id: str


class FindProjects(Operation[list[Project]]):
    """Projects by id, all or those with a name."""

    route = get("/projects")
    name: str | None = None
    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=100_000)] = 1000


class FoundProject(Value):
    """A project, and when somebody last did something in it (None: never)."""

    project: Project
    last_activity_at: str | None


class SearchProjects(Operation[list[FoundProject]]):
    """Projects whose name has a text in it, whatever its case; the latest activity first, `skip` left out."""

    route = get("/project-search")
    text: str = ""
    skip: Annotated[int, Meta(ge=0, le=2**53)] = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = 50


class ChangeProject(Operation[Project]):
    """Rename a project, describe it, give it an ontology; change some of its settings."""

    route = patch("/projects/{project_id}")
    needs = "member"
    project_id: str
    name: Name | UnsetType = UNSET
    description: str | None | UnsetType = UNSET
    ontology_id: str | UnsetType = UNSET
    settings: dict[str, Any] = {}


class DeleteProject(Operation[None]):
    """Remove a project with its labels; data rows stay in their datasets."""

    route = delete("/projects/{project_id}")
    needs = "admin"
    project_id: str


class Summarize(Operation[Summary]):
    """Counts of a project or model run by class, kind and workflow status.

    `at_once` asks not to wait: raises Unavailable while a large project is being counted by a worker.
    """

    route = get("/summaries/{kind}/{id}")
    kind: ScopeKind
    id: str
    at_once: bool = False


class CreateBatch(Operation[Batch]):
    """Send data rows to a project; they wait to be labelled. Raises Conflict where some are there already.

    With `skip` those that are there already, and ids that are not known, are left out, as long as any remain.
    """

    route = post("/projects/{project_id}/batches")
    needs = "member"
    project_id: str
    name: Name
    data_row_ids: tuple[str, ...] = ()
    global_keys: tuple[str, ...] = ()
    priority: Priority = 5
    consensus: ConsensusSettings | UnsetType = UNSET
    skip: bool = False


class FindBatches(Operation[list[Batch]]):
    """The batches of a project."""

    route = get("/projects/{project_id}/batches")
    project_id: str


class CountRows(Operation[RowCounts]):
    """How many rows and labels a project has, and how many rows are in which workflow status and batch."""

    route = get("/projects/{project_id}/counts")
    project_id: str
    batch_ids: tuple[str, ...] = ()


class MoveRows(Operation[int]):
    """Move rows of a project to a workflow task, or to Done where `task_id` is None; gives how many."""

    route = post("/projects/{project_id}/moves")
    needs = "member"
    project_id: str
    data_row_ids: tuple[str, ...]
    task_id: str | None = None
    action: Literal["Move", "Approve", "Reject"] = "Move"


class SetPriority(Operation[int]):
    """Set the priority of rows in a project; gives how many."""

    route = post("/projects/{project_id}/priorities")
    needs = "member"
    project_id: str
    data_row_ids: tuple[str, ...]
    priority: Priority


class RemoveRows(Operation[int]):
    """Take rows out of a project, with their labels there; gives how many."""

    route = post("/projects/{project_id}/removals")
    needs = "member"
    project_id: str
    data_row_ids: tuple[str, ...]


class CreateSnapshot(Operation[Snapshot]):
    """Name the present state of a project or model run, for `as_of`."""

    route = post("/snapshots/{kind}/{id}")
    needs = "member"
    kind: ScopeKind
    id: str
    name: Name


class FindSnapshots(Operation[list[Snapshot]]):
    """The snapshots of a project or model run."""

    route = get("/snapshots/{kind}/{id}")
    kind: ScopeKind
    id: str
