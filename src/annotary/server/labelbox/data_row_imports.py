"""Data rows on their way in: one at a time, or many in files that were uploaded before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from annotary.engine import media
from annotary.engine.loading import import_sources
from annotary.engine.sources import ValueSource
from annotary.errors import Invalid, NotFound
from annotary.model.base import derived_id, new_id, to_json
from annotary.model.project import MetadataSchema
from annotary.model.task import StoredFile, Task
from annotary.operations.data_rows import FindDataRows
from annotary.operations.datasets import GetDataset
from annotary.operations.global_keys import FindGlobalKeys
from annotary.operations.imports import StartImport
from annotary.operations.metadata_schemas import FindMetadataSchemas
from annotary.operations.tasks import GetTask
from annotary.server.labelbox import shapes, tasks
from annotary.server.labelbox.context import Context, Json, resolves
from annotary.server.labelbox.metadata import fields_of
from annotary.server.labelbox.upload import MEDIA_LINES

CHUNK_LIMIT = 64 << 20
"""A chunk of data rows may have so many bytes: it is one JSON document. The SDK makes them of 10 MB."""
PAGE_LIMIT = 5000
_KEPT = ("row_data", "external_id", "global_key", "media_type", "attachments", "embeddings")


@resolves("Mutation.createDataRow")
def create_data_row(parent: Any, context: Context, data: Json) -> Json:
    """Make one data row at once."""
    id = new_id()
    given = {
        "row_data": data["rowData"],
        "external_id": data.get("externalId"),
        "global_key": data.get("globalKey"),
        "media_type": data.get("mediaType"),
        "metadata_fields": data.get("metadataFields") or [],
        "attachments": data.get("attachments") or [],
    }
    lines = _Lines(context, data["dataset"]["connect"]["id"])
    _load(context, [lines.line(id, given)])
    return shapes.data_row(context.call(FindDataRows(ids=(id,)))[0])


def _load(context: Context, lines: Iterable[Json]) -> None:
    context.engine.require("member", "creating data rows")
    import_sources(context.engine, [ValueSource(lines, "data rows")], format="data-rows")


@resolves("Mutation.appendRowsToDatasetSync")
def append_now(parent: Any, context: Context, data: Json) -> Json:
    """Make the data rows of an uploaded list, all or none."""
    seed, lines = new_id(), _Lines(context, data["datasetId"])
    found = _document(context, data["jsonFileUrl"])
    _load(context, (lines.line(derived_id(seed, str(place)), one) for place, one in enumerate(found)))
    return {"dataset": shapes.dataset(context.call(GetDataset(dataset_id=data["datasetId"])))}


@resolves("Mutation.appendRowsToDataset")
def append(parent: Any, context: Context, data: Json) -> Json:
    """Begin to make the data rows of an uploaded list; each on its own."""
    seed, lines = new_id(), _Lines(context, data["datasetId"])
    found = _document(context, data["jsonFileUrl"])
    made = (lines.line(derived_id(seed, str(place)), one) for place, one in enumerate(found))
    return {"taskId": _begun(context, made, tasks.APPEND).id, "accepted": True, "errorMessage": None}


@resolves("Mutation.upsertDataRows")
def upsert(parent: Any, context: Context, data: Json) -> Json:
    """Begin to make and change data rows: a manifest names the chunks in which they were uploaded."""
    manifest = _document(context, data["manifestUri"])
    chunks = manifest.get("chunk_uris") if isinstance(manifest, dict) else None
    if not isinstance(chunks, list):
        raise Invalid("the manifest has no chunk_uris")
    return tasks.shown(context, _begun(context, _upserted(context, chunks), tasks.UPSERT, merges=True))


def _begun(context: Context, lines: Iterable[Json], name: str, *, merges: bool = False) -> Task:
    kept = context.files.keep(
        (to_json(one).encode() + b"\n" for one in lines), "data-rows.ndjson", MEDIA_LINES
    )
    start = StartImport(
        source=kept.id, format="data-rows", on_problem="skip", merges=merges, outcomes=True, name=name
    )
    return context.call(start)


def _document(context: Context, address: str) -> Any:
    file = context.files.found(address)
    if file.bytes > CHUNK_LIMIT:
        raise Invalid(f"{file.name}: {file.bytes:,} bytes are more than {CHUNK_LIMIT:,}; give smaller files")
    try:
        return msgspec.json.decode(b"".join(context.files.read(file)))
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid(f"{file.name}: not JSON: {error}") from None


def _upserted(context: Context, chunks: Sequence[str]) -> Iterator[Json]:
    """The lines of all chunks; rows that are named by a key keep the id they have."""
    seed, lines = new_id(), _Lines(context, None)
    place = 0
    for address in chunks:
        found = _document(context, address)
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise Invalid("a chunk of data rows is a list of objects {id, payload}")
        keys = tuple(one["id"]["value"] for one in found if _by(one) == "GKEY")
        known = {one.global_key: one.data_row_id for one in context.call(FindGlobalKeys(global_keys=keys))}
        for one in found:
            place += 1
            own, payload = derived_id(seed, str(place)), dict(one.get("payload") or {})
            if _by(one) == "ID":
                own = one["id"]["value"]
            elif _by(one) == "GKEY":
                key = one["id"]["value"]
                own = known.get(key, own)
                payload["global_key"] = payload.get("global_key") or key
            yield lines.line(own, payload)


def _by(one: Json) -> str | None:
    id = one.get("id")
    kind = id.get("type") if isinstance(id, dict) else None
    if kind in ("ID", "GKEY") and not (isinstance(id, dict) and isinstance(id.get("value"), str)):
        raise Invalid(f"a data row is named by {kind} without a value")
    return kind


class _Lines:
    """Data rows as the SDK words them, as lines of annotary's own format for them."""

    def __init__(self, context: Context, dataset: str | None) -> None:
        self._context = context
        self._dataset = dataset
        if dataset is not None:
            context.call(GetDataset(dataset_id=dataset))
        self._known: list[MetadataSchema] = context.call(FindMetadataSchemas())

    def line(self, id: str, given: Any) -> Json:
        """One data row; what is wrong with it is found when it is imported."""
        if not isinstance(given, dict):
            return {"id": id, "row_data": "", "not an object": given}
        line: Json = {"id": id, **{key: given[key] for key in _KEPT if given.get(key) is not None}}
        dataset = self._dataset or given.get("dataset_id")
        if dataset is not None:
            line["dataset_id"] = dataset
        fields = given.get("metadata_fields")
        if isinstance(fields, list) and fields:
            line["metadata_fields"] = self._metadata(fields)
        if isinstance(attached := line.get("attachments"), list):
            line["attachments"] = [
                {"id": derived_id(id, "attachment", str(place)), **one} if isinstance(one, dict) else one
                for place, one in enumerate(attached)
            ]
        if isinstance(address := line.get("row_data"), str):
            line.update(self._media(address))
        elif "row_data" in line:
            line["row_data"] = to_json(line["row_data"])
        return line

    def _metadata(self, fields: list[Any]) -> Any:
        if not all(isinstance(one, dict) for one in fields):
            return fields
        named = ({**one, "schemaId": one.get("schema_id") or one.get("schemaId")} for one in fields)
        return msgspec.to_builtins(fields_of(named, self._known))

    def _media(self, address: str) -> Json:
        """Size and type of an image that was uploaded here; of others what their address tells."""
        try:
            file = self._context.files.found(address)
        except (Invalid, NotFound):
            return media.supposed(address)
        with self._context.files.local(file) as path:
            return media.measured(path)


