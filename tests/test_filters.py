"""Every filter and every pair of filters against an independent brute-force answer."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

import annotary

STATUS = {"ToLabel": "TO_LABEL", "InReview": "IN_REVIEW", "InRework": "IN_REWORK", "Done": "DONE"}
START = datetime(2026, 3, 1, tzinfo=UTC)
ROWS = 120
KIND = {"ImageBoundingBox": "box", "ImagePoint": "point"}
ANSWER = {"radio_answer": "radio", "text_answer": "text"}
NAMES = ("car", "Car", 'a "quoted", one', "été")


def instant(hours: float) -> str:
    return (START + timedelta(hours=hours)).isoformat(timespec="milliseconds")


def annotations(luck: random.Random, label: str) -> dict[str, Any]:
    """Objects of some classes and kinds, answers of some kinds; often nothing of either."""
    objects = []
    for index in range(luck.choice((0, 0, 1, 2))):
        kind = luck.choice(list(KIND))
        drawn = {"bounding_box": {"top": 1, "left": 1, "height": 2, "width": 2}}
        objects.append(
            {
                "feature_id": f"{label}-{index}",
                "feature_schema_id": f"schema-{NAMES[index]}-{kind}",
                "name": luck.choice(NAMES),
                "annotation_kind": kind,
                "classifications": [],
                **(drawn if kind == "ImageBoundingBox" else {"point": {"x": 1, "y": 2}}),
            }
        )
    answers: list[dict[str, Any]] = []
    if luck.random() < 0.2:
        answers.append({"name": "weather", "text_answer": {"content": '"radio_answer": car'}})
    if luck.random() < 0.2:
        chosen = {"name": "yes", "value": "yes", "classifications": []}
        answers.append({"name": "car", "radio_answer": chosen})
    return {"objects": objects, "classifications": answers, "relationships": []}


def generated() -> list[dict[str, Any]]:
    """Rows with every combination of status, batch and dates, made from a seed."""
    luck = random.Random(7)
    rows = []
    for number in range(ROWS):
        labels = []
        for index in range(luck.choice((0, 1, 1, 2))):
            created = instant(luck.randrange(0, 24 * 10))
            labels.append(
                {
                    "label_kind": "Default",
                    "version": "1.0.0",
                    "id": f"label-{number}-{index}",
                    "label_details": {
                        "created_at": created,
                        "updated_at": created,
                        "created_by": "a@example.com",
                    },
                    "annotations": annotations(luck, f"label-{number}-{index}"),
                }
            )
        active = instant(luck.choice((0, 24, 48, 71.9997, 72, 96, luck.randrange(240))))
        rows.append(
            {
                "data_row": {
                    "id": f"row-{number}",
                    "global_key": f"key-{number}",
                    **({"external_id": f'name {number // 3} "é"'} if number % 4 else {}),
                    "row_data": f"https://example.org/{number}.png",
                    "details": {
                        "created_at": instant(0),
                        "updated_at": instant(0),
                        "last_activity_at": active,
                    },
                },
                "media_attributes": {"height": 10, "width": 10, "mime_type": "image/png"},
                "projects": {
                    "project-1": {
                        "name": "generated",
                        "labels": labels,
                        "project_details": {
                            "batch_id": f"batch-{luck.randrange(4)}",
                            "workflow_status": luck.choice(list(STATUS.values())),
                        },
                    }
                },
            }
        )
    return rows


ROWS_MADE = generated()


@pytest.fixture
def project(client: annotary.Client) -> Any:
    client.port.load(ROWS_MADE, format="labelbox-v2")
    return client.get_project("project-1")


def moment(text: str, *, end: bool) -> datetime:
    """An independent reading of the four ways to write a date."""
    if len(text) == 10:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        return day + timedelta(days=1, microseconds=-1) if end else day
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"):
        try:
            found = datetime.strptime(text, form)
        except ValueError:
            continue
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    raise AssertionError(text)


def within(text: str, bounds: list[str | None]) -> bool:
    at = datetime.fromisoformat(text)
    low, high = bounds
    if low is not None and at < moment(low, end=False):
        return False
    return high is None or at <= moment(high, end=True)


def passes(row: dict[str, Any], filters: dict[str, Any]) -> bool:
    share = row["projects"]["project-1"]
    objects = [one for label in share["labels"] for one in label["annotations"]["objects"]]
    answers = [one for label in share["labels"] for one in label["annotations"]["classifications"]]
    kinds = {KIND[one["annotation_kind"]] for one in objects}
    kinds |= {ANSWER[key] for one in answers for key in one if key in ANSWER}
    tests = {
        "external_ids": lambda wanted: row["data_row"].get("external_id") in wanted,
        "class_names": lambda wanted: any(one["name"] in wanted for one in objects),
        "kinds": lambda wanted: not kinds.isdisjoint(wanted),
        "no_objects": lambda wanted: not (wanted and objects),
        "last_activity_at": lambda wanted: within(row["data_row"]["details"]["last_activity_at"], wanted),
        "label_created_at": lambda wanted: (
            any(within(label["label_details"]["created_at"], wanted) for label in share["labels"])
            or wanted == [None, None]
        ),
        "workflow_status": lambda wanted: share["project_details"]["workflow_status"] == STATUS[wanted],
        "batch_ids": lambda wanted: share["project_details"]["batch_id"] in wanted,
        "data_row_ids": lambda wanted: row["data_row"]["id"] in wanted,
        "global_keys": lambda wanted: row["data_row"]["global_key"] in wanted,
    }
    return all(tests[name](wanted) for name, wanted in filters.items())


EXACT = (START + timedelta(hours=72)).astimezone(timezone(timedelta(hours=2)))
RANGES: list[list[str | None]] = [
    ["2026-03-02", "2026-03-04"],
    ["2026-03-03", "2026-03-03"],
    ["2026-03-02 00:00:00", "2026-03-04 00:00:00"],
    [EXACT.strftime("%Y-%m-%dT%H:%M:%S%z"), None],
    [None, EXACT.strftime("%Y-%m-%dT%H:%M:%S%z")],
    ["2026-03-03T22:00:00-0200", "2026-03-04T00:00:00Z"],
    [None, None],
    ["2026-03-04", None],
    [None, "2026-03-04"],
    ["2030-01-01", "2031-01-01"],
]
CHOICES: dict[str, list[Any]] = {
    "last_activity_at": RANGES,
    "label_created_at": RANGES,
    "workflow_status": list(STATUS),
    "batch_ids": [["batch-0"], ["batch-1", "batch-3"], ["nothing"]],
    "data_row_ids": [["row-3"], [f"row-{n}" for n in range(0, ROWS, 2)], ["row-1", "elsewhere"]],
    "global_keys": [["key-3"], [f"key-{n}" for n in range(50)]],
    "external_ids": [['name 7 "é"'], [f'name {n} "é"' for n in range(30)], ["name 7"]],
    "class_names": [["car"], ['a "quoted", one', "été"], ["weather"]],
    "kinds": [["box"], ["point", "radio"], ["text"], ["mask"]],
    "no_objects": [True, False],
}


def combinations() -> list[dict[str, Any]]:
    single = [{name: value} for name, values in CHOICES.items() for value in values]
    pairs = [
        {one: first, other: second}
        for one, other in itertools.combinations(CHOICES, 2)
        if {one, other} != {"data_row_ids", "global_keys"}
        for first in CHOICES[one]
        for second in CHOICES[other]
    ]
    triple = [{"last_activity_at": RANGES[0], "workflow_status": "Done", "batch_ids": ["batch-0", "batch-1"]}]
    return [{}, *single, *pairs, *triple]


def test_every_filter_and_every_pair(project: Any, request: pytest.FixtureRequest) -> None:
    tried = 0
    # A server hands filters to the store as they are, which answers for them all.
    step = 10 if request.node.callspec.params["client"] == "remote" else 1
    for filters in combinations()[::step]:
        wanted = [row["data_row"]["id"] for row in ROWS_MADE if passes(row, filters)]
        found = [row["data_row"]["id"] for row in project.export(filters=filters).stream()]
        assert found == wanted, filters
        tried += 1
    assert tried > 400 / step


def test_wide_and_narrow_reading_agree(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two ways to read (by keys, and in order) give the same bytes."""
    filters = {"last_activity_at": ["2026-03-02", "2026-03-06"], "workflow_status": "Done"}
    by_keys = b"".join(project.export(filters=filters).lines())
    monkeypatch.setattr("annotary.store.rows.FEW", 0)
    monkeypatch.setattr("annotary.store.rows.BARE_ROWS", 7)
    assert b"".join(project.export(filters=filters).lines()) == by_keys
    assert by_keys


