"""The port: the few verbs through which a client reaches annotary, here or elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from annotary.errors import Invalid
from annotary.model.analysis import Evaluation
from annotary.operations import Operation
from annotary.operations.analyses import Measure
from annotary.operations.exports import StartExport

if TYPE_CHECKING:
    from annotary.engine.exporting import Export
    from annotary.engine.loading import Report

R = TypeVar("R")


class Port(Protocol):
    """What carries a client's wishes out."""

    base_url: str

    def call(self, operation: Operation[R]) -> R:
        """Carry an operation out."""

    def export(
        self,
        request: StartExport,
        *,
        counted: bool = False,
        images: Path | None = None,
        executor: Executor | None = None,
    ) -> Export:
        """Set an export up, to be read by its parts.

        `images` is where the images' own files are; `executor` writes its stretches.
        """

    def load(self, given: Iterable[Any], *, images: Path | None = None, **options: Any) -> Report:
        """Import paths, or values as they would stand in a file."""

    def evaluate(
        self, path: str | Path, measure: Measure, *, project_id: str, format: str | None = None
    ) -> Evaluation:
        """Measure predictions out of a file against a project's labels."""

    def mask(self, feature_id: str) -> bytes:
        """The PNG of a mask, or of another object's filled shape."""

    def close(self) -> None:
        """Let go of what is held open."""


def connect(
    target: str | Path, *, org: str = "default", base_url: str | None = None, key: str | None = None
) -> Port:
    """A port to a target: a folder, a `postgresql://` URL, or the URL of a server, with an API key of it.

    Raises Invalid, Unavailable, and NotFound where the store has no such organisation.
    """
    if str(target).startswith(("http://", "https://")):
        if org != "default":
            raise Invalid(
                f"org: {target} is a server, where the API key decides which organisation one is in"
            )
        from annotary.client.remote import Remote

        return Remote(str(target), key)
    # The engine brings the database libraries along; whoever only imports annotary does not wait for them.
    from annotary.client.embedded import Embedded
    from annotary.engine.core import DEFAULT_BASE_URL, Engine
    from annotary.engine.users import organization
    from annotary.store import Store

    store = Store.open(target)
    try:
        store = store.seen_as(organization(store, org).id)
    except BaseException:
        store.close()
        raise
    return Embedded(Engine(store, base_url=base_url or DEFAULT_BASE_URL))
