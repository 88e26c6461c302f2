"""What only a v1 export says of a label: kept in `Label.v1` when read, put back when written.

Values that v2 has no place for are kept as they are. Of the others only the difference between what the
file had and what is written is kept, so that a label that changes in the store is not written as it once was.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, field

from annotary.model.base import Value

FIRST = (
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
"""The keys of the first published export of a project: always written."""
LATER = (
    "Global Key",
    "Media Attributes",
    "DataRow Metadata",
    "Is Benchmark",
    "Seconds to Create",
    "Seconds to Review",
)
"""Keys of later exports that v2 has a place for: written where they say something, or stood there before."""
PLACELESS = ("View Label", "Has Open Issues", "Benchmark ID")
"""Keys that are always written and that v2 has no place for."""
_NOTHING: dict[str, Any] = {
    "Seconds to Label": 0,
    "External ID": None,
    "Agreement": -1,
    "Benchmark Agreement": -1,
    "Reviews": [],
    "Skipped": False,
}
Place = tuple[str | int, ...]


class Feature(Value, omit_defaults=True):
    """How one annotation stood in the file: keys to `put` and to `drop`, by path from the annotation.

    `listed`: its answer was a list (the old dropdown). `closed`: its polygon repeated the first point.
    `groups`: its questions stood in lists of so many within the list; 0 is a question by itself.
    """

    put: tuple[tuple[Place, Any], ...] = ()
    drop: tuple[Place, ...] = ()
    listed: bool = False
    closed: bool = False
    groups: tuple[int, ...] = ()

    def restore(self, written: Any) -> Any:
        """An annotation as it would be written, changed in place to what the file had."""
        for path in self.drop:
            place = _at(written, path[:-1])
            if isinstance(place, dict):
                place.pop(path[-1], None)
        for path, value in self.put:
            place = _at(written, path[:-1])
            if isinstance(place, dict):
                place[path[-1]] = value
        return written


class Carried(Value, omit_defaults=True):
    """All that is carried of one label.

    `keys`: values without a place in v2. `present`: later keys the file had; `without`: first keys it had
    not. `spelt`: by key what is written and what stood there for it. `label`: what `Label` was where it
    was more or less than its lists. `groups`: as in `Feature`, of the questions about the image.
    `metadata`: the keys of metadata entries. `colors`, `scopes`: by schema id, else by name. `features`:
    by feature id.
    """

    keys: dict[str, Any] = field(default_factory=dict)
    present: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    spelt: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    label: Any = UNSET
    groups: tuple[int, ...] = ()
    metadata: tuple[str, ...] = ()
    colors: dict[str, str] = field(default_factory=dict)
    scopes: dict[str, str] = field(default_factory=dict)
    features: dict[str, Feature] = field(default_factory=dict)

    def feature(self, id: str) -> Feature:
        """What is carried of an annotation."""
        return self.features.get(id, NO_FEATURE)

    def restore(self, written: dict[str, Any]) -> dict[str, Any]:
        """A label as the file had it, from the keys that would be written."""
        restored = {**written, **self.keys}
        for key, (usual, stood) in self.spelt.items():
            if key in restored and alike(restored[key], usual):
                restored[key] = stood
        if self.metadata and "DataRow Metadata" in restored:
            restored["DataRow Metadata"] = [
                {key: value for key, value in one.items() if key in self.metadata}
                for one in restored["DataRow Metadata"]
            ]
        for key in self.without:
            if key in restored and _may_go(key, restored[key]):
                del restored[key]
        return restored


NO_FEATURE = Feature()


def carried(text: bytes | None) -> Carried | None:
    """What a stored label carries; None where it does not come from a v1 export."""
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=Carried)
    except msgspec.DecodeError:
        # Any file may set the field: what this module did not write is nothing to write again.
        return None


def difference(stood: Any, written: Any) -> Feature:
    """What turns an annotation as it would be written into what stood in the file."""
    put: list[tuple[Place, Any]] = []
    drop: list[Place] = []
    _compare(stood, written, (), put, drop)
    return Feature(put=tuple(put), drop=tuple(drop))


def _compare(stood: Any, written: Any, path: Place, put: list[tuple[Place, Any]], drop: list[Place]) -> None:
    if isinstance(stood, dict) and isinstance(written, dict):
        for key, value in stood.items():
            if key in written:
                _compare(value, written[key], (*path, key), put, drop)
            else:
                put.append(((*path, key), value))
        drop.extend((*path, key) for key in written if key not in stood)
    elif isinstance(stood, list) and isinstance(written, list) and len(stood) == len(written):
        for index, pair in enumerate(zip(stood, written, strict=True)):
            _compare(*pair, (*path, index), put, drop)
    elif not alike(stood, written):
        put.append((path, stood))


def alike(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; 1 and 1.0 are, 1 and true are not."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _at(written: Any, path: Place) -> Any:
    for key in path:
        if isinstance(written, dict):
            written = written.get(key)
        elif isinstance(written, list) and isinstance(key, int) and key < len(written):
            written = written[key]
        else:
            return None
    return written


def _may_go(key: str, value: Any) -> bool:
    """Whether a key that the file had not is left out: not if by now it says something."""
    if key == "DataRow Workflow Info":
        return not value["Workflow History"]
    return key not in _NOTHING or alike(value, _NOTHING[key])
