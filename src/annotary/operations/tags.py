"""Tags that projects are sorted by."""

from __future__ import annotations

from annotary.model.project import Name, Tag
from annotary.operations import Operation, get, post


class CreateTag(Operation[Tag]):
    """Make a tag of the organisation."""

    route = post("/tags")
    needs = "member"
    name: Name
    color: str


class FindTags(Operation[list[Tag]]):
    """All tags of the organisation."""

    route = get("/tags")
