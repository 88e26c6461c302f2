"""Metadata: which schemas there are, and values made fit for them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from annotary.errors import Invalid
from annotary.model import moment
from annotary.model.base import derived_id, new_id, to_json
from annotary.model.project import MetadataOption, MetadataSchema
from annotary.model.row import MetadataField

if TYPE_CHECKING:
    from annotary.store import Store

NAME_LIMIT = 100
TEXT_LIMIT = 4096
OPTION_LIMIT = 128
"""The vendor's documented limits."""
ALL = 100_000

Stored = dict[str, Any]


def _options(**ids: str) -> tuple[MetadataOption, ...]:
    return tuple(MetadataOption(id=id, name=name) for name, id in ids.items())


RESERVED = (
    MetadataSchema(id="cko8s9r5v0001h2dk9elqdidh", name="tag", kind="string", reserved=True),
    MetadataSchema(
        id="cko8sbczn0002h2dkdaxb5kal",
        name="split",
        kind="enum",
        reserved=True,
        options=_options(
            train=derived_id("metadata", "split", "train"),
            valid=derived_id("metadata", "split", "valid"),
            test="cko8scbz70005h2dkastwhgqt",
        ),
    ),
    MetadataSchema(id="cko8sdzv70006h2dk8jg64zvb", name="captureDateTime", kind="datetime", reserved=True),
    MetadataSchema(
        id=derived_id("metadata", "skipNFrames"), name="skipNFrames", kind="number", reserved=True
    ),
)
"""The schemas that every organisation has; programs know some by the vendor's fixed ids."""


def reserved() -> list[MetadataSchema]:
    """The schemas that every organisation has."""
    return list(RESERVED)


def schemas(store: Store) -> list[MetadataSchema]:
    """All schemas of an organisation: the reserved ones, then its own by name."""
    own = store.find(MetadataSchema, limit=ALL)
    return reserved() + sorted(own, key=lambda schema: schema.name)


def upserted(present: str, given: Iterable[MetadataField], known: list[MetadataSchema]) -> str:
    """The metadata section with some fields set; the others stay. Raises Invalid."""
    fields: list[Stored] = msgspec.json.decode(present)
    for schema, values in _gathered(given, known):
        new = {"schema_id": schema.id, "schema_name": schema.name, "value": _value(schema, values)}
        places = [index for index, field in enumerate(fields) if _is_of(field, schema)]
        if places:
            fields[places[0]] = new
            for index in reversed(places[1:]):
                del fields[index]
        else:
            fields.append(new)
    return to_json(fields)


def merged(present: str, given: str) -> str:
    """The metadata section with the fields of another one in place of those of the same schemas."""
    new: list[Stored] = msgspec.json.decode(given)
    ids = {field.get("schema_id") for field in new} - {None}
    names = {field.get("schema_name") for field in new} - {None}
    kept = [
        field
        for field in msgspec.json.decode(present)
        if field.get("schema_id") not in ids and field.get("schema_name") not in names
    ]
    return to_json(kept + new)


def without(present: str, gone: Iterable[MetadataSchema]) -> str:
    """The metadata section without the values of some schemas."""
    fields: list[Stored] = msgspec.json.decode(present)
    schemas = list(gone)
    left = [field for field in fields if not any(_is_of(field, schema) for schema in schemas)]
    return present if len(left) == len(fields) else to_json(left)


def renamed(present: str, schema: MetadataSchema) -> str:
    """The metadata section with the names that a schema and its options have now."""
    names = {option.id: option.name for option in schema.options}
    fields: list[Stored] = msgspec.json.decode(present)
    for field in fields:
        if field.get("schema_id") != schema.id:
            continue
        field["schema_name"] = schema.name
        value = field["value"]
        for option in value if isinstance(value, list) else [value]:
            if isinstance(option, dict) and option.get("schema_id") in names:
                option["schema_name"] = names[option["schema_id"]]
    return to_json(fields)


def changed(before: MetadataSchema, name: str, options: tuple[MetadataOption, ...]) -> MetadataSchema:
    """A schema with another name and other options, which may grow but not shrink; raises Invalid."""
    check_name(name)
    if (before.kind == "enum") != bool(options):
        raise Invalid(f"metadata schema {name!r}: an enum has options, no other kind has any")
    kept = {option.id for option in options}
    missing = [option.name for option in before.options if option.id not in kept]
    if missing:
        raise Invalid(f"metadata schema {name!r}: option {missing[0]!r} is missing; options may not go")
    options = tuple(replace(one, id=one.id or new_id(), name=one.name.strip()) for one in options)
    names = {option.name for option in options}
    if len(names) < len(options) or not all(names) or len(options) > OPTION_LIMIT:
        most = OPTION_LIMIT
        raise Invalid(f"metadata schema {name!r}: give up to {most} options, each with a name of its own")
    return replace(before, name=name, options=options)


