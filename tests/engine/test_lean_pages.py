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


def loaded(client: annotary.Client, project: str, counts: list[int]) -> None:
    """A project whose rows have so many labels each."""
    made = [
        {
            "data_row": {"id": f"{project}-{n}", "global_key": f"{project}-{n}", "row_data": f"x/{n}.png"},
            "media_attributes": {"height": 9, "width": 9},
            "projects": {
                project: {"name": project, "labels": [label(f"{project}-{n}-{k}") for k in range(count)]}
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
    monkeypatch.setattr(rows, "PAGE_ROWS", PAGE)
    monkeypatch.setattr(rows, "SPAN_PAGES", PAGES)
    with annotary.Client(store_url) as client:
        for number, counts in enumerate(PATTERNS):
            loaded(client, f"p{number}", counts)
            project = client.get_project(f"p{number}")
            for params in ({}, {"data_row_details": True, "label_details": True, "project_details": True}):
                export = project.export(params=params).open(counted=True)
                lean = b"".join(part.data for part in export.parts)
                assert (export.done, export.labels) == (len(counts), sum(counts)), number
                with monkeypatch.context() as patch:
                    patch.setattr(labelbox_v2.Options, "lean", lambda options: False)
                    whole = project.export(params=params).open()
                    assert b"".join(part.data for part in whole.parts) == lean, number


def test_what_is_odd_about_rows_is_read_only_where_some_are(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    stream = rows._Run.stream

    def noted(run: Any, stack: Any, sql: str, parameters: Any = ()) -> Any:
        if " LEFT JOIN labels l " in sql:
            asked.append(sql.startswith("SELECT CASE"))
        return stream(run, stack, sql, parameters)

    monkeypatch.setattr(rows, "PAGE_ROWS", PAGE)
    monkeypatch.setattr(rows, "SPAN_PAGES", PAGES)
    monkeypatch.setattr(rows._Run, "stream", noted)
    span = PAGE * PAGES
    with annotary.Client(store_url) as client:
        loaded(client, "p", [1] * span + [1, 1, 1, 1, 0] + [1] * (span - 5) + [1] * (2 * span))
        assert len(list(client.get_project("p").export().stream())) == 4 * span
    # The second span is begun as if all were plain; the third has the column, and says that none are odd.
    assert asked == [False, False, True, True, False]
