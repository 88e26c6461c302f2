"""Data rows: looking up, metadata, attachments, removal; metadata schemas; issues."""

from __future__ import annotations

from typing import Any

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
from annotary.model.base import new_id
from annotary.model.carried import decode
from annotary.model.project import Issue, MetadataOption, MetadataSchema, Project
from annotary.model.row import Attachment, DataRow, DataRowDetails
from annotary.operations.data_rows import (
    AddAttachments,
    CreateIssue,
    CreateMetadataSchema,
    DeleteDataRows,
    FindIssues,
    FindMetadataSchemas,
    GetDataRow,
    ResolveIssue,
    SetMetadata,
)
from annotary.store import states

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


@handles(SetMetadata)
def set_metadata(engine: Engine, request: SetMetadata) -> None:
    """Set metadata fields; those not named stay."""
    with engine.store.transaction():
        row = open_data_row(engine, request.data_row_id)
        fields = metadata.upserted(row.sections.metadata, request.fields, metadata.schemas(engine.store))
        _put(engine, row, metadata=fields)


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
            _put(engine, row, attachments=more if present == "[]" else f"{present[:-1]},{more[1:]}")


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


def _put(engine: Engine, row: OpenDataRow, **texts: str) -> None:
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


@handles(CreateMetadataSchema)
def create_metadata_schema(engine: Engine, request: CreateMetadataSchema) -> MetadataSchema:
    """Make a kind of metadata value."""
    store, name = engine.store, request.name.strip()
    if not 1 <= len(name) <= metadata.NAME_LIMIT:
        raise Invalid(f"metadata schema {name[:40]!r}: a name has 1 to {metadata.NAME_LIMIT} characters")
    options = [one.strip() for one in request.options]
    if (request.kind == "enum") != bool(options):
        raise Invalid(f"metadata schema {name!r}: an enum has options, no other kind has any")
    if len(set(options)) < len(options) or not all(options) or len(options) > metadata.OPTION_LIMIT:
        most = metadata.OPTION_LIMIT
        raise Invalid(f"metadata schema {name!r}: give up to {most} options, each with a name of its own")
    with store.transaction():
        store.alone("MetadataSchema", name)
        if any(schema.name == name for schema in metadata.schemas(store)):
            raise Conflict(f"there is a metadata schema {name!r} already; give another name")
        schema = MetadataSchema(
            id=new_id(),
            name=name,
            kind=request.kind,
            options=tuple(MetadataOption(id=new_id(), name=one) for one in options),
        )
        store.add(schema)
        return schema


@handles(FindMetadataSchemas)
def find_metadata_schemas(engine: Engine, request: FindMetadataSchemas) -> list[MetadataSchema]:
    """All metadata schemas."""
    return metadata.schemas(engine.store)


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
    return sorted(found, key=lambda issue: (issue.created_at, issue.id))
