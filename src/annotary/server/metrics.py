"""Counters of a server in the text form that Prometheus reads (exposition format 0.0.4)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from threading import Lock

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """Requests by method, route and status, how long they took, and how many bytes were sent."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: dict[str, list[float]] = {}
        self._sent = 0
        self.open = 0

    def took(self, method: str, route: str, status: int, seconds: float, sent: int) -> None:
        """Note a request down."""
        with self._lock:
            self._requests[method, route, status] += 1
            # The counts of each bound and beyond, then the sum.
            spread = self._seconds.setdefault(route, [0.0] * (len(BOUNDS) + 2))
            spread[bisect_left(BOUNDS, seconds)] += 1
            spread[-1] += seconds
            self._sent += sent

    def text(self, tasks: Mapping[str, int], uptime: float) -> str:
        """All counters; `tasks` by status."""
        return "\n".join(self._lines(tasks, uptime)) + "\n"

    def _lines(self, tasks: Mapping[str, int], uptime: float) -> Iterator[str]:
        with self._lock:
            requests, sent = dict(self._requests), self._sent
            seconds = {route: list(spread) for route, spread in self._seconds.items()}
        yield from _head("annotary_requests_total", "counter", "Requests that were answered.")
        for (method, route, status), number in sorted(requests.items()):
            yield f'annotary_requests_total{{method="{method}",route="{route}",status="{status}"}} {number}'
        yield from _head("annotary_request_seconds", "histogram", "How long requests took.")
        for route, spread in sorted(seconds.items()):
            total = 0
            for bound, share in zip((*BOUNDS, "+Inf"), spread[:-1], strict=True):
                total += int(share)
                yield f'annotary_request_seconds_bucket{{route="{route}",le="{bound}"}} {total}'
            yield f'annotary_request_seconds_sum{{route="{route}"}} {spread[-1]:.6f}'
            yield f'annotary_request_seconds_count{{route="{route}"}} {total}'
        yield from _head("annotary_sent_bytes_total", "counter", "Bytes of answers.")
        yield f"annotary_sent_bytes_total {sent}"
        yield from _head("annotary_requests_open", "gauge", "Requests being answered now.")
        yield f"annotary_requests_open {self.open}"
        yield from _head("annotary_tasks", "gauge", "Tasks that wait or run.")
        for name in ("QUEUED", "IN_PROGRESS"):
            yield f'annotary_tasks{{status="{name}"}} {tasks.get(name, 0)}'
        yield from _head("annotary_uptime_seconds", "gauge", "Since when the server runs.")
        yield f"annotary_uptime_seconds {uptime:.3f}"


def _head(name: str, kind: str, help: str) -> Iterator[str]:
    yield f"# HELP {name} {help}"
    yield f"# TYPE {name} {kind}"
