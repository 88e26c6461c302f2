"""An export as text to copy: a Python program, a command, a shell script with curl.

Each can be run as it stands. They need the API key in ANNOTARY_API_KEY, and write the very bytes that the
page's download has.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pprint import pformat
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from annotary.formats import Format, load, options_of
from annotary.model.export import (
    DETAILS,
    STATUS,
    DatasetScope,
    ExportFilters,
    ExportParams,
    ProjectScope,
    Range,
    RunScope,
)
from annotary.operations.exports import StartExport

GETTERS = {ProjectScope: "get_project", RunScope: "get_model_run", DatasetScope: "get_dataset"}
CLASSES = "classes.json"
"""The file that numbers classes, beside the command."""
_STATUS_SAID = {stored: said for said, stored in STATUS.items()}
_FLAGS = {
    "batch_ids": "batch-id",
    "data_row_ids": "data-row-id",
    "global_keys": "global-key",
    "external_ids": "external-id",
    "class_names": "class",
    "kinds": "kind",
    "no_objects": "no-objects",
}
"""Flags that are not called as the filter is."""


class Copies(NamedTuple):
    """The same export in three tongues."""

    python: str
    cli: str
    curl: str


def copies_of(request: StartExport, base_url: str, file: str) -> Copies:
    """All three; `file` is the name of the file that they write."""
    return Copies(
        as_python(request, base_url, file), as_cli(request, base_url, file), as_curl(request, base_url, file)
    )


def filters_given(filters: ExportFilters) -> dict[str, Any]:
    """A filter as users pass it to the client; gives the same filter again."""
    given: dict[str, Any] = {}
    for name in ExportFilters.__struct_fields__:
        value = getattr(filters, name)
        if isinstance(value, Range):
            given[name] = [value.start, value.end]
        elif name == "workflow_status" and isinstance(value, str):
            given[name] = _STATUS_SAID[value]
        elif isinstance(value, tuple):
            given[name] = list(value)
        elif value is not UNSET and value is not False:
            given[name] = value
    return given


def params_given(params: ExportParams) -> dict[str, Any]:
    """The parameters that are on."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name in ExportParams.__struct_fields__
        if (value := getattr(params, name))
    }


def options_given(request: StartExport) -> dict[str, Any]:
    """The options of the format that are not as they are without being mentioned."""
    made = options_of(request.format, request.options)
    usual = type(made)()
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name in made.__struct_fields__
        if (value := getattr(made, name)) != getattr(usual, name)
    }


def as_python(request: StartExport, base_url: str, file: str) -> str:
    """The export as a Python program."""
    scope = request.query.scope
    what = GETTERS[type(scope)].removeprefix("get_")
    said: list[tuple[str, Any]] = []
    if filters := filters_given(request.query.filters):
        said.append(("filters", filters))
    if params := params_given(request.query.params):
        said.append(("params", params))
    if request.query.labels != "all":
        said.append(("labels", request.query.labels))
    said.append(("format", request.format))
    if options := options_given(request):
        said.append(("options", options))
    given = "".join(f"    {name}={_indented(value)},\n" for name, value in said)
    return (
        "import annotary\n\n"
        f"client = annotary.Client({base_url!r})  # the API key: $ANNOTARY_API_KEY\n"
        f"{what} = client.get_{what}({scope.id!r})\n"  # type: ignore[union-attr]
        f"task = {what}.export(\n{given})\n"
        f"task.save({file!r})\n"
    )


def _indented(value: Any) -> str:
    return (
        pformat(value, width=88, sort_dicts=False).replace("\n", "\n        ")
        if isinstance(value, dict)
        else repr(value)
    )


def as_cli(request: StartExport, base_url: str, file: str) -> str:
    """The export as a command; where the classes are numbered, with the file that numbers them."""
    options = options_given(request)
    before = ""
    if numbers := options.get("class_index"):
        text = msgspec.json.format(msgspec.json.encode(numbers), indent=2).decode()
        before = f"printf '%s\\n' {shlex.quote(text)} > {CLASSES}\n"
    words = ["annotary", "--at", base_url, "export", *_scope_words(request), "--format", request.format]
    words += _filter_words(request.query.filters)
    words += _param_words(request.query.params, is_run=isinstance(request.query.scope, RunScope))
    if request.query.labels != "all":
        words += ["--labels", request.query.labels]
    words += _option_words(options)
    words += ["-o", file]
    return before + _lines(words)


