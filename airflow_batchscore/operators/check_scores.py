"""`CheckScoresOperator`: the audit between scoring and publication."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.amounts import number_of
from airflow_batchscore.data.json_types import Json, JsonObject
from airflow_batchscore.operators.base import as_mapping, as_number, if_given, scoring_run, task_name
from airflow_batchscore.operators.gate import GateOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batchscore.publish.state import RunChallenge
    from airflow_batchscore.publish.verdict import Audit


class CheckScoresOperator(GateOperator):
    """Read manifests and parts back from storage; let the run pass only if they are complete and within limits.

    Args:
        plan: output of `PlanPartitionsOperator`. Templated.
        scores: output of the mapped `ScorePartitionOperator`. Templated.
        max_quarantined: rows in quarantine allowed across the run, a count or a share (``0.01``). Templated.
        max_skipped: rows that the recipe or the function may leave out across the run, a count or a share (``1.0``
            allows all); rows that a `ModelPolicy` skips are not counted. None: at least one of the rows read must be
            scored. Templated.
        max_drift: highest population stability index against the training data, of any feature or output of any
            partition (below 0.1 stable, above 0.25 a shift); None skips this check. A mapping sets limits by column,
            ``{"price": 0.1, "*": 0.25}``; without ``"*"`` the other columns have none. Where each row has its own
            model, the rows of all models are measured together. Templated.
        max_unseen: highest share of a partition's rows with a class of a feature that training did not see (``0.01``),
            for every such feature or by feature, as `max_drift`; None skips this check. Templated.
        max_outside: the same for numbers below the lowest or above the highest of training. Templated.
        allow_missing: number of planned partitions that may lack a manifest. Templated.
        min_agreement: share of the rows, such as ``0.95``, to which the challenger must give the champion's class; for
            text, Booleans and whole numbers. A row that only one of them scored is a disagreement. Needs
            ``PlanPartitionsOperator(model=[champion, challenger])``. Templated.
        max_difference: likewise for numbers, highest absolute difference by name: ``{"p95": 0.1, "mean": 0.02, "max":
            0.5}``. A quantile is at most 1 % too large. The difference of a row that only one of them scored is
            unbounded. Templated.
        conn_id: connection for the scores' storage. Templated.

    Returns:
        A `CheckedScores` as JSON: ``{"schema", "partitions", "rows_read", "rows_scored", "rows_skipped",
        "rows_quarantined", "max_drift", "without_drift", "uncovered", "verdict", "scores"}``. ``scores`` is the input
        of `CombineOperator`: it names exactly the manifests that passed. ``without_drift`` counts partitions without a
        drift figure. ``verdict`` is the URI of a JSON file, below ``<staging>/_runs/<dag_id>/<run_id>/``, that records
        what was checked and what was found; it is also written when the audit fails. If the run has a challenger,
        ``XComArg(check, "comparison")`` is what was found of it, as Markdown for a person who decides, and, if every
        partition was compared, ``XComArg(check, "challenger")`` that version, for ``CheckModelOperator(model=...,
        promote_to=...)``.

    The log shows everything that was checked, passed or not.

    Fails at once, with every problem in the message: a planned partition is missing, an account does not add up, a part
    is missing or its rows differ from its manifest, more than one model, too many rows in quarantine or skipped, drift,
    unseen classes, numbers outside the training range, or one of these that is limited and cannot be measured (a
    function, nothing scored, no profile of the training data), or a challenger that is too far from the champion, or
    cannot be compared with it. Without a limit for it, a challenger fails nothing.
    """

    template_fields: Sequence[str] = (
        "plan",
        "scores",
        "max_quarantined",
        "max_skipped",
        "max_drift",
        "max_unseen",
        "max_outside",
        "allow_missing",
        "min_agreement",
        "max_difference",
        "conn_id",
    )

    def __init__(
        self,
        *,
        plan: Json,
        scores: Json,
        max_quarantined: int | float | str = 0,
        max_skipped: int | float | str | None = None,
        max_drift: float | str | Mapping[str, float | str] | None = None,
        max_unseen: float | str | Mapping[str, float | str] | None = None,
        max_outside: float | str | Mapping[str, float | str] | None = None,
        allow_missing: int | str = 0,
        min_agreement: float | str | None = None,
        max_difference: Mapping[str, float | str] | str | None = None,
        conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.plan = plan
        self.scores = scores
        self.max_quarantined = max_quarantined
        self.max_skipped = max_skipped
        self.max_drift = max_drift
        self.max_unseen = max_unseen
        self.max_outside = max_outside
        self.allow_missing = allow_missing
        self.min_agreement = min_agreement
        self.max_difference = max_difference
        self.conn_id = conn_id

    def run_stage(self, context: Context) -> JsonObject:
        from airflow_batchscore.data import storage
        from airflow_batchscore.operators.outcome import audited
        from airflow_batchscore.operators.scored_inputs import read_challenge, read_plan, read_scores, score_items
        from airflow_batchscore.publish.audit import audit
        from airflow_batchscore.publish.comparison_gate import with_comparison
        from airflow_batchscore.publish.run_totals import RunTotals
        from airflow_batchscore.publish.runs import VERDICT, run_place, staged_runs_folder
        from airflow_batchscore.publish.verdict import CheckedScores, Limits

        limits = Limits(
            max_quarantined=self.max_quarantined,
            max_skipped=if_given(self.max_skipped),
            max_drift=if_given(self.max_drift),
            max_unseen=if_given(self.max_unseen),
            max_outside=if_given(self.max_outside),
            allow_missing=as_number(self.allow_missing, "allow_missing", int),
            min_agreement=if_given(self.min_agreement),
            max_difference=as_mapping(if_given(self.max_difference)),
        )
        planned, notices = read_plan(self, context)
        items, state = read_scores(score_items(self, context), self.conn_id, planned)
        manifests = state.manifests
        challenge = read_challenge(items, state)
        result = with_comparison(audit(planned, manifests, limits, notices), challenge, limits)
        run, staging = scoring_run(context), staged_runs_folder(manifests)
        self.outcome = audited(staging.parent.uri, result)
        verdict = run_place(staging, run, task_name(context), VERDICT)
        storage.write_json(verdict, result.verdict(run, limits))
        self.show(result.checks)
        result.require()
        self.log.info(
            "%s passed, %d rows read = %d scored + %d skipped + %d quarantined; see %s",
            number_of(len(manifests), "partition"),
            *result.account.astuple(),
            verdict,
        )
        if challenge is not None:
            self._hand_on(challenge, result, context)
        checked = CheckedScores(result.figures, verdict.uri, items).to_dict()
        # Sealed on their own, too: a list of runs reads them alone, without the megabytes of `scores`.
        totals = self.handed_on(RunTotals.of_check(result.figures, state.scored).to_dict(), "totals", context)
        return self.handed_on({**checked, "totals": totals}, "audit", context)

    def _hand_on(self, challenge: RunChallenge, result: Audit, context: Context) -> None:
        from airflow_batchscore.model.reference import GivenModel
        from airflow_batchscore.publish.comparison_gate import as_markdown

        context["ti"].xcom_push(key="comparison", value=as_markdown(result))
        if not result.is_compared:  # so that nobody promotes what nobody has seen beside the champion
            self.log.warning("the challenger was not compared in all partitions, and is not handed on for promotion")
            return
        model = GivenModel(challenge.model.uri, challenge.model.digest).to_dict()
        context["ti"].xcom_push(key="challenger", value=self.handed_on(model, "model", context))
