from __future__ import annotations

from typing import Any

import msgspec
import pytest

from annotary.errors import Conflict, Invalid, NotFound
from annotary.model.ontology import Normalized
from annotary.operations.labels import GetLabel
from annotary.operations.model_runs import AddRunRows, CreateModel, CreateModelRun
from annotary.operations.ontologies import CreateOntology, FindOntologies, GetOntology, RenameFeature
from annotary.operations.projects import CreateProject, GetProject
from tests.engine.world import World, box, exported, lines, mask, parked, take_rows


def made(world: World, **normalized: Any) -> Any:
    return world.call(CreateOntology(name="made", normalized=msgspec.convert(normalized, Normalized)))


def rename(world: World, id: str, name: str) -> Any:
    return world.call(RenameFeature(ontology_id="street", feature_schema_id=id, name=name))


# Making


def test_features_get_ids_and_tools_get_colours(world: World) -> None:
    radio = {"type": "radio", "name": "q", "options": [{"value": "a"}]}
    ontology = made(
        world,
        tools=[
            {"tool": "rectangle", "name": "car", "color": "#123456", "classifications": [radio]},
            {"tool": "superpixel", "name": "sky"},
        ],
        classifications=[radio],
    )
    car, sky = ontology.normalized.tools
    assert (car.color, sky.color) == ("#123456", "#00ffff")
    question = car.classifications[0]
    ids = [car.feature_schema_id, sky.feature_schema_id, question.feature_schema_id]
    ids += [question.options[0].feature_schema_id, ontology.normalized.classifications[0].feature_schema_id]
    assert [len(id) for id in ids] == [25] * 5
    assert len(set(ids)) == 5
    assert world.call(GetOntology(ontology_id=ontology.id)) == ontology
    assert world.call(FindOntologies(name="made")) == [ontology]
    assert len(world.call(FindOntologies())) == 2


def test_given_ids_stay(world: World) -> None:
    assert [tool.feature_schema_id for tool in world.ontology.normalized.tools][:2] == ["car", "tree"]
    with pytest.raises(Conflict, match="ontology 'street' is there already"):
        world.call(CreateOntology(name="x", normalized=Normalized(), id="street"))
    with pytest.raises(NotFound, match="no ontology 'nope'"):
        world.call(GetOntology(ontology_id="nope"))


RADIO = {"type": "radio", "name": "q", "options": [{"value": "a"}]}


