"""Workload W: rows for benchmarks, written as lines of text without any picture behind them."""

import hashlib
import json
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

from annotary.sample.identity import cuid, dice, uuid
from annotary.sample.ontology import feature_schema_id

Json = dict[str, Any]

POOL = 4096
"""How many shapes of each kind there are; rows draw from them, so that neighbours differ."""

FRAMES = 1024
"""How many surroundings of a label there are: batch, status, metadata, authors."""

OBJECTS = (4, 5, 6, 6, 7, 7, 8, 8, 9, 10)
"""How many objects rows have, in turn: 7.0 on average."""

PLANS = 40 * len(OBJECTS)
"""How many arrangements of objects there are; used in turn, so that the shares hold."""

SHARES = {"box": 50, "polygon": 35, "line": 3, "point": 2, "mask": 10}
"""Kinds of objects in percent."""

WIDTH, HEIGHT = 1920, 1080
FIRST, DAYS = datetime(2026, 3, 2, tzinfo=UTC), 110

STATUSES = ("DONE",) * 16 + ("IN_REVIEW",) * 2 + ("IN_REWORK", "TO_LABEL")
TASKS = {
    "TO_LABEL": "Initial labeling task",
    "IN_REVIEW": "Initial review task",
    "IN_REWORK": "Rework (all rejected)",
    "DONE": "Done",
}
LABEL, REVIEW, REWORK = "Initial labeling task", "Initial review task", "Rework (all rejected)"
HISTORIES: dict[str, tuple[tuple[str, str | None, str | None], ...]] = {
    "DONE": (("Approve", REVIEW, None), ("Move", LABEL, REVIEW), ("Move", None, LABEL)),
    "IN_REWORK": (("Reject", REVIEW, REWORK), ("Move", LABEL, REVIEW), ("Move", None, LABEL)),
    "IN_REVIEW": (("Move", None, REVIEW), ("Move", LABEL, None), ("Move", None, LABEL)),
    "TO_LABEL": (("Move", None, LABEL), ("Move", LABEL, None), ("Move", None, LABEL)),
}
"""The three steps that lead to each status, newest first."""

_LETTERS = bytes(b"0123456789abcdefghijklmnopqrstuvwxyz"[byte % 36] for byte in range(256))
# The ids of a row: data row, label, attachment, two questions, three answers, then the objects.
_ANSWERED, _DRAWN = 3, 8


@dataclass(frozen=True, slots=True)
class _Plan:
    """The arrangement of a row: a pool for each object, the answers, and which id goes into which hole."""

    pools: tuple[tuple[bytes, ...], ...]
    answers: bytes
    holes: Callable[[list[bytes]], tuple[bytes, ...]]
    ids: int


def workload(rows: int, seed: int = 1) -> Iterator[bytes]:
    """So many rows of export v2, each an ASCII line with its line end; fewer rows are a prefix of more."""
    project = cuid("workload", seed)
    plans, frames, stamps = _plans(seed, project), _frames(seed, project), _stamps()
    salt = f"workload {seed} ".encode()
    for index in range(rows):
        plan = plans[index % PLANS]
        # 24 letters of 36 for each id: 10 million rows meet twice with a chance of one in 10^21.
        noise = hashlib.shake_128(salt + b"%d" % index).digest(24 * plan.ids + 32)
        letters, choice = noise.translate(_LETTERS), int.from_bytes(noise[-32:])
        ids = [b"c" + letters[start : start + 24] for start in range(0, 24 * plan.ids, 24)]
        drawn = []
        for pool in plan.pools:
            drawn.append(pool[choice % POOL])
            choice //= POOL
        objects = b",".join(drawn)
        annotations = b'{"objects":[%b],"classifications":[%b],"relationships":[]}' % (objects, plan.answers)
        frame, moment = frames[choice % FRAMES], choice // FRAMES % (len(stamps) - 1000)
        made, labelled, judged = stamps[moment], stamps[moment + 300], stamps[moment + 300 + moment % 700]
        yield frame % (
            *(ids[0], index, index, made, made, judged, ids[2]),
            *(ids[1], labelled, judged, labelled, annotations % plan.holes(ids)),
            *(judged, labelled, labelled),
        )


def _frames(seed: int, project: str) -> tuple[bytes, ...]:
    luck = dice("workload frames", seed)
    return tuple(_frame(seed, project, number, luck) for number in range(FRAMES))


def _frame(seed: int, project: str, number: int, luck: random.Random) -> bytes:
    """A row around its annotations, with holes in the order in which `workload` fills them."""
    status = STATUSES[number % len(STATUSES)]
    labeller, reviewer = (f"{word}{luck.randrange(10, 60)}@example.com" for word in ("ann", "rev"))
    folder = f"{luck.randrange(1 << 20):05x}"
    frame: Json = {
        "data_row": {
            "id": "%b",
            "global_key": f"w{seed}-%09d.jpg",
            "row_data": f"https://example.org/{folder}/%09d.jpg",
            "details": {
                "dataset_id": cuid("workload dataset", seed),
                "dataset_name": "workload",
                "created_at": "%b",
                "updated_at": "%b",
                "last_activity_at": "%b",
                "created_by": "intake@example.com",
            },
        },
        "media_attributes": {
            "height": HEIGHT,
            "width": WIDTH,
            "mime_type": "image/jpeg",
            "exif_rotation": "1",
            "asset_type": "image",
        },
        "attachments": [{"id": "%b", "type": "RAW_TEXT", "value": f"Drive {number}"}],
        "metadata_fields": [
            {"schema_name": "split", "value": luck.choice(("train", "train", "valid", "test"))},
        ],
        "projects": {
            project: {
                "name": "Workload",
                "labels": [
                    {
                        "label_kind": "Default",
                        "version": "1.0.0",
                        "id": "%b",
                        "label_details": {
                            "created_at": "%b",
                            "updated_at": "%b",
                            "created_by": labeller,
                            "content_last_updated_at": "%b",
                            "reviews": [],
                        },
                        "performance_details": {
                            "seconds_to_create": luck.randrange(20, 400),
                            "seconds_to_review": luck.randrange(5, 90),
                            "skipped": False,
                        },
                        "annotations": "<annotations>",
                    }
                ],
                "project_tags": [],
                "project_details": {
                    "ontology_id": cuid("street ontology"),
                    "task_name": TASKS[status],
                    "batch_id": uuid("workload batch", seed, number % 10),
                    "batch_name": f"batch {number % 10}",
                    "workflow_status": status,
                    "priority": luck.randrange(1, 6),
                    "consensus_expected_label_count": 1,
                    "workflow_history": [
                        _step(seed, reviewer if turn == 0 else labeller, *event)
                        for turn, event in enumerate(HISTORIES[status])
                    ],
                },
            }
        },
    }
    return _written(frame).replace(b'"<annotations>"', b"%b") + b"\n"


