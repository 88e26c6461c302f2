"""Annotary's values in the words of the schema. Keys that begin with `_` lead to what relations need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from annotary.engine.core import Engine
from annotary.errors import Invalid
from annotary.formats import labelbox_data_rows
from annotary.model.base import derived_id, to_json
from annotary.model.project import (
    Batch,
    Dataset,
    MetadataSchema,
    Model,
    ModelRun,
    Organization,
    Project,
    Role,
    Slice,
    Tag,
    User,
    WorkflowTask,
)
from annotary.model.row import Attachment, DataRowDetails, LabelDetails, Performance, Review, Row
from annotary.operations.labels import PlacedLabel

Json = dict[str, Any]

EDITOR: Json = {
    "id": derived_id("labeling frontend", "Editor"),
    "name": "Editor",
    "description": "the annotation editor",
    "iframeUrlPath": "",
}
QUEUE_TYPES = {
    "labeling": "INITIAL_LABELING_QUEUE",
    "review": "MANUAL_REVIEW_QUEUE",
    "rework": "MANUAL_REWORK_QUEUE",
}
ROLES: dict[str, Json] = {
    name: {"id": derived_id("role", name), "name": name, "description": what, "permissions": []}
    for name, what in (
        ("NONE", "no role in the organisation"),
        ("LABELER", "labels"),
        ("REVIEWER", "labels and reviews"),
        ("TEAM_MANAGER", "looks after projects and people"),
        ("ADMIN", "everything"),
        ("TENANT_ADMIN", "everything, in all organisations"),
    )
}
ROLE_NAMES = {"admin": "ADMIN", "member": "TEAM_MANAGER", "reader": "LABELER"}
_OWN_ROLES: dict[str, Role] = {
    "LABELER": "reader",
    "REVIEWER": "member",
    "TEAM_MANAGER": "member",
    "ADMIN": "admin",
    "TENANT_ADMIN": "admin",
}
METADATA_KINDS = {
    "string": "CustomMetadataString",
    "number": "CustomMetadataNumber",
    "datetime": "CustomMetadataDateTime",
    "enum": "CustomMetadataEnum",
}
OPTION_KIND = "CustomMetadataEnumOption"


def given(value: Any) -> Any:
    """A value, or None where it is not set."""
    return None if value is UNSET else value


def user(value: User) -> Json:
    """A user."""
    return {
        "id": value.id,
        "email": value.email,
        "name": value.name or value.email,
        "nickname": value.name or value.email,
        "picture": "",
        "isViewer": False,
        "isExternalUser": False,
        "isAdvEnabled": True,
        "timezone": "UTC",
        "deleted": False,
    }


def role(value: Role) -> Json:
    """A role in the vendor's words."""
    return ROLES[ROLE_NAMES[value]]


def own_role(name: str) -> Role:
    """What may be done here with a role of the vendor's; raises Invalid for the one that may do nothing."""
    if name not in _OWN_ROLES:
        raise Invalid(f"role {name} may do nothing here; revoke the key instead")
    return _OWN_ROLES[name]


def author(engine: Engine, email: Any) -> Json | None:
    """Whoever made something, of whom the e-mail address is known."""
    if email is UNSET or not email:
        return None
    if email == engine.user.email:
        return user(engine.user)
    return user(User(id=derived_id("user", email), email=email))


def organization(value: Organization) -> Json:
    """An organisation."""
    return {
        "id": value.id,
        "name": value.name,
        "createdAt": value.created_at,
        "updatedAt": value.created_at,
    }


def project(value: Project) -> Json:
    """A project; its counts and relations are asked for apart."""
    settings = value.settings
    return {
        "id": value.id,
        "name": value.name,
        "description": value.description,
        "createdAt": value.created_at,
        "updatedAt": value.updated_at,
        "setupComplete": settings.setup_complete,
        "lastActivityTime": value.updated_at,
        "queueMode": "BATCH",
        "tagSetStatus": "ENABLED",
        "autoAuditNumberOfLabels": settings.auto_audit_number_of_labels,
        "autoAuditPercentage": settings.auto_audit_percentage,
        "allowedMediaType": settings.media_type,
        "modelSetupComplete": None,
        "uploadType": None,
        "editorTaskType": None,
        "isBenchmarkEnabled": settings.benchmark,
        "isConsensusEnabled": settings.consensus,
        "showingPredictionsToLabelers": settings.shows_predictions,
        "_created_by": value.created_by,
        "_project": value,
    }


def dataset(value: Dataset) -> Json:
    """A dataset."""
    return {
        "id": value.id,
        "name": value.name,
        "description": value.description,
        "createdAt": value.created_at,
        "updatedAt": value.updated_at,
        "_created_by": value.created_by,
    }


