"""What is left of writers that were killed is removed, and nothing that anybody still names."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest

from annotary.engine.core import Engine
from annotary.errors import NotFound
from annotary.model.row import Attachment
from annotary.operations.annotation_imports import StartAnnotationImport
from annotary.operations.data_rows import AddAttachments
from annotary.operations.imports import StartImport
from annotary.operations.projects import ChangeProject
from annotary.store import Store
from annotary.store.bucket import Bucket
from annotary.store.leftovers import KEPT, collect, forget_uploads, garbage, stray, sweep
from annotary.store.pieces import Pieces
from annotary.store.places import Folder
from annotary.store.schema import file_pieces, files
from tests.engine.world import Clock, World

pytestmark = pytest.mark.bucket

LARGE = bytes(range(256)) * 400
NOW = "2026-03-01T00:00:00.000+00:00"
LATER = "2026-03-03T00:00:00.000+00:00"
AFTER_MONTHS = "2026-06-01T00:00:00.000+00:00"
KILLED = """
    import os, signal, sys
    from annotary.store import Store, blobs, pieces as pieces_of, places

    def die(*given):
        os.kill(os.getpid(), signal.SIGKILL)

    def then(put):
        return lambda *given: (put(*given), die())

    def pieces():
        yield b"x" * 3_000_000
        if stage == "while it is written":
            die()

    target, stage = sys.argv[1:]
    store = Store.open(target)
    if stage == "before it is known":
        store.place.take = then(store.place.take)
    if stage == "between its pieces":
        piece, left = pieces_of._piece, [3]
        def counted(*given):
            left[0] -= 1
            return piece(*given) if left[0] else die()
        pieces_of._piece = counted
    if stage == "in a blob":
        places.os.fsync = die
    if stage == "after a blob":
        store.place.put = then(store.place.put)
    if "a blob" in stage:
        with store.transaction() as connection:
            store.blobs.put(b"x" * 100_000, connection)
    store.files.make(pieces(), name="f", media_type="text/plain", now="2026-03-01T00:00:00.000+00:00")
