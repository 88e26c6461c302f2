"""Projects: making, finding, changing, removing; their batches, moves, snapshots and counts."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from annotary.engine import batches, summaries
from annotary.engine.core import Engine, handles
from annotary.engine.places import EMPTY, new_project
from annotary.engine.versions import PAGE, OpenProject, open_project, open_run, renewed
from annotary.engine.workflow import Mover, details_of, with_details
from annotary.errors import Conflict, Invalid, NotFound
from annotary.model.base import new_id, to_json
from annotary.model.ontology import Ontology
from annotary.model.project import (
    Batch,
    Issue,
    ModelRun,
    Project,
    ProjectSettings,
    Snapshot,
    Summary,
    WorkflowTask,
)
from annotary.operations.projects import (
    ChangeProject,
    CountRows,
    CreateBatch,
    CreateProject,
    CreateSnapshot,
    DeleteProject,
    FindBatches,
    FindProjects,
    FindSnapshots,
    FoundProject,
    GetProject,
    MoveRows,
    RemoveRows,
    RowCounts,
    ScopeKind,
    SearchProjects,
    SetPriority,
    Summarize,
)
from annotary.store import states
from annotary.store.lookup import names

ALL = 100_000
"""More than there are of what is listed whole."""


@handles(CreateProject)
def create_project(engine: Engine, request: CreateProject) -> Project:
    """Make a project with the default workflow."""
    store, now = engine.store, engine.now()
    with store.transaction():
        project = new_project(store, request.name, now, id=request.id or new_id(), user=engine.user.email)
        project = replace(
            project,
            description=request.description,
            ontology_id=request.ontology_id,
            settings=request.settings,
        )
        store.put(project)
        if request.ontology_id is not None:
            ontology = store.get(Ontology, request.ontology_id)
            change = open_project(engine, project.id).change
            change.describe(project.name, to_json(ontology.normalized))
        return project


@handles(GetProject)
def get_project(engine: Engine, request: GetProject) -> Project:
    """One project."""
    return engine.store.get(Project, request.project_id)


@handles(FindProjects)
def find_projects(engine: Engine, request: FindProjects) -> list[Project]:
    """Projects by id."""
    return engine.store.find(Project, name=request.name, after=request.after, limit=request.limit)


@handles(SearchProjects)
def search_projects(engine: Engine, request: SearchProjects) -> list[FoundProject]:
    """Projects by a text in their names, the latest activity first."""
    wanted = request.text.casefold()
    with engine.store.reading() as connection:
        active = states.activities(connection, engine.store.org)
        found = [id for id, name in names(connection, engine.store.org, Project) if wanted in name.casefold()]
        found.sort(key=lambda id: (active.get(id) or "", id), reverse=True)
        shown = found[request.skip : request.skip + request.limit]
        return [
            FoundProject(project=engine.store.get(Project, id), last_activity_at=active.get(id))
            for id in shown
        ]


@handles(ChangeProject)
def change_project(engine: Engine, request: ChangeProject) -> Project:
    """Change what is given; what all rows show of it gives each of them a new version."""
    with engine.store.transaction():
        opened = open_project(engine, request.project_id)
        project, change = opened
        given: dict[str, Any] = {
            name: value
            for name in ("name", "description", "ontology_id")
            if (value := getattr(request, name)) is not UNSET and value != getattr(project, name)
        }
        settings = _settings(project, request.settings)
        if settings != project.settings:
            given["settings"] = settings
        if not given:
            return project
        changed = replace(project, **given, updated_at=engine.now())
        engine.store.put(changed)
        shown = change.described()
        text = shown.ontology if shown is not None else EMPTY
        if "ontology_id" in given:
            text = _take_ontology(engine, opened, str(changed.ontology_id))
        change.describe(changed.name, text)
        if "name" in given:
            change.renew_rows()
        return changed


def _settings(project: Project, given: dict[str, Any]) -> ProjectSettings:
    try:
        return msgspec.convert({**msgspec.to_builtins(project.settings), **given}, ProjectSettings)
    except msgspec.ValidationError as error:
        raise Invalid(f"settings: {error}") from None


def _take_ontology(engine: Engine, opened: OpenProject, ontology_id: str) -> str:
    """Give a project's rows their ontology's id; the ontology as text."""
    ontology = engine.store.get(Ontology, ontology_id)
    if opened.change.labelled():
        raise Conflict(
            f"project {opened.project.id!r} has labels made with ontology {opened.project.ontology_id!r};"
            f" remove them first, or give ontology {ontology_id!r} to a new project"
        )
    last = 0
    while rows := opened.change.rows_after(last, PAGE):
        changed = []
        for row in rows:
            details, extras = details_of(row)
            extra = with_details(replace(details, ontology_id=ontology_id), extras)
            changed.append({**row, "extra": extra})
        opened.change.put_rows([], changed)
        last = rows[-1]["data_row"]
    return to_json(ontology.normalized)


@handles(DeleteProject)
def delete_project(engine: Engine, request: DeleteProject) -> None:
    """Remove a project with its labels, batches, issues and snapshots."""
    store = engine.store
    with store.transaction():
        project = open_project(engine, request.project_id).project
        store.retire("project", project.id)
        for kind in (Batch, Issue, Snapshot):
            store.delete_under(kind, project.id)
        store.delete(Project, project.id)


@handles(Summarize)
def summarize(engine: Engine, request: Summarize) -> Summary:
    """Counts of a project or run; raises NotFound, and Unavailable where `at_once` cannot be."""
    _scope(engine, request.kind, request.id)
    return summaries.summary(engine, request.kind, request.id, at_once=request.at_once)


def _scope(engine: Engine, kind: ScopeKind, id: str) -> None:
    if kind == "project":
        engine.store.get(Project, id)
    else:
        engine.store.get(ModelRun, id)


@handles(CreateBatch)
def create_batch(engine: Engine, request: CreateBatch) -> Batch:
    """Send data rows to a project."""
    with engine.store.transaction():
        return batches.send(engine, open_project(engine, request.project_id), request)


@handles(FindBatches)
def find_batches(engine: Engine, request: FindBatches) -> list[Batch]:
    """The batches of a project, oldest first."""
    engine.store.get(Project, request.project_id)
    found = engine.store.find(Batch, parent=request.project_id, limit=ALL)
    return sorted(found, key=lambda batch: (batch.created_at, batch.name, batch.id))


@handles(CountRows)
def count_rows(engine: Engine, request: CountRows) -> RowCounts:
    """Counts of a project's rows and labels; with batches, only of the rows of these."""
    store = engine.store
    store.get(Project, request.project_id)
    at, _, _ = store.at("project", request.project_id)
    with store.reading() as connection:
        sizes = states.batch_sizes(connection, at, request.batch_ids)
        if request.batch_ids:
            by_status = states.batch_statuses(connection, at, request.batch_ids)
        else:
            by_status = states.statuses(connection, at)
        labels, skipped = states.label_counts(connection, at)
    return RowCounts(
        rows=sum(sizes.values()), labels=labels, skipped=skipped, by_status=by_status, batches=sizes
    )


