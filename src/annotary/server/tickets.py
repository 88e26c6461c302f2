"""Tickets: each lets one browser in, once, for a time. They live as long as the server that made them."""

from __future__ import annotations

import secrets
import threading
import time
from typing import NamedTuple

from annotary.errors import Unauthenticated


class _Ticket(NamedTuple):
    org: str
    until: float


class Tickets:
    """The tickets that a server gave out and nobody has used."""

    def __init__(self) -> None:
        self._good: dict[str, _Ticket] = {}
        self._lock = threading.Lock()

    def new(self, org: str, seconds: float) -> str:
        """A ticket for an administrator of an organisation."""
        # Nothing but digits: terminals make an address out of all of it.
        ticket = secrets.token_hex(20)
        with self._lock:
            self._good[ticket] = _Ticket(org, time.monotonic() + seconds)
        return ticket

    def taken(self, ticket: str) -> str:
        """The organisation a ticket lets into; it is good no more. Raises Unauthenticated."""
        with self._lock:
            found = self._good.pop(ticket, None)
        if found is None or found.until < time.monotonic():
            raise Unauthenticated(
                "this address was good once, and was used, is too old, or is of a server that has ended;"
                " start the server again for a new one, or log in with an API key"
            )
        return found.org
