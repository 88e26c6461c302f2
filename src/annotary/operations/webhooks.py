"""Webhooks."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from annotary.model.webhook import Secret, Topic, Webhook, WebhookStatus
from annotary.operations import Operation, delete, get, patch, post

Address = Annotated[str, Meta(min_length=1, max_length=2000, description="of http:// or https://")]
Topics = Annotated[tuple[Topic, ...], Meta(min_length=1)]


class CreateWebhook(Operation[Webhook]):
    """Tell an address of events, of one project or of all; each is signed with the secret."""

    route = post("/webhooks")
    needs = "admin"
    url: Address
    topics: Topics
    secret: Secret
    project_id: str | None = None


class FindWebhooks(Operation[list[Webhook]]):
    """The webhooks of the organisation, or of a project."""

    route = get("/webhooks")
    needs = "admin"
    project_id: str | None = None


class ChangeWebhook(Operation[Webhook]):
    """Change a webhook, or switch it off; a revoked one stays so."""

    route = patch("/webhooks/{webhook_id}")
    needs = "admin"
    webhook_id: str
    url: Address | UnsetType = UNSET
    topics: Topics | UnsetType = UNSET
    status: WebhookStatus | UnsetType = UNSET


class DeleteWebhook(Operation[None]):
    """Remove a webhook with all that it has still to be told."""

    route = delete("/webhooks/{webhook_id}")
    needs = "admin"
    webhook_id: str
