"""What webhooks have still to be told: an outbox, emptied by workers."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from sqlalchemy import ColumnElement, Connection, delete, insert, literal_column, select, update

from annotary.store.schema import deliveries
from annotary.store.tasks import NOW


class Home(Protocol):
    """The store that deliveries are kept in."""

    org: str

    def transaction(self) -> AbstractContextManager[Connection]:
        """One write transaction."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection to read with."""


class Delivery(NamedTuple):
    """An event to be told to a webhook, and how often that was tried, this time included."""

    id: str
    org: str
    webhook: str
    topic: str
    body: str
    attempts: int


class Deliveries:
    """The outbox of an organisation; `claim` is about that of all."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def add(self, id: str, webhook: str, topic: str, body: str) -> None:
        """Put an event into the outbox."""
        with self._home.transaction() as connection:
            connection.execute(
                insert(deliveries).values(
                    id=id, org=self._home.org, webhook=webhook, topic=topic, body=body, due=0, attempts=0
                )
            )

    def claim(self, lease: int) -> Delivery | None:
        """Take the delivery that is due longest; it is due again after `lease` milliseconds."""
        with self._home.reading() as connection:
            due = deliveries.c.due < literal_column(NOW[connection.dialect.name])
            if connection.execute(select(deliveries.c.id).where(due).limit(1)).first() is None:
                return None
        with self._home.transaction() as connection:
            clock: ColumnElement[int] = literal_column(NOW[connection.dialect.name])
            found = connection.execute(
                select(deliveries)
                .where(deliveries.c.due < clock)
                .order_by(deliveries.c.due, deliveries.c.id)
                .limit(1)
                .with_for_update(skip_locked=True)
            ).first()
            if found is None:
                return None
            taken = update(deliveries).where(deliveries.c.id == found.id)
            connection.execute(taken.values(due=clock + lease, attempts=found.attempts + 1))
        return Delivery(found.id, found.org, found.webhook, found.topic, found.body, found.attempts + 1)

    def postpone(self, id: str, milliseconds: int) -> None:
        """Try a delivery again later."""
        with self._home.transaction() as connection:
            clock: ColumnElement[int] = literal_column(NOW[connection.dialect.name])
            connection.execute(
                update(deliveries).where(deliveries.c.id == id).values(due=clock + milliseconds)
            )

    def done(self, id: str) -> None:
        """Take a delivery out: it was told, or is given up."""
        with self._home.transaction() as connection:
            connection.execute(delete(deliveries).where(deliveries.c.id == id))

    def drop(self, webhook: str) -> None:
        """Take all out that a webhook has to be told."""
        mine = (deliveries.c.webhook == webhook) & (deliveries.c.org == self._home.org)
        with self._home.transaction() as connection:
            connection.execute(delete(deliveries).where(mine))
