"""An export as several files, each written by whoever reads its rows, and a manifest of them all.

Files of lines are, one after the other, the one file that the export is otherwise; of a training format each
is a data set by itself, an archive where that has several files. In a bucket they stand under their
names as they are made; that all of them are there says the manifest, which comes last.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from itertools import groupby
from pathlib import Path

from annotary.engine.exporting import Export
from annotary.engine.manifest import LOSSES, MANIFEST, beside
from annotary.engine.partitions import Written, parts_place
from annotary.engine.sinks import ENDINGS, SHOWN
from annotary.errors import Invalid, Unavailable
from annotary.model.base import to_json
from annotary.model.task import Artifact
from annotary.store.bucket import SCHEME
from annotary.store.places import MARK, Place

UNSEEN = (
    "was written where this machine does not see it; give a folder that all workers share, or"
    f" {SCHEME}BUCKET/PREFIX"
)


def deliver_parts(
    export: Export, destination: str | Path, moved: Callable[[int], None] = lambda rows: None
) -> list[Artifact]:
    """Write an export in parts below a new folder or an `s3://` address; gives the files, or if many it.

    `moved` is told how many rows are done. Raises Invalid, Missing, Unavailable; nothing is left then.
    """
    if export.files is None:
        raise Invalid(
            "only exports of a project or model run, out of a store that is opened here, are written in"
            " parts; without stratify, pictures of masks (masks) and arrays (array)"
        )
    address = str(destination)
    gathered = _bucket(address, export.ending) if address.startswith(SCHEME) else _folder(Path(destination))
    with gathered as (place, own, final):
        shown: list[Artifact] = []
        listed: list[bytes] = []
        total = 0
        with closing(export.files(own)) as found:
            for name, written in found:
                moved(export.done)
                export.findings.add(written.findings)
                if not written.size:
                    continue
                _check(place, name, written)
                total += written.size
                file = {"path": name, "bytes": written.size, "sha256": written.sha256, "rows": written.done}
                listed.append((b",\n  " if listed else b"") + to_json(file).encode())
                shown.append(Artifact(path=final(name), bytes=written.size, sha256=written.sha256))
        export.settle()
        further = beside(export.about, export.findings.ledger, export.counts)
        for name, pieces in groupby(further(iter(listed)), key=lambda part: part.path):
            data = b"".join([piece.data for piece in pieces])
            place.put(name, data)
            total += len(data)
            shown.append(Artifact(path=final(name), bytes=len(data), sha256=sha256(data).hexdigest()))
    if len(shown) > SHOWN:
        return [Artifact(path=final(""), bytes=total, sha256=shown[-1].sha256, count=len(shown))]
    return shown


def _check(place: Place, name: str, written: Written) -> None:
    path = place.path(name)
    if path is not None and not (path.exists() and path.stat().st_size == written.size):
        raise Invalid(f"{name} {UNSEEN}")


Gathered = tuple[Place, str, Callable[[str], str]]
"""A place and its address while an export is written; and where a file will be after that."""


@contextmanager
def _bucket(address: str, ending: str) -> Iterator[Gathered]:
    place = parts_place(address)
    prefix = address.rstrip("/")
    if next(place.names(""), None) is not None:
        raise Invalid(f"{prefix} is there already and not empty; give another prefix")
    try:
        yield place, address, lambda name: f"{prefix}/{name}".rstrip("/")
    except BaseException:
        own = re.compile(rf"part-\d+{re.escape(ending)}|{re.escape(MANIFEST)}|{re.escape(LOSSES)}")
        for kept in place.names(""):
            if own.fullmatch(kept.name):
                place.delete(kept.name)
        raise


@contextmanager
def _folder(folder: Path) -> Iterator[Gathered]:
    if folder.name.endswith(ENDINGS):
        raise Invalid(f"parts go into a folder; {folder} is named like a file")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Invalid(f"{folder} is there already and not empty; give another folder")
    own = folder.absolute().with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(own, ignore_errors=True)
    try:
        own.mkdir(parents=True)
        yield parts_place(own.as_uri()), own.as_uri(), lambda name: str(folder / name)
        for left in own.glob(f"{MARK}*"):
            # Of a process that died over its part.
            shutil.rmtree(left, ignore_errors=True)
        if folder.exists():
            folder.rmdir()
        own.replace(folder)
    except OSError as error:
        raise Unavailable(f"{folder} cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(own, ignore_errors=True)
