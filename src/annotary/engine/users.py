"""Organisations, API keys, and the user who asks.

Organisations belong to the whole store: they are kept under the nameless organisation, which nobody can
be in, and are seen and made from `default`, the one every store starts with. An organisation's id is its
name, which never changes: it is what the store keeps everything else under, and what `--org` takes.
"""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from annotary.engine.core import Engine, handles
from annotary.errors import Conflict, Denied, Invalid, NotFound, Unauthenticated
from annotary.model.base import derived_id
from annotary.model.carried import typed
from annotary.model.project import Invite, Key, Member, Organization, User
from annotary.operations.users import (
    CancelInvite,
    ChangeKey,
    CreateInvite,
    CreateKey,
    CreateOrganization,
    FindInvites,
    FindKeys,
    FindOrganizations,
    FindUsers,
    GetOrganization,
    GetUser,
    IssuedKey,
    RevokeKey,
)
from annotary.store import Store
from annotary.store.lookup import everywhere

DEFAULT = Organization(id="default", name="default", created_at="1970-01-01T00:00:00.000+00:00")
"""The organisation that every store starts with; older than anything in it."""
PREFIX = "ann_"
NAME_LIMIT = 100
ALL = 100_000


@handles(GetUser)
def get_user(engine: Engine, request: GetUser) -> User:
    """The user who asks."""
    return engine.user


@handles(GetOrganization)
def get_organization(engine: Engine, request: GetOrganization) -> Organization:
    """The organisation of who asks."""
    return organization(engine.store, engine.store.org)


@handles(CreateOrganization)
def create_organization(engine: Engine, request: CreateOrganization) -> Organization:
    """Make an organisation."""
    store = _whole(engine)
    name = _named("an organisation", request.name)
    if name == DEFAULT.name:
        raise Conflict(f"organisation {name!r} is there already; give another name")
    made = Organization(id=name, name=name, created_at=engine.now())
    store.add(made)
    return made


@handles(FindOrganizations)
def find_organizations(engine: Engine, request: FindOrganizations) -> list[Organization]:
    """All organisations: the first one, then the others by name."""
    return [DEFAULT, *_whole(engine).find(Organization, limit=ALL)]


def organization(store: Store, name: str) -> Organization:
    """An organisation of the store; raises NotFound."""
    if name == DEFAULT.name:
        return DEFAULT
    try:
        return store.seen_as("").get(Organization, name)
    except NotFound:
        raise NotFound(f"no organisation {name!r}; make it with: annotary orgs create") from None


def _whole(engine: Engine) -> Store:
    if engine.store.org != DEFAULT.id:
        raise Denied(
            f"organisations are looked after from {DEFAULT.name!r}, not from {engine.store.org!r};"
            f" use a key of {DEFAULT.name!r}"
        )
    return engine.store.seen_as("")


@handles(CreateKey)
def create_key(engine: Engine, request: CreateKey) -> IssuedKey:
    """Make a key; what it is cannot be found out from the store afterwards."""
    store, name = engine.store, _named("a key", request.name)
    secret = PREFIX + secrets.token_urlsafe(32)
    with store.transaction():
        store.alone("Key", name)
        if _present(store, name) is not None:
            raise Conflict(f"there is a key {name!r} already; revoke it or give another name")
        hash = hash_of(secret)
        store.add(Key(id=_key_id(hash), name=name, role=request.role, hash=hash, created_at=engine.now()))
        store.delete(Invite, _invite_id(store, name))
    return IssuedKey(name=name, key=secret, role=request.role, org=store.org)


@handles(FindKeys)
def find_keys(engine: Engine, request: FindKeys) -> list[Key]:
    """All keys by their age, revoked ones too, without what would help to guess them."""
    found = engine.store.find(Key, limit=ALL)
    return [
        replace(key, hash="") for key in sorted(found, key=lambda key: (key.created_at, key.name, key.id))
    ]


@handles(RevokeKey)
def revoke_key(engine: Engine, request: RevokeKey) -> None:
    """Make a key useless; its name is free again."""
    _change_key(engine, request.name, revoked=True)


@handles(ChangeKey)
def change_key(engine: Engine, request: ChangeKey) -> Key:
    """Give a key another role."""
    return replace(_change_key(engine, request.name, role=request.role), hash="")


