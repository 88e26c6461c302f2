"""The official SDK: each release in an environment of its own, run as a program against a live server."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import annotary
from annotary.engine.core import Engine
from annotary.engine.demo import load_demo
from annotary.model.annotation import Annotations
from annotary.model.row import LabelDetails
from annotary.operations.labels import SaveLabel
from annotary.store import Store
from tests._server import Server, make_key, serving
from tests.conftest import ROOT

collect_ignore = ["programs", "published"]  # for other environments than this one

HERE = Path(__file__).parent
ENVIRONMENTS = ROOT / ".sdk"
OLD, LATE_OLD, NEW = "3.52.0", "3.78.2", "7.17.0"
ON_POSTGRES = pytest.param(NEW, "postgres", marks=pytest.mark.postgres)
VERSIONS = (OLD, LATE_OLD, "5.2.1", "6.10.0", NEW)
SECONDS = 240
DAYS = (
    "2022-09-27T23:59:59",
    "2022-09-28T00:00:00",
    "2022-10-02T12:00:00",
    "2022-10-04T23:59:59",
    "2022-10-05T00:00:00",
)


def environment(version: str) -> Path:
    """The Python of a release of the SDK; skips the test where it is not installed."""
    folder = ENVIRONMENTS / version
    lock = HERE / "locks" / f"{version}.txt"
    made = folder / "lock.txt"
    if made.exists() and made.read_bytes() == lock.read_bytes():
        return folder / "bin" / "python"
    log = ENVIRONMENTS / f"{version}.log"
    said = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    reason = said[-1] if said else "`sh scripts/sdk.sh` installs it"
    pytest.skip(f"the SDK labelbox {version} is not installed: {reason}")


@dataclass
class Sdk:
    """A release of the SDK, pointed at a server."""

    version: str
    python: Path
    url: str
    key: str
    folder: Path
    seconds: float = SECONDS

    def run(self, program: str, **given: Any) -> Any:
        """What a program of `programs/` found, which it hands over as JSON."""
        answer = self.folder / f"{program}-{self.version}.json"
        answer.unlink(missing_ok=True)
        request = {"url": self.url, "key": self.key, "answer": str(answer), "version": self.version, **given}
        ended = subprocess.run(
            [self.python, HERE / "programs" / f"{program}.py"],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=self.seconds,
            cwd=self.folder,
            env=_environment(),
        )
        assert ended.returncode == 0, f"{program} with labelbox {self.version}:\n{ended.stderr[-6000:]}"
        return json.loads(answer.read_text())


def _environment() -> dict[str, str]:
    hidden = ("ANNOTARY_", "LABELBOX_", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(hidden)}


MakeSdk = Callable[..., Sdk]


@pytest.fixture
def sdk_for(tmp_path: Path) -> MakeSdk:
    """Makes a release of the SDK, pointed at a server."""

    def make(version: str, server: Server, *, key: str | None = None) -> Sdk:
        python = environment(version)
        return Sdk(version, python, server.url, key or server.key(), tmp_path)

    return make


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server on a fresh, empty store: in a folder, or on PostgreSQL where a test asks for that."""
    target = str(tmp_path / "store")
    if getattr(request, "param", "sqlite") == "postgres":
        target = request.getfixturevalue("postgres_url")
    annotary.Client(target).close()
    with serving(target, tmp_path / "server.log") as server:
        yield server


@dataclass(frozen=True)
class Street:
    """The sample project behind a server, with some labels of the days that the published code asks for."""

    server: Server
    project_id: str
    model_run_id: str
    key: str

    def client(self) -> annotary.Client:
        """An embedded client on the same store: what it says is what the SDK must find."""
        return annotary.Client(self.server.target, base_url=self.server.url)


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """The sample project behind a server, to be read only; one for each process that tests run in."""
    folder = tmp_path_factory.mktemp("street")
    target = str(folder / "store")
    engine = Engine(Store.open(target))
    loaded = load_demo(engine, folder, rows=40, draw=False)
    engine.close()
    _label_in_2022(target, loaded.project_id)
    key = make_key(target, "reader")
    with serving(target, folder / "server.log") as server:
        yield Street(server, loaded.project_id, loaded.model_run_id, key)


def _label_in_2022(target: str, project_id: str) -> None:
    """Labels on each side of the range that the published code asks for, at its ends, and within."""
    with annotary.Client(target) as client:
        rows = client.get_project(project_id).export().result
        for day, row in zip(DAYS, rows, strict=False):
            moment = f"{day}.000+00:00"
            client.call(
                SaveLabel(
                    project_id=project_id,
                    data_row_id=row["data_row"]["id"],
                    annotations=Annotations(),
                    details=LabelDetails(created_at=moment, updated_at=moment, created_by="ann@example.com"),
                )
            )
