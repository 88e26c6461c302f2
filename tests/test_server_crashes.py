"""A server killed at any moment: nothing acknowledged is lost, no task is stuck, none is done twice."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from annotary.engine.checking import check
from annotary.store import Store
from annotary.store.bucket import Bucket
from tests._traffic import Processes, suffer


def test_killed_a_few_times(tmp_path: Path) -> None:
    suffer(str(tmp_path / "store"), tmp_path, Processes.kill_one, times=2, workers=0)


@pytest.mark.postgres
def test_killed_a_few_times_with_two_workers(postgres_url: str, tmp_path: Path) -> None:
    suffer(postgres_url, tmp_path, Processes.kill_one, times=2, workers=2)


@pytest.mark.soak
@pytest.mark.postgres
def test_killed_with_a_bucket(bucket: str, postgres_url: str, tmp_path: Path) -> None:
    with closing(Store.open(postgres_url)) as store:
        assert isinstance(store.place, Bucket)
        suffer(postgres_url, tmp_path, Processes.kill_one, times=2, workers=2)
        assert any(store.place.names("files/"))
        assert check(store).wrong == 0


@pytest.mark.soak
def test_killed_thirty_times(tmp_path: Path) -> None:
    suffer(str(tmp_path / "store"), tmp_path, Processes.kill_one, times=30, workers=0)


@pytest.mark.soak
@pytest.mark.postgres
def test_killed_thirty_times_with_two_workers(postgres_url: str, tmp_path: Path) -> None:
    suffer(postgres_url, tmp_path, Processes.kill_one, times=30, workers=2)
