"""What an ontology must be like to be used: known tools, unique names, options where they belong."""

from __future__ import annotations

from collections.abc import Iterable

from annotary.engine.features import Features
from annotary.errors import Invalid
from annotary.model.annotation import TOOLS
from annotary.model.ontology import Normalized, Option, Question

_TOOLS = tuple(sorted({tool for tools in TOOLS.values() for tool in tools}))


def completed(ontology_id: str, given: Normalized) -> Normalized:
    """An ontology's features with ids, its tools with colours; raises Invalid where it cannot be used."""
    for tool in given.tools:
        if tool.tool not in _TOOLS:
            raise Invalid(f"tool {tool.name!r}: unknown kind {tool.tool!r}; known: {', '.join(_TOOLS)}")
        _check_questions(tool.classifications, f"tool {tool.name!r}")
    _check_unique(((tool.tool, tool.name) for tool in given.tools), "the ontology")
    _check_questions(given.classifications, "the ontology")
    return Features(ontology_id, given, grows=False).normalized()


def _check_questions(given: tuple[Question, ...], where: str) -> None:
    _check_unique(((question.type, question.name) for question in given), where)
    for question in given:
        here = f"{where}, question {question.name!r}"
        if question.type == "text" and question.options:
            raise Invalid(f"{here}: a free text has no options; make it a radio or a checklist")
        if question.type != "text" and not question.options:
            raise Invalid(f"{here}: a {question.type} needs options")
        _check_options(question.options, here)


def _check_options(given: tuple[Option, ...], where: str) -> None:
    _check_unique((("option", option.title()) for option in given), where)
    _check_unique((("option", str(option.value)) for option in given), where)
    for option in given:
        _check_questions(option.options, f"{where}, option {option.title()!r}")


def _check_unique(given: Iterable[tuple[str, str]], where: str) -> None:
    seen: set[tuple[str, str]] = set()
    for kind, name in given:
        if (kind, name) in seen:
            raise Invalid(f"{where} has two of kind {kind} named {name!r}; give one of them another name")
        seen.add((kind, name))
