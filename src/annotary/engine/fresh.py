"""Stored sections rendered anew: from text to values and back, which must give the same text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import force_setattr

from annotary.model import sections
from annotary.model.annotation import Annotations, Classification
from annotary.model.base import feature_hash, to_json
from annotary.model.carried import Extras, decode
from annotary.model.ontology import Normalized, Option, Question, Tool, machine_value
from annotary.model.row import (
    Attachment,
    DataRow,
    DataRowDetails,
    Label,
    LabelDetails,
    MediaAttributes,
    MetadataField,
    Performance,
    ProjectDetails,
)

Fresh = Callable[[str], str]
_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _under(prefix: tuple[str, ...], extras: Extras) -> Extras:
    return [((*prefix, *path), value) for path, value in extras]


def _head(text: str) -> str:
    value, extras = decode(f"{{{text}}}", DataRow)
    return sections.head(value, _under(("data_row",), extras))


def _details(text: str) -> str:
    value, extras = decode(f'{{{text}"}}', DataRowDetails)
    return sections.details(value, _under(("data_row", "details"), extras))


def _media(text: str) -> str:
    held = _raw(f"{{{text}}}")
    value, inner = decode(bytes(held.pop("media_attributes")), MediaAttributes)
    beside = [((key,), msgspec.json.decode(raw)) for key, raw in held.items()]
    return sections.media(value, [*_under(("media_attributes",), inner), *beside])


def _attachments(text: str) -> str:
    value, extras = decode(text, tuple[Attachment, ...])
    return sections.attachments(value, _under(("attachments",), extras))


def _metadata(text: str) -> str:
    value, extras = decode(text, tuple[MetadataField, ...])
    return sections.metadata(value, _under(("metadata_fields",), extras))


def _project_tail(text: str) -> str:
    held = msgspec.json.decode(f"{{{text}}}")
    tags = tuple(held.pop("project_tags"))
    return sections.project_tail(tags, [((key,), value) for key, value in held.items()])


def _project_details(text: str) -> str:
    value, extras = decode(text, ProjectDetails)
    return sections.project_details(value, _under(("project_details",), extras))


def _run_tail(text: str) -> str:
    held = msgspec.json.decode(f"{{{text}}}", type=dict[str, str])
    return f'"run_data_row_id":{to_json(held["run_data_row_id"])}'


def _run_split(text: str) -> str:
    return to_json(msgspec.json.decode(text, type=str)) if text else ""


def _label_head(text: str) -> str:
    value, extras = decode(f"{{{text}}}", Label)
    return sections.label_head(value, extras)


def _label_details(text: str) -> str:
    value, extras = decode(text, LabelDetails)
    return sections.label_details(value, _under(("label_details",), extras))


def _performance(text: str) -> str:
    value, extras = decode(text, Performance)
    return sections.performance(value, _under(("performance_details",), extras))


def _masks(text: str) -> str:
    return to_json(msgspec.json.decode(text, type=dict[str, str]))


def _any(text: str) -> str:
    return to_json(msgspec.json.decode(text))


DATA_ROW: dict[str, Fresh] = {
    "head": _head,
    "details": _details,
    "media": _media,
    "attachments": _attachments,
    "metadata": _metadata,
}
PROJECT_ROW: dict[str, Fresh] = {"tail": _project_tail, "extra": _project_details}
RUN_ROW: dict[str, Fresh] = {"tail": _run_tail, "extra": _run_split}
LABEL: dict[str, Fresh] = {
    "head": _label_head,
    "details": _label_details,
    "performance": _performance,
    "masks": _masks,
    "v1": _any,
}


class Names:
    """How ontologies name their features, by schema id."""

    def __init__(self, ontologies: Iterable[Normalized]) -> None:
        self._known: dict[str, tuple[str, set[str]]] = {}
        for one in ontologies:
            features: tuple[Tool | Question, ...] = (*one.tools, *one.classifications)
            for feature in features:
                self._add(feature)

    def _add(self, feature: Tool | Question | Option) -> None:
        name = feature.title() if isinstance(feature, Option) else feature.name
        also = {name, machine_value(name)}
        if isinstance(feature, Option):
            also.add(str(feature.value))
        if feature.feature_schema_id:
            self._known.setdefault(feature.feature_schema_id, (name, set()))[1].update(also)
        below: tuple[Question | Option, ...]
        below = feature.classifications if isinstance(feature, Tool) else feature.options
        for inner in below:
            self._add(inner)

    def right(self, id: str, name: str) -> str:
        """The name a feature must have where it has this one."""
        first, also = self._known.get(id, (name, {name}))
        return name if name in also else first


def label_annotations(text: str, names: Names | None = None) -> tuple[str, list[str]]:
    """A label's annotations anew, under the names of their ontology; and its objects' feature ids."""
    given, extras = decode(sections.kept(text), Annotations)
    for one in _features(given) if names is not None else ():
        if one.feature_schema_id is not UNSET and one.name is not UNSET:
            right = names.right(one.feature_schema_id, one.name)  # type: ignore[union-attr]
            if right != one.name:
                # Just decoded: nobody else has seen it.
                if one.value == machine_value(one.name):
                    force_setattr(one, "value", machine_value(right))
                force_setattr(one, "name", right)
    rendered = sections.label_annotations(given, _under(("annotations",), extras))
    return rendered, [one.feature_id for one in given.objects]


def hashes(feature_ids: Iterable[str]) -> dict[int, str]:
    """Feature ids by the hash under which they are indexed."""
    return {feature_hash(id): id for id in feature_ids}


def _features(given: Annotations) -> Iterator[Any]:
    for drawn in (*given.objects, *given.relationships):
        yield drawn
        yield from _asked(drawn.classifications)
    yield from _asked(given.classifications)


def _asked(questions: Iterable[Classification]) -> Iterator[Any]:
    for question in questions:
        yield question
        for answer in question.answers():
            yield answer
            yield from _asked(answer.classifications)
        if isinstance(question.classifications, tuple):
            yield from _asked(question.classifications)