def data_row(value: Row) -> Json:
    """A data row with media, metadata and attachments."""
    details = value.data_row.details if isinstance(value.data_row.details, DataRowDetails) else None
    return {
        **labelbox_data_rows.shown(value),
        "_dataset": given(details.dataset_id) if details else None,
        "_created_by": given(details.created_by) if details else None,
        "_attachments": value.attachments if isinstance(value.attachments, tuple) else (),
    }


def attachment(data_row_id: str, value: Attachment) -> Json:
    """An attachment; its id leads to its data row too, since nothing else is said when it is changed."""
    return {
        "id": f"{data_row_id}/{given(value.id)}",
        "type": value.type,
        "value": value.value,
        "name": given(value.name),
    }


def metadata_schema(value: MetadataSchema) -> Json:
    """A metadata schema."""
    return {
        "id": value.id,
        "name": value.name,
        "kind": METADATA_KINDS[value.kind],
        "reserved": value.reserved,
        "options": [
            {"id": one.id, "name": one.name, "kind": OPTION_KIND, "reserved": value.reserved}
            for one in value.options
        ],
    }


def task_queue(value: WorkflowTask) -> Json:
    """A place in the workflow."""
    return {
        "id": value.id,
        "name": value.name,
        "description": "",
        "queueType": QUEUE_TYPES[value.kind],
        "_status": value.status(),
    }


def batch(value: Batch, size: int | None = None) -> Json:
    """A batch."""
    settings = None
    if value.consensus is not UNSET:
        settings = {
            "numberOfLabels": value.consensus.number_of_labels,
            "coveragePercentage": value.consensus.coverage_percentage,
        }
    return {
        "id": value.id,
        "name": value.name,
        "createdAt": value.created_at,
        "updatedAt": value.created_at,
        "size": size,
        "consensusSettingsJson": settings,
        "_created_by": value.created_by,
        "_project_id": value.project_id,
    }


def label(value: PlacedLabel) -> Json:
    """A label with where it is."""
    inner = value.label
    details = inner.label_details if isinstance(inner.label_details, LabelDetails) else LabelDetails()
    spent = inner.performance_details
    performance = spent if isinstance(spent, Performance) else Performance()
    return {
        "id": inner.id,
        "label": to_json(inner.annotations),
        "secondsToLabel": performance.seconds_to_create + performance.seconds_to_review,
        "agreement": given(performance.consensus_score),
        "benchmarkAgreement": given(performance.benchmark_score),
        "isBenchmarkReference": inner.is_benchmark_reference is True,
        "createdAt": given(details.created_at),
        "updatedAt": given(details.updated_at),
        "_created_by": given(details.created_by),
        "_project_id": value.project_id,
        "_data_row_id": value.data_row_id,
        "_reviews": details.reviews,
        "_placed": value,
    }


def review(value: Review, placed: PlacedLabel) -> Json:
    """A verdict on a label; its id leads to the label too, since it is asked for by nothing else."""
    return {
        "id": f"{placed.label.id}/{value.id}",
        "score": value.score,
        "createdAt": value.created_at,
        "updatedAt": value.created_at,
        "_created_by": value.created_by,
        "_project_id": placed.project_id,
        "_placed": placed,
    }


def benchmark(value: PlacedLabel) -> Json:
    """A label that others are measured against, as a benchmark."""
    shown = label(value)
    return {
        "id": value.label.id,
        "createdAt": shown["createdAt"],
        "lastActivity": shown["updatedAt"],
        "averageAgreement": None,
        "completedCount": 0,
        "_created_by": shown["_created_by"],
        "_placed": value,
    }


def model(value: Model) -> Json:
    """A model."""
    return {"id": value.id, "name": value.name, "ontologyId": value.ontology_id}


def model_run(value: ModelRun) -> Json:
    """A model run."""
    pipeline = value.pipeline
    return {
        "id": value.id,
        "name": value.name,
        "modelId": value.model_id,
        "modelAppId": None,
        "createdBy": value.created_by,
        "createdAt": value.created_at,
        "updatedAt": value.created_at,
        "trainingMetadata": value.config,
        "trainingPipeline": None
        if pipeline is None
        else {
            "status": pipeline.status,
            "errorMessage": pipeline.error_message,
            "metadata": pipeline.metadata,
        },
    }


def slice_(value: Slice) -> Json:
    """A slice; its filter is shown in annotary's own words."""
    return {
        "id": value.id,
        "name": value.name,
        "description": value.description,
        "filter": msgspec.to_builtins(value.filters),
        "createdAt": value.created_at,
        "updatedAt": value.updated_at,
    }


def tag(value: Tag) -> Json:
    """A tag."""
    return {"id": value.id, "text": value.name, "color": value.color}


def page(found: Sequence[Any], skip: int | None, first: int | None) -> Sequence[Any]:
    """The part of a list that is asked for."""
    start = max(skip or 0, 0)
    return found[start:] if first is None else found[start : start + max(first, 0)]
