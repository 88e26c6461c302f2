"""Global keys: which data rows have them, giving and taking them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from annotary.model.base import Value
from annotary.operations import Operation, post


class Keyed(Value):
    """A data row and its global key."""

    data_row_id: str
    global_key: str


class RowKey(Value):
    """A data row by its id, and its global key where it has one."""

    id: str
    global_key: str | None = None


class AssignedKeys(Value):
    """What came of giving global keys; `invalid` are taken by other rows, `missing` name no data row."""

    assigned: tuple[Keyed, ...]
    unmodified: tuple[Keyed, ...]
    invalid: tuple[Keyed, ...]
    missing: tuple[Keyed, ...]


class ClearedKeys(Value):
    """What came of taking global keys away."""

    cleared: tuple[str, ...]
    missing: tuple[str, ...]


class FindGlobalKeys(Operation[list[Keyed]]):
    """The data rows that have given global keys, in their order; keys that nobody has are left out."""

    route = post("/global-keys/search")
    global_keys: Annotated[tuple[str, ...], Meta(max_length=100_000)]


class AssignGlobalKeys(Operation[AssignedKeys]):
    """Give data rows global keys, each on its own."""

    route = post("/global-keys/assignments")
    needs = "member"
    assignments: tuple[Keyed, ...]


class ClearGlobalKeys(Operation[ClearedKeys]):
    """Take global keys from the data rows that have them."""

    route = post("/global-keys/deletions")
    needs = "member"
    global_keys: tuple[str, ...]
