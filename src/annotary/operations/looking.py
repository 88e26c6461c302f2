"""Looking at rows before they are exported: a page of them, how many there are, what else there is."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from annotary.model.base import Value
from annotary.model.export import ExportFilters, ExportQuery, ProjectScope, RunScope
from annotary.model.project import Project
from annotary.operations import Operation, post

Limit = Annotated[int, Meta(ge=1, le=200)]
Looked = ProjectScope | RunScope


class Drawn(Value):
    """An object as far as a small picture shows it, in pixels of the image.

    `points` is x and y in turn: of a box two corners, of a cuboid its front and its back, four each. A
    polygon of very many corners has fewer here. Of a mask there are `rings`, roughly, which are filled
    even-odd; none where it covers more than half of its image, or its pixels are not here.
    """

    feature_id: str
    kind: str
    name: str
    points: tuple[float, ...] = ()
    rings: tuple[tuple[float, ...], ...] = ()
    is_prediction: bool = False


class RowCard(Value):
    """A row as a small picture with a caption; `more_shapes` are those beyond what is in `shapes`."""

    data_row_id: str
    global_key: str | None
    external_id: str | None
    name: str
    width: int
    height: int
    status: str
    labels: int
    predictions: int
    shapes: tuple[Drawn, ...]
    more_shapes: int


class RowsPage(Value):
    """Some rows in order; `next` and `previous` are cursors, None at the ends."""

    rows: tuple[RowCard, ...]
    next: str | None
    previous: str | None


class FindRows(Operation[RowsPage]):
    """A page of the rows of a project or model run that a filter leaves, in the order of an export."""

    route = post("/rows/search")
    scope: Looked
    filters: ExportFilters = ExportFilters()
    after: str | None = None
    before: str | None = None
    limit: Limit = 60


class Matching(Value):
    """How many rows a filter leaves, of how many."""

    rows: int
    of: int


class CountMatching(Operation[Matching]):
    """How many rows of a project or model run a filter leaves."""

    route = post("/rows/count")
    scope: Looked
    filters: ExportFilters = ExportFilters()


class ClassRows(Value):
    """A class and the rows that have it; `kind` names all kinds that it is drawn as."""

    name: str
    kind: str
    rows: int


class KindRows(Value):
    """A kind of annotations and the rows that have one."""

    kind: str
    rows: int


class StatusRows(Value):
    """A workflow status and the rows in it."""

    status: str
    rows: int


class BatchRows(Value):
    """A batch and the rows of it."""

    id: str
    name: str
    rows: int


class Facets(Value):
    """What a filter could be, each with the rows that it would leave beside the other filters."""

    classes: tuple[ClassRows, ...]
    kinds: tuple[KindRows, ...]
    statuses: tuple[StatusRows, ...]
    batches: tuple[BatchRows, ...]
    no_objects: int


class FindFacets(Operation[Facets]):
    """What else could be filtered for: each filter's values, counted under the other filters."""

    route = post("/rows/facets")
    scope: Looked
    filters: ExportFilters = ExportFilters()


class Relaxed(Value):
    """A part of a filter, and the rows that would be left without it.

    `filter` is its name as in addresses and on the command line; `value` is None for all of it.
    """

    filter: str
    value: str | None
    rows: int


class RelaxFilters(Operation[list[Relaxed]]):
    """What each part of a filter takes away: the rows that would be left without it."""

    route = post("/rows/relaxations")
    scope: Looked
    filters: ExportFilters = ExportFilters()


class RowImage(Value):
    """Where a row's image is to be had, or why it is not."""

    url: str | None
    reason: str | None = None


class RowView(Value):
    """A row as export v2 shows it with all details, with its neighbours under a filter, and their count."""

    row: dict[str, Any]
    project: Project | None
    colours: dict[str, str]
    previous: str | None
    next: str | None
    position: int
    of: int
    image: RowImage


class GetRow(Operation[RowView]):
    """One row of a project or model run, with all that is known of it."""

    route = post("/rows/view")
    scope: Looked
    data_row_id: str
    filters: ExportFilters = ExportFilters()


class PreviewExport(Operation[str]):
    """The beginning of an export as text: its first rows."""

    route = post("/exports/preview")
    query: ExportQuery
    format: str = "labelbox-v2"
    options: dict[str, Any] = {}
    limit: Annotated[int, Meta(ge=1, le=20)] = 1


class Pictures(Value):
    """How many of some rows' images could be copied, of how many, and their bytes together."""

    there: int
    of: int
    bytes: int


class Losses(Value):
    """What an export would lose, told by its first rows: `rows` were looked at, of `of`.

    `pictures` where images are to be copied.
    """

    rows: int
    of: int
    losses: dict[str, Any]
    pictures: Pictures | None = None


class DescribeLosses(Operation[Losses]):
    """What an export would lose, without writing it: a ledger of its first rows."""

    route = post("/exports/losses")
    query: ExportQuery
    format: str = "labelbox-v2"
    options: dict[str, Any] = {}
    limit: Annotated[int, Meta(ge=1, le=100_000)] = 2000


class Day(Value):
    """A day (UTC) and the labels that were made on it."""

    day: str
    labels: int


class CountDays(Operation[list[Day]]):
    """Labels of a project by the day on which they were made, the latest days last."""

    route = post("/projects/{project_id}/days")
    project_id: str
    limit: Annotated[int, Meta(ge=1, le=1000)] = 60
