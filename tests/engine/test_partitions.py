"""Stretches of an export as other processes write them: how little these have to begin with."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from annotary.engine.core import Engine
from annotary.engine.corpora import selection
from annotary.engine.loading import import_sources
from annotary.engine.partitions import Job, Order
from annotary.engine.sources import ValueSource
from annotary.formats import options_of
from annotary.model.export import ExportParams, ExportQuery, ProjectScope
from annotary.model.project import Project
from annotary.sample.workload import workload
from annotary.store import Store
from annotary.store.rows import Stretch

PSYCOPG = {"asyncio", "email", "importlib.metadata", "psycopg"}
"""What it brings itself."""
HEAVY = PSYCOPG | {"alembic", "httpx", "numpy", "PIL", "pyroaring", "sqlalchemy", "starlette", "typer"}
NUMPY = ("labelbox-v1", "coco", "yolo")
"""Formats that need numpy."""
PROGRAM = """
import pickle, sys
import annotary.engine.preparing, annotary.engine.processes
from annotary.engine.partitions import write_stretch

heavy = set(sys.argv[1].split())
print("none", *sorted(heavy & sys.modules.keys()))
for name, job in pickle.load(sys.stdin.buffer):
    print(name, write_stretch(pickle.loads(job)).done, *sorted(heavy & sys.modules.keys()))
"""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "store")
    url: str = request.getfixturevalue("postgres_url")
    return url


def test_a_process_that_writes_a_stretch_of_plain_rows_imports_no_more_than_that_needs(
    target: str, tmp_path: Path
) -> None:
    engine = Engine(Store.open(target))
    import_sources(engine, [ValueSource([json.loads(line) for line in workload(20)])])
    (project,) = engine.store.find(Project)
    jobs = []
    for name in ("labelbox-v2", "labelbox-ndjson", *NUMPY):
        options = options_of(name, {})
        query = ExportQuery(scope=ProjectScope(id=project.id))
        chosen = selection(engine, query, lean=options.lean())
        assert chosen is not None
        order = Order(chosen, name, options, "all", ExportParams(), False)
        goal = str(tmp_path / name)
        job = Job(order, Stretch(0, 1 << 40), goal, target, "default", engine.base_url)
        # Packed by itself: options are unpacked by the module of their format.
        jobs.append((name, pickle.dumps(job)))
    engine.close()
    heavy = HEAVY - PSYCOPG if "://" in target else HEAVY
    made = subprocess.run(
        [sys.executable, "-c", PROGRAM, " ".join(heavy)], input=pickle.dumps(jobs), capture_output=True
    )
    assert made.returncode == 0, made.stderr.decode()
    assert made.stdout.decode().splitlines() == [
        "none",
        "labelbox-v2 20",
        "labelbox-ndjson 20",
        *(f"{name} 20 numpy" for name in NUMPY),
    ]
