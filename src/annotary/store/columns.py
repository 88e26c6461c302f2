"""Which columns an export reads, by what its parameters ask for: every column read costs."""

from __future__ import annotations

from collections.abc import Sequence

from annotary.model.export import ExportParams
from annotary.model.sections import USUAL_TAIL

_TAGS = USUAL_TAIL.removesuffix("[]")
UNUSUAL = f"substr(tail, 1, {len(_TAGS)}) = '{_TAGS}' AND tail <> '{USUAL_TAIL}'"
"""Of a row of a project: other tags than most, or keys beside them. Model runs have no such tail."""


def row_columns(params: ExportParams) -> str:
    """The columns of a Record after the first two; '' for what is not asked for."""
    shown = (
        ("v.head", True),
        ("v.details", params.data_row_details),
        ("r.activity", params.data_row_details),
        ("v.media", True),
        ("v.attachments", params.attachments),
        ("v.metadata", params.metadata_fields),
        ("r.tail", True),
        ("r.extra", params.project_details or params.model_run_details),
    )
    return _columns(shown)


def lean_columns(params: ExportParams, front: str) -> list[str]:
    """The columns of a row of a lean page after the first; `front` is shown where no details are."""
    full = params.data_row_details
    shown = (
        ("v.head", full),
        ("v.details", full),
        ("r.activity", full),
        ("v.media", full),
        (front, not full),
        ("v.attachments", params.attachments),
        ("v.metadata", params.metadata_fields),
        ("l.head", True),
        ("l.details", params.label_details),
        ("l.performance", params.performance_details),
        ("l.annotations", True),
        ("r.tail", True),
        ("r.extra", params.project_details),
    )
    return [column for column, asked in shown if asked]


def label_columns(params: ExportParams, *, lean: bool = False) -> str:
    """The columns of a Section, likewise; a lean one ends with the annotations."""
    shown = (
        ("l.data_row", True),
        ("l.position", not lean),
        ("l.id", not lean),
        ("l.created_at", not lean),
        ("l.head", True),
        ("l.details", params.label_details),
        ("l.performance", params.performance_details),
        ("l.annotations", True),
        ("l.masks", not lean),
        ("l.v1", not lean),
    )
    return _columns(shown, lean=lean)


def _columns(shown: Sequence[tuple[str, bool]], *, lean: bool = False) -> str:
    return ", ".join(column if asked else "''" for column, asked in shown if asked or not lean)
