"""The commands `stats`, `evaluate` and `lint`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import Parameter
from pathlib import Path
from typing import Any

from annotary.cli import pictures
from annotary.cli.exporting import filters_given
from annotary.cli.finding import find_dataset, find_project, find_run
from annotary.cli.flags import STATE, filters, option
from annotary.cli.printing import count, progress, show, show_json, table
from annotary.cli.session import Session, Usage
from annotary.errors import Invalid
from annotary.model.analysis import Averages, Bin, Evaluation, Statistics, Suspects
from annotary.model.export import LabelRule

WHAT, RESULT, LIMITS = "Of what", "Result", "Thresholds"


def _project() -> Parameter:
    import typer

    from annotary.cli.flags import argument

    info = typer.Argument(metavar="PROJECT", help="A project's name or id.", show_default=False)
    return argument("project", info, str | None, None)


def _run() -> Parameter:
    return option("model_run", str | None, WHAT, "A model run, by id or name.", "--model-run", metavar="ID")


def _labels() -> Parameter:
    return option("labels", LabelRule, STATE, "Which of several labels of a row.", "--labels", default="all")


def _state() -> Iterator[Parameter]:
    help = "The state at this snapshot or sequence number."
    yield option("as_of", str | None, STATE, help, "--as-of", metavar="SNAPSHOT_OR_SEQUENCE")
    yield _labels()


def _limit(default: int, what: str) -> Parameter:
    return option("limit", int, RESULT, f"So many {what}, at most 10000.", "--limit", default=default)


def _confidence(default: float, help: str) -> Parameter:
    return option("confidence", float, LIMITS, help, "--confidence", default=default)


def stats_parameters() -> list[Parameter]:
    """Everything that may be typed after `stats`."""
    return [
        _project(),
        _run(),
        option("dataset", str | None, WHAT, "A dataset, by id or name.", "--dataset", metavar="ID"),
        *filters(),
        *_state(),
        option("split", str | None, RESULT, "Count by these shares, as 0.8,0.1,0.1.", "--split"),
        option("seed", int, RESULT, "Another number, another split.", "--seed", default=0),
        option("split_by", str | None, RESULT, "Count by the values of a metadata field.", "--split-by"),
        option("chart", str | None, RESULT, "Draw the classes into an SVG.", "--chart", metavar="FILE"),
    ]


def evaluate_parameters() -> list[Parameter]:
    """Everything that may be typed after `evaluate`."""
    return [
        _project(),
        _run(),
        option("predictions", str | None, WHAT, "A file of predictions, in place of a run.", "--predictions"),
        option("format", str | None, WHAT, "The file's format; default: by its content.", "--format"),
        option("data_row_id", list[str] | None, WHAT, "Only this row; repeatable.", "--data-row-id"),
        _labels(),
        option("iou", float, LIMITS, "From this IoU on objects go together.", "--iou", default=0.5),
        _confidence(0.0, "Below this confidence predictions do not count for classes, confusion and rows."),
        _limit(20, "rows, the worst first"),
        option(
            "averages",
            bool,
            RESULT,
            "Compute AP and AR; without them it is faster, and memory does not grow with the rows.",
            "--averages/--no-averages",
            default=True,
        ),
        option(
            "picture",
            str | None,
            RESULT,
            "Draw confusion and curves into an SVG.",
            "--picture",
            metavar="FILE",
        ),
    ]


def lint_parameters() -> list[Parameter]:
    """Everything that may be typed after `lint`."""
    return [
        _project(),
        _run(),
        *filters(),
        *_state(),
        _confidence(0.8, "From this confidence on a prediction without a label is told of."),
        _limit(50, "suspicious labels"),
    ]


PARAMETERS: dict[str, Callable[[], list[Parameter]]] = {
    "stats": stats_parameters,
    "evaluate": evaluate_parameters,
    "lint": lint_parameters,
}


def stats(session: Session, **given: Any) -> None:
    """Count and size what a project, a model run or a dataset holds."""
    chosen = filters_given(given)
    split = _shares(given["split"])
    with session.client() as client:
        handle = _handle(session, client, given, ("project", "model_run", "dataset"))
        with progress(session, "counting") as move:
            found = handle.stats(
                chosen,
                as_of=given["as_of"],
                labels=given["labels"],
                split=split,
                seed=given["seed"],
                split_by=given["split_by"] or "",
                progress=move,
            )
    _draw(given["chart"], lambda: pictures.classes(found, handle.name))
    if session.json:
        show_json(found)
    else:
        _show_statistics(handle.name, found)


def evaluate(session: Session, **given: Any) -> None:
    """Measure a model run's predictions against labels."""
    _bounded(given)
    if (given["model_run"] is None) == (given["predictions"] is None):
        raise Usage("give --model-run, or PROJECT and --predictions")
    if given["predictions"] is not None and given["project"] is None:
        raise Usage("--predictions are measured against labels: give PROJECT")
    how = {name: given[name] for name in ("labels", "iou", "confidence", "limit", "averages")}
    how["data_row_ids"] = given["data_row_id"] or ()
    with session.client() as client:
        project = find_project(session, client, given["project"]) if given["project"] else None
        if given["model_run"] is not None:
            run = find_run(session, client, given["model_run"])
            name = run.name
            with progress(session, "measuring") as move:
                found = run.evaluate(None if project is None else project.id, progress=move, **how)
        else:
            assert project is not None
            name = Path(given["predictions"]).name
            with progress(session, "measuring") as move:
                found = project.evaluate(given["predictions"], format=given["format"], progress=move, **how)
    _draw(given["picture"], lambda: pictures.evaluation(found, name))
    if session.json:
        show_json(found)
    else:
        _show_evaluation(name, found)


