"""The command `export`."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotary.cli import flags
from annotary.cli.finding import find_dataset, find_project, find_run
from annotary.cli.importing import document
from annotary.cli.printing import count, progress, show, show_json, show_losses, show_notices
from annotary.cli.session import DONE, Session, Usage, existing_folder, interruptible, say
from annotary.errors import Invalid
from annotary.formats import Format, Part, load, names, options_of, safe_name
from annotary.model.export import DETAILS, ExportParams, filters_from
from annotary.model.task import Artifact

if TYPE_CHECKING:
    from annotary.client import Client, ExportTask
    from annotary.engine.exporting import Export

STREAM, BUCKET = "-", "s3://"
_OWN = frozenset(
    (
        *("project", "model_run", "dataset", "output", "format", "all_details"),
        *("since", "as_of", "labels", "strict", "images_from", "workers", "scheduler", "parts"),
    )
)
_FILTERS = (
    "last_activity_at",
    "label_created_at",
    "workflow_status",
    "batch_id",
    "data_row_id",
    "global_key",
    "external_id",
    "class_name",
    "kind",
    "no_objects",
)
_ARRAYS = ("labelbox-v1",)
"""Formats whose files are arrays by custom, not lines."""


def export_rows(session: Session, **given: Any) -> int:
    """Write a project, a model run, a dataset or single data rows to a file or folder."""
    _check_scope(given)
    writer(given["format"], "--format")
    images = existing_folder(given["images_from"], "--images-from")
    filters = filters_given(given)
    options = _options(given)
    since = _cursor(given["since"])
    if session.json and given["output"] == STREAM:
        raise Usage("--json and -o - both want standard output; give -o a file")
    _check_parts(given)
    with session.client() as client, _spread(given) as elsewhere:
        task, name = _asked(session, client, {**given, "since": since, **elsewhere}, filters, options)
        export = task.open(counted=True, images=images)
        if given["parts"]:
            return _deliver_parts(session, export, given["output"])
        destination = _destination(session, given, export.one_file, name)
        if destination == STREAM:
            return _stream(session, export, as_array=given["format"] in _ARRAYS)
        return _deliver(session, export, Path(destination), name)


@contextmanager
def _spread(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What writes the export elsewhere, where a scheduler is named."""
    if given["scheduler"] is None:
        yield {"executor": None}
        return
    from annotary.engine.cluster import cluster

    with cluster(given["scheduler"]) as (executor, threads):
        yield {"executor": executor, "workers": threads if given["workers"] is None else given["workers"]}


def _check_parts(given: dict[str, Any]) -> None:
    output = given["output"]
    if given["parts"] and (output is None or output == STREAM):
        raise Usage("--parts makes several files; give -o a folder or s3://BUCKET/PREFIX")
    if not given["parts"] and output is not None and output.startswith(BUCKET):
        raise Usage(f"-o {output}: into a bucket goes an export in parts; give --parts")


def _check_scope(given: dict[str, Any]) -> None:
    scopes = [name for name in ("project", "model_run", "dataset") if given[name] is not None]
    if len(scopes) > 1:
        raise Usage("give one of PROJECT, --model-run and --dataset")
    if not scopes and not given["data_row_id"] and not given["global_key"]:
        raise Usage("say what to export: PROJECT, --model-run, --dataset, --data-row-id or --global-key")


def writer(name: str, flag: str) -> Format:
    """A format that is written; raises Usage."""
    try:
        form = load(name)
    except Invalid as error:
        raise Usage(f"{flag}: {error}") from None
    if form.write is None:
        writers = ", ".join(one for one in names() if load(one).write is not None)
        raise Usage(f"{flag}: {name} is read, not written; these are written: {writers}")
    return form


def _cursor(given: str | None) -> int | None:
    if given is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", given):
        raise Usage(f"--since: {given!r} is not a cursor; give the number that an export printed")
    return int(given)


def filters_given(given: dict[str, Any]) -> dict[str, Any]:
    """The filters, checked before anything is opened; raises Usage."""
    filters: dict[str, Any] = {}
    for name in _FILTERS:
        value = given[name]
        if isinstance(value, tuple):
            filters[name] = [None if one == STREAM else one for one in value]
        elif value:
            filters[name + "s" if isinstance(value, list) else name] = value
    try:
        filters_from(filters)
    except Invalid as error:
        raise Usage(str(error)) from None
    return filters


