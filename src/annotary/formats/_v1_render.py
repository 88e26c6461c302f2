"""v2 as v1: the plain JSON of stored sections in the layout of a v1 export."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

from msgspec import UNSET

from annotary.formats._v1_carry import NO_FEATURE, Carried, Feature, alike
from annotary.formats._v1_tiled import pixel_geometry
from annotary.model import moment
from annotary.model.base import derived_id
from annotary.model.ontology import Normalized
from annotary.model.sections import BASE

Json = dict[str, Any]

SHAPES = {
    "ImageBoundingBox": ("bounding_box", "bbox"),
    "ImagePolygon": ("polygon", "polygon"),
    "ImagePolyline": ("line", "line"),
    "ImageLine": ("line", "line"),
    "ImagePoint": ("point", "point"),
    "ImageCuboid": ("cuboid", "cuboid"),
}
"""The key of the geometry in v2 and in v1, by kind."""
LINKS = {
    "ImageUnidirectionalRelationship": "unidirectional",
    "ImageBidirectionalRelationship": "bidirectional",
}
NOTHING = Carried()
_IDENTITY = (
    ("featureId", "feature_id"),
    ("schemaId", "feature_schema_id"),
    ("title", "name"),
    ("value", "value"),
)
_LARGEST = 2**53


class Look(NamedTuple):
    """What v1 shows that stands in the ontology, by schema id, else by name; and where masks are served."""

    colors: Mapping[str, Any]
    scopes: Mapping[str, Any]
    base_url: str


class DataRowFacts(NamedTuple):
    """What v1 shows of a data row, as plain v2: members of `data_row`, its dataset, and so on."""

    head: Json
    dataset_name: str | None
    media: Json
    metadata: list[Json]
    project_details: Json


class LabelFacts(NamedTuple):
    """What v1 shows of a label beside its annotations, as plain v2."""

    id: str
    details: Json
    performance: Json
    is_benchmark: bool


def look_of(normalized: Normalized, base_url: str) -> Look:
    """The look that an ontology gives."""
    colors: dict[str, Any] = {}
    for tool in normalized.tools:
        if tool.color is not None:
            colors.setdefault(tool.name, tool.color)
            if tool.feature_schema_id is not None:
                colors[tool.feature_schema_id] = tool.color
    scopes: dict[str, Any] = {}
    for question in normalized.classifications:
        if isinstance(question.scope, str):
            scopes.setdefault(question.name, question.scope)
            if question.feature_schema_id is not None:
                scopes[question.feature_schema_id] = question.scope
    return Look(colors, scopes, base_url)


def said_of(given: Json, table: Mapping[str, Any]) -> Any:
    """What a table says of a feature, by schema id, else by name; None where it says nothing."""
    found = table.get(given.get("feature_schema_id") or "")
    return table.get(given.get("name") or "") if found is None else found


# Annotations


def label(annotations: Json, look: Look, carry: Carried | None, *, skipped: bool) -> Any:
    """`Label`: objects, questions, and relationships where there are any."""
    kept = carry or NOTHING
    drawn = annotations.get("objects", [])
    lists: dict[str, list[Any]] = {
        "objects": [one_object(one, look, carry) for one in drawn if one["annotation_kind"] not in LINKS],
        "classifications": questions(annotations.get("classifications", []), look, carry, kept.groups),
        "relationships": [
            kept.feature(one["feature_id"]).restore(relationship(one))
            for one in _links(drawn, annotations.get("relationships", []))
        ],
    }
    shown = {name: found for name, found in lists.items() if found}
    if isinstance(kept.label, dict):
        return {**kept.label, **shown}
    if not shown and kept.label is not UNSET:
        return kept.label
    if not shown and skipped and carry is None:
        return {}
    return {"objects": [], "classifications": [], **shown}


def one_object(drawn: Json, look: Look, carry: Carried | None) -> Json:
    """An object: identity, colour, geometry, where its pixels are, the questions about it."""
    feature = carry.feature(drawn["feature_id"]) if carry else NO_FEATURE
    shown = identity(drawn)
    color = said_of(drawn, carry.colors) if carry else None
    if color is None:
        color = said_of(drawn, look.colors)
    if color is not None:
        shown["color"] = color
    kind = drawn["annotation_kind"]
    if kind in SHAPES:
        theirs, ours = SHAPES[kind]
        shown[ours] = numbers(_opened(drawn[theirs], feature) if ours == "polygon" else drawn[theirs])
    shown["instanceURI"] = _pixels(drawn, look.base_url)
    if not _outdated(shown, feature):
        feature.restore(shown)
    if drawn.get("classifications"):
        shown["classifications"] = questions(drawn["classifications"], look, carry, feature.groups)
    return shown


def identity(given: Json) -> Json:
    """What every annotation and answer has."""
    return {theirs: given[ours] for theirs, ours in _IDENTITY if ours in given}


def _opened(points: list[Json], feature: Feature) -> list[Json]:
    if feature.closed or len(points) < 2 or points[0] != points[-1]:
        return points
    return points[:-1]


def numbers(value: Any) -> Any:
    """Plain JSON with whole numbers as integers."""
    if isinstance(value, dict):
        return {key: numbers(one) for key, one in value.items()}
    if isinstance(value, list):
        return [numbers(one) for one in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST:
        return int(value)
    return value


def _pixels(drawn: Json, base_url: str) -> str:
    """A mask known by its URL keeps it; all else is drawn by annotary."""
    known = drawn.get("mask") or drawn.get("composite_mask") or {}
    url: str = known.get("url", BASE)
    if url and not url.startswith(BASE):
        return url
    return f"{base_url}/masks/feature/{quote(drawn['feature_id'], safe='')}"


def _outdated(shown: Json, feature: Feature) -> bool:
    """Whether a carried geometry of tiled imagery is no longer the shape's."""
    carried = {path[0]: value for path, value in feature.put if len(path) == 1}
    if "geometry" not in carried:
        return False
    found = pixel_geometry(carried.get("type"), carried["geometry"])
    return found is None or not alike(shown.get(found[0]), found[1])


