"""The same content gives the same bytes: on either database, on every run, after a dump and reload."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import annotary
from annotary.engine.core import Engine
from annotary.engine.loading import import_sources
from annotary.engine.sources import ValueSource
from annotary.sample.workload import workload
from annotary.store import Store
from annotary.store.bucket import Bucket

DETAILS = dict.fromkeys(
    (
        "attachments",
        "metadata_fields",
        "data_row_details",
        "project_details",
        "label_details",
        "performance_details",
    ),
    True,
)
MOMENT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def filled(url: str) -> str:
    """A store with rows of the workload and of the sample without some of their details."""
    import json

    rows = [json.loads(line) for line in islice(workload(700), 700)]
    for row in rows[::7]:
        del row["data_row"]["details"]
        (share,) = row["projects"].values()
        share.pop("project_details", None)
    engine = Engine(Store.open(url), clock=lambda: MOMENT)
    import_sources(engine, [ValueSource(rows)], format="labelbox-v2")
    engine.close()
    return url


def exported(url: str) -> list[bytes]:
    with annotary.Client(url) as client:
        (project,) = client.get_projects()
        return [
            b"".join(part.data for part in project.export(params=params, **kind).open().parts)
            for params in (DETAILS, {})
            for kind in (
                {},
                {"options": {"field_set": "seed"}},
                {"format": "labelbox-v1"},
                {"format": "labelbox-ndjson"},
            )
        ]


def test_both_databases_and_every_run(tmp_path: Path, postgres_url: str) -> None:
    embedded = exported(filled(str(tmp_path / "store")))
    assert all(embedded)
    assert exported(str(tmp_path / "store")) == embedded
    assert exported(filled(postgres_url)) == embedded


@pytest.mark.postgres
def test_with_a_bucket(bucket: str, postgres_url: str, tmp_path: Path) -> None:
    embedded = exported(filled(str(tmp_path / "store")))
    assert exported(filled(postgres_url)) == embedded
    store = Store.open(postgres_url)
    assert isinstance(store.place, Bucket)
    store.close()


def test_sqlite_dump_and_reload(tmp_path: Path) -> None:
    before = exported(filled(str(tmp_path / "store")))
    copy = tmp_path / "copy"
    copy.mkdir()
    with sqlite3.connect(tmp_path / "store" / "annotary.db") as source:
        with sqlite3.connect(copy / "annotary.db") as target:
            target.executescript("\n".join(source.iterdump()))
        target.close()
    source.close()
    assert exported(str(copy)) == before


def test_postgres_dump_and_reload(postgres_url: str, postgres_server: str, tmp_path: Path) -> None:
    from tests._postgres import temporary_database

    if shutil.which("pg_dump") is None or shutil.which("psql") is None:
        pytest.skip("pg_dump and psql are not installed")
    before = exported(filled(postgres_url))
    dump = tmp_path / "dump.sql"
    subprocess.run(["pg_dump", "--no-owner", "-f", str(dump), postgres_url], check=True)
    with temporary_database(postgres_server) as other:
        quiet: dict[str, Any] = {"check": True, "capture_output": True}
        subprocess.run(["psql", "-v", "ON_ERROR_STOP=1", "-q", "-f", str(dump), other], **quiet)
        assert exported(other) == before
