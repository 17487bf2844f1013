"""`TrainOperator`: train on some partitions, save a version."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import InputError
from airflow_batchscore.operators.base import BatchScoreOperator, as_bool, as_number, run_name
from airflow_batchscore.operators.places import DATASET, Place
from airflow_batchscore.operators.slots import task_slots

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batchscore.data.dataset import PartitionedDataset
    from airflow_batchscore.engine.dask import DaskCluster
    from airflow_batchscore.engine.local import LocalDask
    from airflow_batchscore.model.recipe import Recipe


class TrainOperator(BatchScoreOperator):
    """Train an estimator on a subset of the partitions and save it as a version of the model.

    The version's name is a hash of the training data's fingerprints, the recipe, the estimator and the library
    versions: run again on the same inputs, or retried after a crash, it returns the version that is there. Every byte
    of that is verified first; next to a damaged version a new one is written (``<version>-2``, ``-3``, ...).

    Args:
        dataset: where the training data lies.
        partitions: what to train on: a list, ``"2000..2016"``, JSON text, or None for all. Templated.
        recipe: features and target.
        estimator: scikit-learn compatible estimator, a factory, or the import path of one
            (``"sklearn.linear_model:LogisticRegression"``), which keeps the DAG file light.
        model_uri: folder of the model's versions. With fields of the data set in it (``"s3://models/{device}"``) a
            model is trained for each, from its partitions; with another field (``"s3://models/{sensor_id}"``) one for
            each value of that column, from rows that are in memory together. Templated.
        alias: name to point at the new version, without a gate; see `CheckModelOperator` for one. Templated.
        holdout: what the metrics are measured on: a share of the rows (``0.2``), partitions that are not trained on,
            or None for the training rows themselves. Templated.
        metrics: names of scikit-learn scorers, ``"rmse"``, ``"mae"``, or functions ``(estimator, features, labels) ->
            float``. Default: accuracy for classifiers, r2 for regressors.
        flavor: how the estimator is serialised: ``"joblib"``, ``"skops"``, ``"xgboost"``, ``"lightgbm"``, ``"onnx"``,
            ``"torch"``, ``"torch-state"``, ``"mlflow"``, or the import path of a `Flavor`. ``"auto"`` goes by the
            estimator's library, and is joblib for the rest.
        learning_curve: also fit on growing samples, and keep what the held-out rows say of each with the model: how
            many rows are enough stands in the run report. Needs `holdout`.
        incremental: train block after block by ``partial_fit`` (through dask-ml's `Incremental`), on more rows than
            memory holds.
        engine: `LocalDask()` or a `DaskCluster` that training may use: by estimators of ``xgboost.dask`` and
            ``lightgbm.dask``, by scikit-learn searches and whatever else joblib spreads, and for many models.
        retrain: train again, once per run, even if there is a version from the same inputs, which stays. Templated.
        max_failed: of many models, how many may fail without failing the task. Templated.
        conn_id: connection for `model_uri`; default: the storage's own. Templated.

    Returns:
        ``{"model": "<model_uri>/<version>", "version", "digest", "metrics", "metrics_on", "rows_read",
        "rows_trained", "partitions", "reused"}``; of many models ``{"model", "trained", "reused", "failed", "why"}``.

    Fails at once when data is missing or damaged, a column is missing, or the recipe or the estimator raises; storage
    that does not answer is retried. An artifact exists only once it is whole.
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
        partitions: Any,
        recipe: Recipe,
        estimator: Any,
        model_uri: str,
        alias: str | None = None,
        holdout: Any = None,
        metrics: Sequence[str | Callable[..., float]] | None = None,
        flavor: str = "auto",
        learning_curve: bool = False,
        incremental: bool = False,
        engine: LocalDask | DaskCluster | None = None,
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
        self.engine = engine
        self.retrain = retrain
        self.max_failed = max_failed
        self.conn_id = conn_id

    def run_stage(self, context: Context) -> dict[str, Any]:
        from airflow_batchscore.connections import connect, connect_dataset, connect_engine
        from airflow_batchscore.engine.local import LocalDask
        from airflow_batchscore.model.choice import template_fields
        from airflow_batchscore.model.many import train_many
        from airflow_batchscore.model.reference import set_alias
        from airflow_batchscore.model.training import TrainingJob, train
        from airflow_batchscore.operators.trust import configured_trust

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
            retrain=run_name(context) if as_bool(self.retrain) else None,
            conn_id=connect(self.model_uri, self.conn_id),
            signing_key=configured_trust().key,
        )
        slots = task_slots(self, mapped=1)
        if template_fields(self.model_uri):
            engine = connect_engine(self.engine or LocalDask())
            if job.signing_key is not None and not isinstance(engine, LocalDask):
                raise InputError("many models are signed where they are trained, and the key stays here: LocalDask()")
            most = as_number(self.max_failed, "max_failed", int)
            with engine.session(slots) as session:
                many = train_many(job, session.run, alias=self.alias, max_failed=most)
            self.log.info("%d models trained, %d there before, %d failed", many.trained, many.reused, len(many.failed))
            name = f"{self.model_uri}@{self.alias}" if self.alias else self.model_uri
            return self.handed_on(many.to_dict(name), "model", context)
        if self.engine is not None and not hasattr(self.engine, "client"):
            raise InputError(
                f"engine={self.engine!r}: training spreads over Dask; give LocalDask() or DaskCluster(...)"
            )
        with contextlib.ExitStack() as cluster:
            client = cluster.enter_context(connect_engine(self.engine).client(slots)) if self.engine else None
            trained = train(job, client)
        if self.alias:
            set_alias(self.model_uri, self.alias, trained.ref, job.began)
        for name, value in trained.manifest.metrics.items():
            self.log.info("%s %.6g on %s", name, value, trained.manifest.metrics_on)
        return self.handed_on(trained.to_dict(), "model", context)