def relationship(link: Json) -> Json:
    """A relationship; v1 shows no name of it."""
    shown = {key: value for key, value in identity(link).items() if key in ("featureId", "schemaId")}
    direction = LINKS[link["annotation_kind"]]
    shown["data"] = link[f"{direction}_relationship"]
    shown["relationshipType"] = direction
    shown["version"] = 1
    return shown


def _links(*lists: Iterable[Json]) -> list[Json]:
    found: dict[str, Json] = {}
    for one in (one for some in lists for one in some):
        if one["annotation_kind"] in LINKS:
            found.setdefault(one["feature_id"], one)
    return list(found.values())


def questions(
    given: Iterable[Json], look: Look, carry: Carried | None, groups: tuple[int, ...] = ()
) -> list[Any]:
    """Answered questions in one list, nested ones right behind their parents."""
    shown = [question(one, look, carry) for one in flat(given)]
    if sum(size or 1 for size in groups) != len(shown):
        return shown
    found = iter(shown)
    return [[next(found) for _ in range(size)] if size else next(found) for size in groups]


def flat(given: Iterable[Json]) -> Iterator[Json]:
    """Questions depth first."""
    for question in given:
        yield question
        for answer in answers(question):
            yield from flat(answer.get("classifications", ()))
        yield from flat(question.get("classifications", ()))


def answers(question: Json) -> list[Json]:
    """The chosen options; none for free text."""
    if "radio_answer" in question:
        return [question["radio_answer"]]
    chosen: list[Json] = question.get("checklist_answers", [])
    return chosen


def question(given: Json, look: Look, carry: Carried | None) -> Json:
    """An answered question without those nested under it."""
    feature = carry.feature(given["feature_id"]) if carry else NO_FEATURE
    shown = identity(given)
    # A label from a v1 export carries the scope where the export had it.
    scope = None if carry else said_of(given, look.scopes)
    if scope is not None:
        shown["scope"] = scope
    chosen = [identity(one) for one in answers(given)]
    if feature.listed:
        shown["answer"] = chosen
    elif "text_answer" in given:
        shown["answer"] = given["text_answer"]["content"]
    elif "radio_answer" in given:
        shown["answer"] = chosen[0]
    else:
        shown["answers"] = chosen
    return dict(feature.restore(shown))


