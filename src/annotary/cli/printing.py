"""Output: tables, JSON, problems and notices, the bar of progress."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

from annotary.cli.session import DEFAULT_STORE, Session, plain, say
from annotary.model.corpus import Notice, Problem

SHOWN = 20
"""So many problems are shown in a table; the rest is counted."""
_WIDE = 100_000


def show(text: str = "") -> None:
    """A line of the result, on standard output."""
    print(plain(text))


def show_json(value: Any) -> None:
    """One JSON document on standard output, in ASCII."""
    import msgspec

    # The standard encoder also takes file names that are not text; they come out as escapes.
    print(json.dumps(msgspec.to_builtins(value)))


def count(number: int, one: str, several: str | None = None) -> str:
    """A number with its noun.

    >>> count(1, "row"), count(12345, "row"), count(2, "class", "classes")
    ('1 row', '12,345 rows', '2 classes')
    """
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]], *, file: IO[str] | None = None) -> None:
    """Rows under headings; numbers stand to the right. Nothing where there are no rows."""
    if not rows:
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    out = file or sys.stdout
    # Programs that read the table want whole cells, whatever their length.
    console = Console(file=out, width=None if out.isatty() else _WIDE, highlight=False)
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for place, heading in enumerate(headings):
        numeric = all(isinstance(row[place], int) for row in rows)
        made.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(f"{one:,}" if isinstance(one, int) else plain(str(one))) for one in row))
    if out.isatty():
        console.print(made)
        return
    with console.capture() as capture:
        console.print(made)
    for line in capture.get().splitlines():
        print(line.rstrip(), file=out)


def show_problems(problems: Sequence[Problem], total: int) -> None:
    """The first problems as a table on standard error, and how many more there are."""
    shown = problems[:SHOWN]
    rows = [(one.place, one.value, one.reason) for one in shown]
    table(("problem at", "value", "reason"), rows, file=sys.stderr)
    if total > len(shown):
        say(f"... and {total - len(shown):,} more")


def show_notices(session: Session, notices: Sequence[Notice]) -> None:
    """Notices as a table on standard error."""
    if not session.quiet:
        rows = [(one.count, one.reason, one.place, one.value) for one in notices]
        table(("times", "notice", "first at", "value"), rows, file=sys.stderr)


def show_losses(session: Session, losses: dict[str, Any]) -> None:
    """The ledger as two tables on standard error: what was lost, and the balance."""
    if session.quiet or not losses["losses"]:
        return
    rows = [
        (
            one["count"],
            one["kind"],
            one["action"],
            one["reason"],
            f"{one['iou_mean']:.3f} / {one['iou_worst']:.3f}" if "iou_mean" in one else "",
            one["ids"][0],
        )
        for one in losses["losses"]
    ]
    headings = ("times", "kind", "loss", "reason", "IoU mean / worst", "such as")
    table(headings, rows, file=sys.stderr)
    balance = [(one["kind"], one["in"], one["out"], one["dropped"]) for one in losses["balance"]]
    table(("kind", "in", "out", "dropped"), balance, file=sys.stderr)


@contextmanager
def progress(session: Session, what: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """A bar on standard error, moved by calling it with the rows done; none where nobody would see it."""
    if session.quiet or not sys.stderr.isatty():
        yield lambda done, total=None: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    def said(done: int, total: int | None) -> str:
        return f"{done:,} of {total:,} rows" if total else f"{done:,} rows"

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total, said=said(0, total))
        yield lambda done, total=total: bar.update(task, completed=done, total=total, said=said(done, total))


def typed(session: Session, *words: str) -> str:
    """A command line that can be copied: this program on the same target."""
    line = [program()]
    if session.place != (os.environ.get("ANNOTARY_AT") or DEFAULT_STORE):
        line += ["--at", session.shown_place]
    if session.org != "default":
        line += ["--org", session.org]
    return shlex.join([*line, *words])


def program() -> str:
    """How this program is called from here: by name where the shell finds this one, else by its path."""
    own = sys.argv[0]
    found = shutil.which("annotary")
    if found is None and os.path.basename(own) == "annotary" and os.path.exists(own):
        return own
    if found and os.path.exists(own) and os.path.basename(own) == "annotary":
        return "annotary" if os.path.samefile(found, own) else own
    return "annotary"


def hint(session: Session, *words: str) -> None:
    """What to type next, on standard error."""
    if not session.quiet and not session.json:
        say(f"next: {typed(session, *words)}")
