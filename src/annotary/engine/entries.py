"""Rows from a file as the store wants them: ids, dates and defaults filled in, sections rendered."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from annotary.engine.features import Unfit
from annotary.engine.metadata import merged
from annotary.engine.places import Place
from annotary.engine.resolve import Resolver
from annotary.model import moment, sections
from annotary.model.annotation import TOOLS, Annotations, MaskObject
from annotary.model.base import derived_id, feature_hash, to_json
from annotary.model.carried import Extras, below, decode
from annotary.model.geometry import MaskLink
from annotary.model.image import WORDS
from annotary.model.ledger import Ledger
from annotary.model.row import (
    DataRow,
    DataRowDetails,
    Label,
    LabelDetails,
    MediaAttributes,
    Performance,
    ProjectDetails,
    ProjectPart,
    Row,
    RunPart,
)
from annotary.store.signatures import answered_in, shown_by

LOCAL_USER = "annotary@localhost"
"""Who has made what a file names no maker of."""


@dataclass(slots=True)
class Origin:
    """What an import fills in where files say nothing: its instant and its user.

    `submits` says that its labels are handed in like a labeller's: rows that wait for them go on to review;
    `merges` that of metadata only what is named changes.
    """

    now: str
    user: str = LOCAL_USER
    submits: bool = False
    merges: bool = False


@dataclass(slots=True)
class Share:
    """What a row brings to one project or run; `given` is its ProjectPart or RunPart, if any."""

    place: Place
    labels: list[tuple[Label, Extras]]
    predictions: list[tuple[Label, Extras]]
    given: ProjectPart | RunPart | None
    extras: Extras


@dataclass(slots=True)
class Entry:
    """A data row on its way into the store, with what it brings to projects and runs.

    `known` is the stored data row where there is one; `clash` the id of another that has its global key.
    `item` is its document where that was made ready ahead: then `row` and `shares` are not there yet.
    """

    row: Row
    extras: Extras
    place: str
    id: str
    global_key: str | None
    number: int = 0
    known: Any = None
    clash: str = ""
    shares: list[Share] = field(default_factory=list)
    item: Any = None

    @property
    def fresh(self) -> bool:
        """Whether the data row is not there: not yet, or no more since it was deleted."""
        return self.known is None or not self.known.dataset

    def release(self) -> None:
        """Let go of all that has been worked out, while it is still in the processor's cache."""
        self.row, self.extras, self.item = NO_ROW, (), None
        self.shares.clear()


NO_ROW = Row(data_row=DataRow(row_data=""))


def balanced(entry: Entry, ledger: Ledger, problem: str = "") -> None:
    """Enter what became of a row's objects and answers into the ledger: stored, or left out for a problem."""
    reason = f"its image has a problem: {problem}"
    for share in entry.shares:
        for label, _ in (*share.labels, *share.predictions):
            words = [WORDS[_TAGS[type(one)]] for one in label.annotations.objects]
            asked = [label.annotations.classifications]
            asked += [one.classifications for one in label.annotations.objects]
            words += ["answer"] * sum(map(len, asked))
            for word in words:
                if problem:
                    ledger.dropped(word, reason, entry.place)
                else:
                    ledger.wrote(word)


def canonical(text: Any, place: str, name: str) -> Any:
    """A date as the store writes it; UNSET stays. Raises Unfit."""
    if text is UNSET or text is None:
        return UNSET
    try:
        return moment.canonical(text)
    except ValueError:
        raise Unfit(f"{place}.{name}", repr(text), f"not a date; give {moment.WANTED}") from None


def data_row_details(
    given: Any, before: DataRowDetails | None, dataset: str, dataset_name: str, origin: Origin
) -> DataRowDetails:
    """Details with every field set: what is given, else what was there, else what follows."""
    said = given if isinstance(given, DataRowDetails) else _NOTHING_SAID
    old = _NOTHING_SAID if before is None else before
    created = canonical(said.created_at, ".data_row.details", "created_at") or old.created_at or origin.now
    updated = canonical(said.updated_at, ".data_row.details", "updated_at") or old.updated_at or created
    creator = old.created_by if said.created_by is UNSET or said.created_by is None else said.created_by
    return DataRowDetails(
        dataset_id=dataset,
        dataset_name=dataset_name,
        created_at=created,
        updated_at=updated,
        created_by=origin.user if creator is UNSET or creator is None else creator,
    )


_NOTHING_SAID = DataRowDetails()


