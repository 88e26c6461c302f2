"""Who works here: users, roles, invitations; and verdicts, which are found by their own ids."""

from __future__ import annotations

from annotary.engine.core import Engine
from annotary.operations.users import CreateKey, FindKeys
from tests.server.labelbox.talk import Talk
from tests.server.labelbox.test_work import built, car, imported


def roles(talk: Talk) -> dict[str, str]:
    return {one["name"]: one["id"] for one in talk.ask("{roles{id name}}")}


def test_people_are_invited_and_the_invitation_taken_back(talk: Talk) -> None:
    create = (
        "mutation M($d: [CreateInviteInput!]){createInvites(data: $d)"
        "{invite{id inviteeEmail organizationRoleName inviter{email}}}}"
    )
    role = roles(talk)["REVIEWER"]
    (made,) = talk.ask(create, d=[{"inviteeEmail": "ann@example.com", "organizationRoleId": role}])
    invite = made["invite"]
    assert (invite["inviteeEmail"], invite["organizationRoleName"]) == ("ann@example.com", "REVIEWER")
    assert invite["inviter"]["email"] == "default admin@localhost"
    Engine(talk.store).call(CreateKey(name="bob@example.com"))
    many = "mutation M($d: InviteMembersInput!){inviteMembers(data: $d){results{email status inviteId}}}"
    emails = ["ann@example.com", "bob@example.com", "Cid@example.com ", "nobody", "cid@example.com"]
    found = talk.ask(many, d={"emails": emails, "workspaceWide": True, "roleId": role})["results"]
    told = ["ALREADY_INVITED", "ALREADY_MEMBER", "INVITED", "INVALID_EMAIL", "DUPLICATE"]
    assert [one["status"] for one in found] == told
    listing = "query Q($from: ID, $first: PageSize){organization{invites(from: $from, first: $first)"
    listing += "{nodes{id inviteeEmail} nextCursor}}}"
    page = talk.ask(listing, first=1)["invites"]
    rest = talk.ask(listing, **{"from": page["nextCursor"], "first": 1})["invites"]
    assert [one["inviteeEmail"] for one in page["nodes"] + rest["nodes"]] == [
        "ann@example.com",
        "cid@example.com",
    ]
    assert rest["nextCursor"] is None
    talk.ask("mutation M($w: WhereUniqueIdInput!){cancelInvite(where: $w){id}}", w={"id": invite["id"]})
    assert len(talk.ask(listing)["invites"]["nodes"]) == 1
    limit = talk.ask('{invitesLimit(where: {id: "default"}){used limit remaining}}')
    assert limit["used"] + limit["remaining"] == limit["limit"]
    talk.key = talk.key_of("member")
    wanted = [{"inviteeEmail": "dan@example.com", "organizationRoleId": role}]
    assert talk.code(create, d=wanted) == "AUTHORIZATION_ERROR"


def test_a_users_key_gets_another_role_and_is_revoked(talk: Talk) -> None:
    Engine(talk.store).call(CreateKey(name="bob@example.com", role="reader"))
    users = {one["email"]: one["id"] for one in talk.ask("{users{id email}}")}
    bob, me = users["bob@example.com"], talk.ask("{user{id}}")["id"]
    change = "mutation M($u: ID!, $r: ID!){setOrganizationRole(data: {userId: $u, roleId: $r}){name}}"
    assert talk.ask(change, u=bob, r=roles(talk)["TEAM_MANAGER"])["name"] == "TEAM_MANAGER"
    assert talk.ask("query Q($u: ID!){user(where: {id: $u}){orgRole{name}}}", u=bob)["orgRole"]["name"] == (
        "TEAM_MANAGER"
    )
    assert talk.code(change, u=bob, r=roles(talk)["NONE"]) == "MALFORMED_REQUEST"
    assert talk.code(change, u=me, r=roles(talk)["LABELER"]) == "RESOURCE_CONFLICT"
    remove = "mutation M($u: ID!){updateUser(where: {id: $u}, data: {deleted: true}){id deleted}}"
    assert talk.ask(remove, u=bob)["deleted"] is True
    assert talk.code(remove, u=me) == "RESOURCE_CONFLICT"
    revoked = {key.name: key.revoked for key in Engine(talk.store).call(FindKeys())}
    assert revoked["bob@example.com"]
    assert not revoked["default admin"]


def test_a_verdict_and_an_import_are_found_by_their_ids(talk: Talk) -> None:
    made = built(talk)
    begun = imported(talk, made, "labels", [car("a", "one")])
    by_id = "query Q($i: ID!){labelImport(where: {id: $i}){name createdBy{email}}}"
    assert talk.ask(by_id, i=begun["id"])["name"] == "labels"
    (label,) = talk.ask("query Q($p: ID!){project(where: {id: $p}){labels{id}}}", p=made["project"])["labels"]
    review = talk.ask(
        "mutation M($l: ID!){createReview(data: {score: 1, label: {connect: {id: $l}}}){id}}", l=label["id"]
    )
    query = "query Q($i: ID!){review(where: {id: $i}){score label{id} project{id}}}"
    found = talk.ask(query, i=review["id"])
    assert found == {"score": 1, "label": label, "project": {"id": made["project"]}}
    assert talk.code(query, i=f"{label['id']}/nope") == "RESOURCE_NOT_FOUND"


def test_a_labels_text_is_changed(talk: Talk) -> None:
    made = built(talk)
    imported(talk, made, "labels", [car("a", "one")])
    (label,) = talk.ask("query Q($p: ID!){project(where: {id: $p}){labels{id}}}", p=made["project"])["labels"]
    change = "mutation M($l: ID!, $t: String){updateLabel(where: {id: $l}, data: {label: $t}){id label}}"
    empty = '{"objects":[],"classifications":[],"relationships":[]}'
    assert '"objects":[]' in talk.ask(change, l=label["id"], t=empty)["label"]
    assert talk.code(change, l=label["id"], t="something else") == "MALFORMED_REQUEST"


def test_a_batch_takes_what_it_can_and_says_what_it_cannot(talk: Talk) -> None:
    made = built(talk)
    create = (
        "mutation M($r: String!, $d: ID!)"
        "{createDataRow(data: {rowData: $r dataset: {connect: {id: $d}}}){id}}"
    )
    new = talk.ask(create, r="https://example.org/new.png", d=made["dataset"])["id"]
    batch = (
        "mutation M($p: ID!, $i: CreateBatchInput!){project(where: {id: $p})"
        "{createBatchV2(input: $i){batch{name size} failedDataRowIds}}}"
    )
    given = {"name": "more", "dataRowIds": ["c" + "0" * 24, made["rows"]["one"], new], "priority": 5}
    found = talk.ask(batch, p=made["project"], i=given)["createBatchV2"]
    assert found["batch"] == {"name": "more", "size": 1}
    assert sorted(found["failedDataRowIds"]) == sorted(["c" + "0" * 24, made["rows"]["one"]])
    again = {**given, "name": "again"}
    error = talk.error(batch, p=made["project"], i=again)
    assert error["message"] == "No valid data rows to add to project"
    assert error["extensions"]["code"] == "MALFORMED_REQUEST"