"""


class Undone(Exception):
    """Undoes a transaction."""


def kept(store: Store, name: str, now: str = NOW) -> str:
    return store.files.make([name.encode()], name=name, media_type="text/plain", now=now).id


def is_there(store: Store, id: str) -> bool:
    try:
        return bool(b"".join(store.files.read(store.files.get(id))))
    except NotFound:
        return False


def killed(store_url: str, stage: str, folder: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), store_url, stage],
        env={**os.environ, "TMPDIR": str(folder)},
        timeout=60,
    )
    assert ended.returncode == -signal.SIGKILL


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store.open(store_url)
    yield store
    store.close()


def age(folder: Path, seconds: float) -> None:
    then = time.time() - seconds
    for path in folder.rglob("*"):
        if path.name[0] in ".c" or len(path.name) == 64 or path.parent.name.startswith("."):
            os.utime(path, (then, then))


STAGES = {
    Folder: ("while it is written", "before it is known", "in a blob", "after a blob"),
    Pieces: ("while it is written", "between its pieces"),
    Bucket: ("while it is written", "before it is known", "after a blob"),
}
"""When a writer is killed, by where its files and blobs lie."""


def test_what_a_killed_writer_leaves_goes_after_a_day(
    store: Store, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    present = kept(store, "present")
    for stage in STAGES[type(store.place)]:
        killed(store_url, stage, scratch)
        sweep(store, NOW)
        assert collect(store) == 0
        left = [*stray(store, time.time() + 60), *garbage(store, time.time() + 60)]
        assert len(left) + unfinished(store) >= 1, "it is too young to go"
        age(store.home or scratch, 25 * 3600)
        sweep(store, LATER)
        with monkeypatch.context() as patch:
            patch.setattr("annotary.store.leftovers.UNFINISHED_SECONDS", -60)
            collect(store)
        assert not [*stray(store, time.time() + 60), *garbage(store, time.time() + 60)], stage
        assert unfinished(store) == 0, stage
        assert is_there(store, present)


@pytest.fixture
def all_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotary.store.leftovers.UNFINISHED_SECONDS", -60)


def test_what_an_import_that_failed_has_stored_goes(store: Store, all_is_old: None) -> None:
    with pytest.raises(Undone), store.transaction() as connection:
        lost = store.blobs.put(LARGE, connection)
        raise Undone
    with store.transaction() as connection:
        present = store.blobs.put(LARGE[1:], connection)
    assert collect(store) == (0 if isinstance(store.place, Pieces) else 1)
    with store.reading() as connection:
        assert store.blobs.get(present, connection) == LARGE[1:]
        assert list(store.blobs.names(connection)) == [present]
        assert not store.blobs.has(lost, connection)
        with pytest.raises(NotFound):
            store.blobs.get(lost, connection)


def test_what_is_being_stored_is_not_taken_away(bucket: str, postgres_url: str, all_is_old: None) -> None:
    """However old it is: a writer that has not ended yet is about to name it."""
    store = Store.open(postgres_url)
    with pytest.raises(Undone), store.transaction() as connection:
        store.blobs.put(LARGE, connection)
        raise Undone
    ended: list[int] = []
    with store.transaction() as connection:
        name = store.blobs.put(LARGE, connection)
        one = threading.Thread(target=lambda: ended.append(collect(store)))
        one.start()
        one.join(30)
    assert ended == [0]
    with store.reading() as connection:
        assert store.blobs.get(name, connection) == LARGE
    store.close()


def test_what_is_being_removed_is_stored_anew(bucket: str, postgres_url: str, all_is_old: None) -> None:
    """Who stores a blob while it is removed waits for that, and does not take it for there."""
    store = Store.open(postgres_url)
    with pytest.raises(Undone), store.transaction() as connection:
        name = store.blobs.put(LARGE, connection)
        raise Undone
    removing, go_on = threading.Event(), threading.Event()
    delete = store.place.delete

    def slow(key: str) -> None:
        removing.set()
        assert go_on.wait(30)
        delete(key)

    def stored() -> None:
        with store.transaction() as connection:
            store.blobs.put(LARGE, connection)

    store.place.delete = slow  # type: ignore[method-assign]
    threads = [threading.Thread(target=lambda: collect(store)), threading.Thread(target=stored)]
    threads[0].start()
    assert removing.wait(30)
    threads[1].start()
    threads[1].join(0.5)
    assert threads[1].is_alive()
    go_on.set()
    for one in threads:
        one.join(30)
    with store.reading() as connection:
        assert store.blobs.get(name, connection) == LARGE
    store.close()


def test_many_writers_beside_the_collector(store: Store, all_is_old: None) -> None:
    """Writers that succeed and fail at the same few blobs, while all that has no row is removed at once."""
    over = threading.Event()
    faults: list[str] = []

    def write(seed: int) -> None:
        for turn in range(12):
            data = bytes([turn % 4]) * 100_000
            with suppress(Undone), store.transaction() as connection:
                name = store.blobs.put(data, connection)
                if (turn + seed) % 3:
                    raise Undone
            with store.reading() as connection:
                if store.blobs.has(name, connection) and store.blobs.get(name, connection) != data:
                    faults.append(name)

    def remove() -> None:
        while not over.is_set():
            collect(store)

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(3)]
    collector = threading.Thread(target=remove)
    for one in (collector, *writers):
        one.start()
    for one in writers:
        one.join(120)
    over.set()
    collector.join(30)
    assert faults == []
    with store.reading() as connection:
        names = list(store.blobs.names(connection))
        assert names and all(sha256(store.blobs.get(one, connection)).hexdigest() == one for one in names)


def unfinished(store: Store) -> int:
    """Rows of files that are not whole; pieces that belong to none of them must not be there either."""
    with store.reading() as connection:
        rows = connection.execute(files.select()).all()
        pieces = set(connection.execute(file_pieces.select()).scalars())
    assert pieces <= {row.id for row in rows}
    return sum(not row.body for row in rows)


def test_uploads_that_nothing_names_go_after_a_month(store: Store) -> None:
    world = World(Engine(store), Clock())
    base = "http://127.0.0.1:8100/files/"
    named = {
        what: kept(store, what)
        for what in ("image", "attachment", "import", "mask of pre-labels", "instructions")
    }
    alone, young = kept(store, "alone"), kept(store, "young", "2026-05-20T00:00:00.000+00:00")
    lines = f'{{"uuid":"a","dataRow":{{"globalKey":"key-0"}},"mask":"{base}{named["mask of pre-labels"]}"}}'
    pre = store.files.make([lines.encode()], name="pre", media_type="text/plain", now=NOW).id
    queued = Engine(store, queued=True)
    rows = f'[{{"row_data":"{base}{named["image"]}?token=t","global_key":"new"}}]'
    source = store.files.make([rows.encode()], name="rows", media_type="application/json", now=NOW)
    with store.files.local(source) as path:
        Engine(store).call(StartImport(source=str(path), format="data-rows", dataset="images"))
    attachment = Attachment(type="IMAGE", value=f"{base}{named['attachment']}?token=t")
    world.call(AddAttachments(data_row_id=world.ids[0], attachments=(attachment,)))
    queued.call(StartImport(source=named["import"], format="data-rows"))
    queued.call(StartAnnotationImport(kind="pre-labels", parent_id="streets", name="pre", source=pre))
    world.call(ChangeProject(project_id="streets", settings={"instructions": base + named["instructions"]}))
    assert forget_uploads(store, "2026-03-20T00:00:00.000+00:00") == 0
    forget_uploads(store, AFTER_MONTHS)
    assert {what: is_there(store, id) for what, id in named.items()} == dict.fromkeys(named, True)
    assert (is_there(store, alone), is_there(store, young), is_there(store, pre)) == (False, True, True)
    with store.reading() as connection:
        settled = connection.execute(files.select().where(files.c.expires_at == KEPT)).all()
    assert {row.id for row in settled} == {named["image"], named["attachment"]}
    assert forget_uploads(store, AFTER_MONTHS) == 0


def test_an_upload_that_comes_again_is_as_good_as_new(store: Store, tmp_path: Path) -> None:
    def sent(now: str) -> str:
        path = tmp_path / "sent"
        path.write_bytes(b"the same")
        return store.files.take(path, name="f", media_type="text/plain", now=now, once=True).id

    first = sent(NOW)
    assert sent("2026-05-30T00:00:00.000+00:00") == first
    assert forget_uploads(store, AFTER_MONTHS) == 0
    assert is_there(store, first)
    assert forget_uploads(store, "2026-12-01T00:00:00.000+00:00") == 1
    assert sent("2026-12-01T00:00:00.000+00:00") == first
    assert is_there(store, first)


@pytest.mark.postgres
def test_a_file_whose_row_was_swept_while_it_was_written_is_not_taken_for_whole(store: Store) -> None:
    def slow() -> Iterator[bytes]:
        yield b"x" * 3_000_000

    taken = store.place.take

    def take(name: str, path: Path, headers: Mapping[str, str]) -> None:
        taken(name, path, headers)
        sweep(store, AFTER_MONTHS)

    store.place.take = take  # type: ignore[method-assign]
    with pytest.raises(NotFound):
        store.files.make(slow(), name="f", media_type="text/plain", now=NOW)
    assert unfinished(store) == 0
    assert not list(garbage(store, time.time() + 60))
