"""The truth about the sample, as plain dicts in the Labelbox layouts: the door to the files behind it."""

from annotary.sample.annotations import annotations
from annotary.sample.ontology import ontology
from annotary.sample.predictions import predictions
from annotary.sample.records import metadata_schemas, project_id, row

__all__ = ["annotations", "metadata_schemas", "ontology", "predictions", "project_id", "row"]
