"""The ontology says everything that the sample draws and answers."""

from annotary.sample.identity import cuids
from annotary.sample.ontology import feature_schema_id, ontology
from annotary.sample.scene import scene
from annotary.sample.truth import annotations, predictions

TOOLS = {
    "ImageBoundingBox": "rectangle",
    "ImagePolygon": "polygon",
    "ImagePolyline": "line",
    "ImagePoint": "point",
    "ImageSegmentationMask": "raster-segmentation",
    "ImageCuboid": "cuboid",
    "ImageUnidirectionalRelationship": "edge",
    "ImageBidirectionalRelationship": "edge",
}


def every_id(value):
    match value:
        case dict():
            own = [value[key] for key in ("schemaNodeId", "featureSchemaId") if key in value]
            return own + [one for part in value.values() for one in every_id(part)]
        case list():
            return [one for part in value for one in every_id(part) if isinstance(part, dict)]
    return []


def check_answers(classifications, questions):
    known = {question["name"]: question for question in questions}
    for given in classifications:
        question = known[given["name"]]
        options = {option["value"]: option for option in question["options"]}
        if question["type"] == "text":
            assert not options
            assert isinstance(given["text_answer"]["content"], str)
            continue
        chosen = [given["radio_answer"]] if question["type"] == "radio" else given["checklist_answers"]
        for answer in chosen:
            check_answers(answer["classifications"], options[answer["name"]]["options"])


def test_the_same_every_time():
    assert ontology() == ontology()
    assert ontology()["tools"][0]["featureSchemaId"] == feature_schema_id("car")


def test_ids_are_unique_and_25_long():
    ids = every_id(ontology())
    assert len(ids) == len(set(ids)) > 90
    assert all(len(one) == 25 for one in ids)


def test_nested_questions_stand_under_their_option():
    night = next(
        option
        for question in ontology()["classifications"]
        for option in question["options"]
        if option["value"] == "night"
    )
    assert [question["name"] for question in night["options"]] == ["street_lights"]


def test_it_knows_all_that_is_drawn_and_predicted():
    told = ontology()
    tools = {tool["name"]: tool for tool in told["tools"]}
    for index in range(40):
        view, ids = scene(2, index), cuids("test", index)
        for label in (annotations(view, ids), predictions(view, ids)):
            check_answers(label["classifications"], told["classifications"])
            for thing in label["objects"]:
                tool = tools[thing["name"]]
                assert tool["tool"] == TOOLS[thing["annotation_kind"]]
                check_answers(thing["classifications"], tool["classifications"])


def test_links_name_the_tools_they_join():
    ids = {tool["featureSchemaId"] for tool in ontology()["tools"]}
    edges = [tool for tool in ontology()["tools"] if tool["tool"] == "edge"]
    assert len(edges) == 3
    assert {end for edge in edges for pair in edge["definition"]["constraints"] for end in pair} <= ids
