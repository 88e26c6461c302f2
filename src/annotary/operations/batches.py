"""Batches after their making: more rows, fewer rows, their labels."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from annotary.model.base import Value
from annotary.model.project import Batch, ConsensusSettings, Name
from annotary.operations import Operation, delete, get, post
from annotary.operations.projects import Priority


class PlacedBatch(Value):
    """A batch with the number of its rows."""

    batch: Batch
    size: int


class GetBatch(Operation[PlacedBatch]):
    """One batch, by id, with the number of its rows."""

    route = get("/batches/{batch_id}")
    batch_id: str


class CreateEmptyBatch(Operation[Batch]):
    """Make a batch that rows are added to later."""

    route = post("/projects/{project_id}/empty-batches")
    needs = "member"
    project_id: str
    name: Name
    priority: Priority = 5
    consensus: ConsensusSettings | UnsetType = UNSET


class AddBatchRows(Operation[int]):
    """Send more data rows to a project with a batch that is there; gives how many."""

    route = post("/projects/{project_id}/batches/{batch_id}/rows")
    needs = "member"
    project_id: str
    batch_id: str
    data_row_ids: tuple[str, ...] = ()
    global_keys: tuple[str, ...] = ()
    priority: Priority | None = None


class CreateBatches(Operation[list[Batch]]):
    """Send many data rows, or a dataset, in batches of up to 100,000, named `PREFIX0000` and so on."""

    route = post("/projects/{project_id}/many-batches")
    needs = "member"
    project_id: str
    prefix: Name
    data_row_ids: tuple[str, ...] = ()
    global_keys: tuple[str, ...] = ()
    dataset_id: str | None = None
    priority: Priority = 5
    consensus: ConsensusSettings | UnsetType = UNSET


class RemoveBatchRows(Operation[int]):
    """Take the rows of a batch out of the project that have no label yet; gives how many."""

    route = post("/projects/{project_id}/batches/{batch_id}/removals")
    needs = "member"
    project_id: str
    batch_id: str


class DeleteBatchLabels(Operation[list[str]]):
    """Remove the labels of a batch's rows, which wait to be labelled again; gives the labels' ids."""

    route = post("/projects/{project_id}/batches/{batch_id}/label-deletions")
    needs = "member"
    project_id: str
    batch_id: str


class DeleteBatch(Operation[None]):
    """Remove a batch with its rows in the project; refused while any of them has a label."""

    route = delete("/projects/{project_id}/batches/{batch_id}")
    needs = "member"
    project_id: str
    batch_id: str
