"""Sections: the pieces of a v2 row as JSON text, ready to be stored and copied.

What is left out because the file does not say it is left out here too; defaults are the importer's.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
from msgspec import UNSET

from annotary.model.annotation import Annotations
from annotary.model.base import Value, to_json
from annotary.model.carried import Extras, below, put_back
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

BASE = "\x1a"
"""Stands for the server's base URL in stored mask links; as a raw byte it cannot occur inside JSON text."""
_LINK = '"url":"\\u001a/'
_TOP = frozenset(
    {"data_row", "media_attributes", "attachments", "metadata_fields", "projects", "experiments"}
)


def render(value: Value | tuple[Value, ...], extras: Extras = (), *prefix: str) -> str:
    """JSON of a value with its carried keys: those extras that stand under the prefix."""
    inner = below(extras, *prefix) if extras and prefix else extras
    return to_json(put_back(msgspec.to_builtins(value), inner)) if inner else to_json(value)


def members(value: Value, extras: Extras = ()) -> str:
    """JSON of an object without its braces, to be continued by others."""
    return render(value, extras)[1:-1]


def head(data_row: DataRow, extras: Extras = ()) -> str:
    """Members of `data_row` but its details."""
    external = data_row.external_id
    if data_row.details is not UNSET or external is None or data_row.global_key in (None, ""):
        data_row = DataRow(
            id=data_row.id,
            global_key=data_row.global_key or UNSET,
            external_id=UNSET if external is None else external,
            row_data=data_row.row_data,
        )
    if not extras:
        return members(data_row)
    return members(data_row, [one for one in below(extras, "data_row") if one[0][0] != "details"])


def details(given: DataRowDetails, extras: Extras = ()) -> str:
    """Members of `data_row.details`, open at the end for the last activity."""
    if given.last_activity_at is not UNSET:
        given = msgspec.structs.replace(given, last_activity_at=UNSET)
    return members(given, below(extras, "data_row", "details")) + ',"last_activity_at":"'


def media(given: MediaAttributes, extras: Extras = ()) -> str:
    """`media_attributes`, and after it whatever else stood at the top of the row."""
    if isinstance(given.exif_rotation, int):
        given = msgspec.structs.replace(given, exif_rotation=str(given.exif_rotation))
    text = f'"media_attributes":{render(given, extras, "media_attributes")}'
    for path, value in extras:
        if len(path) == 1 and path[0] not in _TOP:
            text += f",{to_json(path[0])}:{to_json(value)}"
    return text


def attachments(given: tuple[Attachment, ...], extras: Extras = ()) -> str:
    """`attachments`."""
    return render(given, extras, "attachments")


def metadata(given: tuple[MetadataField, ...], extras: Extras = ()) -> str:
    """`metadata_fields`."""
    return render(given, extras, "metadata_fields")


USUAL_TAIL = '"project_tags":[]'
"""What follows the labels of a project that has no tags, as most have none."""


def project_tail(tags: Any, extras: Extras = ()) -> str:
    """What follows the labels within a project: its tags, and keys annotary does not know."""
    text = f'"project_tags":{to_json(tags)}' if isinstance(tags, tuple) and tags else USUAL_TAIL
    known = {"name", "project_name", "labels", "project_tags", "project_details"}
    for path, value in extras:
        if len(path) == 1 and path[0] not in known:
            text += f",{to_json(path[0])}:{to_json(value)}"
    return text


def project_details(given: ProjectDetails, extras: Extras = ()) -> str:
    """`project_details`."""
    return render(given, extras, "project_details")


def label_head(label: Label, extras: Extras = ()) -> str:
    """Members of a label before its sections; `extras` are the label's."""
    text = f'"label_kind":"Default","version":{_word(label.version)},"id":{to_json(label.id)}'
    if label.is_benchmark_reference is True:
        text += ',"is_benchmark_reference":true'
    for path, value in extras:
        if len(path) == 1:
            text += f",{to_json(path[0])}:{to_json(value)}"
    return text


@lru_cache(maxsize=64)
def _word(text: str) -> str:
    """JSON of a text that comes again and again."""
    return to_json(text)


def label_details(given: LabelDetails, extras: Extras = ()) -> str:
    """`label_details`."""
    return render(given, extras, "label_details")


def performance(given: Performance, extras: Extras = ()) -> str:
    """`performance_details`."""
    return render(given, extras, "performance_details")


def label_annotations(given: Annotations, extras: Extras = ()) -> str:
    """`annotations`, with the base URL of annotary's own mask links as the placeholder."""
    text = render(given, extras, "annotations")
    # A quote inside a JSON string is escaped, so this text can only be a url member of the structure.
    # Looking for one character first spares most labels the longer search, which shows in an import.
    return text.replace(_LINK, f'"url":"{BASE}/') if "\\" in text else text


def plain(section: bytes | str, base_url: str = "") -> bytes:
    """A stored section as JSON for a parser."""
    data = section.encode() if isinstance(section, str) else section
    return data.replace(BASE.encode(), base_url.encode()) if BASE.encode() in data else data


def kept(section: str) -> str:
    """A stored section as JSON for a parser that is to be rendered again: own mask links stay our own."""
    return section.replace(BASE, "\\u001a") if BASE in section else section
