"""Rows whose sections are copied as they are: most have one label, some have none or several, anywhere."""

from __future__ import annotations

import random
from typing import Any

import pytest

import annotary
from annotary.formats import labelbox_v2
from annotary.store import rows
from tests.conftest import DATABASES

pytestmark = pytest.mark.parametrize("store_url", DATABASES, indirect=True)
PAGE, PAGES = 3, 4
PATTERNS = (
    [1] * 30,
    [0] * 30,
    [1] * 29 + [0],
    [2] + [1] * 29,
    [1] * 13 + [0, 2, 0] + [1] * 14,
    [random.Random(5).choice((0, 1, 1, 1, 2)) for _ in range(50)],
    [1] * (2 * PAGE * PAGES),
    [1] * (PAGE * PAGES - 1) + [2, 1, 0] + [1] * (PAGE * PAGES),
)


TAGGED = {6: {"project_tags": ["night"]}, 20: {"tram line": [1, {"a": "b"}]}}
"""What two rows have beside their labels, of a project that has it."""


def loaded(client: annotary.Client, project: str, counts: list[int], *, tagged: bool = False) -> None:
    """A project whose rows have so many labels each."""
    made = [
        {
            "data_row": {"id": f"{project}-{n}", "global_key": f"{project}-{n}", "row_data": f"x/{n}.png"},
            "media_attributes": {"height": 9, "width": 9},
            "projects": {
                project: {
                    "name": project,
                    "labels": [label(f"{project}-{n}-{k}") for k in range(count)],
                    **(TAGGED.get(n, {}) if tagged else {}),
                }
            },
        }
        for n, count in enumerate(counts)
    ]
    client.port.load(made, format="labelbox-v2")


def label(id: str) -> dict[str, Any]:
    return {
        "label_kind": "Default",
        "version": "1.0.0",
        "id": id,
        "annotations": {"objects": [], "classifications": [], "relationships": []},
    }


def test_every_row_comes_with_its_own_labels(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BARE_ROWS", "PAGE_ROWS"):
        monkeypatch.setattr(rows, name, PAGE)
    monkeypatch.setattr(rows, "SPAN_ROWS", PAGE * PAGES)
    with annotary.Client(store_url) as client:
        for number, counts in enumerate([*PATTERNS, *PATTERNS[:3]]):
            loaded(client, f"p{number}", counts, tagged=number >= len(PATTERNS))
            project = client.get_project(f"p{number}")
            for params in ({}, {"data_row_details": True, "label_details": True, "project_details": True}):
                export = project.export(params=params).open(counted=True)
                lean = b"".join(part.data for part in export.parts)
                assert (export.done, export.labels) == (len(counts), sum(counts)), number
                with monkeypatch.context() as patch:
                    patch.setattr(labelbox_v2.Options, "lean", lambda options: False)
                    whole = project.export(params=params).open()
                    assert b"".join(part.data for part in whole.parts) == lean, number
                if number >= len(PATTERNS):
                    assert (lean.count(b'["night"]'), lean.count(b'"tram line":[1,{"a":"b"}]')) == (1, 1)


def test_what_is_odd_about_rows_is_read_only_where_some_are(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    stream = rows._Run.stream

    def noted(run: Any, stack: Any, sql: str, parameters: Any = ()) -> Any:
        if " LEFT JOIN labels l " in sql:
            asked.append(sql.startswith("SELECT CASE"))
        return stream(run, stack, sql, parameters)

    for name in ("BARE_ROWS", "PAGE_ROWS"):
        monkeypatch.setattr(rows, name, PAGE)
    monkeypatch.setattr(rows, "SPAN_ROWS", PAGE * PAGES)
    monkeypatch.setattr(rows._Run, "stream", noted)
    span = PAGE * PAGES
    with annotary.Client(store_url) as client:
        loaded(client, "p", [1] * span + [1, 1, 1, 1, 0] + [1] * (span - 5) + [1] * (2 * span))
        assert len(list(client.get_project("p").export().stream())) == 4 * span
        # The second span is begun as if all were plain; the third has the column, and says that none are odd.
        assert asked == [False, False, True, True, False]
        loaded(client, "q", [1] * span, tagged=True)
        assert len(list(client.get_project("q").export().stream())) == span
        assert asked[5:] == [True]


def test_a_project_among_many_data_rows_of_others_is_read_by_few_statements(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans: list[str] = []
    ends = rows._Run.spans

    def noted(run: Any, *given: Any) -> Any:
        for span in ends(run, *given):
            spans.append(span.labels)
            yield span

    monkeypatch.setattr(rows, "SPAN_ROWS", 4)
    monkeypatch.setattr(rows, "WIDEST", 32)
    monkeypatch.setattr(rows._Run, "spans", noted)
    with annotary.Client(store_url) as client:
        loaded(client, "p", [1] * 5)
        loaded(client, "others", [1] * 100)
        more = [{"data_row": {"id": f"p-{n}", "row_data": "x"}, "media_attributes": {}} for n in range(5, 9)]
        for row in more:
            row["projects"] = {"p": {"name": "p", "labels": []}}
        client.port.load(more, format="labelbox-v2")
        found = [row["data_row"]["id"] for row in client.get_project("p").export().stream()]
    assert found == [f"p-{n}" for n in range(9)]
    widths = [int(end) - int(start) + 1 for start, end in (one.split()[1::2] for one in spans)]
    # Of the last but one nothing is met; the next begins where there is something again.
    assert widths == [4, 4, 8, 4]
