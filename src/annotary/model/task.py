"""Long work, as a row in the database: what was asked, how far it is, what came of it."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, UnsetType

from annotary.model.base import Value

TaskStatus = Literal["QUEUED", "IN_PROGRESS", "COMPLETE", "FAILED", "CANCELED"]


class Artifact(Value):
    """A finished file, or a folder of `count` files; `sha256` is then its manifest's, which has theirs."""

    path: str
    bytes: int
    sha256: str
    count: int | UnsetType = UNSET


class Task(Value):
    """An export or import, from being asked for to its end; `result` is the report of it."""

    id: str
    name: str
    type: str
    status: TaskStatus
    created_at: str
    updated_at: str
    completion_percentage: float = 0
    created_by: str | None = None
    error: str | None = None
    result: dict[str, Any] | None = None
