"""Trains on a subset of the partitions, or imports a model trained elsewhere, and saves it as a version.

The version's name is the identity of its inputs (bytes, recipe, estimator, library versions): the same inputs give the
same version, and a retry after a crash finds or finishes it instead of creating another.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_batchscore.data import storage
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.artifact import ModelManifest, Signature
from airflow_batchscore.model.estimators import one_openmp_thread, unwrap
from airflow_batchscore.model.features import as_fitted, names_of
from airflow_batchscore.model.flavors import flavor_of
from airflow_batchscore.model.libraries import library_versions
from airflow_batchscore.model.model_code import estimator_code, packages
from airflow_batchscore.model.recipe import Recipe
from airflow_batchscore.model.reference import GivenModel, ModelRef
from airflow_batchscore.model.training_record import TrainingRecord
from airflow_batchscore.training import fit, fit_blocks
from airflow_batchscore.training.compiling import Accelerate, compile_model
from airflow_batchscore.training.estimator_types import check_estimator, check_fitted
from airflow_batchscore.training.fit import Fitted
from airflow_batchscore.training.imported import ImportedModel
from airflow_batchscore.training.inputs import TrainingInput, look_at_columns
from airflow_batchscore.training.known_code import tried_methods
from airflow_batchscore.training.metrics import Metric, compute_metrics
from airflow_batchscore.training.rows import (
    as_share,
    make_rows,
    read_rows,
    split,
)
from airflow_batchscore.training.saved import Saved, save_and_load
from airflow_batchscore.training.signature import outputs_and_labels, reference_profile
from airflow_batchscore.training.versions import find_place, training_version

if TYPE_CHECKING:
    import pyarrow as pa
    from distributed import Client

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingJob:
    """Everything that decides what a model becomes. See `TrainOperator` for each field's meaning.

    Attributes:
        partitions: as written by the user, or a list of already found `Partition` objects.
        estimator: may also be an `ImportedModel`, which is already fitted.
        retrain: identifies the run that trains again, once; None uses an existing version.
        began: start time in nanoseconds since 1970: an alias moved by a later task stays there.
    """

    dataset: PartitionedDataset
    partitions: object
    recipe: Recipe
    estimator: object
    model_uri: str
    holdout: object = None
    metrics: Sequence[Metric] | None = None
    flavor: str = "auto"
    learning_curve: bool = False
    incremental: bool = False
    accelerate: Accelerate = False
    retrain: str | None = None
    conn_id: str | None = None
    signing_key: bytes | None = field(default=None, repr=False)
    began: int = field(default_factory=time.time_ns)

    def __post_init__(self) -> None:
        """Raises ModelError for a value of `accelerate` that means nothing."""
        if not isinstance(self.accelerate, bool) and self.accelerate != "auto":  # 0 and 1 are equal to them, too
            raise ModelError(f"accelerate={self.accelerate!r}: use True, False or 'auto'")

    @property
    def model(self) -> Location:
        """The folder of the model's versions."""
        return Location(self.model_uri, self.conn_id)

    def find_partitions(self) -> list[Partition]:
        """The partitions. Raises InputError for a missing one."""
        asked = self.partitions
        if isinstance(asked, list) and asked and all(isinstance(partition, Partition) for partition in asked):
            return asked
        return self.dataset.require(asked)


@dataclass(frozen=True)
class TrainedModel:
    """A version, and whether it already existed."""

    ref: ModelRef
    manifest: ModelManifest
    reused: bool

    def to_dict(self) -> JsonObject:
        """The short form sent by XCom."""
        training = self.manifest.training
        return {
            **GivenModel(self.ref.uri, self.ref.digest).to_dict(),
            "version": self.ref.version,
            "metrics": self.manifest.metrics,
            "metrics_on": self.manifest.metrics_on,
            "rows_read": training.rows_read,
            "rows_trained": training.rows_trained,
            "partitions": training.partitions,
            "reused": self.reused,
        }


@dataclass(frozen=True)
class TrainingData:
    """The training data, as far as storage has been queried.

    Attributes:
        partitions: pinned to their bytes, which the version is named after.
        held_out: what is measured on: a share, partitions (also pinned to their bytes), or None.
        raw: column -> type name as found.
        table: the raw rows, if already read; limited to the rows named by `only`.
        only: selected rows of the partitions, such as ``sensor_id=17``; empty for all.
    """

    partitions: list[Partition]
    held_out: object
    raw: dict[str, str | None]
    source: TrainingInput
    table: pa.Table | None = None
    only: str = ""


def training_data(job: TrainingJob, extra: Sequence[str] = ()) -> TrainingData:
    """The partitions of a job and their columns' types. `extra` names columns to read in addition to the recipe's.

    Raises InputError if a partition, file or column is missing or cannot be read.
    """
    return _with_columns(job, *_pinned(job), extra)


def _pinned(job: TrainingJob) -> tuple[list[Partition], object]:
    """The partitions to train on, and what is held out."""

    def pin(partitions: list[Partition]) -> list[Partition]:
        return storage.each(job.dataset.pin, partitions, job.dataset.uri)

    is_named = job.holdout not in (None, "") and as_share(job.holdout) is None
    return pin(job.find_partitions()), pin(job.dataset.require(job.holdout)) if is_named else job.holdout


def _with_columns(
    job: TrainingJob, partitions: list[Partition], held_out: object, extra: Sequence[str] = ()
) -> TrainingData:
    raw, source = look_at_columns(job.dataset, job.recipe, partitions, extra)
    return TrainingData(partitions, held_out, raw, source)


