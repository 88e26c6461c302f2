"""Things by the words users have for them: an id, or a name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from annotary.cli.session import Session
from annotary.client import Client, DatasetHandle, ModelRunHandle, ProjectHandle
from annotary.errors import Invalid, NotFound

H = TypeVar("H", ProjectHandle, DatasetHandle, ModelRunHandle)
_NAMED = 5


def find_project(session: Session, client: Client, given: str) -> ProjectHandle:
    """A project by id, else by name; raises NotFound, and Invalid where several have the name."""
    try:
        return client.get_project(given)
    except NotFound:
        return _only(session, "project", given, client.get_projects(given), client.get_projects)


def find_dataset(session: Session, client: Client, given: str) -> DatasetHandle:
    """A dataset, likewise."""
    try:
        return client.get_dataset(given)
    except NotFound:
        return _only(session, "dataset", given, client.get_datasets(given), client.get_datasets)


def find_run(session: Session, client: Client, given: str) -> ModelRunHandle:
    """A model run, likewise."""
    try:
        return client.get_model_run(given)
    except NotFound:
        every = client.get_model_runs()
        named = [run for run in every if run.name == given]
        return _only(session, "model run", given, named, lambda: every)


def _only(session: Session, kind: str, given: str, found: Sequence[H], every: Any) -> H:
    if len(found) > 1:
        ids = ", ".join(one.id for one in found)
        raise Invalid(f"several {kind}s are named {given!r}; give one of the ids: {ids}")
    if found:
        return found[0]
    names = [repr(one.name) for one in every()]
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    known = ", ".join(names[:_NAMED]) + more if names else "none yet"
    raise NotFound(f"no {kind} {given!r} in {session.shown_place}; there are: {known}")
