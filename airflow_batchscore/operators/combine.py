"""`CombineOperator`: publish what passed the audit."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.amounts import number_of
from airflow_batchscore.data.json_types import Json, JsonObject
from airflow_batchscore.errors import InputError, OutputError
from airflow_batchscore.links import RunReportLink
from airflow_batchscore.operators.assets import alias_of
from airflow_batchscore.operators.authored import kind_of
from airflow_batchscore.operators.base import BatchScoreOperator, as_bool, scoring_run, task_name
from airflow_batchscore.operators.failing import try_number
from airflow_batchscore.operators.partition_keys import (
    raises_partition_events,
    require_event_keys,
    require_partition_events,
)
from airflow_batchscore.operators.places import Place
from airflow_batchscore.operators.score import ScorePartitionOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batchscore.data.tables.kinds import Table
    from airflow_batchscore.engine.base import Engine


class CombineOperator(BatchScoreOperator):
    """Publish the committed scores where readers see them, and write the run's report beside them.

    Args:
        scores: output of `CheckScoresOperator` or of the mapped `ScorePartitionOperator`, of this run. Templated.
        output_uri: if it ends in ``.parquet`` or ``.csv``: one file with a column per partition field. Otherwise a
            folder, hive-partitioned, one file per partition, unless another package registers the suffix (see
            docs/adding/output.md). In all cases this run's partitions replace their earlier versions, and other
            partitions are kept. For a table, its folder. Templated.
        table: ``Delta()`` or ``Iceberg("tennis.scores", catalog="lake")``: `output_uri` is the folder of such a table,
            in which the run's partitions are replaced in one commit (docs/how-to/publish-to-a-table.md).
        plan: output of `PlanPartitionsOperator`; if given, every planned partition must be present. Templated.
        replace_all: build a single file or a table from this run's partitions alone: others are dropped, and what
            another program wrote is replaced, a file also if it has other columns. Templated.
        republish: let this run replace scores of a run that was planned later, or of a later attempt. Templated.
        allow_empty: let a partition without rows replace one with rows, and publish a run without any row. Templated.
        field_types: for a single file or a new table, partition field -> Arrow type of its column
            (``{"year": "string"}``). Left out, a field keeps the type that the output has; in a new one it is int64 if
            all values are integers without leading zeros, otherwise text.
        report_uri: an HTML page (with the same facts as JSON beside it) that always shows the newest publication; each
            run's own report is kept with the run in any case. Templated.
        engine: whose workers write the partitions of a folder or a table; default ``LocalDask()``. The workers read the
            scores and write the output. A single file is written by the task.
        conn_id: connection for the output. Templated.
        scores_conn_id: connection for the scores' storage; default: `conn_id`. Templated.
        partition_events: raise an asset event for each partition that changed, with its key, in place of one for all.
            They start DAGs with ``PartitionedAssetTimetable`` and no other DAG. Default: only in runs without a
            partition key of DAGs whose own schedule is about partitions; see docs/how-to/schedule-by-assets.md. Needs
            Airflow 3.3.

    Returns:
        A `PublishedRun` as JSON: ``{"schema", "output", "rows", "partitions", "added", "replaced", "unchanged", "kept",
        "dropped", "report", "report_conn_id", "report_digest", "summary"}``: rows and partitions of this run, the
        number of partitions added, replaced and so on (of a table also ``table`` and the ``version`` that the commit
        made: a Delta version or an Iceberg snapshot), and the location and digest of the run's own report: in the
        folder's ``_runs/<dag_id>/<run_id>/``, or beside a file in ``_runs/<name>/<dag_id>/<run_id>/``.

    A single file is either the old publication or the new one. In a folder this holds per partition file; on a local
    disk all partitions also change in one step, so one listing shows one publication, while on an object store they
    change one by one. A reader that opens the files of a folder one after the other during the change can get some old
    and some new ones; publish a single file where that matters. Published data names the manifest it comes from; a
    partition already published from the same manifest is left as it is.

    Publications are ordered by the time at which they were planned, and attempts of one plan by the time at which they
    began. The last step decides, under a lock on a disk and by a conditional write on S3, Google Cloud Storage and
    Azure: a run that was stopped or cleared does not replace what a newer one published, unless `republish` is set.
    Another package's store without conditional writes is checked right before the write: there an older run can win
    within the time of one upload. The times come from the workers' clocks, which must agree.

    Fails at once when newer scores are published, a part is damaged, the scores belong to another run or are not those
    that the audit saw, a column has the name of a partition field, or the output is refused.
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
        scores: Json,
        output_uri: str,
        plan: Json = None,
        table: Table | None = None,
        replace_all: bool | str = False,
        republish: bool | str = False,
        allow_empty: bool | str = False,
        report_uri: str | None = None,
        field_types: Mapping[str, str] | None = None,
        engine: Engine | None = None,
        conn_id: str | None = None,
        scores_conn_id: str | None = None,
        partition_events: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.scores = scores
        self.output_uri = output_uri
        self.plan = plan
        self.table = table
        self.replace_all = replace_all
        self.republish = republish
        self.allow_empty = allow_empty
        self.report_uri = report_uri
        self.field_types = field_types
        self.engine = engine
        self.conn_id = conn_id
        self.scores_conn_id = scores_conn_id
        self.partition_events = partition_events
        self.reads_planned()
        self.writes(output_uri)
        if partition_events:
            self._require_partition_events()

    def _require_partition_events(self) -> None:
        require_partition_events("partition_events=True")
        if alias_of(self) in self.outlets:
            raise InputError(
                f"partition_events=True: only a run knows output_uri={self.output_uri!r}, and Airflow puts partition "
                "keys on the events of assets that the DAG declares. Write the location, or a template of params "
                "that have defaults"
            )

    def _is_audited(self) -> bool:
        """Whether only the output of a check is accepted: yes, unless the DAG passes scores directly."""
        tasks = self.producers("scores")
        return not tasks or not all(issubclass(kind_of(task), ScorePartitionOperator) for task in tasks)

    def run_stage(self, context: Context) -> JsonObject:
        from airflow_batchscore.connections import connect, connect_engine, connect_table
        from airflow_batchscore.data.apart import require_apart
        from airflow_batchscore.data.storage import Location
        from airflow_batchscore.engine.local import LocalDask
        from airflow_batchscore.operators.estimating import estimate_before
        from airflow_batchscore.operators.outcome import published_scores
        from airflow_batchscore.operators.scored_inputs import passed_audit, read_plan, read_scores, score_items
        from airflow_batchscore.publish.audit import require_planned
        from airflow_batchscore.publish.combine import combine
        from airflow_batchscore.publish.published import PublishedRun
        from airflow_batchscore.publish.report import facts_uri
        from airflow_batchscore.publish.runs import leave_report
        from airflow_batchscore.publish.stamp import Publication
        from airflow_batchscore.publish.summary import summarise

        began = time.time_ns()
        run = scoring_run(context)
        items = score_items(self, context, audited=self._is_audited())
        planned = None if self.plan is None else read_plan(self, context)[0]
        _, state = read_scores(items, self.scores_conn_id or self.conn_id, planned)
        manifests = state.manifests
        if raises_partition_events(self, context, self.partition_events):
            require_event_keys(manifest.partition for manifest in manifests)
        if planned is not None:
            require_planned(planned, manifests)
        publication = Publication(
            run=run.name,
            generations=state.generations,
            replace_all=as_bool(self.replace_all),
            republish=as_bool(self.republish),
            allow_empty=as_bool(self.allow_empty),
            began=began,
            engine=connect_engine(self.engine or LocalDask()),
            field_types=dict(self.field_types or {}),
        )
        output = connect(Location(self.output_uri, self.conn_id))
        connect_table(self.table)
        if self.report_uri:
            if not self.report_uri.endswith(".html"):
                raise OutputError(f"report_uri={self.report_uri!r} is a page: let it end in .html")
            require_apart(manifests[0].dataset, [self.report_uri, facts_uri(self.report_uri)])
        passed = passed_audit(self, context)
        published = combine(manifests, output, publication, self.table)
        before = estimate_before(self, context)
        summary = summarise(manifests, published, run=run, reused=state.reused, passed=passed, estimate=before)
        self.outcome = published_scores(self.output_uri, summary, manifests, run, retried=try_number(context) > 1)
        copy = connect(Location(self.report_uri, self.conn_id)) if self.report_uri else None
        report = leave_report(manifests, published, summary, task_name(context), copy)
        self.log.info(
            "published %d rows of %s at %s", published.rows, number_of(len(manifests), "partition"), self.output_uri
        )
        return self.handed_on(PublishedRun.of(published, report).to_dict(), "publication", context)