def lint(session: Session, **given: Any) -> None:
    """Rank the labels that look wrong."""
    _bounded(given)
    chosen = filters_given(given)
    with session.client() as client:
        handle = _handle(session, client, given, ("project", "model_run"))
        with progress(session, "looking through") as move:
            found = handle.lint(
                chosen,
                as_of=given["as_of"],
                labels=given["labels"],
                limit=given["limit"],
                confidence=given["confidence"],
                progress=move,
            )
    if session.json:
        show_json(found)
    else:
        _show_suspects(found)


def _handle(session: Session, client: Any, given: dict[str, Any], scopes: tuple[str, ...]) -> Any:
    named = [name for name in scopes if given[name] is not None]
    if len(named) != 1:
        words = ["PROJECT" if name == "project" else f"--{name.replace('_', '-')}" for name in scopes]
        raise Usage(f"give one of {', '.join(words[:-1])} and {words[-1]}")
    find = {"project": find_project, "model_run": find_run, "dataset": find_dataset}[named[0]]
    return find(session, client, given[named[0]])


def _bounded(given: dict[str, Any]) -> None:
    for name, top in (("iou", 1), ("confidence", 1), ("limit", 10_000)):
        if name in given and not 0 <= given[name] <= top:
            raise Usage(f"--{name}: {given[name]} is not between 0 and {top:,}")


def _shares(given: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(one) for one in given.split(",")) if given else ()
    except ValueError:
        raise Usage(f"--split: {given!r} are no shares such as 0.8,0.1,0.1") from None


def _draw(path: str | None, picture: Callable[[], str]) -> None:
    if path is None:
        return
    if not path.endswith(".svg"):
        raise Invalid(f"{path}: the picture is an SVG; name it so")
    Path(path).write_text(picture(), "utf-8")


