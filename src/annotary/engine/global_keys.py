"""Global keys: which data rows have them, giving and taking them."""

from __future__ import annotations

from annotary.engine import data_rows
from annotary.engine.core import Engine, handles
from annotary.operations.data_rows import ChangeDataRow
from annotary.operations.global_keys import (
    AssignedKeys,
    AssignGlobalKeys,
    ClearedKeys,
    ClearGlobalKeys,
    FindGlobalKeys,
    Keyed,
)


@handles(FindGlobalKeys)
def find_global_keys(engine: Engine, request: FindGlobalKeys) -> list[Keyed]:
    """The data rows that have global keys."""
    found = engine.store.data_rows_by("global_key", request.global_keys)
    return [
        Keyed(data_row_id=found[key].id, global_key=key)
        for key in request.global_keys
        if key in found and found[key].dataset
    ]


@handles(AssignGlobalKeys)
def assign_global_keys(engine: Engine, request: AssignGlobalKeys) -> AssignedKeys:
    """Give data rows global keys; those that cannot be given are told, the others are."""
    store = engine.store
    sorted_out: dict[str, list[Keyed]] = {name: [] for name in AssignedKeys.__struct_fields__}
    with store.transaction():
        for one in request.assignments:
            known = store.data_rows_by("id", [one.data_row_id]).get(one.data_row_id)
            owner = store.data_rows_by("global_key", [one.global_key]).get(one.global_key)
            if known is None or not known.dataset:
                kind = "missing"
            elif known.global_key == one.global_key:
                kind = "unmodified"
            elif not one.global_key or owner is not None:
                kind = "invalid"
            else:
                kind = "assigned"
                change = ChangeDataRow(data_row_id=one.data_row_id, global_key=one.global_key)
                data_rows.change_data_row(engine, change)
            sorted_out[kind].append(one)
    return AssignedKeys(**{kind: tuple(several) for kind, several in sorted_out.items()})


@handles(ClearGlobalKeys)
def clear_global_keys(engine: Engine, request: ClearGlobalKeys) -> ClearedKeys:
    """Take global keys away."""
    cleared: list[str] = []
    missing: list[str] = []
    with engine.store.transaction():
        for key in dict.fromkeys(request.global_keys):
            known = engine.store.data_rows_by("global_key", [key]).get(key)
            if known is None or not known.dataset:
                missing.append(key)
                continue
            data_rows.change_data_row(engine, ChangeDataRow(data_row_id=known.id, global_key=None))
            cleared.append(key)
    return ClearedKeys(cleared=tuple(cleared), missing=tuple(missing))
