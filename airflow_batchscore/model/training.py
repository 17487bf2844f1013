"""Train on a subset of the partitions and save the result as a version of a model.

The version's name is the identity of what went in (bytes, recipe, estimator, library versions): the same inputs
give the same version, and a retry after a crash finds or finishes it instead of making another.
"""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data import storage
from airflow_batchscore.data.dataset import Fingerprint, Partition, PartitionedDataset
from airflow_batchscore.data.inference import infer_types, reading_types
from airflow_batchscore.errors import ModelError, RecipeError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.artifact import ModelManifest, Signature
from airflow_batchscore.model.flavors import flavor as find_flavor
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.outputs import METHODS, output_columns
from airflow_batchscore.model.recipe import Recipe
from airflow_batchscore.model.reference import ModelRef, resolve
from airflow_batchscore.model.training_rows import Rows, columns_to_read, read_rows, required_columns, split
from airflow_batchscore.quality import profile

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

_PROFILE_ROWS = 50_000
_TRIAL_ROWS = 64


@dataclass(frozen=True)
class TrainingJob:
    """Everything that decides what a model becomes. See `TrainOperator` for the meaning of each."""

    dataset: PartitionedDataset
    partitions: Any
    recipe: Recipe
    estimator: Any
    model_uri: str
    holdout: Any = None
    metrics: Sequence[str | Callable[..., float]] | None = None
    flavor: str = "auto"
    conn_id: str | None = None
    signing_key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class TrainedModel:
    """A version, and whether it was there already."""

    ref: ModelRef
    manifest: ModelManifest
    reused: bool

    def to_dict(self) -> dict[str, Any]:
        """The short form that goes through XCom."""
        training = self.manifest.training
        return {
            "model": self.ref.uri,
            "version": self.ref.version,
            "digest": self.ref.digest,
            "metrics": self.manifest.metrics,
            "metrics_on": self.manifest.metrics_on,
            "rows_read": training["rows_read"],
            "rows_trained": training["rows_trained"],
            "partitions": training["partitions"],
            "reused": self.reused,
        }


