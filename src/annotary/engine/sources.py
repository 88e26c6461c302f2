"""Where imports come from: files and folders, plain or compressed, and values in memory."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from annotary.errors import Invalid, NotFound
from annotary.model.base import to_json
from annotary.store.files import Files

CHUNK = 1 << 16
"""So much is read at once: little enough to be in the processor's cache when its last line is parsed."""
NEIGHBOUR_LIMIT = 256 << 20
"""No picture beside an import file is read that is larger, in bytes."""
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class FileSource:
    """One file; `.gz` and `.zst` are recognised by content and unpacked on the way."""

    def __init__(self, path: Path, images: Path | None = None) -> None:
        self.path = path
        self.name = str(path)
        self.folders = [folder for folder in (images, path.parent) if folder is not None]

    def chunks(self) -> Iterator[bytes]:
        """The file from its start, piece by piece."""
        try:
            with self.path.open("rb") as file, _unpacked(file) as stream:
                while chunk := stream.read(CHUNK):
                    yield chunk
        except (OSError, EOFError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise Invalid(f"{self.path} cannot be read: {reason}") from error

    def neighbour(self, path: str) -> bytes | None:
        """A file beside it or in the folder of images, never outside of these; None where there is none."""
        for folder in self.folders:
            root = folder.resolve()
            try:
                found = (root / path).resolve()
                if not found.is_relative_to(root) or not found.is_file():
                    continue
                if found.stat().st_size > NEIGHBOUR_LIMIT:
                    raise Invalid(f"{found} is larger than {NEIGHBOUR_LIMIT >> 20} MiB")
                return found.read_bytes()
            except (OSError, ValueError):
                continue
        return None


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


class ValueSource:
    """Values in memory, as if they stood in a file of lines. PNG bytes and arrays become base64."""

    def __init__(self, values: Iterable[Any], name: str = "values") -> None:
        self.values = values
        self.name = name

    def chunks(self) -> Iterator[bytes]:
        """A line a value."""
        for value in self.values:
            yield to_json(value).encode() + b"\n"

    def neighbour(self, path: str) -> bytes | None:
        """Values have no neighbours."""
        return None


def _unpacked(file: IO[bytes]) -> IO[bytes]:
    start = file.read(4)
    file.seek(0)
    if start.startswith(_GZIP):
        from isal import igzip

        return igzip.IGzipFile(fileobj=file)  # type: ignore[no-untyped-call, return-value]
    if start == _ZSTD:
        import zstandard

        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file))
    return file


def files(paths: Iterable[str | Path], images: Path | None = None) -> Iterator[FileSource]:
    """The files among paths: files themselves, and the JSON files of folders in order of name."""
    for given in paths:
        path = Path(given)
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.is_file() and _is_json(one))
            if not inside:
                raise Invalid(f"{path} has no .json, .jsonl or .ndjson file (or a .gz or .zst of one)")
            yield from (FileSource(one, images) for one in inside)
        elif path.exists():
            yield FileSource(path, images)
        else:
            raise Invalid(f"{path} does not exist")


def _is_json(path: Path) -> bool:
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    return name.endswith((".json", ".jsonl", ".ndjson"))
