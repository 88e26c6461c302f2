"""One label between its stored sections and its value: read, checked, saved as a new version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from annotary.engine.core import Engine
from annotary.engine.entries import Origin, render_label
from annotary.engine.places import Places
from annotary.engine.resolve import Resolver
from annotary.engine.versions import Fields, OpenProject
from annotary.errors import Invalid
from annotary.model import sections
from annotary.model.annotation import Annotations
from annotary.model.base import new_id
from annotary.model.carried import Extras, decode, typed
from annotary.model.row import Label, LabelDetails, MediaAttributes, Performance
from annotary.operations.labels import SaveLabel
from annotary.store.feature_index import feature_entries


def label_of(columns: Mapping[str, Any], base_url: str) -> Label:
    """A stored label as a value; its own masks have addresses under the base URL."""
    text = (
        f'{{{columns["head"]},"label_details":{columns["details"]}'
        f',"performance_details":{columns["performance"]},"annotations":{columns["annotations"]}'
    )
    if columns["v1"]:
        text += f',"v1":{columns["v1"]}'
    return typed(sections.plain(text + "}", base_url), Label)


def head_of(columns: Fields) -> tuple[Label, Extras]:
    """A stored label without its sections, and the unknown keys beside them."""
    return decode(f"{{{columns['head']}}}", Label)


def with_head(label: Label, extras: Extras) -> str:
    """The section again."""
    return sections.label_head(label, extras)


def details_of(columns: Fields) -> tuple[LabelDetails, Extras]:
    """When a stored label was made and by whom, and the unknown keys there."""
    return decode(columns["details"], LabelDetails)


def with_details(details: LabelDetails, extras: Extras) -> str:
    """The section again."""
    return sections.label_details(details, _under("label_details", extras))


def _under(key: str, extras: Extras) -> Extras:
    return [((key, *path), value) for path, value in extras]


def checked(given: Annotations) -> Annotations:
    """A copy of annotations that is checked whole, each with an id; raises Invalid.

    Resolving completes values in place, which must not reach the caller's. Ids that followed from the
    place in the label would be given twice when a later version has something new in an old place.
    """
    try:
        plain = msgspec.json.decode(msgspec.json.encode(given))
        for drawn in (*plain["objects"], *plain["relationships"]):
            _name(drawn)
            _name_questions(drawn.get("classifications", ()))
        _name_questions(plain["classifications"])
        return msgspec.convert(plain, Annotations)
    except (msgspec.ValidationError, TypeError, AttributeError, UnicodeError, RecursionError) as error:
        reason = str(error).replace("got `null`", "got nothing or a number that is not finite")
        raise Invalid(f"annotations: {reason}") from None


def _name_questions(given: list[dict[str, Any]]) -> None:
    for question in given:
        _name(question)
        answers = [question["radio_answer"]] if "radio_answer" in question else []
        for answer in (*answers, *question.get("checklist_answers", ())):
            _name(answer)
            _name_questions(answer.get("classifications", ()))
        _name_questions(question.get("classifications", ()))


def _name(given: dict[str, Any]) -> None:
    given["feature_id"] = given.get("feature_id") or new_id()


def save(
    engine: Engine,
    opened: OpenProject,
    request: SaveLabel,
    given: Annotations,
    row: Fields,
    before: Fields | None,
) -> Fields:
    """Write a label, or a new version of the one `before`; gives its columns. Raises Invalid."""
    store, change, origin = engine.store, opened.change, Origin(engine.now(), engine.user.email)
    places = Places(store, origin.now, origin.user)
    place = places.project(opened.project.id, None)
    label, extras = _to_save(request, given, before, origin)
    number = row["data_row"]
    media = typed(f"{{{store.sections([row['version']])[row['version']].media}}}", _Media).media_attributes
    resolver = Resolver(place.features, predictions=False, by_name=False)
    columns, pngs, hashes, shows = render_label(
        label, extras, resolver, media, place.mask_link, origin, before
    )
    columns["shows"] = shows
    if before is None:
        present = change.labels([number]).get(number, [])
        columns["position"] = max((one["position"] for one in present), default=-1) + 1
        columns.update(data_row=number, prediction=0)
        change.put_labels([columns])
    else:
        columns = {**before, **columns}
        change.put_labels([], [columns])
    change.put_features(feature_entries(hashes, number))
    with store.transaction() as connection:
        for png in pngs.values():
            store.blobs.put(png, connection)
    places.keep_ontologies(
        lambda collection: change if collection == change.collection else store.change(collection)
    )
    return columns


class _Media(msgspec.Struct):
    """What a media section has in it, whatever else was carried along."""

    media_attributes: MediaAttributes


def _to_save(
    request: SaveLabel, given: Annotations, before: Fields | None, origin: Origin
) -> tuple[Label, Extras]:
    """The label as it shall be: what the request does not say stays, or follows from now and who asks."""
    said = request.details if isinstance(request.details, LabelDetails) else LabelDetails()
    performance = request.performance
    if before is None:
        fresh = LabelDetails(
            created_at=origin.now,
            updated_at=origin.now,
            created_by=origin.user,
            content_last_updated_at=origin.now,
        )
        label = Label(id=new_id(), performance_details=performance, annotations=given)
        return replace(label, label_details=_said(said, fresh)), ()
    head, extras = head_of(before)
    old, inner = details_of(before)
    fresh = replace(old, updated_at=origin.now, content_last_updated_at=origin.now)
    extras = [*extras, *_under("label_details", inner), *_of_objects(before, given)]
    if isinstance(performance, Performance):
        extras += _under("performance_details", decode(before["performance"], Performance)[1])
    details = _said(said, fresh)
    return replace(head, label_details=details, performance_details=performance, annotations=given), extras


def _of_objects(before: Fields, given: Annotations) -> Extras:
    """The unknown keys of those objects that are still there, whatever place they have now."""
    old, extras = decode(sections.plain(before["annotations"], ""), Annotations)
    place = {one.feature_id: at for at, one in enumerate(given.objects)}
    found = []
    for path, value in extras:
        if len(path) == 3 and path[0] == "objects" and isinstance(path[1], int):
            now = place.get(old.objects[path[1]].feature_id)
            if now is not None:
                found.append((("annotations", "objects", now, path[2]), value))
    return found


def _said(said: LabelDetails, fresh: LabelDetails) -> LabelDetails:
    """What is said of a label, the rest as it would be without."""
    given = {
        name: value
        for name in said.__struct_fields__
        if (value := getattr(said, name)) is not UNSET and value is not None and value != ()
    }
    return replace(fresh, **given)
