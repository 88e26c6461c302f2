"""Whole rows: every status, several labels, a history that makes sense, dates in range."""

import json
import re
from collections import Counter
from itertools import pairwise

import pytest

from annotary.sample.records import metadata_schemas, project_id
from annotary.sample.scene import scene
from annotary.sample.truth import row

DATE = re.compile(r"2026-0[3-6]-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00")


@pytest.fixture(scope="module")
def rows():
    """Sixty rows, as the demo has them."""
    return [row(1, index) for index in range(60)]


def project(one):
    return one["projects"][project_id(1)]


def labels(rows):
    return [label for one in rows for label in project(one)["labels"]]


def test_the_head_of_a_row(rows):
    one = rows[17]
    assert one["data_row"]["global_key"] == "street-000017.png"
    assert one["data_row"]["row_data"] == "images/street-000017.png"
    view = scene(1, 17)
    assert one["media_attributes"] == {
        "height": view.height,
        "width": view.width,
        "mime_type": "image/png",
        "exif_rotation": "1",
        "asset_type": "image",
    }
    assert list(one) == ["data_row", "media_attributes", "attachments", "metadata_fields", "projects"]


def test_all_four_statuses_occur(rows):
    counts = Counter(project(one)["project_details"]["workflow_status"] for one in rows)
    assert counts.keys() == {"TO_LABEL", "IN_REVIEW", "IN_REWORK", "DONE"}
    assert min(counts.values()) >= 3


def test_rows_have_none_one_or_several_labels(rows):
    counts = Counter(len(project(one)["labels"]) for one in rows)
    assert counts.keys() == {0, 1, 2, 3}
    assert counts[1] > 35
    for one in rows:
        found = project(one)["labels"]
        assert len({label["label_details"]["created_by"] for label in found}) == len(found)
        benchmarks = [label for label in found if label.get("is_benchmark_reference")]
        assert len(benchmarks) == (len(found) > 1)
        assert project(one)["project_details"]["consensus_expected_label_count"] == max(len(found), 1)
        to_label = project(one)["project_details"]["workflow_status"] == "TO_LABEL"
        assert to_label == (not found)


def test_one_row_in_twenty_five_is_skipped(rows):
    skipped = [label for label in labels(rows) if label["performance_details"]["skipped"]]
    assert len(skipped) == 2
    empty = {"objects": [], "classifications": [], "relationships": []}
    assert all(label["annotations"] == empty for label in skipped)


def test_both_batches_and_all_priorities_occur(rows):
    details = [project(one)["project_details"] for one in rows]
    assert len({one["batch_id"] for one in details}) == 2
    assert {one["batch_name"] for one in details} == {"first drive", "second drive"}
    assert {one["priority"] for one in details} == {1, 2, 3, 4, 5}


def test_a_history_leads_to_the_status_newest_first(rows):
    after = {
        "TO_LABEL": "Initial labeling task",
        "IN_REVIEW": "Initial review task",
        "IN_REWORK": "Rework (all rejected)",
        "DONE": None,
    }
    lengths = set()
    for one in rows:
        details = project(one)["project_details"]
        history = details["workflow_history"]
        lengths.add(len(history))
        dates = [event["created_at"] for event in history]
        assert dates == sorted(dates, reverse=True)
        for newer, older in pairwise(history):
            assert newer.get("previous_task_name") == older.get("next_task_name")
            assert newer.get("previous_task_id") == older.get("next_task_id")
        if history:
            assert history[0].get("next_task_name") == after[details["workflow_status"]]
            assert "previous_task_name" not in history[-1]
        assert details["task_name"] == (after[details["workflow_status"]] or "Done")
    assert lengths == {0, 2, 3, 4, 5}
    actions = Counter(
        event["action"] for one in rows for event in project(one)["project_details"]["workflow_history"]
    )
    assert actions.keys() == {"Move", "Approve", "Reject"}


def test_reviews_agree_with_the_history(rows):
    for one in rows:
        judged = [
            event["action"]
            for event in reversed(project(one)["project_details"]["workflow_history"])
            if event["action"] != "Move"
        ]
        scores = [1 if action == "Approve" else -1 for action in judged]
        for label in project(one)["labels"]:
            assert [review["score"] for review in label["label_details"]["reviews"]] == scores


def test_dates_are_in_range_and_in_order(rows):
    text = json.dumps(rows, default=len)
    found = re.findall(r'"(\d{4}-\d\d-[^"]*)"', text)
    assert found
    assert all(DATE.fullmatch(date) for date in found)
    for one in rows:
        details = one["data_row"]["details"]
        history = project(one)["project_details"]["workflow_history"]
        assert details["created_at"] < details["last_activity_at"] or not history
        for label in project(one)["labels"]:
            told = label["label_details"]
            assert details["created_at"] < told["created_at"] <= told["content_last_updated_at"]
            assert told["content_last_updated_at"] <= told["updated_at"] <= details["last_activity_at"]


@pytest.mark.parametrize("index", [999, 123_456, 9_999_999])
def test_dates_stay_in_range_far_out(index):
    found = re.findall(r'"(\d{4}-\d\d-[^"]*)"', json.dumps(row(3, index), default=len))
    assert all(DATE.fullmatch(date) for date in found)


def test_metadata_and_attachments(rows):
    fields = [{field["schema_name"]: field["value"] for field in one["metadata_fields"]} for one in rows]
    assert {one["split"] for one in fields} == {"train", "valid", "test"}
    assert {one["camera"] for one in fields} == {"front", "rear"}
    assert all(isinstance(one["speed_kmh"], float) for one in fields)
    assert 0 < sum("tag" in one for one in fields) < 60
    kinds = Counter(entry["type"] for one in rows for entry in one["attachments"])
    assert kinds.keys() == {"IMAGE_OVERLAY", "RAW_TEXT"}
    assert any(not one["attachments"] for one in rows)
    assert [schema["name"] for schema in metadata_schemas()] == ["speed_kmh", "camera"]


def test_scores_are_of_one_kind_in_a_row(rows):
    seen = set()
    for one in rows:
        kinds = {
            key for label in project(one)["labels"] for key in label["performance_details"] if "score" in key
        }
        assert len(kinds) <= 1
        seen |= kinds
    assert seen == {"benchmark_score", "consensus_score"}


def test_labellers_differ_a_little(rows):
    two = next(one for one in rows if len(project(one)["labels"]) == 2)
    first, second = (label["annotations"] for label in project(two)["labels"])
    assert first != second
    assert abs(len(first["objects"]) - len(second["objects"])) < 8
    ids = [{thing["feature_id"] for thing in label["objects"]} for label in (first, second)]
    assert not ids[0] & ids[1]


def test_people_live_at_example_com(rows):
    text = json.dumps(rows, default=len)
    mails = re.findall(r"[\w.]+@[\w.]+\b", text)
    assert mails
    assert all(mail.endswith("@example.com") for mail in mails)
