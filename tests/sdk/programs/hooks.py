"""Webhooks: made, listed, switched off."""

from labelbox import Webhook
from session import answer, client, given

project = client.get_project(given["project_id"])
hook = Webhook.create(client, given["topics"], given["hook"], "a secret", project)
found = {
    "url": hook.url,
    "topics": hook.topics,
    "status": str(hook.status),
    "listed": [one.url for one in project.webhooks()],
    "of_organization": [one.url for one in client.get_organization().webhooks()],
}
hook.update(topics=["LABEL_DELETED"], url=given["hook"] + "/moved")
found["changed"] = [[one.url, one.topics] for one in project.webhooks()]
hook.update(status=Webhook.Status.INACTIVE.value)
found["after"] = [str(one.status) for one in project.webhooks()]
answer(**found)
