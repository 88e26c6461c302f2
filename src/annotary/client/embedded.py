"""The port to a store on this machine: no server, no socket.

What one call alone has need of is imported by it: a command makes one or two calls, and soon ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from annotary.engine.core import Engine
from annotary.engine.exporting import Export, open_export
from annotary.model.analysis import Evaluation
from annotary.operations import Operation
from annotary.operations.analyses import Measure
from annotary.operations.exports import StartExport

if TYPE_CHECKING:
    from annotary.engine.loading import Report

R = TypeVar("R")


class Embedded:
    """An engine as a port."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.base_url = engine.base_url

    def call(self, operation: Operation[R]) -> R:
        """Carry an operation out."""
        return self.engine.call(operation)

    def export(
        self,
        request: StartExport,
        *,
        counted: bool = False,
        images: Path | None = None,
        executor: Executor | None = None,
    ) -> Export:
        """Set an export up, to be read by its parts."""
        return open_export(self.engine, request, counted=counted, images=images, executor=executor)

    def load(
        self,
        given: Iterable[Any],
        *,
        images: Path | None = None,
        progress: Callable[[int], None] = lambda rows: None,
        **options: Any,
    ) -> Report:
        """Import paths, or values as they would stand in a file."""
        from annotary.engine import image_places
        from annotary.engine.loading import import_sources
        from annotary.engine.recognising import opened
        from annotary.engine.sources import ValueSource

        given = list(given) if isinstance(given, list | tuple) else given
        if isinstance(given, list) and all(isinstance(one, str | Path) for one in given):
            paths = [Path(one) for one in given]
            sources: list[Any] = list(opened(paths, images, options.get("format")))
        else:
            paths, sources = [], [ValueSource(given)]
        report = import_sources(self.engine, sources, progress=progress, **options)
        if not options.get("dry_run"):
            image_places.note(self.engine, paths, sources, images, report.projects)
        return report

    def evaluate(
        self, path: str | Path, measure: Measure, *, project_id: str, format: str | None = None
    ) -> Evaluation:
        """Measure predictions out of a file against a project's labels."""
        from annotary.engine.evaluation import evaluate_file

        return evaluate_file(self.engine, path, measure, project_id=project_id, format=format)

    def mask(self, feature_id: str) -> bytes:
        """The PNG of a mask, or of another object's filled shape."""
        from annotary.engine.masks import shape_png

        return shape_png(self.engine, feature_id)

    def close(self) -> None:
        """Let go of the store."""
        self.engine.close()
