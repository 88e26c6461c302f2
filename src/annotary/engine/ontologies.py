"""Ontologies: making, finding, renaming their features."""

from __future__ import annotations

from annotary.engine import feature_schemas, renaming
from annotary.engine.core import Engine, handles
from annotary.engine.ontology_rules import completed
from annotary.errors import Conflict
from annotary.model.base import new_id
from annotary.model.ontology import Ontology
from annotary.model.project import Model, Project
from annotary.operations.ontologies import (
    CreateOntology,
    DeleteOntology,
    FindOntologies,
    FindUnusedOntologies,
    GetOntology,
    RenameFeature,
)

ALL = 100_000


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
        media_type=request.media_type,
    )
    with engine.store.transaction():
        engine.store.add(ontology)
        feature_schemas.keep(engine, ontology.normalized)
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


@handles(DeleteOntology)
def delete_ontology(engine: Engine, request: DeleteOntology) -> None:
    """Remove an ontology that nothing has."""
    store = engine.store
    with store.transaction():
        store.alone("Ontology", request.ontology_id)
        store.get(Ontology, request.ontology_id)
        projects = [
            one.id for one in store.find(Project, limit=ALL) if one.ontology_id == request.ontology_id
        ]
        if projects:
            raise Conflict(
                "Cannot delete an ontology connected to a project. The ontology is connected to projects: "
                + ", ".join(projects)
            )
        models = [one.id for one in store.find(Model, limit=ALL) if one.ontology_id == request.ontology_id]
        if models:
            raise Conflict(f"ontology {request.ontology_id!r} is that of model {models[0]!r}")
        store.delete(Ontology, request.ontology_id)


@handles(FindUnusedOntologies)
def find_unused_ontologies(engine: Engine, request: FindUnusedOntologies) -> list[Ontology]:
    """Ontologies that nothing has."""
    store = engine.store
    used = {one.ontology_id for one in store.find(Project, limit=ALL)}
    used |= {one.ontology_id for one in store.find(Model, limit=ALL)}
    return [one for one in store.find(Ontology, limit=ALL) if one.id not in used]
