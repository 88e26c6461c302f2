"""Ontologies: the vendor's normalized JSON, one object with tools and classifications."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from annotary.errors import Invalid
from annotary.formats import Format, Source
from annotary.formats._json import documents, problem_of, shown
from annotary.model.carried import decode
from annotary.model.ontology import Normalized, Question, hue

TOOLS = ("rectangle", "polygon", "line", "point", "superpixel", "raster-segmentation", "cuboid", "edge")
"""The kinds of tools that draw on images."""


def read_ontology(source: Source) -> Normalized:
    """An ontology, checked, with a colour for every tool; raises Invalid with place, value and reason."""
    found = list(documents(source))
    if len(found) != 1:
        raise Invalid(f"{source.name} has {len(found)} JSON documents; an ontology file has one")
    try:
        given, _ = decode(found[0].data, Normalized)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        problem = problem_of(error, found[0])
        raise Invalid(f"{source.name}, {problem.place}: {problem.reason}: {problem.value}") from None
    try:
        check(given)
    except Invalid as error:
        raise Invalid(f"{source.name}, {error}") from None
    colored = tuple(
        tool if tool.color else replace(tool, color=hue(index, len(given.tools)))
        for index, tool in enumerate(given.tools)
    )
    return replace(given, tools=colored)


def check(given: Normalized) -> None:
    """Whether names are unique, questions have options and tools are for images; raises Invalid."""
    _unique(((one.tool, one.name) for one in given.tools), "$.tools")
    for index, tool in enumerate(given.tools):
        if tool.tool not in TOOLS:
            raise Invalid(
                f"$.tools[{index}].tool: not a tool for images: {tool.tool!r}; known: {', '.join(TOOLS)}"
            )
        _check_questions(tool.classifications, f"$.tools[{index}].classifications")
    _check_questions(given.classifications, "$.classifications")


def _check_questions(questions: tuple[Question, ...], place: str) -> None:
    _unique(((one.type, one.name) for one in questions), place)
    for index, question in enumerate(questions):
        at = f"{place}[{index}].options"
        if question.type != "text" and not question.options:
            raise Invalid(f"{at}: a {question.type} question needs at least one option: {question.name!r}")
        _unique((("option", str(one.value)) for one in question.options), at)
        for number, option in enumerate(question.options):
            _check_questions(option.options, f"{at}[{number}].options")


def _unique(names: Iterable[tuple[str, str]], place: str) -> None:
    seen: set[tuple[str, str]] = set()
    for kind, name in names:
        if (kind, name) in seen:
            raise Invalid(f"{place}: two of one kind are named {shown(name)!r}; give them different names")
        seen.add((kind, name))


def claims(first: dict[str, Any]) -> bool:
    """Whether a file's first document is of this format."""
    return "tools" in first and "data_row" not in first


FORMAT = Format(
    title="Ontology (normalized JSON)",
    read_ontology=read_ontology,
    claims=claims,
    says="tools, questions and options, nested",
)
