"""Ontologies."""

from __future__ import annotations

from annotary.model.ontology import Normalized, Ontology
from annotary.model.project import Name
from annotary.operations import Operation, delete, get, patch, post


class CreateOntology(Operation[Ontology]):
    """Make an ontology; features without an id get one, tools without a colour one of their own."""

    route = post("/ontologies")
    needs = "member"
    name: Name
    normalized: Normalized
    id: str | None = None
    media_type: str | None = None


class GetOntology(Operation[Ontology]):
    """One ontology, by id."""

    route = get("/ontologies/{ontology_id}")
    ontology_id: str


class FindOntologies(Operation[list[Ontology]]):
    """Ontologies by id, all or those with a name."""

    route = get("/ontologies")
    name: str | None = None


class RenameFeature(Operation[Ontology]):
    """Rename a tool, question or option; what was labelled with it shows the new name."""

    route = patch("/ontologies/{ontology_id}/features/{feature_schema_id}")
    needs = "member"
    ontology_id: str
    feature_schema_id: str
    name: Name


class DeleteOntology(Operation[None]):
    """Remove an ontology that no project and no model has."""

    route = delete("/ontologies/{ontology_id}")
    needs = "admin"
    ontology_id: str


class FindUnusedOntologies(Operation[list[Ontology]]):
    """Ontologies that no project and no model has."""

    route = get("/unused/ontologies")
