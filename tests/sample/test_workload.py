"""Workload W holds to its description: counts, shares, bytes, ids."""

import json
import re
from collections import Counter
from itertools import islice

import pytest

from annotary.sample.ontology import ontology
from annotary.sample.workload import workload

ROWS = 2000
IDS = re.compile(rb'"(?:id|feature_id)":"(c[0-9a-z]{24})"')


@pytest.fixture(scope="module")
def lines():
    """Two thousand lines."""
    return list(workload(ROWS))


@pytest.fixture(scope="module")
def labels(lines):
    """The one label of each row, decoded."""
    return [
        label for line in lines for one in json.loads(line)["projects"].values() for label in one["labels"]
    ]


def test_lines_are_ascii_json(lines):
    for line in lines:
        assert line.isascii()
        assert line.endswith(b"}\n")
        assert line.count(b"\n") == 1
        assert b"%" not in line


def test_fewer_rows_are_a_prefix(lines):
    assert list(workload(10)) == lines[:10]
    assert list(islice(workload(10_000_000), 10)) == lines[:10]
    assert list(workload(10, seed=2)) != lines[:10]


def test_one_label_a_row_in_one_project(lines, labels):
    assert len(labels) == ROWS
    assert len({key for line in lines for key in json.loads(line)["projects"]}) == 1


def test_shares_of_the_kinds(labels):
    kinds = Counter(thing["annotation_kind"] for label in labels for thing in label["annotations"]["objects"])
    assert kinds.total() == 7 * ROWS
    assert kinds["ImageBoundingBox"] == 3.5 * ROWS
    assert kinds["ImagePolygon"] == pytest.approx(2.45 * ROWS)
    assert kinds["ImageSegmentationMask"] == pytest.approx(0.7 * ROWS)
    assert kinds["ImagePolyline"] + kinds["ImagePoint"] == pytest.approx(0.35 * ROWS)


def test_polygons_are_closed_and_of_15_to_35_vertices(labels):
    rings = [
        thing["polygon"]
        for label in labels
        for thing in label["annotations"]["objects"]
        if "polygon" in thing
    ]
    assert {len(ring) for ring in rings} == set(range(15, 36))
    assert all(ring[0] == ring[-1] for ring in rings)


def test_bytes_a_row(lines, labels):
    body = sum(len(json.dumps(label["annotations"], separators=(",", ":"))) for label in labels) / ROWS
    assert body == pytest.approx(3950, rel=0.015)
    assert sum(map(len, lines)) / ROWS == pytest.approx(5970, rel=0.015)


def test_two_answers_and_three_steps(lines, labels):
    assert all(len(label["annotations"]["classifications"]) == 2 for label in labels)
    for line in lines:
        (one,) = json.loads(line)["projects"].values()
        history = one["project_details"]["workflow_history"]
        assert len(history) == 3
        dates = [event["created_at"] for event in history]
        assert dates == sorted(dates, reverse=True)


def test_all_statuses_occur(lines):
    counts = Counter(re.search(rb'"workflow_status":"(\w+)"', line)[1] for line in lines)
    assert counts.keys() == {b"TO_LABEL", b"IN_REVIEW", b"IN_REWORK", b"DONE"}
    assert counts[b"DONE"] > 0.7 * ROWS


def test_ids_are_unique(lines):
    ids = [found for line in lines for found in IDS.findall(line)]
    # The project's and the dataset's ids stand under other keys.
    assert len(ids) == len(set(ids)) > 14 * ROWS


def test_masks_are_named_by_their_own_feature(labels):
    masks = [thing for label in labels for thing in label["annotations"]["objects"] if "mask" in thing]
    assert masks
    assert all(f"/annotations/{thing['feature_id']}/mask" in thing["mask"]["url"] for thing in masks)


def test_features_are_those_of_the_ontology(labels):
    known = set(re.findall(r'"featureSchemaId": "(\w+)"', json.dumps(ontology())))
    for label in labels[:200]:
        text = json.dumps(label["annotations"])
        assert set(re.findall(r'"feature_schema_id": "(\w+)"', text)) <= known
