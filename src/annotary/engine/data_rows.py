"""Data rows: looking up, metadata, attachments, removal; issues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from annotary.engine import metadata
from annotary.engine.core import Engine, handles
from annotary.engine.versions import (
    Fields,
    OpenDataRow,
    known_rows,
    open_data_row,
    open_project,
    pages_of,
    renewed,
)
from annotary.errors import Conflict, Invalid, NotFound
from annotary.model import sections
from annotary.model.base import new_id, to_json
from annotary.model.carried import decode
from annotary.model.project import Dataset, Issue, Project
from annotary.model.row import Attachment, DataRow, DataRowDetails, Row
from annotary.operations.data_rows import (
    AddAttachments,
    ChangeAttachment,
    ChangeDataRow,
    CreateIssue,
    DeleteAttachment,
    DeleteDataRows,
    DropMetadata,
    FindDataRows,
    FindIssues,
    GetDataRow,
    ResolveIssue,
    SetMetadata,
)
from annotary.store import lookup, states

ALL = 1_000_000


@handles(GetDataRow)
def get_data_row(engine: Engine, request: GetDataRow) -> DataRow:
    """One data row; its last activity is the latest in any project or run, else its own last change."""
    if (request.data_row_id is None) == (request.global_key is None):
        raise Invalid("give either data_row_id or global_key")
    store = engine.store
    ids = () if request.data_row_id is None else (request.data_row_id,)
    global_keys = () if request.global_key is None else (request.global_key,)
    (known,) = known_rows(store, ids, global_keys).values()
    stored = store.sections([known.version])[known.version]
    held = store.collections_of(known.n)
    with store.reading() as connection:
        active = states.last_activity(connection, held, known.n)
    details = decode(f'{{{stored.details}"}}', DataRowDetails)[0]
    details = replace(details, last_activity_at=active or details.updated_at)
    return replace(decode(f"{{{stored.head}}}", DataRow)[0], details=details)


@handles(FindDataRows)
def find_data_rows(engine: Engine, request: FindDataRows) -> list[Row]:
    """Data rows, newest first; those named by id or global key come in the order asked for."""
    store = engine.store
    if request.dataset_id is not None:
        store.get(Dataset, request.dataset_id)
    with store.reading() as connection:
        before = None
        if request.before is not None:
            before = lookup.number_of(connection, store.org, request.before)
            if before is None:
                raise NotFound(f"no data row {request.before!r} to go on after")
        found = lookup.rows_page(
            connection,
            store.org,
            ids=request.ids,
            global_keys=request.global_keys,
            external_ids=request.external_ids,
            dataset=request.dataset_id,
            before=before,
            limit=request.limit,
        )
    rows = [_row(one) for one in found]
    if request.ids is not None:
        places = {id: place for place, id in enumerate(request.ids)}
        rows.sort(key=lambda row: places[row.data_row.id])
    elif request.global_keys is not None:
        keys: dict[Any, int] = {key: place for place, key in enumerate(request.global_keys)}
        rows.sort(key=lambda row: keys[row.data_row.global_key])
    return rows


def _row(stored: Mapping[str, Any]) -> Row:
    """A data row with its parts, from its sections; keys annotary does not know are left out."""
    text = f'{{"data_row":{{{stored["head"]},"details":{{{stored["details"]}"}}}},{stored["media"]}'
    text += f',"attachments":{stored["attachments"]},"metadata_fields":{stored["metadata"]}}}'
    row, _ = decode(text, Row)
    details = row.data_row.details
    assert isinstance(details, DataRowDetails)
    # When it was last active is kept with the projects it is in.
    details = replace(details, last_activity_at=UNSET)
    return replace(row, data_row=replace(row.data_row, details=details))


@handles(ChangeDataRow)
def change_data_row(engine: Engine, request: ChangeDataRow) -> Row:
    """Change a data row's keys or address."""
    store = engine.store
    with store.transaction():
        opened = open_data_row(engine, request.data_row_id)
        present, extras = decode(f"{{{opened.sections.head}}}", DataRow)
        given = {
            name: value
            for name in ("external_id", "global_key", "row_data")
            if (value := getattr(request, name)) is not UNSET
        }
        key = given.get("global_key", present.global_key) or None
        if key != opened.known.global_key and key is not None:
            owner = store.data_rows_by("global_key", [key]).get(key)
            if owner is not None:
                raise Conflict(f"data row {owner.id!r} has the global key {key!r} already; give another key")
        changed = replace(present, **given)
        head = sections.head(changed, [(("data_row", *path), value) for path, value in extras])
        store.point_data_row(opened.known.n, opened.known.version, global_key=key)
        put(engine, opened, head=head)
        with store.reading() as connection:
            (found,) = lookup.rows_page(connection, store.org, ids=(request.data_row_id,), limit=1)
        return _row(found)


