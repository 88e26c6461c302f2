"""A Dask cluster as an executor: what carries the stretches of an export to other machines."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any
from urllib.parse import SplitResult, urlsplit

from annotary.errors import Invalid, Missing, Unavailable
from annotary.model.program import version

SECONDS = 10
"""So long a scheduler may take to answer."""
OWN = version()


def own_version() -> str:
    """The version of annotary where this is called: what each worker is asked."""
    return OWN


@contextmanager
def cluster(address: str) -> Iterator[tuple[Executor, int]]:
    """An executor on the workers of a Dask scheduler, and how many threads these have.

    Raises Missing, Invalid where the address or the workers are not as they must be, Unavailable.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise Missing("--scheduler needs Dask; install 'annotary[cluster]'") from error
    place = urlsplit(address)
    if place.scheme not in ("tcp", "tls") or not place.hostname or not _port(place):
        raise Invalid(f"--scheduler {address}: not an address of a scheduler, such as tcp://host:8786")
    # Of a connection that is lost it would tell the terminal at length; what comes of it is told by us.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        # Dask itself would go on trying where nobody listens.
        socket.create_connection((place.hostname, place.port), SECONDS).close()
        client: Any = Client(address, timeout=SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError) as error:
        raise Unavailable(f"no Dask scheduler answers at {address}: {error}") from None
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise Unavailable(
                f"the Dask scheduler at {address} has no workers; start some: dask worker {address}"
            )
        _check(client.run(own_version, on_error="return"), address)
        yield client.get_executor(pure=False), threads


def _port(place: SplitResult) -> int | None:
    try:
        return place.port
    except ValueError:
        return None


def _check(answers: dict[str, object], address: str) -> None:
    """Raises Invalid where a worker does not have this version, which would write something else."""
    for worker, answer in answers.items():
        if answer != OWN:
            has = f"cannot import annotary ({answer})" if isinstance(answer, Exception) else f"has {answer}"
            raise Invalid(f"the worker {worker} of {address} {has}; install annotary {OWN} there")
