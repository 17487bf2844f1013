"""`TrainOperator`: train on some partitions, save a version."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.operators.base import BatchScoreOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batchscore.data.dataset import PartitionedDataset
    from airflow_batchscore.model.recipe import Recipe


class TrainOperator(BatchScoreOperator):
    """Train an estimator on a subset of the partitions and save it as a version of the model.

    The version's name is a hash of the training data's fingerprints, the recipe, the estimator and the library
    versions: run again on the same inputs, or retried after a crash, it returns the version that is there.

    Args:
        dataset: where the training data lies.
        partitions: what to train on: a list, ``"2000..2016"``, JSON text, or None for all. Templated.
        recipe: features and target.
        estimator: scikit-learn compatible estimator, a factory, or the import path of one
            (``"sklearn.linear_model:LogisticRegression"``), which keeps the DAG file light.
        model_uri: folder of the model's versions. Templated.
        alias: name to point at the new version, without a gate; see `CheckModelOperator` for one. Templated.
        holdout: what the metrics are measured on: a share of the rows (``0.2``), partitions that are not trained on,
            or None for the training rows themselves. Templated.
        metrics: names of scikit-learn scorers, or functions ``(estimator, features, labels) -> float``. Default:
            accuracy for classifiers, r2 for regressors.
        flavor: how the estimator is serialised: ``"joblib"`` (``"auto"``), or ``"skops"``, which runs nothing when it
            is loaded.
        conn_id: connection for `model_uri`; default: the storage's own. Templated.

    Returns:
        ``{"model": "<model_uri>/<version>", "version", "digest", "metrics", "metrics_on", "rows_read",
        "rows_trained", "partitions", "reused"}``.

    Fails at once when data is missing or damaged, a column is missing, or the recipe or the estimator raises; storage
    that does not answer is retried. An artifact exists only once it is whole.
    """

    template_fields: Sequence[str] = ("dataset", "partitions", "model_uri", "alias", "holdout", "conn_id")

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
        self.conn_id = conn_id

    def run_stage(self, context: Context) -> dict[str, Any]:
        from airflow_batchscore.connections import connect, connect_dataset
        from airflow_batchscore.model.reference import set_alias
        from airflow_batchscore.model.training import TrainingJob, train
        from airflow_batchscore.operators.trust import configured_trust

        trained = train(
            TrainingJob(
                dataset=connect_dataset(self.dataset),
                partitions=self.partitions,
                recipe=self.recipe,
                estimator=self.estimator,
                model_uri=self.model_uri,
                holdout=self.holdout,
                metrics=self.metrics,
                flavor=self.flavor,
                conn_id=connect(self.model_uri, self.conn_id),
                signing_key=configured_trust().key,
            )
        )
        if self.alias:
            set_alias(self.model_uri, self.alias, trained.ref)
        for name, value in trained.manifest.metrics.items():
            self.log.info("%s %.6g on %s", name, value, trained.manifest.metrics_on)
        return trained.to_dict()
