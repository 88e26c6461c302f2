"""The command line: words typed by a person become operations on a client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from annotary.cli import administration, listings, serving
from annotary.cli.demo import demo
from annotary.cli.importing import import_files
from annotary.cli.program import Program, begin, command
from annotary.cli.session import Session

EXPORT = "export"
EXPORT_HELP = "Write a project, a model run, a dataset or single data rows to a file or folder."

CONVERT = "convert"
CONVERT_HELP = "Turn a file, folder or archive of one format into another, without a store."

STATS = "stats"
STATS_HELP = "Count and size what a project, a model run or a dataset holds."

EVALUATE = "evaluate"
EVALUATE_HELP = "Measure a model run's predictions against labels: AP, classes, confusion, worst rows."

LINT = "lint"
LINT_HELP = "Rank the labels of a project or model run that look wrong."


def main() -> None:
    """The program `annotary`; ends the process with its exit status."""
    app(prog_name="annotary")


def _group(help: str) -> typer.Typer:
    return typer.Typer(help=help, no_args_is_help=True)


def _export() -> Any:
    """The command `export`; its flags come from the formats, which only it has to load."""
    from annotary.cli.exporting import export_rows
    from annotary.cli.flags import parameters

    alone = typer.Typer(add_completion=False)
    command(alone, EXPORT, parameters=parameters(), help=EXPORT_HELP)(export_rows)
    return typer.main.get_command(alone)


def _convert() -> Any:
    """The command `convert`, likewise."""
    from annotary.cli.converting import convert_files, parameters

    alone = typer.Typer(add_completion=False)
    command(alone, CONVERT, parameters=parameters(), help=CONVERT_HELP)(convert_files)
    return typer.main.get_command(alone)


def _analysis(name: str, help: str) -> Callable[[], Any]:
    """The commands `stats`, `evaluate` and `lint`, likewise: `export` has their filters."""

    def build() -> Any:
        from annotary.cli import analyses

        alone = typer.Typer(add_completion=False)
        command(alone, name, parameters=analyses.PARAMETERS[name](), help=help)(getattr(analyses, name))
        return typer.main.get_command(alone)

    return build


def _unloaded(session: Session) -> None:
    raise AssertionError("replaced by what `late` has before it is called")


def _assembled() -> typer.Typer:
    analyses = {STATS: STATS_HELP, EVALUATE: EVALUATE_HELP, LINT: LINT_HELP}
    Program.late = {
        EXPORT: _export,
        CONVERT: _convert,
        **{name: _analysis(name, help) for name, help in analyses.items()},
    }
    made = typer.Typer(name="annotary", cls=Program, no_args_is_help=True, pretty_exceptions_enable=False)
    made.callback()(begin)
    command(made, "demo")(demo)
    command(made, "import")(import_files)
    command(made, EXPORT, help=EXPORT_HELP)(_unloaded)
    command(made, CONVERT, help=CONVERT_HELP)(_unloaded)
    for name, help in analyses.items():
        command(made, name, help=help)(_unloaded)
    command(made, "show")(listings.show_project)
    command(made, "projects")(listings.list_projects)
    command(made, "datasets")(listings.list_datasets)
    command(made, "models")(listings.list_models)
    command(made, "tasks")(listings.list_tasks)
    command(made, "snapshot")(listings.make_snapshot)
    command(made, "snapshots")(listings.list_snapshots)
    command(made, "formats")(listings.list_formats)
    command(made, "serve")(serving.serve)
    command(made, "worker")(serving.worker)
    command(made, "check")(administration.check)
    command(made, "copy")(administration.copy)
    command(made, "migrate")(administration.migrate)
    keys = _group("API keys: create, list, revoke.")
    command(keys, "create")(administration.create_key)
    command(keys, "list")(administration.list_keys)
    command(keys, "revoke")(administration.revoke_key)
    made.add_typer(keys, name="keys")
    orgs = _group("Organisations, kept wholly apart: create, list.")
    command(orgs, "create")(administration.create_org)
    command(orgs, "list")(administration.list_orgs)
    made.add_typer(orgs, name="orgs")
    return made


app = _assembled()
