"""`CombineOperator`: publish what passed the audit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import OutputError
from airflow_batchscore.links import RunReportLink
from airflow_batchscore.operators.authored import kind_of
from airflow_batchscore.operators.base import BatchScoreOperator, as_bool, run_facts, run_name, task_name
from airflow_batchscore.operators.places import Place
from airflow_batchscore.operators.score import ScorePartitionOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class CombineOperator(BatchScoreOperator):
    """Publish the committed scores where readers see them, and write the run's report beside them.

    Args:
        scores: output of `CheckScoresOperator` or of the mapped `ScorePartitionOperator`, of this run. Templated.
        output_uri: ending in ``.parquet`` or ``.csv``: one file with a column per partition field. Otherwise a folder,
            hive-partitioned, one file per partition. In both this run's partitions replace their earlier versions, and
            others are kept. Templated.
        plan: output of `PlanPartitionsOperator`; when given, every planned partition must be there. Templated.
        replace_all: make a single file from this run's partitions alone: others are dropped, and a file that has
            other columns, or that another program wrote, is replaced. Templated.
        republish: let this run replace scores of a run that was planned later, or of a later attempt. Templated.
        allow_empty: let a partition without rows replace one with rows, and publish a run without any row. Templated.
        report_uri: an HTML page (and the same facts as JSON beside it) that is always the newest publication's; each
            run's own report lies under the run in any case. Templated.
        conn_id: connection for the output. Templated.
        scores_conn_id: connection of the scores' storage; default: `conn_id`. Templated.

    Returns:
        ``{"output", "rows", "partitions", "added", "replaced", "unchanged", "kept", "dropped", "report", "summary"}``:
        rows and partitions of this run, numbers of the partitions that were added and so on, and where the run's own
        report lies: in the folder's ``_runs/<dag_id>/<run_id>/``, beside a file in ``_runs/<name>/<dag_id>/<run_id>/``.

    A single file is the old publication or the new one. In a folder each partition's file is; on a local disk all
    partitions also change in one step, so that one listing shows one publication, on an object store they change one
    by one. A reader that opens the files of a folder one after the other, while they change, can get some old and some
    new; publish a single file where that matters. What is published says which manifest it comes
    from; a partition that is published from the same manifest is left as it is.

    Publications are ordered by the time at which they were planned, and attempts of one plan by the time at which they
    began. That is decided in the last step, under a lock on a disk and by a conditional write on S3: a run that was
    stopped, or cleared, does not replace what a newer one published, unless `republish` is set. Other stores are looked
    at right before the write: there an older run can win within the time of one upload. The times are those of the
    workers' clocks, which must agree.

    Fails at once when newer scores are published, a part is damaged, the scores are another run's or not those that the
    audit saw, a column is called like a partition field, or the output is refused.
    """

    template_fields: Sequence[str] = (
        "scores",
        "output_uri",
        "plan",
        "replace_all",
        "republish",
        "allow_empty",
        "report_uri",
        "conn_id",
        "scores_conn_id",
    )
    places = (Place("output_uri", "conn_id", "write"), Place("report_uri", "conn_id", "write"))
    operator_extra_links = (RunReportLink(),)

    def __init__(
        self,
        *,
        scores: Any,
        output_uri: str,
        plan: Any = None,
        replace_all: bool | str = False,
        republish: bool | str = False,
        allow_empty: bool | str = False,
        report_uri: str | None = None,
        conn_id: str | None = None,
        scores_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.scores = scores
        self.output_uri = output_uri
        self.plan = plan
        self.replace_all = replace_all
        self.republish = republish
        self.allow_empty = allow_empty
        self.report_uri = report_uri
        self.conn_id = conn_id
        self.scores_conn_id = scores_conn_id

    def _is_audited(self) -> bool:
        """Whether nothing but the output of a check will do: unless the DAG hands on scores themselves."""
        tasks = self.producers("scores")
        return not tasks or not all(issubclass(kind_of(task), ScorePartitionOperator) for task in tasks)

    def run_stage(self, context: Context) -> dict[str, Any]:
        from airflow_batchscore.connections import connect
        from airflow_batchscore.data.apart import require_apart
        from airflow_batchscore.data.pattern import partition_key
        from airflow_batchscore.operators.scores import planned_partitions, read_scores, score_items
        from airflow_batchscore.publish.combine import combine
        from airflow_batchscore.publish.report import facts_uri, summarise
        from airflow_batchscore.publish.runs import leave_report
        from airflow_batchscore.publish.stamp import Publication
        from airflow_batchscore.scoring.audit import require_planned

        began = time.time_ns()
        run = run_name(context)
        items = score_items(self, context, audited=self._is_audited())
        shorts, manifests = read_scores(items, self.scores_conn_id or self.conn_id)
        if self.plan is not None:
            require_planned(planned_partitions(self, context), manifests)
        publication = Publication(
            run=run,
            generations={partition_key(short["partition"]): int(short["generation"]) for short in shorts},
            replace_all=as_bool(self.replace_all),
            republish=as_bool(self.republish),
            allow_empty=as_bool(self.allow_empty),
            began=began,
        )
        conn_id = connect(self.output_uri, self.conn_id)
        if self.report_uri:
            if not self.report_uri.endswith(".html"):
                raise OutputError(f"report_uri={self.report_uri!r} is a page: let it end in .html")
            require_apart(manifests[0].dataset, [self.report_uri, facts_uri(self.report_uri)])
        published = combine(manifests, self.output_uri, conn_id, publication)
        reused = {partition_key(short["partition"]): bool(short["reused"]) for short in shorts}
        summary = summarise(manifests, published, run=run_facts(context), reused=reused)
        copy = (self.report_uri, connect(self.report_uri, self.conn_id)) if self.report_uri else None
        # Not the plan's: what was published again on purpose is newer than what it replaced.
        generation = published.pop("generation")
        report, facts, digest = leave_report(manifests, summary, generation, task_name(context), conn_id, copy)
        self.log.info("published %d rows of %d partitions at %s", published["rows"], len(manifests), self.output_uri)
        counted = {name: len(value) if isinstance(value, list) else value for name, value in published.items()}
        where = {"report": report, "report_conn_id": conn_id, "report_digest": digest, "summary": facts}
        return self.handed_on({**counted, **where}, "publication", context)