# What came of it, page by page


def _told(context: Context, data: Json, name: str) -> tuple[StoredFile | None, Json]:
    task = context.call(GetTask(task_id=data["taskId"]))
    result = task.result or {}
    id = result.get(name)
    return (None if id is None else context.files.by_id(id)), result


def _page(context: Context, data: Json, name: str, status: str) -> tuple[list[Json], str | None, Json]:
    """Lines of one status from a place on, and the place after them; None where no more follow."""
    file, result = _told(context, data, name)
    first = max(1, min(data.get("first") or 100, PAGE_LIMIT))
    after = data.get("from")
    if after is not None and not after.isdigit():
        raise Invalid(f"from: {after!r} is no cursor of these pages")
    found: list[Json] = []
    place = int(after or 0)
    for line in _lines(context, file, place) if file is not None else ():
        if len(found) == first:
            return found, str(place), result
        place += len(line)
        told = msgspec.json.decode(line)
        if told["status"] == status:
            found.append(told)
    return found, None, result


def _lines(context: Context, file: StoredFile, start: int) -> Iterator[bytes]:
    return lines_of(context.files.read(file, start))


def lines_of(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a file that comes in pieces, each with its newline."""
    held = b""
    for block in blocks:
        *whole, held = (held + block).split(b"\n")
        yield from (line + b"\n" for line in whole)


@resolves("Query.failedDataRowImports")
def failed(parent: Any, context: Context, data: Json) -> Json:
    """The data rows that could not be made, and why."""
    found, after, result = _page(context, data, "failures", "FAILURE")
    results = [
        {"message": "; ".join(error["message"] for error in one["errors"]), "spec": _spec(one["given"])}
        for one in found
    ]
    return {"after": after, "total": result.get("failed", 0), "results": results}


def _spec(given: Json) -> Json:
    fields = given.get("metadata_fields")
    return {
        "externalId": given.get("external_id"),
        "globalKey": given.get("global_key"),
        "rowData": given.get("row_data"),
        "metadata": [
            {"schemaId": one.get("schema_id"), "value": one.get("value"), "name": one.get("schema_name")}
            for one in (fields if isinstance(fields, list) else ())
            if isinstance(one, dict)
        ],
        "attachments": [one for one in given.get("attachments") or () if isinstance(one, dict)],
    }


@resolves("Query.successesfulDataRowImports")
def succeeded(parent: Any, context: Context, data: Json) -> Json:
    """The data rows that were made or changed."""
    found, after, result = _page(context, data, "statuses", "SUCCESS")
    return {"after": after, "total": result.get("taken", 0), "nodes": [_core(one) for one in found]}


def _core(told: Json) -> Json:
    given = told["given"]
    return {
        "id": told["id"],
        "externalId": given.get("external_id"),
        "globalKey": given.get("global_key"),
        "rowData": given.get("row_data"),
    }


def created(read: Callable[[], Iterable[bytes]]) -> Iterator[bytes]:
    """What came of an uploaded list as the one JSON object that the SDK wants: rows made, then errors.

    `read` gives the lines that tell it, once for each of the two.
    """
    yield b'{"createdDataRows":['
    comma = b""
    for line in read():
        told = msgspec.json.decode(line)
        if told["status"] == "SUCCESS":
            yield comma + to_json(_core(told)).encode()
            comma = b","
    yield b'],"errors":['
    comma = b""
    for line in read():
        told = msgspec.json.decode(line)
        if told["status"] == "FAILURE":
            yield comma + to_json(_failure(told)).encode()
            comma = b","
    yield b"]}"


def _failure(told: Json) -> Json:
    given = told["given"]
    row = {
        "rowData": given.get("row_data"),
        "externalId": given.get("external_id"),
        "globalKey": given.get("global_key"),
        "attachmentInputs": given.get("attachments") or [],
        "metadataFields": given.get("metadata_fields") or [],
    }
    return {"message": "; ".join(error["message"] for error in told["errors"]), "failedDataRows": [row]}
