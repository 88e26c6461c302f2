"""Organisations, API keys, and the user who asks."""

from __future__ import annotations

from annotary.model.base import Value
from annotary.model.project import Key, Name, Organization, Role, Session, User
from annotary.operations import Operation, delete, get, post


class IssuedKey(Value):
    """A new API key; the only time it is shown."""

    name: str
    key: str
    role: Role
    org: str


class GetUser(Operation[User]):
    """The user who asks."""

    route = get("/users/me")


class GetOrganization(Operation[Organization]):
    """The organisation of who asks."""

    route = get("/organizations/mine")


class CreateOrganization(Operation[Organization]):
    """Make an organisation, kept wholly apart from the others."""

    route = post("/organizations")
    needs = "admin"
    name: Name


class FindOrganizations(Operation[list[Organization]]):
    """All organisations of the store."""

    route = get("/organizations")
    needs = "admin"


class CreateKey(Operation[IssuedKey]):
    """Make an API key."""

    route = post("/keys")
    needs = "admin"
    name: Name
    role: Role = "member"


class FindKeys(Operation[list[Key]]):
    """All API keys, without the keys themselves."""

    route = get("/keys")
    needs = "admin"


class RevokeKey(Operation[None]):
    """Make a key useless."""

    route = delete("/keys/{name}")
    needs = "admin"
    name: str


class FindSessions(Operation[list[Session]]):
    """The sessions at the page that are open, the newest first; an administrator sees everybody's."""

    route = get("/sessions")


class EndSession(Operation[None]):
    """Log a session out."""

    route = delete("/sessions/{session_id}")
    session_id: str
