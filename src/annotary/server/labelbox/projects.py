"""Projects: making, finding, changing; what they are set up with, and their counts."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from annotary.errors import Denied, Invalid, NotFound
from annotary.model.project import ProjectSettings
from annotary.operations.data_rows import FindIssues
from annotary.operations.ontologies import CreateOntology
from annotary.operations.projects import (
    ChangeProject,
    CountRows,
    CreateProject,
    DeleteProject,
    FindProjects,
    GetProject,
    RowCounts,
)
from annotary.operations.tags import FindTags
from annotary.server.labelbox import shapes
from annotary.server.labelbox.context import Context, Json, resolves
from annotary.server.labelbox.filters import listed
from annotary.server.labelbox.ontologies import normalized_of

_SETTINGS = {
    "allowedMediaType": "media_type",
    "autoAuditNumberOfLabels": "auto_audit_number_of_labels",
    "autoAuditPercentage": "auto_audit_percentage",
    "isBenchmarkEnabled": "benchmark",
    "isConsensusEnabled": "consensus",
    "setupComplete": "setup_complete",
}


def shown_project(context: Context, id: str) -> Json:
    """One project, by id."""
    return shapes.project(context.call(GetProject(project_id=id)))


@resolves("Query.project")
def project(parent: Any, context: Context, where: Json) -> Json:
    """One project."""
    return shapes.project(context.once(GetProject(project_id=where["id"])))


@resolves("Query.projects")
def projects(parent: Any, context: Context, orderBy: str | None = None, **asked: Any) -> Any:
    """Projects."""
    found = context.call(FindProjects(limit=100_000))
    return listed(map(shapes.project, found), order=orderBy, **asked)


@resolves(
    "Label.project",
    "Review.project",
    "Batch.project",
    "Webhook.project",
    "LabelingFrontendOptions.project",
    "LabelImport.project",
    "MALPredictionImport.project",
    "MEAToMALPredictionImport.project",
    "BulkImportRequest.project",
)
def of_something(parent: Json, context: Context) -> Json | None:
    """The project that something is in."""
    id = parent["_project_id"]
    return None if id is None else shapes.project(context.once(GetProject(project_id=id)))


@resolves("Mutation.createProject")
def create_project(parent: Any, context: Context, data: Json) -> Json:
    """Make a project for images."""
    if data.get("allowedMediaType") not in (None, "IMAGE"):
        raise Invalid(f"allowedMediaType: {data['allowedMediaType']} is not kept here; annotary keeps images")
    if data.get("editorTaskType") is not None:
        raise Invalid("editorTaskType: annotary has no projects of conversations; leave it out")
    given = {own: data[name] for name, own in _SETTINGS.items() if data.get(name) is not None}
    new = CreateProject(
        name=data["name"], description=data.get("description"), settings=ProjectSettings(**given)
    )
    return shapes.project(context.call(new))


@resolves("Mutation.updateProject")
def update_project(parent: Any, context: Context, where: Json, data: Json) -> Json:
    """Change a project, or remove it."""
    id = where["id"]
    if data.get("deleted"):
        found = shown_project(context, id)
        context.call(DeleteProject(project_id=id))
        return found
    if "datasets" in data:
        raise Denied("projects take data rows in batches; create a batch")
    settings = {own: data[name] for name, own in _SETTINGS.items() if name in data}
    if data.get("labelingFrontend") is not None:
        settings["has_editor"] = data["labelingFrontend"].get("connect") is not None
    change = ChangeProject(
        project_id=id,
        name=data.get("name") or UNSET,
        description=data.get("description", UNSET),
        settings=settings,
    )
    return shapes.project(context.call(change))


@resolves("Mutation.cloneProject")
def clone_project(parent: Any, context: Context, data: Json) -> Json:
    """Make a project with the ontology and settings of another, without its rows."""
    other = context.call(GetProject(project_id=data["projectId"]))
    new = CreateProject(
        name=f"{other.name} (copy)",
        description=other.description,
        ontology_id=other.ontology_id,
        settings=other.settings,
    )
    return shapes.project(context.call(new))


@resolves("Mutation.setProjectInstructions")
def set_instructions(parent: Any, context: Context, where: Json, data: Json) -> Json:
    """Tell labellers where to read what to do."""
    change = ChangeProject(project_id=where["id"], settings={"instructions": data["instructionsUrl"]})
    return shapes.project(context.call(change))


# The editor, which ontologies are attached with


@resolves("Query.labelingFrontend")
def frontend(parent: Any, context: Context, where: Json) -> Json:
    """The editor."""
    if where["id"] != shapes.EDITOR["id"]:
        raise NotFound(f"no labeling frontend {where['id']!r}; there is {shapes.EDITOR['id']}")
    return shapes.EDITOR


@resolves("Query.labelingFrontends")
def frontends(
    parent: Any,
    context: Context,
    where: Json | None = None,
    skip: int | None = None,
    first: int | None = None,
) -> Any:
    """The editor, by its name in any case."""
    folded = {**shapes.EDITOR, "name": shapes.EDITOR["name"].casefold()}
    return shapes.page([shapes.EDITOR] if listed([folded], _folded(where or {})) else [], skip, first)


def _folded(where: Json) -> Json:
    """A condition in which names are in lower case."""
    folded: Json = {}
    for key, value in where.items():
        if key == "AND":
            folded[key] = [_folded(one) for one in value or ()]
        else:
            folded[key] = value.casefold() if value and key.startswith("name") else value
    return folded


@resolves("Project.labelingFrontend")
def project_frontend(parent: Json, context: Context) -> Json | None:
    """The editor, where it was connected."""
    return shapes.EDITOR if parent["_project"].settings.has_editor else None


@resolves("LabelingFrontendOptions.labelingFrontend")
def options_frontend(parent: Json, context: Context) -> Json:
    """The editor."""
    return shapes.EDITOR


@resolves("Mutation.createLabelingFrontendOptions")
def create_frontend_options(parent: Any, context: Context, data: Json) -> Json:
    """Give a project the ontology that stands in the editor's options; an empty one says nothing."""
    id = data["project"]["connect"]["id"]
    text = data.get("customizationOptions") or "{}"
    normalized = normalized_of(text)
    if normalized.tools or normalized.classifications:
        name = context.call(GetProject(project_id=id)).name
        made = context.call(CreateOntology(name=name, normalized=normalized))
        context.call(ChangeProject(project_id=id, ontology_id=made.id, settings={"has_editor": True}))
    else:
        context.call(ChangeProject(project_id=id, settings={"has_editor": True}))
    return {"id": id, "customizationOptions": text, "_project_id": id}


