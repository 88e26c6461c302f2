"""Organisations, API keys, and the user who asks."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from annotary.model.base import Value
from annotary.model.project import Invite, Key, Member, Name, Organization, Role, Session, User
from annotary.operations import Operation, delete, get, patch, post


class IssuedKey(Value):
    """A new API key; the only time it is shown."""

    name: str
    key: str
    role: Role
    org: str


class GetUser(Operation[User]):
    """The user who asks."""

    route = get("/users/me")


class FindUsers(Operation[list[Member]]):
    """Everybody who has a key of the organisation, by name."""

    route = get("/users")


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


class ChangeKey(Operation[Key]):
    """Give a key another role; not the key that asks."""

    route = patch("/keys/{name}")
    needs = "admin"
    name: str
    role: Role


class RevokeKey(Operation[None]):
    """Make a key useless; not the key that asks."""

    route = delete("/keys/{name}")
    needs = "admin"
    name: str


class CreateInvite(Operation[Invite]):
    """Note that somebody is to get a key: it is open until one has their e-mail address as its name.

    Nothing is sent to them. Inviting them again changes the role, which may have a `title` elsewhere.
    """

    route = post("/invites")
    needs = "admin"
    email: Annotated[str, Meta(min_length=3, max_length=100)]
    role: Role = "member"
    title: Annotated[str, Meta(max_length=100)] | None = None


class FindInvites(Operation[list[Invite]]):
    """The invitations that are open, by address."""

    route = get("/invites")
    needs = "admin"


class CancelInvite(Operation[None]):
    """Take an invitation back."""

    route = delete("/invites/{invite_id}")
    needs = "admin"
    invite_id: str


class FindSessions(Operation[list[Session]]):
    """The sessions at the page that are open, the newest first; an administrator sees everybody's."""

    route = get("/sessions")


class EndSession(Operation[None]):
    """Log a session out."""

    route = delete("/sessions/{session_id}")
    session_id: str
