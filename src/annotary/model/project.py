"""What rows are gathered in and worked on with: organisations, users, projects, datasets, batches."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from annotary.model.base import Value
from annotary.model.export import ExportFilters
from annotary.model.row import WorkflowStatus

Name = Annotated[str, Meta(min_length=1)]
Role = Literal["admin", "member", "reader"]
QueueKind = Literal["labeling", "review", "rework"]
MetadataKind = Literal["string", "number", "datetime", "enum"]


class Organization(Value):
    """A tenant: sees nothing of any other."""

    id: str
    name: Name
    created_at: str


class User(Value):
    """Somebody who labels, reviews or exports."""

    id: str
    email: str
    name: str | None = None


class Key(Value):
    """An API key; only its hash is kept."""

    id: str
    name: Name
    role: Role
    hash: str
    created_at: str
    revoked: bool = False


class Member(Value):
    """Somebody of an organisation, and what they may do there."""

    user: User
    role: Role


class Invite(Value):
    """An invitation: somebody is to get a key. It is open until a key has the address as its name."""

    id: str
    email: Name
    role: Role
    created_at: str
    title: str | None = None
    created_by: str | None = None


class Session(Value):
    """Somebody logged in to the page; only the hash of the cookie is kept. It ends with the key `key_id`.

    `key_id` is None where who started the server logged in; `agent` is what the browser calls itself.
    """

    id: str
    name: Name
    user_id: str
    role: Role
    hash: str
    created_at: str
    expires_at: str
    key_id: str | None = None
    agent: str = ""


class Dataset(Value):
    """A named set of data rows."""

    id: str
    name: Name
    created_at: str
    updated_at: str
    created_by: str | None = None
    description: str | None = None


class WorkflowTask(Value):
    """A queue that rows wait in; being Done is being in none."""

    id: str
    name: str
    kind: QueueKind

    def status(self) -> WorkflowStatus:
        """The workflow status of a row in this queue."""
        return _STATUS[self.kind]


_STATUS: dict[str, WorkflowStatus] = {"labeling": "TO_LABEL", "review": "IN_REVIEW", "rework": "IN_REWORK"}
DONE = "Done"


class ProjectSettings(Value):
    """How a project is worked on, as the vendor's SDK sets it; nothing here changes what an export shows."""

    media_type: str | None = "IMAGE"
    benchmark: bool = False
    consensus: bool = False
    auto_audit_number_of_labels: int = 1
    auto_audit_percentage: float = 1.0
    setup_complete: str | None = None
    has_editor: bool = False
    shows_predictions: bool = False
    instructions: str | None = None
    tags: tuple[str, ...] = ()


class Tag(Value):
    """A coloured word that projects are sorted by."""

    id: str
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    color: str


class Project(Value):
    """A labelling project: rows, an ontology, a workflow."""

    id: str
    name: Name
    created_at: str
    updated_at: str
    ontology_id: str | None = None
    created_by: str | None = None
    description: str | None = None
    tasks: tuple[WorkflowTask, ...] = ()
    settings: ProjectSettings = ProjectSettings()

    def task(self, kind: QueueKind) -> WorkflowTask:
        """The first queue of a kind."""
        return next(task for task in self.tasks if task.kind == kind)


class ConsensusSettings(Value):
    """How many labels some of a batch's rows should get."""

    number_of_labels: Annotated[int, Meta(ge=1)] = 1
    coverage_percentage: Annotated[float, Meta(ge=0, le=1)] = 1.0


class Batch(Value):
    """Rows that were sent to a project together.

    `left_out` are the ids of those that could not be, which is said only to who sends them.
    """

    id: str
    project_id: str
    name: Name
    created_at: str
    priority: Annotated[int, Meta(ge=1, le=5)] = 5
    consensus: ConsensusSettings | UnsetType = UNSET
    created_by: str | None = None
    left_out: tuple[str, ...] = ()


class MetadataOption(Value):
    """One option of an enum metadata schema."""

    id: str
    name: Name


class MetadataSchema(Value):
    """A kind of metadata value an organisation uses; reserved ones are always there."""

    id: str
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    kind: MetadataKind
    reserved: bool = False
    options: tuple[MetadataOption, ...] = ()


class Issue(Value):
    """A comment on a row of a project, open until resolved."""

    id: str
    project_id: str
    data_row_id: str
    text: str
    created_at: str
    created_by: str | None = None
    resolved: bool = False


class Model(Value):
    """A model whose runs are compared with labels (an experiment, in v2 exports)."""

    id: str
    name: Name
    created_at: str
    ontology_id: str | None = None


class Pipeline(Value):
    """How far the training behind a model run is, as the training program says."""

    status: str
    error_message: str | None = None
    metadata: dict[str, Any] | None = None


class ModelRun(Value):
    """One training or inference run of a model; `config` is the training program's own."""

    id: str
    model_id: str
    name: Name
    created_at: str
    created_by: str | None = None
    config: dict[str, Any] | None = None
    pipeline: Pipeline | None = None


class Slice(Value):
    """A saved question to the catalog: its filters, applied whenever it is asked."""

    id: str
    name: Name
    created_at: str
    updated_at: str
    filters: ExportFilters = ExportFilters()
    dataset_id: str | None = None
    description: str | None = None


class Snapshot(Value):
    """A name for a project's (or run's) state at a sequence number."""

    id: str
    scope_id: str
    name: Name
    sequence: int
    created_at: str


class Summary(Value):
    """Counts of a project or run."""

    rows: int
    labels: int
    rows_without_objects: int
    by_status: dict[str, int]
    by_kind: dict[str, int]
    by_class: dict[str, int]
    sequence: int | None


class KeptSummary(Value):
    """What was counted of a project or run, by its collection's number; `counted` rows are at hand anew."""

    id: str
    summary: Summary | None
    counted: int = 0


class AnnotationImport(Value):
    """An import of labels, pre-labels or predictions under a name of its own in its project or model run.

    `source` is the file that was given. Pre-labels are checked and kept as that file: no export shows them.
    """

    id: str
    kind: Literal["labels", "pre-labels", "predictions"]
    parent_id: str
    name: Name
    source: str
    task_id: str
    created_at: str
    created_by: str | None = None


class Settings(Value):
    """Facts of a whole store."""

    id: str
    name: str
    value: Any


class ImageArchive(Value):
    """An archive that was sent for an import, by its stored file's id: images are taken from it."""

    id: str
    source: str


class ImageFolder(Value):
    """A folder or an archive on the store's machine that was given at an import: images are taken from it."""

    id: str
    path: str
