"""Labelbox v1 as it is written: what is copied from sections is what their values give."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from annotary.formats import _v1_copy, _v1_lines
from annotary.formats._v1_carry import FIRST
from annotary.formats.labelbox_v1 import FORMAT
from annotary.model.annotation import (
    Annotations,
    Answer,
    Arrow,
    Bond,
    BoxObject,
    Classification,
    CuboidObject,
    CustomMetric,
    Ends,
    LineObject,
    MaskObject,
    PointObject,
    PolygonObject,
    PolylineObject,
    TextAnswer,
)
from annotary.model.geometry import Box, CompositeLink, Cuboid, MaskLink, Point, Vector
from annotary.model.ontology import Normalized, Option, Question, Tool
from annotary.model.row import (
    DataRow,
    ExperimentPart,
    Label,
    LabelDetails,
    MediaAttributes,
    MetadataField,
    Performance,
    ProjectDetails,
    ProjectPart,
    Review,
    Row,
    RunPart,
    WorkflowEvent,
)
from tests.formats.corpora import BASE_URL, HOSTILE, NOW, corpus_of, lines, strict, text

ONTOLOGY = Normalized(
    tools=(
        Tool(tool="rectangle", name="car", color="#112233", feature_schema_id="ccar"),
        Tool(tool="polygon", name="roof", color="#445566"),
        Tool(tool="edge", name="near", feature_schema_id="cnear"),
    ),
    classifications=(
        Question(
            type="checklist",
            name="weather",
            scope="global",
            feature_schema_id="cweather",
            options=(Option(value="sun"),),
        ),
    ),
)
RING = tuple(Point(x=x, y=y) for x, y in ((1, 2), (3.5, 4), (5, 6.25), (1, 2)))


def drawn(kind: Any, id: str = "cfeature1", **members: Any) -> Any:
    fields = {"feature_schema_id": "ccar", "name": "car", "value": "car", **members}
    return kind(feature_id=id, **fields)


def asked(id: str = "cquestion1", **members: Any) -> Classification:
    fields: dict[str, Any] = {"feature_schema_id": "cquestion", "name": "a question", "value": "a_question"}
    return Classification(feature_id=id, **fields | members)


def chosen(id: str = "cchosen1", *nested: Classification) -> Answer:
    return Answer(feature_id=id, feature_schema_id="cyes", name="Yes", value="yes", classifications=nested)


def told(id: str, content: str, **members: Any) -> Classification:
    return asked(id, text_answer=TextAnswer(content=content), **members)


def ticked(id: str) -> Classification:
    return asked(id, checklist_answers=(chosen(f"{id} answer"),))


A_BOX = drawn(BoxObject, "cbox", bounding_box=Box(top=1, left=2.5, height=3, width=4))
NESTED = asked(
    "q1",
    radio_answer=chosen(
        "a1",
        asked("q2", checklist_answers=(chosen("a2", told("q3", "deep")), chosen("a3"))),
        asked("q4", radio_answer=chosen("a4")),
    ),
)
OWN_MASK = MaskLink(url="\x1a/api/v1/projects/p/annotations/cmask/index/1/mask")
MANY = {
    "nothing": Annotations(),
    "boxes": Annotations(
        objects=(A_BOX, drawn(BoxObject, "c2", bounding_box=Box(top=0.5, left=-3, height=0, width=1e20)))
    ),
    "polygon": Annotations(objects=(drawn(PolygonObject, polygon=RING),)),
    "polygon of one point": Annotations(objects=(drawn(PolygonObject, polygon=RING[:1]),)),
    "lines": Annotations(
        objects=(drawn(PolylineObject, line=RING), drawn(LineObject, "c2", line=RING[:2]), A_BOX)
    ),
    "point": Annotations(objects=(drawn(PointObject, point=Point(x=-0.0, y=123456789.125)),)),
    "own mask": Annotations(objects=(drawn(MaskObject, "cmask", mask=OWN_MASK), A_BOX)),
    "mask by URL": Annotations(
        objects=(drawn(MaskObject, mask=MaskLink(url='https://x.com/"quoted".png?a=1,b={}')), A_BOX)
    ),
    "mask by plain URL": Annotations(objects=(A_BOX, drawn(MaskObject, mask=MaskLink(url="x.com/m.png")))),
    "mask by odd URL": Annotations(objects=(drawn(MaskObject, mask=MaskLink(url="x.com/}],")), A_BOX)),
    "composite mask": Annotations(
        objects=(drawn(MaskObject, composite_mask=CompositeLink(url="x.com/c.png", color_rgb=(1, 2, 3))),)
    ),
    "cuboid": Annotations(
        objects=(
            drawn(
                CuboidObject,
                cuboid=Cuboid(
                    center=Point(x=1, y=2), rotation=Vector(x=0.5, y=0, z=0), size=Vector(x=3, y=4, z=5)
                ).with_corners(),
            ),
            A_BOX,
        )
    ),
    "text": Annotations(classifications=(told("q1", "a, b} 1.0,"), told("q2", ""))),
    "radio": Annotations(classifications=(asked(radio_answer=chosen()),)),
    "checklist": Annotations(
        objects=(A_BOX,),
        classifications=(
            asked(feature_schema_id="cweather", name="weather", checklist_answers=(chosen(), chosen("c2"))),
            asked("q2", checklist_answers=()),
            asked("q3", checklist_answers=(chosen("c3"),)),
            told("q4", "x"),
            asked("q5", radio_answer=chosen("c5")),
        ),
    ),
    "nested": Annotations(objects=(A_BOX,), classifications=(NESTED, asked("q9", radio_answer=chosen("a9")))),
    "on objects": Annotations(
        objects=(
            msgspec.structs.replace(A_BOX, classifications=(asked(radio_answer=chosen()),)),
            drawn(PolygonObject, "p", polygon=RING, classifications=(ticked("q2"),)),
            drawn(PointObject, "pt", point=RING[0], classifications=(told("q3", "t"),)),
            drawn(MaskObject, "m", mask=OWN_MASK, classifications=(asked("q4", checklist_answers=()),)),
            drawn(BoxObject, "last", bounding_box=A_BOX.bounding_box),
        ),
        classifications=(asked("q5", radio_answer=chosen("a5")),),
    ),
    "nested on objects": Annotations(
        objects=(msgspec.structs.replace(A_BOX, classifications=(NESTED,)), A_BOX)
    ),
    "related": Annotations(
        objects=(A_BOX, drawn(BoxObject, "c2", bounding_box=A_BOX.bounding_box)),
        relationships=(
            Arrow(
                feature_id="r1",
                feature_schema_id="cnear",
                name="near",
                unidirectional_relationship=Ends(source="cbox", target="c2"),
            ),
            Bond(feature_id="r2", name="near", bidirectional_relationship=Ends(source="c2", target="cbox")),
        ),
        classifications=(asked(radio_answer=chosen()),),
    ),
    "related in the middle": Annotations(
        objects=(
            A_BOX,
            Arrow(feature_id="r1", name="near", unidirectional_relationship=Ends(source="cbox", target="c2")),
            drawn(BoxObject, "c2", bounding_box=A_BOX.bounding_box),
        )
    ),
    "related first": Annotations(
        objects=(
            Arrow(feature_id="r1", name="n", unidirectional_relationship=Ends(source="cbox", target="cbox")),
            A_BOX,
        )
    ),
    "no features": Annotations(
        objects=(BoxObject(feature_id="c1", bounding_box=A_BOX.bounding_box),),
        classifications=(Classification(feature_id="q1", radio_answer=Answer(feature_id="a1")),),
    ),
    "measured": Annotations(
        objects=(
            msgspec.structs.replace(A_BOX, confidence=0.5, custom_metrics=(CustomMetric(name="m", value=1),)),
        )
    ),
    "odd id": Annotations(objects=(drawn(BoxObject, 'a/b"c é', bounding_box=A_BOX.bounding_box), A_BOX)),
}
MANY |= {
    f"named {name[:12]!r}": Annotations(
        objects=(
            drawn(BoxObject, name=name, value=name, bounding_box=A_BOX.bounding_box),
            drawn(PolygonObject, "p", polygon=RING, classifications=(told("q1", name, name=name),)),
        ),
        classifications=(
            asked("q2", name=name, radio_answer=Answer(feature_id="a1", name=name, value=name)),
            told("q3", name, name=name),
        ),
    )
    for name in HOSTILE
}


def stored(annotations: Annotations, **members: Any) -> Row:
    fields: dict[str, Any] = {"id": "clabel1", **members}
    part = ProjectPart(labels=(Label(annotations=annotations, **fields),), project_details=HISTORY)
    return Row(
        data_row=DataRow(id="crow1", row_data="https://example.com/1.png", global_key="key 1"),
        media_attributes=MediaAttributes(height=10, width=20, mime_type="image/png"),
        projects={"cproject": part},
    )


HISTORY = ProjectDetails(
    ontology_id="contology",
    task_name="Done",
    batch_id="b",
    workflow_status="DONE",
    workflow_history=(
        WorkflowEvent(
            action="Approve",
            created_at="2023-07-24T13:16:59.552+00:00",
            created_by="ann@example.com",
            previous_task_name="Initial review task",
            previous_task_id="t1",
        ),
        WorkflowEvent(
            action="Move",
            created_at="2023-07-24T12:16:59.552+00:00",
            created_by="the boss",
            previous_task_name="Rework (all rejected)",
            previous_task_id="t2",
            next_task_name="Initial review task",
            next_task_id="t1",
        ),
        WorkflowEvent(action="Move", created_at="2023-07-24T11:16:59.552+00:00", next_task_name="Label"),
    ),
)


def slowly(corpus: Any, monkeypatch: pytest.MonkeyPatch, **options: Any) -> list[Any]:
    """What is written when nothing is copied."""

    def refuse(*_: Any) -> None:
        raise _v1_copy.Unusual

    with monkeypatch.context() as patch:
        patch.setattr(_v1_lines.Lines, "_copy", refuse)
        return lines(FORMAT, corpus, **options)


@pytest.mark.parametrize("field_set", ["full", "seed"])
@pytest.mark.parametrize("case", MANY)
def test_copied_text_is_what_values_give(case: str, field_set: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [stored(MANY[case]), stored(MANY["boxes"], id="clabel2"), stored(MANY[case], id="clabel3")]
    found = lines(FORMAT, corpus_of(rows, ontology=ONTOLOGY), field_set=field_set)
    wanted = slowly(corpus_of(rows, ontology=ONTOLOGY), monkeypatch, field_set=field_set)
    assert found == wanted
    assert [list(one) for one in found] == [list(one) for one in wanted]
    assert strict(found) == strict(wanted)


USUAL = set(MANY) - {
    "composite mask",
    "cuboid",
    "mask by odd URL",
    "mask by URL",
    "nested",
    "nested on objects",
    "related first",
    "measured",
    "odd id",
}


@pytest.mark.parametrize("case", sorted(USUAL))
def test_usual_labels_are_copied(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> str:
        raise AssertionError("not copied")

    monkeypatch.setattr(_v1_lines.Lines, "_render", fail)
    assert lines(FORMAT, corpus_of([stored(MANY[case])], ontology=ONTOLOGY))


OTHER_LABELS: dict[str, dict[str, Any]] = {
    "skipped": {"annotations": Annotations(), "performance_details": Performance(skipped=True)},
    "skipped, and yet drawn": {"performance_details": Performance(skipped=True)},
    "scores": {"performance_details": Performance(consensus_score=0.5, benchmark_score=1)},
    "seconds": {"performance_details": Performance(seconds_to_create=1.5, seconds_to_review=2)},
    "reviewed": {
        "label_details": LabelDetails(
            created_at=NOW,
            updated_at=NOW,
            created_by="ann@example.com",
            reviews=(Review(id="r", score=-1, created_at=NOW, created_by="é"),),
        )
    },
    "benchmark": {"is_benchmark_reference": True},
    "odd id": {"id": 'a"b/c?'},
    "UUID": {"id": "95ca3193-ed43-4fdb-bec6-a2e55ee0a58a"},
}


@pytest.mark.parametrize("case", OTHER_LABELS)
def test_copied_label_is_what_values_give(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row = stored(**{"annotations": MANY["boxes"], **OTHER_LABELS[case]})
    found = lines(FORMAT, corpus_of([row]))
    assert found == slowly(corpus_of([row]), monkeypatch)


def test_keys_of_a_plain_label() -> None:
    row = stored(MANY["checklist"])
    (found,) = lines(FORMAT, corpus_of([row], ontology=ONTOLOGY, id="cproject"))
    assert list(found) == [*FIRST, "Global Key", "Media Attributes"]
    assert found["Global Key"] == "key 1"
    assert found["Media Attributes"] == {"height": 10, "width": 20, "mimeType": "image/png"}
    assert found["View Label"] == f"{BASE_URL}?project=cproject&label=clabel1"
    assert found["Label"]["objects"] == [
        {
            "featureId": "cbox",
            "schemaId": "ccar",
            "title": "car",
            "value": "car",
            "color": "#112233",
            "bbox": {"top": 1, "left": 2.5, "height": 3, "width": 4},
            "instanceURI": f"{BASE_URL}/masks/feature/cbox",
        }
    ]
    assert found["Label"]["classifications"][0]["scope"] == "global"
    assert "scope" not in found["Label"]["classifications"][1]
    history = found["DataRow Workflow Info"]["Workflow History"]
    assert [one["action"] for one in history] == ["APPROVE", "REWORK", "MOVE"]
    assert history[0]["createdAt"] == "2023-07-24T13:16:59.552Z"
    assert len(history[0]["actorId"]) == 25 and "@" not in history[0]["actorId"]
    assert history[1]["actorId"] == "the boss"
    assert history[2]["actorId"] is None and "previousTaskId" not in history[2]
    (seed,) = lines(FORMAT, corpus_of([row], ontology=ONTOLOGY), field_set="seed")
    assert tuple(seed) == FIRST


def test_whole_numbers_have_no_fraction_in_the_text() -> None:
    whole = text(FORMAT.write(corpus_of([stored(MANY["polygon"])]), FORMAT.options()))  # type: ignore[misc]
    assert b'"polygon":[{"x":1,"y":2},{"x":3.5,"y":4},{"x":5,"y":6.25}],' in whole


def test_nested_questions_stand_behind_their_parents() -> None:
    (found,) = lines(FORMAT, corpus_of([stored(MANY["nested"])]))
    assert [one["featureId"] for one in found["Label"]["classifications"]] == ["q1", "q2", "q3", "q4", "q9"]


def test_an_odd_feature_id_is_escaped_in_its_address() -> None:
    (found,) = lines(FORMAT, corpus_of([stored(MANY["odd id"])]))
    odd = found["Label"]["objects"][0]
    assert odd["featureId"] == 'a/b"c é'
    assert odd["instanceURI"] == f"{BASE_URL}/masks/feature/{quote(odd['featureId'], safe='')}"


def test_a_label_points_to_the_benchmark_of_its_row() -> None:
    row = stored(MANY["boxes"])
    labels = (
        Label(id="c1", annotations=MANY["boxes"]),
        Label(id="c2", is_benchmark_reference=True, annotations=MANY["boxes"]),
    )
    row = msgspec.structs.replace(row, projects={"p": ProjectPart(labels=labels)})
    first, second = lines(FORMAT, corpus_of([row]))
    assert (first["Benchmark ID"], second["Benchmark ID"]) == ("c2", None)
    assert second["Is Benchmark"] == 1 and "Is Benchmark" not in first


def test_metadata_is_written_in_the_spelling_of_v1() -> None:
    row = msgspec.structs.replace(
        stored(MANY["boxes"]),
        metadata_fields=(MetadataField(schema_id="m1", schema_name="tag", schema_kind="string", value="é"),),
    )
    (found,) = lines(FORMAT, corpus_of([row]))
    assert found["DataRow Metadata"] == [{"schemaId": "m1", "name": "tag", "kind": "string", "value": "é"}]


def test_rows_without_labels_have_no_line_and_deleted_ones_say_so() -> None:
    empty = msgspec.structs.replace(stored(Annotations()), projects={"p": ProjectPart()})
    gone = msgspec.structs.replace(stored(MANY["boxes"]), data_row=DataRow(id="gone", row_data="x"))
    found = lines(FORMAT, corpus_of([empty, gone], deleted=["gone"]))
    assert found == [{"DataRow ID": "gone", "deleted": True}]


@pytest.mark.parametrize(("split", "shown"), [("TRAINING", "training"), ("UNASSIGNED", None), (None, None)])
def test_a_model_run_has_fewer_keys(split: str | None, shown: str | None) -> None:
    part = RunPart(data_split=split, labels=(Label(id="l-1", annotations=MANY["boxes"]),))
    row = msgspec.structs.replace(
        stored(Annotations()), projects={}, experiments={"m": ExperimentPart(runs={"r": part})}
    )
    (found,) = lines(FORMAT, corpus_of([row], kind="model_run"))
    assert found["Data Split"] == shown
    assert set(found) == {
        *("ID", "Data Split", "DataRow ID", "External ID", "Labeled Data"),
        *("Media Attributes", "Global Key", "Label"),
    }
