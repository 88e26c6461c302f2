"""Labelbox data rows: a line a data row, with the names that the vendor's SDK has for its fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import UNSET

from annotary.formats import Apart, Format, Options, Part
from annotary.model import moment
from annotary.model.base import to_json
from annotary.model.carried import decode
from annotary.model.corpus import Corpus, Record
from annotary.model.row import DataRowDetails, MetadataField, Row

_MEDIA = {"mime_type": "mimeType", "asset_type": "assetType", "exif_rotation": "exifRotation"}


def shown(row: Row) -> dict[str, Any]:
    """A data row in the vendor's words; dates end in Z."""
    given = row.data_row
    details = given.details if isinstance(given.details, DataRowDetails) else DataRowDetails()
    media = msgspec.to_builtins(row.media_attributes)
    fields = row.metadata_fields if isinstance(row.metadata_fields, tuple) else ()
    return {
        "id": given.id,
        "externalId": given.external_id or None,
        "globalKey": given.global_key or None,
        "rowData": given.row_data,
        "createdAt": _instant(details.created_at),
        "updatedAt": _instant(details.updated_at),
        "mediaAttributes": {_MEDIA.get(key, key): value for key, value in media.items()},
        "metadataFields": [
            {
                "schemaId": one.schema_id or None,
                "name": one.schema_name or None,
                "value": _plain(one.value),
                "kind": one.schema_kind or None,
            }
            for one in fields
        ],
        "customMetadata": custom_metadata(fields),
    }


def _instant(text: Any) -> str | None:
    return None if text is UNSET or not text else moment.shown_v1(text)


def _plain(value: Any) -> Any:
    """A metadata value for people: of options their names."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.get("schema_name") if isinstance(value, dict) else value


def custom_metadata(fields: Iterable[MetadataField]) -> list[dict[str, Any]]:
    """Metadata by schema id; an option is an entry of its own with an empty value, and so is its enum."""
    found: list[dict[str, Any]] = []
    for one in fields:
        options = one.value if isinstance(one.value, list) else [one.value]
        id = one.schema_id or None
        if options and all(isinstance(option, dict) for option in options):
            for option in options:
                found.append({"schemaId": id, "value": {}})
                found.append({"schemaId": option.get("schema_id"), "value": {}})
        else:
            found.append({"schemaId": id, "value": one.value})
    return found


def write(corpus: Corpus, options: Options) -> Iterator[Part]:
    """A line a data row; removed ones are left out."""
    for page in corpus.pages:
        lines = []
        for stored in page.rows:
            record = Record._make(stored)
            if record.deleted:
                continue
            details = b'{%b"}' % record.details if record.details else b"{}"
            text = b'{"data_row":{%b,"details":%b},%b' % (record.head, details, record.media)
            if record.metadata:
                text += b',"metadata_fields":' + record.metadata
            lines.append(to_json(shown(decode(text + b"}", Row)[0])) + "\n")
        yield Part("", "".join(lines).encode())


FORMAT = Format(
    title="Labelbox data rows",
    write=write,
    apart=Apart(write),
    lines=True,
    says="images with keys, dates, size and metadata; no labels, attachments",
)
