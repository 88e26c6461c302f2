"""What is copied from the export page, run as it stands, asks for the very export that the page asks for."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from annotary.cli import app
from annotary.engine.exporting import Export
from annotary.formats import load, options_of
from annotary.model.export import (
    DETAILS,
    ExportFilters,
    ExportParams,
    ExportQuery,
    ProjectScope,
    RunScope,
    filters_from,
)
from annotary.model.project import ModelRun, Project
from annotary.operations.exports import StartExport
from annotary.operations.model_runs import GetModelRun
from annotary.operations.projects import GetProject
from annotary.server.pages import copying, wanted
from tests.server.pages.test_filtering import GIVEN

URL = "http://127.0.0.1:8100"
PROJECT = StartExport(query=ExportQuery(scope=ProjectScope(id="p1")))
WANTED: list[StartExport] = [
    *(replace(PROJECT, query=replace(PROJECT.query, filters=filters_from(one))) for one in GIVEN),
    *(
        replace(PROJECT, query=replace(PROJECT.query, params=ExportParams(**{name: True})))
        for name in DETAILS
    ),
    replace(PROJECT, query=replace(PROJECT.query, params=ExportParams(**dict.fromkeys(DETAILS, True)))),
    *(replace(PROJECT, query=replace(PROJECT.query, labels=rule)) for rule in ("latest", "benchmark")),
    replace(PROJECT, options={"masks": "png", "field_set": "seed"}),
    replace(PROJECT, format="labelbox-v1"),
    replace(PROJECT, format="labelbox-v1", options={"array": True}),
    replace(PROJECT, format="coco", options={"split": [0.8, 0.1, 0.1], "seed": 7, "layout": "splits"}),
    replace(PROJECT, format="voc", options={"segmentation": True, "split_by": "it's \"; rm -rf $HOME"}),
    replace(PROJECT, format="yolo", options={"class_index": {"car": 0, "it's": 5, "<b>\n": 2}}),
    replace(PROJECT, format="yolo-seg", options={"tolerance": 1.5, "stratify": True, "images": "skip"}),
    StartExport(
        query=ExportQuery(scope=RunScope(id="r1"), params=ExportParams(predictions=True)), format="coco"
    ),
]


class Recording:
    """A port that notes down which export it was asked for, and exports nothing."""

    base_url = URL

    def __init__(self) -> None:
        self.asked: list[StartExport] = []

    def call(self, operation: Any) -> Any:
        """What the programs look up first."""
        if isinstance(operation, GetProject):
            return Project(id=operation.project_id, name="A name", created_at="", updated_at="")
        assert isinstance(operation, GetModelRun)
        return ModelRun(id=operation.model_run_id, model_id="m", name="A name", created_at="")

    def export(self, request: StartExport, **_: Any) -> Export:
        """Note it down."""
        self.asked.append(request)
        form, options = load(request.format), options_of(request.format, request.options)
        return Export(
            form,
            iter(()),
            None,
            0,
            lines=form.writes_lines(options),
            document=options.document(),
            one_file=options.one_file(),
        )

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Recording]:
    made = Recording()

    def connect(target: str, **_: Any) -> Recording:
        assert target == URL
        return made

    monkeypatch.setattr("annotary.client.handles.connect", connect)
    monkeypatch.chdir(tmp_path)
    yield made
    assert made.asked


def plain(request: StartExport) -> StartExport:
    """A request with its options as they are meant, however they are spelt."""
    options = msgspec.to_builtins(options_of(request.format, request.options))
    return replace(request, options=options, name=None)


def said(request: StartExport) -> str:
    filters = request.query.filters
    names = [name for name in ExportFilters.__struct_fields__ if getattr(filters, name)]
    return "+".join([request.format, *names, *request.options])[:60]


every: Callable[[Any], Any] = pytest.mark.parametrize("request_", WANTED, ids=said)


@every
def test_the_copied_python_asks_for_the_same(request_: StartExport, port: Recording) -> None:
    text = copying.as_python(request_, URL, wanted.file_of(request_, "A name"))
    exec(compile(text, "copied", "exec"), {})
    assert [plain(one) for one in port.asked] == [plain(request_)] * len(port.asked)


def words_of(text: str, program: str) -> list[list[str]]:
    """The words that a shell gives a program each time a text has it run."""
    function = f"{program}() {{ printf '%s\\0' \"$@\" >> words; printf '\\0' >> words; }}\n"
    subprocess.run(["sh", "-c", function + text], check=True)
    return [one.split("\0") for one in Path("words").read_text().removesuffix("\0\0").split("\0\0")]


@every
def test_the_copied_command_asks_for_the_same(request_: StartExport, port: Recording) -> None:
    (words,) = words_of(copying.as_cli(request_, URL, wanted.file_of(request_, "A name")), "annotary")
    result = CliRunner().invoke(app, words, prog_name="annotary")
    assert result.exit_code == 0, result.output
    assert [plain(one) for one in port.asked] == [plain(request_)] * len(port.asked)


@every
def test_the_copied_curl_posts_the_same(
    request_: StartExport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANNOTARY_API_KEY", "a key")
    sent = words_of(copying.as_curl(request_, URL, "a file"), "curl")
    for words in sent:
        assert "Authorization: Bearer a key" in words
        assert any(word.startswith(f"{URL}/api/v1/") for word in words)
    body = sent[0][sent[0].index("--data-raw") + 1]
    assert plain(msgspec.json.decode(body, type=StartExport)) == plain(request_)
    assert sent[-1][-2:] == ["-o", "a file"]


@every
def test_the_page_of_an_export_asks_for_it(request_: StartExport) -> None:
    pairs = list(wanted.wanted_pairs(request_))
    assert plain(wanted.request_of(pairs, request_.query.scope)) == plain(request_)  # type: ignore[arg-type]
