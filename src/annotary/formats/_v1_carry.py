"""What only a v1 export says of a label: kept in `Label.v1` when read, put back when written.

Values that v2 has no place for are kept as they are. Of the others, only how the file differs from what
would be written is kept, so that a label that changes in the store does not go out as it once came in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from annotary.model.base import Value
from annotary.model.carried import Path

ALWAYS = (
    "ID",
    "DataRow ID",
    "Labeled Data",
    "Label",
    "Created By",
    "Project Name",
    "Created At",
    "Updated At",
    "Seconds to Label",
    "External ID",
    "Agreement",
    "Benchmark Agreement",
    "Benchmark ID",
    "Dataset Name",
    "Reviews",
    "View Label",
    "Has Open Issues",
    "Skipped",
    "DataRow Workflow Info",
)
"""The keys of the first published project export: always written."""
LATER = (
    "Global Key",
    "Media Attributes",
    "DataRow Metadata",
    "Data Split",
    "Is Benchmark",
    "Seconds to Create",
    "Seconds to Review",
)
"""Keys of later exports that v2 has a place for: written where they say something, or were there before."""
PLACELESS = ("View Label", "Has Open Issues", "Benchmark ID")
"""Keys that are always written and that v2 has no place for."""
_SILENT: dict[str, Any] = {
    "Seconds to Label": 0,
    "External ID": None,
    "Agreement": -1,
    "Benchmark Agreement": -1,
    "Benchmark ID": None,
    "Reviews": [],
    "Has Open Issues": 0,
    "Skipped": False,
}


class Feature(Value, omit_defaults=True):
    """How one annotation stood in the file: keys to `put` and to `drop`, by path from the annotation.

    `listed`: its answer was a list (the old dropdown). `closed`: its polygon repeated the first point.
    `groups`: its answers stood in lists of so many within the list; 0 is one that stood by itself.
    """

    put: tuple[tuple[tuple[str | int, ...], Any], ...] = ()
    drop: tuple[tuple[str | int, ...], ...] = ()
    listed: bool = False
    closed: bool = False
    groups: tuple[int, ...] = ()

    def restore(self, shown: dict[str, Any]) -> dict[str, Any]:
        """What would be written, changed in place to what the file had."""
        for path in self.drop:
            place = _place(shown, path)
            if isinstance(place, dict):
                place.pop(path[-1], None)
        for path, value in self.put:
            place = _place(shown, path)
            if isinstance(place, dict):
                place[path[-1]] = value
        return shown


class Carried(Value, omit_defaults=True):
    """All that is carried of one label.

    `keys`: top-level values without a place in v2. `present`: later keys the file had. `without`: keys it
    lacked. `spelt`: by key, what is written and what stood there instead. `label`: what `Label` was where it
    was not the usual lists. `metadata`: the keys of its metadata entries. `colors`, `scopes`: by schema id,
    else name; the ontology is made from them. `features`: by feature id.
    """

    keys: dict[str, Any] = {}
    present: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    spelt: dict[str, tuple[Any, Any]] = {}
    label: Any = UNSET
    groups: tuple[int, ...] = ()
    metadata: tuple[str, ...] | UnsetType = UNSET
    colors: dict[str, str] = {}
    scopes: dict[str, str] = {}
    features: dict[str, Feature] = {}

    def restore(self, shown: dict[str, Any]) -> dict[str, Any]:
        """The keys of a label as the file had them, from those that would be written."""
        result = dict(shown)
        for key, (written, stood) in self.spelt.items():
            if key in result and alike(result[key], written):
                result[key] = stood
        for key in self.without:
            if key in result and (key not in _SAYS or _SAYS[key](result[key])):
                del result[key]
        return result


def carried(text: bytes | None) -> Carried | None:
    """What a stored label carries; None where it does not come from a v1 export."""
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=Carried)
    except msgspec.DecodeError:
        # The field can be set by other files too; what is not ours is none of a v1 export's.
        return None