def render_data_row(
    entry: Entry, before: Any, dataset: str, dataset_name: str, origin: Origin
) -> tuple[str, str, str, str, str]:
    """The five sections of a data row: head, details, media, attachments, metadata.

    `before` holds the stored ones of a known data row, which stay where the file says nothing.
    """
    row, extras = entry.row, entry.extras
    given = row.data_row
    old, old_details, old_extras = _NEW if before is None else _stored_data_row(before)
    external = given.external_id
    bare = DataRow(
        id=entry.id,
        global_key=given.global_key or old.global_key,
        external_id=old.external_id if external is UNSET or external is None else external,
        row_data=given.row_data or old.row_data,
    )
    details = data_row_details(given.details, old_details, dataset, dataset_name, origin)
    if before is not None and row.media_attributes == _NO_MEDIA and not below(extras, "media_attributes"):
        media = before.media
    else:
        media = sections.media(row.media_attributes, extras)
    attachments = before.attachments if before is not None else "[]"
    if isinstance(row.attachments, tuple):
        attachments = sections.attachments(row.attachments, extras)
    metadata = before.metadata if before is not None else "[]"
    if isinstance(row.metadata_fields, tuple):
        given_metadata = sections.metadata(row.metadata_fields, extras)
        metadata = merged(metadata, given_metadata) if origin.merges else given_metadata
    head = sections.head(bare, extras or old_extras)
    return head, sections.details(details, extras), media, attachments, metadata


_NEW: tuple[DataRow, None, Extras] = (DataRow(row_data=""), None, ())
_NO_MEDIA = MediaAttributes()


def _stored_data_row(stored: Any) -> tuple[DataRow, DataRowDetails, Extras]:
    row, extras = decode("{" + stored.head + "}", DataRow)
    details, _ = decode("{" + stored.details + '"}', DataRowDetails)
    return row, details, [(("data_row", *path), value) for path, value in extras]


def latest(row: Row) -> str | None:
    """The last activity that a file's dates imply; None where it has none at all."""
    said = row.data_row.details
    found: list[Any] = []
    if isinstance(said, DataRowDetails):
        if said.last_activity_at is not UNSET:
            return str(canonical(said.last_activity_at, ".data_row.details", "last_activity_at"))
        found += [canonical(said.updated_at, ".data_row.details", "updated_at")]
        found += [canonical(said.created_at, ".data_row.details", "created_at")]
    for part in row.projects.values():
        for label in part.labels:
            dates = label.label_details
            if isinstance(dates, LabelDetails):
                found += [canonical(dates.updated_at, ".label_details", "updated_at")]
                found += [canonical(dates.created_at, ".label_details", "created_at")]
                found += [canonical(review.created_at, ".reviews", "created_at") for review in dates.reviews]
        if isinstance(part.project_details, ProjectDetails):
            for event in part.project_details.workflow_history:
                found.append(canonical(event.created_at, ".workflow_history", "created_at"))
    return max((text for text in found if text is not UNSET), default=None)


class Rendered(NamedTuple):
    """A label's columns, the PNGs of its masks by their hash, its objects' feature hashes, what it shows."""

    columns: dict[str, Any]
    pngs: dict[str, bytes]
    hashes: list[int]
    shows: str


_TAGS = {kind: str(kind.__struct_config__.tag) for kind in TOOLS}


def render_label(
    label: Label,
    extras: Extras,
    resolver: Resolver,
    media: MediaAttributes,
    link: Any,
    origin: Origin,
    before: dict[str, Any] | None,
) -> Rendered:
    """A label as it is to be stored.

    `link` gives the address of one of annotary's own masks by feature id.
    """
    given = resolver.annotations(label.annotations, label.id)
    given, pngs, kept = _with_masks(given, media, link, before, resolver)
    said = label.label_details if isinstance(label.label_details, LabelDetails) else None
    columns: dict[str, Any] = {
        "id": label.id,
        "head": sections.label_head(label, extras),
        "annotations": sections.label_annotations(given, extras),
        "v1": to_json(label.v1) if label.v1 is not UNSET else (before["v1"] if before else None),
        "masks": to_json(kept) if kept else None,
    }
    if before is not None and said is None:
        columns["details"], columns["created_at"] = before["details"], before["created_at"]
    else:
        details = label_details(said or LabelDetails(), origin, before)
        columns["details"] = sections.label_details(details, extras)
        columns["created_at"] = details.created_at
    if isinstance(label.performance_details, Performance):
        columns["performance"] = sections.performance(label.performance_details, extras)
    else:
        columns["performance"] = before["performance"] if before else _NO_PERFORMANCE
    hashes = [feature_hash(drawn.feature_id) for drawn in given.objects]
    # Looking for them in the text takes longer, but finds what is carried, too.
    plain = not extras and not given.relationships
    answered = resolver.answered if plain else answered_in(columns["annotations"])
    shows = shown_by([(_TAGS[type(one)], str(one.name)) for one in given.objects], answered)
    return Rendered(columns, pngs, hashes, shows)


_NO_PERFORMANCE = to_json(Performance())


