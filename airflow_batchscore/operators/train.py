"""`TrainOperator`: train on some partitions, save a version."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.errors import InputError
from airflow_batchscore.operators.base import BatchScoreOperator, as_bool, as_number, run_name
from airflow_batchscore.operators.places import DATASET, Place
from airflow_batchscore.operators.slots import task_slots

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batchscore.data.dataset import PartitionedDataset
    from airflow_batchscore.engine.base import Engine
    from airflow_batchscore.model.recipe import Recipe


class TrainOperator(BatchScoreOperator):
    """Train an estimator on a subset of the partitions and save it as a version of the model.

    The version's name is a hash of the training data's fingerprints, the recipe, the estimator and the library
    versions: run again on the same inputs, or retried after a crash, it returns the existing version. Every byte of
    that version is verified first; if it is damaged, a new one is written next to it (``<version>-2``, ``-3``, ...).

    Args:
        dataset: the training data.
        partitions: what to train on: a list, ``"2000..2016"``, JSON text, or None for all; see
            docs/how-to/choose-partitions.md. Templated.
        recipe: features and target.
        estimator: scikit-learn compatible estimator, a factory, or the import path of either
            (``"sklearn.linear_model:LogisticRegression"``), which keeps the DAG file cheap to import.
        model_uri: folder of the model's versions. If it contains fields of the dataset (``"s3://models/{device}"``), a
            model is trained per combination of their values, on its partitions; if it contains another field
            (``"s3://models/{sensor_id}"``), one per value of that column, on rows held in memory together. Templated.
        alias: name to point at the new version, without a gate; for a gate see `CheckModelOperator`. Templated.
        holdout: what the metrics are measured on: a share of the rows (``0.2``), partitions that are not trained on,
            or None for the training rows themselves. Templated.
        metrics: names of scikit-learn scorers, ``"rmse"``, ``"mae"``, or functions ``(estimator, features, labels) ->
            float``. Default: accuracy for classifiers, r2 for regressors.
        flavor: how the estimator is serialised: ``"joblib"``, ``"skops"``, ``"xgboost"``, ``"lightgbm"``, ``"onnx"``,
            ``"torch"``, ``"torch-state"``, ``"mlflow"``, a name that an installed package offers, or the import path
            of a `Flavor`. ``"auto"`` goes by the estimator's library and falls back to joblib.
        learning_curve: also fit on growing samples and keep the held-out metrics of each with the model: the run report
            shows how many rows are enough. Needs `holdout`.
        incremental: train block by block with ``partial_fit`` (through dask-ml's `Incremental`), on more rows than fit
            in memory.
        accelerate: ``"auto"`` compiles a model of trees if it then gives the same labels, and numbers within 1e-6, and
            logs why where it does not; True fails instead. False leaves all scores to the estimator's own library,
            bit for bit. Needs the extra ``accelerate``, on the workers too.
        engine: `LocalDask()` or a `DaskCluster` for training: used by the estimators of ``xgboost.dask`` and
            ``lightgbm.dask``, by scikit-learn searches and anything else that joblib distributes, and for many models.
        retrain: train again, once per run, even if the same inputs already have a version, which is kept. Templated.
        max_failed: with many models, how many may fail without failing the task. Templated.
        conn_id: connection for `model_uri`; default: the storage's own. Templated.

    Returns:
        ``{"schema", "model": "<model_uri>/<version>", "version", "digest", "metrics", "metrics_on", "rows_read",
        "rows_trained", "partitions", "reused"}``; for many models ``{"schema", "model", "trained", "reused", "failed",
        "why"}``.

    Fails at once when data is missing or damaged, a column is missing, or the recipe or the estimator raises; storage
    that does not answer is retried. An artifact exists only once it is complete.
    """

    template_fields: Sequence[str] = (
        "dataset",
        "partitions",
        "model_uri",
        "alias",
        "holdout",
        "max_failed",
        "retrain",
        "conn_id",
    )
    places = (DATASET, Place("model_uri", "conn_id", "versions", writes="version/model.json"))

    def __init__(
        self,
        *,
        dataset: PartitionedDataset,
        partitions: object,
        recipe: Recipe,
        estimator: object,
        model_uri: str,
        alias: str | None = None,
        holdout: object = None,
        metrics: Sequence[str | Callable[..., float]] | None = None,
        flavor: str = "auto",
        learning_curve: bool = False,
        incremental: bool = False,
        accelerate: bool | Literal["auto"] = False,
        engine: Engine | None = None,
        retrain: bool | str = False,
        max_failed: int | str = 0,
        conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dataset = copy.copy(dataset)
        self.partitions = partitions
        self.recipe = recipe
        self.estimator = estimator
        self.model_uri = model_uri
        self.alias = alias
        self.holdout = holdout
        self.metrics = metrics
        self.flavor = flavor
        self.learning_curve = learning_curve
        self.incremental = incremental
        self.accelerate = accelerate
        self.engine = engine
        self.retrain = retrain
        self.max_failed = max_failed
        self.conn_id = conn_id
        self.reads_data()
        self.writes_model(model_uri, alias)

    def run_stage(self, context: Context) -> JsonObject:
        from airflow_batchscore.connections import connect, connect_dataset, connect_engine
        from airflow_batchscore.data.storage import Location
        from airflow_batchscore.engine.local import LocalDask
        from airflow_batchscore.model.name_template import template_fields
        from airflow_batchscore.model.reference import set_alias
        from airflow_batchscore.operators.outcome import trained_many, trained_one
        from airflow_batchscore.operators.trust import configured_trust
        from airflow_batchscore.training.train import TrainingJob, train
        from airflow_batchscore.training.train_many import train_many

        job = TrainingJob(
            dataset=connect_dataset(self.dataset),
            partitions=self.partitions,
            recipe=self.recipe,
            estimator=self.estimator,
            model_uri=self.model_uri,
            holdout=self.holdout,
            metrics=self.metrics,
            flavor=self.flavor,
            learning_curve=self.learning_curve,
            incremental=self.incremental,
            accelerate=self.accelerate,
            retrain=run_name(context) if as_bool(self.retrain) else None,
            conn_id=connect(Location(self.model_uri, self.conn_id)).conn_id,
            signing_key=configured_trust().key,
        )
        if self.engine is not None and self.engine.elsewhere is not None:
            raise InputError(
                f"engine={self.engine!r}: a model is trained with the libraries of the task. Train it in its own "
                "environment by other means, and take it over with ImportModelOperator(python=..., environment=...)"
            )
        slots = task_slots(self, mapped=1)
        if template_fields(self.model_uri):
            engine = connect_engine(self.engine or LocalDask())
            if job.signing_key is not None and not engine.is_local:
                raise InputError("many models are signed where they are trained, and the key stays here: LocalDask()")
            most = as_number(self.max_failed, "max_failed", int)
            with engine.session(slots) as session:
                many = train_many(job, session.run, alias=self.alias, max_failed=most, by=run_name(context))
            self.log.info("%d models trained, %d there before, %d failed", many.trained, many.reused, len(many.failed))
            name = f"{self.model_uri}@{self.alias}" if self.alias else self.model_uri
            figures = many.to_dict(name)
            self.outcome = trained_many(self.dataset.uri, self.model_uri, self.alias, figures, run_name(context))
            return self.handed_on(figures, "model", context)
        with contextlib.ExitStack() as cluster:
            client = cluster.enter_context(connect_engine(self.engine).client(slots)) if self.engine else None
            trained = train(job, client)
        if self.alias:
            set_alias(self.model_uri, self.alias, trained.ref, job.began, run_name(context))
        self.outcome = trained_one(self.dataset.uri, trained, self.alias, run_name(context))
        for name, value in trained.manifest.metrics.items():
            self.log.info("%s %.6g on %s", name, value, trained.manifest.metrics_on)
        return self.handed_on(trained.to_dict(), "model", context)
