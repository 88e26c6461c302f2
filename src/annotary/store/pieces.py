"""Files in a table of PostgreSQL, where no other place is given: cut into pieces, a transaction each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.postgresql import Insert, insert

from annotary.errors import NotFound
from annotary.store.places import BLOCK, Kept
from annotary.store.schema import file_pieces

FOLDER = "files/"
_PAGE = 1000


class Home(Protocol):
    """The store that files are kept in."""

    def transaction(self) -> AbstractContextManager[Connection]:
        """One write transaction."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection to read with."""


class Pieces:
    """The table of pieces, as a place for files; blobs have a table of their own."""

    near: Path | None = None

    def __init__(self, home: Home) -> None:
        self._home = home

    def put(self, name: str, data: bytes) -> None:
        """Keep some bytes as one piece."""
        with self._home.transaction() as connection:
            connection.execute(_piece(name, 0, data))

    def take(self, name: str, path: Path, headers: Mapping[str, str]) -> None:
        """Keep a finished file."""
        start = 0
        # A transaction a piece: a long one would keep other work waiting.
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                with self._home.transaction() as connection:
                    connection.execute(_piece(name, start, block))
                start += len(block)

    def read(self, name: str, start: int, end: int) -> Iterator[bytes]:
        """Bytes from `start` to `end` (not included), in blocks."""
        at = start
        while at < end:
            with self._home.reading() as connection:
                found = connection.execute(
                    select(file_pieces.c.start, file_pieces.c.data)
                    .where(file_pieces.c.file == name.removeprefix(FOLDER), file_pieces.c.start <= at)
                    .order_by(file_pieces.c.start.desc())
                    .limit(1)
                ).first()
            piece = memoryview(found.data)[at - found.start : end - found.start] if found else b""
            if not piece:
                return
            yield bytes(piece)
            at += len(piece)

    def whole(self, name: str) -> bytes:
        """All bytes; raises NotFound."""
        found = b"".join(self.read(name, 0, 1 << 62))
        if not found:
            raise NotFound(f"no {name} in the database")
        return found

    def names(self, prefix: str) -> Iterator[Kept]:
        """All files of which there are pieces: as old as can be, for nobody knows when they came."""
        last = ""
        first = select(file_pieces.c.file).where(file_pieces.c.start == 0).order_by(file_pieces.c.file)
        while prefix == FOLDER:
            with self._home.reading() as connection:
                page = connection.execute(first.where(file_pieces.c.file > last).limit(_PAGE)).scalars().all()
            yield from (Kept(f"{FOLDER}{id}", 0.0) for id in page)
            if len(page) < _PAGE:
                return
            last = page[-1]

    def delete(self, name: str) -> None:
        """Remove a file's pieces."""
        with self._home.transaction() as connection:
            connection.execute(delete(file_pieces).where(file_pieces.c.file == name.removeprefix(FOLDER)))

    def path(self, name: str) -> Path | None:
        """None: it lies in the database."""
        return None

    def address(self, name: str, seconds: int) -> str | None:
        """None: only a server can send it."""
        return None


def _piece(name: str, start: int, data: bytes) -> Insert:
    piece = insert(file_pieces).values(file=name.removeprefix(FOLDER), start=start, data=data)
    return piece.on_conflict_do_nothing()
