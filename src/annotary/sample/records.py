"""A whole data row of the sample project: the record around a scene, in the layout of export v2."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from annotary.sample.annotations import annotations
from annotary.sample.identity import cuid, cuids, dice, uuid
from annotary.sample.predictions import COLLEAGUE, redrawn
from annotary.sample.scene import scene
from annotary.sample.things import Scene

Json = dict[str, Any]

LABELLERS = ("mara.lind@example.com", "tomas.okafor@example.com", "yuki.sato@example.com")
REVIEWERS = ("nora.weiss@example.com", "sam.adeyemi@example.com")
UPLOADER = "intake@example.com"
BATCHES = ("first drive", "second drive")

LABELLING, REVIEW, REWORK, DONE = (
    "Initial labeling task",
    "Initial review task",
    "Rework (all rejected)",
    "Done",
)
STATUSES = {LABELLING: "TO_LABEL", REVIEW: "IN_REVIEW", REWORK: "IN_REWORK", DONE: "DONE"}


@dataclass(frozen=True, slots=True)
class Event:
    """What happens to a row in the workflow; no task before or after means outside every task."""

    action: str
    before: str | None
    after: str | None


ENTER = Event("Move", None, LABELLING)
SUBMIT = Event("Move", LABELLING, REVIEW)
APPROVE = Event("Approve", REVIEW, None)
REJECT = Event("Reject", REVIEW, REWORK)
RESUBMIT = Event("Move", REWORK, REVIEW)
FINISH = Event("Move", REVIEW, None)
REOPEN = Event("Move", None, REVIEW)

STORIES: tuple[tuple[Event, ...], ...] = (
    (ENTER, SUBMIT, APPROVE),
    (ENTER, SUBMIT),
    (),
    (ENTER, SUBMIT, REJECT),
    (ENTER, SUBMIT, APPROVE),
    (ENTER, SUBMIT, REJECT, RESUBMIT, APPROVE),
    (ENTER, SUBMIT),
    (ENTER, SUBMIT, FINISH),
    (ENTER, SUBMIT, REJECT, RESUBMIT),
    (ENTER, SUBMIT, APPROVE),
    (ENTER, SUBMIT, APPROVE, REOPEN),
    (),
    (ENTER, SUBMIT, APPROVE),
)
"""What rows go through, taken in turn, so that every state occurs in a small sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event with its time and author."""

    event: Event
    at: datetime
    by: str


def project_id(seed: int) -> str:
    """The id of the sample project with this seed."""
    return cuid("project", seed)


def metadata_schemas() -> list[Json]:
    """The metadata fields of the sample beyond the reserved ones."""
    return [
        {"name": "speed_kmh", "kind": "CustomMetadataNumber"},
        {"name": "camera", "kind": "CustomMetadataEnum", "options": ["front", "rear"]},
    ]


def row(seed: int, index: int) -> Json:
    """The data row with this number, labels and masks included."""
    luck, view = dice("row", seed, index), scene(seed, index)
    story = _story(index)
    captured = _captured(view, luck)
    created = captured + _hours(luck, 1, 72)
    history = _history(story, created, luck)
    labels = _labels(view, history, luck)
    last = history[-1].at if history else created
    key = f"street-{index:06d}.png"
    return {
        "data_row": {
            "id": cuid("data row", seed, index),
            "global_key": key,
            "external_id": f"drive-{seed}/frame-{index}",
            "row_data": f"images/{key}",
            "details": {
                "dataset_id": cuid("dataset", seed),
                "dataset_name": "street",
                "created_at": _said(created),
                "updated_at": _said(created),
                "last_activity_at": _said(last),
                "created_by": UPLOADER,
            },
        },
        "media_attributes": {
            "height": view.height,
            "width": view.width,
            "mime_type": "image/png",
            "exif_rotation": "1",
            "asset_type": "image",
        },
        "attachments": _attachments(seed, index, key),
        "metadata_fields": _metadata(view, captured, luck),
        "projects": {
            project_id(seed): {
                "name": "Street scenes",
                "labels": labels,
                "project_tags": [],
                "project_details": _project_details(view, history, len(labels), luck),
            }
        },
    }


def _skipped(index: int) -> bool:
    return index % 25 == 19


def _story(index: int) -> tuple[Event, ...]:
    # A skipped row counts as labelled, so it has been submitted.
    return (ENTER, SUBMIT) if _skipped(index) else STORIES[index % len(STORIES)]


def _captured(view: Scene, luck: random.Random) -> datetime:
    hour = {"day": luck.uniform(9, 16.5), "dusk": luck.uniform(18.2, 19.4), "night": luck.uniform(21, 23.5)}
    day = datetime(2026, 3, 1 + luck.randrange(20), tzinfo=UTC)
    return day + timedelta(milliseconds=round(hour[view.light] * 3_600_000))


def _hours(luck: random.Random, least: float, most: float) -> timedelta:
    return timedelta(milliseconds=round(luck.uniform(least, most) * 3_600_000))


def _history(story: tuple[Event, ...], created: datetime, luck: random.Random) -> list[Happening]:
    """What happened to a row, oldest first."""
    labeller, reviewer = luck.choice(LABELLERS), luck.choice(REVIEWERS)
    made: list[Happening] = []
    at = created + _hours(luck, 2, 900)
    for event in story:
        if event == SUBMIT:
            # The move into labelling is written down with the first submit.
            at += timedelta(milliseconds=luck.randrange(12, 30))
        elif made:
            at += _hours(luck, 0.5, 240)
        by = labeller if event in (ENTER, SUBMIT, RESUBMIT) else reviewer
        made.append(Happening(event=event, at=at, by=by))
    return made


def _labels(view: Scene, history: list[Happening], luck: random.Random) -> list[Json]:
    submits = [happening for happening in history if happening.event == SUBMIT]
    if not submits:
        return []
    count = 1 if _skipped(view.index) else 2 if view.index % 11 == 4 else 3 if view.index % 13 == 6 else 1
    authors = [submits[0].by, *(labeller for labeller in LABELLERS if labeller != submits[0].by)][:count]
    labels = [_label(view, history, number, author, luck) for number, author in enumerate(authors)]
    if count > 1:
        # The first label is the exact one; the others are measured against it.
        labels[0]["is_benchmark_reference"] = True
    for number, label in enumerate(labels):
        score = round(luck.uniform(0.72, 0.99), 4)
        if count == 2 and number:
            label["performance_details"]["benchmark_score"] = score
        elif count == 3:
            label["performance_details"]["consensus_score"] = score
    return labels


def _label(view: Scene, history: list[Happening], number: int, author: str, luck: random.Random) -> Json:
    submitted = [event.at for event in history if event.event in (SUBMIT, RESUBMIT)]
    # Colleagues finished before the last label brought the row into review.
    early = timedelta(minutes=17 * number, milliseconds=41 * number)
    created = submitted[0] - early
    changed = created if number else submitted[-1]
    reviews = _reviews(view, history, number)
    return {
        "label_kind": "Default",
        "version": "1.0.0",
        "id": cuid("label", view.seed, view.index, number),
        "label_details": {
            "created_at": _said(created),
            "updated_at": _said(
                max([changed, *(event.at for event in history if event.event in (APPROVE, REJECT))])
            ),
            "created_by": author,
            "content_last_updated_at": _said(changed),
            "reviews": reviews,
        },
        "performance_details": {
            "seconds_to_create": 5 if _skipped(view.index) else luck.randrange(40, 420),
            "seconds_to_review": luck.randrange(8, 90) if reviews else 0,
            "skipped": _skipped(view.index),
        },
        "annotations": _drawn(view, number, luck),
    }


def _drawn(view: Scene, number: int, luck: random.Random) -> Json:
    if _skipped(view.index):
        return {"objects": [], "classifications": [], "relationships": []}
    ids = cuids("feature", view.seed, view.index, number)
    exact = annotations(view, ids)
    return redrawn(exact, view, ids, COLLEAGUE, luck) if number else exact


def _reviews(view: Scene, history: list[Happening], number: int) -> list[Json]:
    judged = [happening for happening in history if happening.event in (APPROVE, REJECT)]
    return [
        {
            "id": cuid("review", view.seed, view.index, number, turn),
            "score": 1 if happening.event == APPROVE else -1,
            "created_at": _said(happening.at),
            "created_by": happening.by,
        }
        for turn, happening in enumerate(judged)
    ]


def _project_details(view: Scene, history: list[Happening], labels: int, luck: random.Random) -> Json:
    batch = view.index // 5 % 2
    task = (history[-1].event.after or DONE) if history else LABELLING
    return {
        "ontology_id": cuid("street ontology"),
        "task_name": task,
        "batch_id": uuid("batch", view.seed, batch),
        "batch_name": BATCHES[batch],
        "workflow_status": STATUSES[task],
        "priority": luck.randrange(1, 6),
        "consensus_expected_label_count": max(labels, 1),
        "workflow_history": [_told(view.seed, happening) for happening in reversed(history)],
    }


def _told(seed: int, happening: Happening) -> Json:
    event = happening.event
    made: Json = {"action": event.action, "created_at": _said(happening.at), "created_by": happening.by}
    if event.before is not None:
        made |= {"previous_task_name": event.before, "previous_task_id": uuid("task", seed, event.before)}
    if event.after is not None:
        made |= {"next_task_name": event.after, "next_task_id": uuid("task", seed, event.after)}
    return made


def _attachments(seed: int, index: int, key: str) -> list[Json]:
    made: list[Json] = []
    if index % 3 == 0:
        value = f"https://example.org/overlays/{key}"
        made.append({"type": "IMAGE_OVERLAY", "value": value, "name": "heat map"})
    if index % 4 == 1:
        made.append(
            {"type": "RAW_TEXT", "value": f"Frame {index} of drive {seed}, lens cleaned before the start."}
        )
    return [{"id": cuid("attachment", seed, index, place), **entry} for place, entry in enumerate(made)]


def _metadata(view: Scene, captured: datetime, luck: random.Random) -> list[Json]:
    split = luck.choices(("train", "valid", "test"), (7, 2, 1))[0]
    values: Json = {
        "split": split,
        "captureDateTime": _said(captured),
        "speed_kmh": round(luck.uniform(0, 52), 1),
        "camera": luck.choice(("front", "rear")),
    }
    if luck.random() < 0.5:
        values = {"tag": luck.choice(("night shift", "ring road", "old town", "Zürich, Ätzplatz")), **values}
    return [{"schema_name": name, "value": value} for name, value in values.items()]


def _said(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
