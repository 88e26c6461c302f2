"""What one row means for the store, worked out before anything of it is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from annotary.engine.entries import (
    Entry,
    Origin,
    Rendered,
    Share,
    latest,
    project_details,
    render_data_row,
    render_label,
)
from annotary.engine.features import Unfit
from annotary.engine.places import Place
from annotary.engine.resolve import Resolver
from annotary.engine.workflow import Mover
from annotary.model import sections
from annotary.model.base import Value, derived_id, derived_uuid, to_json
from annotary.model.carried import decode
from annotary.model.project import Dataset
from annotary.model.row import MediaAttributes, ProjectDetails, RunPart
from annotary.model.sections import plain
from annotary.store.feature_index import feature_entries
from annotary.store.new_rows import NewLabel, NewRow

KEY_LIMIT = 200
"""Characters of a global key (the vendor's documented limit)."""


@dataclass(slots=True)
class Held:
    """What the store holds of a page's known rows: sections by version, rows and labels by collection.

    `own` is the number of this import's change where it has written; `flat` says that the file lists
    nested questions beside their parents.
    """

    sections: dict[int, Any] = field(default_factory=dict)
    rows: dict[int, dict[int, dict[str, Any]]] = field(default_factory=dict)
    labels: dict[int, dict[int, list[dict[str, Any]]]] = field(default_factory=dict)
    own: dict[int, int] = field(default_factory=dict)
    flat: bool = False


@dataclass(slots=True)
class Staged:
    """What is to be written: per row while it is worked out, then for a page.

    `new` are the rows of data rows that nobody knew; `rows`, `labels` and `features` are of others. `merges`
    says that a file may name a data row several times.
    """

    data_rows: list[tuple[Entry, str, str | None]] = field(default_factory=list)
    versions: list[tuple[Entry, tuple[str, ...]]] = field(default_factory=list)
    new: list[NewRow] = field(default_factory=list)
    rows: list[tuple[int, Entry, dict[str, Any], bool]] = field(default_factory=list)
    labels: list[tuple[int, dict[str, Any], bool]] = field(default_factory=list)
    features: list[tuple[int, list[int]]] = field(default_factory=list)
    pngs: dict[str, bytes] = field(default_factory=dict)
    batches: list[tuple[Place, str, str]] = field(default_factory=list)
    label_count: int = 0
    annotation_count: int = 0
    dropped_confidence: int = 0
    linked_masks: int = 0
    merges: bool = False

    def mark(self) -> tuple[int, ...]:
        """How far it is filled, to go back to if the next row is not taken over."""
        return (
            *(len(self.data_rows), len(self.versions), len(self.new), len(self.rows), len(self.labels)),
            *(len(self.features), len(self.batches), self.label_count, self.annotation_count),
        )

    def back_to(self, mark: tuple[int, ...]) -> None:
        """Forget what came after a mark."""
        for name, length in zip(_LISTS, mark, strict=False):
            del getattr(self, name)[length:]
        self.label_count, self.annotation_count = mark[-2:]


_LISTS = ("data_rows", "versions", "new", "rows", "labels", "features", "batches")


def stage(
    entry: Entry, staged: Staged, held: Held, origin: Origin, dataset: Dataset, *, by_name: bool
) -> None:
    """All that one row changes; raises Unfit where it cannot be taken over."""
    _check_data_row(entry)
    stored = None if entry.fresh else held.sections.get(entry.known.version)
    texts = render_data_row(entry, stored, dataset.id, dataset.name, origin)
    moved = stored is None or texts != (
        stored.head,
        stored.details,
        stored.media,
        stored.attachments,
        stored.metadata,
    )
    if moved:
        staged.versions.append((entry, texts))
    if entry.fresh:
        staged.data_rows.append((entry, dataset.id, entry.global_key))
    said = latest(entry.row)
    for share in entry.shares:
        _stage_share(entry, share, staged, held, origin, said, moved, by_name)


def _check_data_row(entry: Entry) -> None:
    given = entry.row.data_row
    if entry.clash:
        raise Unfit(
            "data_row.global_key",
            str(given.global_key),
            f"the global key belongs to data row {entry.clash} already",
        )
    if entry.global_key is not None and len(entry.global_key) > KEY_LIMIT:
        raise Unfit(
            "data_row.global_key", f"{entry.global_key[:30]}...", f"longer than {KEY_LIMIT} characters"
        )
    if entry.fresh and not given.row_data:
        what = str(given.global_key or entry.id)
        raise Unfit("data row", what, "no such data row; import the data rows first")


def _stage_share(
    entry: Entry,
    share: Share,
    staged: Staged,
    held: Held,
    origin: Origin,
    said: str | None,
    moved: bool,
    by_name: bool,
) -> None:
    collection = share.place.collection
    present = held.rows.get(collection, {}).get(entry.number)
    if present is not None and present["since"] == held.own.get(collection) and not staged.merges:
        raise Unfit("data_row", entry.id, "the same data row stands twice")
    new: list[NewLabel] = []
    changed = _stage_labels(entry, share, staged, new, held, origin, by_name)
    if share.place.kind == "project":
        fields = _project_fields(share, staged, present, origin)
        if origin.submits and share.labels and share.place.project is not None:
            labels = {label["id"] for label in held.labels.get(collection, {}).get(entry.number, [])}
            labels |= {label.id for label, _ in share.labels}
            mover = Mover(share.place.project, origin.user, origin.now)
            moved_on = mover.submitted({**fields, "activity": origin.now}, len(labels))
            fields.update(status=moved_on["status"], extra=moved_on["extra"])
    else:
        fields = _run_fields(entry, share, present)
    if entry.known is None:
        staged.new.append(
            NewRow(
                *(collection, entry.number, said or origin.now, fields["status"], fields["batch"]),
                *(fields["tail"], fields["extra"], new),
            )
        )
    elif present is None:
        fields["activity"] = said or origin.now
        staged.rows.append((collection, entry, {**fields, "deleted": 0}, False))
    elif changed or moved or present["deleted"] or any(present[key] != fields[key] for key in fields):
        fields["activity"] = max(present["activity"], said or origin.now)
        staged.rows.append((collection, entry, {**present, **fields, "deleted": 0}, True))


def _project_fields(
    share: Share, staged: Staged, present: dict[str, Any] | None, origin: Origin
) -> dict[str, Any]:
    place = share.place
    given: Any = getattr(share.given, "project_details", UNSET)
    tags: Any = getattr(share.given, "project_tags", UNSET)
    old = None
    tail = sections.project_tail(tags, share.extras)
    if present is not None:
        old = decode(present["extra"], ProjectDetails)[0]
        waits = old.workflow_status == "TO_LABEL" and not origin.submits
        if share.labels and waits and given is UNSET:
            given = ProjectDetails(workflow_status="DONE", task_name=place.fallback["tasks"]["DONE"])
        if tags is UNSET and not share.extras:
            tail = present["tail"]
    labelled = bool(share.labels) and not origin.submits
    details = project_details(given, old, place.fallback, labelled)
    staged.batches.append((place, str(details.batch_id), str(details.batch_name)))
    return {
        "status": details.workflow_status,
        "batch": details.batch_id,
        "tail": tail,
        "extra": sections.project_details(details, share.extras),
    }


def _run_fields(entry: Entry, share: Share, present: dict[str, Any] | None) -> dict[str, Any]:
    part = share.given if isinstance(share.given, RunPart) else RunPart()
    if present is not None and part.run_data_row_id is UNSET:
        tail = present["tail"]
    else:
        id = part.run_data_row_id
        own = derived_uuid(share.place.id, entry.id) if id is UNSET else id
        tail = f'"run_data_row_id":{to_json(own)}'
    split = present["extra"] if present is not None else ""
    if part.data_split is not UNSET:
        split = to_json(part.data_split) if part.data_split else ""
    return {"status": "", "batch": "", "tail": tail, "extra": split}


def _stage_labels(
    entry: Entry,
    share: Share,
    staged: Staged,
    new: list[NewLabel],
    held: Held,
    origin: Origin,
    by_name: bool,
) -> bool:
    """Stage labels and predictions; whether any is new or other than before.

    Those of a data row that nobody knew are put into `new`.
    """
    collection = share.place.collection
    present = held.labels.get(collection, {}).get(entry.number, [])
    by_id = {(label["prediction"], label["id"]): label for label in present}
    position = max([label["position"] for label in present], default=-1)
    seen: set[tuple[int, str]] = set()
    changed = False
    media = _media(entry, held)
    for prediction, given in ((0, share.labels), (1, share.predictions)):
        if not given:
            continue
        resolver = Resolver(
            share.place.features, predictions=bool(prediction), by_name=by_name, flat=held.flat
        )
        for index, (label, extras) in enumerate(given):
            if not label.id:
                label = replace(label, id=derived_id(share.place.id, entry.id, "label", str(index)))
            before = by_id.get((prediction, label.id))
            own = before is not None and before["since"] == held.own.get(collection)
            if (prediction, label.id) in seen or own:
                raise Unfit(f"labels[{index}].id", label.id, "the same label stands twice")
            seen.add((prediction, label.id))
            try:
                rendered = render_label(label, extras, resolver, media, share.place.mask_link, origin, before)
            except Unfit as unfit:
                raise Unfit(f"labels[{index}].annotations{unfit.path}", unfit.value, unfit.reason) from None
            if isinstance(label.v1, dict):
                features = share.place.features
                features.decorate(label.v1.get("colors", {}), label.v1.get("scopes", {}))
            staged.label_count += 1
            staged.annotation_count += len(rendered.hashes)
            columns = rendered.columns
            if before is not None and all(before[key] == value for key, value in columns.items()):
                continue
            changed = True
            if before is None:
                columns["prediction"], columns["position"] = prediction, 1 + position + len(seen)
            _put_label(entry, collection, rendered, before, staged, new)
        staged.dropped_confidence += resolver.dropped_confidence
        staged.linked_masks += resolver.linked_masks
    return changed


def _put_label(
    entry: Entry,
    collection: int,
    rendered: Rendered,
    before: dict[str, Any] | None,
    staged: Staged,
    new: list[NewLabel],
) -> None:
    columns, pngs, hashes, shows = rendered
    staged.pngs.update(pngs)
    if entry.known is None:
        new.append(NewLabel(shows=shows, hashes=hashes, **columns))
        return
    staged.features.append((collection, feature_entries(hashes, entry.number)))
    label = {**(before or {"data_row": entry.number}), **columns, "shows": shows}
    staged.labels.append((collection, label, before is not None))


def _media(entry: Entry, held: Held) -> MediaAttributes:
    """The image's size and type: as the file says, else as the store knows."""
    given = entry.row.media_attributes
    if entry.fresh or given != _NO_MEDIA:
        return given
    stored = plain(held.sections[entry.known.version].media)
    return decode(b"{" + stored + b"}", _Stored)[0].media_attributes


class _Stored(Value):
    media_attributes: MediaAttributes = MediaAttributes()


_NO_MEDIA = MediaAttributes()
