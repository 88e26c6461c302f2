"""How much one query may ask for: how deep, how many fields, counted before anything is looked up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)

LIST = 100
"""A list without `first` is taken for one of so many."""
MOST = 1000
"""No list gives more at once."""
FIELDS = 2000
"""So many fields may a document name; validation compares each with its neighbours."""
_PAGED = ("first", "size")


class TooComplex(GraphQLError):
    """A query that asks for more than one may."""


class TooDeep(GraphQLError):
    """A query that is nested deeper than one may be."""


def check_size(document: DocumentNode) -> None:
    """Raise TooComplex for a document that names too many fields, used or not."""
    left = FIELDS
    open_: list[SelectionSetNode] = [
        one.selection_set
        for one in document.definitions
        if isinstance(one, OperationDefinitionNode | FragmentDefinitionNode)
    ]
    while open_:
        selections = open_.pop().selections
        left -= len(selections)
        if left < 0:
            raise TooComplex("Query complexity limit exceeded")
        open_ += [inner for one in selections if (inner := getattr(one, "selection_set", None)) is not None]


def check(document: DocumentNode, variables: Mapping[str, Any], *, depth: int, complexity: int) -> None:
    """Raise TooDeep or TooComplex for a query beyond the limits; the SDK knows the latter's words."""
    fragments = {
        one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)
    }
    measure = _Measure(fragments, variables, depth, complexity)
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            measure.selection(definition.selection_set, 1, 1, ())


class _Measure:
    """Adds up what the fields of a query cost: each one, times the lists around it."""

    def __init__(
        self,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
        depth: int,
        complexity: int,
    ) -> None:
        self.fragments = fragments
        self.variables = variables
        self.depth = depth
        self.left = complexity

    def selection(self, given: SelectionSetNode, depth: int, times: int, open_: tuple[str, ...]) -> None:
        if depth > self.depth:
            raise TooDeep(f"the query is nested deeper than {self.depth} levels")
        for one in given.selections:
            if isinstance(one, FieldNode):
                self._field(one, depth, times, open_)
            elif isinstance(one, InlineFragmentNode):
                self.selection(one.selection_set, depth, times, open_)
            elif isinstance(one, FragmentSpreadNode):
                name = one.name.value
                fragment = self.fragments.get(name)
                # What goes round in circles is refused by validation.
                if fragment is not None and name not in open_:
                    self.selection(fragment.selection_set, depth, times, (*open_, name))

    def _field(self, field: FieldNode, depth: int, times: int, open_: tuple[str, ...]) -> None:
        self.left -= times
        if self.left < 0:
            raise TooComplex("Query complexity limit exceeded")
        if field.selection_set is not None:
            self.selection(field.selection_set, depth + 1, times * self._many(field), open_)

    def _many(self, field: FieldNode) -> int:
        for argument in field.arguments or ():
            if argument.name.value not in _PAGED:
                continue
            value = argument.value
            if isinstance(value, IntValueNode):
                return max(1, min(int(value.value), MOST))
            if isinstance(value, VariableNode):
                given = self.variables.get(value.name.value)
                return max(1, min(given, MOST)) if isinstance(given, int) else LIST
        return 1
