"""How far the tasks at work are, and which are called off, in a folder beside SQLite.

An import there is one long transaction, during which nobody else may write to the database: neither the
worker's own progress nor the word of who calls it off would get through.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec.structs import replace

from annotary.model.task import Task

FOLDER = "running"


class Progress(msgspec.Struct, frozen=True):
    """How far a task is."""

    rows: int
    total: int | None
    bytes: int
    percentage: float
    updated_at: str


class Running:
    """The folder of a store; where there is none, the database is told all of this."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @property
    def is_here(self) -> bool:
        """Whether there is such a folder."""
        return self._folder is not None

    def tell(self, id: str, progress: Progress) -> None:
        """Say how far a task is."""
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            part = self._folder / f".{id}"
            part.write_bytes(msgspec.json.encode(progress))
            part.replace(self._folder / id)

    def told(self, task: Task) -> Task:
        """A task as far as it is by now."""
        if self._folder is None or task.status != "IN_PROGRESS":
            return task
        with suppress(OSError, msgspec.MsgspecError):
            found = msgspec.json.decode((self._folder / task.id).read_bytes(), type=Progress)
            return replace(
                task,
                rows=found.rows,
                total=found.total,
                bytes=found.bytes,
                completion_percentage=found.percentage,
                updated_at=found.updated_at,
            )
        return task

    def call_off(self, id: str) -> None:
        """Have the worker of a task stop."""
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self._folder / f"{id}.off").touch(mode=0o600)

    def is_called_off(self, id: str) -> bool:
        """Whether the worker of a task is to stop."""
        return self._folder is not None and os.path.exists(self._folder / f"{id}.off")

    def forget(self, id: str) -> None:
        """Remove what is known of a task that is over."""
        if self._folder is not None:
            for path in (self._folder / id, self._folder / f"{id}.off"):
                path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove what workers that died have left; nobody is at work."""
        if self._folder is not None and self._folder.exists():
            for path in self._folder.iterdir():
                path.unlink(missing_ok=True)
