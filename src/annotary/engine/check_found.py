"""What rows are found by and follows from sections, for the check of a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from annotary.engine import fresh
from annotary.store.heads import external_id
from annotary.store.schema import shown
from annotary.store.signatures import shown_in, signature_of, things_of

Fixed = tuple[str, int, Any]
"""A column, the key of its row, and what should be there."""


def unlike(label: Mapping[str, Any], annotations: str, shows: dict[int, str]) -> Iterator[Fixed]:
    """The signature of a label where it is not that of its annotations; `shows` takes what it means."""
    try:
        found = shown_in(annotations)
    except msgspec.DecodeError:
        # That the section cannot be read is told of the section.
        return
    signature = signature_of(found)
    shows[signature] = found
    if signature != label["signature"]:
        yield "signature", label["n"], signature


def unexplained(connection: Connection, shows: Mapping[int, str]) -> list[dict[str, Any]]:
    """What signatures mean and nobody noted down."""
    found = connection.execute(select(shown).where(shown.c.signature.in_(shows)))
    known = {(row.signature, row.kind, row.name) for row in found}
    wanted = {(signature, *thing) for signature, text in shows.items() for thing in things_of(text)}
    return [
        {"signature": signature, "kind": kind, "name": name}
        for signature, kind, name in sorted(wanted - known)
    ]


def misnamed(rows: Iterable[Mapping[str, Any]]) -> Iterator[Fixed]:
    """The external ids of data rows where they are not those of their heads."""
    for row in rows:
        try:
            # The head may be written anew, after the snapshot that is read here.
            head = fresh.DATA_ROW["head"](row["head"])
        except (msgspec.DecodeError, LookupError, TypeError, ValueError):
            continue
        if (id := external_id(head)) != row["external_id"]:
            yield "external_id", row["n"], id
