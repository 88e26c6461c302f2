"""A thread beside the one that imports: it asks and writes the database while rows are worked out."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
SWITCH_SECONDS = 0.002
"""So long a thread computes before another may: the database's one has little to do between its statements,
and would wait for the usual five milliseconds after each. Taking turns more often costs more than it gains.
"""


class Aside:
    """Carries out jobs one after the other, in the order given, within the transaction that is open."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "annotary import")
        self._context = copy_context()
        self._before = sys.getswitchinterval()
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        sys.setswitchinterval(min(SWITCH_SECONDS, self._before))
        # What is there already is not looked through again and again for cycles among what comes.
        gc.freeze()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After a failure the transaction is undone: what has not begun need not be done.
        self._pool.shutdown(cancel_futures=True)
        gc.unfreeze()
        sys.setswitchinterval(self._before)

    def submit(self, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a job done; its result, or what it or an earlier one raised, comes with the future."""

        def done() -> T:
            if self._failure is not None:
                raise self._failure
            try:
                return self._context.run(job, *args, **kwargs)
            except BaseException as failure:
                self._failure = failure
                raise

        return self._pool.submit(done)

    def settle(self) -> None:
        """Wait until all jobs are done: then the database is the caller's. Raises what one of them raised."""
        self.submit(int).result()
