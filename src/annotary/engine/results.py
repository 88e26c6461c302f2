"""Predictions whose file names images by another file's ids: which data rows those are, and which classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from sqlalchemy import select

from annotary.engine.core import Engine
from annotary.engine.sharing import Target
from annotary.errors import Invalid
from annotary.formats._disk import Groups
from annotary.formats._images import images as of_pages
from annotary.formats._losses import drop
from annotary.model.carried import typed
from annotary.model.corpus import Problem
from annotary.model.export import ExportParams
from annotary.model.image import NOTHING, Classes, Image
from annotary.model.ledger import Ledger
from annotary.model.ontology import Normalized
from annotary.model.project import Dataset
from annotary.store.filters import FOREVER, Condition
from annotary.store.rows import catalog_pages
from annotary.store.schema import collection_versions


class _Coco(msgspec.Struct, gc=False):
    id: Any = None


class _Known(msgspec.Struct, array_like=True):
    """A data row that predictions may be for."""

    number: int
    id: str
    width: int
    height: int


_coco = msgspec.json.Decoder(_Coco).decode
_known = msgspec.json.Decoder(_Known).decode


class Results:
    """Images of a results file as data rows of the store, class by class under the names these have."""

    def __init__(
        self, engine: Engine, target: Target, ledger: Ledger, report: Callable[[Problem], None]
    ) -> None:
        self._engine = engine
        self._target = target
        self._ledger = ledger
        self._report = report
        self._rows: Groups | None = None
        self._names: dict[int, dict[int, str]] = {}
        self.classes = Classes()

    def joined(self, found: Iterable[Image]) -> Iterator[Image]:
        """Images that are known; of one that is not, or that several may be, a problem tells."""
        for image in found:
            if image.joins is None:
                yield image
                continue
            if self._target.run is None:
                raise Invalid(
                    "the file has predictions for images that it does not hold: give --model and --run"
                )
            known = self._row(image.joins)
            if isinstance(known, str):
                self._report(Problem(place=image.place, value=str(image.joins), reason=known))
                for mark in image.marks:
                    drop(self._ledger, image, mark, known)
                continue
            names = self._categories(known.number)
            for mark in image.marks:
                name = names.get(int(mark.name), mark.name) if mark.name.isdecimal() else mark.name
                if name not in self.classes.by_name:
                    category = {"id": int(mark.name)} if mark.name.isdecimal() else {}
                    self.classes.add(name, category=category)
                mark.name = name
            # All that is known of the image is there already.
            image.id, image.width, image.height = known.id, known.width, known.height
            image.global_key = image.external_id = image.row_data = ""
            image.coco = NOTHING
            yield image

    def _row(self, key: int | str) -> _Known | str:
        """The data row of an image's id in the COCO file it came with, else of an external id."""
        if self._rows is None:
            self._rows = Groups()
            self._rows.add(self._each())
        for wanted in (_number(key), _text(key)):
            held = [_known(one) for one in self._rows.of(wanted)]
            if len(held) == 1:
                return held[0]
            if held:
                ids = ", ".join(one.id for one in held[:3])
                return f"{len(held)} data rows came with this image id ({ids}, ...); give their --dataset"
        return "no image came with this id from a COCO file, and none has it as its external id"

    def _each(self) -> Iterator[tuple[str, bytes]]:
        store = self._engine.store
        where = Condition("d.org = ? AND d.dataset <> ''", (store.org,))
        if self._target.dataset is not None:
            ids = {one.id for one in store.find(Dataset, name=self._target.dataset)} | {self._target.dataset}
            marks = ",".join("?" * len(ids))
            where = Condition(f"{where.sql} AND d.dataset IN ({marks})", (store.org, *sorted(ids)))
        for image in of_pages(
            catalog_pages(self._engine.reader, where, [], ExportParams(), predictions=False)
        ):
            known = msgspec.json.encode(_Known(image.number, image.id, image.width, image.height))
            id = _coco(image.coco).id if image.coco else None
            if isinstance(id, int | str):
                yield _number(id), known
            if image.external_id:
                yield _text(image.external_id), known

    def _categories(self, number: int) -> dict[int, str]:
        """The names of category ids in the projects that have a data row."""
        found: dict[int, str] = {}
        for collection in self._engine.store.collections_of(number):
            if collection not in self._names:
                self._names[collection] = self._named(collection)
            found = {**self._names[collection], **found}
        return found

    def _named(self, collection: int) -> dict[int, str]:
        query = select(collection_versions.c.ontology).where(
            collection_versions.c.collection == collection, collection_versions.c.until == FOREVER
        )
        with self._engine.store.reading() as connection:
            found = connection.execute(query).scalar_one()
        said = ((tool.category, tool.name) for tool in typed(found, Normalized).tools)
        return {one["id"]: name for one, name in said if isinstance(one, dict) and "id" in one}


def _number(key: int | str) -> str:
    """An id of a COCO file; numbers and texts are apart, as they are there."""
    return f"{type(key).__name__}:{key}"


def _text(key: int | str) -> str:
    """An external id."""
    return f"external:{key}"
