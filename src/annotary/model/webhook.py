"""Webhooks: who is told of what happens."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from annotary.model.base import Value

Topic = Literal[
    "LABEL_CREATED",
    "LABEL_UPDATED",
    "LABEL_DELETED",
    "REVIEW_CREATED",
    "REVIEW_UPDATED",
    "REVIEW_DELETED",
    "EXPORT_COMPLETE",
    "EXPORT_FAILED",
    "IMPORT_COMPLETE",
    "IMPORT_FAILED",
]
WebhookStatus = Literal["ACTIVE", "INACTIVE", "REVOKED"]
Secret = Annotated[str, Meta(min_length=8, max_length=200, description="signs what is sent")]


class Webhook(Value):
    """An address that is told of events, of one project or of all; its secret is never shown."""

    id: str
    url: str
    topics: tuple[Topic, ...]
    created_at: str
    updated_at: str
    status: WebhookStatus = "ACTIVE"
    project_id: str | None = None
    created_by: str | None = None


class WebhookSecret(Value):
    """What a webhook's deliveries are signed with."""

    id: str
    secret: str
