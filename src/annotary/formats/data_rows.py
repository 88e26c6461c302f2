"""Data rows: the vendor's upload format, a list or lines of objects, one an image."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from annotary.formats import Apart, Format, Options, Part, Reading, Source
from annotary.formats._json import Broken, documents, problem_of
from annotary.model.base import Value, to_json
from annotary.model.corpus import Corpus, Parsed, Record
from annotary.model.row import Attachment, DataRow, DataRowDetails, MediaAttributes, MetadataField, Row

Text = Annotated[str, Meta(min_length=1)]
OLD = {"externalId": "external_id", "imageUrl": "row_data"}
"""Names of keys in very old files."""


class UploadField(Value):
    """A metadata value by the name or the id of its schema."""

    value: Any
    name: Text | UnsetType = UNSET
    schema_id: Text | UnsetType = UNSET
    schema_name: Text | UnsetType = UNSET


_MEDIA = ("width", "height", "mime_type", "exif_rotation", "asset_type")


class Entry(Value):
    """One data row as it is uploaded; what is known of the image is annotary's own addition.

    One that is there already, by its id or global key, needs no `row_data`. Embeddings are carried along:
    annotary has no use of its own for them.
    """

    row_data: Text | UnsetType = UNSET
    id: Text | UnsetType = UNSET
    global_key: Text | None | UnsetType = UNSET
    external_id: Text | None | UnsetType = UNSET
    media_type: Literal["IMAGE"] | None | UnsetType = UNSET
    metadata_fields: tuple[UploadField, ...] | UnsetType = UNSET
    attachments: tuple[Attachment, ...] | UnsetType = UNSET
    embeddings: tuple[dict[str, Any], ...] | UnsetType = UNSET
    dataset_id: Text | UnsetType = UNSET
    width: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    height: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    mime_type: Text | UnsetType = UNSET
    exif_rotation: Text | UnsetType = UNSET
    asset_type: Text | UnsetType = UNSET


def read(source: Source, options: Options, reading: Reading) -> Iterator[Parsed]:
    """Data rows without labels."""
    try:
        for document in documents(source):
            try:
                plain = msgspec.json.decode(document.data)
                entry = msgspec.convert(_renamed(plain), Entry)
                if entry.row_data is UNSET and not (entry.id or entry.global_key):
                    raise msgspec.ValidationError("Object missing required field `row_data`")
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
                problem = problem_of(error, document)
                reading.report(msgspec.structs.replace(problem, reason=_helped(problem.reason)))
                continue
            carried = () if entry.embeddings is UNSET else [(("embeddings",), entry.embeddings)]
            yield Parsed(_row(entry), carried, document.place, len(document.data))
    except Broken as broken:
        reading.report(broken.problem)


def _renamed(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {OLD.get(key, key): value for key, value in plain.items()}
    return plain


def _helped(reason: str) -> str:
    """An unknown key with the nearest known one beside it."""
    if "unknown field" not in reason:
        return reason
    key = reason.split("`")[1]
    near = difflib.get_close_matches(key, Entry.__struct_fields__, 1)
    known = f"did you mean {near[0]}?" if near else f"known: {', '.join(Entry.__struct_fields__)}"
    return f"{reason}; {known}"


def _row(entry: Entry) -> Row:
    details = UNSET if entry.dataset_id is UNSET else DataRowDetails(dataset_id=entry.dataset_id)
    return Row(
        data_row=DataRow(
            id=entry.id or "",
            global_key=entry.global_key,
            external_id=entry.external_id,
            row_data=entry.row_data or "",
            details=details,
        ),
        media_attributes=MediaAttributes(**{key: getattr(entry, key) for key in _MEDIA}),
        attachments=entry.attachments,
        metadata_fields=_metadata(entry),
    )


def _metadata(entry: Entry) -> tuple[MetadataField, ...] | UnsetType:
    if isinstance(entry.metadata_fields, UnsetType):
        return UNSET
    return tuple(
        MetadataField(schema_id=one.schema_id, schema_name=one.name or one.schema_name, value=one.value)
        for one in entry.metadata_fields
    )


def write(corpus: Corpus, options: Options) -> Iterator[Part]:
    """A line a data row."""
    for page in corpus.pages:
        lines = []
        for row in page.rows:
            record = Record._make(row)
            line = msgspec.json.decode(b"{" + record.head + b"}")
            if record.deleted:
                line["deleted"] = True
            else:
                top = msgspec.json.decode(b"{" + record.media + b"}")
                media = {**top["media_attributes"], **top}
                line.update({key: media[key] for key in (*_MEDIA, "embeddings") if key in media})
                for key, section in (
                    ("metadata_fields", record.metadata),
                    ("attachments", record.attachments),
                ):
                    if section and section != b"[]":
                        line[key] = msgspec.json.decode(section)
            lines.append(to_json(line) + "\n")
        yield Part("", "".join(lines).encode())


def claims(first: dict[str, Any]) -> bool:
    """Whether a file's first document is of this format."""
    return "data_row" not in first and bool({"row_data", "imageUrl"} & first.keys())


FORMAT = Format(
    title="Data rows",
    read=read,
    write=write,
    apart=Apart(write),
    claims=claims,
    lines=True,
    shows_all=True,
    checks_metadata=True,
    says="images with keys, metadata and attachments; no labels",
)
