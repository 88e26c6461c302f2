"""The program around the commands: global options before and after them, exit statuses."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from inspect import Parameter
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from annotary.cli.session import DONE, Session, ended, polite_signals

Function = Callable[..., int | None]
PANEL = "Everywhere"
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="TARGET",
        help="A folder, a postgresql:// URL, or a server's URL. Default: $ANNOTARY_AT, else ./annotary-data.",
        rich_help_panel=PANEL,
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option(
        "--api-key", metavar="KEY", help="For servers. Default: $ANNOTARY_API_KEY.", rich_help_panel=PANEL
    ),
]
Org = Annotated[
    str | None,
    typer.Option("--org", metavar="NAME", help="The organisation. Default: default.", rich_help_panel=PANEL),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document, for programs.", rich_help_panel=PANEL)
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="No progress, no notices, no hints.", rich_help_panel=PANEL),
]

_EVERYWHERE = (
    Parameter("at", Parameter.KEYWORD_ONLY, default=None, annotation=At),
    Parameter("api_key", Parameter.KEYWORD_ONLY, default=None, annotation=ApiKey),
    Parameter("org", Parameter.KEYWORD_ONLY, default=None, annotation=Org),
    Parameter("json", Parameter.KEYWORD_ONLY, default=False, annotation=Json),
    Parameter("quiet", Parameter.KEYWORD_ONLY, default=False, annotation=Quiet),
)


class Program(TyperGroup):
    """The whole program: errors end it with a status and one line. `late` commands are built when used."""

    late: dict[str, Callable[[], Any]] = {}  # noqa: RUF012 -- set once, where the commands are put together

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is meant, with its rest of the line."""
        name, command, rest = super().resolve_command(ctx, args)
        build = self.late.get(name or "")
        return name, build() if build else command, rest

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run it; ends the process unless told otherwise."""
        # A name that the output's encoding lacks is no reason to fail.
        with suppress(AttributeError, ValueError):
            sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        run = super().main

        def whole() -> int | None:
            result = run(args, prog_name, complete_var, False, windows_expand_args, **extra)
            return result if isinstance(result, int) else DONE

        with polite_signals():
            status = ended(whole)
        if standalone_mode:
            sys.exit(status)
        return status


def _show_version(asked: bool) -> None:
    if asked:
        from annotary import __version__

        print(f"annotary {__version__}")
        raise typer.Exit


def begin(
    context: typer.Context,
    at: At = None,
    api_key: ApiKey = None,
    org: Org = None,
    json: Json = False,
    quiet: Quiet = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version.",
            is_eager=True,
            callback=_show_version,
            rich_help_panel=PANEL,
        ),
    ] = False,
) -> None:
    """Keeps image annotations and predictions, and hands them out: exact, filtered, streamed."""
    context.obj = Session(at=at, api_key=api_key, org=org or "default", json=json, quiet=quiet)


def command(
    app: typer.Typer,
    name: str,
    *,
    parameters: Sequence[Parameter] | None = None,
    help: str | None = None,
) -> Callable[[Function], Function]:
    """Make a function a command: its first argument is the session, the others are typed by the user.

    `parameters` replace those of its signature, for a function that takes any keyword.
    """

    def keep(function: Function) -> Function:
        own = parameters
        if own is None:
            own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        app.command(name, help=help or function.__doc__)(_runner(function, own))
        return function

    return keep


def _runner(function: Function, own: Sequence[Parameter]) -> Callable[..., None]:
    def run(context: typer.Context, **given: Any) -> None:
        said: Session = context.obj
        session = Session(
            at=given.pop("at") or said.at,
            api_key=given.pop("api_key") or said.api_key,
            org=given.pop("org") or said.org,
            json=given.pop("json") or said.json,
            quiet=given.pop("quiet") or said.quiet,
        )
        status = ended(lambda: function(session, **given))
        if status:
            raise typer.Exit(status)

    context = Parameter("context", Parameter.KEYWORD_ONLY, annotation=typer.Context)
    # Typer reads the options off the signature; they are keywords, so that their order is free.
    every = [context, *(one.replace(kind=Parameter.KEYWORD_ONLY) for one in own), *_EVERYWHERE]
    run.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in every}
    return run
