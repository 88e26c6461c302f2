"""What an import, export or conversion has to tell: problems, notices, counts."""

from __future__ import annotations

from annotary.errors import Lossy
from annotary.model.corpus import Notice, Problem
from annotary.model.ledger import Ledger

KEPT = 1000
"""So many problems are kept to be shown; all are counted."""


class Findings:
    """Problems one by one up to a limit, notices gathered by their reason, losses in a ledger."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.problems: list[Problem] = []
        self.problem_count = 0
        self._notices: dict[str, Notice] = {}

    def report(self, problem: Problem) -> None:
        """Take note of a problem."""
        self.problem_count += 1
        if len(self.problems) < KEPT:
            self.problems.append(problem)

    def notify(self, notice: Notice) -> None:
        """Take note of a remark; the first place of its kind is kept."""
        present = self._notices.get(notice.reason)
        if present is None:
            self._notices[notice.reason] = notice
        else:
            self._notices[notice.reason] = Notice(
                place=present.place,
                value=present.value,
                reason=present.reason,
                count=present.count + notice.count,
            )

    def add(self, later: Findings) -> None:
        """Take note of the remarks and losses of what came after."""
        self.ledger.add(later.ledger)
        for notice in later.notices:
            self.notify(notice)

    @property
    def notices(self) -> list[Notice]:
        """The remarks, one for each reason."""
        return list(self._notices.values())


def refuse_losses(ledger: Ledger) -> None:
    """Raises Lossy where the ledger has any loss."""
    losses = ledger.losses
    if losses:
        first = losses[0]
        more = f" (and {len(losses) - 1} other losses)" if len(losses) > 1 else ""
        raise Lossy(
            f"nothing was written: {first.count:,} {first.kind} would be {first.action}: {first.reason},"
            f" such as {first.ids[0]}{more}; leave --strict out to accept that",
            ledger.document(),
        )
