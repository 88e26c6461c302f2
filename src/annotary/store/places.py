"""Where bytes lie by name: a folder of this machine, one that machines share, a bucket, or PostgreSQL itself.

A name begins with what it is of (`files/`, `blobs/`), and what has a name never changes. Whether it is still
wanted stands in the database, never here.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from annotary.errors import NotFound, Unavailable

MARK = ".annotary-"
"""The beginning of the names of folders in which something is being written."""
BLOCK = 1 << 20
"""So many bytes are read and sent at once."""


class Kept(NamedTuple):
    """Something that lies in a place: its name, and when it came there (seconds since 1970)."""

    name: str
    since: float


class Place(Protocol):
    """Bytes by name. Every method raises Unavailable where the place does not answer."""

    near: Path | None
    """The folder from which a file gets here without a copy; None: there is none."""

    def put(self, name: str, data: bytes) -> None:
        """Keep some bytes: they are safe when this returns."""

    def take(self, name: str, path: Path, headers: Mapping[str, str]) -> None:
        """Keep a finished file, which may be gone then. `headers` go out with it at its own address."""

    def read(self, name: str, start: int, end: int) -> Iterator[bytes]:
        """Bytes from `start` to `end` (not included), in blocks, or fewer. Raises NotFound."""

    def whole(self, name: str) -> bytes:
        """All bytes; raises NotFound."""

    def names(self, prefix: str) -> Iterator[Kept]:
        """Whatever lies here under names with a beginning, which ends in a slash."""

    def delete(self, name: str) -> None:
        """Remove what has a name, if there is anything."""

    def path(self, name: str) -> Path | None:
        """Where it lies on this machine; None where it does not."""

    def address(self, name: str, seconds: int) -> str | None:
        """A URL where anybody can fetch it for some seconds; None where there is none."""


class Folder:
    """A folder; what comes into it is written `within` it first."""

    def __init__(self, root: Path, within: str = "files") -> None:
        self.root = root
        self.near: Path | None = root / within

    def put(self, name: str, data: bytes) -> None:
        """Keep some bytes: they are on disk when this returns."""
        with writing(self) as folder:
            path = folder / "blob"
            path.write_bytes(data)
            self.take(name, path, {})

    def take(self, name: str, path: Path, headers: Mapping[str, str]) -> None:
        """Move a finished file here: it is on disk when this returns."""
        target = self.root / name
        with self._used():
            _on_disk(path)
            if not target.parent.is_dir():
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                _on_disk(target.parent.parent)
            path.replace(target)
            _on_disk(target.parent)

    def read(self, name: str, start: int, end: int) -> Iterator[bytes]:
        """Bytes from `start` to `end` (not included), in blocks; raises NotFound."""
        with self._used(), (self.root / name).open("rb", buffering=0) as file:
            file.seek(start)
            while start < end and (block := file.read(min(BLOCK, end - start))):
                start += len(block)
                yield block

    def whole(self, name: str) -> bytes:
        """All bytes; raises NotFound."""
        with self._used():
            return (self.root / name).read_bytes()

    def names(self, prefix: str) -> Iterator[Kept]:
        """Whatever lies here under names with a beginning, but for what is being written."""
        for folder, within, found in os.walk(self.root / prefix):
            within[:] = [one for one in within if not one.startswith(MARK)]
            for one in found:
                path = Path(folder, one)
                with suppress(FileNotFoundError), self._used():
                    yield Kept(path.relative_to(self.root).as_posix(), path.stat().st_mtime)

    def delete(self, name: str) -> None:
        """Remove what has a name, if there is anything."""
        with self._used():
            (self.root / name).unlink(missing_ok=True)

    def path(self, name: str) -> Path | None:
        """Where it lies."""
        return self.root / name

    def address(self, name: str, seconds: int) -> str | None:
        """None: nobody else can fetch it."""
        return None

    @contextmanager
    def _used(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise NotFound(f"no {error.filename}; was the folder moved without it?") from None
        except OSError as error:
            raise Unavailable(f"the folder {self.root} cannot be used: {error.strerror}") from error


@contextmanager
def writing(place: Place, otherwise: Path | None = None) -> Iterator[Path]:
    """A folder for what is being written; it goes with all that is left in it.

    `otherwise` is where it is made for a place that wants none near it; by default among temporary files.
    """
    if place.near is not None:
        place.near.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{MARK}{os.getpid()}-", dir=place.near or otherwise) as folder:
        yield Path(folder)


def _on_disk(path: Path) -> None:
    """Make sure that a file, or a new name in a folder, survives a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
