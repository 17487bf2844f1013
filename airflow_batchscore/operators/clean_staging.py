"""`CleanStagingOperator`: remove staged scores that nobody needs any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.operators.base import BatchScoreOperator, as_bool, as_number, if_given
from airflow_batchscore.operators.places import Place

if TYPE_CHECKING:
    from airflow.sdk import Context

_MOST_LISTED = 20


class CleanStagingOperator(BatchScoreOperator):
    """Remove scores from the folder where they are staged: old ones, and what dead tasks left half done.

    Never removed: the newest scores of each partition, what `published` holds, what the kept runs were checked with,
    and a folder in which something was written within `min_age_hours`. Reports, verdicts and lists of partitions stay.

    Args:
        output_uri: where `ScorePartitionOperator` stages scores. Not templated: no run may name another folder than the
            one whose outputs are `published`.
        published: the `output_uri` of each `CombineOperator` that publishes these scores; ``[]`` if none does.
        keep_days: keep scores that were committed in the last so many days. Templated.
        keep_runs: of each partition, keep the newest so many scorings, and what the newest so many runs were checked
            with. Templated. Give this, `keep_days` or both; what either keeps is kept.
        min_age_hours: nothing younger is touched. Longer than any scoring task is silent, and than you take to clear a
            failed one: what it has scored is removed with it, and scored again. Templated.
        only_report: only say what would go. Templated.
        conn_id: connection for the storage. Templated.
        published_conn_id: connection for `published`; default: `conn_id`. Templated.

    Returns:
        ``{"schema", "staging", "dry_run", "removed", "bytes", "kept", "kept_bytes", "in_use", "listed"}``: numbers of
        identities, and the first 20 that were removed, with ``partition``, ``identity``, ``why`` (``"old"``,
        ``"unfinished"``, ``"temporary"``, ``"note"``), ``files``, ``bytes`` and ``committed``.

    It may run beside scoring, publishing and other cleaners: a partition that is committed at that moment stays, and a
    scorer that stood still for longer than `min_age_hours` fails and scores again.

    Fails at once when an output does not exist or cannot tell what it holds; nothing was removed then.
    """

    template_fields: Sequence[str] = (
        "keep_days",
        "keep_runs",
        "min_age_hours",
        "only_report",
        "conn_id",
        "published_conn_id",
    )
    places = (Place("output_uri", "conn_id", "write"),)

    def __init__(
        self,
        *,
        output_uri: str,
        published: str | Sequence[str],
        keep_days: float | str | None = None,
        keep_runs: int | str | None = None,
        min_age_hours: float | str | None = None,
        only_report: bool | str = False,
        conn_id: str | None = None,
        published_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.output_uri = output_uri
        self.published = published
        self.keep_days = keep_days
        self.keep_runs = keep_runs
        self.min_age_hours = min_age_hours
        self.only_report = only_report
        self.conn_id = conn_id
        self.published_conn_id = published_conn_id

    def run_stage(self, context: Context) -> JsonObject:
        from airflow_batchscore.connections import connect
        from airflow_batchscore.data.storage import Location
        from airflow_batchscore.publish.clean import DEFAULT_MIN_AGE_HOURS, Keep, clean_staging

        days, runs = if_given(self.keep_days), if_given(self.keep_runs)
        keep = Keep(
            days=None if days is None else as_number(days, "keep_days", float),
            runs=None if runs is None else as_number(runs, "keep_runs", int),
            min_age_hours=as_number(if_given(self.min_age_hours, DEFAULT_MIN_AGE_HOURS), "min_age_hours", float),
        )
        outputs = [self.published] if isinstance(self.published, str) else self.published
        conn_id = self.published_conn_id or self.conn_id
        cleaned = clean_staging(
            connect(Location(self.output_uri, self.conn_id)),
            [connect(Location(output, conn_id)) for output in outputs],
            keep,
            dry_run=as_bool(self.only_report),
        )
        would = "would be removed" if cleaned.dry_run else "removed"
        for each in cleaned.removed:
            self.log.info("%s/%s: %s, %d bytes, %s", each.partition, each.identity, each.why, each.bytes, would)
        self.log.info("%d %s, %d bytes; %d kept", len(cleaned.removed), would, cleaned.bytes, cleaned.kept)
        value = cleaned.to_dict()
        return {**value, "removed": len(cleaned.removed), "listed": value["removed"][:_MOST_LISTED]}