def _options(given: dict[str, Any]) -> dict[str, Any]:
    """The options of the format, checked; raises Usage."""
    known = {*_OWN, *_FILTERS, *ExportParams.__struct_fields__}
    try:
        options = flags.options_for(
            given["format"], {name: value for name, value in given.items() if name not in known}
        )
        options_of(given["format"], options)
    except ValueError as error:
        raise Usage(str(error)) from None
    return options


def _asked(
    session: Session, client: Client, given: dict[str, Any], filters: dict[str, Any], options: dict[str, Any]
) -> tuple[ExportTask, str]:
    """The export that is asked for, and a name for its file."""
    handle: Any
    params: dict[str, Any] = dict.fromkeys(DETAILS, True) if given["all_details"] else {}
    if given["project"] is not None:
        handle = find_project(session, client, given["project"])
    elif given["dataset"] is not None:
        handle = find_dataset(session, client, given["dataset"])
    elif given["model_run"] is not None:
        handle = find_run(session, client, given["model_run"])
        params["predictions"] = True
    else:
        ids, keys = filters.pop("data_row_ids", ()), filters.pop("global_keys", ())
        handle = client.data_rows(ids, global_keys=keys)
    params.update(flags.said_of(given))
    if "project_ids" in params:
        params["project_ids"] = [find_project(session, client, one).id for one in params["project_ids"]]
    task = handle.export(
        filters=filters,
        params=params,
        since=given["since"],
        as_of=given["as_of"],
        labels=given["labels"],
        strict=given["strict"],
        workers=given["workers"],
        executor=given["executor"],
        format=given["format"],
        options=options,
    )
    return task, getattr(handle, "name", "data rows")


def _destination(session: Session, given: dict[str, Any], one_file: bool, name: str) -> str:
    """Where the export goes; raises Usage where a stream cannot hold it."""
    wanted: str | None = given["output"]
    if wanted is None and one_file and not sys.stdout.isatty() and not session.json:
        wanted = STREAM
    if wanted == STREAM and not one_file:
        raise Usage(f"{given['format']} makes several files; give -o a folder or a .zip")
    if wanted is not None:
        return wanted
    ending = load(given["format"]).ending if one_file else f"-{given['format']}"
    if given["format"] in _ARRAYS:
        ending = ".json"
    return safe_name(name) + ending


def _stream(session: Session, export: Export, *, as_array: bool) -> int:
    """The export on standard output, what there is to tell on standard error."""
    from annotary.engine import sinks

    out = sys.stdout.buffer
    digest, size = hashlib.sha256(), 0
    with progress(session, "exporting", export.total) as move, interruptible("the output is incomplete"):
        with closing(_watched(export, move)) as parts:
            pieces = (part.data for part in parts)
            for piece in sinks.as_array(pieces) if as_array else pieces:
                digest.update(piece)
                # Standard output has no buffer where PYTHONUNBUFFERED says so.
                size += sinks.put(out.write, piece)
        out.flush()
    if not session.quiet:
        for line in _summary(export, [Artifact(path=STREAM, bytes=size, sha256=digest.hexdigest())]):
            say(line)
    return DONE


def _deliver(session: Session, export: Export, path: Path, name: str) -> int:
    from annotary.engine.written import delivered

    with progress(session, "exporting", export.total) as move, interruptible("no file was written"):
        files = delivered(export, path, move, title=name)
    return _delivered(session, export, files)


def _deliver_parts(session: Session, export: Export, output: str) -> int:
    from annotary.engine.in_parts import deliver_parts

    with progress(session, "exporting", export.total) as move, interruptible("no file was written"):
        files = deliver_parts(export, output, move)
    return _delivered(session, export, files)


def _delivered(session: Session, export: Export, files: list[Artifact]) -> int:
    """Tell what an export has come to."""
    notices, losses = export.findings.notices, export.findings.ledger.document()
    if session.json:
        show_json(
            document(**export.counts(), files=files, cursor=export.cursor, notices=notices, losses=losses)
        )
        return DONE
    show_notices(session, notices)
    show_losses(session, losses)
    for line in _summary(export, files):
        show(line)
    return DONE


def _watched(export: Export, move: Any) -> Generator[Part, None, None]:
    with closing(export.taken()) as parts:
        for part in parts:
            yield part
            move(export.done)


def _summary(export: Export, files: Iterable[Artifact]) -> Iterator[str]:
    yield ", ".join(
        (
            count(export.done, "row"),
            count(export.labels, "label"),
            count(export.annotations, "annotation"),
        )
    )
    for file in files:
        place = "standard output" if file.path == STREAM else file.path
        yield f"{place}: {count(file.bytes, 'byte')}, sha256 {file.sha256}"
    if export.cursor is not None:
        yield f"next time only what has changed: --since {export.cursor}"
