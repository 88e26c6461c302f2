"""Which place a store has: chosen once, noted in the database, its own, and left for another by a move."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from annotary.engine.checking import check
from annotary.engine.copying import copy_store
from annotary.engine.core import Engine
from annotary.engine.demo import load_demo
from annotary.engine.migrating import migrated
from annotary.errors import Invalid, Unavailable
from annotary.store import Store, choosing
from annotary.store.bucket import Bucket
from annotary.store.pieces import Pieces
from annotary.store.places import Folder, Place
from annotary.store.schema import blobs, entities, file_pieces, files
from tests._postgres import temporary_database

LARGE = bytes(range(256)) * 4000
NOW = "2026-03-01T00:00:00.000+00:00"


@pytest.fixture
def other_url(postgres_server: str) -> Iterator[str]:
    with temporary_database(postgres_server) as url:
        yield url


def filled(target: str, tmp_path: Path) -> Store:
    store = Store.open(target)
    load_demo(Engine(store), tmp_path, rows=2, draw=False)
    with store.transaction() as connection:
        store.blobs.put(LARGE, connection)
    store.files.make([LARGE], name="large", media_type="text/plain", now=NOW)
    return store


def is_whole(store: Store, place: type[Place]) -> None:
    assert type(store.place) is place
    report = check(store)
    assert report.wrong == 0, report.findings
    assert {one.name: one.number for one in report.checks}["files"] >= 1
    with store.reading() as connection:
        assert LARGE in {store.blobs.get(name, connection) for name in store.blobs.names(connection)}
        found = [store.files.get(one) for one in connection.execute(select(files.c.id)).scalars()]
    assert LARGE in {b"".join(store.files.read(one)) for one in found if one.name == "large"}


def test_a_place_is_found_by_whoever_opens_the_store(
    bucket: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store.open(postgres_url).close()
    monkeypatch.delenv("ANNOTARY_BLOBS")
    store = Store.open(postgres_url)
    assert isinstance(store.place, Bucket) and store.place.shown == bucket
    with store.reading() as connection:
        said = " ".join(connection.execute(select(entities.c.body)).scalars())
    assert bucket in said and "secret" not in said.lower()
    store.close()
    monkeypatch.setenv("ANNOTARY_BLOBS", f"{bucket}/other")
    with pytest.raises(
        Invalid, match=f"keeps its files in {bucket}, and ANNOTARY_BLOBS is .*migrate --blobs"
    ):
        Store.open(postgres_url)


def test_a_folder_needs_none(bucket: str, tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    assert isinstance(store.place, Folder) and store.place.root == store.home
    store.close()
    with pytest.raises(Invalid, match="stores on PostgreSQL"):
        migrated(str(tmp_path / "store"), bucket)


def test_a_place_is_of_one_store(bucket: str, postgres_url: str, other_url: str) -> None:
    Store.open(postgres_url).close()
    with pytest.raises(Invalid, match="holds the blobs of another store"):
        Store.open(other_url)


@pytest.mark.parametrize("address", ["ftp://a/b", "file://host/a", "file:relative", "folder", "s3://"])
def test_what_is_no_place(address: str, postgres_url: str) -> None:
    with pytest.raises(Invalid, match="not a"):
        migrated(postgres_url, address)
    store = Store.open(postgres_url)
    assert isinstance(store.place, Pieces)
    store.close()


def test_a_shared_folder_that_is_not_mounted(postgres_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    migrated(postgres_url, folder.as_uri())
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(Unavailable, match="is it mounted"):
        Store.open(postgres_url)
    assert not folder.exists()


def test_from_the_database_to_a_folder_to_a_bucket(
    bucket: str, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANNOTARY_BLOBS")
    filled(postgres_url, tmp_path).close()
    folder = tmp_path / "shared"
    for address, kind, left in ((folder.as_uri(), Folder, None), (bucket, Bucket, folder.as_uri())):
        moved = migrated(postgres_url, address)
        assert moved.blobs >= 1 and moved.files >= 1 and moved.left == left
        assert migrated(postgres_url, address).files == 0
        store = Store.open(postgres_url)
        is_whole(store, kind)
        with store.reading() as connection:
            assert connection.execute(select(file_pieces)).first() is None
            assert not [
                data for data in connection.execute(select(blobs.c.data)).scalars() if len(data) > 70_000
            ]
        assert choosing.is_own(store)
        store.close()
    # It may be that of another store, of which this database is a copy.
    assert LARGE in [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


def test_a_copy_has_a_place_of_its_own(
    bucket: str, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "store"
    filled(str(source), tmp_path).close()
    copied = copy_store(str(source), postgres_url)
    assert copied.files >= 1
    store = Store.open(postgres_url)
    is_whole(store, Bucket)
    store.close()
    back = copy_store(postgres_url, str(tmp_path / "back"))
    assert back == copied
    store = Store.open(tmp_path / "back")
    is_whole(store, Folder)
    store.close()


def test_check_finds_what_a_bucket_has_lost(
    bucket: str, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(postgres_url, tmp_path)
    assert check(store).wrong == 0
    named = [one.name for one in store.place.names("blobs/")]
    mask = next(one for one in named if store.place.whole(one) != LARGE)
    store.place.put(mask, b"other")
    (file,) = [one.name for one in store.place.names("files/") if store.place.whole(one.name) == LARGE]
    store.place.delete(file)
    assert sorted(one.reason.partition(":")[0][:20] for one in check(store).findings) == [
        f"file {file[6:]!r} "[:20],
        "the bytes are not th",
    ]
    store.close()
