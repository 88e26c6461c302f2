"""Ontology files: what is read, and what is refused with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from annotary.errors import Invalid
from annotary.formats.ontology import FORMAT
from annotary.model.ontology import Normalized
from tests.formats.corpora import Text

OPTION = {"value": "yes", "label": "Yes"}
NESTED = {"type": "text", "name": "why", "options": []}


def taken(given: Any) -> Normalized:
    assert FORMAT.read_ontology is not None
    return FORMAT.read_ontology(Text(given if isinstance(given, str) else json.dumps(given)))


def tool(**members: Any) -> dict[str, Any]:
    return {"tool": "rectangle", "name": "car", "color": "#112233", **members}


def radio(**members: Any) -> dict[str, Any]:
    return {"type": "radio", "name": "day?", "options": [OPTION], **members}


def test_tools_questions_and_nested_questions() -> None:
    given = {
        "tools": [tool(classifications=[radio()], schemaNodeId="n", featureSchemaId="f", required=True)],
        "classifications": [radio(scope="global", options=[{**OPTION, "options": [NESTED]}], unknown=1)],
    }
    found = taken(given)
    assert (found.tools[0].feature_schema_id, found.tools[0].color) == ("f", "#112233")
    assert found.tools[0].classifications[0].options[0].title() == "Yes"
    assert found.classifications[0].options[0].options[0].name == "why"


def test_missing_colours_are_filled_around_the_circle() -> None:
    found = taken({"tools": [tool(name=name, color=None) for name in "abc"], "classifications": []})
    assert [one.color for one in found.tools] == ["#ff0000", "#00ff00", "#0000ff"]


BAD: dict[str, tuple[Any, str]] = {
    "not JSON": ("{", "cut off"),
    "nothing": ("", "one"),
    "a list": ([1, 2], "one"),
    "a wrong type": ({"tools": [tool(name=5)]}, "tools[0].name"),
    "not for images": ({"tools": [tool(tool="named-entity")]}, "not a tool for images: 'named-entity'"),
    "the same tool twice": ({"tools": [tool(), tool()]}, "car"),
    "no options": ({"tools": [], "classifications": [radio(options=[])]}, "at least one option"),
    "no options on a tool": (
        {"tools": [tool(classifications=[radio(options=[])])]},
        "tools[0].classifications[0].options",
    ),
    "the same option twice": ({"tools": [], "classifications": [radio(options=[OPTION, OPTION])]}, "yes"),
    "the same question twice": (
        {"tools": [], "classifications": [radio(options=[{**OPTION, "options": [NESTED, NESTED]}])]},
        "why",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_told_in_one_line(case: str) -> None:
    given, said = BAD[case]
    with pytest.raises(Invalid) as caught:
        taken(given)
    assert said in str(caught.value)
    assert "given.json" in str(caught.value) or case == "not JSON"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("first", "claimed"),
    [
        ({"tools": [], "classifications": []}, True),
        ({"tools": [], "data_row": {}}, False),
        ({"row_data": 1}, False),
    ],
)
def test_is_recognised_by_its_keys(first: dict[str, Any], claimed: bool) -> None:
    assert FORMAT.claims is not None and FORMAT.claims(first) is claimed
