"""What the export page's address asks for: rows, format, options, parts to show; as `StartExport` has it."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from annotary.errors import AnnotaryError, Invalid
from annotary.formats import Options, file_name, load, names, options_of
from annotary.model.export import DETAILS, ExportParams, ExportQuery, ProjectScope, RunScope
from annotary.model.fields import Field, fields_of
from annotary.operations.exports import StartExport
from annotary.server.pages.filtering import filters_of, labels_of, pairs_of, query_pairs

FORMAT = "to"
USUAL = "labelbox-v2"
FAMILIES = (
    ("Labelbox", ("labelbox-v2", "labelbox-v1", "labelbox-ndjson", "labelbox-data-rows")),
    ("Boxes, outlines and masks to train with", ()),
    ("Tables and rows", ("csv", "parquet", "data-rows")),
)
"""Groups of the list of formats; those that no other names are in the second."""
ON, OFF = "1", "0"

ExportScope = ProjectScope | RunScope


class Control(NamedTuple):
    """A field of a format's options in the form: `text` is what was given, or what goes without saying."""

    field: Field
    text: str
    input: str
    default: Any

    @property
    def title(self) -> str:
        """The name in words."""
        return self.field.name.replace("_", " ")

    @property
    def usual(self) -> str:
        """What goes without saying."""
        return _text(self.default)


def formats() -> list[tuple[str, list[tuple[str, str]]]]:
    """The formats that are written, with their titles, in groups."""
    writers = {}
    for name in names():
        try:
            form = load(name)
        except (AnnotaryError, ImportError):
            # Whoever asks for this format is told what it lacks.
            continue
        if form.write is not None:
            writers[name] = form.title
    named = {name for _, group in FAMILIES for name in group}
    others = tuple(name for name in writers if name not in named)
    return [
        (title, [(name, writers[name]) for name in group or others if name in writers])
        for title, group in FAMILIES
    ]


def format_of(params: Any) -> str:
    """The format that is asked for; raises Invalid where it is none that is written."""
    name = next((value for name, value in pairs_of(params) if name == FORMAT and value), USUAL)
    if load(name).write is None:
        raise Invalid(f"{FORMAT}: {name} is read, not written")
    return name


def request_of(params: Any, scope: ExportScope) -> StartExport:
    """The export that an address asks for; raises Invalid with what is wrong about it."""
    pairs = pairs_of(params)
    format = format_of(pairs)
    given = {name: value for name, value in pairs if value}
    details: dict[str, Any] = {name: True for name in DETAILS if given.get(name) == ON}
    if isinstance(scope, RunScope):
        details["predictions"] = True
    options = {}
    for field in fields_of(load(format).options):
        text = given.get(field.name)
        value = _unsaid(format, field) if text is None else _read(format, field, text)
        if value != field.default:
            options[field.name] = value
    options_of(format, options)
    query = ExportQuery(
        scope=scope, filters=filters_of(pairs), params=ExportParams(**details), labels=labels_of(pairs)
    )
    return StartExport(query=query, format=format, options=options)


def is_archive(format: str, options: dict[str, Any]) -> bool:
    """Whether a training format comes as an archive, in which pictures may be."""
    return load(format).images and not options_of(format, options).one_file()


def _unsaid(format: str, field: Field) -> Any:
    """What the form has where nothing is said of an option: as everywhere, but pictures in an archive.

    In a folder links lead to them; out of an archive none does.
    """
    return "copy" if field.name == "images" and is_archive(format, {}) else field.default


def _read(format: str, field: Field, text: str) -> Any:
    """An option out of the form's text; raises Invalid."""
    origin = typing.get_origin(field.kind)
    if origin is dict:
        return _numbered(field.name, text)
    given: Any = [one.strip() for one in text.split(",")] if origin in (tuple, list) else text
    if field.kind is bool:
        given = {ON: True, OFF: False}.get(text, text)
    try:
        return msgspec.to_builtins(msgspec.convert(given, field.kind, strict=False))
    except msgspec.ValidationError as error:
        raise Invalid(f"{field.name}: {text[:80]!r} is no value for {format}: {error}") from None


def _numbered(name: str, text: str) -> dict[str, int]:
    """Classes by their numbers: lines of names, from 0, or a JSON object; raises Invalid."""
    if text.lstrip().startswith("{"):
        try:
            return msgspec.json.decode(text, type=dict[str, int])
        except (msgspec.DecodeError, RecursionError) as error:
            raise Invalid(f"{name}: not a JSON object of names and their numbers: {error}") from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines:
        if lines.count(line) > 1:
            raise Invalid(f"{name}: {line[:80]!r} stands there twice; give each class one line")
    return {line: at for at, line in enumerate(lines)}


def controls_of(params: Any, format: str) -> list[Control]:
    """The options of a format as the form shows them, with what the address says of each."""
    given = dict(pairs_of(params))
    return [
        Control(field, given.get(field.name) or _text(unsaid), _input(field), unsaid)
        for field in fields_of(load(format).options)
        for unsaid in (_unsaid(format, field),)
    ]


def _input(field: Field) -> str:
    if field.choices:
        return "select"
    if typing.get_origin(field.kind) is dict:
        return "lines"
    return {bool: "switch", int: "number"}.get(field.kind, "text")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return ON if value else OFF
    if isinstance(value, dict):
        lines = "\n".join(sorted(value, key=value.__getitem__))
        try:
            return lines if _numbered("", lines) == value else msgspec.json.encode(value).decode()
        except Invalid:
            return msgspec.json.encode(value).decode()
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def wanted_pairs(request: StartExport) -> Iterator[tuple[str, str]]:
    """The pairs of an address that asks for an export; the inverse of `request_of`."""
    yield from query_pairs(request.query.filters, request.query.labels)
    if request.format != USUAL:
        yield FORMAT, request.format
    yield from ((name, ON) for name in DETAILS if getattr(request.query.params, name))
    made = options_of(request.format, request.options)
    for field in fields_of(type(made)):
        if (value := getattr(made, field.name)) != _unsaid(request.format, field):
            yield field.name, _text(value)


def form_address(request: StartExport) -> str | None:
    """The page where an export can be asked for as it was; None where none can."""
    scope = request.query.scope
    if not isinstance(scope, ProjectScope):
        return None
    try:
        query = urlencode(list(wanted_pairs(request)), errors="surrogatepass")
    except AnnotaryError:
        # The format is not there any longer, or has other options now.
        return None
    return f"/p/{quote(scope.id, safe='')}/export" + (f"?{query}" if query else "")


def file_of(request: StartExport, title: str) -> str:
    """How the file is called that an export of something becomes."""
    form = load(request.format)
    options: Options = options_of(request.format, request.options)
    ending = ".zip"
    if options.one_file():
        ending = ".json" if options.document() else form.ending
    return file_name(title, request.format, ending)
