"""Data rows: the vendor's upload format, read and written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from annotary.formats.data_rows import FORMAT
from annotary.model.corpus import Parsed
from annotary.model.row import ProjectPart
from tests.formats.corpora import HOSTILE, corpus_of, lines, read, sound

FULL: dict[str, Any] = {
    "row_data": "https://example.com/1.jpg",
    "global_key": "key 1",
    "external_id": "first",
    "media_type": "IMAGE",
    "metadata_fields": [{"name": "tag", "value": "night"}, {"schema_id": "m2", "value": 5}],
    "attachments": [{"type": "RAW_TEXT", "value": "Drive 5", "name": "note"}],
    "embeddings": [{"embedding_id": "e1", "vector": [0.5, 1.25]}],
}


def in_project(rows: list[Parsed]) -> list[Parsed]:
    """The same rows, sent to a project."""
    return [one._replace(row=replace(one.row, projects={"p": ProjectPart()})) for one in rows]


def through(given: dict[str, Any]) -> dict[str, Any]:
    (found,) = lines(FORMAT, corpus_of(in_project(sound(FORMAT, [given]))))
    return dict(found)


def test_all_keys_are_taken_over() -> None:
    (found,) = sound(FORMAT, [FULL])
    row = found.row
    assert row.projects == {} and row.experiments == {}
    assert (row.data_row.row_data, row.data_row.global_key) == ("https://example.com/1.jpg", "key 1")
    assert row.data_row.external_id == "first"
    assert isinstance(row.metadata_fields, tuple) and isinstance(row.attachments, tuple)
    tag, number = row.metadata_fields
    assert (tag.schema_name, tag.value, number.schema_id, number.value) == ("tag", "night", "m2", 5)
    assert row.attachments[0].name == "note"


def test_what_is_written_reads_the_same() -> None:
    (first,) = sound(FORMAT, [FULL])
    found = through(FULL)
    found.pop("id", None)
    (again,) = sound(FORMAT, [found])
    assert again.row == first.row
    assert found["embeddings"] == FULL["embeddings"]


def test_very_old_names_of_keys() -> None:
    (found,) = sound(FORMAT, [{"imageUrl": "https://example.com/1.jpg", "externalId": "first"}])
    assert (found.row.data_row.row_data, found.row.data_row.external_id) == (FULL["row_data"], "first")


@pytest.mark.parametrize("name", HOSTILE[:-3])
def test_hostile_text_comes_back(name: str) -> None:
    given = {"row_data": name, "global_key": name, "external_id": name}
    found = through(given)
    assert {key: found[key] for key in given} == given


@pytest.mark.parametrize("layout", ["array", "lines"])
def test_an_array_or_lines(layout: str) -> None:
    rows = [{"row_data": f"{number}.jpg"} for number in range(3)]
    data = json.dumps(rows) if layout == "array" else "\n".join(map(json.dumps, rows))
    assert [one.row.data_row.row_data for one in sound(FORMAT, data)] == ["0.jpg", "1.jpg", "2.jpg"]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "nothing to label": ({"external_id": "a"}, "row_data"),
    "empty row_data": ({"row_data": ""}, "length >= 1"),
    "row_data an object": ({"row_data": {}}, "Expected `str`"),
    "an unknown key": ({"row_data": "x", "global_kee": "a"}, "did you mean global_key"),
    "another medium": ({"row_data": "x", "media_type": "VIDEO"}, "VIDEO"),
    "no value": ({"row_data": "x", "metadata_fields": [{"name": "tag"}]}, "value"),
    "an empty attachment": (
        {"row_data": "x", "attachments": [{"type": "IMAGE", "value": ""}]},
        "length >= 1",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_problem_and_leaves_the_others(case: str) -> None:
    given, reason = BAD[case]
    rows, remarks = read(FORMAT, [given, {"row_data": "fine"}])
    (problem,) = remarks.problems
    assert problem.place.startswith("$[0]")
    assert reason in f"{problem.reason} {problem.value}"
    assert [one.row.data_row.row_data for one in rows] == ["fine"]


@pytest.mark.parametrize(
    ("first", "claimed"),
    [
        ({"row_data": "x"}, True),
        ({"imageUrl": "x"}, True),
        ({"data_row": {"row_data": "x"}}, False),
        ({}, False),
    ],
)
def test_is_recognised_by_its_keys(first: dict[str, Any], claimed: bool) -> None:
    assert FORMAT.claims is not None and FORMAT.claims(first) is claimed
