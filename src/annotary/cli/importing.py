"""The command `import`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from annotary.cli.printing import (
    count,
    hint,
    progress,
    show,
    show_json,
    show_losses,
    show_notices,
    show_problems,
)
from annotary.cli.session import DONE, FAILED, SKIPPED, Session, Usage, existing_folder, say
from annotary.errors import Invalid, Refused

if TYPE_CHECKING:
    from annotary.client import Client
    from annotary.engine.loading import Report

NO_LOSSES: dict[str, Any] = {"balance": [], "losses": []}
PATHS = "Files, folders, archives: data sets, or folders with .json, .jsonl, .ndjson files (.gz, .zst)."


def import_files(
    session: Session,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help=PATHS, show_default=False)],
    project: Annotated[
        str | None,
        typer.Option(metavar="NAME_OR_ID", help="Import into this project; a new name makes one."),
    ] = None,
    format: Annotated[
        str | None, typer.Option(metavar="FORMAT", help="Default: recognised by content.")
    ] = None,
    images: Annotated[
        str | None, typer.Option(metavar="DIR", help="Where images and masks are that files name.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="Put new data rows into this dataset.")
    ] = None,
    on_problem: Annotated[
        Literal["stop", "skip"],
        typer.Option(help="stop: store nothing at all; skip: leave out rows with a problem."),
    ] = "stop",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, store nothing.")] = False,
    model: Annotated[
        str | None, typer.Option(metavar="NAME_OR_ID", help="The model whose predictions these are.")
    ] = None,
    run: Annotated[str | None, typer.Option(metavar="NAME_OR_ID", help="The run of the model.")] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", help="Processes; default: 2 for large files of Labelbox v2, else 1."),
    ] = None,
) -> int:
    """Read labels, predictions, data rows or an ontology from files. Importing twice changes nothing."""
    if (model is None) != (run is None):
        raise Usage("predictions need both --model and --run")
    if run is not None and project is not None:
        raise Usage("give either --project, or --model and --run")
    check_format(format)
    options: dict[str, Any] = {
        "project": project,
        "format": format,
        "dataset": dataset,
        "on_problem": on_problem,
        "dry_run": dry_run,
        "model": model,
        "run": run,
        "workers": workers,
    }
    folder = existing_folder(images, "--images")
    with session.client() as client:
        try:
            with progress(session, "importing") as move:
                report = client.load(*paths, images=folder, progress=move, **options)
        except Refused as refused:
            return _refused(session, refused)
        if session.json:
            counts = {"rows": report.rows, "labels": report.labels, "annotations": report.annotations}
            found: dict[str, Any] = {
                "problems": report.problems,
                "notices": report.notices,
                "losses": report.losses,
            }
            show_json(document(**{**counts, **found}))
        else:
            show_notices(session, report.notices)
            show_losses(session, report.losses)
            show_problems(report.problems, report.problem_count)
            _show_counts(session, client, report)
    return _concluded(report, stops=on_problem == "stop")


def check_format(name: str | None) -> None:
    """Raises Usage where no such format is there, or it only writes."""
    if name is None:
        return
    from annotary.formats import load, names

    try:
        form = load(name)
    except Invalid as error:
        raise Usage(f"--format: {error}") from None
    if form.read is None and form.read_ontology is None:
        readers = [one for one in names() if load(one).read or load(one).read_ontology]
        raise Usage(f"--format: {name} is not read, only written; these are read: {', '.join(readers)}")


def _refused(session: Session, refused: Refused) -> int:
    """Problems, and nothing stored."""
    from annotary.engine.loading import Stopped

    if not isinstance(refused, Stopped):
        if session.json:
            show_json(document(problems=refused.problems))
        say(f"annotary: {refused}")
        return FAILED
    report = refused.report
    if session.json:
        show_json(document(problems=report.problems, notices=report.notices))
    else:
        show_notices(session, report.notices)
        show_problems(report.problems, report.problem_count)
    return _concluded(report, stops=True)


def _concluded(report: Report, *, stops: bool) -> int:
    """The exit status; what problems led to, in one line."""
    if not report.problem_count:
        return DONE
    found = count(report.problem_count, "problem")
    if stops:
        say(
            f"annotary: nothing was stored: {found}; mend the file, or leave out such rows: --on-problem skip"
        )
        return FAILED
    say(f"annotary: {found}; rows with a problem were left out")
    return SKIPPED


def _show_counts(session: Session, client: Client, report: Report) -> None:
    counts = [
        count(report.rows, "row"),
        count(report.labels, "label"),
        count(report.annotations, "annotation"),
    ]
    if report.ontologies:
        counts.insert(0, count(report.ontologies, "ontology", "ontologies"))
    show(f"{', '.join(counts)}{'' if report.stored else '; nothing was stored, as this was a dry run'}")
    if not report.stored:
        return
    for id in report.projects:
        show(f"project {client.get_project(id).name} ({id})")
    for id in report.model_runs:
        run = client.get_model_run(id)
        show(f"model run {run.name} ({id})")
    if report.projects:
        hint(session, "show", _word(client, report.projects[0]))
    elif report.model_runs:
        hint(session, "export", "--model-run", report.model_runs[0])
    elif report.rows:
        hint(session, "datasets")


def _word(client: Client, project_id: str) -> str:
    """A project's name where that is enough to find it again, else its id."""
    name = client.get_project(project_id).name
    return name if len(client.get_projects(name)) == 1 else project_id


def document(
    *,
    rows: int = 0,
    labels: int = 0,
    annotations: int = 0,
    files: Any = (),
    cursor: int | None = None,
    problems: Any = (),
    notices: Any = (),
    losses: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """What an import or export says to programs."""
    made = {"rows": rows, "labels": labels, "annotations": annotations, "files": list(files)}
    if cursor is not None:
        made["cursor"] = cursor
    return {**made, "problems": list(problems), "notices": list(notices), "losses": losses or NO_LOSSES}
