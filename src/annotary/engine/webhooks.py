"""Webhooks: kept, and told of events.

An event is noted down in the transaction of what happened, so that none is lost and none is told that did not
happen; workers send them out.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from annotary.engine.core import Engine, handles
from annotary.engine.guard import checked_address
from annotary.errors import Conflict, NotFound
from annotary.model.base import new_id, to_json
from annotary.model.project import Project
from annotary.model.webhook import Topic, Webhook, WebhookSecret
from annotary.operations.webhooks import ChangeWebhook, CreateWebhook, DeleteWebhook, FindWebhooks

ALL = 10_000


@handles(CreateWebhook)
def create_webhook(engine: Engine, request: CreateWebhook) -> Webhook:
    """Keep a webhook; raises Invalid where its address may not be reached."""
    checked_address(request.url)
    if request.project_id is not None:
        engine.store.get(Project, request.project_id)
    now = engine.now()
    made = Webhook(
        id=new_id(),
        url=request.url,
        topics=request.topics,
        created_at=now,
        updated_at=now,
        project_id=request.project_id,
        created_by=engine.user.email,
    )
    with engine.store.transaction():
        engine.store.add(made)
        engine.store.add(WebhookSecret(id=made.id, secret=request.secret))
    return made


@handles(FindWebhooks)
def find_webhooks(engine: Engine, request: FindWebhooks) -> list[Webhook]:
    """Webhooks by id."""
    found = engine.store.find(Webhook, limit=ALL)
    return [one for one in found if request.project_id in (None, one.project_id)]


@handles(ChangeWebhook)
def change_webhook(engine: Engine, request: ChangeWebhook) -> Webhook:
    """Change a webhook; raises Invalid where its address may not be reached."""
    if isinstance(request.url, str):
        checked_address(request.url)
    with engine.store.transaction():
        present = engine.store.get(Webhook, request.webhook_id)
        if present.status == "REVOKED":
            raise Conflict(f"webhook {present.id!r} was revoked; make a new one")
        changes: dict[str, Any] = {}
        if request.topics is not UNSET:
            changes["topics"] = request.topics
        if request.status is not UNSET:
            changes["status"] = request.status
        if isinstance(request.url, str):
            changes["url"] = request.url
        changed = replace(present, **changes, updated_at=engine.now())
        engine.store.put(changed)
    return changed


@handles(DeleteWebhook)
def delete_webhook(engine: Engine, request: DeleteWebhook) -> None:
    """Forget a webhook."""
    with engine.store.transaction():
        if not engine.store.delete(Webhook, request.webhook_id):
            raise NotFound(f"no webhook {request.webhook_id!r}")
        engine.store.delete(WebhookSecret, request.webhook_id)
        engine.store.deliveries.drop(request.webhook_id)


def emit(engine: Engine, topic: Topic, *projects: str, **told: Any) -> None:
    """Note an event of some projects down for all webhooks that are to be told, in the open transaction."""
    for hook in engine.store.find(Webhook, limit=ALL):
        if hook.status == "ACTIVE" and topic in hook.topics and hook.project_id in (None, *projects):
            only = projects[0] if len(projects) == 1 else None
            event = {
                "id": new_id(),
                "event": topic,
                "created_at": engine.now(),
                "organization_id": engine.store.org,
                "project_id": hook.project_id or only,
                **told,
            }
            engine.store.deliveries.add(event["id"], hook.id, topic, to_json(event))
