"""Webhooks."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from annotary.model.webhook import Webhook
from annotary.operations.webhooks import ChangeWebhook, CreateWebhook, DeleteWebhook, FindWebhooks
from annotary.server.labelbox.context import Context, Json, resolves
from annotary.server.labelbox.filters import listed


def shown(value: Webhook) -> Json:
    """A webhook."""
    return {
        "id": value.id,
        "url": value.url,
        "topics": list(value.topics),
        "status": value.status,
        "createdAt": value.created_at,
        "updatedAt": value.updated_at,
        "_created_by": value.created_by,
        "_project_id": value.project_id,
    }


@resolves("Organization.webhooks")
def of_organization(parent: Json, context: Context, orderBy: str | None = None, **asked: Any) -> Any:
    """All webhooks."""
    found = context.call(FindWebhooks())
    return listed(map(shown, found), order=orderBy, **asked)


@resolves("Project.webhooks")
def of_project(parent: Json, context: Context, orderBy: str | None = None, **asked: Any) -> Any:
    """The webhooks of a project."""
    found = context.call(FindWebhooks(project_id=parent["id"]))
    return listed(map(shown, found), order=orderBy, **asked)


@resolves("Mutation.createWebhook")
def create(parent: Any, context: Context, data: Json) -> Json:
    """Tell an address of events."""
    new = CreateWebhook(
        url=data["url"],
        topics=tuple(data["topics"]["set"]),
        secret=data["secret"],
        project_id=(data.get("project") or {}).get("id"),
    )
    return shown(context.call(new))


@resolves("Mutation.updateWebhook")
def update(parent: Any, context: Context, where: Json, data: Json) -> Json:
    """Change a webhook, or remove it."""
    id = where["id"]
    if data.get("deleted"):
        found = {one.id: one for one in context.call(FindWebhooks())}
        context.call(DeleteWebhook(webhook_id=id))
        return shown(found[id])
    topics = data.get("topics")
    change = ChangeWebhook(
        webhook_id=id,
        url=data.get("url") or UNSET,
        topics=UNSET if topics is None else tuple(topics["set"]),
        status=data.get("status") or UNSET,
    )
    return shown(context.call(change))
