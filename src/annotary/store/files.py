"""Files that operations leave behind or are given: what is known of them, and their bytes in a place."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Protocol

import msgspec
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from annotary.errors import NotFound, TooLarge, Unavailable
from annotary.model import moment
from annotary.model.base import derived_id, new_id, to_json
from annotary.model.carried import typed
from annotary.model.task import Chunk, StoredFile
from annotary.store.database import Database
from annotary.store.places import BLOCK, Place, writing
from annotary.store.schema import files

FOLDER = "files/"
_UNFINISHED = timedelta(days=1)
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

    def __init__(self, home: Home, place: Place) -> None:
        self._home = home
        self._place = place

    def workplace(self) -> AbstractContextManager[Path]:
        """A folder for what is being written; it goes with all that is left in it."""
        return writing(self._place)

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
        with path.open("rb") as file:
            digest = sha256()
            while block := file.read(BLOCK):
                digest.update(block)
            size = file.tell()
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
            if digest.hexdigest() != file.sha256:
                raise Unavailable(
                    f"file {file.id!r} ({file.name}) is damaged: delete its task, or restore it"
                )
            self._keep(path, file, chunks)

    def _keep(self, path: Path, made: StoredFile, chunks: str) -> None:
        """Take a file away from its workplace. Its row comes first, and expires should its writer die."""
        until = moment.stamp(datetime.fromisoformat(made.created_at) + _UNFINISHED)
        if not self._claim(made.id, until):
            with self._home.transaction() as connection:
                here = (files.c.id == made.id) & (files.c.body == "")
                connection.execute(update(files).where(here).values(expires_at=until))
        self._place.take(f"{FOLDER}{made.id}", path, headers_of(made))
        known = {"expires_at": made.expires_at or "", "body": to_json(made), "chunks": chunks}
        with self._home.transaction() as connection:
            here = (files.c.id == made.id) & (files.c.body == "")
            if not connection.execute(update(files).where(here).values(known)).rowcount:
                # The same file may have come twice at once; else it took longer than a file may.
                self.get(made.id)

    def _claim(self, id: str, until: str) -> bool:
        """Make the row of a file that is not whole; False where there is one."""
        dialect = sqlite if self._home.database.is_sqlite else postgresql
        new = dialect.insert(files).values(id=id, org=self._home.org, expires_at=until, body="", chunks="")
        with self._home.transaction() as connection:
            claimed = connection.execute(new.on_conflict_do_nothing().returning(files.c.id))
            return claimed.first() is not None

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
        """Where a file lies on this machine; None where it does not."""
        return self._place.path(f"{FOLDER}{file.id}")

    def address(self, file: StoredFile, seconds: int) -> str | None:
        """A URL of its place's own where anybody can fetch it for some seconds; None where there is none."""
        return self._place.address(f"{FOLDER}{file.id}", seconds)

    def read(self, file: StoredFile, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` to `end` (not included), in blocks; raises Unavailable where some lack."""
        end = file.bytes if end is None else end
        left = end - start
        try:
            for block in self._place.read(f"{FOLDER}{file.id}", start, end):
                left -= len(block)
                yield block
        except NotFound as error:
            raise Unavailable(f"file {file.id!r} cannot be read: {error}") from error
        if left:
            raise Unavailable(f"file {file.id!r} is cut off by {left:,} bytes")

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
        self.remove(id, files.c.id == id)

    def remove(self, id: str, still: ColumnElement[bool]) -> None:
        """Remove a file, unless it has changed meanwhile; who stores the same one anew waits for that."""
        with self._home.transaction() as connection:
            if connection.execute(delete(files).where(files.c.id == id, still)).rowcount:
                self._place.delete(f"{FOLDER}{id}")

    def discard(self, id: str) -> bool:
        """Remove bytes of which there is no row; False where there is one by now.

        The row is claimed meanwhile: whoever stores the same file waits for that, or is waited for.
        """
        with self._home.transaction() as connection:
            if not self._claim(id, ""):
                return False
            self._place.delete(f"{FOLDER}{id}")
            connection.execute(delete(files).where(files.c.id == id))
        return True

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


def headers_of(file: StoredFile) -> dict[str, str]:
    """How a file goes out at an address of its place's own: always to be saved, never to be shown."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", file.name.rpartition("/")[2])[:100] or "file"
    return {
        "Content-Type": file.media_type,
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "private, no-transform",
    }
