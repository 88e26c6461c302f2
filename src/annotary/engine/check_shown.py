"""What rows are found by and follows from their sections: what labels show, external ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from annotary.store.heads import external_id
from annotary.store.schema import shown
from annotary.store.signatures import Thing, signature_of, things_of

Wrong = tuple[str, int, Any]
"""A column, the key of its row, and what should be there."""


def unlike(label: Mapping[str, Any], annotations: str, met: dict[int, list[Thing]]) -> Iterator[Wrong]:
    """The signature of a label, where it is not that of its annotations; `met` takes what it means."""
    try:
        things = things_of(annotations)
    except msgspec.DecodeError:
        # That the section cannot be read is told of the section.
        return
    signature = signature_of(things)
    met[signature] = things
    if signature != label["signature"]:
        yield "signature", label["n"], signature


def unexplained(connection: Connection, met: Mapping[int, Sequence[Thing]]) -> list[dict[str, Any]]:
    """What signatures mean and nobody noted down."""
    found = connection.execute(select(shown).where(shown.c.signature.in_(met)))
    known = {(row.signature, row.kind, row.name) for row in found}
    wanted = {(signature, kind, name) for signature, things in met.items() for kind, name in things}
    return [
        {"signature": signature, "kind": kind, "name": name}
        for signature, kind, name in sorted(wanted - known)
    ]


def misnamed(rows: Iterable[Mapping[str, Any]]) -> Iterator[Wrong]:
    """The external ids of data rows, where they are not those of their heads."""
    for row in rows:
        if (id := external_id(row["head"])) != row["external_id"]:
            yield "external_id", row["n"], id
