"""The command `demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from annotary.cli.printing import progress, show, show_json, table, typed
from annotary.cli.session import Session, Usage, interruptible
from annotary.model.project import Summary

FOLDER = "annotary-demo"


def _counts(summary: Summary) -> tuple[int, int, int]:
    return summary.rows, summary.labels, sum(summary.by_class.values())


def demo(
    session: Session,
    folder: Annotated[str | None, typer.Argument(metavar="[FOLDER]", help="Where to make it.")] = None,
) -> None:
    """Make the sample project in a folder, export it, say what was made and where."""
    from annotary.client.embedded import Embedded
    from annotary.client.port import connect
    from annotary.engine.demo import ROWS, make_demo

    at = session.at or ""
    if at.startswith(("http://", "https://")):
        raise Usage("demo makes a store of its own: give a folder, or --at a postgresql:// URL")
    place = Path(folder or (FOLDER if "://" in at else at) or FOLDER)
    target = at if "://" in at else str(place)
    state = "run the same command again to go on"
    with progress(session, "making the demo", ROWS) as move, interruptible(state):
        port = connect(target, org=session.org)
        assert isinstance(port, Embedded)
        try:
            made = make_demo(port.engine, place, progress=move)
        finally:
            port.close()
    if session.json:
        show_json(made)
        return
    summary, of_run = made.summary, made.run_summary
    rows = [
        ("project", made.project, *_counts(summary), made.project_id),
        ("model run", f"{made.model}, {made.model_run}", *_counts(of_run), made.model_run_id),
    ]
    show(f"The sample is in {Session(at=target).shown_place}, its pictures in {made.pictures}.")
    show()
    table(("made", "name", "rows", "labels", "objects", "id"), rows)
    for heading, what, numbers in (
        ("workflow status", "rows", summary.by_status),
        ("class", "objects", summary.by_class),
        ("kind", "annotations", summary.by_kind),
    ):
        show()
        table((heading, what), list(numbers.items()))
    show()
    table(("file", "bytes", "what it is"), [(one.path, one.bytes, one.what) for one in made.files])
    show()
    show("what to type next:")
    here = Session(at=target, org=session.org)
    for words in (
        ("show", made.project),
        ("export", made.project, "--all-details", "-o", "street-scenes.json"),
        ("export", "--model-run", made.model_run_id, "-o", "predictions.ndjson"),
    ):
        show(f"  {typed(here, *words)}")