def _change_key(engine: Engine, name: str, **fields: Any) -> Key:
    """A key, changed; raises Conflict for the one that asks: nobody shuts themselves out by mistake."""
    store = engine.store
    with store.transaction():
        store.alone("Key", name)
        key = _present(store, name)
        if key is None:
            raise NotFound(f"no key {name!r} that could be changed")
        if user_of(store.org, key).id == engine.user.id:
            raise Conflict(f"key {name!r} is the one that asks; change it with another one")
        changed = replace(key, **fields)
        store.put(changed)
    store.database.key_changes += 1
    return changed


@handles(FindUsers)
def find_users(engine: Engine, request: FindUsers) -> list[Member]:
    """Everybody who has a key, and who asks."""
    store = engine.store
    found = {engine.user.id: Member(user=engine.user, role=engine.role)}
    for key in store.find(Key, limit=ALL):
        if not key.revoked:
            one = Member(user=user_of(store.org, key), role=key.role)
            found.setdefault(one.user.id, one)
    return sorted(found.values(), key=lambda one: (one.user.email, one.user.id))


# Invitations


def _invite_id(store: Store, email: str) -> str:
    """Of one address there is one invitation."""
    return derived_id(store.org, "invite", email)


@handles(CreateInvite)
def create_invite(engine: Engine, request: CreateInvite) -> Invite:
    """Note that somebody is to get a key."""
    store, email = engine.store, _named("an invitation", request.email)
    if "@" not in email.strip("@"):
        raise Invalid(f"email: {email!r} is no e-mail address")
    with store.transaction():
        store.alone("Key", email)
        if _present(store, email) is not None:
            raise Conflict(f"{email} has a key already; change its role instead")
        made = Invite(
            id=_invite_id(store, email),
            email=email,
            role=request.role,
            created_at=engine.now(),
            title=request.title,
            created_by=engine.user.email,
        )
        store.put(made)
    return made


@handles(FindInvites)
def find_invites(engine: Engine, request: FindInvites) -> list[Invite]:
    """The invitations that are open."""
    return sorted(engine.store.find(Invite, limit=ALL), key=lambda one: one.email)


@handles(CancelInvite)
def cancel_invite(engine: Engine, request: CancelInvite) -> None:
    """Take an invitation back."""
    if not engine.store.delete(Invite, request.invite_id):
        raise NotFound(f"no invitation {request.invite_id!r}")


def bearer(engine: Engine, secret: str) -> Engine:
    """The engine acting as who shows a key, whatever organisation the key is of; raises Unauthenticated."""
    hash = hash_of(secret)
    with engine.store.reading() as connection:
        found = everywhere(connection, Key.__name__, _key_id(hash))
    for org, body in found:
        key = typed(body, Key)
        if _is_good(key, hash):
            return engine.acting_as(org, key.role, user_of(org, key))
    raise Unauthenticated(
        "the API key is not known here, or was revoked; make one with: annotary keys create"
    )


def user_of(org: str, key: Key) -> User:
    """Who bears a key: a key made anew under the same name is the same user."""
    email = key.name if "@" in key.name else f"{key.name}@localhost"
    return User(id=derived_id(org, "user", key.name), email=email, name=key.name)


def key_of(store: Store, secret: str) -> Key | None:
    """The key that somebody shows, if it is one of this organisation and still good."""
    hash = hash_of(secret)
    try:
        key = store.get(Key, _key_id(hash))
    except NotFound:
        return None
    return key if _is_good(key, hash) else None


def _is_good(key: Key, hash: str) -> bool:
    return secrets.compare_digest(key.hash, hash) and not key.revoked


def hash_of(secret: str) -> str:
    """What is kept of a key: it is long and random, so one round is enough."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key_id(hash: str) -> str:
    """A key's id follows from its hash, so that it is found at once."""
    return derived_id("key", hash)


def _present(store: Store, name: str) -> Key | None:
    return next((key for key in store.find(Key, name=name, limit=ALL) if not key.revoked), None)


def _named(what: str, name: str) -> str:
    if not name or name != name.strip() or not name.isprintable() or len(name) > NAME_LIMIT:
        raise Invalid(
            f"{what} cannot be named {name[:NAME_LIMIT]!r};"
            f" give up to {NAME_LIMIT} printable characters, none of them a space at either end"
        )
    return name
