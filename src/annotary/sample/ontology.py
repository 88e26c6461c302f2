"""The ontology of the sample project, in normalized JSON."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from annotary.sample.identity import cuid

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its options; each option may ask more."""

    name: str
    kind: Literal["radio", "checklist", "text"]
    options: tuple["Option", ...] = ()

    def others(self, answer: str) -> tuple[str, ...]:
        """The names of the answers that could be mistaken for this one."""
        return tuple(option.name for option in self.options if option.name != answer)


@dataclass(frozen=True, slots=True)
class Option:
    """One answer, and what is asked of whoever gives it."""

    name: str
    questions: tuple[Question, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One kind of thing to draw."""

    name: str
    kind: Literal["rectangle", "polygon", "line", "point", "raster-segmentation", "cuboid", "edge"]
    colour: str
    questions: tuple[Question, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


def _plain(names: str) -> tuple[Option, ...]:
    return tuple(Option(name) for name in names.split())


_HIDERS = Question("occluded_by", "checklist", _plain("car pole person tree"))

TOOLS = (
    Tool(
        name="car",
        kind="rectangle",
        colour="#e6413c",
        questions=(
            Question(
                "occluded",
                "radio",
                (Option("no"), Option("partly", (_HIDERS,)), Option("fully", (_HIDERS,))),
            ),
            Question("plate", "text"),
        ),
    ),
    Tool(
        name="pedestrian",
        kind="rectangle",
        colour="#f5a623",
        questions=(Question("age_group", "radio", _plain("child adult senior")),),
    ),
    Tool(name="trailer", kind="rectangle", colour="#b8860b"),
    Tool(name="dog", kind="rectangle", colour="#8b572a"),
    Tool(name="building", kind="polygon", colour="#9013fe"),
    Tool(name="lane marking", kind="line", colour="#f8e71c"),
    Tool(name="traffic light", kind="point", colour="#50e3c2"),
    Tool(name="road", kind="raster-segmentation", colour="#4a4a6a"),
    Tool(name="tree", kind="raster-segmentation", colour="#417505"),
    Tool(name="sky", kind="raster-segmentation", colour="#4a90e2"),
    Tool(name="truck", kind="cuboid", colour="#d0021b"),
    Tool(name="delivery box", kind="cuboid", colour="#c69c6d"),
    Tool(name="walks", kind="edge", colour="#bd10e0", links=(("pedestrian", "dog"),)),
    Tool(name="belongs_to", kind="edge", colour="#7ed321", links=(("trailer", "car"),)),
    Tool(name="next_to", kind="edge", colour="#00b8d9", links=(("car", "car"),)),
)
"""Everything that can be drawn in a street scene."""

QUESTIONS = (
    Question(
        "time_of_day",
        "radio",
        (
            Option("day"),
            Option("dusk"),
            Option("night", (Question("street_lights", "radio", _plain("on off")),)),
        ),
    ),
    Question("weather", "checklist", _plain("clear rain fog wind")),
    Question("remark", "text"),
)
"""Everything that is asked about the whole image."""


def ontology() -> Json:
    """The ontology as normalized JSON, with the same ids in every run."""
    return {
        "tools": [_tool(tool) for tool in TOOLS],
        "classifications": [{**_question(question, ()), "scope": "global"} for question in QUESTIONS],
    }


def feature_schema_id(*path: str) -> str:
    """The id of a feature by the names on the way to it: tool, question, option, question and so on.

    >>> feature_schema_id("car") == ontology()["tools"][0]["featureSchemaId"]
    True
    """
    return cuid("street ontology", "feature", *path)


def _tool(tool: Tool) -> Json:
    made: Json = {
        "tool": tool.kind,
        "name": tool.name,
        "required": False,
        "color": tool.colour,
        "classifications": [_question(question, (tool.name,)) for question in tool.questions],
        **_ids((tool.name,)),
    }
    if tool.links:
        ends = [[feature_schema_id(source), feature_schema_id(target)] for source, target in tool.links]
        made["definition"] = {"constraints": ends}
    return made


def _question(question: Question, path: tuple[str, ...]) -> Json:
    path = (*path, question.name)
    return {
        "type": question.kind,
        "name": question.name,
        "instructions": question.name,
        "required": False,
        "options": [_option(option, path) for option in question.options],
        **_ids(path),
    }


def _option(option: Option, path: tuple[str, ...]) -> Json:
    path = (*path, option.name)
    return {
        "value": option.name,
        "label": option.name,
        "options": [_question(question, path) for question in option.questions],
        **_ids(path),
    }


def _ids(path: Iterable[str]) -> Json:
    path = tuple(path)
    return {
        "schemaNodeId": cuid("street ontology", "node", *path),
        "featureSchemaId": feature_schema_id(*path),
    }
