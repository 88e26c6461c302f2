"""Conditions as the SDK words them: `where` of lists, and the search queries of exports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from annotary.errors import Invalid
from annotary.model import moment
from annotary.model.export import ExportFilters, ExportParams, filters_from, params_from

Json = dict[str, Any]

_COMPARISONS = ("_not", "_lte", "_gte", "_lt", "_gt")
_DATES = ("createdAt", "updatedAt", "setupComplete", "lastActivityTime")

_PARAMS = {
    "includeAttachments": "attachments",
    "includeMetadata": "metadata_fields",
    "includeDataRowDetails": "data_row_details",
    "includeProjectDetails": "project_details",
    "includeLabelDetails": "label_details",
    "includePerformanceDetails": "performance_details",
    "includePredictions": "predictions",
    "includeModelRunDetails": "model_run_details",
    "projectIds": "project_ids",
    "modelRunIds": "model_run_ids",
    "allProjects": "all_projects",
    "allModelRuns": "all_model_runs",
}
_IDS = {"data_row_id": "data_row_ids", "global_key": "global_keys", "batch": "batch_ids"}
_RANGES = {"data_row_last_activity_at": "last_activity_at", "labeled_at": "label_created_at"}


def listed(
    found: Iterable[Json],
    where: Json | None = None,
    skip: int | None = None,
    first: int | None = None,
    order: str | None = None,
) -> Sequence[Json]:
    """What of a list is asked for: those that meet a condition, in an order, from a place on."""
    chosen = [one for one in found if holds(where, one)]
    if order is not None:
        name, _, direction = order.rpartition("_")
        chosen.sort(
            key=lambda one: (one.get(name) is not None, one.get(name) or ""), reverse=direction == "DESC"
        )
    start = max(skip or 0, 0)
    return chosen[start:] if first is None else chosen[start : start + max(first, 0)]


def holds(where: Json | None, shown: Json) -> bool:
    """Whether something meets a condition; nothing that is deleted is ever there to be found."""
    for key, wanted in (where or {}).items():
        if key == "AND":
            if not all(holds(one, shown) for one in wanted or ()):
                return False
        elif key == "deleted":
            if wanted:
                return False
        elif not _compared(key, wanted, shown):
            return False
    return True


def _compared(key: str, wanted: Any, shown: Json) -> bool:
    comparison = next((one for one in _COMPARISONS if key.endswith(one)), "")
    name = key.removesuffix(comparison)
    value = shown.get(name)
    if name in _DATES:
        wanted, value = _instant(name, wanted), _instant(name, value)
    if comparison in ("", "_not"):
        return bool((value == wanted) == (comparison == ""))
    if value is None or wanted is None:
        return False
    answers: dict[str, bool] = {
        "_lt": value < wanted,
        "_lte": value <= wanted,
        "_gt": value > wanted,
        "_gte": value >= wanted,
    }
    return answers[comparison]


def _instant(name: str, text: Any) -> Any:
    if text is None:
        return None
    try:
        return moment.canonical(text)
    except (ValueError, TypeError, AttributeError):
        raise Invalid(f"{name}: not a date: {text!r}; give {moment.WANTED}") from None


def params_of(given: Json | None) -> ExportParams:
    """Export parameters; what an image export has no use for is passed over."""
    return params_from({_PARAMS[key]: value for key, value in (given or {}).items() if key in _PARAMS})


def search_of(query: Any) -> tuple[ExportFilters, list[str]]:
    """The filters of a search query, and the ids of the datasets it names; raises Invalid."""
    found: Json = {}
    datasets: list[str] = []
    zone: str | None = None
    if not isinstance(query, list | None):
        raise Invalid(f"searchQuery: {query!r} is no list of filters")
    for item in query or ():
        kind = item.get("type") if isinstance(item, dict) else None
        if kind in _RANGES:
            name = _RANGES[kind]
            found[name], zone = _range(kind, item)
        elif kind in _IDS:
            found[_IDS[kind]] = _ids(kind, item)
        elif kind == "dataset":
            datasets += _ids(kind, item)
        elif kind == "task_queue_status":
            found["workflow_status"] = item.get("status")
        elif kind == "task_queue_not_exist":
            found["workflow_status"] = "ToLabel"
        else:
            known = ", ".join((*_RANGES, *_IDS, "dataset", "task_queue_status", "task_queue_not_exist"))
            raise Invalid(f"searchQuery: {item!r} is no filter; their types are: {known}")
    return filters_from(found, zone=zone), datasets


def _ids(kind: str, item: Json) -> list[str]:
    ids = item.get("ids")
    if item.get("operator", "is") != "is" or not isinstance(ids, list):
        raise Invalid(f"searchQuery: filter {kind!r} wants ids and the operator 'is', not {item!r}")
    return ids


def _range(kind: str, item: Json) -> tuple[list[Any], str | None]:
    """The two ends, either of which may be open, and the zone that dates without an offset are in."""
    value = item.get("value")
    inner = value.get("value") if isinstance(value, dict) else None
    operator = value.get("operator") if isinstance(value, dict) else None
    zone = value.get("timezone") if isinstance(value, dict) else None
    if operator == "BETWEEN" and isinstance(inner, dict):
        return [inner.get("min"), inner.get("max")], zone
    if operator == "GREATER_THAN_OR_EQUAL":
        return [inner, None], zone
    if operator == "LESS_THAN_OR_EQUAL":
        return [None, inner], zone
    known = "BETWEEN, GREATER_THAN_OR_EQUAL, LESS_THAN_OR_EQUAL"
    raise Invalid(f"searchQuery: filter {kind!r} has no operator {operator!r}; it has: {known}")
