"""`/m/MODEL/RUN`: the predictions of a model run beside its labels, the worst rows first; and each row."""

from __future__ import annotations

from typing import Any, get_args
from urllib.parse import urlencode

import msgspec
from markupsafe import Markup
from starlette.responses import Response
from starlette.routing import Route

from annotary.errors import Invalid, NotFound
from annotary.model.analysis import Evaluation, RowScore
from annotary.model.carried import typed
from annotary.model.export import ExportFilters, LabelRule, RunScope
from annotary.model.ontology import Normalized
from annotary.model.project import Model, ModelRun
from annotary.operations.analyses import EvaluateRun, MatchRow, Measure
from annotary.operations.looking import CountMatching, FindRows, GetRow
from annotary.operations.model_runs import GetModel, GetModelRun
from annotary.server.pages import drawing
from annotary.server.pages.kept import Kept
from annotary.server.pages.row import place_of, viewed
from annotary.server.pages.shell import Asked, page, shown
from annotary.server.service import Service

SHOWN = 24
"""So many of the worst rows on a page."""
WORST = 960
"""So many of the worst rows are known; the others are reached from row to row."""
AT_ONCE = 20_000
"""Runs of more rows are measured only when somebody asks for it: some seconds."""
AVERAGED = 2000
"""Of runs of more rows AP is left out, which takes ten times as long and memory with every object."""

RULES = get_args(LabelRule)


def routes(service: Service) -> list[Route]:
    """`/m/MODEL/RUN`, what is measured of it, and `/m/MODEL/RUN/rows/ROW`."""
    kept = Kept()

    def run(asked: Asked) -> Response:
        return _run(asked, kept)

    def scores(asked: Asked) -> Response:
        return _scores(asked, kept)

    place = "/m/{model_id}/{run_id}"
    return [
        page(service, place, run),
        page(service, f"{place}/scores", scores),
        page(service, f"{place}/rows/{{row_id}}", row),
    ]


def _run(asked: Asked, kept: Kept) -> Response:
    """The run at once; its scores come when they are worked out."""
    model, run = _found(asked)
    measure, rows = _measure(asked, run)
    if asked.wants_json:
        evaluation = _measured(asked, run, measure, kept)
        return shown(asked, "run.html", {"model": model, "run": run, "evaluation": evaluation})
    waits = rows > AT_ONCE and not asked.said("measure") and kept.known(_key(asked, run, measure)) is None
    return shown(
        asked,
        "run.html",
        {"model": model, "run": run},
        rows=rows,
        waits=waits,
        rules=RULES,
        measure=measure,
        place=place_of(run),
        query=_query(measure, asked.said("page")),
        first=_first(asked, run) if rows else None,
    )


def _first(asked: Asked, run: ModelRun) -> str | None:
    found = asked.call(FindRows(scope=RunScope(id=run.id), filters=ExportFilters(), limit=1))
    return found.rows[0].data_row_id if found.rows else None