def _step(seed: int, by: str, action: str, before: str | None, after: str | None) -> Json:
    step: Json = {"action": action, "created_at": "%b", "created_by": by}
    for side, task in (("previous", before), ("next", after)):
        if task is not None:
            step |= {f"{side}_task_name": task, f"{side}_task_id": uuid("workload task", seed, task)}
    return step


def _plans(seed: int, project: str) -> tuple[_Plan, ...]:
    luck = dice("workload plans", seed)
    pools = {kind: tuple(_written(_shape(kind, project, luck)) for _ in range(POOL)) for kind in SHARES}
    total = PLANS // len(OBJECTS) * sum(OBJECTS)
    deck = [kind for kind, share in SHARES.items() for _ in range(total * share // 100)]
    luck.shuffle(deck)
    return tuple(_plan(deck, OBJECTS[number % len(OBJECTS)], pools, luck) for number in range(PLANS))


def _plan(deck: list[str], count: int, pools: dict[str, tuple[bytes, ...]], luck: random.Random) -> _Plan:
    kinds = [deck.pop() for _ in range(count)]
    # The URL of a mask repeats the id of its object.
    holes = [_DRAWN + place for place, kind in enumerate(kinds) for _ in range(2 if kind == "mask" else 1)]
    answers = _answers(luck)
    holes += range(_ANSWERED, _ANSWERED + answers.count(b"%b"))
    return _Plan(tuple(pools[kind] for kind in kinds), answers, itemgetter(*holes), _DRAWN + count)


def _answers(luck: random.Random) -> bytes:
    day, weather = (
        luck.choice(("day", "dusk")),
        luck.sample(("clear", "rain", "fog", "wind"), k=luck.choice((1,) * 8 + (2,))),
    )
    asked = {
        **_feature("time_of_day"),
        "radio_answer": {**_feature("time_of_day", day), "classifications": []},
    }
    given = [{**_feature("weather", kind), "classifications": []} for kind in weather]
    return _written(asked) + b"," + _written({**_feature("weather"), "checklist_answers": given})


def _shape(kind: str, project: str, luck: random.Random) -> Json:
    x, y = luck.uniform(200, WIDTH - 200), luck.uniform(200, HEIGHT - 200)
    match kind:
        case "box":
            size = {"height": round(luck.uniform(20, 200), 1), "width": round(luck.uniform(20, 200), 1)}
            box = {"top": round(y - 100, 1), "left": round(x - 100, 1), **size}
            return _object(
                luck.choice(("car", "pedestrian", "trailer")), "ImageBoundingBox", bounding_box=box
            )
        case "polygon":
            ring = list(_ring(x, y, luck))
            return _object("building", "ImagePolygon", polygon=[*ring, ring[0]])
        case "line":
            line = [
                _point(x + step * luck.uniform(5, 20), y + step * 6) for step in range(luck.randrange(5, 15))
            ]
            return _object("lane marking", "ImagePolyline", line=line)
        case "point":
            return _object("traffic light", "ImagePoint", point=_point(x, y))
    url = f"https://example.org/api/v1/projects/{project}/annotations/%b/mask"
    return _object(luck.choice(("tree", "road", "sky")), "ImageSegmentationMask", mask={"url": url})


def _ring(x: float, y: float, luck: random.Random) -> Iterator[dict[str, float]]:
    corners, size = luck.randrange(14, 35), luck.uniform(40, 180)
    for corner in range(corners):
        angle, far = 2 * math.pi * corner / corners, size * luck.uniform(0.6, 1.0)
        yield _point(x + far * math.cos(angle), y + far * math.sin(angle))


def _point(x: float, y: float) -> dict[str, float]:
    return {"x": round(min(x, float(WIDTH)), 3), "y": round(min(y, float(HEIGHT)), 3)}


def _object(name: str, kind: str, **geometry: object) -> Json:
    return {**_feature(name), "annotation_kind": kind, "classifications": [], **geometry}


def _feature(*path: str) -> Json:
    schema = feature_schema_id(*path)
    return {"feature_id": "%b", "feature_schema_id": schema, "name": path[-1], "value": path[-1]}


def _stamps() -> list[bytes]:
    """Moments in order, one about every quarter of an hour."""
    count = DAYS * 96
    moments = (
        FIRST + timedelta(milliseconds=step * 900_000 + step * 7919 % 900_000) for step in range(count)
    )
    return [moment.isoformat(timespec="milliseconds").encode() for moment in moments]


def _written(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