def label_details(said: LabelDetails, origin: Origin, before: dict[str, Any] | None) -> LabelDetails:
    """Label details with every field set."""
    old = decode(before["details"], LabelDetails)[0] if before is not None else _NO_LABEL_DETAILS
    place = ".label_details"
    created = canonical(said.created_at, place, "created_at") or old.created_at or origin.now
    updated = canonical(said.updated_at, place, "updated_at") or old.updated_at or created
    content = canonical(said.content_last_updated_at, place, "content_last_updated_at")
    return LabelDetails(
        created_at=created,
        updated_at=updated,
        created_by=said.created_by or old.created_by or origin.user,
        content_last_updated_at=content or old.content_last_updated_at or updated,
        reviews=tuple([_dated(review, ".reviews") for review in said.reviews]),
    )


_NO_LABEL_DETAILS = LabelDetails()


def _dated(event: Any, place: str) -> Any:
    """A review or a step of the workflow with its date as the store writes it."""
    when = canonical(event.created_at, place, "created_at")
    return event if event.created_at == when else replace(event, created_at=when)


def _with_masks(
    given: Annotations,
    media: MediaAttributes,
    link: Any,
    before: dict[str, Any] | None,
    resolver: Resolver,
) -> tuple[Annotations, dict[str, bytes], dict[str, str]]:
    """Masks with pixels get our own address; blob hashes by feature id, and PNGs by hash, come back."""
    pngs: dict[str, bytes] = {}
    kept: dict[str, str] = {}
    stored = decode(before["masks"], dict)[0] if before is not None and before["masks"] else {}
    objects: list[Any] | None = None
    for index, drawn in enumerate(given.objects):
        if type(drawn) is not MaskObject or not isinstance(drawn.mask, MaskLink):
            continue
        own = link(drawn.feature_id)
        if isinstance(drawn.mask.png, bytes):
            png = _checked_mask(drawn.mask.png, media, index)
            kept[drawn.feature_id] = name = sha256(png).hexdigest()
            pngs[name] = png
        elif drawn.feature_id in stored and drawn.mask.url.endswith(
            (own, f"/masks/feature/{drawn.feature_id}")
        ):
            kept[drawn.feature_id] = stored[drawn.feature_id]
        else:
            resolver.linked_masks += 1
            continue
        objects = list(given.objects) if objects is None else objects
        objects[index] = replace(drawn, mask=MaskLink(url=sections.BASE + own))
    if objects is not None:
        given = replace(given, objects=tuple(objects))
    return given, pngs, kept


def _checked_mask(png: bytes, media: MediaAttributes, index: int) -> bytes:
    # Takes as long to import as all that rows without pixels need.
    from annotary.formats._png import decode_mask, encode_mask

    try:
        mask = decode_mask(png)
    except ValueError as error:
        raise Unfit(f".objects[{index}].mask", "its pixels", str(error)) from None
    height, width = mask.shape
    if (media.height, media.width) not in ((UNSET, UNSET), (height, width)):
        raise Unfit(
            f".objects[{index}].mask",
            f"{width} x {height} px",
            f"the mask is not of its image's size, {media.width} x {media.height} px",
        )
    return encode_mask(mask)


def project_details(
    said: Any, before: ProjectDetails | None, fallback: dict[str, Any], labelled: bool
) -> ProjectDetails:
    """Project details with every field set; `fallback` holds ontology, batch and the names of tasks."""
    given = said if isinstance(said, ProjectDetails) else _NO_DETAILS
    old = before if before is not None else _NO_DETAILS
    status = given.workflow_status or old.workflow_status or ("DONE" if labelled else "TO_LABEL")
    history = tuple([_dated(event, ".workflow_history") for event in given.workflow_history])
    return ProjectDetails(
        ontology_id=fallback["ontology_id"],
        task_name=given.task_name or old.task_name or fallback["tasks"][status],
        task_id=given.task_id or old.task_id,
        batch_id=given.batch_id or old.batch_id or fallback["batch_id"],
        batch_name=given.batch_name or old.batch_name or fallback["batch_name"],
        workflow_status=status,
        priority=_first(given.priority, old.priority, 5),
        consensus_expected_label_count=_first(
            given.consensus_expected_label_count, old.consensus_expected_label_count, 1
        ),
        workflow_history=history or old.workflow_history,
    )


_NO_DETAILS = ProjectDetails()


def _first(given: Any, old: Any, fallback: int) -> Any:
    if given is not UNSET:
        return given
    return fallback if old is UNSET else old


def data_row_id(row: Row, dataset: str, org: str) -> str:
    """The id of a data row that came without one: it follows from its key, so that it is found again."""
    given = row.data_row
    if given.global_key:
        return derived_id(org, "data row", str(given.global_key))
    return derived_id(org, "data row", dataset, str(given.external_id or ""), given.row_data)


def join(present: list[Share], more: list[Share]) -> None:
    """Add what another line says of the same data row."""
    for share in more:
        same = next((one for one in present if one.place is share.place), None)
        if same is None:
            present.append(share)
        else:
            same.labels += share.labels
            same.predictions += share.predictions
