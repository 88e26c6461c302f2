"""Imports."""

from __future__ import annotations

from typing import Literal

from annotary.model.task import Task
from annotary.operations import Operation, post


class StartImport(Operation[Task]):
    """Import files into a project, or as predictions into a model run.

    Names make what does not exist yet; `source` names what was written with `Port.write`, or a path.
    `unnamed` is the project of rows whose file names none. `submits` hands labels in as a labeller does;
    `merges` keeps that metadata of data rows which the file does not name. `outcomes` keeps what came of
    each line: the task's result then has the ids of two files of lines, `statuses` and, of those that
    failed, `failures`. On a server `more` are further files of the same import, and `neighbours` the ids of
    files by their names in labels.
    """

    route = post("/imports")
    needs = "member"
    source: str
    format: str | None = None
    project: str | None = None
    unnamed: str | None = None
    dataset: str | None = None
    model: str | None = None
    run: str | None = None
    images: str | None = None
    on_problem: Literal["stop", "skip"] = "stop"
    dry_run: bool = False
    submits: bool = False
    merges: bool = False
    outcomes: bool = False
    name: str | None = None
    more: tuple[str, ...] = ()
    neighbours: dict[str, str] = {}
