"""Copies of the demo's store, and ways to type commands."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from annotary.cli import app

Type = Callable[..., Result]
SCRIPT = Path(sys.executable).with_name("annotary")
PROJECT = "Street scenes"


def typed(*words: str | Path) -> Result:
    """What a command line gives, in this process."""
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="annotary")


def done(*words: str | Path) -> str:
    """The output of a command that must work."""
    result = typed(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def document(*words: str | Path) -> Any:
    """The one JSON document that a command prints."""
    return json.loads(done(*words, "--json"))


def refused(*words: str | Path, status: int = 1) -> str:
    """The one line with which a command fails."""
    result = typed(*words)
    assert result.exit_code == status, result.output
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("annotary: ")
    assert result.stdout == ""
    return lines[0].removeprefix("annotary: ")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the developer's reaches a test, and no test writes into the repository."""
    for name in list(os.environ):
        if name.startswith("ANNOTARY_") and not name.startswith("ANNOTARY_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def store(demo_store: Path, tmp_path: Path) -> Path:
    """A copy of the demo's store, to be changed."""
    copy = tmp_path / "store"
    shutil.copytree(demo_store, copy, ignore=shutil.ignore_patterns("images"))
    return copy
