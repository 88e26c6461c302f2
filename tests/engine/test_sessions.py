"""Sessions: opened by a key or by who started the server, found by their token, over when they are over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from annotary.engine.core import Engine
from annotary.engine.sessions import open_local_session, open_session, session_of
from annotary.errors import NotFound, Unauthenticated
from annotary.model.project import Session
from annotary.operations.projects import CreateProject, FindProjects
from annotary.operations.users import (
    CreateKey,
    CreateOrganization,
    EndSession,
    FindSessions,
    RevokeKey,
)
from annotary.store import Store

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


class Clock:
    """A clock that somebody else moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(store_url: str, clock: Clock) -> Iterator[Engine]:
    engine = Engine(Store.open(store_url), clock=clock)
    yield engine
    engine.close()


def test_a_session_acts_as_the_key_that_opened_it(engine: Engine) -> None:
    engine.call(CreateOrganization(name="other"))
    other = Engine(engine.store.seen_as("other"))
    other.call(CreateProject(name="theirs"))
    key = other.call(CreateKey(name="looks@other.example", role="reader")).key
    token = open_session(engine, key, seconds=60, agent="Browser\n1\x1b[31m" + "x" * 500)

    acting, session = session_of(engine, token)

    assert [one.name for one in acting.call(FindProjects())] == ["theirs"]
    assert (acting.store.org, acting.role) == ("other", "reader")
    assert acting.user.email == "looks@other.example"
    assert session.agent.startswith("Browser 1 [31m") and len(session.agent) == 200
    assert engine.call(FindProjects()) == []


def test_who_started_the_server_is_an_administrator(engine: Engine) -> None:
    acting, session = session_of(engine, open_local_session(engine, "default", seconds=60))
    assert (acting.role, acting.store.org, session.key_id) == ("admin", "default", None)


def test_a_session_ends_with_its_time(engine: Engine, clock: Clock) -> None:
    token = open_local_session(engine, "default", seconds=60)
    clock.now += timedelta(seconds=59)
    assert session_of(engine, token)
    assert len(engine.call(FindSessions())) == 1
    clock.now += timedelta(seconds=1)
    with pytest.raises(Unauthenticated, match="log in again"):
        session_of(engine, token)
    assert engine.call(FindSessions()) == []
    # What is over is cleared away by the next one.
    open_local_session(engine, "default", seconds=60)
    assert len(engine.store.find(Session)) == 1


def test_a_session_ends_with_its_key(engine: Engine) -> None:
    key = engine.call(CreateKey(name="short", role="admin")).key
    token = open_session(engine, key, seconds=60)
    assert session_of(engine, token)
    engine.call(RevokeKey(name="short"))
    engine.call(CreateKey(name="short", role="admin"))
    with pytest.raises(Unauthenticated):
        session_of(engine, token)


def test_a_session_is_logged_out_by_whose_it_is_or_by_an_administrator(engine: Engine) -> None:
    tokens = {}
    for name in ("ann", "bob"):
        key = engine.call(CreateKey(name=name, role="member")).key
        tokens[name] = open_session(engine, key, seconds=60)
    ann, of_ann = session_of(engine, tokens["ann"])
    _, of_bob = session_of(engine, tokens["bob"])

    assert [one.name for one in ann.call(FindSessions())] == ["ann"]
    assert [one.hash for one in engine.call(FindSessions())] == ["", ""]
    with pytest.raises(NotFound):
        ann.call(EndSession(session_id=of_bob.id))
    ann.call(EndSession(session_id=of_ann.id))
    engine.call(EndSession(session_id=of_bob.id))
    for token in tokens.values():
        with pytest.raises(Unauthenticated):
            session_of(engine, token)


def test_what_is_stored_opens_nothing(engine: Engine) -> None:
    token = open_local_session(engine, "default", seconds=60)
    (kept,) = engine.store.find(Session)
    assert token not in repr(kept)
    for wrong in (kept.hash, kept.id, "", "nonsense", token + "x", token[:-1]):
        with pytest.raises(Unauthenticated):
            session_of(engine, wrong)


def test_a_session_outlives_the_server(engine: Engine, store_url: str, clock: Clock) -> None:
    token = open_local_session(engine, "default", seconds=60)
    engine.close()
    again = Engine(Store.open(store_url), clock=clock)
    assert session_of(again, token)
    again.close()
