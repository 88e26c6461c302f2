"""What is to be carried of a v1 label: found by writing what was read and comparing it with the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from annotary.formats import _v1_render as render
from annotary.formats._v1_carry import FIRST, LATER, NO_FEATURE, Carried, Feature, alike, difference
from annotary.formats._v1_layout import Document, Labelled, Object, Question, Questions
from annotary.formats._v1_parse import unwrapped
from annotary.model.annotation import Annotations, Classification
from annotary.model.carried import Extras
from annotary.model.row import Label, Row

_FILLED = ("Created By", "Project Name", "Created At", "Updated At", "Dataset Name")
"""Keys that get a value in the store where the file says null."""
_USUAL = {"Has Open Issues": 0, "Benchmark ID": None}
_LISTS = ("objects", "classifications", "relationships")
_NO_LOOK = render.Look({}, {}, "")
# Equal to nothing, so that whatever the importer fills in is dropped again when written.
_ABSENT: Any = object()


def carry(document: Document, plain: Any, row: Row, label: Label, extras: Extras) -> Carried:
    """All that is to be carried of one label; `plain` is the file's JSON."""
    given = document.label if isinstance(document.label, Labelled) else Labelled()
    stood = plain.get("Label") if isinstance(plain.get("Label"), dict) else {}
    colors = _colors(given)
    look = render.Look(colors, {}, "")
    found = Carried(
        colors=colors,
        scopes=dict(_scopes(given)),
        label=_label(plain["Label"], label.annotations) if "Label" in plain else UNSET,
        groups=_groups(given.classifications),
        features=dict(_features(given, stood, label.annotations, look)),
        metadata=tuple(sorted({key for one in plain.get("DataRow Metadata") or () for key in one})),
    )
    return _beside(found, plain, row, label, extras)


def _colors(label: Labelled) -> dict[str, str]:
    colors: dict[str, str] = {}
    for one in label.objects or ():
        if one.color is not None and (key := one.schema_id or one.title):
            colors.setdefault(key, one.color)
    return colors


def _scopes(label: Labelled) -> Iterator[tuple[str, str]]:
    for question, _ in unwrapped(label.classifications):
        if question.scope is not None and (key := question.schema_id or question.title):
            yield key, question.scope


def _label(stood: Any, read: Annotations) -> Any:
    """`Label` without its lists, where it is not what is written of them anyway."""
    if not isinstance(stood, dict):
        return stood
    lists = {name: bool(getattr(read, name)) for name in _LISTS}
    rest = {key: value for key, value in stood.items() if not lists.get(key)}
    usual: dict[str, Any] = {name: [] for name in ("objects", "classifications") if not lists[name]}
    return UNSET if alike(rest, usual) else rest


def _groups(given: Questions) -> tuple[int, ...]:
    """How many questions stood in each list within the list; nothing where there was none."""
    sizes = tuple(0 if isinstance(one, Question) else len(one) for one in given or ())
    return sizes if any(sizes) else ()


def _features(
    label: Labelled, stood: Any, read: Annotations, look: render.Look
) -> Iterator[tuple[str, Feature]]:
    for given, made, was in zip(label.objects or (), read.objects, stood.get("objects") or (), strict=True):
        yield from _object(given, made, was, look)
        yield from _questions(given.classifications, made.classifications, was)
    yield from _questions(label.classifications, read.classifications, stood)
    for link, was in zip(read.relationships, stood.get("relationships") or (), strict=True):
        yield from _found(link.feature_id, NO_FEATURE, was, render.relationship(_plain(link)))


def _object(given: Object, made: Any, was: Any, look: render.Look) -> Iterator[tuple[str, Feature]]:
    ring = given.polygon or ()
    feature = Feature(
        closed=len(ring) > 1 and ring[0] == ring[-1],
        groups=_groups(given.classifications),
    )
    bare = {**_plain(made), "classifications": []}
    written = render.one_object(bare, look, Carried(features={made.feature_id: feature}))
    written.setdefault("color", _ABSENT)
    was = {key: value for key, value in was.items() if key != "classifications" or not made.classifications}
    if bare["annotation_kind"] in render.SHAPES and (given.geometry is None or "instanceURI" in was):
        # Annotary draws these itself.
        written.pop("instanceURI")
        was.pop("instanceURI", None)
    yield from _found(made.feature_id, feature, was, written)


def _questions(
    given: Questions, made: tuple[Classification, ...], parent: Any
) -> Iterator[tuple[str, Feature]]:
    stood = parent.get("classifications") or ()
    for (question, place), one in zip(unwrapped(given), made, strict=True):
        was = stood
        for at in place:
            was = was[at]
        feature = Feature(listed=isinstance(question.answer, tuple) and not question.answers)
        written = render.question(_plain(one), _NO_LOOK, Carried(features={one.feature_id: feature}))
        yield from _found(one.feature_id, feature, was, written)


def _found(id: str, feature: Feature, was: Any, written: Any) -> Iterator[tuple[str, Feature]]:
    other = difference(was, written)
    feature = replace(feature, put=other.put, drop=other.drop)
    if feature != NO_FEATURE:
        yield id, feature


def _plain(made: Any) -> dict[str, Any]:
    """An annotation as plain v2, with a mark where the importer will fill something in."""
    plain = _marked(msgspec.to_builtins(made))
    for answer in render.answers(plain):
        answer.update(_marked(dict(answer)))
    return plain


def _marked(plain: dict[str, Any]) -> dict[str, Any]:
    return {**dict.fromkeys(("feature_schema_id", "name", "value"), _ABSENT), **plain}


def _beside(found: Carried, plain: Any, row: Row, label: Label, extras: Extras) -> Carried:
    """What is carried of the keys beside `Label`."""
    written = _written(plain, row, label, extras)
    keys: dict[str, Any] = {}
    spelt: dict[str, tuple[Any, Any]] = {}
    for key, value in plain.items():
        if key == "Label":
            continue
        if key not in written:
            if key not in _USUAL or not alike(value, _USUAL[key]):
                keys[key] = value
        elif value is None and key in _FILLED:
            keys[key] = None
        elif not alike(written[key], value):
            spelt[key] = (written[key], value)
    return replace(
        found,
        keys=keys,
        spelt=spelt,
        present=tuple(key for key in LATER if key in plain),
        without=tuple(key for key in FIRST if key not in plain),
    )


def _written(plain: Any, row: Row, label: Label, extras: Extras) -> dict[str, Any]:
    """The keys beside `Label` as they would be written."""
    part = next(iter(row.projects.values()))
    head = msgspec.to_builtins(row.data_row)
    media = msgspec.to_builtins(row.media_attributes)
    media.update((path[-1], value) for path, value in extras if path[0] == "media_attributes")
    facts = render.DataRowFacts(
        head=head,
        dataset_name=head.get("details", {}).get("dataset_name"),
        media=media,
        metadata=[] if row.metadata_fields is UNSET else msgspec.to_builtins(row.metadata_fields),
        project_details={} if part.project_details is UNSET else msgspec.to_builtins(part.project_details),
    )
    made = render.LabelFacts(
        id=label.id,
        details=msgspec.to_builtins(label.label_details),
        performance=msgspec.to_builtins(label.performance_details),
        is_benchmark=label.is_benchmark_reference is True,
    )
    return render.keys(facts, made, part.name if isinstance(part.name, str) else "", present=plain)
