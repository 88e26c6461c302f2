"""Exports as a user holds them, and the ways to ask for one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from annotary.client.port import Port
from annotary.errors import Invalid
from annotary.model.export import (
    CatalogScope,
    ExportQuery,
    LabelRule,
    RowsScope,
    RunScope,
    Scope,
    filters_from,
    params_from,
)
from annotary.model.task import Artifact
from annotary.operations import projects
from annotary.operations.exports import StartExport

if TYPE_CHECKING:
    from annotary.engine.exporting import Export


class ExportTask:
    """An export that was set up, at the state its project had then; it may be read again and again."""

    def __init__(self, port: Port, request: StartExport, executor: Executor | None = None) -> None:
        self._port = port
        self._executor = executor
        first = port.export(request, executor=executor)
        self._request = msgspec.structs.replace(request, strict=False)
        self.cursor = first.cursor
        self.status = "COMPLETE"
        if first.cursor is not None:
            query = msgspec.structs.replace(request.query, as_of=first.cursor)
            self._request = msgspec.structs.replace(self._request, query=query)

    def wait_till_done(self, timeout: int = 300) -> None:
        """Return when the export can be read; embedded that is at once."""

    @property
    def errors(self) -> list[dict[str, Any]] | None:
        """What could not be exported; None where all could."""
        return None

    @property
    def result(self) -> list[dict[str, Any]]:
        """All rows as a list; `stream()` gives them one by one."""
        return list(self.stream())

    def has_result(self) -> bool:
        """Whether there is any row."""
        return next(self.stream(), None) is not None

    def has_errors(self) -> bool:
        """Whether anything could not be exported."""
        return self.errors is not None

    def stream(self) -> Iterator[dict[str, Any]]:
        """The rows one by one, in constant memory."""
        for line in self.lines():
            yield msgspec.json.decode(line)

    def lines(self) -> Iterator[bytes]:
        """The rows as JSON lines, without their newlines."""
        rest = b""
        for part in self.open().parts:
            *whole, rest = (rest + part.data).split(b"\n")
            yield from whole

    def open(self, *, counted: bool = False, images: Path | None = None) -> Export:
        """The export by its parts, for sinks; `images` is where the images' own files are."""
        return self._port.export(self._request, counted=counted, images=images, executor=self._executor)

    def save(self, path: str | Path) -> list[Artifact]:
        """Write the export to a file, a folder or an archive, as `annotary export -o` does; gives the files.

        Raises Invalid, Unavailable.
        """
        from annotary.engine.written import delivered

        return delivered(self.open(counted=True), Path(path))

    def save_parts(self, destination: str | Path) -> list[Artifact]:
        """Write the export as files of some rows each (lines, or a data set) and a manifest below a new
        folder or `s3://BUCKET/PREFIX`, as `annotary export --parts` does: each of its workers or executor's
        writes its own. Gives the files.

        Raises Invalid, Missing, Unavailable.
        """
        from annotary.engine.in_parts import deliver_parts

        return deliver_parts(self.open(counted=True), destination)


class Exporting:
    """The ways to export something, for what has rows."""

    _port: Port

    def _scope(self) -> Scope:
        raise NotImplementedError

    def export(
        self,
        task_name: str | None = None,
        filters: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
        *,
        since: int | None = None,
        as_of: int | str | None = None,
        labels: LabelRule = "all",
        format: str = "labelbox-v2",
        options: dict[str, Any] | None = None,
        strict: bool = False,
        workers: int | None = None,
        executor: Executor | None = None,
    ) -> ExportTask:
        """Export in a format. `since` is a cursor, `as_of` a sequence number or a snapshot's name; `labels`
        says which of several labels of a row; `strict` refuses any loss; `workers` is how many processes.

        `executor` writes stretches of it in place of these, `workers` at once: any executor of
        `concurrent.futures` whose own processes reach the PostgreSQL store, such as a Dask client's.

        Raises Invalid for wrong filters, parameters and options before anything runs, and Lossy.
        """
        query = self._query(filters, params, since=since, as_of=as_of, labels=labels)
        request = StartExport(
            query=query,
            format=format,
            options=options or {},
            name=task_name,
            strict=strict,
            workers=workers,
        )
        return ExportTask(self._port, request, executor)

    def export_v2(
        self,
        task_name: str | None = None,
        filters: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
    ) -> ExportTask:
        """Export as Labelbox v2, as the vendor's SDK words it."""
        return self.export(task_name, filters, params)

    def _query(
        self,
        filters: dict[str, Any] | None,
        params: dict[str, Any] | None,
        *,
        since: int | None = None,
        as_of: int | str | None = None,
        labels: LabelRule = "all",
    ) -> ExportQuery:
        return ExportQuery(
            scope=self._scope(),
            filters=filters_from(filters),
            params=params_from(params),
            since=UNSET if since is None else since,
            as_of=UNSET if as_of is None else self._sequence(as_of),
            labels=labels,
        )

    def _sequence(self, as_of: int | str) -> int:
        if isinstance(as_of, int):
            return as_of
        scope = self._scope()
        kind: projects.ScopeKind = "model_run" if isinstance(scope, RunScope) else "project"
        if isinstance(scope, RowsScope | CatalogScope):
            raise Invalid("as_of follows one project's or model run's changes; export that")
        found = self._port.call(projects.FindSnapshots(kind=kind, id=scope.id))
        for snapshot in found:
            if snapshot.name == as_of:
                return snapshot.sequence
        if as_of.isdigit():
            return int(as_of)
        known = ", ".join(snapshot.name for snapshot in found) or "none"
        raise Invalid(f"no snapshot {as_of!r}; there are: {known}")
