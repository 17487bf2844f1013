"""`CheckModelOperator`: the gate between training and scoring."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.operators.base import as_mapping, run_name
from airflow_batchscore.operators.gate import GateOperator
from airflow_batchscore.operators.places import Place

if TYPE_CHECKING:
    from airflow.sdk import Context


class CheckModelOperator(GateOperator):
    """Check a model's metrics against limits, and point an alias at it if it passes.

    The metrics are read from the artifact, not from the training task, and every byte of the model is verified, so an
    alias never points at a damaged model.

    Args:
        model: what `TrainOperator` returned, ``"<uri>/<version>"`` or ``"<uri>@<alias>"``. Templated.
        require: metric -> limit, such as ``{"accuracy": ">=0.9"}``, or ``{"rmse": "<=0.95*baseline"}``. Templated.
        baseline: the model that `require` compares with, named like `model`. Templated.
        promote_to: alias to point at the model once it passes. Templated.
        conn_id: connection for the model's storage. Templated.

    Returns:
        ``{"schema", "model", "version", "digest", "metrics", "baseline", "promoted_to"}``; ``promoted_to`` is None if
        the alias was not moved, also because a task that began later has already moved it.

    The log shows every metric with its limit, passed or not.

    Fails at once when a metric is missing or outside its limit, or a file of the model is damaged; the alias then stays
    unchanged.
    """

    template_fields: Sequence[str] = ("model", "require", "baseline", "promote_to", "conn_id")
    places = (Place("model", "conn_id", "model"), Place("baseline", "conn_id", "model"))

    def __init__(
        self,
        *,
        model: object,
        require: Mapping[str, str] | None = None,
        baseline: object = None,
        promote_to: str | None = None,
        conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.require = require
        self.baseline = baseline
        self.promote_to = promote_to
        self.conn_id = conn_id
        self.reads_models("model", "baseline")
        self.moves_alias(promote_to)

    def run_stage(self, context: Context) -> JsonObject:
        from airflow_batchscore.model.artifact import read_manifest, verify
        from airflow_batchscore.model.reference import set_alias
        from airflow_batchscore.operators.outcome import checked_model
        from airflow_batchscore.training.gate import CheckedModel, metric_checks, require_passed

        began = time.time_ns()
        ref, _ = self.model_ref("model", context)
        if self.promote_to:
            self.require_output(f"the alias {self.promote_to!r} of model", ref.location)
        manifest = verify(ref)
        other = read_manifest(self.model_ref("baseline", context)[0]).metrics if self.baseline else None
        checks = metric_checks(manifest.metrics, as_mapping(self.require) or {}, other)
        self.show(checks)
        self.outcome = checked_model(ref, manifest, checks, None, run_name(context))
        require_passed(checks, ref.uri)
        promoted_to = None
        if self.promote_to and set_alias(ref.location.parent.uri, self.promote_to, ref, began, run_name(context)):
            promoted_to = self.promote_to
            self.log.info("%s now points at version %s", promoted_to, ref.version)
            self.outcome = checked_model(ref, manifest, checks, promoted_to, run_name(context))
        checked = CheckedModel(
            model=ref.uri,
            version=ref.version,
            digest=ref.digest,
            metrics=manifest.metrics,
            baseline=other,
            promoted_to=promoted_to,
        )
        return self.handed_on(checked.to_dict(), "model", context)
