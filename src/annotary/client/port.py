"""The port: the few verbs through which a client reaches annotary, here or elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from annotary.engine.core import DEFAULT_BASE_URL, Engine
from annotary.engine.exporting import Export, open_export
from annotary.engine.loading import Report, import_sources
from annotary.engine.masks import mask_png
from annotary.engine.sources import ValueSource, files
from annotary.errors import Invalid
from annotary.operations import Operation
from annotary.operations.exports import StartExport
from annotary.store import Store

R = TypeVar("R")


class Port(Protocol):
    """What carries a client's wishes out."""

    base_url: str

    def call(self, operation: Operation[R]) -> R:
        """Carry an operation out."""

    def export(self, request: StartExport, *, counted: bool = False) -> Export:
        """Set an export up, to be read by its parts."""

    def load(self, given: Iterable[Any], *, images: Path | None = None, **options: Any) -> Report:
        """Import paths, or values as they would stand in a file."""

    def mask(self, feature_id: str) -> bytes:
        """The PNG of a mask."""

    def close(self) -> None:
        """Let go of what is held open."""


class Embedded:
    """The port to a store on this machine: no server, no socket."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.base_url = engine.base_url

    def call(self, operation: Operation[R]) -> R:
        """Carry an operation out."""
        return self.engine.call(operation)

    def export(self, request: StartExport, *, counted: bool = False) -> Export:
        """Set an export up, to be read by its parts."""
        return open_export(self.engine, request, counted=counted)

    def load(
        self,
        given: Iterable[Any],
        *,
        images: Path | None = None,
        progress: Callable[[int], None] = lambda rows: None,
        **options: Any,
    ) -> Report:
        """Import paths, or values as they would stand in a file."""
        given = list(given) if isinstance(given, list | tuple) else given
        if isinstance(given, list) and all(isinstance(one, str | Path) for one in given):
            sources: list[Any] = list(files(given, images))
        else:
            sources = [ValueSource(given)]
        return import_sources(self.engine, sources, progress=progress, **options)

    def mask(self, feature_id: str) -> bytes:
        """The PNG of a mask."""
        return mask_png(self.engine, feature_id)

    def close(self) -> None:
        """Let go of the store."""
        self.engine.close()


def connect(target: str | Path, *, org: str = "default", base_url: str | None = None) -> Port:
    """A port to a target: a folder, or a `postgresql://` URL. Raises Invalid, Unavailable."""
    if str(target).startswith(("http://", "https://")):
        raise Invalid(
            f"{target} is a server; this version works on stores: give a folder or a postgresql:// URL"
        )
    return Embedded(Engine(Store.open(target, org), base_url=base_url or DEFAULT_BASE_URL))
