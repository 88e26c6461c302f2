"""A store moves between databases and comes out the same, however often the move is interrupted."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
from sqlalchemy import text

import annotary
from annotary.engine.checking import check_target
from annotary.engine.copying import copy_store
from annotary.engine.core import Engine
from annotary.engine.demo import load_demo
from annotary.engine.secret import signing_secret
from annotary.errors import Conflict, Invalid, NotFound, Unavailable
from annotary.model.project import Dataset, Project
from annotary.store import Store, copying
from tests._server import SCRIPT, quiet_environment
from tests.test_identical import exported

BIG = bytes(range(256)) * 1000


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the sample, a change after it, a large blob, a file, two organisations."""
    place = tmp_path_factory.mktemp("source") / "store"
    store = Store.open(place)
    engine = Engine(store)
    load_demo(engine, place.parent / "pictures", draw=False)
    with store.transaction() as connection:
        store.blobs.put(BIG, connection)
    store.files.make([b"one\n", BIG], name="a.txt", media_type="text/plain", now=engine.now())
    (dataset,) = store.find(Dataset)
    store.seen_as("other").add(dataset)
    signing_secret(store)
    store.close()
    return place


def cursor(place: str) -> int:
    store = Store.open(place)
    (project,) = store.find(Project)
    at, _, _ = store.at("project", project.id)
    store.close()
    return at.sequence


def test_there_and_back(source: Path, postgres_url: str, tmp_path: Path) -> None:
    before = exported(str(source))
    there = copy_store(str(source), postgres_url)
    assert exported(postgres_url) == before
    assert check_target(postgres_url).wrong == 0
    back = str(tmp_path / "back")
    assert copy_store(postgres_url, back) == there
    assert exported(back) == before
    assert check_target(back).wrong == 0
    assert cursor(back) == cursor(postgres_url) == cursor(str(source))
    stores = [Store.open(one) for one in (source, postgres_url, back)]
    assert len({signing_secret(one) for one in stores}) == 1
    for store in stores:
        with store.reading() as connection:
            assert connection.execute(text("SELECT count(*) FROM files")).scalar_one() == there.files == 1
            (id,) = connection.execute(text("SELECT id FROM files")).scalars()
            names = list(store.blobs.names(connection))
            assert len(names) == there.blobs
            assert BIG in {store.blobs.get(name, connection) for name in names}
        assert b"".join(store.files.read(store.files.get(id))) == b"one\n" + BIG
        assert len(store.seen_as("other").find(Dataset)) == 1
        store.close()


def test_what_is_copied_is_worked_with_further(source: Path, postgres_url: str) -> None:
    copy_store(str(source), postgres_url)
    with annotary.Client(postgres_url) as client:
        row = {"row_data": "https://example.org/new.png", "global_key": "new"}
        assert client.create_dataset(name="more").create_data_rows([row]).rows == 1
    assert check_target(postgres_url).wrong == 0


def test_an_interrupted_copy_goes_on_and_is_no_store_until_it_is_whole(
    source: Path, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "ROWS", 7)
    before = exported(str(source))
    for destination in (postgres_url, str(tmp_path / "copy")):
        reached = 0
        for _ in range(10):

            def stop(done: int, total: int, limit: int = reached + 20) -> None:
                nonlocal reached
                reached = done
                if done > limit:
                    raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                copy_store(str(source), destination, progress=stop)
            with pytest.raises(Unavailable, match="a copy that was interrupted"):
                Store.open(destination)
        assert reached > 200
        copy_store(str(source), destination)
        assert exported(destination) == before
        assert check_target(destination).wrong == 0


def test_a_copy_that_is_killed_goes_on(source: Path, tmp_path: Path) -> None:
    destination = tmp_path / "copy"
    killed = 0
    for attempt in range(10):
        command = [SCRIPT, "copy", str(source), str(destination)]
        process = subprocess.Popen(command, env=quiet_environment(), stdout=subprocess.DEVNULL)
        time.sleep(0.3 + attempt * 0.05)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed
    try:
        copy_store(str(source), str(destination))
    except Conflict as error:
        # The last one may have come to its end.
        assert "holds a store already" in str(error)
    assert exported(str(destination)) == exported(str(source))


def test_what_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="both source and destination"):
        copy_store(str(source), f"{source}/../store")
    with pytest.raises(NotFound, match="no store at"):
        copy_store(str(tmp_path / "none"), str(tmp_path / "to"))
    assert not (tmp_path / "none").exists()
    with pytest.raises(Invalid, match="not a store"):
        copy_store(str(source), "http://127.0.0.1:1")
    copy_store(str(source), str(tmp_path / "full"))
    with pytest.raises(Conflict, match="holds a store already"):
        copy_store(str(source), str(tmp_path / "full"))


def test_a_store_that_was_changed_meanwhile_is_not_gone_on_with(source: Path, tmp_path: Path) -> None:
    changing = tmp_path / "changing"
    copy_store(str(source), str(changing))
    to = str(tmp_path / "to")

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_store(str(changing), to, progress=stop)
    with annotary.Client(str(changing)) as client:
        client.create_dataset(name="one more")
    with pytest.raises(Conflict, match="unfinished copy of another store"):
        copy_store(str(changing), to)


def test_a_difference_and_damage_are_found(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = str(tmp_path / "to")
    original = copying.Copy._blobs

    def spoil(self: copying.Copy) -> int:
        with self.destination.transaction() as connection:
            connection.execute(text("UPDATE labels SET head = '' WHERE n = 1"))
        return original(self)

    monkeypatch.setattr(copying.Copy, "_blobs", spoil)
    with pytest.raises(Unavailable, match="differs from the store in labels"):
        copy_store(str(source), to)
    monkeypatch.undo()
    damaged = tmp_path / "damaged"
    copy_store(str(source), str(damaged))
    (blob,) = (one for one in damaged.glob("blobs/??/*") if one.stat().st_size == len(BIG))
    blob.write_bytes(BIG[:-1])
    with pytest.raises(Unavailable, match=f"blob {blob.name} is damaged"):
        copy_store(str(damaged), str(tmp_path / "elsewhere"))
