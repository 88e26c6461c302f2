"""What lies beside the rows of a store: is every mask and every file there, with its hash?"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import chain
from typing import Any

from sqlalchemy import Connection, select

from annotary.errors import AnnotaryError
from annotary.model.carried import typed
from annotary.model.corpus import Notice
from annotary.model.task import StoredFile
from annotary.store import Store
from annotary.store.blobs import mask_names
from annotary.store.leftovers import UNFINISHED_SECONDS, garbage, stray
from annotary.store.schema import files

Verdict = tuple[str, str, str]
"""What was looked at: its place, its name, and what is wrong with it ('': nothing)."""
CHANGED = "the bytes are not those it was stored with"


class Kept:
    """The masks and files of a store, as one snapshot of it names them."""

    def __init__(self, store: Store, connection: Connection) -> None:
        self.store = store
        self.connection = connection
        # Hashes in a file that is removed when it is closed: there may be more than memory holds.
        self._mentioned = sqlite3.connect("")
        self._mentioned.execute("CREATE TABLE masks (hash TEXT PRIMARY KEY, label TEXT) WITHOUT ROWID")

    def close(self) -> None:
        """Forget what was mentioned."""
        self._mentioned.close()

    def mention(self, label: Mapping[str, Any]) -> None:
        """Note down the masks that a label names."""
        named = [(hash, label["id"]) for hash in mask_names(label["masks"]).values()]
        if named:
            self._mentioned.executemany("INSERT OR IGNORE INTO masks VALUES (?, ?)", named)

    def masks(self) -> Iterator[Verdict]:
        """Every mask that a label names."""
        for hash, label in self._mentioned.execute("SELECT hash, label FROM masks ORDER BY hash"):
            try:
                found = _hash_of((self.store.blobs.get(hash, self.connection),))
                reason = "" if found == hash else CHANGED
            except AnnotaryError as error:
                reason = str(error)
            yield f"label {label}", hash, reason

    def files(self) -> Iterator[Verdict]:
        """Every file."""
        whole = select(files.c.org, files.c.body).where(files.c.body != "").order_by(files.c.id)
        for org, body in self.connection.execute(whole.execution_options(stream_results=True)):
            file = typed(body, StoredFile)
            reason = self._fault(org, file)
            yield f"file {file.name}", file.id, reason

    def _fault(self, org: str, file: StoredFile) -> str:
        home = self.store.seen_as(org)
        try:
            return "" if _hash_of(home.files.read(file)) == file.sha256 else CHANGED
        except AnnotaryError as error:
            return str(error) if self._is_kept(file) else ""

    def _is_kept(self, file: StoredFile) -> bool:
        """Whether a file has not expired meanwhile."""
        with self.store.reading() as connection:
            return connection.execute(select(files.c.id).where(files.c.id == file.id)).first() is not None

    def notices(self) -> Iterator[Notice]:
        """What is there and belongs to nothing."""
        reason = "blobs that no label names; harmless"
        for name in self.store.blobs.names(self.connection):
            if self._mentioned.execute("SELECT 1 FROM masks WHERE hash = ?", (name,)).fetchone() is None:
                yield Notice(place="blobs", value=name, reason=reason)
        reason = "left by something that was interrupted, older than a day; a worker removes it"
        before = time.time() - UNFINISHED_SECONDS
        for left in chain(garbage(self.store, before), stray(self.store, before)):
            yield Notice(place="blobs and files", value=str(left), reason=reason)


def _hash_of(pieces: Iterable[bytes]) -> str:
    digest = sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
