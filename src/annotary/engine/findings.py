"""What an import, export or conversion has to tell: problems, notices, counts."""

from __future__ import annotations

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

    @property
    def notices(self) -> list[Notice]:
        """The remarks, one for each reason."""
        return list(self._notices.values())