# What stands beside `Label`


def keys(row: DataRowFacts, made: LabelFacts, project_name: str, *, present: Collection[str] = ()) -> Json:
    """The keys of a label that v2 has a place for; later ones if `present` or if they say something."""
    details, done = made.details, made.performance
    seconds = (done.get("seconds_to_create", 0), done.get("seconds_to_review", 0))
    shown = {
        "ID": made.id,
        "DataRow ID": row.head.get("id"),
        "Labeled Data": row.head.get("row_data"),
        "Created By": details.get("created_by"),
        "Project Name": project_name,
        "Created At": when(details.get("created_at")),
        "Updated At": when(details.get("updated_at")),
        "Seconds to Label": sum(seconds),
        "External ID": row.head.get("external_id"),
        "Agreement": done.get("consensus_score", -1),
        "Benchmark Agreement": done.get("benchmark_score", -1),
        "Dataset Name": row.dataset_name,
        "Reviews": [review(one) for one in details.get("reviews", ())],
        "Skipped": done.get("skipped", False),
        "DataRow Workflow Info": workflow(row.project_details),
    }
    if "Seconds to Create" in present:
        shown["Seconds to Create"] = seconds[0]
    if "Seconds to Review" in present:
        shown["Seconds to Review"] = seconds[1]
    later = {
        "Global Key": row.head.get("global_key"),
        "Media Attributes": media(row.media),
        "DataRow Metadata": [metadata(one) for one in row.metadata],
        "Is Benchmark": int(made.is_benchmark),
    }
    shown.update((key, value) for key, value in later.items() if value or key in present)
    return shown


def run_keys(row: DataRowFacts, label_id: str, split: str | None) -> Json:
    """The keys of a label in a model run."""
    shown = {
        "ID": label_id,
        "Data Split": split,
        "DataRow ID": row.head.get("id"),
        "External ID": row.head.get("external_id"),
        "Labeled Data": row.head.get("row_data"),
        "Media Attributes": media(row.media),
    }
    if row.head.get("global_key"):
        shown["Global Key"] = row.head["global_key"]
    return shown


def when(text: str | None) -> str | None:
    """A stored date as v1 writes it."""
    return moment.shown_v1(text) if text else None


def review(given: Json) -> Json:
    """One verdict."""
    return {
        "id": given["id"],
        "score": given["score"],
        "createdAt": when(given["created_at"]),
        "createdBy": given["created_by"],
    }


def workflow(details: Json) -> Json:
    """`DataRow Workflow Info`, newest entry first."""
    history = [event(one) for one in details.get("workflow_history", ())]
    return {"taskName": details.get("task_name"), "Workflow History": history}


def event(given: Json) -> Json:
    """One entry of the workflow history."""
    action = str(given["action"]).upper()
    if action == "MOVE" and "next_task_name" in given and _is_rework(given.get("previous_task_name")):
        action = "REWORK"
    actor = given.get("created_by")
    if actor and "@" in actor:
        actor = _user_id(actor)
    shown = {"actorId": actor, "action": action, "createdAt": when(given["created_at"])}
    for side in ("previous", "next"):
        for what in ("id", "name"):
            if f"{side}_task_{what}" in given:
                shown[f"{side}Task{what.capitalize()}"] = given[f"{side}_task_{what}"]
    return shown


@lru_cache(1024)
def _user_id(email: str) -> str:
    return derived_id("user", email)


def _is_rework(task: str | None) -> bool:
    return task is not None and task.startswith("Rework")


def media(given: Json) -> Json:
    """`Media Attributes`."""
    return {camel(key): value for key, value in given.items()}


def metadata(given: Json) -> Json:
    """One metadata value."""
    theirs = {"schema_id": "schemaId", "schema_name": "name", "schema_kind": "kind"}
    return {theirs.get(key, key): value for key, value in given.items()}


def camel(key: str) -> str:
    """A key as v1 spells it.

    >>> camel("mime_type")
    'mimeType'
    """
    first, *rest = key.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)
