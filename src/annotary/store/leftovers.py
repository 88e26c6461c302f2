"""What interrupted work leaves behind, and uploads that nothing came to name: removed after a time.

Each step is safe beside writers: what is younger than its time is left alone, and a file's row goes only as
it was when it was judged.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import ColumnElement, Select, and_, or_, select, text, update

from annotary.errors import NotFound, Unavailable
from annotary.model import moment
from annotary.model.carried import typed
from annotary.model.project import AnnotationImport
from annotary.store import choosing
from annotary.store.blobs import FOLDER as BLOBS
from annotary.store.files import FOLDER as FILES
from annotary.store.places import MARK
from annotary.store.reasons import is_held
from annotary.store.schema import data_row_versions, entities, files, labels, placed_blobs, tasks

if TYPE_CHECKING:
    from annotary.store import Store

UNFINISHED_SECONDS = 24 * 3600
"""No write takes so long without a byte: what is older is of a process that died."""
UPLOAD_DAYS = 30
"""So long an upload may wait to be named by a data row, a label, a project, a task or an import."""
KEPT = "~"
"""In place of an expiry, of files that data rows name: later than every date."""
PAGE = 1000
HELD_SECONDS = 2
"""So long is waited for a change that is about to name the same thing."""
_FILE = re.compile(f"{FILES}(c[0-9a-z]{{24}})")
_BLOB = re.compile(f"{BLOBS}[0-9a-f]{{2}}/([0-9a-f]{{64}}(?:[.][0-9]+[.]part)?)")
_ID = re.compile(r"c[0-9a-z]{24}")
_ID_IN_BYTES = re.compile(rb"c[0-9a-z]{24}")
_ID_BYTES = 25


class _Made(msgspec.Struct):
    created_at: str


def sweep(store: Store, now: str) -> None:
    """Remove what has expired, and what writers that died have left in folders."""
    for id in store.files.expired(now):
        store.files.remove(id, and_(files.c.expires_at != "", files.c.expires_at < now))
    for path in stray(store, time.time() - UNFINISHED_SECONDS):
        shutil.rmtree(path, ignore_errors=True)


def stray(store: Store, before: float) -> Iterator[Path]:
    """Folders in which something was written, untouched since: their writers died."""
    for path in (store.place.near or Path(tempfile.gettempdir())).glob(f"{MARK}*"):
        with suppress(OSError):
            if _touched(path) < before:
                yield path


def _touched(path: Path) -> float:
    """When something last changed in a folder, or in a folder within."""
    return max(one.lstat().st_mtime for one in (path, *path.rglob("*")))


# What lies in the place and has no row


def collect(store: Store, stopped: Callable[[], bool] = lambda: False) -> int:
    """Remove what lies in the store's place, is older than a day and belongs to nothing; gives how many."""
    gone = 0
    if not choosing.is_own(store):
        raise Unavailable("the store's place of blobs is another store's by now; nothing is removed there")
    for name in garbage(store, time.time() - UNFINISHED_SECONDS):
        if stopped():
            break
        try:
            gone += _discard(store, name)
        except Unavailable as error:
            # Of a change that has been going on for more than a day; there will be more of it.
            if not is_held(error):
                raise
            break
    return gone


def garbage(store: Store, before: float) -> Iterator[str]:
    """The names of what lies in the store's place since before, and has no row.

    A file has one even before its bytes come. A blob has one as soon as the change that names it is made:
    what was stored by an import that failed has none.
    """
    for folder, own, table in (
        (FILES, _FILE, files.c.id),
        (BLOBS, _BLOB, placed_blobs.c.hash),
    ):
        old = (
            (found[1], kept.name)
            for kept in store.place.names(folder)
            if kept.since < before and (found := own.fullmatch(kept.name))
        )
        while some := dict(islice(old, PAGE)):
            with store.reading() as connection:
                known = set(connection.execute(select(table).where(table.in_(some))).scalars())
            yield from (name for key, name in some.items() if key not in known)


