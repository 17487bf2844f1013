"""`CheckScoresOperator`: the audit between scoring and publication."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.operators.base import BatchScoreOperator, as_number, run_facts, task_name

if TYPE_CHECKING:
    from airflow.sdk import Context


class CheckScoresOperator(BatchScoreOperator):
    """Read manifests and parts back from storage and let the run pass only if they are whole and within limits.

    Args:
        plan: output of `PlanPartitionsOperator`. Templated.
        scores: output of the mapped `ScorePartitionOperator`. Templated.
        max_quarantined: rows in quarantine allowed over the run, a count or a share (``0.01``). Templated.
        max_skipped: rows allowed over the run that the recipe or the function leaves out, a count or a share (``1.0``
            allows all); rows that a `ModelPolicy` skips are not counted. None: at least one of the rows read must be
            scored. Templated.
        max_drift: highest population stability index against the training data, of any feature or output of any
            partition (under 0.1 stable, over 0.25 a shift); None does not look. Where each row has a model of its own,
            the rows of all models are looked at together. Templated.
        allow_missing: planned partitions that may have no manifest. Templated.
        conn_id: connection of the scores' storage. Templated.

    Returns:
        ``{"partitions", "rows_read", "rows_scored", "rows_skipped", "rows_quarantined", "max_drift", "without_drift",
        "verdict", "scores"}``. ``scores`` is what `CombineOperator` takes: it names the very manifests that passed.
        ``without_drift`` counts partitions without a figure. ``verdict`` is the URI of a JSON file, below
        ``<staging>/_runs/<dag_id>/<run_id>/``, that says what was looked at and what was found; it is written also when
        the audit fails.

    Fails at once, and with every problem in the message: a planned partition is missing, an account does not add up, a
    part is missing or has other rows than its manifest says, more than one model, too many rows in quarantine or
    skipped, drift, or drift that cannot be measured (a function, nothing scored, no profile of the training data).
    """

    template_fields: Sequence[str] = (
        "plan",
        "scores",
        "max_quarantined",
        "max_skipped",
        "max_drift",
        "allow_missing",
        "conn_id",
    )

    def __init__(
        self,
        *,
        plan: Any,
        scores: Any,
        max_quarantined: int | float | str = 0,
        max_skipped: int | float | str | None = None,
        max_drift: float | str | None = None,
        allow_missing: int | str = 0,
        conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.plan = plan
        self.scores = scores
        self.max_quarantined = max_quarantined
        self.max_skipped = max_skipped
        self.max_drift = max_drift
        self.allow_missing = allow_missing
        self.conn_id = conn_id

    def run_stage(self, context: Context) -> dict[str, Any]:
        from airflow_batchscore.data import storage
        from airflow_batchscore.operators.scores import planned_partitions, read_scores, score_items
        from airflow_batchscore.publish.runs import run_place, staged_runs_folder
        from airflow_batchscore.scoring.audit import audit

        limits: dict[str, Any] = {
            "max_quarantined": self.max_quarantined,
            "max_skipped": None if self.max_skipped in (None, "") else self.max_skipped,
            "max_drift": None if self.max_drift in (None, "") else self.max_drift,
            "allow_missing": as_number(self.allow_missing, "allow_missing", int),
        }
        items = score_items(self, context)
        _, manifests = read_scores(items, self.conn_id)
        found = audit(planned_partitions(self, context), manifests, **limits)
        run = run_facts(context)
        verdict = run_place(staged_runs_folder(manifests), run, task_name(context), "audit.json")
        storage.write_json(verdict, {"run": run, "limits": limits, **found.verdict()}, manifests[0].conn_id)
        found.require()
        self.log.info("%d partitions passed: %s; see %s", len(found.manifests), found.account, verdict)
        return self.handed_on({**found.to_dict(), "verdict": verdict, "scores": items}, "audit", context)
