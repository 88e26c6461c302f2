"""What a row of a file brings to which projects, runs and datasets."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import UNSET

from annotary.engine.entries import Entry, Share, data_row_id
from annotary.engine.features import Unfit
from annotary.engine.places import Place, Seen
from annotary.model.carried import Extras, below
from annotary.model.corpus import Parsed
from annotary.model.project import Dataset
from annotary.model.row import DataRowDetails, Label, ProjectDetails, ProjectPart


class Target(NamedTuple):
    """Where the user wants rows; None for what the file says.

    `project` is an id and a name, `unnamed` that of rows whose file names none; `run` the ids and names of a
    run and its model.
    """

    project: tuple[str, str] | None = None
    run: tuple[str, str, str, str] | None = None
    dataset: str | None = None
    unnamed: tuple[str, str] | None = None


class Sharing:
    """Takes rows apart by where their parts go; `org` is the store's organisation."""

    def __init__(self, places: Seen, target: Target, org: str) -> None:
        self.places = places
        self.target = target
        self.org = org

    def entry(self, one: Parsed) -> Entry:
        """A row on its way into the store; raises Unfit."""
        given = one.row.data_row
        key = given.global_key if isinstance(given.global_key, str) and given.global_key else None
        made = Entry(one.row, one.extras, one.place, given.id, key, shares=self.of(one))
        if not given.id and given.row_data:
            made.id = data_row_id(one.row, self.target.dataset or "", self.org)
        return made

    def of(self, one: Parsed) -> list[Share]:
        """What a row brings to which projects and runs."""
        row, extras = one.row, one.extras
        parts = dict(row.projects)
        if self.target.project is not None:
            parts = parts or {"": ProjectPart()}
            if len(parts) > 1:
                raise Unfit(
                    "projects", ", ".join(parts), "the row is in several projects; leave --project out"
                )
        found = []
        for key, part in parts.items():
            at = below(extras, "projects", key)
            labels = _labels(part.labels, below(at, "labels"))
            if self.target.run is not None:
                found.append(Share(self.places.run(*self.target.run), [], labels, None, ()))
            else:
                found.append(Share(self._project(key, part), labels, [], part, at))
        for model_id, experiment in row.experiments.items():
            for run_id, held in experiment.runs.items():
                at = below(extras, "experiments", model_id, "runs", run_id)
                named = (run_id, _text(held.name), model_id, _text(experiment.name))
                predictions = held.predictions if isinstance(held.predictions, tuple) else ()
                found.append(
                    Share(
                        self.places.run(*(self.target.run or named)),
                        _labels(held.labels, below(at, "labels")),
                        _labels(predictions, below(at, "predictions")),
                        held,
                        at,
                    )
                )
        return found

    def _project(self, key: str, part: ProjectPart) -> Place:
        details = part.project_details
        ontology = _text(details.ontology_id) if isinstance(details, ProjectDetails) else None
        if self.target.project is not None:
            return self.places.project(*self.target.project, ontology)
        if not key and self.target.unnamed is not None:
            return self.places.project(*self.target.unnamed, ontology)
        if not key:
            raise Unfit("", "nothing", "the file names no project; give --project NAME")
        return self.places.project(key, _text(part.name) or _text(part.project_name), ontology)

    def dataset(self, entry: Entry) -> Dataset:
        """The dataset that a data row is in, or goes into."""
        if not entry.fresh:
            return self.places.dataset(entry.known.dataset, None)
        if self.target.dataset is not None:
            return self.places.dataset(None, self.target.dataset)
        details = entry.row.data_row.details
        said = details if isinstance(details, DataRowDetails) else DataRowDetails()
        return self.places.dataset(_text(said.dataset_id), _text(said.dataset_name))


def _labels(labels: tuple[Label, ...], extras: Extras) -> list[tuple[Label, Extras]]:
    return [(label, below(extras, index)) for index, label in enumerate(labels)]


def _text(given: Any) -> str | None:
    return given if given is not UNSET and given else None
