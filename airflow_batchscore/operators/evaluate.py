"""`EvaluateOperator`: notice that a model has decayed, and notify the DAG that retrains it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import AssetAlias

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.operators.base import as_mapping
from airflow_batchscore.operators.gate import GateOperator
from airflow_batchscore.operators.places import DATASET, Place

if TYPE_CHECKING:
    from airflow.sdk import Asset, Context

    from airflow_batchscore.data.dataset import PartitionedDataset
    from airflow_batchscore.model.recipe import Recipe


class EvaluateOperator(GateOperator):
    """Measure a model on labels that arrived since it was trained; raise an asset event when it has decayed.

    A DAG with ``schedule=[decayed]`` then trains the next model. The history of the metrics is stored with the model,
    in ``<model_uri>/<version>/evaluations/``.

    Args:
        model: ``"<uri>@<alias>"``, ``"<uri>/<version>"`` or what `TrainOperator` returned. Templated.
        dataset: labelled data.
        partitions: what to measure on, such as the last month; their rows are held in memory together. Templated.
        require: limits outside of which the model counts as decayed, such as ``{"rmse": "<=1.1*baseline"}`` or
            ``{"accuracy": ">=0.9"}``; the baseline is the metric measured at training. Templated.
        decayed: asset whose event announces the decay, with the metrics in its ``extra``.
        recipe: where the labels come from; default: the model's own.
        metrics: see `TrainOperator`; default: those of training.
        conn_id: connection for the model's storage. Templated.

    Returns:
        ``{"model", "version", "rows", "metrics", "baseline", "decayed", "problems"}``. A decayed model does not fail
        the task.
    """

    template_fields: Sequence[str] = ("model", "dataset", "partitions", "require", "conn_id")
    places = (DATASET, Place("model", "conn_id", "model"))

    def __init__(
        self,
        *,
        model: object,
        dataset: PartitionedDataset,
        partitions: object,
        require: Mapping[str, str],
        decayed: Asset | None = None,
        recipe: Recipe | None = None,
        metrics: Sequence[str | Callable[..., float]] | None = None,
        conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        if decayed is not None:
            # An asset as outlet gets an event whenever the task succeeds; an alias only for those added explicitly.
            outlets = kwargs.get("outlets") or []
            kwargs["outlets"] = [*(outlets if isinstance(outlets, list) else [outlets]), _alias(decayed)]
        super().__init__(**kwargs)
        self.model = model
        self.dataset = copy.copy(dataset)
        self.partitions = partitions
        self.require = require
        self.decayed = decayed
        self.recipe = recipe
        self.metrics = metrics
        self.conn_id = conn_id
        self.reads_data()
        self.reads_models("model")

    def run_stage(self, context: Context) -> JsonObject:
        from airflow_batchscore.connections import connect_dataset
        from airflow_batchscore.operators.outcome import evaluated
        from airflow_batchscore.training.evaluation import evaluate
        from airflow_batchscore.training.gate import metric_checks

        ref, trust = self.model_ref("model", context)
        self.require_output("the evaluation of model", ref.location)
        evaluation = evaluate(
            ref,
            connect_dataset(self.dataset),
            self.partitions,
            require=as_mapping(self.require),
            recipe=self.recipe,
            metrics=self.metrics,
            trusted_types=trust.types,
        )
        checks = metric_checks(evaluation.metrics, as_mapping(self.require), evaluation.baseline)
        self.outcome = evaluated(self.dataset.uri, ref, evaluation, checks)
        self.show(checks)
        short = evaluation.to_dict(ref)
        if evaluation.problems:
            self.log.warning("model %s has decayed: %s", ref.uri, "; ".join(evaluation.problems))
            if self.decayed is not None:
                context["outlet_events"][_alias(self.decayed)].add(self.decayed, extra=short)
        else:
            self.log.info("model %s: %s on %d rows, as it should be", ref.uri, evaluation.metrics, evaluation.rows)
        return short


def _alias(decayed: Asset) -> AssetAlias:
    return AssetAlias(f"decayed {decayed.name}")