@handles(SetMetadata)
def set_metadata(engine: Engine, request: SetMetadata) -> None:
    """Set metadata fields; those not named stay."""
    with engine.store.transaction():
        row = open_data_row(engine, request.data_row_id)
        fields = metadata.upserted(row.sections.metadata, request.fields, metadata.schemas(engine.store))
        put(engine, row, metadata=fields)


@handles(DropMetadata)
def drop_metadata(engine: Engine, request: DropMetadata) -> None:
    """Remove metadata fields."""
    with engine.store.transaction():
        row = open_data_row(engine, request.data_row_id)
        gone = [one for one in metadata.schemas(engine.store) if one.id in request.schema_ids]
        put(engine, row, metadata=metadata.without(row.sections.metadata, gone))


@handles(AddAttachments)
def add_attachments(engine: Engine, request: AddAttachments) -> None:
    """Add attachments after those that are there."""
    with engine.store.transaction():
        row = open_data_row(engine, request.data_row_id)
        new = [_attachment(given) for given in request.attachments]
        present = row.sections.attachments
        if new:
            # Carried keys of present ones stay as they are: the text is only continued.
            more = sections.attachments(tuple(new))
            put(engine, row, attachments=more if present == "[]" else f"{present[:-1]},{more[1:]}")


@handles(ChangeAttachment)
def change_attachment(engine: Engine, request: ChangeAttachment) -> Attachment:
    """Change an attachment."""
    with engine.store.transaction():
        row = open_data_row(engine, request.data_row_id)
        present, place = _held_attachment(row, request.attachment_id)
        given = {
            name: value
            for name in ("type", "value", "name")
            if (value := getattr(request, name)) is not UNSET
        }
        changed = {**present[place], **given}
        attachment = _attachment(decode(to_json(changed), Attachment)[0])
        present[place] = changed
        put(engine, row, attachments=to_json(present))
        return attachment


@handles(DeleteAttachment)
def delete_attachment(engine: Engine, request: DeleteAttachment) -> None:
    """Remove an attachment."""
    with engine.store.transaction():
        row = open_data_row(engine, request.data_row_id)
        present, place = _held_attachment(row, request.attachment_id)
        del present[place]
        put(engine, row, attachments=to_json(present))


def _held_attachment(row: OpenDataRow, id: str) -> tuple[list[dict[str, Any]], int]:
    """All attachments of a data row as they are stored, and the place of one among them."""
    present: list[dict[str, Any]] = msgspec.json.decode(row.sections.attachments)
    for place, one in enumerate(present):
        if one.get("id") == id:
            return present, place
    raise NotFound(f"no attachment {id!r} of data row {row.known.id!r}")


_ATTACHMENTS = (
    "IMAGE",
    "VIDEO",
    "AUDIO",
    "HTML",
    "RAW_TEXT",
    "TEXT_URL",
    "PDF_URL",
    "IMAGE_OVERLAY",
    "CAMERA_IMAGE",
    "TEXT",
    "TEXT_FILE",
)


def _attachment(given: Attachment) -> Attachment:
    if given.type not in _ATTACHMENTS:
        raise Invalid(f"attachment: {given.type!r} is none of {', '.join(_ATTACHMENTS)}")
    if not given.value:
        raise Invalid(f"attachment of type {given.type}: no value; give a URL, or text for RAW_TEXT")
    return replace(given, id=new_id() if given.id is UNSET else given.id)


