"""The files of who asks, as the resolvers want them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from annotary.model.task import StoredFile
from annotary.server.files import PLACE, Files

CREATED = "created-rows"


class Served(Files):
    """Files behind signed addresses, and what the SDK wants of one in another form."""

    def read(self, file: StoredFile, start: int = 0) -> Iterator[bytes]:
        """The bytes of a file from a place on, in pieces."""
        return self._engine.store.files.read(file, start)

    def local(self, file: StoredFile) -> AbstractContextManager[Path]:
        """A file as one on this machine."""
        return self._engine.store.files.local(file)

    def created(self, file: StoredFile) -> str:
        """Where what came of an uploaded list of data rows can be fetched as one JSON object."""
        return self.address(file).replace(PLACE, f"{PLACE}{CREATED}/", 1)
