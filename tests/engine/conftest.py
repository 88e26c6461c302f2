"""An engine on an empty store, on either database, whose clock stands still until it is moved."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from annotary.engine.core import Engine
from annotary.store import Store
from tests.engine.world import Clock, World


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(store_url: str, clock: Clock) -> Iterator[Engine]:
    engine = Engine(Store.open(store_url), clock=clock)
    yield engine
    engine.close()


@pytest.fixture
def world(engine: Engine, clock: Clock) -> World:
    """A project with an ontology of every kind, and ten data rows, six of them in its first batch."""
    return World(engine, clock)
