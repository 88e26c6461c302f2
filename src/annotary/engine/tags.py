"""Tags that projects are sorted by."""

from __future__ import annotations

import re

from annotary.engine.core import Engine, handles
from annotary.errors import Conflict, Invalid
from annotary.model.base import new_id
from annotary.model.project import Tag
from annotary.operations.tags import CreateTag, FindTags

ALL = 100_000
_COLOR = re.compile(r"#?[0-9a-fA-F]{6}")


@handles(CreateTag)
def create_tag(engine: Engine, request: CreateTag) -> Tag:
    """Make a tag."""
    if not _COLOR.fullmatch(request.color):
        raise Invalid(f"tag {request.name!r}: {request.color!r} is not a colour; give six hexadecimal digits")
    store = engine.store
    with store.transaction():
        store.alone("Tag", request.name)
        if store.find(Tag, name=request.name, limit=1):
            raise Conflict(f"there is a tag {request.name!r} already; give another name")
        made = Tag(id=new_id(), name=request.name, color=request.color.lstrip("#"))
        store.add(made)
        return made


@handles(FindTags)
def find_tags(engine: Engine, request: FindTags) -> list[Tag]:
    """All tags, by name."""
    return sorted(engine.store.find(Tag, limit=ALL), key=lambda tag: tag.name)
