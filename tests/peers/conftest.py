"""Other programs in an environment of their own, `.peers`, which `make test` sets up."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
PYTHON = ROOT / ".peers" / "bin" / "python"
Peers = Callable[..., Any]


@pytest.fixture(scope="session")
def peers() -> Peers:
    """Calls another program: `peers("read", "supervision", "coco", path, images)`."""
    if not PYTHON.exists():
        pytest.skip("the other programs are not installed; `sh scripts/peers.sh` does it")

    def call(*words: object) -> Any:
        command = [str(PYTHON), str(Path(__file__).with_name("program.py")), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return call


@pytest.fixture(scope="session")
def coco20(shared: Path) -> Path:
    """Twenty images of COCO with its annotations."""
    return shared / "data" / "coco20"