def train(job: TrainingJob, client: Client | None = None, data: TrainingData | None = None) -> TrainedModel:
    """Fit, compute_metrics, save; or use the existing version from the same inputs if every byte of it is intact.

    Args:
        client: of the Dask cluster that training may use; None stays in this process.
        data: the result of `training_data`; None calls it.

    Raises:
        InputError: a partition, file or column is missing or cannot be read.
        RecipeError: a function of the recipe cannot be imported, fails, or leaves no row.
        ModelError: the estimator cannot be made, fitted or serialised, or a metric cannot be measured.
    """
    partitions, held_out = (data.partitions, data.held_out) if data else _pinned(job)
    imported = job.estimator if isinstance(job.estimator, ImportedModel) else None
    estimator = imported.estimator if imported else fit.make_estimator(job.estimator)
    kind = imported.flavor if imported else flavor_of(estimator, job.flavor)
    version = training_version(job, estimator, kind, partitions, held_out, data.only if data else "")
    place = find_place(job.model, version, signing_key=job.signing_key, retrain=job.retrain)
    if place.ref is not None and place.manifest is not None:
        log.info("model %s was trained from the same inputs before: using it", place.location)
        return TrainedModel(place.ref, place.manifest, reused=True)

    data = data or _with_columns(job, partitions, held_out)
    fitted = _fit(job, estimator, data, client)
    estimator = unwrap(fitted.estimator)
    check_fitted(estimator, fitted.pair)
    fit.warn_of_classes(estimator, fitted.test)
    given = Saved(imported.data, estimator) if imported and imported.data is not None else None
    with one_openmp_thread():  # the checks predict a few rows at a time
        saved = given or save_and_load(estimator, kind, fitted.features, fitted.test.features)
        compiled = compile_model(saved.estimator, [fitted.features, fitted.test.features], job.accelerate)
        outputs, labels = outputs_and_labels(saved.estimator, fitted.features)
        matrix = tried_methods(estimator, saved.estimator, kind, fitted.features, row_wise=job.recipe.row_wise)
    digest, trained_with = hashlib.sha256(saved.data).hexdigest(), kind.trained_with(saved.data)
    manifest = ModelManifest(
        digest=digest,
        file=f"model-{digest[:12]}.{kind.suffix}",
        flavor=kind.name,
        estimator=repr(estimator)[:500],
        signature=Signature(
            raw=data.raw,
            **names_of(fitted.features),
            outputs=outputs,
            matrix=matrix,
            labels=labels,
        ),
        recipe=job.recipe,
        recipe_digest=job.recipe.digest,
        metrics=compute_metrics(saved.estimator, fitted.test, job.metrics, estimator),
        metrics_on=fitted.measured_on,
        training=TrainingRecord(
            dataset=job.dataset.uri,
            partitions=[partition.key for partition in partitions],
            files=[file for partition in partitions for file in partition.fingerprint.inputs],
            rows_read=fitted.rows_read,
            rows_trained=fitted.rows_trained,
            only=data.only or None,
            run=job.retrain or None,
            learning_curve=fitted.learning_curve,
            search=fitted.search,
            watched_for_early_stopping=fitted.watched,
        ),
        profile=reference_profile(saved.estimator, fitted.features),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        libraries=library_versions(*kind.libraries),
        code=estimator_code(estimator, kind),
        packages=packages(estimator, kind, trained_with),
        compiled=compiled.record if compiled else None,
        trained_with=trained_with,
    )
    ref = artifact.save(
        place.location, saved.data, manifest, job.signing_key, compiled=compiled.data if compiled else None
    )
    if ref is None:  # another run has trained it meanwhile; the bytes of an estimator can differ from fit to fit
        return train(job, client, data)
    how = "imported, measured on" if imported else f"trained on {fitted.rows_trained} of"
    log.info("model %s: %s %d rows", ref.uri, how, fitted.rows_read)
    return TrainedModel(ref, manifest, reused=False)


def _fit(job: TrainingJob, estimator: object, data: TrainingData, client: Client | None) -> Fitted:
    distributed = fit_blocks.is_distributed(estimator)
    if (job.incremental or distributed) and job.learning_curve:
        raise ModelError("learning_curve fits on samples that are in memory; it does not go with training by blocks")
    if job.incremental:
        return fit_blocks.fit_by_blocks(estimator, data.source, data.partitions, data.held_out)
    if distributed:
        if client is None:
            raise ModelError(
                f"{type(estimator).__name__} trains on a Dask cluster: give TrainOperator(engine=LocalDask()) or "
                "engine=DaskCluster(...)"
            )
        return fit_blocks.fit_on_cluster(estimator, data.source, data.partitions, data.held_out, client)
    rows = read_rows(data.source, data.partitions) if data.table is None else make_rows(data.source, data.table)
    train_rows, test_rows, measured_on = split(data.source, data.held_out, rows)
    pair, curve, search = rows.pair, None, None
    if not isinstance(job.estimator, ImportedModel):
        check_estimator(estimator, pair)
        keys = [data.only] if data.only else [partition.key for partition in data.partitions]
        if job.learning_curve:
            if test_rows is train_rows:
                raise ModelError("learning_curve measures on rows that are not trained on: give holdout=")
            curve, estimator = fit.learning_curve(estimator, train_rows, test_rows, job.metrics, keys, client)
        else:
            fit.fit(estimator, train_rows, keys, client)
        search = fit.search_of(estimator)
    else:
        train_rows, test_rows = (
            replace(rows, features=as_fitted(estimator, rows.features)) for rows in (train_rows, test_rows)
        )
        pair = pair and pair.changed(lambda features: as_fitted(estimator, features))
        measured_on = f"rows of {', '.join(partition.key for partition in data.partitions)}"
    rows_trained = 0 if isinstance(job.estimator, ImportedModel) else len(train_rows.features)
    read, features = rows.read, train_rows.features
    return Fitted(estimator, features, read, rows_trained, test_rows, measured_on, pair, curve, search)
