"""Sessions of people at the page, opened by an API key or by who started the server; kept by their hash."""

from __future__ import annotations

import secrets
from datetime import timedelta

from msgspec.structs import replace

from annotary.engine.core import LOCAL, Engine, handles
from annotary.engine.users import ALL, bearer, hash_of, key_of, user_of
from annotary.errors import NotFound, Unauthenticated
from annotary.model import moment
from annotary.model.base import derived_id
from annotary.model.carried import typed
from annotary.model.project import Key, Role, Session, User
from annotary.operations.users import EndSession, FindSessions
from annotary.store.lookup import everywhere

AGENT_LIMIT = 200


def open_session(engine: Engine, secret: str, *, seconds: int, agent: str = "") -> str:
    """A new session of who shows an API key: its token, which is told once. Raises Unauthenticated."""
    acting = bearer(engine, secret)
    key = key_of(acting.store, secret)
    if key is None:
        raise Unauthenticated("the API key was revoked just now")
    return _opened(acting, key, seconds, agent)


def open_local_session(engine: Engine, org: str, *, seconds: int, agent: str = "") -> str:
    """A new session of whoever started the server, an administrator of an organisation: its token."""
    return _opened(engine.acting_as(org, "admin", LOCAL), None, seconds, agent)


def _opened(engine: Engine, key: Key | None, seconds: int, agent: str) -> str:
    token = secrets.token_urlsafe(32)
    hash = hash_of(token)
    begun = engine.clock()
    made = Session(
        id=_session_id(hash),
        name=engine.user.name or engine.user.email,
        user_id=engine.user.id,
        role=engine.role,
        hash=hash,
        created_at=moment.stamp(begun),
        expires_at=moment.stamp(begun + timedelta(seconds=seconds)),
        key_id=key.id if key else None,
        agent="".join(one if one.isprintable() else " " for one in agent[:AGENT_LIMIT]),
    )
    store = engine.store
    with store.transaction():
        over = [one.id for one in store.find(Session, limit=ALL) if one.expires_at <= made.created_at]
        store.delete(Session, *over)
        store.add(made)
    return token


def session_of(engine: Engine, token: str) -> tuple[Engine, Session]:
    """The engine acting as whose session a token is, and the session; raises Unauthenticated."""
    hash = hash_of(token)
    wanted = _session_id(hash)
    with engine.store.reading() as connection:
        found = everywhere(connection, Session.__name__, wanted)
    for org, body in found:
        session = typed(body, Session)
        if not secrets.compare_digest(session.hash, hash) or session.expires_at <= engine.now():
            continue
        bearer_now = _bearer_of(engine, org, session)
        if bearer_now is not None:
            return engine.acting_as(org, *bearer_now), session
    raise Unauthenticated("the session is over; log in again")


def _bearer_of(engine: Engine, org: str, session: Session) -> tuple[Role, User] | None:
    """Whose session it is, with the role that the key has by now; a session ends with its key."""
    if session.key_id is None:
        return session.role, LOCAL
    try:
        key = engine.store.seen_as(org).get(Key, session.key_id)
    except NotFound:
        return None
    return None if key.revoked else (key.role, user_of(org, key))


@handles(FindSessions)
def find_sessions(engine: Engine, request: FindSessions) -> list[Session]:
    """The sessions that are open, the newest first: all for an administrator, else one's own."""
    now = engine.now()
    found = [one for one in engine.store.find(Session, limit=ALL) if one.expires_at > now]
    return [
        replace(one, hash="")
        for one in sorted(found, key=lambda one: (one.created_at, one.id), reverse=True)
        if engine.role == "admin" or one.user_id == engine.user.id
    ]


@handles(EndSession)
def end_session(engine: Engine, request: EndSession) -> None:
    """Log a session out; raises NotFound."""
    for session in find_sessions(engine, FindSessions()):
        if session.id == request.session_id:
            engine.store.delete(Session, session.id)
            return
    raise NotFound(f"no session {request.session_id!r}")


def _session_id(hash: str) -> str:
    """A session's id follows from its hash, so that it is found at once."""
    return derived_id("session", hash)
