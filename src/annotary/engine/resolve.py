"""Names and ids in a file -> features of the ontology; the checks an annotation must pass on its way in.

All guessing about features is here. A project without an ontology gets one from what it is given.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import force_setattr, replace

from annotary.errors import Invalid
from annotary.model.annotation import (
    TOOLS,
    Annotations,
    Answer,
    Arrow,
    Bond,
    Classification,
    CuboidObject,
    Drawn,
    LineObject,
    MaskObject,
    PolygonObject,
    PolylineObject,
)
from annotary.model.base import derived_id
from annotary.model.geometry import cuboid_gap
from annotary.model.ontology import Normalized, Option, Question, Tool, hue, machine_value

GAP = 0.01
"""Given cuboid corners may be this far, in pixels, from those that follow from centre, rotation and size."""


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
        self.order.append(child)
        self.by_id.setdefault((child.kind, child.id), child)
        self.by_name.setdefault((child.kind, child.name), child)
        if child.value != child.name:
            self.by_name.setdefault((child.kind, child.value), child)
        return child


class Features:
    """An ontology one can look things up in, and that may grow."""

    def __init__(self, ontology_id: str, normalized: Normalized, *, grows: bool) -> None:
        self.ontology_id = ontology_id
        self.grows = grows
        self.grown = False
        self.root = Node("", ontology_id, "", "")
        for tool in normalized.tools:
            node = self._node(self.root, tool.tool, tool.name, tool.feature_schema_id, tool)
            self._questions(node, tool.classifications)
        self._questions(self.root, normalized.classifications)

    def _node(self, parent: Node, kind: str, name: str, id: str | None, made: Any, value: str = "") -> Node:
        family = _FAMILY.get(kind, kind)
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


_FAMILY = {"superpixel": "mask", "raster-segmentation": "mask", "edge": "relationship"}
_TOOL_KINDS = ("rectangle", "polygon", "line", "point", "mask", "cuboid", "relationship")
_DEFAULT_TOOL = {"mask": "raster-segmentation", "relationship": "edge"}
_KINDS = {kind: _FAMILY.get(tools[0], tools[0]) for kind, tools in TOOLS.items()}


class Resolver:
    """Takes annotations as a file has them and makes them fit for the store.

    Values that were just decoded are completed in place: nobody else has seen them yet, and building
    each anew would double the time of an import.
    """

    def __init__(
        self, features: Features, *, predictions: bool, by_name: bool, flat: bool = False
    ) -> None:
        self.features = features
        self.predictions = predictions
        self.by_name = by_name
        self.flat = flat
        self.dropped_confidence = 0

    def annotations(self, given: Annotations, seed: str) -> Annotations:
        """The annotations, completed; raises Unfit. `seed` makes missing feature ids follow from the label."""
        seen: set[str] = set()
        related = bool(given.relationships)
        changed = False
        if self.flat:
            given = self._nested(given)
        objects = given.objects
        for index, drawn in enumerate(objects):
            kind = type(drawn)
            self._object(drawn, kind, seed, index, seen)
            if kind is Arrow or kind is Bond:
                related = True
            elif kind is LineObject or (kind is PolygonObject and drawn.polygon[0] != drawn.polygon[-1]):  # type: ignore[union-attr]
                changed = True
            elif kind is CuboidObject:
                changed = True
        for index, answered in enumerate(given.classifications):
            self._question(
                answered, self.features.root, f".classifications[{index}]", f"{seed}/c{index}", seen
            )
        if changed:
            objects = tuple(_normal(drawn, index) for index, drawn in enumerate(objects))
            given = replace(given, objects=objects)
        return self._related(given, seed, seen) if related else given

    def _object(self, drawn: Any, kind: type[Drawn], seed: str, index: int, seen: set[str]) -> None:
        family = _KINDS[kind]
        id = drawn.feature_id
        if not id:
            id = derived_id(seed, "object", str(index))
            force_setattr(drawn, "feature_id", id)
        if id in seen:
            raise Unfit(f".objects[{index}].feature_id", id, "this feature id is there twice in one label")
        seen.add(id)
        node = self.features.root.by_id.get((family, drawn.feature_schema_id))
        if node is None or node.name != drawn.name:
            node = self.features.find(
                self.features.root, family, drawn, f".objects[{index}]", by_name=self.by_name
            )
        self._complete(drawn, node)
        if drawn.classifications:
            path = f".objects[{index}].classifications"
            for place, answered in enumerate(drawn.classifications):
                self._question(answered, node, f"{path}[{place}]", f"{seed}/o{index}/{place}", seen)
        if kind is PolygonObject or kind is PolylineObject or kind is LineObject:
            points = drawn.polygon if kind is PolygonObject else drawn.line
            if not points:
                raise Unfit(f".objects[{index}]", "[]", f"a {family} needs points")
        elif kind is MaskObject:
            _check_mask(drawn, index)
        elif kind is CuboidObject and (gap := cuboid_gap(drawn.cuboid)) > GAP:
            raise Unfit(
                f".objects[{index}].cuboid",
                f"{gap:.3g} px apart",
                "the corners do not follow from centre, rotation vector and size; leave them out",
            )

    def _complete(self, given: Any, node: Node) -> None:
        if given.feature_schema_id != node.id:
            force_setattr(given, "feature_schema_id", node.id)
        if given.name is UNSET:
            force_setattr(given, "name", node.name)
        if given.value is UNSET:
            force_setattr(given, "value", node.value)
        if not self.predictions and (given.confidence is not UNSET or given.custom_metrics is not UNSET):
            self._without_confidence(given)

    def _without_confidence(self, given: Any) -> None:
        self.dropped_confidence += 1
        force_setattr(given, "confidence", UNSET)
        force_setattr(given, "custom_metrics", UNSET)

    def _question(self, given: Classification, parent: Node, path: str, seed: str, seen: set[str]) -> None:
        kind = given.kind()
        if not kind:
            raise Unfit(path, str(given.name), "a classification needs exactly one answer")
        self._take_id(given, path, seed, seen)
        node = self.features.find(parent, kind, given, path, by_name=self.by_name)
        if given.feature_schema_id != node.id:
            force_setattr(given, "feature_schema_id", node.id)
        if given.name is UNSET:
            force_setattr(given, "name", node.name)
        if given.value is UNSET:
            force_setattr(given, "value", node.value)
        for index, answer in enumerate(given.answers()):
            self._answer(answer, node, f"{path}.answers[{index}]", f"{seed}/a{index}", seen)
        text = given.text_answer
        if text is not UNSET and not self.predictions:
            if text.confidence is not UNSET or text.custom_metrics is not UNSET:  # type: ignore[union-attr]
                self._without_confidence(text)
        if given.classifications is not UNSET:
            for index, nested in enumerate(given.classifications):  # type: ignore[arg-type]
                self._question(nested, node, f"{path}.classifications[{index}]", f"{seed}/n{index}", seen)

    def _answer(self, answer: Answer, parent: Node, path: str, seed: str, seen: set[str]) -> None:
        self._take_id(answer, path, seed, seen)
        node = self.features.find(parent, "option", answer, path, by_name=self.by_name)
        self._complete(answer, node)
        for index, nested in enumerate(answer.classifications):
            self._question(nested, node, f"{path}.classifications[{index}]", f"{seed}/{index}", seen)

    @staticmethod
    def _take_id(given: Classification | Answer, path: str, seed: str, seen: set[str]) -> None:
        id = given.feature_id
        if not id:
            id = derived_id(seed, "answer")
            force_setattr(given, "feature_id", id)
        if id in seen:
            raise Unfit(f"{path}.feature_id", id, "this feature id is there twice in one label")
        seen.add(id)

    def _nested(self, given: Annotations) -> Annotations:
        """Questions that a file lists flat, hung under the answers that the ontology hangs them under.

        v1 exports lose the depth of nested questions; where the ontology knows it, it is restored.
        """
        root = self.features.root
        objects = []
        for drawn in given.objects:
            family = _KINDS[type(drawn)]
            node = root.by_id.get((family, drawn.feature_schema_id)) or root.by_name.get((family, drawn.name))  # type: ignore[arg-type]
            if node is not None and len(drawn.classifications) > 1:
                drawn = replace(drawn, classifications=_hung(drawn.classifications, node))
            objects.append(drawn)
        return replace(
            given, objects=tuple(objects), classifications=_hung(given.classifications, root)
        )

    def _related(self, given: Annotations, seed: str, seen: set[str]) -> Annotations:
        """Relationships stand in both lists, equal; their ends must be there."""
        listed = {one.feature_id for one in given.objects if isinstance(one, Arrow | Bond)}
        for index, link in enumerate(given.relationships):
            if link.feature_id and link.feature_id in listed:
                node = self.features.find(
                    self.features.root, "relationship", link, f".relationships[{index}]", by_name=self.by_name
                )
                self._complete(link, node)
            else:
                self._object(link, type(link), f"{seed}/r", index, seen)
        links = given.links()
        for index, link in enumerate(links):
            for end in (link.ends().source, link.ends().target):
                if end not in seen:
                    raise Unfit(
                        f".relationships[{index}]", end, "a relationship to an annotation that is not there"
                    )
        named = {one.feature_id for one in given.relationships}
        return replace(
            given,
            objects=given.objects + tuple(one for one in given.relationships if one.feature_id not in listed),
            relationships=given.relationships + tuple(one for one in links if one.feature_id not in named),
        )


def _child(node: Node, kind: str, given: Any) -> Node | None:
    return node.by_id.get((kind, given.feature_schema_id)) or node.by_name.get((kind, given.name))


def _hung(given: tuple[Classification, ...], node: Node) -> tuple[Classification, ...]:
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


def _check_mask(drawn: MaskObject, index: int) -> None:
    if (drawn.mask is UNSET) == (drawn.composite_mask is UNSET):
        raise Unfit(f".objects[{index}]", "nothing", "a mask needs either `mask` or `composite_mask`")
    link = drawn.composite_mask if drawn.mask is UNSET else drawn.mask
    url = link.url  # type: ignore[union-attr]
    if not url.isprintable():
        raise Unfit(f".objects[{index}].mask.url", repr(url), "a mask's URL has control characters")
    if not url and (drawn.mask is UNSET or drawn.mask.png is UNSET):  # type: ignore[union-attr]
        raise Unfit(f".objects[{index}].mask.url", "''", "a mask needs a URL or pixels")


def _normal(drawn: Any, index: int) -> Any:
    """Polygons closed, lines spelt as polylines, cuboids with their corners."""
    if isinstance(drawn, LineObject):
        fields = {name: getattr(drawn, name) for name in drawn.__struct_fields__}
        return PolylineObject(**fields)
    if isinstance(drawn, PolygonObject) and drawn.polygon[0] != drawn.polygon[-1]:
        return replace(drawn, polygon=(*drawn.polygon, drawn.polygon[0]))
    if isinstance(drawn, CuboidObject) and (
        drawn.cuboid.front is msgspec.UNSET or drawn.cuboid.back is msgspec.UNSET
    ):
        return replace(drawn, cuboid=drawn.cuboid.with_corners())
    return drawn
