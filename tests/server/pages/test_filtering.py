"""The filter as addresses spell it: there and back for every filter, whatever stands in them."""

from __future__ import annotations

import random
from urllib.parse import parse_qsl, urlencode

import pytest

from annotary.errors import Invalid
from annotary.model.export import ExportFilters, LabelRule, filters_from
from annotary.server.pages.filtering import (
    LISTS,
    NAMES,
    chips_of,
    end_fields,
    filters_of,
    is_of_form,
    labels_of,
    query_of,
    query_pairs,
    toggled,
    without,
    words_of,
)

HOSTILE = (
    "<script>alert(1)</script>",
    "a,b",
    "a&class=b",
    "-",
    "--format",
    "a\nb",
    "a+b c%20",
    "'\"`$(rm)\\",
    "\u202eright\u202c",
    "שלום",
    "x" * 10_000,
    "\U0001f600",
    "#?/..",
)
GIVEN = (
    {},
    {"last_activity_at": ["2024-01-01", "2024-01-31"]},
    {"last_activity_at": [None, "2024-01-31"]},
    {"label_created_at": ["2024-01-01T10:20:30.250+02:00", None]},
    {"label_created_at": ["2024-01-01 10:20:30", "2024-01-01 23:59:59"]},
    {"workflow_status": "ToLabel"},
    {"workflow_status": "Done"},
    {"batch_ids": ["a", "b"]},
    {"data_row_ids": ["a"]},
    {"global_keys": list(HOSTILE)},
    {"external_ids": list(HOSTILE)},
    {"class_names": list(HOSTILE)},
    {"kinds": ["box", "mask", "radio"]},
    {"no_objects": True},
    {
        "last_activity_at": ["2024-01-01", None],
        "label_created_at": [None, "2025-01-01"],
        "workflow_status": "InReview",
        "batch_ids": ["b"],
        "global_keys": ["g"],
        "external_ids": ["e"],
        "class_names": ["car", "bus"],
    },
)


def again(filters: ExportFilters, labels: LabelRule = "all") -> list[tuple[str, str]]:
    return parse_qsl(query_of(filters, labels), keep_blank_values=True, strict_parsing=True)


@pytest.mark.parametrize("given", [one for one in GIVEN if one], ids=lambda one: "+".join(one))
def test_a_filter_comes_back_from_its_address(given: dict[str, object]) -> None:
    filters = filters_from(given)
    assert filters.any()
    assert filters_of(again(filters)) == filters
    assert query_of(filters_of(again(filters))) == query_of(filters)


def test_no_filter_is_no_query() -> None:
    assert query_of(ExportFilters()) == ""
    assert not filters_of([]).any()
    assert not filters_of([("class", ""), ("workflow_status", ""), ("after", "x"), ("to", "coco")]).any()


def test_every_filter_has_its_name() -> None:
    fields = {LISTS[name][0] if name in LISTS else name for name in NAMES}
    assert fields == set(ExportFilters.__struct_fields__)


def test_filters_put_together_at_random_come_back() -> None:
    rng = random.Random(7)
    for _ in range(300):
        given: dict[str, object] = {}
        for one in rng.sample(GIVEN, 3):
            given |= one
        if "data_row_ids" in given:
            given.pop("global_keys", None)
        try:
            filters = filters_from(given)
        except Invalid:
            # Not every two go together.
            continue
        assert filters_of(again(filters)) == filters


def test_days_stay_days_and_instants_instants() -> None:
    filters = filters_from({"last_activity_at": ["2024-01-01", "2024-01-31"]})
    assert query_pairs(filters) == [("last_activity_at", "2024-01-01,2024-01-31")]
    assert end_fields(filters)["last_activity_at_to"] == "2024-01-31"
    filters = filters_from({"last_activity_at": ["2024-01-01T10:00:00+02:00", "2024-01-31 12:00:00"]})
    said = "2024-01-01T08:00:00.000Z,2024-01-31T12:00:00.000Z"
    assert query_pairs(filters) == [("last_activity_at", said)]


def test_the_rule_for_labels_goes_along() -> None:
    filters = filters_from({"workflow_status": "Done"})
    assert labels_of(again(filters, "latest")) == "latest"
    assert labels_of(again(filters)) == "all"
    assert words_of(filters, "latest") == "done, labels: latest"
    with pytest.raises(Invalid, match="labels: 'best' is none of all, latest"):
        labels_of([("labels", "best")])


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ([("last_activity_at", "2024-01-01")], "last_activity_at: '2024-01-01' is not START,END"),
        ([("last_activity_at", "a,b,c")], "is not START,END"),
        ([("label_created_at", "yesterday,-")], "label_created_at: not a date: 'yesterday'"),
        ([("workflow_status", "<b>")], "workflow_status: '<b>' is none of"),
        ([("workflow_status", "Done"), ("workflow_status", "ToLabel")], "given more than once"),
        ([("no_objects", "yes")], "no_objects: 'yes' is neither 1 nor 0"),
        ([("kind", "blob")], "kinds: 'blob' is none of"),
        ([("data_row_id", "a"), ("global_key", "b")], "exclude each other"),
        ([("global_key", str(at)) for at in range(2001)], "2,001 ids are more than 2,000"),
    ],
)
def test_what_cannot_be_meant_is_said(pairs: list[tuple[str, str]], reason: str) -> None:
    with pytest.raises(Invalid) as error:
        filters_of(pairs)
    assert reason in str(error.value)


def test_the_form_without_script_means_the_same() -> None:
    form = [
        ("class", "car"),
        ("class_lines", "  bus  \r\n\r\ntruck"),
        ("last_activity_at_from", "2024-01-01"),
        ("last_activity_at_to", ""),
        ("label_created_at_from", ""),
        ("label_created_at_to", ""),
        ("workflow_status", ""),
    ]
    assert is_of_form(form)
    filters = filters_of(form)
    assert not is_of_form(again(filters))
    assert filters == filters_from(
        {"class_names": ["car", "bus", "truck"], "last_activity_at": ["2024-01-01", None]}
    )


def test_chips_take_away_what_they_say() -> None:
    filters = filters_from({"class_names": ["car", "bus"], "workflow_status": "Done", "batch_ids": ["b1"]})
    chips = chips_of(filters, "latest", batches={"b1": "March"})
    said = {chip.label: filters_of(parse_qsl(chip.without)) for chip in chips}
    assert set(said) == {"done", "class: car", "class: bus", "batch: March"}
    assert said["class: car"] == toggled(filters, "class", "car") == without(filters, "class", "car")
    assert said["class: car"].class_names == ("bus",)
    assert said["done"] == without(filters, "workflow_status")
    assert all(labels_of(parse_qsl(chip.without)) == "latest" for chip in chips)
    alone = filters_from({"class_names": ["car"]})
    assert chips_of(alone)[0].without == ""


def test_what_is_chosen_twice_is_not_chosen() -> None:
    filters = toggled(ExportFilters(), "kind", "mask")
    assert filters == filters_from({"kinds": ["mask"]})
    assert toggled(filters, "kind", "mask") == ExportFilters()
    assert urlencode(query_pairs(toggled(filters, "kind", "point"))) == "kind=mask&kind=point"
