"""How a model does on labels that arrived after it was trained, kept with the model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from airflow_batchscore.data import storage
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.inference import reading_types
from airflow_batchscore.errors import InputError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.features import in_order
from airflow_batchscore.model.gate import metric_problems
from airflow_batchscore.model.measure import Metric, measure, metric_names
from airflow_batchscore.model.recipe import Recipe
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.model.training_rows import Rows, columns_to_read, read_rows

FOLDER = "evaluations"


@dataclass(frozen=True)
class Evaluation:
    """One look at a model.

    Attributes:
        evaluated: ISO time.
        rows: labelled ones it was measured on.
        metrics: on them.
        baseline: metrics of the model's training.
        problems: the limits that the metrics are beyond; none when the model does as it should.
    """

    evaluated: str
    partitions: list[str]
    rows: int
    metrics: dict[str, float]
    baseline: dict[str, float]
    problems: list[str]


def evaluate(
    ref: ModelRef,
    dataset: PartitionedDataset,
    partitions: Any,
    *,
    require: Mapping[str, str],
    recipe: Recipe | None = None,
    metrics: Sequence[Metric] | None = None,
    trusted_types: Sequence[str] = (),
) -> Evaluation:
    """Measure a model on labelled partitions, hold it to limits, and keep the result beside it.

    The same data, metrics and limits are kept once, so that a retry does not count twice.

    Args:
        require: limits as of `metric_problems`; the baseline is the metrics of training.
        recipe: where the labels come from; that of the model when None.
        metrics: as of `measure`; those of training when None.

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
    found = storage.each(dataset.pin, dataset.require(partitions), dataset.uri)
    label = [recipe.target_column] if recipe.target_column else []
    columns = [*(columns_to_read(recipe) or manifest.signature.raw), *label]
    types = reading_types(dataset.column_types, manifest.signature.raw, columns, [*recipe.keys, *label])
    rows = read_rows(dataset, recipe, found, types)
    features = in_order(rows.features, manifest.signature.features, whole=manifest.signature.whole_names)
    names = metric_names(metrics)  # before they are called
    wanted = metrics if metrics is not None else list(manifest.metrics) or None
    measured = measure(loaded.estimator, Rows(features, rows.labels, rows.read), wanted)
    evaluation = Evaluation(
        evaluated=datetime.now(UTC).isoformat(timespec="seconds"),
        partitions=[partition.key for partition in found],
        rows=len(features),
        metrics=measured,
        baseline=manifest.metrics,
        problems=metric_problems(measured, require, manifest.metrics),
    )
    inputs = [
        [partition.fingerprint.digest for partition in found],
        names,
        dict(require),
        recipe.training_digest,
    ]
    name = hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:12]
    uri = storage.join(ref.uri, FOLDER, f"{name}.json")
    storage.create_bytes(uri, storage.json_bytes(asdict(evaluation)), ref.conn_id)
    return evaluation


def history(ref: ModelRef) -> list[Evaluation]:
    """Every evaluation of a version, oldest first."""
    files = storage.list_files(storage.join(ref.uri, FOLDER), ref.conn_id)
    found = storage.each(lambda file: storage.read_json(file.uri, ref.conn_id), files, ref.uri)
    return sorted((Evaluation(**value) for value in found if value), key=lambda evaluation: evaluation.evaluated)
