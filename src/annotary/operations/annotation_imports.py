"""Imports of labels, pre-labels and predictions that have a name in their project or model run."""

from __future__ import annotations

from typing import Literal

from annotary.model.project import AnnotationImport, Name
from annotary.operations import Listing, Operation, delete, get, post

Kind = Literal["labels", "pre-labels", "predictions"]


class StartAnnotationImport(Operation[AnnotationImport]):
    """Import lines into a project, or as predictions into a model run; lines that cannot be taken are told.

    `source` names what was written with `Port.write`. Pre-labels are checked and kept as they are.
    """

    route = post("/annotation-imports")
    needs = "member"
    kind: Kind
    parent_id: str
    name: Name
    source: str


class GetAnnotationImport(Operation[AnnotationImport]):
    """One import, by its name in its project or model run."""

    route = get("/annotation-imports/{kind}/{parent_id}/{name}")
    kind: Kind
    parent_id: str
    name: Name


class GetImportById(Operation[AnnotationImport]):
    """One import, by its id."""

    route = get("/annotation-imports/{import_id}")
    import_id: str


class FindAnnotationImports(Operation[list[AnnotationImport]]):
    """The imports of a kind into a project or model run, oldest first."""

    route = get("/annotation-imports/{kind}/{parent_id}")
    kind: Kind
    parent_id: str


class FindPreLabels(Operation[Listing]):
    """What was imported for labellers to begin with on a data row: the import lines, each by its uuid once.

    Of several imports the last one counts. No export shows them: they are nobody's work yet.
    """

    route = get("/projects/{project_id}/rows/{data_row_id}/pre-labels")
    project_id: str
    data_row_id: str


class DeleteAnnotationImport(Operation[AnnotationImport]):
    """Forget an import, and give it back a last time; what it stored stays."""

    route = delete("/annotation-imports/{import_id}")
    needs = "member"
    import_id: str
