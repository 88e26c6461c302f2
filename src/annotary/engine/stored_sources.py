"""Files that the store keeps, as sources of imports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from annotary.engine.sources import NEIGHBOUR_LIMIT, FileSource
from annotary.errors import Invalid, NotFound
from annotary.store.files import Files


class StoredSource(FileSource):
    """A file that the store keeps; its neighbours are the store's other files, by the addresses they have,
    or by the names under which they were `sent` along with it.

    Whoever imports may read all files of the organisation, so the token in an address says nothing more.
    """

    def __init__(
        self, path: Path, name: str, files: Files, base_url: str, sent: Mapping[str, str] = {}
    ) -> None:
        super().__init__(path)
        self.name = name
        self._sent = sent
        self._files = files
        self._place = f"{base_url}/files/"

    def neighbour(self, path: str) -> bytes | None:
        """The bytes of a file that was sent along, or behind an address of this server's; else None."""
        id = self._sent.get(path)
        if id is None:
            if not path.startswith(self._place):
                return None
            id = path.removeprefix(self._place).partition("?")[0]
        try:
            found = self._files.get(id)
        except NotFound:
            return None
        if found.bytes > NEIGHBOUR_LIMIT:
            raise Invalid(f"{found.name} is larger than {NEIGHBOUR_LIMIT >> 20} MiB")
        return b"".join(self._files.read(found))
