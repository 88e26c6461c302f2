"""Files that operations leave behind or are given: below a folder beside SQLite, in pieces in PostgreSQL."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Protocol

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, Table, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from annotary.errors import NotFound, TooLarge, Unavailable
from annotary.model import moment
from annotary.model.base import derived_id, new_id, to_json
from annotary.model.carried import typed
from annotary.model.task import Chunk, StoredFile
from annotary.store.database import Database
from annotary.store.schema import file_pieces, files

FOLDER = "files"
MARK = ".annotary-"
"""The beginning of the names of folders in which something is being written."""
_UNFINISHED = timedelta(days=1)
BLOCK = 1 << 20
"""So many bytes are read and sent at once."""
_PIECE = 1 << 20
_chunks = msgspec.json.Decoder(list[tuple[int, int]])


class Home(Protocol):
    """The store that files are kept in."""

    org: str
    database: Database

    def transaction(self) -> AbstractContextManager[Connection]:
        """One write transaction."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection to read with."""


class Files:
    """The files of an organisation. A file has a row when it is whole, and never changes after."""

    def __init__(self, home: Home, folder: Path | None) -> None:
        self._home = home
        self.folder = folder

    @contextmanager
    def workplace(self) -> Iterator[Path]:
        """A folder for what is being written; it goes with all that is left in it."""
        if self.folder is not None:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{MARK}{os.getpid()}-", dir=self.folder) as place:
            yield Path(place)

    def make(
        self,
        pieces: Iterable[bytes],
        *,
        name: str,
        media_type: str,
        now: str,
        expires_at: str | None = None,
        limit: int | None = None,
    ) -> StoredFile:
        """Keep a file; raises TooLarge, and keeps nothing, where it has more than `limit` bytes."""
        with self.workplace() as folder:
            path = folder / "file"
            size = 0
            with path.open("wb") as file:
                for piece in pieces:
                    size += len(piece)
                    if limit is not None and size > limit:
                        raise TooLarge(f"the file is larger than the limit of {limit:,} bytes")
                    file.write(piece)
            return self.take(path, name=name, media_type=media_type, now=now, expires_at=expires_at)

    def take(
        self,
        path: Path,
        *,
        name: str,
        media_type: str,
        now: str,
        expires_at: str | None = None,
        chunks: list[tuple[int, int]] | None = None,
        once: bool = False,
    ) -> StoredFile:
        """Take a finished file away from its place. `chunks`: after how many bytes and lines each ends.

        `once` gives the file of the same name and bytes that is here already, where there is one.
        """
        with path.open("rb+") as file:
            digest = sha256()
            while block := file.read(_PIECE):
                digest.update(block)
            size = file.tell()
            os.fsync(file.fileno())
        made = StoredFile(
            id=derived_id(self._home.org, "file", name, digest.hexdigest()) if once else new_id(),
            name=name,
            media_type=media_type,
            bytes=size,
            sha256=digest.hexdigest(),
            created_at=now,
            expires_at=expires_at,
            lines=chunks[-1][1] if chunks else 0 if chunks is not None else None,
        )
        if once and (present := self._renewed(made)) is not None:
            return present
        self._keep(path, made, to_json(chunks) if chunks else "")
        return made

    def adopt(self, file: StoredFile, pieces: Iterable[bytes], chunks: str) -> None:
        """Keep a file of another store as it is there, once; raises Unavailable where it is damaged."""
        with suppress(NotFound):
            self.get(file.id)
            return
        digest = sha256()
        with self.workplace() as folder:
            path = folder / "file"
            with path.open("wb") as out:
                for piece in pieces:
                    digest.update(piece)
                    out.write(piece)
                out.flush()
                os.fsync(out.fileno())
            if digest.hexdigest() != file.sha256:
                raise Unavailable(
                    f"file {file.id!r} ({file.name}) is damaged: delete its task, or restore it"
                )
            self._keep(path, file, chunks)

    def _keep(self, path: Path, made: StoredFile, chunks: str) -> None:
        """Take a file away from its place, and know of it."""
        if self.folder is not None:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.replace(self.folder / made.id)
            _settle(self.folder)
        else:
            self._cut(path, made)
        finished = {
            "expires_at": made.expires_at or "",
            "body": to_json(made),
            "chunks": chunks,
        }
        with self._home.transaction() as connection:
            if self.folder is not None:
                new = self._insert(files).on_conflict_do_nothing()
                connection.execute(new.values(id=made.id, org=self._home.org, **finished))
            elif not connection.execute(
                update(files).where(files.c.id == made.id, files.c.body == "").values(finished)
            ).rowcount:
                # The same file may have come twice at once; else it took longer than a file may.
                self.get(made.id)

    def _renewed(self, made: StoredFile) -> StoredFile | None:
        """The same file, if it is here already: as if it had come just now."""
        try:
            present = self.get(made.id)
        except NotFound:
            return None
        fresh = replace(present, created_at=made.created_at)
        with self._home.transaction() as connection:
            here = (files.c.id == made.id) & (files.c.body == to_json(present))
            if connection.execute(update(files).where(here).values(body=to_json(fresh))).rowcount:
                return fresh
        return self._renewed(made)

    def _cut(self, path: Path, made: StoredFile) -> None:
        """Store the pieces of a file under a row that expires, should its writer die before it is whole."""
        id, start = made.id, 0
        until = moment.stamp(datetime.fromisoformat(made.created_at) + _UNFINISHED)
        with self._home.transaction() as connection:
            new = self._insert(files).values(id=id, org=self._home.org, expires_at=until, body="", chunks="")
            unfinished = {"expires_at": until}
            connection.execute(
                new.on_conflict_do_update(index_elements=["id"], set_=unfinished, where=files.c.body == "")
            )
        # A transaction a piece: a long one would keep other work waiting.
        with path.open("rb") as file:
            while block := file.read(_PIECE):
                with self._home.transaction() as connection:
                    piece = self._insert(file_pieces).values(file=id, start=start, data=block)
                    connection.execute(piece.on_conflict_do_nothing())
                start += len(block)

    def _insert(self, table: Table) -> Any:
        dialect = sqlite if self._home.database.is_sqlite else postgresql
        return dialect.insert(table)

    def get(self, id: str) -> StoredFile:
        """What is known of a file; raises NotFound."""
        with self._home.reading() as connection:
            found = connection.execute(
                select(files.c.body).where(
                    files.c.id == id, files.c.org == self._home.org, files.c.body != ""
                )
            ).first()
        if found is None:
            raise NotFound(f"no file {id!r}; it may have expired")
        return typed(found.body, StoredFile)

    def chunk(self, id: str, *, offset: int | None = None, line: int | None = None) -> Chunk:
        """The chunk that holds a byte or a line; raises NotFound beyond the end."""
        with self._home.reading() as connection:
            found = connection.execute(
                select(files.c.chunks).where(files.c.id == id, files.c.org == self._home.org)
            ).first()
        start = first = 0
        for end, last in _chunks.decode(found.chunks) if found is not None and found.chunks else ():
            if (offset is not None and offset < end) or (line is not None and line < last):
                return Chunk(start=start, end=end - 1, first_line=first, last_line=last - 1)
            start, first = end, last
        place = f"byte {offset}" if offset is not None else f"line {line}"
        raise NotFound(f"file {id!r} has no {place}")

    def path(self, file: StoredFile) -> Path | None:
        """Where a file lies on this machine; None where it is in the database."""
        return None if self.folder is None else self.folder / file.id

    def read(self, file: StoredFile, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` to `end` (not included), in blocks; raises Unavailable where some lack."""
        end = file.bytes if end is None else end
        path = self.path(file)
        try:
            blocks = self._pieces(file.id, start, end) if path is None else _blocks(path, start, end)
            left = end - start
            for block in blocks:
                left -= len(block)
                yield block
        except OSError as error:
            raise Unavailable(f"file {file.id!r} cannot be read: {error.strerror}") from error
        if left:
            raise Unavailable(f"file {file.id!r} is cut off by {left:,} bytes")

    def _pieces(self, id: str, start: int, end: int) -> Iterator[bytes]:
        at = start
        while at < end:
            with self._home.reading() as connection:
                found = connection.execute(
                    select(file_pieces.c.start, file_pieces.c.data)
                    .where(file_pieces.c.file == id, file_pieces.c.start <= at)
                    .order_by(file_pieces.c.start.desc())
                    .limit(1)
                ).first()
            piece = memoryview(found.data)[at - found.start : end - found.start] if found else b""
            if not piece:
                return
            for place in range(0, len(piece), BLOCK):
                yield bytes(piece[place : place + BLOCK])
            at += len(piece)

    def opened(self, file: StoredFile) -> IO[bytes]:
        """A file to be read in any order, wherever it lies."""
        path = self.path(file)
        return io.BufferedReader(_Reader(self, file), BLOCK) if path is None else path.open("rb")

    @contextmanager
    def local(self, file: StoredFile) -> Iterator[Path]:
        """A file as one on this machine."""
        path = self.path(file)
        if path is not None:
            yield path
            return
        with self.workplace() as folder:
            path = folder / "file"
            with path.open("wb") as copy:
                copy.writelines(self.read(file))
            yield path

    def delete(self, id: str) -> None:
        """Remove a file."""
        with self._home.transaction() as connection:
            connection.execute(delete(files).where(files.c.id == id))
            connection.execute(delete(file_pieces).where(file_pieces.c.file == id))
        if self.folder is not None:
            with suppress(FileNotFoundError):
                (self.folder / id).unlink()

    def expired(self, now: str) -> list[str]:
        """The files of every organisation that need not be kept any longer."""
        over = (files.c.expires_at != "") & (files.c.expires_at < now)
        with self._home.reading() as connection:
            return list(connection.execute(select(files.c.id).where(over)).scalars())


class _Reader(io.RawIOBase):
    """A stored file as a file."""

    def __init__(self, files: Files, file: StoredFile) -> None:
        self._files, self._file, self._at = files, file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._file.bytes}[whence]
        if start + offset < 0:
            raise OSError(f"byte {start + offset} is before the beginning")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._file.bytes)
        data = b"".join(self._files.read(self._file, self._at, end)) if end > self._at else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _blocks(path: Path, start: int, end: int) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while start < end and (block := file.read(min(BLOCK, end - start))):
            start += len(block)
            yield block


def _settle(folder: Path) -> None:
    """Make sure that a new name in a folder survives a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