def _discard(store: Store, name: str) -> bool:
    with store.transaction() as connection:
        if not store.database.is_sqlite:
            connection.execute(text(f"SET LOCAL lock_timeout = {HELD_SECONDS * 1000}"))
        key = name.rpartition("/")[2]
        if name.startswith(FILES):
            return store.files.discard(key)
        return store.blobs.discard(key, connection)


# Uploads


def forget_uploads(store: Store, now: str, days: int = UPLOAD_DAYS) -> int:
    """Remove uploads of every organisation that nothing names after some days; gives how many.

    Those that tasks and imports name are asked about again the next time, those of data rows never.
    """
    since = moment.stamp(datetime.fromisoformat(now) - timedelta(days=days))
    old = dict(_undated(store, since))
    if not old:
        return 0
    for named in chain(_named(store, _UNDER_WAY), _in_pre_labels(store)):
        for id in named:
            old.pop(id, None)
    kept: set[str] = set()
    if old:
        for named in _named(store, _FOR_GOOD):
            kept.update(id for id in named if id in old)
    _keep(store, kept)
    gone = old.keys() - kept
    for id in gone:
        store.files.remove(id, and_(files.c.expires_at == "", files.c.body == old[id]))
    return len(gone)


def _undated(store: Store, since: str) -> Iterator[tuple[str, str]]:
    """Files without an expiry that are older than an instant: their ids and what is known of them."""
    last = ""
    while True:
        query = select(files.c.id, files.c.body).where(files.c.expires_at == "", files.c.id > last)
        with store.reading() as connection:
            page = connection.execute(query.order_by(files.c.id).limit(PAGE)).all()
        for id, body in page:
            if msgspec.json.decode(body, type=_Made).created_at < since:
                yield id, body
        if len(page) < PAGE:
            return
        last = page[-1].id


def _addressed(*columns: ColumnElement[str]) -> ColumnElement[bool]:
    return or_(*(column.contains("/files/") for column in columns))


_OF_DATA_ROWS = (data_row_versions.c.head, data_row_versions.c.attachments, data_row_versions.c.metadata)
_UNDER_WAY = (
    select(tasks.c.request, tasks.c.body),
    select(entities.c.body).where(entities.c.kind.in_(("AnnotationImport", "ImageArchive", "Project"))),
)
_FOR_GOOD = (
    select(*_OF_DATA_ROWS).where(_addressed(*_OF_DATA_ROWS)),
    select(labels.c.annotations).where(_addressed(labels.c.annotations)),
)


def _named(store: Store, places: tuple[Select[tuple[str, ...]], ...]) -> Iterator[set[str]]:
    """The ids of files that stand in the texts of some rows, row by row."""
    for place in places:
        with store.reading() as connection:
            found = connection.execution_options(stream_results=True, yield_per=PAGE).execute(place)
            for row in found:
                yield {id for text in row if text for id in _ID.findall(text)}


def _in_pre_labels(store: Store) -> Iterator[set[str]]:
    """The ids that the lines of pre-labels name: their masks may be uploads."""
    with store.reading() as connection:
        query = select(entities.c.org, entities.c.body).where(entities.c.kind == AnnotationImport.__name__)
        imports = [(row.org, typed(row.body, AnnotationImport)) for row in connection.execute(query)]
    for org, one in imports:
        home = store.seen_as(org)
        if one.kind != "pre-labels":
            continue
        held = b""
        with suppress(NotFound):
            for block in home.files.read(home.files.get(one.source)):
                held = held[-_ID_BYTES:] + block
                yield {found.decode() for found in _ID_IN_BYTES.findall(held)}


def _keep(store: Store, ids: set[str]) -> None:
    with store.transaction() as connection:
        for id in ids:
            connection.execute(update(files).where(files.c.id == id).values(expires_at=KEPT))
