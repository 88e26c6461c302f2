"""Users and their organisation."""

from __future__ import annotations

from typing import Any

from annotary.errors import Denied, NotFound
from annotary.model.project import User
from annotary.operations.projects import FindProjects
from annotary.operations.tags import CreateTag, FindTags
from annotary.operations.users import GetOrganization, GetUser
from annotary.server.labelbox import shapes
from annotary.server.labelbox.context import Context, Json, resolves
from annotary.server.labelbox.filters import listed

_OWN_WAY = "people are let in by API keys here; make one with: annotary keys create"


@resolves("Query.user")
def user(parent: Any, context: Context, where: Json | None = None) -> Json:
    """Who asks; of others there is nothing to be found."""
    found = context.once(GetUser())
    if where is not None and where["id"] != found.id:
        raise NotFound(f"no user {where['id']!r}; a key sees its own user")
    return shapes.user(found)


@resolves("Query.users", "Organization.users")
def users(parent: Any, context: Context, orderBy: str | None = None, **asked: Any) -> Any:
    """The users that can be seen: the one who asks."""
    return listed([shapes.user(context.once(GetUser()))], order=orderBy, **asked)


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


@resolves("User.orgRole", "Query.organizationRole")
def org_role(parent: Any, context: Context, userId: str | None = None) -> Json:
    """The role of the key that asks."""
    return shapes.ROLES[shapes.ROLE_NAMES[context.engine.role]]


@resolves("Project.members")
def members(parent: Json, context: Context, skip: int | None = None, first: int | None = None) -> Any:
    """Who works on a project: whoever has a key."""
    found: User = context.once(GetUser())
    member = {
        "id": found.id,
        "accessFrom": "ORGANIZATION",
        "user": shapes.user(found),
        "role": org_role(parent, context),
    }
    return shapes.page([member], skip, first)


@resolves("Query.invitesLimit")
def invites_limit(parent: Any, context: Context, where: Json | None = None) -> Json:
    """How many people may be invited: none, keys are made instead."""
    return {"used": 0, "limit": 0, "remaining": 0}


@resolves("Organization.invites", "Project.invites")
def invites(parent: Any, context: Context, **asked: Any) -> Json:
    """No invitation is ever open."""
    return {"nodes": [], "nextCursor": None}


@resolves("Query.iamIntegrations")
def iam_integrations(parent: Any, context: Context) -> list[Json]:
    """Access to other people's clouds is no business of annotary's."""
    return []


@resolves(
    "Mutation.createInvites",
    "Mutation.setOrganizationRole",
    "Mutation.setProjectMembership",
    "Mutation.addMembersToOrganization",
    "Mutation.updateUser",
)
def change_people(parent: Any, context: Context, **given: Any) -> Any:
    """People are let in and out by keys."""
    raise Denied(_OWN_WAY)


@resolves("Organization.resourceTags", "Organization.resourceTag")
def resource_tags(parent: Any, context: Context, skip: int | None = None, first: int | None = None) -> Any:
    """The organisation's tags."""
    return shapes.page([shapes.tag(one) for one in context.call(FindTags())], skip, first)


@resolves("Mutation.createResourceTag")
def create_resource_tag(parent: Any, context: Context, input: Json) -> Json:
    """Make a tag."""
    return shapes.tag(context.call(CreateTag(name=input["text"], color=input["color"])))


@resolves("Query.embeddings")
def embeddings(parent: Any, context: Context, **asked: Any) -> Json:
    """Annotary keeps no embeddings of its own."""
    return {"nodes": [], "nextCursor": None}
