"""The JSON files of an archive, each read like a file in a folder, with the archive's others beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from annotary.engine.label_files import is_json
from annotary.engine.manifest import is_beside
from annotary.engine.sources import ZipSource
from annotary.errors import Invalid


class MemberSource:
    """One file of an archive. What it names is looked for beside it, from the top, then anywhere by name."""

    def __init__(self, archive: ZipSource, path: str) -> None:
        self.archive = archive
        self.name = f"{archive.name}/{path}"
        self._path = PurePosixPath(path)
        self._by_name: dict[str, str | None] | None = None

    def chunks(self) -> Iterator[bytes]:
        """The file from its start, piece by piece."""
        return self.archive.open(str(self._path))

    def neighbour(self, path: str) -> bytes | None:
        """A file of the archive; None where there is none."""
        found = self._found(path)
        return self.archive.neighbour(path if found is None else found)

    def paths(self) -> tuple[str, ...]:
        """Its own name."""
        return (self._path.name,)

    def open(self, path: str) -> Iterator[bytes]:
        """The file itself, or another of the archive."""
        if path == self._path.name:
            return self.chunks()
        found = self._found(path)
        return self.archive.open(path if found is None else found)

    def size_of(self, path: str) -> tuple[int, int] | None:
        """Width and height of a picture of the archive."""
        found = self._found(path)
        return self.archive.size_of(path if found is None else found)

    def located(self, path: str) -> str:
        """`zip:` and the member."""
        found = self._found(path)
        return self.archive.located(path if found is None else found)

    def _found(self, path: str) -> str | None:
        """The member that a file means by a path: several of one name are none."""
        for candidate in (str(self._path.parent / path), path):
            if candidate in self.archive:
                return candidate
        if self._by_name is None:
            self._by_name = {}
            for member in self.archive.paths():
                name = PurePosixPath(member).name
                self._by_name[name] = None if name in self._by_name else member
        return self._by_name.get(PurePosixPath(path).name)


def _start(archive: ZipSource, path: str) -> Callable[[], bytes]:
    return lambda: next(archive.open(path), b"")


def members(archive: ZipSource) -> list[MemberSource]:
    """The JSON files of an archive in order of name; raises Invalid where it has none."""
    inside = [
        path for path in archive.paths() if is_json(path) and not is_beside(path, _start(archive, path))
    ]
    if not inside:
        raise Invalid(
            f"{archive.name} is an archive of no known format: it has no .json, .jsonl or .ndjson, and no"
            " format that reads archives knows its own in it"
        )
    return [MemberSource(archive, path) for path in inside]