@handles(MoveRows)
def move_rows(engine: Engine, request: MoveRows) -> int:
    """Move rows to a workflow task or to Done; rows that are there already stay as they are."""
    with engine.store.transaction():
        opened = open_project(engine, request.project_id)
        to = _task(opened.project, request.task_id)
        mover = Mover(opened.project, engine.user.email, engine.now())
        count = 0
        for rows in opened.rows(engine.store, request.data_row_ids):
            moved = [(row, mover.moved(row, to, request.action)) for row in rows]
            changed = [after for before, after in moved if after is not before]
            opened.change.put_rows([], changed)
            count += len(rows)
        return count


def _task(project: Project, id: str | None) -> WorkflowTask | None:
    if id is None:
        return None
    for task in project.tasks:
        if task.id == id:
            return task
    known = ", ".join(f"{task.id} ({task.name})" for task in project.tasks)
    raise NotFound(f"no workflow task {id!r} in project {project.id!r}; there are: {known}; none is Done")


@handles(SetPriority)
def set_priority(engine: Engine, request: SetPriority) -> int:
    """Set the priority of rows."""
    with engine.store.transaction():
        change = (opened := open_project(engine, request.project_id)).change
        count = 0
        for rows in opened.rows(engine.store, request.data_row_ids):
            changed = []
            for row in rows:
                details, extras = details_of(row)
                if details.priority != request.priority:
                    extra = with_details(replace(details, priority=request.priority), extras)
                    changed.append(renewed(row, engine.now(), extra=extra))
            change.put_rows([], changed)
            count += len(rows)
        return count


@handles(RemoveRows)
def remove_rows(engine: Engine, request: RemoveRows) -> int:
    """Take rows out of a project, with their labels there; a tombstone stays for exports since then."""
    with engine.store.transaction():
        opened = open_project(engine, request.project_id)
        count = 0
        for rows in opened.rows(engine.store, request.data_row_ids):
            opened.change.remove_rows(rows, engine.now())
            count += len(rows)
        return count


@handles(CreateSnapshot)
def create_snapshot(engine: Engine, request: CreateSnapshot) -> Snapshot:
    """Name the present state."""
    store = engine.store
    if not request.name.strip() or request.name.isdigit():
        raise Invalid(
            f"a snapshot cannot be named {request.name!r}: numbers are sequence numbers; give a word"
        )
    with store.transaction():
        # The lock keeps the number and the name apart from those of others.
        if request.kind == "project":
            open_project(engine, request.id)
        else:
            open_run(engine, request.id)
        if any(one.name == request.name for one in store.find(Snapshot, parent=request.id, limit=ALL)):
            raise Conflict(f"there is a snapshot {request.name!r} already; give another name")
        snapshot = Snapshot(
            id=new_id(),
            scope_id=request.id,
            name=request.name,
            sequence=store.at(request.kind, request.id)[0].sequence,
            created_at=engine.now(),
        )
        store.add(snapshot)
        return snapshot


@handles(FindSnapshots)
def find_snapshots(engine: Engine, request: FindSnapshots) -> list[Snapshot]:
    """The snapshots of a project or run, oldest first."""
    _scope(engine, request.kind, request.id)
    found = engine.store.find(Snapshot, parent=request.id, limit=ALL)
    return sorted(found, key=lambda snapshot: (snapshot.sequence, snapshot.created_at, snapshot.name))
