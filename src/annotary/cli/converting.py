"""The command `convert`; its flags are the options of the formats."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import Parameter
from typing import Any, Literal

import typer

from annotary.cli import flags
from annotary.cli.exporting import writer
from annotary.cli.importing import check_format, document
from annotary.cli.printing import count, progress, show, show_json, show_losses, show_notices, show_problems
from annotary.cli.session import DONE, FAILED, SKIPPED, Session, Usage, existing_folder, interruptible, say
from annotary.errors import Refused
from annotary.formats import options_of

FROM = "source_format"
_OWN = frozenset(("source", "destination", FROM, "to", "images_from", "on_problem", "strict"))


def parameters() -> list[Parameter]:
    """Everything that may be typed after `convert`."""
    own = list(_own())
    taken = {one.name for one in own}
    return own + [one for one in flags.of_formats() if one.name not in taken]


def _own() -> Iterator[Parameter]:
    source = typer.Argument(metavar="SOURCE", help="A file, a folder or an archive.", show_default=False)
    yield flags.argument("source", source)
    help = "A file, a folder or a .zip; compressed as its name says."
    destination = typer.Argument(metavar="DESTINATION", help=help, show_default=False)
    yield flags.argument("destination", destination)
    help = "The format of the source. Default: recognised by content."
    yield flags.option(FROM, str | None, None, help, "--from", metavar="FORMAT")
    yield flags.option("to", str, None, "The format to write.", "--to", metavar="FORMAT", default=...)
    help = "Where the images' own files are, if not in the source; or what to do with them: skip, link, copy."
    yield flags.option("images", str | None, None, help, "--images", metavar="DIR|skip|link|copy")
    help = "Where the images' own files are, beside --images copy."
    yield flags.option("images_from", str | None, None, help, "--images-from", metavar="DIR")
    help = "stop: write nothing at all; skip: leave out images with a problem."
    kind = Literal["stop", "skip"]
    yield flags.option("on_problem", kind, None, help, "--on-problem", default="stop")
    help = "Refuse, before anything is written, what would lose anything."
    yield flags.option("strict", bool, None, help, "--strict", default=False)


def convert_files(session: Session, **given: Any) -> int:
    """Turn a file, folder or archive of one format into another, without a store."""
    from annotary.engine.converting import convert

    writer(given["to"], "--to")
    check_format(given[FROM])
    options = {name: value for name, value in given.items() if name not in _OWN}
    folder = given["images_from"]
    if options["images"] not in (None, "skip", "link", "copy"):
        folder = options.pop("images")
    try:
        made = flags.options_for(given["to"], options)
        options_of(given["to"], made)
    except ValueError as error:
        raise Usage(str(error)) from None
    try:
        with progress(session, "converting") as move, interruptible("no file was written"):
            done = convert(
                given["source"],
                given["destination"],
                to=given["to"],
                format=given[FROM],
                images=existing_folder(folder, "--images"),
                options=made,
                strict=given["strict"],
                on_problem=given["on_problem"],
                progress=move,
            )
    except Refused as refused:
        if session.json:
            show_json(document(problems=refused.problems))
        say(f"annotary: {refused}")
        return FAILED
    findings = done.findings
    losses = findings.ledger.document()
    if session.json:
        found: dict[str, Any] = {"problems": findings.problems, "notices": findings.notices, "losses": losses}
        show_json(document(rows=done.rows, annotations=done.annotations, files=done.files, **found))
    else:
        show_notices(session, findings.notices)
        show_problems(findings.problems, findings.problem_count)
        show_losses(session, losses)
        show(
            f"{done.format} to {done.to}: {count(done.rows, 'row')}, {count(done.annotations, 'annotation')}"
        )
        show(f"{count(sum(one.count or 1 for one in done.files), 'file')} in {given['destination']}")
    return SKIPPED if findings.problem_count else DONE
