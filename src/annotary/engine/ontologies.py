"""Ontologies: making, finding, renaming their features."""

from __future__ import annotations

from collections.abc import Iterable

from annotary.engine import renaming
from annotary.engine.core import Engine, handles
from annotary.engine.features import Features
from annotary.errors import Invalid
from annotary.model.annotation import TOOLS
from annotary.model.base import new_id
from annotary.model.ontology import Normalized, Ontology, Option, Question
from annotary.operations.ontologies import CreateOntology, FindOntologies, GetOntology, RenameFeature

ALL = 100_000
_TOOLS = tuple(sorted({tool for tools in TOOLS.values() for tool in tools}))


@handles(CreateOntology)
def create_ontology(engine: Engine, request: CreateOntology) -> Ontology:
    """Make an ontology, its features with ids and its tools with colours."""
    now, id = engine.now(), request.id or new_id()
    ontology = Ontology(
        id=id,
        name=request.name,
        created_at=now,
        updated_at=now,
        normalized=completed(id, request.normalized),
        created_by=engine.user.email,
    )
    engine.store.add(ontology)
    return ontology


@handles(GetOntology)
def get_ontology(engine: Engine, request: GetOntology) -> Ontology:
    """One ontology."""
    return engine.store.get(Ontology, request.ontology_id)


@handles(FindOntologies)
def find_ontologies(engine: Engine, request: FindOntologies) -> list[Ontology]:
    """Ontologies by id."""
    return engine.store.find(Ontology, name=request.name, limit=ALL)


@handles(RenameFeature)
def rename_feature(engine: Engine, request: RenameFeature) -> Ontology:
    """Rename a feature, in the ontology and in everything that was labelled with it."""
    with engine.store.transaction():
        return renaming.rename(engine, request.ontology_id, request.feature_schema_id, request.name)


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
