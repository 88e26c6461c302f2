"""Renaming a feature: in its ontology, and in the stored sections of everything labelled with it."""

from __future__ import annotations

from typing import Any, TypeVar

from msgspec import UNSET
from msgspec.structs import force_setattr, replace

from annotary.engine.core import Engine
from annotary.engine.versions import PAGE, Fields
from annotary.errors import Conflict, NotFound
from annotary.model import sections
from annotary.model.annotation import Annotations, Classification
from annotary.model.base import to_json
from annotary.model.carried import decode
from annotary.model.ontology import Normalized, Ontology, Option, Question, Tool, machine_value
from annotary.model.project import Model, ModelRun, Project
from annotary.store.changes import Change

ALL = 100_000
F = TypeVar("F", Tool, Question, Option)


class Renaming:
    """A feature's new name; its old one is found in the ontology."""

    def __init__(self, feature_schema_id: str, name: str) -> None:
        self.id = feature_schema_id
        self.name = name
        self.old: str | None = None

    # In the ontology

    def normalized(self, given: Normalized) -> Normalized:
        """The ontology with the new name; raises Conflict where a neighbour has it already."""
        tools = tuple(
            replace(tool, classifications=self._questions(tool.classifications))
            for tool in self._named(given.tools)
        )
        return Normalized(tools=tools, classifications=self._questions(given.classifications))

    def _questions(self, given: tuple[Question, ...]) -> tuple[Question, ...]:
        return tuple(
            replace(
                question,
                options=tuple(
                    replace(option, options=self._questions(option.options))
                    for option in self._named(question.options)
                ),
            )
            for question in self._named(given)
        )

    def _named(self, siblings: tuple[F, ...]) -> tuple[F, ...]:
        if all(one.feature_schema_id != self.id for one in siblings):
            return siblings
        kinds = {_kind(one) for one in siblings if one.feature_schema_id == self.id}
        for one in siblings:
            if one.feature_schema_id != self.id and _kind(one) in kinds and _title(one) == self.name:
                raise Conflict(f"beside this feature there is a {self.name!r} already; give another name")
        return tuple(self._renamed(one) if one.feature_schema_id == self.id else one for one in siblings)

    def _renamed(self, given: F) -> F:
        self.old = old = _title(given)
        match given:
            case Tool():
                return replace(given, name=self.name)
            case Question():
                asked = self.name if given.instructions == old else given.instructions
                return replace(given, name=self.name, instructions=asked)
            case Option():
                follows = given.value == old or given.value == machine_value(old)
                value = self.value(str(given.value)) if follows else given.value
                label = UNSET if given.label is UNSET and value == self.name else self.name
                return replace(given, value=value, label=label)

    # In what was labelled

    def value(self, value: str) -> str:
        """A machine value after the renaming: another one if it followed from the old name."""
        assert self.old is not None
        if value == machine_value(self.old):
            return machine_value(self.name)
        return self.name if value == self.old else value

    def annotations(self, section: str) -> str:
        """A section with the new name in it."""
        given, extras = decode(sections.kept(section), Annotations)
        for drawn in (*given.objects, *given.relationships):
            self._take(drawn)
            self._answered(drawn.classifications)
        self._answered(given.classifications)
        return sections.label_annotations(given, [(("annotations", *path), value) for path, value in extras])

    def _answered(self, given: tuple[Classification, ...]) -> None:
        for question in given:
            self._take(question)
            for answer in question.answers():
                self._take(answer)
                self._answered(answer.classifications)
            if isinstance(question.classifications, tuple):
                self._answered(question.classifications)

    def _take(self, given: Any) -> None:
        """The values were decoded here and nobody else has seen them: they may be changed in place."""
        if given.feature_schema_id == self.id:
            force_setattr(given, "name", self.name)
            if given.value is not UNSET:
                force_setattr(given, "value", self.value(given.value))


def rename(engine: Engine, ontology_id: str, feature_schema_id: str, name: str) -> Ontology:
    """Rename a feature within the open transaction."""
    store = engine.store
    renaming = Renaming(feature_schema_id, name)
    changes, users = _users(engine, ontology_id)
    ontology = store.get(Ontology, ontology_id)
    normalized = renaming.normalized(ontology.normalized)
    if renaming.old is None:
        raise NotFound(f"no feature {feature_schema_id!r} in ontology {ontology_id!r}")
    if normalized == ontology.normalized:
        return ontology
    changed = replace(ontology, normalized=normalized, updated_at=engine.now())
    store.put(changed)
    text = to_json(normalized)
    for number, change in changes.items():
        if number in users:
            change.describe(users[number], text)
        _rewrite(change, renaming)
    return changed


def _users(engine: Engine, ontology_id: str) -> tuple[dict[int, Change], dict[int, str]]:
    """All that may hold labels with an ontology's features, locked in order; and the names of its users.

    Any run may: it takes over a project's labels whatever ontology its model has.
    """
    store = engine.store
    store.get(Ontology, ontology_id)
    projects = [one for one in store.find(Project, limit=ALL) if one.ontology_id == ontology_id]
    runs = store.find(ModelRun, limit=ALL)
    numbers = [store.collection("project", one.id) for one in projects]
    numbers += [store.collection("model_run", one.id) for one in runs]
    changes = {number: store.change(number) for number in sorted(numbers)}
    # Read again under the locks.
    models = {one.id for one in store.find(Model, limit=ALL) if one.ontology_id == ontology_id}
    users = {
        store.collection("project", one.id): one.name
        for one in store.find(Project, limit=ALL)
        if one.ontology_id == ontology_id
    }
    users |= {
        store.collection("model_run", one.id): one.name
        for one in store.find(ModelRun, limit=ALL)
        if one.model_id in models
    }
    for number in sorted(users.keys() - changes.keys()):
        changes[number] = store.change(number)
    return changes, users


def _rewrite(change: Change, renaming: Renaming) -> None:
    """Give the labels a feature stands in their new text, and their rows new versions; nothing was done."""
    text = to_json(renaming.id)
    last = 0
    while numbers := change.labelled_with(text, last, PAGE):
        labels: list[Fields] = []
        for several in change.labels(numbers).values():
            for label in several:
                after = renaming.annotations(label["annotations"])
                if after != label["annotations"]:
                    labels.append({**label, "annotations": after})
        change.put_labels([], labels)
        moved = sorted({label["data_row"] for label in labels})
        change.put_rows([], change.rows(moved).values())
        last = numbers[-1]


def _title(given: Tool | Question | Option) -> str:
    return given.title() if isinstance(given, Option) else given.name


def _kind(given: Tool | Question | Option) -> str:
    match given:
        case Tool():
            return given.tool
        case Question():
            return given.type
        case Option():
            return "option"