def check_name(name: str) -> None:
    """Raise Invalid for what no schema can be named."""
    if not 1 <= len(name) <= NAME_LIMIT:
        raise Invalid(f"metadata schema {name[:40]!r}: a name has 1 to {NAME_LIMIT} characters")


def _is_of(field: Stored, schema: MetadataSchema) -> bool:
    """Whether a stored field is a schema's; one from a file may have a name only, or an id of its own."""
    return field.get("schema_id") == schema.id or field.get("schema_name") == schema.name


def _gathered(
    given: Iterable[MetadataField], known: list[MetadataSchema]
) -> list[tuple[MetadataSchema, list[Any]]]:
    """The values for each schema; several entries of one enum are several options."""
    found: dict[str, tuple[MetadataSchema, list[Any]]] = {}
    for field in given:
        schema = _schema(field, known)
        if field.value is None:
            raise Invalid(f"metadata {schema.name!r}: no value; give a {schema.kind}")
        values = (
            field.value if schema.kind == "enum" and isinstance(field.value, list | tuple) else [field.value]
        )
        if schema.id in found and schema.kind != "enum":
            raise Invalid(f"metadata {schema.name!r} is given twice; give it once")
        found.setdefault(schema.id, (schema, []))[1].extend(values)
    return list(found.values())


def _schema(field: MetadataField, known: list[MetadataSchema]) -> MetadataSchema:
    for schema in known:
        if field.schema_id == schema.id or (field.schema_id is UNSET and field.schema_name == schema.name):
            if field.schema_name not in (UNSET, schema.name):
                raise Invalid(f"metadata: {field.schema_id!r} is {schema.name!r}, not {field.schema_name!r}")
            return schema
    if field.schema_id is UNSET and field.schema_name is UNSET:
        raise Invalid("metadata: a field needs a schema_name or a schema_id")
    for schema in known:
        # An id of another organisation or workspace: the name decides.
        if field.schema_name == schema.name:
            return schema
    what = field.schema_name if field.schema_id is UNSET else field.schema_id
    names = ", ".join(schema.name for schema in known)
    raise Invalid(f"no metadata schema {what!r}; there are: {names}")


def _value(schema: MetadataSchema, values: list[Any]) -> Any:
    match schema.kind:
        case "enum":
            options = {option["schema_id"]: option for option in (_option(schema, one) for one in values)}
            if not options:
                raise Invalid(f"metadata {schema.name!r}: no option; give one of {_names(schema)}")
            chosen = list(options.values())
            return chosen[0] if len(chosen) == 1 else chosen
        case "string":
            return _text(schema, values[0])
        case "number":
            return _number(schema, values[0])
        case "datetime":
            return _moment(schema, values[0])


def _text(schema: MetadataSchema, value: Any) -> str:
    if not isinstance(value, str):
        raise Invalid(f"metadata {schema.name!r}: {value!r} is not text")
    if len(value) > TEXT_LIMIT:
        raise Invalid(f"metadata {schema.name!r}: {len(value):,} characters are more than {TEXT_LIMIT:,}")
    return value


def _number(schema: MetadataSchema, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Invalid(f"metadata {schema.name!r}: {value!r} is not a number")
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise Invalid(f"metadata {schema.name!r}: {str(value)[:40]} is not a finite 64-bit number")
    return value if isinstance(value, int) and abs(value) < 1 << 53 else float(value)


def _moment(schema: MetadataSchema, value: Any) -> str:
    try:
        return moment.canonical(value)
    except (ValueError, TypeError, OverflowError, AttributeError):
        raise Invalid(f"metadata {schema.name!r}: not a date: {value!r}; give {moment.WANTED}") from None


def _option(schema: MetadataSchema, value: Any) -> Stored:
    """An option by its name or id, or as exports show it."""
    wanted = (value.get("schema_id"), value.get("schema_name")) if isinstance(value, dict) else (value,)
    for option in schema.options:
        if option.name in wanted or option.id in wanted:
            return {"schema_id": option.id, "schema_name": option.name}
    raise Invalid(f"metadata {schema.name!r} has no option {value!r}; give one of {_names(schema)}")


def _names(schema: MetadataSchema) -> str:
    return ", ".join(option.name for option in schema.options)
