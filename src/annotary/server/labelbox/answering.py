"""One GraphQL request answered: parsed, measured, validated, carried out; errors in the SDK's codes."""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ariadne import ScalarType, load_schema_from_path, make_executable_schema
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    execute_sync,
    parse,
    validate,
    value_from_ast_untyped,
)

from annotary.errors import (
    AnnotaryError,
    Conflict,
    Denied,
    Invalid,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from annotary.model import moment
from annotary.server.door import log
from annotary.server.labelbox import limits
from annotary.server.labelbox.context import Context, Json, bound_types
from annotary.server.labelbox.upload import Upload
from annotary.server.settings import Settings

NOUNS = (
    "users",
    "datasets",
    "data_rows",
    "data_row_imports",
    "metadata",
    "ontologies",
    "projects",
    "batches",
    "labels",
    "models",
    "imports",
    "exports",
    "sending",
    "slices",
    "tasks",
    "upload",
    "webhooks",
)
TOKENS = 50_000
DEEPEST = 2**64


def schema() -> GraphQLSchema:
    """The schema with its resolvers."""
    for noun in NOUNS:
        import_module(f"annotary.server.labelbox.{noun}")
    text = load_schema_from_path(str(Path(__file__).with_name("schema.graphql")))
    return make_executable_schema(text, *bound_types(), *_scalars())


def _scalars() -> list[ScalarType]:
    return [
        ScalarType("DateTime", serializer=_shown_instant, value_parser=_instant),
        ScalarType("Json", serializer=_as_is, value_parser=_as_is, literal_parser=value_from_ast_untyped),
        ScalarType("Upload", value_parser=_upload),
        ScalarType("UInt64", serializer=_as_is, value_parser=_unsigned),
        ScalarType("PageSize", serializer=_as_is, value_parser=_unsigned),
    ]


def _as_is(value: Any) -> Any:
    return value


def _shown_instant(value: str) -> str:
    return moment.shown_v1(moment.canonical(value))


def _instant(value: Any) -> str:
    try:
        return moment.canonical(value)
    except (ValueError, TypeError, AttributeError):
        raise GraphQLError(f"not a date: {value!r}; give {moment.WANTED}") from None


def _upload(value: Any) -> Upload:
    if not isinstance(value, Upload):
        raise GraphQLError("a file comes as a part of a multipart request, and its variable is null")
    return value


def _unsigned(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < DEEPEST:
        raise GraphQLError(f"not a number from 0 on: {value!r}")
    return value


class Answering:
    """A schema, ready to answer; it keeps the documents that are asked again and again."""

    def __init__(self, settings: Settings) -> None:
        self.schema = schema()
        self.settings = settings
        self._document = lru_cache(maxsize=512)(self._checked)

    def _checked(self, text: str) -> DocumentNode | list[GraphQLError]:
        """A document that is valid, or what is wrong with it."""
        document = parse(text, max_tokens=TOKENS)
        limits.check_size(document)
        return validate(self.schema, document, max_errors=20) or document

    def answer(self, context: Context, request: Json) -> Json:
        """The answer to a request {query, variables}."""
        text, variables = request.get("query"), request.get("variables")
        if not isinstance(text, str) or not isinstance(variables, dict | None):
            return failure(
                "a request has a query, which is text, and variables, an object or null", "BAD_REQUEST"
            )
        operation = request.get("operationName")
        if not isinstance(operation, str | None):
            return failure("operationName is text or null", "BAD_REQUEST")
        try:
            document = self._document(text)
        except GraphQLSyntaxError as error:
            return {"errors": [_error(error, "GRAPHQL_PARSE_FAILED")]}
        except limits.TooComplex as error:
            return {"errors": [_error(error, "GRAPHQL_VALIDATION_FAILED")]}
        except RecursionError:
            return failure("Syntax Error: nested too deep", "GRAPHQL_PARSE_FAILED")
        if isinstance(document, list):
            return {"errors": [_error(error, "GRAPHQL_VALIDATION_FAILED") for error in document]}
        try:
            self._measure(document, variables or {})
        except GraphQLError as error:
            return {"errors": [_error(error, "GRAPHQL_VALIDATION_FAILED")]}
        done = execute_sync(
            self.schema, document, context_value=context, variable_values=variables, operation_name=operation
        )
        if not done.errors:
            return {"data": done.data}
        changes = any(
            getattr(one, "operation", None) is not None and one.operation.value == "mutation"  # type: ignore[attr-defined]
            for one in document.definitions
        )
        return {
            "data": done.data,
            "errors": [_error(error, *_code(error, changes=changes)) for error in done.errors],
        }

    def _measure(self, document: DocumentNode, variables: Mapping[str, Any]) -> None:
        limits.check(
            document,
            variables,
            depth=self.settings.query_depth,
            complexity=self.settings.query_complexity,
        )


def failure(message: str, code: str) -> Json:
    """An answer that is one error."""
    return {"errors": [{"message": message, "extensions": {"code": code}}]}


def failure_of(error: AnnotaryError) -> Json:
    """An answer that is one error of ours, from outside any field."""
    code, extensions = _code_of(error, changes=False)
    return {"errors": [_told(str(error), code, extensions)]}


_UNKNOWN = re.compile(r"(Cannot query field )'(\w+)'( on type )'(\w+)'")
"""Programs look for these words with the quotes that other GraphQL servers have."""


def _error(error: GraphQLError, code: str, extensions: Json | None = None) -> Json:
    told = _told(_UNKNOWN.sub(r'\1"\2"\3"\4"', error.message), code, extensions or {})
    if error.path is not None:
        told["path"] = error.path
    if error.locations:
        told["locations"] = [{"line": one.line, "column": one.column} for one in error.locations]
    return told


def _told(message: str, code: str, extensions: Json) -> Json:
    told: Json = {"message": message, "extensions": {"code": code, **extensions}}
    if code == "MALFORMED_REQUEST":
        # Some calls of the SDK look for this key in place of the message.
        told["errors"] = [message]
    return told


def _code(error: GraphQLError, *, changes: bool) -> tuple[str, Json]:
    cause = error.original_error
    if not error.path or isinstance(cause, GraphQLError):
        # Variables that do not fit, or a query that took too long.
        return "GRAPHQL_VALIDATION_FAILED", {}
    if isinstance(cause, AnnotaryError):
        return _code_of(cause, changes=changes)
    return _failed(error)


def _code_of(error: AnnotaryError, *, changes: bool) -> tuple[str, Json]:
    match error:
        case Unauthenticated():
            return "AUTHENTICATION_ERROR", {}
        case Denied():
            return "AUTHORIZATION_ERROR", {}
        case NotFound():
            # Of a mutation the SDK takes "not found" for an empty answer, and trips over that.
            return ("MALFORMED_REQUEST" if changes else "RESOURCE_NOT_FOUND"), {}
        case Conflict():
            return "RESOURCE_CONFLICT", {}
        case Invalid():
            return "MALFORMED_REQUEST", {}
        case Unavailable():
            return "INTERNAL_SERVER_ERROR", {"exception": {"status": 503}}
    return "OPERATION_NOT_ALLOWED", {}


def _failed(error: GraphQLError) -> tuple[str, Json]:
    """What nobody foresaw: told to whoever runs the server, not to whoever asked."""
    cause = error.original_error or error
    log("error", event="failure", trace="".join(traceback.format_exception(cause)))
    error.message = "something went wrong in the server; its log says what"
    return "INTERNAL_SERVER_ERROR", {"exception": {"status": 500}}
