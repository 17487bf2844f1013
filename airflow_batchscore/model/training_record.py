"""What ``model.json`` says of a version's training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from airflow_batchscore.data.dataset import InputFile
from airflow_batchscore.data.json_types import JsonMapping, JsonObject


@dataclass(frozen=True)
class CurvePoint:
    """Rows of a sample, and the score of the model that was fitted on them."""

    rows: int
    score: float


@dataclass(frozen=True)
class LearningCurve:
    """Scores of models fitted on growing samples, all measured on the same held-out rows.

    Attributes:
        metric: what the scores are.
        points: from the smallest sample to all rows.
        enough: rows of the smallest sample that was good enough.
    """

    metric: str
    points: Sequence[CurvePoint]
    enough: int

    @classmethod
    def from_dict(cls, value: JsonMapping) -> LearningCurve:
        """The inverse of `dataclasses.asdict`."""
        return cls(value["metric"], [CurvePoint(**point) for point in value["points"]], value["enough"])


@dataclass(frozen=True)
class Candidate:
    """Parameters that a search tried, as text, and their score."""

    params: Mapping[str, str]
    score: float


@dataclass(frozen=True)
class Search:
    """The result of a search: the parameters that it chose, and its candidates, best first."""

    best: Mapping[str, str]
    candidates: Sequence[Candidate]

    @classmethod
    def from_dict(cls, value: JsonMapping) -> Search:
        """The inverse of `dataclasses.asdict`."""
        return cls(value["best"], [Candidate(**candidate) for candidate in value["candidates"]])


@dataclass(frozen=True)
class TrainingRecord:
    """How a version was trained, or measured if it was imported.

    Attributes:
        dataset: URI template.
        partitions: their keys.
        files: of these partitions, as they were read.
        rows_trained: 0 for an imported model.
        only: the rows that were used, such as ``sensor_id=17``; None for all.
        run: that trained it again (``retrain=True``); None otherwise.
        learning_curve, search: None if there was none.
        watched_for_early_stopping: keys of partitions that were not trained on for that reason; None if there were
            none.
    """

    dataset: str
    partitions: Sequence[str]
    files: Sequence[InputFile]
    rows_read: int
    rows_trained: int
    only: str | None = None
    run: str | None = None
    learning_curve: LearningCurve | None = None
    search: Search | None = None
    watched_for_early_stopping: Sequence[str] | None = None

    def to_dict(self) -> JsonObject:
        """Plain JSON, without what there was not."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, value: JsonMapping) -> TrainingRecord:
        """The inverse of `to_dict`."""
        curve, search = value.get("learning_curve"), value.get("search")
        return cls(
            dataset=value["dataset"],
            partitions=value["partitions"],
            files=[InputFile(**file) for file in value["files"]],
            rows_read=value["rows_read"],
            rows_trained=value["rows_trained"],
            only=value.get("only"),
            run=value.get("run"),
            learning_curve=LearningCurve.from_dict(curve) if curve else None,
            search=Search.from_dict(search) if search else None,
            watched_for_early_stopping=value.get("watched_for_early_stopping"),
        )
