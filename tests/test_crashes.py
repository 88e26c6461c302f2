"""Killed at any moment: what was acknowledged is there, the rest is there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

import annotary
from annotary.sample.workload import workload

ROWS = 1200
COMMAND = [sys.executable, "-c", "from annotary.cli import main; main()"]


def run(store: str, *words: str, kill_after: float | None = None) -> bool:
    """Run a command; True when it has ended well, False when it was killed before."""
    process = subprocess.Popen(
        [*COMMAND, "--at", store, "--quiet", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    try:
        _, errors = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        return False
    assert process.returncode == 0, errors
    return True


def files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Import files with rows, ids and a project of their own each."""
    number = 0
    source = workload(10_000_000, seed=5)
    while True:
        number += 1
        project = f"project-{number}"
        path = folder / f"{project}.ndjson"
        with path.open("wb") as file:
            for line in islice(source, ROWS):
                row = json.loads(line)
                (share,) = row["projects"].values()
                row["projects"] = {project: {**share, "name": project}}
                file.write(json.dumps(row).encode() + b"\n")
        yield project, path


def rows_of(store: str) -> dict[str, int]:
    with annotary.Client(store) as client:
        return {one.id: sum(1 for _ in one.export().lines()) for one in client.get_projects()}


def crash(store: str, folder: Path, times: int) -> None:
    luck = random.Random(times)
    source = files(folder)
    known, path = next(source)
    begun = time.monotonic()
    assert run(store, "import", str(path))
    whole = time.monotonic() - begun
    acknowledged = {known}
    begun = time.monotonic()
    reference = folder / "reference.ndjson"
    assert run(store, "export", known, "--all-details", "-o", str(reference))
    export_time = time.monotonic() - begun
    wanted = hashlib.sha256(reference.read_bytes()).hexdigest()
    killed = 0
    tries = 0
    while killed < times:
        tries += 1
        assert tries < times * 12, "the commands end before they can be killed"
        if tries % 2:
            project, path = next(source)
            if run(store, "import", str(path), kill_after=luck.uniform(0.2, 1.1) * whole):
                acknowledged.add(project)
            else:
                killed += 1
            path.unlink()
        else:
            out = folder / f"out-{tries}.ndjson"
            after = luck.uniform(0.2, 1.1) * export_time
            ended = run(store, "export", known, "--all-details", "-o", str(out), kill_after=after)
            killed += not ended
            if out.exists():
                assert hashlib.sha256(out.read_bytes()).hexdigest() == wanted
            else:
                assert not ended
    assert run(store, "check")
    found = rows_of(store)
    assert set(found.values()) <= {ROWS}, "a part of a file was stored"
    assert acknowledged <= set(found)
    names = {one.name for one in folder.glob("*.ndjson")}
    assert all(
        hashlib.sha256((folder / name).read_bytes()).hexdigest() == wanted
        for name in names
        if name.startswith("out-")
    )


def test_killed_a_few_times(store_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    crash(store_url, folder, 3)


@pytest.mark.soak
def test_killed_fifty_times(store_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    crash(store_url, folder, 50)
