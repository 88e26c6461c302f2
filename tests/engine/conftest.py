"""An engine on an empty store, on either database, whose clock stands still until it is moved."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from annotary.engine import partitions, spreading
from annotary.engine.core import Engine
from annotary.formats import Part
from annotary.store import Store
from annotary.store.rows import Stretch
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


@pytest.fixture
def done_again(monkeypatch: pytest.MonkeyPatch) -> list[Stretch]:
    """The stretches of exports that others had to write, and whoever asked has written in their place."""
    again: list[Stretch] = []
    here = spreading._Spread._here

    def noted(spread: spreading._Spread, stretch: Stretch) -> Iterator[Part]:
        if spread.next in spread.given:
            again.append(stretch)
        return here(spread, stretch)

    monkeypatch.setattr(spreading._Spread, "_here", noted)
    return again


@pytest.fixture
def own_engines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a process keeps open for its next stretch is closed at the end, where the process is this one."""
    opened = partitions._engine
    engines: dict[tuple[str, ...], Engine] = {}

    def kept(*asked: str) -> Engine:
        return engines.get(asked) or engines.setdefault(asked, opened.__wrapped__(*asked))

    monkeypatch.setattr(partitions, "_engine", kept)
    yield
    for engine in engines.values():
        engine.close()
