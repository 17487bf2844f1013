"""Train on a subset of the partitions, or take over a model that somebody else trained, and save it as a version.

The version's name is the identity of what went in (bytes, recipe, estimator, library versions): the same inputs
give the same version, and a retry after a crash finds or finishes it instead of making another.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data import storage
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.inference import infer_types, reading_types
from airflow_batchscore.data.notebook import notebook_types
from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import artifact, fitting, fitting_blocks
from airflow_batchscore.model.artifact import ModelManifest, Signature
from airflow_batchscore.model.estimator_types import check_estimator, check_fitted
from airflow_batchscore.model.features import as_fitted, names_of
from airflow_batchscore.model.fitting import Fitted
from airflow_batchscore.model.flavors import Flavor, flavor_of
from airflow_batchscore.model.imported import ImportedModel
from airflow_batchscore.model.known_code import tried_methods
from airflow_batchscore.model.libraries import library_versions
from airflow_batchscore.model.measure import Metric, measure, metric_names, output_types, reference_profile
from airflow_batchscore.model.model_code import estimator_code, packages
from airflow_batchscore.model.recipe import Recipe
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.model.saved import Saved, save_and_load
from airflow_batchscore.model.training_code import describe, flavor_code
from airflow_batchscore.model.training_rows import (
    as_share,
    columns_to_read,
    make_rows,
    read_rows,
    required_columns,
    split,
)
from airflow_batchscore.model.versions import find_place

if TYPE_CHECKING:
    import pyarrow as pa
    from distributed import Client

log = logging.getLogger(__name__)

#: Raised when this package reads values or names columns otherwise: a version made by older rules is not used again.
_RULES = 3


@dataclass(frozen=True)
class TrainingJob:
    """Everything that decides what a model becomes. See `TrainOperator` for the meaning of each.

    Attributes:
        partitions: as a person writes them, or a list of `Partition`, found already.
        estimator: also an `ImportedModel`, which is fitted already.
        retrain: names the run that trains again, once; None uses a version that is there.
        began: when, in nanoseconds since 1970: an alias that a later one has moved stays there.
    """

    dataset: PartitionedDataset
    partitions: Any
    recipe: Recipe
    estimator: Any
    model_uri: str
    holdout: Any = None
    metrics: Sequence[Metric] | None = None
    flavor: str = "auto"
    learning_curve: bool = False
    incremental: bool = False
    retrain: str | None = None
    conn_id: str | None = None
    signing_key: bytes | None = field(default=None, repr=False)
    began: int = field(default_factory=time.time_ns)

    def found(self) -> list[Partition]:
        """The partitions. Raises InputError for one that is not there."""
        asked = self.partitions
        if isinstance(asked, list) and asked and all(isinstance(one, Partition) for one in asked):
            return asked
        return self.dataset.require(asked)


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


@dataclass(frozen=True)
class TrainingData:
    """What is trained on, as far as storage has been asked.

    Attributes:
        partitions: held to their bytes, which the version is named after.
        held_out: what is measured on: a share, partitions (held to their bytes, too), or None.
        raw: column -> type name, as found.
        types: columns to read, with the types to read them with.
        notebook: columns that have another type in a notebook.
        table: the raw rows, where they were read already; then only those that `only` names.
        only: which rows of the partitions these are, such as ``sensor_id=17``; empty for all.
    """

    partitions: list[Partition]
    held_out: Any
    raw: dict[str, str | None]
    types: dict[str, str | None]
    notebook: dict[str, Any]
    table: pa.Table | None = None
    only: str = ""


def look(job: TrainingJob, extra: Sequence[str] = ()) -> TrainingData:
    """The partitions of a job and their columns' types. `extra` names columns to read beside the recipe's.

    Raises InputError: a partition, file or column is missing or cannot be read.
    """
    return _typed(job, *_pinned(job), extra)


def _pinned(job: TrainingJob) -> tuple[list[Partition], Any]:
    """The partitions to train on, and what is held out."""

    def pin(partitions: list[Partition]) -> list[Partition]:
        return storage.each(job.dataset.pin, partitions, job.dataset.uri)

    is_named = job.holdout not in (None, "") and as_share(job.holdout) is None
    return pin(job.found()), pin(job.dataset.require(job.holdout)) if is_named else job.holdout


def _typed(job: TrainingJob, partitions: list[Partition], held_out: Any, extra: Sequence[str] = ()) -> TrainingData:
    wanted = columns_to_read(job.recipe)
    looked_at = None if wanted is None else list(dict.fromkeys([*wanted, *job.recipe.keys, *extra]))
    raw = infer_types(job.dataset, partitions, looked_at, [*required_columns(job.recipe), *extra])
    label = [job.recipe.target_column] if job.recipe.target_column else []
    # Keys may come with later data only.
    whole = [name for name in (*job.recipe.keys, *label, *extra) if name in raw]
    read = raw if wanted is None else dict.fromkeys([*wanted, *extra])
    types = reading_types(job.dataset.column_types, raw, read, whole)
    return TrainingData(partitions, held_out, raw, types, notebook_types(job.dataset, partitions, raw, types))


def train(job: TrainingJob, client: Client | None = None, data: TrainingData | None = None) -> TrainedModel:
    """Fit, measure, save; or use the version that is there from the same inputs, if every byte of it is whole.

    Args:
        client: of the Dask cluster that training may spread over; None stays in this process.
        data: what `look` found; looked for when None.

    Raises:
        InputError: a partition, file or column is missing or cannot be read.
        RecipeError: a function of the recipe cannot be imported, fails, or leaves no row.
        ModelError: the estimator cannot be made, fitted or serialised, or a metric cannot be measured.
    """
    partitions, held_out = (data.partitions, data.held_out) if data else _pinned(job)
    imported = job.estimator if isinstance(job.estimator, ImportedModel) else None
    estimator = imported.estimator if imported else fitting.make_estimator(job.estimator)
    kind = imported.flavor if imported else flavor_of(estimator, job.flavor)
    version = training_version(job, estimator, kind, partitions, held_out, data.only if data else "")
    place = find_place(job.model_uri, version, conn_id=job.conn_id, signing_key=job.signing_key, retrain=job.retrain)
    if place.ref is not None and place.manifest is not None:
        log.info("model %s was trained from the same inputs before: using it", place.uri)
        return TrainedModel(place.ref, place.manifest, reused=True)

    data = data or _typed(job, partitions, held_out)
    fitted = _fit(job, estimator, data, client)
    estimator = artifact.unwrap(fitted.estimator)
    check_fitted(estimator, fitted.pair)
    fitting.warn_of_classes(estimator, fitted.test)
    given = Saved(imported.data, estimator) if imported and imported.data is not None else None
    saved = given or save_and_load(estimator, kind, fitted.features, fitted.test.features)
    digest = hashlib.sha256(saved.data).hexdigest()
    outputs, labels = output_types(saved.estimator, fitted.features)
    manifest = ModelManifest(
        digest=digest,
        file=f"model-{digest[:12]}.{kind.suffix}",
        flavor=kind.name,
        estimator=repr(estimator)[:500],
        signature=Signature(
            raw=data.raw,
            **names_of(fitted.features),
            outputs=outputs,
            matrix=tried_methods(estimator, saved.estimator, kind, fitted.features, row_wise=job.recipe.row_wise),
            labels=labels,
        ),
        recipe=job.recipe,
        recipe_digest=job.recipe.digest,
        metrics=measure(saved.estimator, fitted.test, job.metrics, estimator),
        metrics_on=fitted.measured_on,
        training={
            "dataset": job.dataset.uri,
            "partitions": [partition.key for partition in partitions],
            "files": [file for partition in partitions for file in partition.fingerprint.to_list()],
            "rows_read": fitted.rows_read,
            "rows_trained": fitted.rows_trained,
            **({"only": data.only} if data.only else {}),
            **({"run": job.retrain} if job.retrain else {}),
            **fitted.facts,
        },
        profile=reference_profile(saved.estimator, fitted.features),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        libraries=library_versions(*kind.libraries),
        code=estimator_code(estimator, kind),
        packages=packages(estimator, kind),
    )
    ref = artifact.save(place.uri, saved.data, manifest, job.conn_id, job.signing_key)
    if ref is None:  # another run trained it meanwhile; the bytes of one estimator can differ from fit to fit
        return train(job, client, data)
    log.info("model %s: trained on %d of %d rows", ref.uri, fitted.rows_trained, fitted.rows_read)
    return TrainedModel(ref, manifest, reused=False)


def _fit(job: TrainingJob, estimator: Any, data: TrainingData, client: Client | None) -> Fitted:
    where = (job.dataset, job.recipe, data.partitions, data.types, data.notebook)
    distributed = fitting_blocks.is_distributed(estimator)
    if (job.incremental or distributed) and job.learning_curve:
        raise ModelError("learning_curve fits on samples that are in memory; it does not go with training by blocks")
    if job.incremental:
        return fitting_blocks.fit_by_blocks(estimator, *where, data.held_out)
    if distributed:
        if client is None:
            raise ModelError(
                f"{type(estimator).__name__} trains on a Dask cluster: give TrainOperator(engine=LocalDask()) or "
                "engine=DaskCluster(...)"
            )
        return fitting_blocks.fit_on_cluster(estimator, *where, data.held_out, client)
    rows = read_rows(*where) if data.table is None else make_rows(job.recipe, data.table, *where[3:])
    train_rows, test_rows, measured_on = split(job.dataset, job.recipe, data.held_out, rows, data.types)
    pair, facts = rows.pair, dict[str, Any]()
    if not isinstance(job.estimator, ImportedModel):
        check_estimator(estimator, pair)
        keys = [data.only] if data.only else [partition.key for partition in data.partitions]
        if job.learning_curve:
            if test_rows is train_rows:
                raise ModelError("learning_curve measures on rows that are not trained on: give holdout=")
            curve = fitting.learning_curve(estimator, train_rows, test_rows, job.metrics, keys, client)
            facts["learning_curve"], estimator = curve
        else:
            fitting.fit(estimator, train_rows, keys, client)
        facts |= fitting.search_facts(estimator)
    else:
        train_rows, test_rows = (
            replace(rows, features=as_fitted(estimator, rows.features)) for rows in (train_rows, test_rows)
        )
        pair = pair and pair.changed(lambda features: as_fitted(estimator, features))
        measured_on = f"rows of {', '.join(partition.key for partition in data.partitions)}"
    rows_trained = 0 if isinstance(job.estimator, ImportedModel) else len(train_rows.features)
    return Fitted(estimator, train_rows.features, rows.read, rows_trained, test_rows, measured_on, facts, pair)


def training_version(
    job: TrainingJob, estimator: Any, kind: Flavor, partitions: Sequence[Partition], held_out: Any, only: str
) -> str:
    """The version's name: twelve hexadecimal digits of the hash of all that goes into the model and its metrics."""
    libraries = library_versions(*kind.libraries)
    used = {name: libraries.get(name) for name in ("scikit-learn", "numpy", *kind.libraries) if name in libraries}
    inputs = {
        "files": [partition.fingerprint.files for partition in partitions],
        "held_out": [one.fingerprint.files for one in held_out] if isinstance(held_out, list) else [],
        "read": job.dataset.reading,
        "recipe": job.recipe.training_digest,
        "keys": job.recipe.keys,
        "estimator": describe(job.estimator, estimator),
        "holdout": str(job.holdout),
        "metrics": metric_names(job.metrics),
        "flavor": flavor_code(kind.name),
        "how": [job.learning_curve, job.incremental, only],
        "libraries": used,
        "rules": _RULES,
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:12]