def _show_statistics(name: str, found: Statistics) -> None:
    show(name)
    show(
        ", ".join(
            (
                count(found.rows, "row"),
                count(found.labels, "label"),
                count(found.objects, "object"),
                f"{found.rows_without_objects:,} without objects",
            )
        )
    )
    kinds = list(dict.fromkeys(kind for one in found.by_class_and_kind.values() for kind in one))
    rows = [
        (label, total, *(found.by_class_and_kind[label].get(kind, 0) for kind in kinds))
        for label, total in found.by_class.items()
    ]
    _section(("class", "objects", *kinds), rows)
    _section(("class", "small", "medium", "large"), [(one, *of.values()) for one, of in found.sizes.items()])
    if found.unmeasured:
        show(f"{count(found.unmeasured, 'object')} could not be measured")
    _section(
        ("workflow status", "rows", "labels"),
        [(one, rows, found.labels_by_status.get(one, 0)) for one, rows in found.by_status.items()],
    )
    _section(
        ("split", "rows", "labels", "objects"),
        [(one or "-", of.rows, of.labels, of.objects) for one, of in found.by_split.items()],
    )
    _section(
        ("question", "answer", "times"),
        [(one, answer, times) for one, of in found.answers.items() for answer, times in of.items()],
    )
    _section(("labelled by", "labels"), [(one or "-", times) for one, times in found.by_annotator.items()])
    _section(("day", "labels"), list(found.by_day.items()))
    for heading, bins in (
        ("objects in a row", found.objects_per_row),
        ("share of the image", found.relative_area),
        ("width / height", found.aspect),
    ):
        what = "rows" if bins is found.objects_per_row else "objects"
        _section((heading, what), [(_range(one), one.count) for one in bins if one.count])


def _range(one: Bin) -> str:
    return f"{one.low:.4g} and more" if one.high is None else f"{one.low:.4g} to below {one.high:.4g}"


def _show_evaluation(name: str, found: Evaluation) -> None:
    show(name)
    show(
        f"{count(found.rows, 'row')}, {count(found.labels, 'object')} labelled,"
        f" {found.predictions:,} predicted with confidence {found.confidence:g} or more"
        + (f", {count(found.unlabelled, 'row')} without a label left aside" if found.unlabelled else "")
    )
    columns = [("boxes", found.boxes), *([("pixels", found.shapes)] if found.shapes else [])]
    _section(
        ("COCO", *(one for one, _ in columns)),
        [
            (field, *(_number(getattr(values, field)) for _, values in columns))
            for field in Averages.__struct_fields__
        ],
    )
    rows = [
        (
            one.name,
            one.labels,
            one.predictions,
            one.matched,
            _number(one.precision),
            _number(one.recall),
            _number(one.ap50),
        )
        for one in found.classes
    ]
    headings = ("class", "labels", "predictions", "matched", "precision", "recall", "AP50")
    _section(headings, rows)
    names = [*(one.name for one in found.classes), "(background)"]
    _section(
        ("label \\ prediction", *names),
        [(one, *counts) for one, counts in zip(names, found.confusion, strict=True)],
    )
    _section(
        ("worst rows", "key", "IoU", "pairs", "missed", "spurious"),
        [
            (
                one.data_row_id,
                one.global_key,
                _number(one.iou),
                len(one.pairs),
                len(one.missed),
                len(one.spurious),
            )
            for one in found.worst
        ],
    )
    if found.left_out:
        rest = ", ".join(f"{kind} {times:,}" for kind, times in found.left_out.items())
        show(f"left out, nothing to compare: {rest}")
    if found.ignored:
        show(f"ignored in crowds: {found.ignored:,}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _show_suspects(found: Suspects) -> None:
    show(f"{count(found.rows, 'row')}, {count(found.labels, 'label')}")
    _section(("reason", "times"), list(found.found.items()))
    _section(
        ("score", "reason", "class", "detail", "row", "key", "feature"),
        [
            (
                f"{one.score:.3f}",
                one.reason,
                one.name,
                one.detail,
                one.data_row_id,
                one.global_key,
                one.feature_id,
            )
            for one in found.suspects
        ],
    )


def _section(headings: tuple[str, ...], rows: list[Any]) -> None:
    if rows:
        show()
        table(headings, rows)
