"""`CombineOperator`: publish what passed the audit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.links import RunReportLink
from airflow_batchscore.operators.base import BatchScoreOperator, run_facts

if TYPE_CHECKING:
    from airflow.sdk import Context


class CombineOperator(BatchScoreOperator):
    """Publish the committed scores where readers see them, and write the run's report beside them.

    Args:
        scores: output of `CheckScoresOperator` or of the mapped `ScorePartitionOperator`. Templated.
        output_uri: ending in ``.parquet`` or ``.csv``: one file of all partitions of the run, with a column a
            partition field. Otherwise a folder, hive-partitioned, one file a partition: this run's partitions replace
            their earlier versions, no other is touched. Templated.
        plan: output of `PlanPartitionsOperator`; when given, every planned partition must be there. Templated.
        report_uri: where the HTML report goes; the same facts as JSON lie beside it. Default: beside the output
            (``<name>.report.html``), or in the folder's ``_reports/``. Templated.
        conn_id: connection for the output. Templated.
        scores_conn_id: connection of the scores' storage; default: `conn_id`. Templated.

    Returns:
        ``{"output", "rows", "partitions", "unchanged", "report", "summary"}``.

    Readers see a file's old content or the new one, never half of it. A retry writes the same bytes; what is published
    already from the same inputs is left as it is. Fails at once when a part is damaged or the output is refused.
    """

    template_fields: Sequence[str] = ("scores", "output_uri", "plan", "report_uri", "conn_id", "scores_conn_id")
    operator_extra_links = (RunReportLink(),)

    def __init__(
        self,
        *,
        scores: Any,
        output_uri: str,
        plan: Any = None,
        report_uri: str | None = None,
        conn_id: str | None = None,
        scores_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.scores = scores
        self.output_uri = output_uri
        self.plan = plan
        self.report_uri = report_uri
        self.conn_id = conn_id
        self.scores_conn_id = scores_conn_id

    def run_stage(self, context: Context) -> dict[str, Any]:
        from airflow_batchscore.connections import connect
        from airflow_batchscore.data.pattern import partition_key
        from airflow_batchscore.operators.scores import planned_partitions, read_scores, score_items
        from airflow_batchscore.publish.combine import combine
        from airflow_batchscore.publish.report import report_place, summarise, write_report
        from airflow_batchscore.scoring.audit import require_planned

        shorts, manifests = read_scores(score_items(self.scores), self.scores_conn_id or self.conn_id)
        if self.plan is not None:
            require_planned(planned_partitions(self.plan), manifests)
        conn_id = connect(self.output_uri, self.conn_id)
        published = combine(manifests, self.output_uri, conn_id)
        run = run_facts(context)
        reused = {partition_key(short["partition"]): bool(short["reused"]) for short in shorts}
        summary = summarise(manifests, published, run=run, reused=reused)
        report_uri = self.report_uri or report_place(self.output_uri, run["run_id"])
        report_conn_id = connect(report_uri, self.conn_id)
        summary_uri = write_report(manifests, summary, report_uri, report_conn_id)
        self.log.info("published %d rows of %d partitions at %s", published["rows"], len(manifests), self.output_uri)
        counted = {**published, "unchanged": len(published["unchanged"])}
        return {**counted, "report": report_uri, "report_conn_id": report_conn_id, "summary": summary_uri}
