"""Feature schemas: tools and questions by themselves, and in the ontologies that have them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from annotary.engine import places, renaming
from annotary.engine.core import Engine, handles
from annotary.engine.features import Features
from annotary.engine.ontology_rules import completed
from annotary.errors import Conflict, Invalid, NotFound
from annotary.model.base import new_id
from annotary.model.ontology import FeatureSchema, Normalized, Ontology, Question, Tool
from annotary.model.project import Model, ModelRun, Project
from annotary.operations.feature_schemas import (
    DeleteFeatureSchema,
    FindFeatureSchemas,
    GetFeatureSchema,
    InsertFeature,
    PutFeatureSchema,
    RenameFeatureSchema,
    RestoreFeature,
    Withdrawal,
    WithdrawFeature,
)

ALL = 100_000


def keep(engine: Engine, normalized: Normalized) -> None:
    """Remember an ontology's tools and questions, so that they outlive it."""
    for one in _schemas(engine, normalized):
        engine.store.put(one)


def _schemas(engine: Engine, normalized: Normalized) -> Iterator[FeatureSchema]:
    for one in _features(normalized):
        yield _schema(one, engine.now())


def _features(normalized: Normalized) -> tuple[Tool | Question, ...]:
    return (*normalized.tools, *normalized.classifications)


def _schema(given: Tool | Question, now: str) -> FeatureSchema:
    id = str(given.feature_schema_id)
    if isinstance(given, Tool):
        return FeatureSchema(id=id, name=given.name, created_at=now, tool=given)
    return FeatureSchema(id=id, name=given.name, created_at=now, question=given)


def _users(engine: Engine, id: str) -> list[Ontology]:
    """The ontologies that have a feature at their top."""
    return [one for one in engine.store.find(Ontology, limit=ALL) if _place(one.normalized, id) is not None]


def _place(normalized: Normalized, id: str) -> Tool | Question | None:
    return next((one for one in _features(normalized) if one.feature_schema_id == id), None)


@handles(PutFeatureSchema)
def put_feature_schema(engine: Engine, request: PutFeatureSchema) -> FeatureSchema:
    """Make a tool or question, or give it another form."""
    store = engine.store
    if (request.tool is None) == (request.question is None):
        raise Invalid("give either a tool or a question")
    tools = () if request.tool is None else (request.tool,)
    questions = () if request.question is None else (request.question,)
    unchecked = Normalized(tools=tools, classifications=questions)
    id = request.id or _features(unchecked)[0].feature_schema_id or new_id()
    with store.transaction():
        store.alone("FeatureSchema", id)
        alone = _checked(unchecked, id)
        made = _features(alone)[0]
        schema = _schema(made, engine.now())
        for ontology in _users(engine, id):
            _replace(engine, ontology, made)
        store.put(schema)
        return schema


def _checked(given: Normalized, id: str) -> Normalized:
    """A tool or question with ids and a colour; raises Invalid."""
    named = Normalized(
        tools=tuple(replace(one, feature_schema_id=id) for one in given.tools),
        classifications=tuple(replace(one, feature_schema_id=id) for one in given.classifications),
    )
    return completed(id, named)


def _replace(engine: Engine, ontology: Ontology, made: Tool | Question) -> None:
    """Give a feature of an ontology another form; what it had must still be there."""
    before = _place(ontology.normalized, str(made.feature_schema_id))
    assert before is not None
    if type(before) is not type(made) or _kind(before) != _kind(made):
        raise Invalid(
            f"{made.name!r} is a {_kind(before)} in ontology {ontology.id!r}; it cannot change that"
        )
    missing = sorted(_ids(before) - _ids(made))
    if missing:
        raise Invalid(
            f"{made.name!r} lacks {missing[0]!r}, which ontology {ontology.id!r} has; it may not shrink"
        )
    if before.name != made.name:
        ontology = renaming.rename(engine, ontology.id, str(made.feature_schema_id), made.name)
    _write(engine, ontology, _with(ontology.normalized, lambda one: made if _same(one, made) else one))


def _same(one: Any, other: Any) -> bool:
    return bool(one.feature_schema_id == other.feature_schema_id)


def _kind(given: Tool | Question) -> str:
    return given.tool if isinstance(given, Tool) else given.type


def _ids(given: Tool | Question) -> set[str]:
    """The schema ids of all that hangs under a feature."""
    found = {str(given.feature_schema_id)}
    if isinstance(given, Tool):
        for question in given.classifications:
            found |= _ids(question)
        return found
    for option in given.options:
        found.add(str(option.feature_schema_id))
        for question in option.options:
            found |= _ids(question)
    return found


def _with(given: Normalized, change: Any) -> Normalized:
    return Normalized(
        tools=tuple(change(one) for one in given.tools),
        classifications=tuple(change(one) for one in given.classifications),
    )


def _write(engine: Engine, ontology: Ontology, normalized: Normalized, **changes: Any) -> Ontology:
    """Store an ontology's new form and show it wherever it is used."""
    whole = Features(ontology.id, normalized, grows=False).normalized()
    changed = replace(ontology, normalized=whole, updated_at=engine.now(), **changes)
    engine.store.put(changed)
    places.show_ontology(engine.store, changed, engine.store.change)
    return changed


