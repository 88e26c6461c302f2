"""The commands that list: formats, projects, show, datasets, models, tasks, snapshots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeVar

import typer

from annotary.cli.finding import find_project
from annotary.cli.printing import count, hint, show, show_json, table
from annotary.cli.session import Session

V = TypeVar("V")
PAGE = 1000
ProjectName = Annotated[str, typer.Argument(metavar="PROJECT", help="A project's name or id.")]


def list_formats(session: Session) -> None:
    """Every format: whether it is read and written, and what it can say."""
    from annotary.formats import load, names

    found = []
    for name in names():
        form = load(name)
        found.append(
            {
                "name": name,
                "title": form.title,
                "reads": form.read is not None or form.read_ontology is not None,
                "writes": form.write is not None,
                "says": form.says,
            }
        )
    if session.json:
        show_json(found)
        return
    mark = {True: "yes", False: "-"}
    rows = [
        (one["name"], mark[bool(one["reads"])], mark[bool(one["writes"])], one["says"] or one["title"])
        for one in found
    ]
    table(("format", "reads", "writes", "what it can say"), rows)


def list_projects(session: Session) -> None:
    """All projects of the store."""
    from annotary.operations.projects import FindProjects

    with session.client() as client:
        found = list(_pages(lambda after: client.call(FindProjects(after=after, limit=PAGE))))
    if session.json:
        show_json(found)
    elif found:
        table(("project", "id", "changed"), [(one.name, one.id, _date(one.updated_at)) for one in found])
    else:
        _nothing(session, "projects")


def list_datasets(session: Session) -> None:
    """All datasets of the store."""
    from annotary.operations.datasets import CountDataRows, FindDatasets

    with session.client() as client:
        found = list(_pages(lambda after: client.call(FindDatasets(after=after, limit=PAGE))))
        sizes = [client.call(CountDataRows(dataset_id=one.id)) for one in found]
    if session.json:
        import msgspec

        show_json(
            [{**msgspec.to_builtins(one), "data_rows": size} for one, size in zip(found, sizes, strict=True)]
        )
    elif found:
        rows = [
            (one.name, one.id, size, _date(one.created_at)) for one, size in zip(found, sizes, strict=True)
        ]
        table(("dataset", "id", "data rows", "made"), rows)
    else:
        _nothing(session, "datasets")


def list_models(session: Session) -> None:
    """All models with their runs."""
    import msgspec

    with session.client() as client:
        found = [(model, client.get_model_runs(model.id)) for model in client.get_models()]
    if session.json:
        show_json(
            [{**msgspec.to_builtins(model), "runs": [run.value for run in runs]} for model, runs in found]
        )
    elif found:
        rows = []
        for model, runs in found:
            rows += [(model.name, model.id, run.name, run.id) for run in runs]
            if not runs:
                rows.append((model.name, model.id, "-", "-"))
        table(("model", "id", "run", "run id"), rows)
    else:
        _nothing(session, "models")


def list_tasks(
    session: Session,
    delete: Annotated[
        list[str] | None,
        typer.Option(help="Remove this task, which has ended, with its files; repeatable.", metavar="ID"),
    ] = None,
) -> None:
    """The latest tasks, newest first."""
    from annotary.operations.tasks import DeleteTask, FindTasks

    with session.client() as client:
        for id in delete or ():
            client.call(DeleteTask(task_id=id))
        found = client.call(FindTasks())
    if session.json:
        show_json(found)
    elif found:
        rows = [(one.name, one.id, one.status, _date(one.created_at), one.error or "") for one in found]
        table(("task", "id", "status", "asked for", "error"), rows)
    else:
        _nothing(session, "tasks")


def show_project(session: Session, project: ProjectName) -> None:
    """A project in numbers: rows by workflow status, annotations by class and kind, its batches."""
    import msgspec

    with session.client() as client:
        handle = find_project(session, client, project)
        summary = handle.summary()
        batches = handle.batches()
    if session.json:
        numbers = msgspec.to_builtins(summary)
        show_json({**msgspec.to_builtins(handle.value), **numbers, "batches": batches})
        return
    show(f"{handle.name} ({handle.id})")
    numbers_shown = (
        count(summary.rows, "row"),
        count(summary.labels, "label"),
        f"{summary.rows_without_objects:,} without objects",
        f"sequence {summary.sequence:,}" if summary.sequence is not None else "",
    )
    show(", ".join(filter(None, numbers_shown)))
    for heading, what, counts in (
        ("workflow status", "rows", summary.by_status),
        ("class", "objects", summary.by_class),
        ("kind", "annotations", summary.by_kind),
    ):
        _section((heading, what), [(name, counts[name]) for name in counts])
    _section(("batch", "id", "priority"), [(one.name, one.id, one.priority) for one in batches])


def make_snapshot(
    session: Session,
    project: ProjectName,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of this state.")],
) -> None:
    """Name the project's present state, for `export --as-of NAME`."""
    with session.client() as client:
        handle = find_project(session, client, project)
        made = handle.snapshot(name)
    if session.json:
        show_json(made)
        return
    show(f"snapshot {made.name} of {handle.name}: sequence {made.sequence:,}")
    hint(session, "export", project, "--as-of", made.name)


def list_snapshots(session: Session, project: ProjectName) -> None:
    """The snapshots of a project."""
    from annotary.operations.projects import FindSnapshots

    with session.client() as client:
        handle = find_project(session, client, project)
        found = client.call(FindSnapshots(kind="project", id=handle.id))
    if session.json:
        show_json(found)
    elif found:
        rows = [(one.name, one.sequence, _date(one.created_at)) for one in found]
        table(("snapshot", "sequence", "made"), rows)
    else:
        _nothing(session, "snapshots")


def _section(headings: tuple[str, ...], rows: list[Any]) -> None:
    if rows:
        show()
        table(headings, rows)


def _pages(find: Callable[[str | None], list[Any]]) -> Iterator[Any]:
    after = None
    while found := find(after):
        yield from found
        after = found[-1].id


def _date(stamp: str) -> str:
    """An instant for people: to the second, in UTC."""
    return f"{stamp[:10]} {stamp[11:19]}"


def _nothing(session: Session, what: str) -> None:
    if not session.quiet:
        show(f"no {what} in {session.shown_place}")
