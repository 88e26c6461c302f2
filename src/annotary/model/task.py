"""Long work, as a row in the database: what was asked, how far it is, what came of it."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, UnsetType

from annotary.model.base import Value

TaskStatus = Literal["QUEUED", "IN_PROGRESS", "COMPLETE", "FAILED", "CANCELED"]
FINAL: tuple[TaskStatus, ...] = ("COMPLETE", "FAILED", "CANCELED")


class Artifact(Value):
    """A finished file, or a folder of `count` files; `sha256` is then its manifest's, which has theirs."""

    path: str
    bytes: int
    sha256: str
    count: int | UnsetType = UNSET


class StoredFile(Value):
    """A finished file that the store keeps until `expires_at` (None: until it is removed).

    `lines` is known of files of lines; such a file can be fetched in chunks that end where a line ends.
    """

    id: str
    name: str
    media_type: str
    bytes: int
    sha256: str
    created_at: str
    expires_at: str | None = None
    lines: int | None = None


class Chunk(Value):
    """A piece of a file of lines: the bytes `start` to `end` and the lines `first_line` to `last_line`,
    all counted from 0 and inclusive.
    """

    start: int
    end: int
    first_line: int
    last_line: int


class Task(Value):
    """An export or import, from being asked for to its end; `result` is the report of it.

    `rows` are done out of `total` (None: not known), `bytes` are written of them; `error_code` is that of
    the class of an error. `file` is what an export wrote; `problems` are those of the task as a file of
    JSON lines {place, value, reason}; None where there is nothing to read.
    """

    id: str
    name: str
    type: str
    status: TaskStatus
    created_at: str
    updated_at: str
    completion_percentage: float = 0
    created_by: str | None = None
    error: str | None = None
    error_code: str | None = None
    result: dict[str, Any] | None = None
    rows: int = 0
    total: int | None = None
    bytes: int = 0
    file: StoredFile | None = None
    problems: StoredFile | None = None