@handles(GetFeatureSchema)
def get_feature_schema(engine: Engine, request: GetFeatureSchema) -> FeatureSchema:
    """One tool or question."""
    id = request.feature_schema_id
    for ontology in _users(engine, id):
        found = _place(ontology.normalized, id)
        if found is not None:
            return _schema(found, ontology.created_at)
    try:
        return engine.store.get(FeatureSchema, id)
    except NotFound:
        raise NotFound(f"Cannot find root schema node with feature schema id {id}") from None


@handles(FindFeatureSchemas)
def find_feature_schemas(engine: Engine, request: FindFeatureSchemas) -> list[FeatureSchema]:
    """All tools and questions: those that are kept, and those of ontologies."""
    used: dict[str, FeatureSchema] = {}
    for ontology in engine.store.find(Ontology, limit=ALL):
        for one in _schemas(engine, ontology.normalized):
            used.setdefault(one.id, replace(one, created_at=ontology.created_at))
    found = {one.id: one for one in engine.store.find(FeatureSchema, limit=ALL)}
    if request.unused:
        return [one for id, one in sorted(found.items()) if id not in used]
    return [one for _, one in sorted({**found, **used}.items())]


@handles(RenameFeatureSchema)
def rename_feature_schema(engine: Engine, request: RenameFeatureSchema) -> FeatureSchema:
    """Rename a tool or question wherever it is."""
    id = request.feature_schema_id
    with engine.store.transaction():
        present = get_feature_schema(engine, GetFeatureSchema(feature_schema_id=id))
        for ontology in _users(engine, id):
            renaming.rename(engine, ontology.id, id, request.name)
        tool, question = present.tool, present.question
        changed = replace(
            present,
            name=request.name,
            tool=None if tool is None else replace(tool, name=request.name),
            question=None if question is None else replace(question, name=request.name),
        )
        engine.store.put(changed)
        return get_feature_schema(engine, GetFeatureSchema(feature_schema_id=id))


@handles(DeleteFeatureSchema)
def delete_feature_schema(engine: Engine, request: DeleteFeatureSchema) -> None:
    """Remove a tool or question that no ontology has."""
    id = request.feature_schema_id
    with engine.store.transaction():
        if _users(engine, id):
            raise Conflict("Feature schema cannot be deleted because it is used in ontologies")
        if not engine.store.delete(FeatureSchema, id):
            raise NotFound("Feature schema is already deleted")


@handles(InsertFeature)
def insert_feature(engine: Engine, request: InsertFeature) -> Ontology:
    """Put a tool or question into an ontology."""
    store, id = engine.store, request.feature_schema_id
    with store.transaction():
        ontology = store.get(Ontology, request.ontology_id)
        if _place(ontology.normalized, id) is not None:
            return restore_feature(engine, RestoreFeature(ontology_id=ontology.id, feature_schema_id=id))
        schema = get_feature_schema(engine, GetFeatureSchema(feature_schema_id=id))
        tools, questions = list(ontology.normalized.tools), list(ontology.normalized.classifications)
        if schema.tool is not None:
            tools.insert(request.position, schema.tool)
        elif schema.question is not None:
            questions.insert(request.position, schema.question)
        grown = Normalized(tools=tuple(tools), classifications=tuple(questions))
        return _write(engine, ontology, completed(ontology.id, grown))


@handles(WithdrawFeature)
def withdraw_feature(engine: Engine, request: WithdrawFeature) -> Withdrawal:
    """Take a feature out of an ontology, or archive it where labels have it."""
    store, id = engine.store, request.feature_schema_id
    with store.transaction():
        ontology = store.get(Ontology, request.ontology_id)
        feature = _place(ontology.normalized, id)
        if feature is None:
            raise NotFound(f"ontology {ontology.id!r} has no feature {id!r}")
        store.put(_schema(feature, engine.now()))
        if _labelled(engine, ontology.id, id):
            archived = tuple(dict.fromkeys((*ontology.archived, id)))
            store.put(replace(ontology, archived=archived, updated_at=engine.now()))
            return Withdrawal(archived=True, deleted=False)
        left = Normalized(
            tools=tuple(one for one in ontology.normalized.tools if not _same(one, feature)),
            classifications=tuple(
                one for one in ontology.normalized.classifications if not _same(one, feature)
            ),
        )
        _write(engine, ontology, left, archived=tuple(one for one in ontology.archived if one != id))
        return Withdrawal(archived=False, deleted=True)


def _labelled(engine: Engine, ontology_id: str, id: str) -> bool:
    """Whether a label or prediction made with an ontology has a feature."""
    store = engine.store
    text = f'"feature_schema_id":"{id}"'
    homes = [("project", one.id) for one in store.find(Project, limit=ALL) if one.ontology_id == ontology_id]
    models = {one.id for one in store.find(Model, limit=ALL) if one.ontology_id == ontology_id}
    homes += [("model_run", one.id) for one in store.find(ModelRun, limit=ALL) if one.model_id in models]
    return any(store.change(store.collection(kind, home)).labelled_with(text, 0, 1) for kind, home in homes)


@handles(RestoreFeature)
def restore_feature(engine: Engine, request: RestoreFeature) -> Ontology:
    """Offer an archived feature again."""
    store = engine.store
    with store.transaction():
        ontology = store.get(Ontology, request.ontology_id)
        if _place(ontology.normalized, request.feature_schema_id) is None:
            raise NotFound(f"ontology {ontology.id!r} has no feature {request.feature_schema_id!r}")
        left = tuple(one for one in ontology.archived if one != request.feature_schema_id)
        changed = replace(ontology, archived=left, updated_at=engine.now())
        store.put(changed)
        return changed
