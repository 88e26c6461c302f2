"""Features: an ontology one can look things up in, and that may grow with what it is asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from annotary.errors import Invalid
from annotary.model.annotation import Classification
from annotary.model.base import derived_id
from annotary.model.image import Classes
from annotary.model.ontology import Normalized, Option, Question, Tool, hue, machine_value


class Unfit(Invalid):
    """An annotation that cannot be taken over; `path` leads to it within the label."""

    def __init__(self, path: str, value: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}: {value}")
        self.path = path
        self.value = value
        self.reason = reason


@dataclass(slots=True)
class Node:
    """A feature of the ontology with what hangs under it, by kind and id or name."""

    kind: str
    id: str
    name: str
    value: str
    made: dict[str, Any] = field(default_factory=dict)
    by_id: dict[tuple[str, str], Node] = field(default_factory=dict)
    by_name: dict[tuple[str, str], Node] = field(default_factory=dict)
    order: list[Node] = field(default_factory=list)

    def add(self, child: Node) -> Node:
        """Hang a feature under this one."""
        self.order.append(child)
        self.by_id.setdefault((child.kind, child.id), child)
        self.by_name.setdefault((child.kind, child.name), child)
        if child.value != child.name:
            self.by_name.setdefault((child.kind, child.value), child)
        return child


class Features:
    """An ontology one can look things up in, and that may grow; `size` counts its features."""

    def __init__(self, ontology_id: str, normalized: Normalized, *, grows: bool) -> None:
        self.ontology_id = ontology_id
        self.grows = grows
        self.grown = False
        self.size = 0
        self.root = Node("", ontology_id, "", "")
        for tool in normalized.tools:
            node = self._node(self.root, tool.tool, tool.name, tool.feature_schema_id, tool)
            self._questions(node, tool.classifications)
        self._questions(self.root, normalized.classifications)
        self.carried: dict[str, Any] = (
            dict(normalized.carried) if isinstance(normalized.carried, dict) else {}
        )

    def _node(self, parent: Node, kind: str, name: str, id: str | None, made: Any, value: str = "") -> Node:
        family = FAMILY.get(kind, kind)
        self.size += 1
        fields = {key: getattr(made, key) for key in made.__struct_fields__}
        return parent.add(
            Node(family, id or derived_id(parent.id, kind, name), name, value or machine_value(name), fields)
        )

    def _questions(self, parent: Node, questions: Iterable[Question]) -> None:
        for question in questions:
            kind = "radio" if question.type == "dropdown" else question.type
            node = self._node(parent, kind, question.name, question.feature_schema_id, question)
            for option in question.options:
                value = str(option.value)
                title = option.title()
                shown = value if value != title else machine_value(title)
                chosen = self._node(node, "option", title, option.feature_schema_id, option, shown)
                chosen.by_name.setdefault(("option", value), chosen)
                node.by_name.setdefault(("option", value), chosen)
                self._questions(chosen, option.options)

    def normalized(self) -> Normalized:
        """The ontology as it stands now."""
        tools = [node for node in self.root.order if node.kind in _TOOL_KINDS]
        return Normalized(
            tools=tuple(
                self._rebuilt(Tool, node, color=node.made.get("color") or hue(position, len(tools)))
                for position, node in enumerate(tools)
            ),
            classifications=self._rebuilt_questions(self.root),
            carried=self.carried or UNSET,
        )

    def _rebuilt(self, kind: Any, node: Node, **changes: Any) -> Any:
        fields = dict(node.made)
        fields.update(changes, feature_schema_id=node.id)
        if kind is Tool:
            fields.update(classifications=self._rebuilt_questions(node))
        elif kind is Question:
            options = [one for one in node.order if one.kind == "option"]
            fields.update(options=tuple(self._rebuilt(Option, one) for one in options))
        else:
            fields.update(options=self._rebuilt_questions(node))
        return kind(**fields)

    def _rebuilt_questions(self, parent: Node) -> tuple[Question, ...]:
        return tuple(
            self._rebuilt(Question, node)
            for node in parent.order
            if node.kind in ("radio", "checklist", "text")
        )

    def find(self, parent: Node, kind: str, given: Any, path: str, *, by_name: bool) -> Node:
        """The feature that an annotation, question or answer names; raises Unfit.

        `by_name` lets the name decide where the id is of another ontology.
        """
        id, name = given.feature_schema_id, given.name
        node = None
        if id is not UNSET:
            node = parent.by_id.get((kind, id))
            if node is not None and name is not UNSET and name not in (node.name, node.value):
                if not by_name:
                    raise Unfit(path, f"{id} and {name!r}", f"schema id and name are not the same {kind}")
                # Exports exist in which one schema id stands for features of several names.
                node = None
        if node is None and name is not UNSET and (id is UNSET or by_name):
            node = parent.by_name.get((kind, name))
        if node is not None:
            return node
        if id is UNSET and name is UNSET:
            raise Unfit(path, "nothing", f"a {kind} needs a name or a schema id")
        if not self.grows:
            known = ", ".join(sorted(one.name for one in parent.order if one.kind == kind)) or "none"
            what = repr(id if name is UNSET else name)
            raise Unfit(path, what, f"unknown {kind} in the project's ontology; known: {known}")
        return self._grow(parent, kind, id, name, given)

    def _grow(self, parent: Node, kind: str, id: Any, name: Any, given: Any) -> Node:
        self.grown = True
        self.size += 1
        title = id if name is UNSET else name
        own = derived_id(self.ontology_id, parent.id, kind, title) if id is UNSET else id
        while id is UNSET and (kind, own) in parent.by_id:
            # The feature that once had this name, and its id with it, has been renamed.
            own = derived_id(own, title)
        value = machine_value(title) if given.value is UNSET else given.value
        made: dict[str, Any]
        if kind in _TOOL_KINDS:
            made = {"tool": _DEFAULT_TOOL.get(kind, kind), "name": title}
        elif kind == "option":
            made = {"value": value, "label": title}
        else:
            made = {"type": kind, "name": title, "instructions": title}
        return parent.add(Node(kind, own, title, value, made))

    def decorate(self, colors: dict[str, str], scopes: dict[str, str]) -> None:
        """Colours and scopes that a v1 file says of features, by schema id or name."""
        for node in self.root.order:
            for source, key in ((colors, "color"), (scopes, "scope")):
                said = source.get(node.id, source.get(node.name))
                if said is not None and not node.made.get(key) and self.grows:
                    node.made[key] = said
                    self.grown = True

    def number(self, classes: Classes, carried: dict[str, Any]) -> None:  # noqa: C901
        """Give classes their numbers, and a tool where they have none; numbers that were given stay.

        `carried` is what the file says of the whole, by format.
        """
        tools = [node for node in self.root.order if node.kind in _TOOL_KINDS and node.kind != "relationship"]
        taken: dict[str, int] = {}
        for node in tools:
            index = node.made.get("class_index", UNSET)
            if isinstance(index, int):
                taken.setdefault(node.name, index)
        for one in classes:
            own = [node for node in tools if node.name == one.name]
            if not own and self.grows:
                kind = FAMILY.get(kind := (*one.kinds, "rectangle")[0], kind)
                own = [self._grow(self.root, kind, UNSET, one.name, _NAMED)]
            index = taken.get(one.name)
            if index is None:
                free = one.index if one.index not in taken.values() else max(taken.values(), default=-1) + 1
                index = taken[one.name] = free
            for node in own:
                said: dict[str, Any] = {"class_index": index}
                if one.category and not node.made.get("category"):
                    said["category"] = one.category
                if one.color and not node.made.get("color"):
                    said["color"] = one.color
                if any(node.made.get(key) != value for key, value in said.items()):
                    node.made.update(said)
                    self.grown = True
        if any(self.carried.get(key) != value for key, value in carried.items()):
            self.carried = {**carried, **self.carried}
            self.grown = True


class _Unnamed(NamedTuple):
    value: Any = UNSET


_NAMED = _Unnamed()
FAMILY = {"superpixel": "mask", "raster-segmentation": "mask", "edge": "relationship"}
_TOOL_KINDS = ("rectangle", "polygon", "line", "point", "mask", "cuboid", "relationship")
_DEFAULT_TOOL = {"mask": "raster-segmentation", "relationship": "edge"}


def _child(node: Node, kind: str, given: Any) -> Node | None:
    return node.by_id.get((kind, given.feature_schema_id)) or node.by_name.get((kind, given.name))


def hung(given: tuple[Classification, ...], node: Node) -> tuple[Classification, ...]:
    """Those questions that are the node's own, with the others hung under their answers."""
    own = [one for one in given if _child(node, one.kind(), one) is not None]
    rest = [one for one in given if _child(node, one.kind(), one) is None]
    if not rest or not own:
        return given
    taken: list[Classification] = []
    made = [_with_nested(one, _child(node, one.kind(), one), rest, taken) for one in own]
    return (*made, *(one for one in rest if all(one is not other for other in taken)))


def _with_nested(
    question: Classification, node: Node | None, rest: list[Classification], taken: list[Classification]
) -> Classification:
    """A question whose answers have got the questions among `rest` that belong under them."""
    if node is None:
        return question
    answers = []
    for answer in question.answers():
        chosen = _child(node, "option", answer)
        nested = list(answer.classifications)
        for one in rest:
            if chosen is None or any(one is other for other in taken):
                continue
            below = _child(chosen, one.kind(), one)
            if below is not None:
                taken.append(one)
                nested.append(_with_nested(one, below, rest, taken))
        answers.append(replace(answer, classifications=tuple(nested)))
    if question.radio_answer is not UNSET:
        return replace(question, radio_answer=answers[0])
    if question.checklist_answers is not UNSET:
        return replace(question, checklist_answers=tuple(answers))
    return question