@resolves("Project.labelingFrontendOptions")
def frontend_options(
    parent: Json, context: Context, skip: int | None = None, first: int | None = None
) -> Any:
    """The editor's options, which are the ontology."""
    project = parent["_project"]
    if not project.settings.has_editor:
        return []
    shown = {"id": project.id, "_project_id": project.id, "customizationOptions": "{}"}
    if project.ontology_id is not None:
        from annotary.server.labelbox.ontologies import of_project

        ontology = of_project(parent, context)
        assert ontology is not None
        shown["customizationOptions"] = msgspec.json.encode(ontology["normalized"]).decode()
    return shapes.page([shown], skip, first)


# Counts


def _counts(parent: Json, context: Context, batches: list[str] | None = None) -> RowCounts:
    return context.once(CountRows(project_id=parent["id"], batch_ids=tuple(batches or ())))


@resolves("Project.dataRowCount")
def data_row_count(parent: Json, context: Context) -> int:
    """How many rows it has."""
    return _counts(parent, context).rows


@resolves("Project.labelCount")
def label_count(parent: Json, context: Context) -> int:
    """How many labels it has."""
    return _counts(parent, context).labels


@resolves("Project.completedDataRowCount")
def completed_count(parent: Json, context: Context) -> int:
    """How many rows are done."""
    return _counts(parent, context).by_status.get("DONE", 0)


