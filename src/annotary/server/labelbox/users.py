"""Users and their organisation."""

from __future__ import annotations

from typing import Any

from annotary.errors import Conflict, Denied, Invalid, NotFound
from annotary.model.project import Invite, Member
from annotary.operations.projects import FindProjects, GetProject
from annotary.operations.tags import CreateTag, FindTags
from annotary.operations.users import (
    CancelInvite,
    ChangeKey,
    CreateInvite,
    FindInvites,
    FindUsers,
    GetOrganization,
    GetUser,
    RevokeKey,
)
from annotary.server.labelbox import shapes
from annotary.server.labelbox.context import Context, Json, resolves
from annotary.server.labelbox.filters import listed

SEATS = 100_000
_OWN_WAY = "people are let in by API keys here; make one with: annotary keys create"


@resolves("Query.user")
def user(parent: Any, context: Context, where: Json | None = None) -> Json:
    """Who asks, or somebody else of the organisation."""
    found = context.once(GetUser())
    if where is None or where["id"] == found.id:
        return shapes.user(found)
    return shapes.user(_member(context, where["id"]).user)


def _member(context: Context, id: str) -> Member:
    for one in context.once(FindUsers()):
        if one.user.id == id:
            return one
    raise NotFound(f"no user {id!r}")


@resolves("Query.users", "Organization.users")
def users(parent: Any, context: Context, orderBy: str | None = None, **asked: Any) -> Any:
    """Everybody who has a key."""
    found = (shapes.user(one.user) for one in context.once(FindUsers()))
    return listed(found, order=orderBy, **asked)


@resolves(
    "Query.organization",
    "User.organization",
    "Dataset.organization",
    "DataRow.organization",
    "Project.organization",
    "Task.organization",
    "Review.organization",
    "Webhook.organization",
    "LabelingFrontendOptions.organization",
)
def organization(parent: Any, context: Context) -> Json:
    """The organisation of who asks."""
    return shapes.organization(context.once(GetOrganization()))


@resolves("Organization.projects", "User.projects")
def projects(parent: Any, context: Context, orderBy: str | None = None, **asked: Any) -> Any:
    """The organisation's projects."""
    found = context.call(FindProjects(limit=100_000))
    return listed(map(shapes.project, found), order=orderBy, **asked)


@resolves(
    "Dataset.createdBy",
    "DataRow.createdBy",
    "Project.createdBy",
    "Ontology.createdBy",
    "Label.createdBy",
    "Review.createdBy",
    "Benchmark.createdBy",
    "Webhook.createdBy",
    "Batch.createdBy",
    "Batch.user",
    "Task.createdBy",
    "LabelImport.createdBy",
    "MALPredictionImport.createdBy",
    "MEAPredictionImport.createdBy",
    "MEAToMALPredictionImport.createdBy",
    "BulkImportRequest.createdBy",
)
def created_by(parent: Json, context: Context) -> Json | None:
    """Who made something."""
    return shapes.author(context.engine, parent.get("_created_by"))


@resolves("Query.roles")
def roles(parent: Any, context: Context, skip: int | None = None, first: int | None = None) -> Any:
    """The vendor's roles."""
    org = context.once(GetOrganization()).id
    return shapes.page([{**role, "organizationId": org} for role in shapes.ROLES.values()], skip, first)


@resolves("User.orgRole")
def org_role(parent: Json, context: Context) -> Json | None:
    """The role of a user's key; nobody who has none has a role."""
    for one in context.once(FindUsers()):
        if one.user.id == parent["id"]:
            return shapes.role(one.role)
    return shapes.ROLES["NONE"]


@resolves("Query.organizationRole")
def organization_role(parent: Any, context: Context, userId: str | None = None) -> Json | None:
    """The role of somebody, else of who asks."""
    return org_role({"id": userId or context.once(GetUser()).id}, context)


@resolves("Project.members")
def members(parent: Json, context: Context, skip: int | None = None, first: int | None = None) -> Any:
    """Who works on a project: whoever has a key."""
    found = [
        {
            "id": one.user.id,
            "accessFrom": "ORGANIZATION",
            "user": shapes.user(one.user),
            "role": shapes.role(one.role),
        }
        for one in context.once(FindUsers())
    ]
    return shapes.page(found, skip, first)


@resolves("Query.invitesLimit")
def invites_limit(parent: Any, context: Context, where: Json | None = None) -> Json:
    """How many people may be invited; a seat costs nothing here."""
    used = len(context.call(FindUsers())) + len(context.call(FindInvites()))
    return {"used": used, "limit": max(SEATS, used), "remaining": max(SEATS - used, 0)}


@resolves("Organization.invites")
def invites(parent: Any, context: Context, **asked: Any) -> Json:
    """A page of the invitations that are open."""
    found = [_invite(one) for one in context.call(FindInvites())]
    start = next((place + 1 for place, one in enumerate(found) if one["id"] == asked.get("from")), 0)
    size = max(1, min(asked.get("first") or 100, 1000))
    nodes = found[start : start + size]
    return {"nodes": nodes, "nextCursor": nodes[-1]["id"] if len(found) > start + size else None}


