"""Random edit histories: what people may do to a project, one thing at a time."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from msgspec import UNSET

from annotary.engine.core import Engine
from annotary.model.project import ConsensusSettings, Model, ModelRun
from annotary.model.row import Attachment, MetadataField
from annotary.operations.data_rows import (
    AddAttachments,
    CreateIssue,
    DeleteDataRows,
    FindIssues,
    GetDataRow,
    ResolveIssue,
    SetMetadata,
)
from annotary.operations.labels import (
    CreateReview,
    DeleteLabels,
    DropBenchmark,
    FindLabels,
    GetLabel,
    SaveLabel,
    SetBenchmark,
)
from annotary.operations.model_runs import (
    AddRunRows,
    AssignSplit,
    CreateModel,
    CreateModelRun,
    FindModels,
)
from annotary.operations.ontologies import RenameFeature
from annotary.operations.projects import (
    ChangeProject,
    CreateBatch,
    CreateSnapshot,
    GetProject,
    MoveRows,
    RemoveRows,
    SetPriority,
    Summarize,
)
from tests.engine.world import add_rows, annotated, box, exported, lines, mask, parked, take_rows

Edit = Callable[[Engine, Random, str], None]
EDITS: list[Edit] = []


def edit(engine: Engine, random: Random, project_id: str) -> str:
    """Do one thing of a random kind to a project with the ontology of `world`; its name."""
    chosen = random.choice(EDITS)
    chosen(engine, random, project_id)
    return chosen.__name__


def kind(function: Edit) -> Edit:
    EDITS.append(function)
    return function


def _present(engine: Engine, project_id: str) -> dict[str, dict[str, Any]]:
    rows = lines(exported(engine, project_id)[0])
    return {id: row["projects"][project_id] for id, row in rows.items()}


def _some(engine: Engine, random: Random, project_id: str) -> tuple[str, ...]:
    ids = sorted(_present(engine, project_id))
    return tuple(random.sample(ids, min(len(ids), random.randrange(1, 4))))


def _label(engine: Engine, random: Random, project_id: str) -> str | None:
    rows = _present(engine, project_id)
    ids = sorted(label["id"] for part in rows.values() for label in part["labels"])
    return random.choice(ids) if ids else None


def _drawn(random: Random) -> Any:
    answers = [{"name": "remark", "text_answer": {"content": random.choice(("", "\u2028 wet", "dry"))}}]
    objects = [box(random.randrange(9), classifications=[parked()] if random.random() < 0.5 else [])]
    if random.random() < 0.4:
        objects.append(mask(seed=random.randrange(20)))
    return objects, answers if random.random() < 0.5 else []


def _names(given: Any, features: dict[str, str]) -> Any:
    """Annotations in the words of `world`, said by schema id where a feature was renamed since."""
    if isinstance(given, dict):
        given = {key: _names(value, features) for key, value in given.items()}
        if given.get("name") in features:
            given["feature_schema_id"] = features[given.pop("name")]
    elif isinstance(given, list):
        given = [_names(one, features) for one in given]
    return given


_FEATURES = {
    "Big Car": "car",
    "road": "road",
    "remark": "remark",
    "Is it parked?": "parked",
    "Yes": "parked-yes",
    "Where": "where",
}


@kind
def new_rows(engine: Engine, random: Random, project_id: str) -> None:
    """New data rows, sent to the project; or ones that were taken out of it, sent again."""
    ids = add_rows(engine, sorted({f"key-{random.randrange(60)}" for _ in range(2)}))
    ids = sorted(set(ids) - set(_present(engine, project_id)))
    if ids:
        consensus = ConsensusSettings(number_of_labels=2, coverage_percentage=0.5)
        engine.call(
            CreateBatch(
                project_id=project_id,
                name=f"batch {random.random()}",
                data_row_ids=tuple(ids),
                priority=random.randrange(1, 6),
                consensus=consensus if random.random() < 0.5 else UNSET,
            )
        )


@kind
def import_rows(engine: Engine, random: Random, project_id: str) -> None:
    """Rows from a file: known ones and new ones, with labels or without."""
    rows = []
    for key in sorted({f"key-{random.randrange(60)}" for _ in range(3)}):
        objects, answers = _drawn(random)
        label = {
            "id": f"imported-{key}-{random.randrange(2)}",
            "annotations": _names({"objects": objects, "classifications": answers}, _FEATURES),
        }
        part = {"labels": [label] if random.random() < 0.7 else []}
        rows.append(
            {
                "data_row": {"global_key": key, "row_data": f"https://example.org/{key}.png"},
                "projects": {project_id: part},
            }
        )
    take_rows(engine, rows)


@kind
def save_label(engine: Engine, random: Random, project_id: str) -> None:
    """A label, or a new version of one."""
    for id in _some(engine, random, project_id)[:1]:
        labels = engine.call(FindLabels(project_id=project_id, data_row_id=id))
        objects, answers = _names(list(_drawn(random)), _FEATURES)
        old = random.choice(labels).id if labels and random.random() < 0.5 else None
        engine.call(
            SaveLabel(
                project_id=project_id,
                data_row_id=id,
                annotations=annotated(*objects, answers=answers),
                label_id=old,
                submit=random.random() < 0.7,
            )
        )


@kind
def save_unchanged_objects(engine: Engine, random: Random, project_id: str) -> None:
    """A label as it is, with one object more."""
    id = _label(engine, random, project_id)
    if id is not None:
        label = engine.call(GetLabel(project_id=project_id, label_id=id))
        rows = _present(engine, project_id)
        more = annotated(_names(box(), _FEATURES)).objects
        given = annotated()
        given = type(given)(
            objects=(*more, *label.annotations.objects), classifications=label.annotations.classifications
        )
        for row, part in rows.items():
            if any(one["id"] == id for one in part["labels"]):
                engine.call(SaveLabel(project_id=project_id, data_row_id=row, annotations=given, label_id=id))


@kind
def delete_label(engine: Engine, random: Random, project_id: str) -> None:
    id = _label(engine, random, project_id)
    if id is not None:
        engine.call(DeleteLabels(project_id=project_id, label_ids=(id,)))


@kind
def review(engine: Engine, random: Random, project_id: str) -> None:
    id = _label(engine, random, project_id)
    if id is not None:
        engine.call(CreateReview(project_id=project_id, label_id=id, score=random.choice((1, -1))))


@kind
def benchmark(engine: Engine, random: Random, project_id: str) -> None:
    id = _label(engine, random, project_id)
    if id is not None:
        operation = random.choice((SetBenchmark, DropBenchmark))
        engine.call(operation(project_id=project_id, label_id=id))


@kind
def move(engine: Engine, random: Random, project_id: str) -> None:
    tasks = engine.call(GetProject(project_id=project_id)).tasks
    to = random.choice((*(task.id for task in tasks), None))
    ids = _some(engine, random, project_id)
    engine.call(MoveRows(project_id=project_id, data_row_ids=ids, task_id=to))


@kind
def priority(engine: Engine, random: Random, project_id: str) -> None:
    ids = _some(engine, random, project_id)
    engine.call(SetPriority(project_id=project_id, data_row_ids=ids, priority=random.randrange(1, 6)))


@kind
def metadata(engine: Engine, random: Random, project_id: str) -> None:
    fields = (
        MetadataField(schema_name="tag", value=random.choice(("night", "day"))),
        MetadataField(schema_name="split", value=random.choice(("train", "valid", "test"))),
    )
    for id in _some(engine, random, project_id):
        engine.call(SetMetadata(data_row_id=id, fields=fields[: random.randrange(1, 3)]))


@kind
def attachment(engine: Engine, random: Random, project_id: str) -> None:
    for id in _some(engine, random, project_id):
        given = Attachment(type="RAW_TEXT", value=f"note {random.random()}")
        engine.call(AddAttachments(data_row_id=id, attachments=(given,)))


@kind
def issue(engine: Engine, random: Random, project_id: str) -> None:
    for id in _some(engine, random, project_id)[:1]:
        engine.call(CreateIssue(project_id=project_id, data_row_id=id, text="look again"))


@kind
def resolve(engine: Engine, random: Random, project_id: str) -> None:
    found = [one for one in engine.call(FindIssues(project_id=project_id)) if not one.resolved]
    if found:
        engine.call(ResolveIssue(project_id=project_id, issue_id=random.choice(found).id))


@kind
def remove(engine: Engine, random: Random, project_id: str) -> None:
    ids = _some(engine, random, project_id)[:1]
    engine.call(RemoveRows(project_id=project_id, data_row_ids=ids))


@kind
def delete(engine: Engine, random: Random, project_id: str) -> None:
    engine.call(DeleteDataRows(data_row_ids=_some(engine, random, project_id)[:1]))


@kind
def rename_project(engine: Engine, random: Random, project_id: str) -> None:
    engine.call(ChangeProject(project_id=project_id, name=random.choice(("Streets", 'Str"ee\u2028ts', "S"))))


@kind
def rename_feature(engine: Engine, random: Random, project_id: str) -> None:
    ontology_id = engine.call(GetProject(project_id=project_id)).ontology_id
    assert ontology_id is not None
    engine.call(
        RenameFeature(
            ontology_id=ontology_id,
            feature_schema_id=random.choice(("car", "road", "parked-yes", "where")),
            name=random.choice(("Big Car", "vehicle", "Very \U0001f697")),
        )
    )


@kind
def snapshot(engine: Engine, random: Random, project_id: str) -> None:
    engine.call(CreateSnapshot(kind="project", id=project_id, name=f"state {random.random()}"))


@kind
def run(engine: Engine, random: Random, project_id: str) -> None:
    """Rows of the project into a model run, and their split."""
    chosen = _run(engine)
    ids = _some(engine, random, project_id)
    engine.call(AddRunRows(model_run_id=chosen.id, data_row_ids=ids, project_id=project_id))
    split = random.choice(("TRAINING", "TEST"))
    engine.call(AssignSplit(model_run_id=chosen.id, data_row_ids=ids, split=split))


RUN = "11111111-2222-5333-8444-555555555555"


def _run(engine: Engine) -> ModelRun:
    found = engine.call(FindModels(name="detector"))
    if found:
        return engine.store.get(ModelRun, RUN)
    model: Model = engine.call(CreateModel(name="detector", ontology_id="street"))
    return engine.call(CreateModelRun(model_id=model.id, name="first", id=RUN))


@kind
def read(engine: Engine, random: Random, project_id: str) -> None:
    """What only looks leaves no trace."""
    engine.call(Summarize(kind="project", id=project_id))
    for id in _some(engine, random, project_id):
        engine.call(GetDataRow(data_row_id=id))
        engine.call(FindLabels(project_id=project_id, data_row_id=id))
