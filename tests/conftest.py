"""What every test may ask for: a store on either database, a client on it, the data beside the repository."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import hypothesis
import pytest

import annotary
from tests import _s3
from tests._postgres import Unavailable, shared_postgres, temporary_database
from tests._server import SCRIPT, quiet_environment

ROOT = Path(__file__).parent.parent

# Examples are not timed, and the same in every run of continuous integration.
hypothesis.settings.register_profile("annotary", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("annotary")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--regold` writes the golden files anew, to be read in the difference before they are committed."""
    parser.addoption("--regold", action="store_true", help="write tests/formats/golden anew")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: the official SDK, which sleeps a lot, keeps one busy that needs none."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The official SDK comes first: it sleeps while other tests work, and nobody waits for it at the end.

    On PostgreSQL with a bucket run those that are marked so: they are about what lies beside the rows.
    The others run there, too, where there is time for long tests.
    """
    for item in items:
        if _on_bucket(item) and not item.get_closest_marker("bucket"):
            item.add_marker("soak")
    items.sort(key=lambda item: "sdk" not in item.path.parts)


def _on_bucket(item: pytest.Item) -> bool:
    return (
        isinstance(item, pytest.Function)
        and hasattr(item, "callspec")
        and ("bucket" in item.callspec.params.values())
    )


DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
STORES = [*DATABASES, pytest.param("bucket", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a server to make databases on: the one of the environment, else a temporary one."""
    if url := os.environ.get("ANNOTARY_TEST_POSTGRES_URL"):
        return url
    folder, owner = tmp_path_factory.getbasetemp(), os.getpid()
    if "PYTEST_XDIST_WORKER" in os.environ:  # one server for all workers
        folder, owner = folder.parent, os.getppid()
    try:
        return shared_postgres(folder, owner=owner)
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of a fresh, empty PostgreSQL database."""
    with temporary_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mapping[str, str], str]:
    """What reaches an S3 server, and a bucket there: those of the environment, else of a temporary one."""
    if url := os.environ.get("ANNOTARY_TEST_S3_URL"):
        return {}, url.rstrip("/")
    return s3_of("moto", tmp_path_factory), f"s3://{_s3.BUCKET}"


def s3_of(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What reaches a server of a kind that the tests start."""
    folder, owner = tmp_path_factory.getbasetemp(), os.getpid()
    if "PYTEST_XDIST_WORKER" in os.environ:  # one server for all workers
        folder, owner = folder.parent, os.getppid()
    try:
        return _s3.shared_s3(kind, folder, owner=owner)
    except _s3.Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def bucket(s3_server: tuple[Mapping[str, str], str]) -> Iterator[str]:
    """The address of an empty place in a bucket; stores that are made on PostgreSQL meanwhile have it."""
    with _s3.temporary_bucket(*s3_server) as place:
        yield place


@pytest.fixture(params=STORES)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store may be made: a folder for SQLite, then a PostgreSQL database, then one with a bucket."""
    if request.param == "sqlite":
        return str(tmp_path / "store")
    if request.param == "bucket":
        request.getfixturevalue("bucket")
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(params=[*STORES, "remote"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[annotary.Client]:
    """A client on an empty store: embedded on either database, with a bucket, and through a server."""
    on_postgres = request.param in ("postgres", "bucket")
    if request.param == "bucket":
        request.getfixturevalue("bucket")
    target = request.getfixturevalue("postgres_url") if on_postgres else tmp_path / "store"
    if request.param != "remote":
        with annotary.Client(target) as client:
            yield client
        return
    from tests._live import live

    with live(str(target)) as server, annotary.Client(server.url, api_key=server.key) as client:
        yield client


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the demo, to be read only; made by the first of the processes that tests run in."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "annotary-demo"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "exports").exists():
            command = [SCRIPT, "demo", folder]
            made = subprocess.run(command, capture_output=True, text=True, env=quiet_environment())
            assert made.returncode == 0, made.stderr
            shutil.copytree(folder, _store_of(folder), ignore=shutil.ignore_patterns("exports"))
    return folder


@pytest.fixture(scope="session")
def demo_store(demo: Path) -> Path:
    """A folder with the demo's store and pictures that nobody opens: to be copied."""
    return _store_of(demo)


def _store_of(demo: Path) -> Path:
    return demo.with_name(f"{demo.name}-store")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published examples and data beside the repository."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("../shared is absent: the published examples are not beside this repository")
    return folder
