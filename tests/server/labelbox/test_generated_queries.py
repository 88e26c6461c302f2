"""Every field that leads in, with generated arguments: never a failure, and answers of the schema's types.

Asked twice over: by Schemathesis, whose arguments are literals of any shape, and by requests made here, whose
arguments are variables, often of things that are there, and whose answers are held against the schema.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    ListValueNode,
    NameNode,
    ObjectFieldNode,
    ObjectValueNode,
    ValueNode,
    get_named_type,
    is_leaf_type,
    parse_value,
    print_schema,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotary.model import moment
from annotary.server.labelbox.answering import schema
from annotary.store import Store
from tests.server.labelbox.talk import Json, Talk
from tests.server.labelbox.test_work import built, car, imported

SCHEMA = schema()
FIELDS = [
    (root, name)
    for root in ("Query", "Mutation", "ProjectMutation")
    for name in SCHEMA.type_map[root].fields  # type: ignore[attr-defined]
]
LEVELS = 2
EXAMPLES = 6
MANY = 50
CODES = {
    "AUTHORIZATION_ERROR",
    "GRAPHQL_VALIDATION_FAILED",
    "MALFORMED_REQUEST",
    "OPERATION_NOT_ALLOWED",
    "RESOURCE_CONFLICT",
    "RESOURCE_NOT_FOUND",
}
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
WORDS = st.sampled_from(["", "a", "\u2028", "0", "-1", "%00", "../..", "' OR 1=1 --", "c" * 25, "x" * 5000])
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=5,
)
INTS = st.integers(-(2**31), 2**31 - 1)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Talk, list[str]]]:
    """A program at a server with a project in it, and the ids and names of what is there."""
    store = Store.open(tmp_path_factory.mktemp("generated") / "store")
    talk = Talk(store)
    made = built(talk)
    over = imported(talk, made, "labels", [car("a", "one")])
    (label,) = talk.ask("query Q($p: ID!){project(where: {id: $p}){labels{id}}}", p=made["project"])["labels"]
    queue = talk.ask("query Q($p: ID!){project(where: {id: $p}){taskQueues{id}}}", p=made["project"])
    known = [made[name] for name in ("dataset", "project", "batch")]
    known += [*made["rows"], *made["rows"].values(), made["ontology"]["id"], over["id"], label["id"]]
    known += [one["id"] for one in queue["taskQueues"]]
    known += [talk.ask("{user{id}}")["id"], talk.upload(b'{"chunk_uris": []}')]
    yield talk, known
    store.close()


class Values:
    """Draws values, as JSON for variables, for the types of a schema."""

    def __init__(self, data: st.DataObject, known: list[str]) -> None:
        self.data = data
        self.ids = st.one_of(st.sampled_from(known), WORDS, TEXT)

    def of(self, kind: Any, level: int = 0) -> Any:
        """A value of a type; null where it may be, and often where it is deep."""
        if isinstance(kind, GraphQLNonNull):
            return self._given(kind.of_type, level)
        if self.data.draw(st.integers(0, 3 if level < LEVELS else 1)) == 0 or level > LEVELS:
            return None
        return self._given(kind, level)

    def _given(self, kind: Any, level: int) -> Any:
        if isinstance(kind, GraphQLList):
            return [self.of(kind.of_type, level + 1) for _ in range(self.data.draw(st.integers(0, 2)))]
        if isinstance(kind, GraphQLEnumType):
            return self.data.draw(st.sampled_from(sorted(kind.values)))
        if isinstance(kind, GraphQLInputObjectType):
            return {
                name: self.of(field.type, level + 1)
                for name, field in kind.fields.items()
                if isinstance(field.type, GraphQLNonNull) or self.data.draw(st.booleans())
            }
        plain = {
            "Int": INTS,
            "Float": st.floats(allow_nan=False, allow_infinity=False),
            "Boolean": st.booleans(),
            "UInt64": st.one_of(st.integers(0, 2**63), st.integers(0, 99).map(str)),
            "PageSize": st.integers(0, 2**31),
            "DateTime": st.datetimes().map(lambda at: at.isoformat() + "Z"),
            "Json": JSON,
            "Upload": st.none(),
        }
        return self.data.draw(plain.get(kind.name, self.ids))


def selection(kind: Any, data: st.DataObject, values: Values, level: int = 0) -> str:
    """Some fields of a type with arguments as literals; plain ones at the last level."""
    named = get_named_type(kind)
    if is_leaf_type(named):
        return ""
    if isinstance(named, GraphQLUnionType):
        inner = " ".join(
            f"... on {one.name} {selection(one, data, values, level + 1)}" for one in named.types
        )
        return f"{{__typename {inner}}}"
    assert isinstance(named, GraphQLObjectType | GraphQLInterfaceType)
    parts = ["__typename"]
    for name, field in sorted(named.fields.items()):
        leaf = is_leaf_type(get_named_type(field.type))
        if (not leaf and level >= LEVELS) or not data.draw(
            st.booleans() if leaf else st.sampled_from([0, 0, 1])
        ):
            continue
        if any(isinstance(one.type, GraphQLNonNull) for one in field.args.values()):
            continue
        parts.append(name + selection(field.type, data, values, level + 1))
    return "{" + " ".join(parts) + "}"


def check(kind: Any, found: Any, place: str) -> None:
    """Fails where an answer is not what the schema says."""
    if isinstance(kind, GraphQLNonNull):
        assert found is not None, place
        kind = kind.of_type
    if found is None:
        return
    if isinstance(kind, GraphQLList):
        assert isinstance(found, list), place
        for index, one in enumerate(found):
            check(kind.of_type, one, f"{place}[{index}]")
    elif isinstance(kind, GraphQLEnumType):
        assert found in kind.values, (place, found)
    elif is_leaf_type(kind):
        wanted = {
            "Int": int,
            "Float": int | float,
            "Boolean": bool,
            "String": str,
            "ID": str,
            "DateTime": str,
        }
        assert isinstance(found, wanted.get(kind.name, object)), (place, found)  # type: ignore[arg-type]
        if kind.name == "DateTime":
            assert moment.shown_v1(moment.canonical(found)) == found, (place, found)
    else:
        named = SCHEMA.type_map[found["__typename"]]
        for name, one in found.items():
            if name != "__typename":
                check(named.fields[name].type, one, f"{place}.{name}")  # type: ignore[attr-defined]


def listed(words: list[str]) -> str:
    return f"({', '.join(words)})" if words else ""


EVERY_FIELD = pytest.mark.parametrize(
    ("root", "name"), FIELDS, ids=[f"{root}.{name}" for root, name in FIELDS]
)


def generated(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


@EVERY_FIELD
@generated(EXAMPLES)
@given(data=st.data())
def test_every_field_with_generated_arguments(
    everything: tuple[Talk, list[str]], root: str, name: str, data: st.DataObject
) -> None:
    ask(everything, root, name, data)


@pytest.mark.soak
@EVERY_FIELD
@generated(MANY)
@given(data=st.data())
def test_every_field_with_many_generated_arguments(
    everything: tuple[Talk, list[str]], root: str, name: str, data: st.DataObject
) -> None:
    ask(everything, root, name, data)


def ask(everything: tuple[Talk, list[str]], root: str, name: str, data: st.DataObject) -> None:
    """Ask for one field, and hold the answer against the schema."""
    talk, known = everything
    field = SCHEMA.type_map[root].fields[name]  # type: ignore[attr-defined]
    values = Values(data, known)
    variables: Json = {}
    declared, arguments = [], []
    for letter, (argument, one) in zip(string.ascii_lowercase, field.args.items(), strict=False):
        declared.append(f"${letter}: {one.type}")
        arguments.append(f"{argument}: ${letter}")
        variables[letter] = values.of(one.type)
    call = f"{name}{listed(arguments)}{selection(field.type, data, values)}"
    if root == "ProjectMutation":
        declared.append("$project: ID!")
        variables["project"] = data.draw(values.ids)
        call = f"project(where: {{id: $project}}) {{ __typename {call} }}"
    kind = "query" if root == "Query" else "mutation"
    text = f"{kind} Q{listed(declared)} {{ {call} }}"
    body = json.dumps({"query": text, "variables": variables}, ensure_ascii=True)
    found = answered(talk, body)
    if found.get("data") is not None:
        top = SCHEMA.query_type if kind == "query" else SCHEMA.mutation_type
        assert top is not None
        for key, one in found["data"].items():
            check(top.fields[key].type, one, key)
    else:
        assert found["errors"], text


def answered(talk: Talk, body: str) -> Json:
    """The answer to a request, whose errors all say what is wrong."""
    headers = {**talk.headers, "content-type": "application/json"}
    answer = talk.http.post("/graphql", content=body, headers=headers)
    assert answer.status_code == 200, (body, answer.text)
    found: Json = answer.json()
    assert found.keys() <= {"data", "errors"}
    for error in found.get("errors", ()):
        assert error["message"] and "Traceback" not in error["message"]
        assert error["extensions"]["code"] in CODES, (body, error)
    return found


def literal(value: Any) -> ValueNode:
    """A JSON value as it stands in a query."""
    if isinstance(value, dict):
        named = {key: one for key, one in value.items() if re.fullmatch(r"[_A-Za-z]\w*", key, re.ASCII)}
        fields = [ObjectFieldNode(name=NameNode(value=key), value=literal(one)) for key, one in named.items()]
        return ObjectValueNode(fields=tuple(fields))
    if isinstance(value, list):
        return ListValueNode(values=tuple(map(literal, value)))
    return parse_value(json.dumps(value))


for kind, values in {
    "Json": JSON.map(literal),
    "Upload": TEXT.map(literal),
    "DateTime": st.one_of(st.datetimes().map(lambda at: literal(at.isoformat() + "Z")), TEXT.map(literal)),
    "UInt64": st.integers(0, 2**63).map(literal),
    "PageSize": st.integers(0, 2**31).map(literal),
}.items():
    schemathesis.graphql.scalar(kind, values)
described = schemathesis.graphql.from_file(print_schema(SCHEMA))


@described.parametrize()
@generated(2)
def test_whatever_the_schema_allows(case: schemathesis.Case, everything: tuple[Talk, list[str]]) -> None:
    answered(everything[0], json.dumps({"query": case.body}))


@pytest.mark.soak
@described.parametrize()
@generated(MANY)
def test_very_much_of_what_the_schema_allows(
    case: schemathesis.Case, everything: tuple[Talk, list[str]]
) -> None:
    answered(everything[0], json.dumps({"query": case.body}))