def train(job: TrainingJob) -> TrainedModel:
    """Fit, measure, save.

    Raises:
        InputError: a partition, file or column is missing or cannot be read.
        RecipeError: a function of the recipe cannot be imported, fails, or leaves no row.
        ModelError: the estimator cannot be made, fitted or serialised.
    """
    partitions = job.dataset.require(job.partitions)
    fingerprints = [job.dataset.fingerprint(partition) for partition in partitions]
    estimator = _make_estimator(job.estimator)
    ref_uri = storage.join(job.model_uri, training_version(job, estimator, fingerprints))
    there = storage.read_json(storage.join(ref_uri, "model.json"), job.conn_id)
    if there is not None:
        log.info("model %s was trained from the same inputs before: using it", ref_uri)
        return TrainedModel(resolve(ref_uri, job.conn_id), ModelManifest.from_dict(there, ref_uri), reused=True)

    wanted = columns_to_read(job.recipe)
    raw = infer_types(job.dataset, partitions, wanted, required_columns(job.recipe))
    label = [job.recipe.target_column] if job.recipe.target_column else []
    whole = [name for name in (*job.recipe.keys, *label) if name in raw]  # keys may come with later data only
    types = reading_types(job.dataset.column_types, raw, raw, whole)
    rows = read_rows(job.dataset, job.recipe, partitions, types)
    train_rows, test_rows, measured_on = split(job.dataset, job.recipe, job.holdout, rows, types)
    _fit(estimator, train_rows, partitions)
    data, digest = artifact.serialise(estimator, job.flavor)
    kind = find_flavor(job.flavor)
    manifest = ModelManifest(
        digest=digest,
        file=f"model-{digest[:12]}.{kind.suffix}",
        flavor=kind.name,
        estimator=repr(estimator)[:500],
        signature=Signature(
            raw=raw,
            features=tuple(str(name) for name in rows.features.columns),
            outputs=output_types(estimator, train_rows.features),
            matrix=matrix_methods(estimator, train_rows.features),
        ),
        recipe=job.recipe,
        recipe_digest=job.recipe.digest,
        metrics=_measure(estimator, test_rows, job.metrics),
        metrics_on=measured_on,
        training={
            "dataset": job.dataset.uri,
            "partitions": [partition.key for partition in partitions],
            "files": [file for fingerprint in fingerprints for file in fingerprint.to_list()],
            "rows_read": rows.read,
            "rows_trained": len(train_rows.features),
        },
        profile=reference_profile(estimator, train_rows.features),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    ref = artifact.save(ref_uri, data, manifest, job.conn_id, job.signing_key)
    if ref is None:  # another run trained it meanwhile; the bytes of one estimator can differ from fit to fit
        return train(job)
    log.info("model %s: trained on %d of %d rows", ref.uri, len(train_rows.features), rows.read)
    return TrainedModel(ref, manifest, reused=False)


def training_version(job: TrainingJob, estimator: Any, fingerprints: Sequence[Fingerprint]) -> str:
    """The version's name: twelve hexadecimal digits of the hash of all that goes into the model."""
    libraries = artifact.library_versions()
    metrics = [metric if isinstance(metric, str) else FunctionRef.of(metric).digest for metric in job.metrics or ()]
    inputs = {
        "files": [fingerprint.files for fingerprint in fingerprints],
        "recipe": job.recipe.training_digest,
        "keys": job.recipe.keys,
        "estimator": _describe(job.estimator, estimator),
        "holdout": str(job.holdout),
        "metrics": metrics,
        "flavor": find_flavor(job.flavor).name,
        "libraries": {name: libraries.get(name) for name in ("scikit-learn", "numpy")},
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:12]


def _make_estimator(estimator: Any) -> Any:
    """A fresh estimator from a factory's import path, a factory, or an unfitted estimator."""
    from sklearn.base import clone

    if (
        isinstance(estimator, str)
        or (callable(estimator) and not hasattr(estimator, "get_params"))
        or isinstance(estimator, type)
    ):
        ref = FunctionRef.of(estimator)
        try:
            estimator = ref.load()()
        except RecipeError:
            raise
        except Exception as error:
            raise ModelError(f"the estimator factory {ref.path} failed: {type(error).__name__}: {error}") from error
    if not hasattr(estimator, "fit"):
        raise ModelError(f"{type(estimator).__name__} has no fit: give a scikit-learn compatible estimator")
    return clone(estimator, safe=False)


def _describe(given: Any, estimator: Any) -> str:
    factory = FunctionRef.of(given).digest if isinstance(given, str) else ""
    parameters = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    kind = type(estimator)
    return f"{factory} {kind.__module__}:{kind.__qualname__} {json.dumps(parameters, sort_keys=True, default=repr)}"


def _fit(estimator: Any, rows: Rows, partitions: Sequence[Partition]) -> None:
    try:
        if rows.labels is None:
            estimator.fit(rows.features)
        else:
            estimator.fit(rows.features, rows.labels)
    except Exception as error:
        keys = ", ".join(partition.key for partition in partitions)
        raise ModelError(
            f"{type(estimator).__name__} could not be fitted on {len(rows.features)} rows of {keys}: "
            f"{type(error).__name__}: {error}"
        ) from error


def _measure(estimator: Any, rows: Rows, metrics: Sequence[str | Callable[..., float]] | None) -> dict[str, float]:
    from sklearn.base import is_classifier, is_regressor
    from sklearn.metrics import get_scorer

    if rows.labels is None:
        return {}
    if metrics is None:
        metrics = ["accuracy"] if is_classifier(estimator) else ["r2"] if is_regressor(estimator) else []
    found = {}
    for metric in metrics:
        name = metric if isinstance(metric, str) else metric.__name__
        try:
            score = get_scorer(metric) if isinstance(metric, str) else metric
            found[name] = float(score(estimator, rows.features, rows.labels))
        except Exception as error:
            raise ModelError(f"metric {name!r} failed: {type(error).__name__}: {error}") from error
    return found


def output_types(estimator: Any, features: pd.DataFrame) -> dict[str, dict[str, str]]:
    """For each method of the estimator, its output columns and their Arrow types."""
    import pyarrow as pa

    types = {}
    for method in METHODS:
        if hasattr(estimator, method):
            columns = _outputs(estimator, features.head(100), method)
            types[method] = {name: str(pa.array(values).type) for name, values in columns.items()}
    return types


def matrix_methods(estimator: Any, features: pd.DataFrame) -> tuple[str, ...]:
    """Methods that give the same for a plain matrix: those of a model that picks columns by name do not."""
    import numpy as np
    import pandas as pd
    import pandas.api.types as pt

    if not all(pt.is_numeric_dtype(features[name].dtype) for name in features):
        return ()
    whole = features.astype(float).dropna()
    sample = whole.iloc[:: max(1, len(whole) // _TRIAL_ROWS)].head(_TRIAL_ROWS)
    # Column by column in memory, as scoring builds it: the last digit of a product can depend on that.
    matrix = np.asfortranarray(sample.to_numpy())
    frame = pd.DataFrame(matrix, columns=sample.columns)
    found = []
    for method in METHODS if len(sample) else ():
        call = getattr(estimator, method, None)
        if call is None:
            continue
        try:
            with np.errstate(divide="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # scikit-learn's about names
                same = np.array_equal(call(frame), call(matrix))
        except Exception:  # whatever a model raises that cannot do without names
            same = False
        if same:
            found.append(method)
    return tuple(found)


def _outputs(estimator: Any, features: pd.DataFrame, method: str) -> dict[str, Any]:
    import numpy as np

    with np.errstate(divide="ignore"):  # the logarithm of a probability of 0
        return output_columns(estimator, getattr(estimator, method)(features), method)


def reference_profile(estimator: Any, features: pd.DataFrame) -> dict[str, Any]:
    """Bins and counts of the training features, and of what each method gives for them."""
    import pandas as pd

    sample = features.iloc[:: max(1, -(-len(features) // _PROFILE_ROWS))]
    bins = profile.make_bins(sample)
    outputs: dict[str, Any] = {}
    for method in METHODS:
        if method in ("transform", "predict_log_proba") or not hasattr(estimator, method):
            continue
        columns = pd.DataFrame(_outputs(estimator, sample, method))
        output_bins = profile.make_bins(columns)
        outputs[method] = {"bins": output_bins, "counts": profile.count(columns, output_bins)}
    return {"features": {"bins": bins, "counts": profile.count(sample, bins)}, "outputs": outputs}
