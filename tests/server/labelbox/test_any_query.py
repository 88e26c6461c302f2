"""Every field that the schema offers is answered: with data, or with an error that says what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
)

from annotary.server.labelbox.answering import schema
from annotary.store import Store
from tests.server.labelbox.talk import Json, Talk
from tests.server.labelbox.test_work import built

SCHEMA = schema()
FIELDS = [
    (root, name)
    for root in ("Query", "Mutation", "ProjectMutation")
    for name in SCHEMA.type_map[root].fields  # type: ignore[attr-defined]
]
DEPTH = 3


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Talk, Json]]:
    """A program at a server with a project in it, and the ids of what is there."""
    folder: Path = tmp_path_factory.mktemp("any")
    store = Store.open(folder / "store")
    talk = Talk(store)
    yield talk, built(talk)
    store.close()


def value(kind: Any, name: str, known: Json, odd: bool, depth: int = 0) -> str:
    """A value of a type as a literal: of things that are there, or an odd one."""
    if isinstance(kind, GraphQLNonNull):
        return value(kind.of_type, name, known, odd, depth)
    if isinstance(kind, GraphQLList):
        return f"[{value(kind.of_type, name, known, odd, depth)}]"
    if isinstance(kind, GraphQLEnumType):
        return next(reversed(kind.values)) if odd else next(iter(kind.values))
    if isinstance(kind, GraphQLInputObjectType):
        wanted = {
            key: one
            for key, one in kind.fields.items()
            if isinstance(one.type, GraphQLNonNull) or (odd and depth < 2 and key not in ("AND", "deleted"))
        }
        inner = (f"{key}: {value(one.type, key, known, odd, depth + 1)}" for key, one in wanted.items())
        return "{" + ", ".join(inner) + "}"
    plain = {
        "Int": "-1" if odd else "2",
        "Float": "-0.5" if odd else "1",
        "Boolean": "true" if odd else "false",
        "UInt64": '"9999999999"' if odd else "0",
        "PageSize": "0" if odd else "2",
        "DateTime": '"2024-05-06T07:08:09.123Z"',
        "Json": '["odd"]' if odd else "{}",
    }
    if kind.name in plain:
        return plain[kind.name]
    near = next((id for key, id in known.items() if key.lower() in name.lower()), known["project"])
    return '"odd \\u2028 \\"id\\""' if odd else f'"{near}"'


def selection(kind: Any, known: Json, odd: bool, depth: int = 0) -> str:
    """All plain fields of a type, and of others some levels."""
    named = get_named_type(kind)
    if is_leaf_type(named):
        return ""
    if not isinstance(named, GraphQLObjectType | GraphQLInterfaceType):
        return "{__typename}"
    parts = []
    for name, field in named.fields.items():
        if is_leaf_type(get_named_type(field.type)) or (depth < DEPTH and not leads_back(name)):
            parts.append(
                f"{name}{arguments(field, known, odd)}{selection(field.type, known, odd, depth + 1)}"
            )
    return "{__typename " + " ".join(parts) + "}"


def leads_back(name: str) -> bool:
    """Relations that lead back to where they came from make a query of everything."""
    return name in ("projects", "organization", "users", "createdBy", "createdTasks", "project", "tasks")


def arguments(field: GraphQLField, known: Json, odd: bool) -> str:
    given = [
        f"{name}: {value(argument.type, name, known, odd)}"
        for name, argument in field.args.items()
        if isinstance(argument.type, GraphQLNonNull) or name in ("where", "first", "data", "id", "input")
    ]
    return f"({', '.join(given)})" if given else ""


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize(("root", "name"), FIELDS, ids=[f"{root}.{name}" for root, name in FIELDS])
def test_every_field_is_answered(everything: tuple[Talk, Json], root: str, name: str, odd: bool) -> None:
    talk, made = everything
    known = {key: id for key, id in made.items() if isinstance(id, str)}
    known |= {"ontology": made["ontology"]["id"], "dataRow": made["rows"]["one"]}
    field = SCHEMA.type_map[root].fields[name]  # type: ignore[attr-defined]
    text = f"{name}{arguments(field, known, odd)}{selection(field.type, known, odd)}"
    if root == "ProjectMutation":
        text = f'mutation {{ project(where: {{id: "{known["project"]}"}}) {{ {text} }} }}'
    else:
        text = f"{root.lower()} {{ {text} }}"
    found = talk.answer(text)
    for error in found.get("errors", ()):
        assert error["message"]
        assert error["extensions"]["code"] not in ("INTERNAL_SERVER_ERROR", "GRAPHQL_PARSE_FAILED"), (
            text,
            error,
        )
    assert "data" in found or found["errors"]
