"""Events on their way to webhooks: signed, sent again when they did not arrive, given up in the end."""

from __future__ import annotations

import hmac
import logging
import time

from annotary.engine import guard
from annotary.errors import AnnotaryError, NotFound
from annotary.model.webhook import Webhook, WebhookSecret
from annotary.store import Store
from annotary.store.deliveries import Delivery

LEASE_SECONDS = 60
ATTEMPTS = 10
FIRST_SECONDS, LAST_SECONDS = 5.0, 6 * 3600.0
_log = logging.getLogger(__name__)


def deliver_next(store: Store) -> bool:
    """Send the event that is due longest; False where there is none."""
    delivery = store.deliveries.claim(LEASE_SECONDS * 1000)
    if delivery is None:
        return False
    own = store.seen_as(delivery.org)
    try:
        hook, secret = own.get(Webhook, delivery.webhook), own.get(WebhookSecret, delivery.webhook)
        reason = _sent(hook, secret.secret, delivery) if hook.status == "ACTIVE" else ""
    except NotFound:
        reason = ""
    if not reason:
        own.deliveries.done(delivery.id)
    elif delivery.attempts >= ATTEMPTS:
        _log.warning("event %s is given up after %s attempts: %s", delivery.id, ATTEMPTS, reason)
        own.deliveries.done(delivery.id)
    else:
        pause = min(FIRST_SECONDS * 4 ** (delivery.attempts - 1), LAST_SECONDS)
        _log.warning("event %s did not arrive, in %.0f s again: %s", delivery.id, pause, reason)
        own.deliveries.postpone(delivery.id, int(pause * 1000))
    return True


def _sent(hook: Webhook, secret: str, delivery: Delivery) -> str:
    """Send an event; why it did not arrive, empty where it did."""
    body, now = delivery.body.encode(), str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "annotary-webhook",
        "X-Annotary-Event": delivery.topic,
        "X-Annotary-Delivery": delivery.id,
        "X-Annotary-Timestamp": now,
        "X-Annotary-Signature": signature(secret, now, body),
    }
    try:
        answer = guard.request("POST", hook.url, body=body, headers=headers)
    except AnnotaryError as error:
        return str(error)
    return "" if 200 <= answer.status < 300 else f"the answer was {answer.status}"


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 over the timestamp, a full stop and the body, so that neither can be changed alone.

    >>> signature("a secret", "1700000000", b"{}")
    'sha256=f4c7f7db2c2d22e9144ae6536d7918d29e7c70122e5704b842c2a7d02bee924f'
    """
    digest = hmac.digest(secret.encode(), timestamp.encode() + b"." + body, "sha256")
    return f"sha256={digest.hex()}"