def _scope_words(request: StartExport) -> list[str]:
    match request.query.scope:
        case ProjectScope(id=id):
            return [id]
        case RunScope(id=id):
            return ["--model-run", id]
        case scope:
            return ["--dataset", scope.id]  # type: ignore[union-attr]


def _filter_words(filters: ExportFilters) -> Iterator[str]:
    for name, value in filters_given(filters).items():
        flag = f"--{_FLAGS.get(name, name).replace('_', '-')}"
        if name in ("last_activity_at", "label_created_at"):
            yield from (flag, *("-" if end is None else end for end in value))
        elif isinstance(value, list):
            # In one word: a value may begin as a flag does.
            yield from (f"{flag}={one}" for one in value)
        elif value is True:
            yield flag
        else:
            yield from (flag, value)


def _param_words(params: ExportParams, *, is_run: bool) -> Iterator[str]:
    given = params_given(params)
    if all(name in given for name in DETAILS):
        yield "--all-details"
        given = {name: value for name, value in given.items() if name not in DETAILS}
    for name, value in given.items():
        if is_run and name == "predictions":
            # Of a model run the command shows them unasked.
            continue
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            yield flag
        else:
            yield from (f"{flag.removesuffix('s')}={one}" for one in value)


def _option_words(options: dict[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            yield flag
        elif value is False:
            yield f"--no-{flag.removeprefix('--')}"
        elif isinstance(value, dict):
            yield from (flag, CLASSES)
        elif isinstance(value, list):
            yield f"{flag}={','.join(map(str, value))}"
        else:
            yield f"{flag}={value}"


def _lines(words: list[str]) -> str:
    """Words as a command: one line, or where that is long, a line for each flag with its values."""
    quoted = [shlex.quote(word) for word in words]
    whole = " ".join(quoted)
    if len(whole) <= 100:
        return f"{whole}\n"
    lines: list[str] = []
    for word in quoted:
        if lines and (word.startswith("-") and word != "-" and word != "--at"):
            lines.append(word)
        elif lines:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return " \\\n  ".join(lines) + "\n"


def as_curl(request: StartExport, base_url: str, file: str) -> str:
    """The export as a shell script: one request where rows can be sent as they are made, else a task."""
    root, key = f"{base_url}/api/v1", '-H "Authorization: Bearer $ANNOTARY_API_KEY"'
    body = shlex.quote(msgspec.json.encode(_plainly(request)).decode())
    sent = f"{key} \\\n  -H 'Content-Type: application/json' \\\n  --data-raw {body}"
    if _is_sent_as_made(load(request.format), request):
        return f"curl -sSf {shlex.quote(root + '/exports/rows')} {sent} \\\n  -o {shlex.quote(file)}\n"
    task = '"$at/tasks/$task'
    return (
        f"at={shlex.quote(root)}\n"
        f'task=$(curl -sSf "$at/exports" {sent} |\n'
        '  sed \'s/^{"id":"\\([^"]*\\)".*/\\1/\')\n'
        f'while curl -sSf {task}" {key} |\n'
        '  grep -Eq \'"status":"(QUEUED|IN_PROGRESS)"\'; do sleep 1; done\n'
        f'curl -sSf {task}/result" {key} \\\n  -o {shlex.quote(file)}\n'
    )


def _is_sent_as_made(form: Format, request: StartExport) -> bool:
    # Links to masks in v1 get their permission from a task.
    return form.writes_lines(options_of(request.format, request.options)) and request.format != "labelbox-v1"


def _plainly(request: StartExport) -> dict[str, Any]:
    """What is posted, with nothing in it that goes without saying."""
    query: dict[str, Any] = {"scope": msgspec.to_builtins(request.query.scope)}
    if request.query.filters.any():
        query["filters"] = msgspec.to_builtins(request.query.filters)
    if params := params_given(request.query.params):
        query["params"] = params
    if request.query.labels != "all":
        query["labels"] = request.query.labels
    asked = {"query": query, "format": request.format}
    options = options_given(request)
    return {**asked, "options": options} if options else asked