def show_dataset(engine: Engine, id: str, dataset: Dataset) -> None:
    """Write a data row anew with its dataset's name."""
    row = open_data_row(engine, id)
    details, extras = decode(f'{{{row.sections.details}"}}', DataRowDetails)
    carried = [(("data_row", "details", *path), value) for path, value in extras]
    named = replace(details, dataset_name=dataset.name)
    row.put(engine.store, engine.now(), details=sections.details(named, carried))


def put(engine: Engine, row: OpenDataRow, **texts: str) -> None:
    """Write changed sections, and when that was."""
    if all(getattr(row.sections, name) == text for name, text in texts.items()):
        return
    details, extras = decode(f'{{{row.sections.details}"}}', DataRowDetails)
    at: Any = details.updated_at
    details = replace(details, updated_at=engine.now() if at is UNSET else max(at, engine.now()))
    carried = [(("data_row", "details", *path), value) for path, value in extras]
    row.put(engine.store, engine.now(), details=sections.details(details, carried), **texts)


@handles(DeleteDataRows)
def delete_data_rows(engine: Engine, request: DeleteDataRows) -> int:
    """Remove data rows everywhere; tombstones stay in projects and runs for exports since then."""
    store = engine.store
    with store.transaction():
        collections: set[int] = set()
        for some in pages_of(request.data_row_ids):
            for known in known_rows(store, some).values():
                collections.update(store.collections_of(known.n))
        changes = {number: store.change(number) for number in sorted(collections)}
        count = 0
        for some in pages_of(request.data_row_ids):
            numbers = sorted(one.n for one in known_rows(store, some).values())
            held = store.lock_data_rows(numbers)
            for number in numbers:
                for collection in store.collections_of(number):
                    if collection not in changes:
                        changes[collection] = store.change(collection)
            for change in changes.values():
                present = [row for row in change.rows(numbers).values() if not row["deleted"]]
                change.remove_rows(present, engine.now())
            for known in held.values():
                store.point_data_row(known.n, known.version, dataset="", global_key=None)
            count += len(numbers)
        return count


@handles(CreateIssue)
def create_issue(engine: Engine, request: CreateIssue) -> Issue:
    """Open an issue on a row."""
    if not request.text.strip():
        raise Invalid("an issue needs a text")
    with engine.store.transaction():
        opened = open_project(engine, request.project_id)
        row = opened.row(engine.store, request.data_row_id)
        issue = Issue(
            id=new_id(),
            project_id=request.project_id,
            data_row_id=request.data_row_id,
            text=request.text,
            created_at=engine.now(),
            created_by=engine.user.email,
        )
        engine.store.add(issue)
        opened.change.put_rows([], [renewed(row, engine.now())])
        return issue


@handles(ResolveIssue)
def resolve_issue(engine: Engine, request: ResolveIssue) -> Issue:
    """Close an issue; one that is closed stays so, and one whose row is gone is only closed."""
    store = engine.store
    with store.transaction():
        opened = open_project(engine, request.project_id)
        issue = store.get(Issue, request.issue_id)
        if issue.project_id != request.project_id:
            raise NotFound(f"no issue {request.issue_id!r} in project {request.project_id!r}")
        if issue.resolved:
            return issue
        issue = replace(issue, resolved=True)
        store.put(issue)
        known = store.data_rows_by("id", [issue.data_row_id])[issue.data_row_id]
        present = opened.change.rows([known.n]).values()
        changed: list[Fields] = [renewed(row, engine.now()) for row in present if not row["deleted"]]
        opened.change.put_rows([], changed)
        return issue


@handles(FindIssues)
def find_issues(engine: Engine, request: FindIssues) -> list[Issue]:
    """The issues of a project, oldest first."""
    engine.store.get(Project, request.project_id)
    found = engine.store.find(Issue, parent=request.project_id, limit=ALL)
    if request.status is not None:
        found = [issue for issue in found if issue.resolved == (request.status == "Resolved")]
    return sorted(found, key=lambda issue: (issue.created_at, issue.id))