@resolves("Project.taskQueues")
def task_queues(parent: Json, context: Context) -> list[Json]:
    """The queues of its workflow."""
    return [{**shapes.task_queue(one), "_project": parent} for one in parent["_project"].tasks]


@resolves("TaskQueue.dataRowCount")
def queue_count(parent: Json, context: Context, input: Json | None = None) -> int:
    """How many rows wait there; of all, or of some batches."""
    batches: list[str] = []
    for item in ((input or {}).get("searchQuery") or {}).get("query", ()):
        batches += item.get("ids", []) if isinstance(item, dict) and item.get("type") == "batch" else []
    return _counts(parent["_project"], context, batches).by_status.get(parent["_status"], 0)


@resolves("Project.workstreamStateCounts")
def state_counts(parent: Json, context: Context, batchIds: list[str] | None = None) -> list[Json]:
    """How many rows are how far."""
    counts = _counts(parent, context, batchIds)
    by = counts.by_status
    found = {
        "Unlabeled": by.get("TO_LABEL", 0),
        "Labeled": counts.rows - by.get("TO_LABEL", 0),
        "InReview": by.get("IN_REVIEW", 0),
        "InRework": by.get("IN_REWORK", 0),
        "Skipped": counts.skipped,
        "Done": by.get("DONE", 0),
        "All": counts.rows,
    }
    return [{"state": state, "count": count} for state, count in found.items()]


@resolves("Project.issues")
def issues(parent: Json, context: Context) -> Json:
    """How many issues there are."""
    return {"totalCount": len(context.call(FindIssues(project_id=parent["id"])))}


@resolves("Project.issueExportUrl")
def issue_export_url(parent: Json, context: Context, where: Json | None = None) -> str:
    """Where the issues can be fetched, with a key."""
    status = (where or {}).get("status")
    address = f"{context.engine.base_url}/api/v1/projects/{parent['id']}/issues"
    return address if status is None else f"{address}?status={status}"


@resolves("Project.resourceTags")
def resource_tags(parent: Json, context: Context) -> list[Json]:
    """Its tags."""
    wanted = parent["_project"].settings.tags
    return [shapes.tag(one) for one in context.call(FindTags()) if one.id in wanted]


@resolves("Project.datasets", "Project.labelingParameterOverrides", "Project.labelerPerformance")
def nothing(parent: Json, context: Context, **asked: Any) -> list[Json]:
    """A project has rows in batches, priorities with its rows, and no clock on its people."""
    return []


@resolves("Mutation.upsertReviewQueue")
def review_queue(parent: Any, context: Context, where: Json, data: Json) -> Json:
    """Every row that is labelled is reviewed; a lower share cannot be had."""
    if data["quotaFactor"] != 1:
        raise Denied("every labelled row goes to review here; the quota is 1")
    return {"id": context.call(GetProject(project_id=where["project"]["id"])).id}


@resolves("Mutation.clearQueueReservations")
def clear_reservations(parent: Any, context: Context, input: Json) -> Json:
    """Rows are not reserved, so none are freed."""
    project = context.call(GetProject(project_id=input["projectId"]))
    if input["queueId"] not in [one.id for one in project.tasks]:
        raise NotFound(f"no queue {input['queueId']!r} in project {project.id!r}")
    return {"success": True, "clearedReservationCount": 0}


@resolves("Mutation.bulkAssignDataRows")
def assign_rows(parent: Any, context: Context, input: Json) -> Json:
    """Rows wait for whoever comes; none are kept for one labeller."""
    raise Denied("data rows are not reserved for anybody here; whoever has a key may label them")


@resolves("Mutation.extendReservations")
def extend_reservations(parent: Any, context: Context, projectId: str, queueType: str) -> int:
    """Rows are not reserved, so none are any longer."""
    context.call(GetProject(project_id=projectId))
    return 0
