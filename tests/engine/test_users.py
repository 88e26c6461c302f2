from __future__ import annotations

import pytest

from annotary.engine.core import LOCAL, Engine
from annotary.engine.users import key_of, organization, user_of
from annotary.errors import Conflict, Denied, Invalid, NotFound
from annotary.model.project import User
from annotary.operations.projects import CreateProject, FindProjects
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
    GetUser,
    RevokeKey,
)
from tests.engine.world import Clock


@pytest.fixture
def other(engine: Engine) -> Engine:
    """The engine of somebody in another organisation."""
    engine.call(CreateOrganization(name="other"))
    return Engine(engine.store.seen_as("other"), clock=engine.clock)


def test_the_user_is_who_asks(engine: Engine) -> None:
    assert engine.call(GetUser()) == LOCAL
    ann = User(id="ann", email="ann@example.com")
    asked = Engine(engine.store, user=ann)
    assert asked.call(GetUser()) == ann
    assert asked.call(CreateProject(name="p")).created_by == "ann@example.com"


def test_a_store_starts_with_one_organisation_and_can_have_more(engine: Engine) -> None:
    assert [one.name for one in engine.call(FindOrganizations())] == ["default"]
    made = engine.call(CreateOrganization(name="Ärzte GmbH"))
    assert [one.name for one in engine.call(FindOrganizations())] == ["default", "Ärzte GmbH"]
    assert organization(engine.store, "Ärzte GmbH") == made
    assert organization(engine.store, "default").id == "default"
    for name in ("default", "Ärzte GmbH"):
        with pytest.raises(Conflict, match=f"'{name}' is there already"):
            engine.call(CreateOrganization(name=name))
    with pytest.raises(NotFound, match="no organisation 'nope'"):
        organization(engine.store, "nope")


def test_organisations_are_kept_apart(engine: Engine, other: Engine) -> None:
    mine = engine.call(CreateProject(name="mine", id="same"))
    theirs = other.call(CreateProject(name="theirs", id="same"))
    assert engine.call(FindProjects()) == [mine]
    assert other.call(FindProjects()) == [theirs]
    for operation in (FindOrganizations(), CreateOrganization(name="third")):
        with pytest.raises(Denied, match="looked after from 'default', not from 'other'"):
            other.call(operation)
    assert organization(other.store, "other").name == "other"


@pytest.mark.parametrize("name", ["", " ", "a\nb", " a", "x" * 101])
def test_names_can_be_read(engine: Engine, name: str) -> None:
    with pytest.raises(Invalid, match=r"an organisation cannot be named|length >= 1"):
        engine.call(CreateOrganization(name=name))
    with pytest.raises(Invalid, match=r"a key cannot be named|length >= 1"):
        engine.call(CreateKey(name=name))


def test_a_key_is_shown_once_and_kept_as_its_hash(engine: Engine, other: Engine, clock: Clock) -> None:
    issued = engine.call(CreateKey(name="ci", role="reader"))
    assert issued.key.startswith("ann_")
    assert len(issued.key) > 40
    assert (issued.name, issued.role, issued.org) == ("ci", "reader", "default")
    clock.tick()
    second = engine.call(CreateKey(name="a laptop"))
    assert (second.role, second.key != issued.key) == ("member", True)
    keys = engine.call(FindKeys())
    assert [(key.name, key.hash, key.revoked) for key in keys] == [("ci", "", False), ("a laptop", "", False)]
    with engine.store.reading() as connection:
        stored = connection.exec_driver_sql("SELECT body FROM entities WHERE kind = 'Key'").scalars().all()
    assert not any(issued.key in body or issued.key[4:] in body for body in stored)
    found = key_of(engine.store, issued.key)
    assert found is not None
    assert (found.name, found.role) == ("ci", "reader")
    assert key_of(engine.store, issued.key + "x") is None
    assert key_of(other.store, issued.key) is None
    assert other.call(FindKeys()) == []


def test_a_revoked_key_opens_nothing_and_its_name_is_free(engine: Engine) -> None:
    issued = engine.call(CreateKey(name="ci"))
    with pytest.raises(Conflict, match="there is a key 'ci' already; revoke it"):
        engine.call(CreateKey(name="ci"))
    engine.call(RevokeKey(name="ci"))
    assert key_of(engine.store, issued.key) is None
    for name in ("ci", "nope"):
        with pytest.raises(NotFound, match=f"no key '{name}'"):
            engine.call(RevokeKey(name=name))
    again = engine.call(CreateKey(name="ci"))
    assert key_of(engine.store, again.key) is not None
    assert [key.revoked for key in sorted(engine.call(FindKeys()), key=lambda key: key.revoked)] == [
        False,
        True,
    ]


def test_an_invitation_is_open_until_there_is_a_key(engine: Engine) -> None:
    made = engine.call(CreateInvite(email="ann@example.com", role="admin", title="ADMIN"))
    again = engine.call(CreateInvite(email="ann@example.com"))
    assert (again.id, again.role) == (made.id, "member")
    bob = engine.call(CreateInvite(email="bob@example.com"))
    assert [one.email for one in engine.call(FindInvites())] == ["ann@example.com", "bob@example.com"]
    engine.call(CreateKey(name="ann@example.com"))
    engine.call(CancelInvite(invite_id=bob.id))
    assert not engine.call(FindInvites())
    with pytest.raises(NotFound, match="no invitation"):
        engine.call(CancelInvite(invite_id=bob.id))
    with pytest.raises(Conflict, match="has a key already"):
        engine.call(CreateInvite(email="ann@example.com"))
    with pytest.raises(Invalid, match="no e-mail address"):
        engine.call(CreateInvite(email="nobody"))


def test_everybody_who_has_a_key_is_a_user(engine: Engine) -> None:
    for name in ("ann@example.com", "bob", "gone"):
        engine.call(CreateKey(name=name, role="reader"))
    engine.call(RevokeKey(name="gone"))
    found = {one.user.email: one.role for one in engine.call(FindUsers())}
    assert found == {LOCAL.email: "admin", "ann@example.com": "reader", "bob@localhost": "reader"}
    assert engine.call(ChangeKey(name="bob", role="member")).hash == ""
    assert {one.user.email: one.role for one in engine.call(FindUsers())}["bob@localhost"] == "member"
    with pytest.raises(NotFound, match="no key 'gone'"):
        engine.call(ChangeKey(name="gone", role="admin"))


def test_a_key_does_not_shut_itself_out(engine: Engine) -> None:
    made = engine.call(CreateKey(name="ann", role="admin"))
    found = key_of(engine.store, made.key)
    assert found is not None
    ann = Engine(engine.store, user=user_of(engine.store.org, found), role="admin")
    for change in (RevokeKey(name="ann"), ChangeKey(name="ann", role="reader")):
        with pytest.raises(Conflict, match="is the one that asks"):
            ann.call(change)
    engine.call(RevokeKey(name="ann"))
