"""Handles: what a user holds. They know a port, not which one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from annotary.client.analyses import Counting, Judging, Predicting
from annotary.client.exports import Exporting
from annotary.client.port import Port, connect
from annotary.errors import Invalid
from annotary.model import moment
from annotary.model.annotation import Annotations
from annotary.model.export import DatasetScope, ProjectScope, RowsScope, RunScope, Scope
from annotary.model.ontology import Normalized, Ontology
from annotary.model.project import Batch, Dataset, Model, ModelRun, Project, Snapshot, Summary
from annotary.model.row import Label, Review
from annotary.operations import datasets, labels, model_runs, ontologies, projects

if TYPE_CHECKING:
    from numpy import bool_
    from numpy.typing import NDArray

    from annotary.engine.loading import Report

Values = Iterable[dict[str, Any]]
T = TypeVar("T")


class ProjectHandle(Judging):
    """A project."""

    def __init__(self, port: Port, value: Project) -> None:
        self._port = port
        self.value = value
        self.uid = self.id = value.id
        self.name = value.name

    def _scope(self) -> Scope:
        return ProjectScope(id=self.id)

    def export_labels(
        self,
        download: bool = False,
        timeout_seconds: int = 1800,
        start: str | None = None,
        end: str | None = None,
        last_activity_start: str | None = None,
        last_activity_end: str | None = None,
    ) -> list[dict[str, Any]] | str:
        """Export as Labelbox v1: the list of labels, or with `download=False` the URL of a file of it.

        `start` and `end` bound when labels were created, the others when rows were last active.
        """
        filters: dict[str, Any] = {}
        if start is not None or end is not None:
            filters["label_created_at"] = [start, end]
        if last_activity_start is not None or last_activity_end is not None:
            filters["last_activity_at"] = [last_activity_start, last_activity_end]
        task = self.export(filters=filters, format="labelbox-v1")
        low = "" if start is None else moment.bound(start, end=False)
        high = "~" if end is None else moment.bound(end, end=True)
        found = (label for label in task.stream() if low <= moment.canonical(label["Created At"]) <= high)
        if download:
            return list(found)
        return _as_file(found, f"annotary-{self.id}-{task.cursor}.json")

    def summary(self) -> Summary:
        """Counts by class, kind and workflow status."""
        return self._port.call(projects.Summarize(kind="project", id=self.id))

    def ontology(self) -> Ontology | None:
        """Its ontology."""
        if self.value.ontology_id is None:
            return None
        return self._port.call(ontologies.GetOntology(ontology_id=self.value.ontology_id))

    def create_batch(
        self,
        name: str,
        data_rows: Sequence[str] = (),
        *,
        global_keys: Sequence[str] = (),
        priority: int = 5,
        consensus_settings: dict[str, Any] | None = None,
    ) -> Batch:
        """Send data rows to the project."""
        request = {
            "project_id": self.id,
            "name": name,
            "data_row_ids": tuple(data_rows),
            "global_keys": tuple(global_keys),
            "priority": priority,
            **({"consensus": consensus_settings} if consensus_settings else {}),
        }
        return self._port.call(_converted(request, projects.CreateBatch))

    def batches(self) -> list[Batch]:
        """Its batches."""
        return self._port.call(projects.FindBatches(project_id=self.id))

    def save_label(
        self, data_row_id: str, annotations: dict[str, Any] | Annotations, *, label_id: str | None = None
    ) -> Label:
        """Save a label in the v2 layout: {objects, classifications, relationships}."""
        request = {
            "project_id": self.id,
            "data_row_id": data_row_id,
            "annotations": annotations,
            "label_id": label_id,
        }
        return self._port.call(_converted(request, labels.SaveLabel))

    def import_labels(self, lines: Values, *, on_problem: str = "stop") -> Report:
        """Import ground truth: NDJSON import lines as dicts."""
        return self._port.load(lines, format="labelbox-ndjson", project=self.id, on_problem=on_problem)

    def review(self, label_id: str, score: int) -> Review:
        """Approve (1) or reject (-1) a label."""
        request = {"project_id": self.id, "label_id": label_id, "score": score}
        return self._port.call(_converted(request, labels.CreateReview))

    def delete_labels(self, *label_ids: str) -> int:
        """Remove labels."""
        return self._port.call(labels.DeleteLabels(project_id=self.id, label_ids=label_ids))

    def move(self, data_row_ids: Sequence[str], task: str | None) -> int:
        """Move rows to a workflow task by its name or id; None is Done."""
        task_id = None
        if task is not None:
            known = {name: one.id for one in self.value.tasks for name in (one.name, one.id)}
            if task not in known:
                names = ", ".join(one.name for one in self.value.tasks)
                raise Invalid(f"no workflow task {task!r}; there are: {names}, and None for Done")
            task_id = known[task]
        return self._port.call(
            projects.MoveRows(project_id=self.id, data_row_ids=tuple(data_row_ids), task_id=task_id)
        )

    def snapshot(self, name: str) -> Snapshot:
        """Name the present state, for `as_of`."""
        return self._port.call(projects.CreateSnapshot(kind="project", id=self.id, name=name))


class DatasetHandle(Counting):
    """A dataset."""

    def __init__(self, port: Port, value: Dataset) -> None:
        self._port = port
        self.value = value
        self.uid = self.id = value.id
        self.name = value.name

    def _scope(self) -> Scope:
        return DatasetScope(id=self.id)

    def create_data_rows(self, rows: Values) -> Report:
        """Add data rows: dicts with row_data and, if you like, global_key, external_id, metadata_fields."""
        return self._port.load(rows, format="data-rows", dataset=self.name)

    def size(self) -> int:
        """How many data rows it has."""
        return self._port.call(datasets.CountDataRows(dataset_id=self.id))


class ModelRunHandle(Predicting):
    """A model run."""

    def __init__(self, port: Port, value: ModelRun) -> None:
        self._port = port
        self.value = value
        self.uid = self.id = value.id
        self.name = value.name

    def _scope(self) -> Scope:
        return RunScope(id=self.id)

    def add_predictions(self, lines: Values, *, on_problem: str = "stop") -> Report:
        """Import predictions: NDJSON import lines as dicts."""
        return self._port.load(
            lines,
            format="labelbox-ndjson",
            model=self.value.model_id,
            run=self.id,
            on_problem=on_problem,
        )

    def add_rows(self, data_row_ids: Sequence[str], *, project_id: str | None = None) -> int:
        """Put data rows in, with their labels in a project."""
        return self._port.call(
            model_runs.AddRunRows(
                model_run_id=self.id, data_row_ids=tuple(data_row_ids), project_id=project_id
            )
        )

    def assign_split(self, data_row_ids: Sequence[str], split: str) -> int:
        """Say what rows were for: TRAINING, VALIDATION, TEST or UNASSIGNED."""
        request = {"model_run_id": self.id, "data_row_ids": tuple(data_row_ids), "split": split}
        return self._port.call(_converted(request, model_runs.AssignSplit))

    def summary(self) -> Summary:
        """Counts by class and kind."""
        return self._port.call(projects.Summarize(kind="model_run", id=self.id))


class _Rows(Exporting):
    """Given data rows."""

    def __init__(self, port: Port, scope: RowsScope) -> None:
        self._port = port
        self._given = scope

    def _scope(self) -> Scope:
        return self._given


class Client:
    """A target to work on: a folder or a `postgresql://` URL, which becomes a store where it is empty, or
    the URL of a server.

    `api_key` and `$ANNOTARY_API_KEY` are for servers. Use it as a context manager, or `close()` it.
    """

    def __init__(
        self,
        target: str | Path | None = None,
        api_key: str | None = None,
        *,
        org: str = "default",
        base_url: str | None = None,
    ) -> None:
        place = target if target is not None else os.environ.get("ANNOTARY_AT", "annotary-data")
        self._key = api_key or os.environ.get("ANNOTARY_API_KEY")
        base_url = base_url or os.environ.get("ANNOTARY_BASE_URL")
        self.port = connect(place, org=org, base_url=base_url, key=self._key)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the store."""
        self.port.close()

    @property
    def headers(self) -> dict[str, str]:
        """HTTP headers that open mask URLs."""
        return {"Authorization": f"Bearer {self._key}"} if self._key else {}

    def call(self, operation: Any) -> Any:
        """Carry out any operation of `annotary.operations`."""
        return self.port.call(operation)

    def create_project(self, name: str, *, ontology_id: str | None = None, **fields: Any) -> ProjectHandle:
        """Make a project."""
        request = {"name": name, "ontology_id": ontology_id, **fields}
        return ProjectHandle(self.port, self.port.call(_converted(request, projects.CreateProject)))

    def get_project(self, project_id: str) -> ProjectHandle:
        """A project by its id; raises NotFound."""
        return ProjectHandle(self.port, self.port.call(projects.GetProject(project_id=project_id)))

    def get_projects(self, name: str | None = None) -> list[ProjectHandle]:
        """All projects, or those with a name."""
        return [ProjectHandle(self.port, value) for value in self.port.call(projects.FindProjects(name=name))]

    def create_dataset(self, name: str, **fields: Any) -> DatasetHandle:
        """Make a dataset."""
        request = _converted({"name": name, **fields}, datasets.CreateDataset)
        return DatasetHandle(self.port, self.port.call(request))

    def get_dataset(self, dataset_id: str) -> DatasetHandle:
        """A dataset by its id; raises NotFound."""
        return DatasetHandle(self.port, self.port.call(datasets.GetDataset(dataset_id=dataset_id)))

    def get_datasets(self, name: str | None = None) -> list[DatasetHandle]:
        """All datasets, or those with a name."""
        return [DatasetHandle(self.port, value) for value in self.port.call(datasets.FindDatasets(name=name))]

    def create_ontology(
        self, name: str, normalized: dict[str, Any] | Normalized, *, id: str | None = None
    ) -> Ontology:
        """Make an ontology from normalized JSON."""
        request = {"name": name, "normalized": normalized, "id": id}
        return self.port.call(_converted(request, ontologies.CreateOntology))

    def create_model(self, name: str, *, ontology_id: str | None = None) -> Model:
        """Make a model."""
        return self.port.call(model_runs.CreateModel(name=name, ontology_id=ontology_id))

    def get_models(self, name: str | None = None) -> list[Model]:
        """All models, or those with a name."""
        return self.port.call(model_runs.FindModels(name=name))

    def create_model_run(self, model_id: str, name: str) -> ModelRunHandle:
        """Make a run of a model."""
        request = model_runs.CreateModelRun(model_id=model_id, name=name)
        return ModelRunHandle(self.port, self.port.call(request))

    def get_model_run(self, model_run_id: str) -> ModelRunHandle:
        """A model run by its id; raises NotFound."""
        request = model_runs.GetModelRun(model_run_id=model_run_id)
        return ModelRunHandle(self.port, self.port.call(request))

    def get_model_runs(
        self, model_id: str | None = None, *, data_row_id: str | None = None, project_id: str | None = None
    ) -> list[ModelRunHandle]:
        """The runs of a model, or all; those with a data row, or with one of a project's. Raises NotFound."""
        wanted = model_runs.FindModelRuns(model_id=model_id, data_row_id=data_row_id, project_id=project_id)
        found = self.port.call(wanted)
        return [ModelRunHandle(self.port, value) for value in found]

    def data_rows(self, ids: Sequence[str] = (), *, global_keys: Sequence[str] = ()) -> _Rows:
        """Given data rows, to export."""
        return _Rows(self.port, RowsScope(ids=tuple(ids), global_keys=tuple(global_keys)))

    def load(self, *paths: str | Path, images: str | Path | None = None, **options: Any) -> Report:
        """Import files or folders; options as of `annotary import`: project, dataset, model, run, format,
        on_problem, dry_run, workers. Raises Refused with its problems, and stores nothing, unless told to
        skip.
        """
        return self.port.load(list(paths), images=Path(images) if images else None, **options)

    def mask(self, feature_id: str) -> NDArray[bool_]:
        """The pixels of a mask, or of another object's shape: bool, height x width. Raises NotFound."""
        from annotary.formats._png import decode_mask

        return decode_mask(self.port.mask(feature_id))


def _converted(given: dict[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(msgspec.to_builtins(given), kind)
    except (msgspec.ValidationError, TypeError) as error:
        raise Invalid(f"{kind.__name__}: {error}") from None


def _as_file(values: Iterable[Any], name: str) -> str:
    import tempfile

    path = Path(tempfile.gettempdir()) / name
    with path.open("wb") as file:
        file.write(msgspec.json.encode(list(values)))
    return path.as_uri()
