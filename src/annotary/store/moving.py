"""What a store keeps beside its rows, from one place to another; nobody else may use it meanwhile."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, delete, func, select

from annotary.errors import Invalid, Unavailable
from annotary.model.carried import typed
from annotary.model.task import StoredFile
from annotary.store import Store, addresses, choosing
from annotary.store.blobs import SMALL, Blobs, key_of
from annotary.store.files import FOLDER as FILES
from annotary.store.files import headers_of
from annotary.store.places import Place, writing
from annotary.store.schema import blobs, file_pieces, files, placed_blobs


class Moved(NamedTuple):
    """How many blobs and files have another place now, and where they are as well, if not in the database."""

    blobs: int
    files: int
    left: str | None


def move(store: Store, address: str) -> Moved:
    """Move large blobs and files to the place at an address; an interrupted move begins anew.

    Another place than the database is left as it is: the database may be a copy of one that still needs it.
    The store is to be opened again after that. Raises Invalid, Missing, Unavailable.
    """
    if store.home is not None:
        raise Invalid("--blobs is for stores on PostgreSQL; one in a folder keeps its blobs there")
    present = choosing.kept(store)
    if present == addresses.plain(address):
        return Moved(0, 0, None)
    new = choosing.claimed(store, address)
    with store.database.connection() as snapshot:
        placed = _placed(store.place, new, snapshot)
        whole = _files(store.place, new, snapshot)
        # From here on they are looked for in the new place; those in the database go by and by.
        with store.transaction() as connection:
            choosing.note(store, address)
            connection.execute(delete(file_pieces))
        placed += _large(Blobs(new, store.database), store, snapshot)
    return Moved(placed, whole, present)


def _placed(old: Place, new: Place, snapshot: Connection) -> int:
    number = 0
    for name in _each(snapshot, select(placed_blobs.c.hash)):
        data = old.whole(key_of(name.hash))
        _hold(f"blob {name.hash}", sha256(data).hexdigest(), name.hash)
        new.put(key_of(name.hash), data)
        number += 1
    return number


def _files(old: Place, new: Place, snapshot: Connection) -> int:
    number = 0
    for row in _each(snapshot, select(files.c.body).where(files.c.body != "")):
        file, digest = typed(row.body, StoredFile), sha256()
        with writing(new) as folder:
            path = folder / "file"
            with path.open("wb") as out:
                for block in old.read(f"{FILES}{file.id}", 0, file.bytes):
                    digest.update(block)
                    out.write(block)
            _hold(f"file {file.id} ({file.name})", digest.hexdigest(), file.sha256)
            new.take(f"{FILES}{file.id}", path, headers_of(file))
        number += 1
    return number


def _large(into: Blobs, store: Store, snapshot: Connection) -> int:
    """Large blobs that lie in the database."""
    number = 0
    for row in _each(snapshot, select(blobs.c.hash).where(func.length(blobs.c.data) > SMALL)):
        with store.transaction() as connection:
            data = into.get(row.hash, connection)
            connection.execute(delete(blobs).where(blobs.c.hash == row.hash))
            _hold(f"blob {row.hash}", into.put(data, connection), row.hash)
        number += 1
    return number


def _hold(what: str, found: str, hash: str) -> None:
    if found != hash:
        raise Unavailable(f"{what} is damaged; annotary check says what it belongs to")


def _each(snapshot: Connection, query: Select[Any]) -> Any:
    return snapshot.execute(query.execution_options(stream_results=True, max_row_buffer=1000))