def test_none_and_empty_filter_nothing(project: Any) -> None:
    for filters in (None, {}, {"workflow_status": None}, {"something": "else"}):
        assert len(project.export_v2(filters=filters).result) == ROWS


def test_params_ignore_what_they_do_not_know(project: Any) -> None:
    assert len(project.export_v2(params={"something": True}).result) == ROWS


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        ({"workflow_status": "Finished"}, "workflow_status: 'Finished' is none of ToLabel"),
        ({"workflow_status": ["Done"]}, "is none of"),
        ({"batch_ids": "batch-0"}, "batch_ids: 'batch-0' is not a list"),
        ({"batch_ids": []}, "batch_ids: the list is empty"),
        ({"data_row_ids": ["x"] * 2001}, "2,001 ids are more than 2,000"),
        ({"data_row_ids": [3]}, "data_row_ids: 3 is not an id"),
        ({"data_row_ids": ["a"], "global_keys": ["b"]}, "exclude each other"),
        ({"last_activity_at": "2026-01-01"}, "is not a pair"),
        ({"last_activity_at": ["yesterday", None]}, "last_activity_at: not a date: 'yesterday'"),
        ({"label_created_at": ["2026-02-30", None]}, "label_created_at: not a date: '2026-02-30'"),
        ({"label_created_at": [20260101, None]}, "not a date: 20260101"),
        ({"last_activity_at": ["2026-01-01T10:00:00+25:00", None]}, "not a date"),
    ],
)
def test_wrong_filters_say_what_is_wrong(
    project: Any, monkeypatch: pytest.MonkeyPatch, filters: dict[str, Any], reason: str
) -> None:
    def never(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("the store was asked")

    monkeypatch.setattr(project._port, "export", never)
    with pytest.raises(ValueError, match="(?s)" + reason.replace("(", r"\(")) as caught:
        project.export_v2(filters=filters)
    assert isinstance(caught.value, annotary.Invalid)
    assert "\n" not in str(caught.value)
