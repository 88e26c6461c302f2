"""An ontology: which features may be drawn and asked, in the vendor's normalized JSON."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from annotary.model.base import Value

QuestionType = Literal["radio", "checklist", "text", "dropdown"]


class Option(Value, rename="camel"):
    """One choice of a question; nested questions stand under `options`."""

    value: str | int
    label: str | int | UnsetType = UNSET
    options: tuple[Question, ...] = ()
    schema_node_id: str | None = None
    feature_schema_id: str | None = None
    position: int | UnsetType = UNSET

    def title(self) -> str:
        """What people read: the label, else the value."""
        return str(self.value if self.label is UNSET else self.label)


class Question(Value, rename="camel"):
    """A question about the image, an object, or the answer it hangs under."""

    type: QuestionType
    name: str
    instructions: str | None | UnsetType = UNSET
    required: bool = False
    options: tuple[Option, ...] = ()
    schema_node_id: str | None = None
    feature_schema_id: str | None = None
    scope: Literal["global", "index"] | UnsetType = UNSET
    ui_mode: str | UnsetType = UNSET


class Tool(Value, rename="camel"):
    """Something that can be drawn.

    `class_index` is the number its class has in training formats; `category` what a COCO file said of it.
    """

    tool: str
    name: str
    required: bool = False
    color: str | None = None
    classifications: tuple[Question, ...] = ()
    schema_node_id: str | None = None
    feature_schema_id: str | None = None
    definition: Any = UNSET
    attributes: Any = UNSET
    class_index: int | UnsetType = UNSET
    category: dict[str, Any] | UnsetType = UNSET


class Normalized(Value):
    """The tools and the questions of an ontology, as files write them."""

    tools: tuple[Tool, ...] = ()
    classifications: tuple[Question, ...] = ()
    carried: dict[str, Any] | UnsetType = UNSET
    """What files said of the whole data set (COCO's info and licenses), by format."""


class Ontology(Value):
    """A named, normalized ontology. One that was `inferred` from a file may grow with the next file.

    `archived` names features that labels have and that are not offered any more, by schema id.
    """

    id: str
    name: str
    created_at: str
    updated_at: str
    normalized: Normalized = Normalized()
    description: str | None = None
    created_by: str | None = None
    inferred: bool = False
    media_type: str | None = None
    archived: tuple[str, ...] = ()

    def names(self) -> Iterator[str]:
        """The names of its tools, in order: the classes of training formats."""
        return (tool.name for tool in self.normalized.tools)


class FeatureSchema(Value):
    """A tool, or a question, by itself; ontologies that have its id share it."""

    id: str
    name: str
    created_at: str
    tool: Tool | None = None
    question: Question | None = None


def hue(position: int, of: int) -> str:
    """A colour of its own for each tool that came without one: equal steps around the colour circle."""
    red, green, blue = colorsys.hsv_to_rgb(position / max(of, 1), 1, 1)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def machine_value(name: str) -> str:
    """The `value` that goes with a name: lower case, underscores for white space (published v1 samples).

    >>> machine_value("Is it daytime?")
    'is_it_daytime?'
    """
    return "_".join(name.lower().split())
