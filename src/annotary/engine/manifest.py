"""What stands beside an export: the manifest of several files, and the ledger where something was lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

import msgspec

from annotary.formats import Part
from annotary.model.ledger import Ledger

MANIFEST, LOSSES = "manifest.json", "losses.json"
_STARTS = {MANIFEST: b'{\n  "annotary": ', LOSSES: b'{\n  "balance": '}


def is_beside(path: str, start: Callable[[], bytes]) -> bool:
    """Whether a file is one of these, and so none of labels; `start` gives its first bytes."""
    name = PurePosixPath(path).name
    return name in _STARTS and start().startswith(_STARTS[name])


def beside(
    about: dict[str, Any], ledger: Ledger, counts: Callable[[], dict[str, int]], *, manifest: bool = True
) -> Callable[[Iterator[bytes] | None], Iterator[Part]]:
    """For a sink: the files that come last. `counts` is asked once all is written."""

    def parts(listed: Iterator[bytes] | None) -> Iterator[Part]:
        if ledger.losses:
            yield Part(LOSSES, _json(ledger.document()) + b"\n")
        if listed is None or not manifest:
            return
        said = {**about, "counts": counts(), "losses": len(ledger.losses)}
        yield Part(MANIFEST, _json(said).removesuffix(b"\n}") + b',\n  "files": [\n  ')
        for piece in listed:
            yield Part(MANIFEST, piece)
        yield Part(MANIFEST, b"\n]}\n")

    return parts


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2)
