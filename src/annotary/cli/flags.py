"""The flags of `export`, derived from what can be asked: parameters, filters, the options of formats."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer
from msgspec import UNSET

from annotary.errors import AnnotaryError
from annotary.formats import load, names
from annotary.model.export import KINDS, STATUS, ExportParams, LabelRule
from annotary.model.fields import core, description

SCOPE, OUTPUT, SHOWN, FILTERS, STATE, FORMAT = (
    "What to export",
    "Where to",
    "Parts to show (Labelbox formats: each off unless asked for)",
    "Which rows (all given filters must hold; dates in UTC)",
    "Which state, which labels",
    "Options of the formats",
)
Dates = tuple[str, str]


def option(name: str, kind: Any, panel: str | None, help: str, *flags: str, **more: Any) -> Parameter:
    """One thing that may be typed, as a parameter of its command."""
    default = more.pop("default", None)
    if default is ...:
        default = Parameter.empty
    info = typer.Option(*flags, help=help, rich_help_panel=panel, **more)
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info])


def argument(name: str, info: Any, kind: Any = str, default: Any = Parameter.empty) -> Parameter:
    """One word that must stand in its place."""
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info])


def parameters() -> list[Parameter]:
    """Everything that may be typed after `export`."""
    project = typer.Argument(metavar="PROJECT", help="A project's name or id.", show_default=False)
    own = [
        Parameter("project", Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, project]),
        *_places(),
        *filters(),
        *_states(),
        *_shown(),
    ]
    taken = {one.name for one in own}
    return own + [one for one in of_formats() if one.name not in taken]


def _places() -> Iterator[Parameter]:
    yield option("model_run", str | None, SCOPE, "A model run, by id or name.", "--model-run", metavar="ID")
    yield option("dataset", str | None, SCOPE, "A dataset, by id or name.", "--dataset", metavar="ID")
    yield option(
        "output",
        str | None,
        OUTPUT,
        "A file, a folder, or - for standard output. Its ending decides: .json one array, .ndjson lines,"
        " .zip an archive; .gz and .zst compress. Default: the project's name in this folder, or standard"
        " output where that is no terminal.",
        "--output",
        "-o",
        metavar="PATH|-",
    )
    yield option("format", str, OUTPUT, "The format.", "--format", metavar="FORMAT", default="labelbox-v2")


def filters() -> Iterator[Parameter]:
    """The flags that say which rows."""
    for name, what in (
        ("last_activity_at", "rows last active between these dates"),
        ("label_created_at", "rows with a label created between these dates"),
    ):
        help = f"Only {what}; - is an open end."
        yield option(name, Dates | None, FILTERS, help, f"--{dashed(name)}", metavar="START END")
    for name, metavar, help in (
        ("workflow_status", "|".join(STATUS), "Only rows of this status."),
        ("batch_id", "ID", "Only rows of this batch; repeatable."),
        ("data_row_id", "ID", "Only this data row; repeatable; alone: whatever project it is in."),
        ("global_key", "KEY", "Only the data row with this key; repeatable; alone: likewise."),
    ):
        kind = str | None if name == "workflow_status" else list[str] | None
        yield option(name, kind, FILTERS, help, f"--{dashed(name)}", metavar=metavar)
    for name, flag, metavar, help in (
        ("external_id", "--external-id", "ID", "Only rows with this external id; repeatable."),
        ("class_name", "--class", "NAME", "Only rows with an object of this class; repeatable."),
        ("kind", "--kind", "|".join(KINDS), "Only rows with an annotation of this kind; repeatable."),
    ):
        yield option(name, list[str] | None, FILTERS, help, flag, metavar=metavar)
    yield option("no_objects", bool, FILTERS, "Only rows without any object.", "--no-objects", default=False)


def _states() -> Iterator[Parameter]:
    help = "Only rows changed since this cursor, as an earlier export printed it."
    yield option("since", str | None, STATE, help, "--since", metavar="CURSOR")
    help = "The state at this snapshot or sequence number."
    yield option("as_of", str | None, STATE, help, "--as-of", metavar="SNAPSHOT_OR_SEQUENCE")
    help = "Which of several labels of a row."
    yield option("labels", LabelRule, STATE, help, "--labels", default="all")
    help = "Refuse, before anything is written, what would lose anything."
    yield option("strict", bool, OUTPUT, help, "--strict", default=False)
    help = "Processes, the same bytes whatever their number; default: several where that is faster."
    yield option("workers", int | None, OUTPUT, help, "--workers", metavar="N")
    help = "A Dask scheduler, such as tcp://host:8786, whose workers write it; the store is in PostgreSQL."
    yield option("scheduler", str | None, OUTPUT, help, "--scheduler", metavar="ADDRESS")
    help = (
        "Files of some rows each (lines, or a data set) and a manifest, into a folder that all workers share"
        " or s3://BUCKET/PREFIX: each process writes its own."
    )
    yield option("parts", bool, OUTPUT, help, "--parts", default=False)
    help = "Where the images' own files are, for --images link and copy. Default: where an import found them."
    yield option("images_from", str | None, OUTPUT, help, "--images-from", metavar="DIR")


def _shown() -> Iterator[Parameter]:
    yield option("all_details", bool, SHOWN, "All six of the parts below.", "--all-details", default=False)
    for name, hint in typing.get_type_hints(ExportParams, include_extras=True).items():
        said = description(hint)
        said = said[:1].upper() + said[1:]
        if core(hint) is bool:
            flags = (f"--{dashed(name)}/--no-{dashed(name)}",)
            yield option(name, bool | None, SHOWN, f"{said}.", *flags, show_default=False)
        else:
            flags = (f"--{dashed(name).removesuffix('s')}",)
            yield option(name, list[str] | None, SHOWN, f"{said}; repeatable.", *flags, metavar="ID")


def of_formats() -> Iterator[Parameter]:
    """A flag for each field that the options of any format that writes have."""
    found: dict[str, dict[str, Any]] = {}
    for name in names():
        try:
            form = load(name)
        except (AnnotaryError, ImportError):
            # Whoever asks for this format is told what it lacks.
            continue
        if form.write is not None:
            for field, hint in typing.get_type_hints(form.options, include_extras=True).items():
                found.setdefault(field, {})[name] = hint
    for field, hints in found.items():
        first = next(iter(hints.values()))
        help = f"{description(first)} ({', '.join(hints)})"
        kind = _typed([core(hint) for hint in hints.values()])
        flag = f"--{dashed(field)}" + (f"/--no-{dashed(field)}" if kind is bool else "")
        yield option(field, kind | None, FORMAT, help, flag, show_default=False)


def _typed(kinds: list[Any]) -> Any:
    """What the command line reads for an option: choices, a number, a switch, or text."""
    if all(typing.get_origin(kind) is Literal for kind in kinds):
        choices = dict.fromkeys(str(one) for kind in kinds for one in typing.get_args(kind))
        return Literal[tuple(choices)]
    return kinds[0] if len(set(kinds)) == 1 and kinds[0] in (bool, int, float) else str


def dashed(name: str) -> str:
    """A field's name as a flag spells it."""
    return name.replace("_", "-")