def _scores(asked: Asked, kept: Kept) -> Response:
    _, run = _found(asked)
    measure, _ = _measure(asked, run)
    try:
        evaluation = _measured(asked, run, measure, kept)
    except Invalid as error:
        return shown(asked, "run_scores.html", {"evaluation": None}, reason=str(error))
    number = _turned(asked, evaluation)
    names = [one.name for one in evaluation.classes]
    known = _colours(asked, run)
    return shown(
        asked,
        "run_scores.html",
        {"evaluation": evaluation, "page": number},
        measure=measure,
        place=place_of(run),
        query=_query(measure),
        cards=_cards(asked, run, evaluation.worst[SHOWN * (number - 1) : SHOWN * number], known),
        colours=drawing.colours(names, known),
        totals=totals_of(evaluation),
        pages=-(-len(evaluation.worst) // SHOWN),
        worst=WORST,
        averaged=measure.averages,
        limit=AVERAGED,
    )


def row(asked: Asked) -> Response:
    """A row of a run: its labels and predictions, and what goes with what."""
    model, run = _found(asked)
    row_id, measure = asked.part("row_id"), measure_of(asked)
    scope = RunScope(id=run.id)
    found = asked.call(GetRow(scope=scope, data_row_id=row_id, filters=ExportFilters()))
    match: RowScore | None
    try:
        match = asked.call(
            MatchRow(
                model_run_id=run.id,
                data_row_id=row_id,
                label_id=asked.said("label") or _label(found.row),
                iou=measure.iou,
                confidence=measure.confidence,
            )
        )
    except Invalid:
        match = None
    place, query = place_of(run), _query(measure)
    return viewed(
        asked,
        found,
        place=f"{place}/rows",
        query=query,
        crumbs=[(model.name, f"/?{urlencode({'tab': 'runs'})}"), (run.name, f"{place}?{query}")],
        match=match,
        iou=measure.iou,
        show="both",
    )


def _label(row: dict[str, Any]) -> str | None:
    """The label that the page shows first: predictions are compared with that one."""
    for model in row.get("experiments", {}).values():
        for run in model.get("runs", {}).values():
            for label in run.get("labels", ()):
                return str(label["id"])
    return None


def _found(asked: Asked) -> tuple[Model, ModelRun]:
    run = asked.call(GetModelRun(model_run_id=asked.part("run_id")))
    if run.model_id != asked.part("model_id"):
        raise NotFound(f"no model run {run.id!r} of a model {asked.part('model_id')!r}")
    return asked.call(GetModel(model_id=run.model_id)), run


def measure_of(asked: Asked) -> Measure:
    """The thresholds that the address asks for; raises Invalid."""
    given: dict[str, Any] = {"limit": WORST}
    for name in ("iou", "confidence"):
        if text := asked.said(name):
            try:
                given[name] = float(text)
            except ValueError:
                raise Invalid(f"{name}: {text!r} is not a number; give one from 0 to 1") from None
    if rule := asked.said("labels"):
        given["labels"] = rule
    try:
        return msgspec.convert(given, Measure)
    except msgspec.ValidationError as error:
        raise Invalid(
            f"{error}; thresholds are numbers from 0 to 1, labels one of {', '.join(RULES)}"
        ) from None


def _measure(asked: Asked, run: ModelRun) -> tuple[Measure, int]:
    """How a run is measured, and its rows; averages as far as nobody has to wait for them."""
    measure = measure_of(asked)
    rows = asked.call(CountMatching(scope=RunScope(id=run.id))).of
    return msgspec.structs.replace(measure, averages=rows <= AVERAGED), rows


def _query(measure: Measure, number: str = "") -> str:
    given = {"iou": f"{measure.iou:g}"}
    if measure.confidence:
        given["confidence"] = f"{measure.confidence:g}"
    if measure.labels != "all":
        given["labels"] = measure.labels
    if number:
        given["page"] = number
    return urlencode(given)


def _key(asked: Asked, run: ModelRun, measure: Measure) -> tuple[object, ...]:
    at, _, _ = asked.engine.store.at("model_run", run.id)
    return asked.engine.store.org, run.id, at.sequence, msgspec.json.encode(measure)


def _measured(asked: Asked, run: ModelRun, measure: Measure, kept: Kept) -> Evaluation:
    """The evaluation, worked out once for a state of the run and a pair of thresholds. Raises Invalid."""

    def make() -> Evaluation:
        return asked.call(EvaluateRun(model_run_id=run.id, measure=measure))

    return kept.get(_key(asked, run, measure), make)


def _turned(asked: Asked, evaluation: Evaluation) -> int:
    """The page of rows that the address asks for; raises Invalid."""
    text = asked.said("page") or "1"
    last = max(1, -(-len(evaluation.worst) // SHOWN))
    if not text.isdecimal() or not 1 <= int(text) <= last:
        raise Invalid(f"page: {text!r} is not a page; there {'is 1' if last == 1 else f'are {last}'}")
    return int(text)


def totals_of(evaluation: Evaluation) -> dict[str, int]:
    """True and false positives and what was missed, over all classes."""
    right = sum(one.matched for one in evaluation.classes)
    confused = sum(sum(line[:-1]) for line in evaluation.confusion[:-1]) - right
    return {
        "right": right,
        "confused": confused,
        "spurious": sum(evaluation.confusion[-1]),
        "missed": sum(line[-1] for line in evaluation.confusion),
    }


def _colours(asked: Asked, run: ModelRun) -> dict[str, str]:
    _, _, ontology = asked.engine.store.at("model_run", run.id)
    return drawing.ontology_colours(typed(ontology, Normalized))


def _cards(
    asked: Asked, run: ModelRun, scores: tuple[RowScore, ...], known: dict[str, str]
) -> list[dict[str, Any]]:
    """The worst rows with what is drawn on their thumbnails."""
    ids = tuple(one.data_row_id for one in scores)
    if not ids:
        return []
    filters = ExportFilters(data_row_ids=ids)
    found = asked.call(FindRows(scope=RunScope(id=run.id), filters=filters, limit=len(ids)))
    cards = {one.data_row_id: one for one in found.rows}

    def picture(score: RowScore) -> Markup | None:
        card = cards.get(score.data_row_id)
        if card is None:
            return None
        return drawing.svg_of(card, known=known, faults={*score.missed, *score.spurious})

    return [{"score": one, "picture": picture(one)} for one in scores]
