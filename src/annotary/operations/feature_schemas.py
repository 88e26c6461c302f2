"""Feature schemas: tools and questions that ontologies are built of."""

from __future__ import annotations

from annotary.model.base import Value
from annotary.model.ontology import FeatureSchema, Ontology, Question, Tool
from annotary.model.project import Name
from annotary.operations import Operation, delete, get, patch, post


class Withdrawal(Value):
    """What came of taking a feature out of an ontology."""

    archived: bool
    deleted: bool


class PutFeatureSchema(Operation[FeatureSchema]):
    """Make a tool or a question, or give one that is there another form; ontologies that have it follow."""

    route = post("/features")
    needs = "member"
    tool: Tool | None = None
    question: Question | None = None
    id: str | None = None


class GetFeatureSchema(Operation[FeatureSchema]):
    """One tool or question, by its feature schema id."""

    route = get("/features/{feature_schema_id}")
    feature_schema_id: str


class FindFeatureSchemas(Operation[list[FeatureSchema]]):
    """All tools and questions by id, or those no ontology has."""

    route = get("/features")
    unused: bool = False


class RenameFeatureSchema(Operation[FeatureSchema]):
    """Rename a tool or question, in every ontology and in everything that was labelled with it."""

    route = patch("/features/{feature_schema_id}")
    needs = "member"
    feature_schema_id: str
    name: Name


class DeleteFeatureSchema(Operation[None]):
    """Remove a tool or question that no ontology has."""

    route = delete("/features/{feature_schema_id}")
    needs = "admin"
    feature_schema_id: str


class InsertFeature(Operation[Ontology]):
    """Put a tool or question into an ontology, at a position."""

    route = post("/ontologies/{ontology_id}/features")
    needs = "member"
    ontology_id: str
    feature_schema_id: str
    position: int = 0


class WithdrawFeature(Operation[Withdrawal]):
    """Take a tool or question out of an ontology; one that labels have stays, and is not offered."""

    route = delete("/ontologies/{ontology_id}/features/{feature_schema_id}")
    needs = "member"
    ontology_id: str
    feature_schema_id: str


class RestoreFeature(Operation[Ontology]):
    """Offer an archived tool or question again."""

    route = post("/ontologies/{ontology_id}/features/{feature_schema_id}/restoration")
    needs = "member"
    ontology_id: str
    feature_schema_id: str