def options_for(format: str, given: dict[str, Any]) -> dict[str, Any]:
    """The format options among what was typed; raises ValueError where this format has no such option."""
    hints = typing.get_type_hints(load(format).options, include_extras=True)
    made: dict[str, Any] = {}
    for name, value in given.items():
        if value is None:
            continue
        if name not in hints:
            known = ", ".join(f"--{dashed(one)}" for one in hints) or "none"
            raise ValueError(f"--{dashed(name)} is no option of {format}; it has: {known}")
        kind = core(hints[name])
        if isinstance(value, str) and typing.get_origin(kind) in (tuple, list):
            try:
                value = msgspec.convert(value.split(","), hints[name], strict=False)
            except msgspec.ValidationError as error:
                raise ValueError(f"--{dashed(name)}: {value!r}: {error}") from None
        elif isinstance(value, str) and typing.get_origin(kind) is dict:
            value = numbered(Path(value))
        made[name] = value
    return made


def numbered(path: Path) -> dict[str, int]:
    """Names and numbers out of a file: lines of names (from 0), or a list or mapping in JSON or YAML.

    Raises ValueError.
    """
    import yaml  # type: ignore[import-untyped]

    try:
        text = path.read_text("utf-8-sig")
        found = yaml.safe_load(text) if path.suffix in (".json", ".yaml", ".yml") else text.splitlines()
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"--class-index: {path} cannot be read: {error}") from None
    if isinstance(found, dict) and isinstance(found.get("names"), dict | list):
        found = found["names"]
    if isinstance(found, list):
        found = {str(name): at for at, name in enumerate(one for one in found if str(one).strip())}
    if isinstance(found, dict) and all(isinstance(one, int) for one in found):
        found = {str(name): at for at, name in found.items()}
    if not isinstance(found, dict) or not all(type(one) is int and one >= 0 for one in found.values()):
        raise ValueError(f"--class-index: {path} is neither lines of names nor a mapping of names to numbers")
    if len(set(found.values())) < len(found):
        raise ValueError(f"--class-index: {path} gives one number to several classes")
    return {str(name): number for name, number in found.items()}


def said_of(given: dict[str, Any]) -> dict[str, Any]:
    """The parameters among what was typed; those not mentioned are left out."""
    known = {name: given[name] for name in ExportParams.__struct_fields__}
    return {name: value for name, value in known.items() if value is not None and value is not UNSET}
