"""Content-addressed bytes: small ones in a table, larger ones as files in a folder, where there is one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, select

from annotary.errors import NotFound
from annotary.store.database import Database
from annotary.store.schema import blobs

SMALL = 64 * 1024
_PAGE = 1000


class Blobs:
    """Bytes by the SHA-256 of their content."""

    def __init__(self, folder: Path | None, database: Database) -> None:
        self.folder = folder
        self.database = database

    def put(self, data: bytes, connection: Connection) -> str:
        """Store bytes once; gives their hash. A large one is on disk before the transaction ends."""
        name = sha256(data).hexdigest()
        if self.folder is not None and len(data) > SMALL:
            self._write(self.folder, name, data)
        elif connection.execute(select(blobs.c.hash).where(blobs.c.hash == name)).first() is None:
            connection.execute(blobs.insert().values(hash=name, data=data))
        return name

    def get(self, name: str, connection: Connection) -> bytes:
        """The bytes with a hash; raises NotFound."""
        found = connection.execute(select(blobs.c.data).where(blobs.c.hash == name)).first()
        if found:
            return bytes(found[0])
        if self.folder is None:
            raise NotFound(f"no blob {name} in the database")
        try:
            return _place(self.folder, name).read_bytes()
        except FileNotFoundError:
            raise NotFound(f"no blob {name} in {self.folder}; was the folder moved without it?") from None

    def has(self, name: str, connection: Connection) -> bool:
        """Whether the bytes with a hash are here."""
        if connection.execute(select(blobs.c.hash).where(blobs.c.hash == name)).first() is not None:
            return True
        return self.folder is not None and _place(self.folder, name).exists()

    @staticmethod
    def small(connection: Connection) -> Iterator[str]:
        """The hashes of the blobs in the database, in order."""
        low = ""
        while True:
            asked = select(blobs.c.hash).where(blobs.c.hash > low).order_by(blobs.c.hash).limit(_PAGE)
            found = [row.hash for row in connection.execute(asked)]
            yield from found
            if not found:
                return
            low = found[-1]

    def names(self) -> Iterator[str]:
        """The hashes of the blobs kept as files."""
        for path in self.folder.glob("??/*") if self.folder is not None else ():
            if len(path.name) == 64:
                yield path.name

    @staticmethod
    def _write(folder: Path, name: str, data: bytes) -> None:
        path = _place(folder, name)
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{name}.{os.getpid()}.part")
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


def _place(folder: Path, name: str) -> Path:
    return folder / name[:2] / name
