from __future__ import annotations

import msgspec
import pytest

from annotary.errors import Conflict, Invalid, NotFound
from annotary.model.ontology import Normalized, Option, Question, Tool
from annotary.operations.feature_schemas import (
    DeleteFeatureSchema,
    FindFeatureSchemas,
    GetFeatureSchema,
    InsertFeature,
    PutFeatureSchema,
    RenameFeatureSchema,
    RestoreFeature,
    WithdrawFeature,
)
from annotary.operations.ontologies import (
    CreateOntology,
    DeleteOntology,
    FindUnusedOntologies,
    GetOntology,
)
from tests.engine.world import World, box

BOX = Tool(tool="rectangle", name="bike")


def test_a_feature_by_itself_is_made_found_and_removed(world: World) -> None:
    made = world.call(PutFeatureSchema(tool=BOX))
    assert len(made.id) == 25
    assert made.tool is not None
    assert made.tool.color is not None
    assert world.call(GetFeatureSchema(feature_schema_id=made.id)) == made
    assert world.call(FindFeatureSchemas(unused=True)) == [made]
    world.call(DeleteFeatureSchema(feature_schema_id=made.id))
    for asked in (
        GetFeatureSchema(feature_schema_id=made.id),
        DeleteFeatureSchema(feature_schema_id=made.id),
    ):
        with pytest.raises(NotFound, match=r"Cannot find root schema node|already deleted"):
            world.call(asked)
    with pytest.raises(Invalid, match="either a tool or a question"):
        world.call(PutFeatureSchema())


def test_ontologies_share_the_features_they_are_built_of(world: World) -> None:
    made = world.call(PutFeatureSchema(tool=BOX))
    assert made.tool is not None
    other = world.call(CreateOntology(name="two", normalized=Normalized(tools=(made.tool,))))
    world.call(InsertFeature(ontology_id="street", feature_schema_id=made.id, position=0))
    assert world.call(GetOntology(ontology_id="street")).normalized.tools[0].feature_schema_id == made.id
    with pytest.raises(Conflict, match="used in ontologies"):
        world.call(DeleteFeatureSchema(feature_schema_id=made.id))
    world.call(RenameFeatureSchema(feature_schema_id=made.id, name="bicycle"))
    for id in (other.id, "street"):
        assert world.call(GetOntology(ontology_id=id)).normalized.tools[0].name == "bicycle"
    grown = Question(type="radio", name="lit", options=(Option(value="yes"), Option(value="no")))
    tool = msgspec.structs.replace(made.tool, name="bicycle", classifications=(grown,))
    world.call(PutFeatureSchema(tool=tool, id=made.id))
    shown = world.call(GetOntology(ontology_id=other.id)).normalized.tools[0]
    assert [option.value for option in shown.classifications[0].options] == ["yes", "no"]
    with pytest.raises(Invalid, match="may not shrink"):
        world.call(PutFeatureSchema(tool=made.tool, id=made.id))
    with pytest.raises(Invalid, match="cannot change that"):
        world.call(PutFeatureSchema(tool=Tool(tool="point", name="bicycle"), id=made.id))


def test_a_feature_that_labels_have_is_archived_another_goes(world: World) -> None:
    world.label(0, box())
    gone = world.call(WithdrawFeature(ontology_id="street", feature_schema_id="tree"))
    assert (gone.archived, gone.deleted) == (False, True)
    kept = world.call(WithdrawFeature(ontology_id="street", feature_schema_id="car"))
    assert (kept.archived, kept.deleted) == (True, False)
    ontology = world.call(GetOntology(ontology_id="street"))
    assert ontology.archived == ("car",)
    assert [one.feature_schema_id for one in ontology.normalized.tools][:2] == ["car", "lane"]
    assert world.call(RestoreFeature(ontology_id="street", feature_schema_id="car")).archived == ()
    assert "tree" in [one.id for one in world.call(FindFeatureSchemas(unused=True))]
    with pytest.raises(NotFound, match="no feature 'tree'"):
        world.call(WithdrawFeature(ontology_id="street", feature_schema_id="tree"))


def test_an_ontology_in_use_stays(world: World) -> None:
    with pytest.raises(Conflict, match="The ontology is connected to projects: streets"):
        world.call(DeleteOntology(ontology_id="street"))
    spare = world.call(CreateOntology(name="spare", normalized=Normalized(tools=(BOX,))))
    assert world.call(FindUnusedOntologies()) == [spare]
    world.call(DeleteOntology(ontology_id=spare.id))
    assert not world.call(FindUnusedOntologies())
    assert [one.name for one in world.call(FindFeatureSchemas(unused=True))] == ["bike"]
