"""A model's performance on labels that arrived after training, stored with the model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from airflow_batchscore.data import storage
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.inferred_types import reading_types
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.errors import InputError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.features import in_order
from airflow_batchscore.model.recipe import Recipe
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.quality.check import problems_of
from airflow_batchscore.training.gate import metric_checks
from airflow_batchscore.training.inputs import TrainingInput, recipe_columns
from airflow_batchscore.training.metrics import Metric, compute_metrics, metric_names
from airflow_batchscore.training.rows import Rows, read_rows

FOLDER = "evaluations"


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of a model.

    Attributes:
        evaluated: time of the evaluation, ISO format.
        rows: number of labelled rows it used.
        metrics: metrics on those rows.
        baseline: metrics from training.
        problems: limits that the metrics violate; empty if the model performs as required.
    """

    evaluated: str
    partitions: list[str]
    rows: int
    metrics: dict[str, float]
    baseline: dict[str, float]
    problems: list[str]

    def to_dict(self, ref: ModelRef) -> JsonObject:
        """What `EvaluateOperator` returns for the evaluation of the model `ref`, and an asset event carries."""
        return {
            "model": ref.uri,
            "version": ref.version,
            "rows": self.rows,
            "metrics": self.metrics,
            "baseline": self.baseline,
            "decayed": bool(self.problems),
            "problems": self.problems,
        }


def evaluate(
    ref: ModelRef,
    dataset: PartitionedDataset,
    partitions: object,
    *,
    require: Mapping[str, str],
    recipe: Recipe | None = None,
    metrics: Sequence[Metric] | None = None,
    trusted_types: Sequence[str] = (),
) -> Evaluation:
    """Measure a model on labelled partitions, check the metrics against limits, and store the result with the model.

    The result for the same data, metrics and limits is stored only once, so a retry does not count twice.

    Args:
        require: limits as in `metric_checks`; the baseline is the training metrics.
        recipe: source of the labels; None uses the model's recipe.
        metrics: as in `compute_metrics`; None uses those from training.

    Raises:
        InputError: no row has a label, or data is missing.
        ModelError: the model cannot be loaded, or a metric fails.
        GateError: a limit cannot be read.
    """
    loaded = artifact.load(ref, trusted_types)
    manifest = loaded.manifest
    recipe = recipe or manifest.recipe
    if recipe.target is None and recipe.target_column is None:
        raise InputError(
            f"model {ref.uri}: its recipe has no target; give recipe=Recipe(target=...), the labels' place"
        )
    pinned = storage.each(dataset.pin, dataset.require(partitions), dataset.uri)
    label = [recipe.target_column] if recipe.target_column else []
    columns = [*(recipe_columns(recipe) or manifest.signature.raw), *label]
    types = reading_types(dataset.column_types, manifest.signature.raw, columns, [*recipe.keys, *label])
    rows = read_rows(TrainingInput(dataset, recipe, types), pinned)
    features = in_order(rows.features, manifest.signature.features, whole=manifest.signature.whole_names)
    names = metric_names(metrics)  # before they are called
    wanted = metrics if metrics is not None else list(manifest.metrics) or None
    measured = compute_metrics(loaded.estimator, Rows(features, rows.labels, rows.read), wanted)
    evaluation = Evaluation(
        evaluated=datetime.now(UTC).isoformat(timespec="seconds"),
        partitions=[partition.key for partition in pinned],
        rows=len(features),
        metrics=measured,
        baseline=manifest.metrics,
        problems=problems_of(metric_checks(measured, require, manifest.metrics)),
    )
    inputs = [
        [partition.fingerprint.digest for partition in pinned],
        names,
        dict(require),
        recipe.training_digest,
    ]
    name = hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:12]
    storage.create_bytes(ref.location / FOLDER / f"{name}.json", storage.json_bytes(asdict(evaluation)))
    return evaluation


def history(ref: ModelRef) -> list[Evaluation]:
    """Every evaluation of a version, oldest first."""
    folder = ref.location / FOLDER
    files = storage.list_files(folder)
    values = storage.each(lambda file: storage.read_json(folder.at(file.uri)), files, ref.uri)
    return sorted((Evaluation(**value) for value in values if value), key=lambda evaluation: evaluation.evaluated)
