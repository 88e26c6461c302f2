from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from annotary.store import Store
from tests.server.labelbox.talk import Talk


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    """An administrator's program, talking to a server on an empty store."""
    store = Store.open(tmp_path / "store")
    yield Talk(store)
    store.close()
