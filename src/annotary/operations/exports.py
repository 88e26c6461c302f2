"""Exports."""

from __future__ import annotations

from typing import Any

from annotary.model.export import ExportQuery
from annotary.model.task import Task
from annotary.operations import Operation, post


class StartExport(Operation[Task]):
    """Export what a query asks for, in a format with its options; `strict` refuses any loss beforehand.

    `workers` is how many processes write it, the same bytes whatever their number; by default several where
    that makes it faster.
    """

    route = post("/exports")
    query: ExportQuery
    format: str = "labelbox-v2"
    options: dict[str, Any] = {}
    name: str | None = None
    strict: bool = False
    workers: int | None = None
