"""Projects, datasets, batches, models and runs that an import needs: found, or made on first sight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from annotary.engine.features import Features
from annotary.errors import NotFound
from annotary.model.base import derived_id, derived_uuid, to_json
from annotary.model.ontology import Normalized, Ontology
from annotary.model.project import DONE, Batch, Dataset, Model, ModelRun, Project, WorkflowTask

if TYPE_CHECKING:
    from annotary.store import Store
    from annotary.store.changes import Change

EMPTY = to_json(Normalized())
DEFAULT_DATASET = "imported"


def default_tasks(project_id: str) -> tuple[WorkflowTask, ...]:
    """The three queues that every project starts with."""
    return (
        WorkflowTask(id=derived_uuid(project_id, "label"), name="Initial labeling task", kind="labeling"),
        WorkflowTask(id=derived_uuid(project_id, "review"), name="Initial review task", kind="review"),
        WorkflowTask(id=derived_uuid(project_id, "rework"), name="Rework (all rejected)", kind="rework"),
    )


def new_project(store: Store, name: str, now: str, *, id: str, user: str | None = None) -> Project:
    """Make a project with its workflow, without an ontology; raises Conflict."""
    project = Project(
        id=id, name=name, created_at=now, updated_at=now, created_by=user, tasks=default_tasks(id)
    )
    store.add(project)
    store.collect("project", id, name, EMPTY)
    return project


@dataclass(slots=True)
class Place:
    """A project or run that rows are put into."""

    kind: str
    id: str
    collection: int
    features: Features
    fallback: dict[str, Any]
    ontology: Ontology
    project: Project | None = None
    run: ModelRun | None = None

    def mask_link(self, feature_id: str) -> str:
        """Where annotary serves the pixels of a mask, below its base URL (the vendor's published paths)."""
        if self.run is not None:
            return f"/api/v1/models/{self.run.model_id}/annotations/{feature_id}/mask"
        return f"/api/v1/projects/{self.id}/annotations/{feature_id}/index/1/mask"


class Seen:
    """Projects, runs and datasets by what files call them, each asked for once where it is not known yet."""

    def __init__(self) -> None:
        self.projects: dict[str, Place] = {}
        self.runs: dict[str, Place] = {}
        self.datasets: dict[str, Dataset] = {}

    def dataset(self, id: str | None, name: str | None) -> Dataset:
        """A dataset by id, else by name."""
        key = id or f"name:{name or DEFAULT_DATASET}"
        if key not in self.datasets:
            self.datasets[key] = self.find_dataset(id, name or (id if id else DEFAULT_DATASET))
        return self.datasets[key]

    def project(self, id: str, name: str | None, ontology_id: str | None = None) -> Place:
        """A project by id."""
        if id not in self.projects:
            self.projects[id] = self.find_project(id, name or id, ontology_id)
        return self.projects[id]

    def run(self, id: str, name: str | None, model_id: str, model_name: str | None) -> Place:
        """A model run by id; its model with it."""
        if id not in self.runs:
            self.runs[id] = self.find_run(id, name or id, model_id, model_name or model_id)
        return self.runs[id]

    def all(self) -> list[Place]:
        """Every project and run so far."""
        return [*self.projects.values(), *self.runs.values()]

    def find_dataset(self, id: str | None, name: str) -> Dataset:
        """A dataset that was not asked for before."""
        raise NotImplementedError

    def find_project(self, id: str, name: str, ontology_id: str | None) -> Place:
        """A project that was not asked for before."""
        raise NotImplementedError

    def find_run(self, id: str, name: str, model_id: str, model_name: str) -> Place:
        """A run that was not asked for before."""
        raise NotImplementedError


class Places(Seen):
    """The places of one import, each looked up once.

    `settle` is called before the store is asked for one: it waits for whoever else is using it.
    """

    def __init__(self, store: Store, now: str, user: str) -> None:
        super().__init__()
        self.settle: Callable[[], None] = lambda: None
        self.store = store
        self.now = now
        self.user = user
        self._batches: set[str] = set()

    def find_dataset(self, id: str | None, name: str) -> Dataset:
        """A dataset of the store, made where it is not there."""
        self.settle()
        if id is None:
            found = self.store.find(Dataset, name=name, limit=1)
            if found:
                return found[0]
            id = derived_id(self.store.org, "dataset", name)
        try:
            return self.store.get(Dataset, id)
        except NotFound:
            made = Dataset(id=id, name=name, created_at=self.now, updated_at=self.now, created_by=self.user)
            self.store.put(made)
            return made

    def batch(self, project: Place, id: str | None, name: str | None) -> Batch:
        """A batch of a project; rows that came in no batch form one named `import`."""
        id = id or derived_uuid(project.id, "import")
        try:
            return self.store.get(Batch, id)
        except NotFound:
            made = Batch(id=id, project_id=project.id, name=name or "import", created_at=self.now)
            self.store.put(made)
            return made

    def see_batch(self, project: Place, id: str, name: str) -> None:
        """Make a batch that a row names, once."""
        if id not in self._batches:
            self._batches.add(id)
            self.batch(project, id, name)

    def find_project(self, id: str, name: str, ontology_id: str | None) -> Place:
        """A project of the store, made where it is not there."""
        self.settle()
        try:
            project = self.store.get(Project, id)
        except NotFound:
            project = new_project(self.store, name, self.now, id=id, user=self.user)
        ontology = self._ontology(project.ontology_id, ontology_id or derived_id(id, "ontology"), name)
        if project.ontology_id is None:
            project = replace(project, ontology_id=ontology.id)
            self.store.put(project)
        tasks = {task.status(): task.name for task in reversed(project.tasks)}
        batch_id = derived_uuid(project.id, "import")
        return Place(
            kind="project",
            id=id,
            collection=self.store.collection("project", id),
            features=Features(ontology.id, ontology.normalized, grows=ontology.inferred),
            fallback={
                "ontology_id": ontology.id,
                "batch_id": batch_id,
                "batch_name": "import",
                "tasks": {**tasks, "DONE": DONE},
            },
            ontology=ontology,
            project=project,
        )

    def _ontology(self, id: str | None, new_id: str, name: str) -> Ontology:
        """A project's ontology, or an inferred one that is yet empty."""
        if id is not None:
            return self.store.get(Ontology, id)
        try:
            return self.store.get(Ontology, new_id)
        except NotFound:
            made = Ontology(id=new_id, name=name, created_at=self.now, updated_at=self.now, inferred=True)
            self.store.put(made)
            return made

    def find_run(self, id: str, name: str, model_id: str, model_name: str) -> Place:
        """A run of the store, made where it is not there."""
        self.settle()
        try:
            model = self.store.get(Model, model_id)
        except NotFound:
            model = Model(id=model_id, name=model_name, created_at=self.now)
            self.store.put(model)
        ontology = self._ontology(model.ontology_id, derived_id(model_id, "ontology"), model.name)
        if model.ontology_id is None:
            model = replace(model, ontology_id=ontology.id)
            self.store.put(model)
        try:
            run = self.store.get(ModelRun, id)
        except NotFound:
            run = ModelRun(id=id, model_id=model.id, name=name, created_at=self.now, created_by=self.user)
            self.store.put(run)
            self.store.collect("model_run", id, name, to_json(ontology.normalized))
        return Place(
            kind="model_run",
            id=id,
            collection=self.store.collection("model_run", id),
            features=Features(ontology.id, ontology.normalized, grows=ontology.inferred),
            fallback={},
            ontology=ontology,
            run=run,
        )

    def keep_ontologies(self, change: Callable[[int], Change]) -> None:
        """Store the ontologies that have grown, and show them in every project and run that has them."""
        for place in self.all():
            if place.features.grown:
                grown = replace(place.ontology, normalized=place.features.normalized(), updated_at=self.now)
                self.store.put(grown)
                show_ontology(self.store, grown, change)


def show_ontology(store: Store, ontology: Ontology, change: Callable[[int], Change]) -> None:
    """Bring an ontology's present form into the versions of all that use it."""
    text = to_json(ontology.normalized)
    models = [model.id for model in store.find(Model, limit=100_000) if model.ontology_id == ontology.id]
    runs = [run for model in models for run in store.find(ModelRun, parent=model, limit=100_000)]
    users = [("model_run", run.id, run.name) for run in runs]
    for project in store.find(Project, limit=100_000):
        if project.ontology_id == ontology.id:
            users.append(("project", project.id, project.name))
    for kind, id, name in users:
        change(store.collection(kind, id)).describe(name, text)
