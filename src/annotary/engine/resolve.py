"""Annotations on their way in: names and ids become features of the ontology, and what is wrong is found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import force_setattr, replace

from annotary.engine.features import FAMILY, Features, Node, Unfit, hung
from annotary.model.annotation import (
    TOOLS,
    Annotations,
    Answer,
    Arrow,
    Bond,
    BoxObject,
    Classification,
    CuboidObject,
    Drawn,
    LineObject,
    MaskObject,
    PointObject,
    PolygonObject,
    PolylineObject,
)
from annotary.model.base import derived_id
from annotary.model.geometry import cuboid_gap

GAP = 0.01
"""Given cuboid corners may be this far, in pixels, from those that follow from centre, rotation and size."""


_KINDS = {kind: FAMILY.get(tools[0], tools[0]) for kind, tools in TOOLS.items()}

Where = tuple[Any, str, str, int]
"""A place in a label: the outer place (None at the top), the list, a letter for derived ids, the index.

Spelt out as text only for a problem or a missing id: doing so for each answer costs more than its checks.
"""


def _path(where: Where) -> str:
    outer, name, _, index = where
    return f"{_path(outer) if outer else ''}.{name}[{index}]"


def _derived(where: Where, seed: str) -> str:
    outer, _, letter, index = where
    return f"{_derived(outer, seed) if outer else seed}/{letter}{index}"


class Resolver:
    """Takes annotations as a file has them and makes them fit for the store.

    Values that were just decoded are completed in place: nobody else has seen them yet, and building
    each anew would double the time of an import.
    """

    def __init__(self, features: Features, *, predictions: bool, by_name: bool, flat: bool = False) -> None:
        self.features = features
        self.predictions = predictions
        self.by_name = by_name
        self.flat = flat
        self.dropped_confidence = 0
        self.linked_masks = 0
        self.answered: set[str] = set()
        """The kinds of what is answered in the last annotations."""

    def annotations(self, given: Annotations, seed: str) -> Annotations:
        """The annotations, completed; raises Unfit. Missing feature ids follow from `seed`."""
        if self.flat:
            given = self._nested(given)
        self.answered.clear()
        seen: set[str] = set()
        unusual = self._objects(enumerate(given.objects), seed, seen)
        root = self.features.root
        for index, answered in enumerate(given.classifications):
            self._question(answered, root, (None, "classifications", "c", index), seed, seen)
        if unusual:
            given = replace(
                given, objects=tuple(_normal(drawn, index) for index, drawn in enumerate(given.objects))
            )
        if given.relationships or (unusual and any(isinstance(one, Arrow | Bond) for one in given.objects)):
            given = self._related(given, seed, seen)
        return given

    def _objects(self, objects: Iterable[tuple[int, Any]], seed: str, seen: set[str]) -> bool:
        """Complete and check objects; whether any is a relationship or is to be put into its usual form."""
        root = self.features.root
        by_id = root.by_id
        unusual = False
        for index, drawn in objects:
            kind = type(drawn)
            where = (None, "objects", "o", index)
            id = drawn.feature_id
            if not id:
                id = derived_id(seed, "object", str(index))
                force_setattr(drawn, "feature_id", id)
            if id in seen:
                raise Unfit(f"{_path(where)}.feature_id", id, "this feature id is there twice in one label")
            seen.add(id)
            family = _KINDS[kind]
            node = by_id.get((family, drawn.feature_schema_id))
            if (
                node is None
                or node.name != drawn.name
                or drawn.value is UNSET
                or drawn.confidence is not UNSET
                or drawn.custom_metrics is not UNSET
            ):
                node = self._feature(root, family, drawn, where)
            if drawn.classifications:
                for place, answered in enumerate(drawn.classifications):
                    self._question(answered, node, (where, "classifications", "", place), seed, seen)
            if kind is not BoxObject and kind is not PointObject and _CHECKS[kind](drawn, where):
                unusual = True
        return unusual

    def _feature(self, parent: Node, kind: str, given: Any, where: Where) -> Node:
        """The feature that something names; what it left out of id, name and value is filled in."""
        node = parent.by_id.get((kind, given.feature_schema_id))
        if node is None or node.name != given.name:
            node = self.features.find(parent, kind, given, _path(where), by_name=self.by_name)
            if given.feature_schema_id != node.id:
                force_setattr(given, "feature_schema_id", node.id)
            if given.name is not node.name:
                # Import lines may name an option by its value; exports show the name that people read.
                force_setattr(given, "name", node.name)
        if given.value is UNSET:
            force_setattr(given, "value", node.value)
        if type(given) is not Classification:
            self._confidence(given)
        return node

    def _confidence(self, given: Any) -> None:
        """Labels have neither confidence nor metrics."""
        if (given.confidence is UNSET and given.custom_metrics is UNSET) or self.predictions:
            return
        self.dropped_confidence += 1
        force_setattr(given, "confidence", UNSET)
        force_setattr(given, "custom_metrics", UNSET)

    def _question(self, given: Classification, parent: Node, where: Where, seed: str, seen: set[str]) -> None:
        kind = given.kind()
        if not kind:
            raise Unfit(_path(where), str(given.name), "a classification needs exactly one answer")
        self.answered.add(kind)
        node = self._taken(given, kind, parent, where, seed, seen)
        if kind == "text":
            self._confidence(given.text_answer)
        else:
            for index, answer in enumerate(given.answers()):
                place = (where, "answers", "a", index)
                chosen = self._taken(answer, "option", node, place, seed, seen)
                if answer.confidence is not UNSET or answer.custom_metrics is not UNSET:
                    self._confidence(answer)
                for nth, nested in enumerate(answer.classifications):
                    self._question(nested, chosen, (place, "classifications", "", nth), seed, seen)
        if given.classifications is not UNSET:
            for index, nested in enumerate(given.classifications):
                self._question(nested, node, (where, "classifications", "n", index), seed, seen)

    def _taken(
        self,
        given: Classification | Answer,
        kind: str,
        parent: Node,
        where: Where,
        seed: str,
        seen: set[str],
    ) -> Node:
        """The feature of a question or an answer, whose id is taken."""
        id = given.feature_id
        if not id:
            id = derived_id(_derived(where, seed), "answer")
            force_setattr(given, "feature_id", id)
        if id in seen:
            raise Unfit(f"{_path(where)}.feature_id", id, "this feature id is there twice in one label")
        seen.add(id)
        node = parent.by_id.get((kind, given.feature_schema_id))  # type: ignore[arg-type] # UNSET is no key
        if node is None or node.name != given.name or given.value is UNSET:
            node = self._feature(parent, kind, given, where)
        return node

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
                drawn = replace(drawn, classifications=hung(drawn.classifications, node))
            objects.append(drawn)
        return replace(given, objects=tuple(objects), classifications=hung(given.classifications, root))

    def _related(self, given: Annotations, seed: str, seen: set[str]) -> Annotations:
        """Relationships stand in both lists, equal; their ends must be there."""
        listed = {one.feature_id for one in given.objects if isinstance(one, Arrow | Bond)}
        more = []
        for index, link in enumerate(given.relationships):
            if link.feature_id and link.feature_id in listed:
                self._feature(self.features.root, "relationship", link, (None, "relationships", "", index))
            else:
                more.append((index, link))
        self._objects(more, f"{seed}/r", seen)
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


def _check_polygon(drawn: PolygonObject, where: Where) -> bool:
    if not drawn.polygon:
        raise Unfit(_path(where), "[]", "a polygon needs points")
    return drawn.polygon[0] != drawn.polygon[-1]


def _check_line(drawn: PolylineObject | LineObject, where: Where) -> bool:
    if not drawn.line:
        raise Unfit(_path(where), "[]", "a line needs points")
    return type(drawn) is LineObject


def _check_cuboid(drawn: CuboidObject, where: Where) -> bool:
    if (gap := cuboid_gap(drawn.cuboid)) > GAP:
        raise Unfit(
            f"{_path(where)}.cuboid",
            f"{gap:.3g} px apart",
            "the corners do not follow from centre, rotation vector and size; leave them out",
        )
    return True


def _check_mask(drawn: MaskObject, where: Where) -> bool:
    if (drawn.mask is UNSET) == (drawn.composite_mask is UNSET):
        raise Unfit(_path(where), "nothing", "a mask needs either `mask` or `composite_mask`")
    link = drawn.composite_mask if drawn.mask is UNSET else drawn.mask
    url = link.url  # type: ignore[union-attr]
    if not url.isprintable():
        raise Unfit(f"{_path(where)}.mask.url", repr(url), "a mask's URL has control characters")
    if not url and (drawn.mask is UNSET or drawn.mask.png is UNSET):
        raise Unfit(f"{_path(where)}.mask.url", "''", "a mask needs a URL or pixels")
    return False


def _check_link(drawn: Arrow | Bond, where: Where) -> bool:
    return True


_CHECKS: dict[type[Drawn], Callable[[Any, Where], bool]] = {
    PolygonObject: _check_polygon,
    PolylineObject: _check_line,
    LineObject: _check_line,
    MaskObject: _check_mask,
    CuboidObject: _check_cuboid,
    Arrow: _check_link,
    Bond: _check_link,
}
"""Check an object's geometry; whether it is a relationship or is to be put into its usual form."""


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