@pytest.mark.parametrize(
    ("normalized", "complaint"),
    [
        ({"tools": [{"tool": "named-entity", "name": "x"}]}, "unknown kind 'named-entity'; known: cuboid, "),
        ({"tools": [{"tool": "line", "name": "x"}] * 2}, "two of kind line named 'x'"),
        ({"classifications": [RADIO, RADIO]}, "the ontology has two of kind radio named 'q'"),
        ({"classifications": [{**RADIO, "options": []}]}, "question 'q': a radio needs options"),
        ({"classifications": [{**RADIO, "type": "text"}]}, "a free text has no options"),
        (
            {"tools": [{"tool": "line", "name": "x", "classifications": [RADIO, RADIO]}]},
            "tool 'x' has two of kind radio",
        ),
        (
            {"classifications": [{**RADIO, "options": [{"value": "a", "label": "b"}, {"value": "b"}]}]},
            "two of kind option named 'b'",
        ),
        (
            {"classifications": [{**RADIO, "options": [{"value": "a", "options": [RADIO, RADIO]}]}]},
            "question 'q', option 'a' has two",
        ),
    ],
)
def test_an_ontology_one_could_not_work_with_is_refused(
    world: World, normalized: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(Invalid, match=complaint):
        made(world, **normalized)
    assert world.call(FindOntologies(name="made")) == []


# Renaming


def test_a_renamed_tool_shows_in_every_label(world: World) -> None:
    label = world.label(0, box(classifications=[parked()]), mask("road-1"), box(4))
    world.label(1, {"name": "light", "annotation_kind": "ImagePoint", "point": {"x": 1, "y": 2}})
    before, cursor = exported(world.engine, "streets")
    active = world.active(0)
    world.clock.tick()
    ontology = rename(world, "car", "Vehicle (any)")
    assert ontology.normalized.tools[0].name == "Vehicle (any)"
    objects = world.part(0)["labels"][0]["annotations"]["objects"]
    assert [(one["name"], one["value"]) for one in objects] == [
        ("Vehicle (any)", "vehicle_(any)"),
        ("road", "road"),
        ("Vehicle (any)", "vehicle_(any)"),
    ]
    # The mask beside it still has its address, whatever the server's is.
    assert objects[1]["mask"]["url"].startswith("http://127.0.0.1:8100/api/v1/projects/streets/")
    assert set(world.rows(since=cursor)) == {world.ids[0]}
    assert world.active(0) == active
    old = world.call(GetLabel(project_id="streets", label_id=label.id, as_of=cursor))
    assert old.annotations.objects[0].name == "Big Car"
    assert exported(world.engine, "streets", as_of=cursor)[0] == before
    again = world.label(2, box(name="Vehicle (any)"))
    assert again.annotations.objects[0].feature_schema_id == "car"
    with pytest.raises(Invalid, match="unknown rectangle"):
        world.label(2, box())


def test_renamed_back_everything_is_as_it_was(world: World) -> None:
    answers = {"name": "remark", "text_answer": {"content": "\u2028"}}
    row = {
        "data_row": {"id": world.ids[1], "row_data": "https://example.org/key-1.png", "global_key": "key-1"}
    }
    objects = [box(x_kept={"car": ["car"]}, feature_schema_id="car"), mask("m")]
    label = {"id": "l", "annotations": {"objects": objects, "classifications": [answers], "x_more": "car"}}
    take_rows(world.engine, [{**row, "projects": {"streets": {"labels": [label]}}}])
    world.label(0, box(classifications=[parked()]))
    before, _ = exported(world.engine, "streets")
    for id, name in (
        ("car", "Big Car"),
        ("parked", "Is it parked?"),
        ("parked-yes", "Yes"),
        ("where", "Where"),
    ):
        rename(world, id, "\U0001f697 else")
        assert exported(world.engine, "streets")[0] != before
        rename(world, id, name)
        assert exported(world.engine, "streets")[0] == before


def test_a_renamed_option_takes_its_value_along_only_if_that_followed_from_the_name(world: World) -> None:
    no = {"name": "Is it parked?", "radio_answer": {"name": "No"}}
    world.label(0, box(classifications=[parked()]))
    world.label(1, box(classifications=[no]))
    options = world.ontology.normalized.tools[0].classifications[0].options
    assert [(one.value, one.label) for one in options] == [("yes", "Yes"), ("No", msgspec.UNSET)]
    rename(world, "parked-yes", "Of Course")
    ontology = rename(world, "parked-no", "Not At All")
    options = ontology.normalized.tools[0].classifications[0].options
    assert [(one.value, one.title()) for one in options] == [
        ("of_course", "Of Course"),
        ("Not At All", "Not At All"),
    ]

    def answer(place: int) -> tuple[str, str]:
        drawn = world.part(place)["labels"][0]["annotations"]["objects"][0]
        chosen = drawn["classifications"][0]["radio_answer"]
        return chosen["name"], chosen["value"]

    assert (answer(0), answer(1)) == (("Of Course", "of_course"), ("Not At All", "not_at_all"))
    # What is saved from now on reads the same.
    for place, name in ((0, "Of Course"), (1, "Not At All")):
        before = answer(place)
        chosen = {"name": "Is it parked?", "radio_answer": {"name": name}}
        labels = world.part(place)["labels"]
        world.label(place, box(classifications=[chosen]), label_id=labels[0]["id"])
        assert answer(place) == before


def test_a_value_of_its_own_stays(world: World) -> None:
    ontology = made(
        world,
        classifications=[
            {
                "type": "radio",
                "name": "q",
                "instructions": "Which?",
                "options": [{"value": "v1", "label": "One"}, {"value": 2}],
            }
        ],
    )
    question = ontology.normalized.classifications[0]
    for id in (question.feature_schema_id, *(option.feature_schema_id for option in question.options)):
        ontology = world.call(
            RenameFeature(ontology_id=ontology.id, feature_schema_id=str(id), name=f"new {id}"[:8])
        )
    (question,) = ontology.normalized.classifications
    assert question.instructions == "Which?"
    assert [option.value for option in question.options] == ["v1", 2]


def test_instructions_that_repeat_the_name_follow_it(world: World) -> None:
    ontology = made(world, classifications=[{"type": "text", "name": "q", "instructions": "q"}])
    id = ontology.normalized.classifications[0].feature_schema_id
    ontology = world.call(RenameFeature(ontology_id=ontology.id, feature_schema_id=id, name="Why?"))
    assert ontology.normalized.classifications[0].instructions == "Why?"


def test_renaming_reaches_runs_and_relationships(world: World) -> None:
    edge = {
        "name": "stands on",
        "annotation_kind": "ImageUnidirectionalRelationship",
        "unidirectional_relationship": {"source": "a", "target": "b"},
    }
    world.label(0, box(feature_id="a"), box(5, feature_id="b"), edge)
    model = world.call(CreateModel(name="m"))
    world.call(CreateModelRun(model_id=model.id, name="r", id="run"))
    world.call(AddRunRows(model_run_id="run", data_row_ids=(world.ids[0],), project_id="streets"))
    rename(world, "stands-on", "leans on")
    for id, run in (("streets", False), ("run", True)):
        text = exported(world.engine, id, run=run)[0].decode()
        assert (text.count('"name":"leans on"'), text.count("stands on")) == (2, 0)
    row = lines(exported(world.engine, "run", run=True)[0])[world.ids[0]]
    assert row["experiments"][model.id]["runs"]["run"]["labels"]


@pytest.mark.parametrize(
    ("ontology", "feature", "name", "error", "complaint"),
    [
        ("nope", "car", "x", NotFound, "no ontology 'nope'"),
        ("street", "nope", "x", NotFound, "no feature 'nope' in ontology 'street'"),
        ("street", "rain", "fog", Conflict, "beside this feature there is a 'fog' already"),
        ("street", "parked-yes", "No", Conflict, "beside this feature there is a 'No' already"),
    ],
)
def test_a_name_must_be_free_and_the_feature_there(
    world: World, ontology: str, feature: str, name: str, error: type[Exception], complaint: str
) -> None:
    before = world.sequence()
    with pytest.raises(error, match=complaint):
        world.call(RenameFeature(ontology_id=ontology, feature_schema_id=feature, name=name))
    assert world.sequence() == before


def test_the_same_name_again_changes_nothing(world: World) -> None:
    world.label(0)
    before = world.sequence()
    assert rename(world, "car", "Big Car") == world.ontology
    assert world.sequence() == before


def test_an_old_name_is_free_for_a_feature_of_its_own(world: World) -> None:
    world.call(CreateProject(name="bare", id="bare"))
    row = {
        "data_row": {"id": world.ids[0], "row_data": "https://example.org/key-0.png", "global_key": "key-0"}
    }
    parts = [{"bare": {"labels": [{"id": id, "annotations": {"objects": [box()]}}]}} for id in ("one", "two")]
    take_rows(world.engine, [{**row, "projects": parts[0]}])
    ontology_id = str(world.call(GetProject(project_id="bare")).ontology_id)
    (car,) = world.call(GetOntology(ontology_id=ontology_id)).normalized.tools
    world.call(
        RenameFeature(ontology_id=ontology_id, feature_schema_id=str(car.feature_schema_id), name="van")
    )
    take_rows(world.engine, [{**row, "projects": parts[1]}])
    tools = world.call(GetOntology(ontology_id=ontology_id)).normalized.tools
    assert [tool.name for tool in tools] == ["van", "Big Car"]
    assert len({tool.feature_schema_id for tool in tools}) == 2
    labels = lines(exported(world.engine, "bare")[0])[world.ids[0]]["projects"]["bare"]["labels"]
    assert [label["annotations"]["objects"][0]["name"] for label in labels] == ["van", "Big Car"]