@resolves("Project.invites")
def project_invites(parent: Any, context: Context, **asked: Any) -> Json:
    """People are invited to the organisation, never to a single project."""
    return {"nodes": [], "nextCursor": None}


def _invite(value: Invite) -> Json:
    return {
        "id": value.id,
        "inviteeEmail": value.email,
        "organizationRoleName": value.title or shapes.role(value.role)["name"],
        "createdAt": value.created_at,
        "projectInvites": [],
        "_created_by": value.created_by,
    }


@resolves("Invite.inviter")
def inviter(parent: Json, context: Context) -> Json | None:
    """Who invited somebody."""
    return shapes.author(context.engine, parent["_created_by"])


def _invited(email: str, role_id: Any) -> CreateInvite:
    role = next((one for one in shapes.ROLES.values() if one["id"] == role_id), None)
    if role is None:
        raise Invalid(f"no role {role_id!r}; see the roles of the organisation")
    return CreateInvite(email=email.strip(), role=shapes.own_role(role["name"]), title=role["name"])


@resolves("Mutation.createInvites")
def create_invites(parent: Any, context: Context, data: list[Json] | None = None) -> list[Json]:
    """Invite people to the organisation."""
    made = []
    for one in data or ():
        if one.get("projects"):
            raise Denied(f"{_OWN_WAY}, for all projects of an organisation")
        new = _invited(one["inviteeEmail"], one.get("organizationRoleId"))
        made.append({"invite": _invite(context.call(new))})
    return made


@resolves("Mutation.inviteMembers")
def invite_members(parent: Any, context: Context, data: Json) -> Json:
    """Invite many people; one that cannot be does not stop the others."""
    if data.get("projectIds") or data.get("groupIds"):
        raise Denied(f"{_OWN_WAY}, for all projects of an organisation")
    there = {one.email for one in context.call(FindInvites())}
    results: list[Json] = []
    seen: set[str] = set()
    for given in data["emails"]:
        email = given.strip().lower()
        told: Json = {"email": email, "status": "DUPLICATE" if email in seen else "ALREADY_INVITED"}
        if email not in seen and email not in there:
            told = _tried(context, email, data["roleId"])
        seen.add(email)
        results.append(told)
    return {"results": results}


def _tried(context: Context, email: str, role_id: str) -> Json:
    new = _invited(email, role_id)
    try:
        made = context.call(new)
    except Conflict:
        return {"email": email, "status": "ALREADY_MEMBER", "reason": "WORKSPACE_ACCESS"}
    except Invalid:
        return {"email": email, "status": "INVALID_EMAIL"}
    return {"email": email, "status": "INVITED", "inviteId": made.id}


@resolves("Mutation.cancelInvite")
def cancel_invite(parent: Any, context: Context, where: Json) -> Json:
    """Take an invitation back."""
    context.call(CancelInvite(invite_id=where["id"]))
    return {"id": where["id"]}


@resolves("Mutation.setOrganizationRole")
def set_role(parent: Any, context: Context, data: Json) -> Json:
    """Give somebody's key another role."""
    role = next((one for one in shapes.ROLES.values() if one["id"] == data["roleId"]), None)
    if role is None:
        raise Invalid(f"no role {data['roleId']!r}; see the roles of the organisation")
    name = str(_member(context, data["userId"]).user.name)
    return shapes.role(context.call(ChangeKey(name=name, role=shapes.own_role(role["name"]))).role)


@resolves("Mutation.updateUser")
def update_user(parent: Any, context: Context, where: Json, data: Json) -> Json:
    """Take somebody out of the organisation: their key is revoked."""
    found = _member(context, where["id"]).user
    if not data.get("deleted"):
        raise Denied("a user is named as the key is; make a key with another name")
    context.call(RevokeKey(name=str(found.name)))
    return {**shapes.user(found), "deleted": True}


@resolves("Query.iamIntegrations")
def iam_integrations(parent: Any, context: Context) -> list[Json]:
    """Access to other people's clouds is no business of annotary's."""
    return []


@resolves("Mutation.setProjectMembership", "Mutation.addMembersToOrganization")
def change_people(parent: Any, context: Context, **given: Any) -> Any:
    """People are let in and out by keys."""
    raise Denied(_OWN_WAY)


@resolves("Mutation.deleteProjectMemberships")
def delete_memberships(parent: Any, context: Context, where: Json) -> Json:
    """A key sees all projects of its organisation, so nobody can be taken out of one."""
    context.call(GetProject(project_id=where["projectId"]))
    return {"success": False, "errorMessage": _OWN_WAY}


@resolves("Organization.resourceTags", "Organization.resourceTag")
def resource_tags(parent: Any, context: Context, skip: int | None = None, first: int | None = None) -> Any:
    """The organisation's tags."""
    return shapes.page([shapes.tag(one) for one in context.call(FindTags())], skip, first)


@resolves("Mutation.createResourceTag")
def create_resource_tag(parent: Any, context: Context, input: Json) -> Json:
    """Make a tag."""
    return shapes.tag(context.call(CreateTag(name=input["text"], color=input["color"])))


@resolves("Query.embeddings")
def embeddings(parent: Any, context: Context) -> list[Json]:
    """Annotary keeps no embeddings of its own."""
    return []
