"""Tennis matches and their predictions as partitioned assets: a year that arrives, or is corrected, is scored alone."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, PartitionedAssetTimetable
from wta_common import HOME, MODEL_URI, SCHEDULE, STAGING_URI, matches

from airflow_batchscore.compat import has_partition_events
from airflow_batchscore.operators import (
    AnnouncePartitionsOperator,
    CheckScoresOperator,
    CombineOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
)
from airflow_batchscore.operators.assets import asset_at

#: The years of the full set, as ``partitions=`` takes them.
YEARS = os.environ.get("WTA_YEARS", "2000..2016")
BY_YEAR = f"{HOME}/predictions_by_arrival"
FULL_SET = f"{HOME}/first_full_set.parquet"

DOC = f"""
Matches and predictions are partitioned assets, and their partition keys are years. Three DAGs:

1. `wta_arrivals` looks at the folder of the matches, and raises an event for each year of {YEARS} that is new there or
   was corrected.
2. `wta_score_year` runs once for each of these events: it scores that year with the champion model, which
   `wta_batch_scoring` trains, and publishes that year.
3. `wta_full_set` runs once, when all years of {YEARS} have been published, and puts them into one file. Years that are
   corrected later do not start it again before all have been: trigger it then, and it replaces what has changed.

Unpause 2 and 3 before 1 runs: Airflow drops events that no active DAG waits for.

**Trigger form** of `wta_score_year`: *Partition key*, a year such as 2015; empty for all years there are.

**Reads** `{matches.uri}`. **Publishes** the folder `{BY_YEAR}`, by year, and `{FULL_SET}`.
"""
OPTIONS: dict[str, Any] = {
    "start_date": datetime(2026, 1, 1, tzinfo=UTC),
    "catchup": False,
    "default_args": {"owner": "ml-platform", "retries": 2, "retry_delay": timedelta(seconds=20)},
    "tags": ["batchscore", "example"],
    "doc_md": DOC,
}


def _score_and_publish(output_uri: str, max_tasks: int) -> None:
    plan = PlanPartitionsOperator(
        task_id="plan",
        dataset=matches,
        partitions="{{ dag_run.partition_key }}",
        model=f"{MODEL_URI}@champion",
        max_tasks=max_tasks,
    )
    score = ScorePartitionOperator.partial(task_id="score", dataset=matches, output_uri=STAGING_URI).expand(
        partition=plan.output
    )
    check_scores = CheckScoresOperator(task_id="check_scores", plan=plan.output, scores=score.output)
    CombineOperator(task_id="publish", plan=plan.output, scores=check_scores.output, output_uri=output_uri)


def _arrivals() -> None:
    with DAG(
        "wta_arrivals",
        description="Announce each year of matches that is new or corrected",
        schedule="@daily" if SCHEDULE else None,
        max_active_runs=1,
        **OPTIONS,
    ):
        AnnouncePartitionsOperator(task_id="announce", dataset=matches, partitions=YEARS)


def _score_year() -> None:
    with DAG(
        "wta_score_year",
        description="Score and publish the year that arrived",
        schedule=PartitionedAssetTimetable(assets=asset_at(matches.uri)),
        max_active_runs=4,
        **OPTIONS,
    ):
        _score_and_publish(BY_YEAR, max_tasks=4)


def _full_set() -> None:
    from airflow.sdk import FixedKeyMapper, RollupMapper, SegmentWindow

    first, last = map(int, YEARS.split(".."))
    every_year = SegmentWindow([str(year) for year in range(first, last + 1)])
    with DAG(
        "wta_full_set",
        description="Put all years into one file, once all are published",
        schedule=PartitionedAssetTimetable(
            assets=asset_at(BY_YEAR),
            default_partition_mapper=RollupMapper(upstream_mapper=FixedKeyMapper(YEARS), window=every_year),
        ),
        max_active_runs=1,
        **OPTIONS,
    ):
        _score_and_publish(FULL_SET, max_tasks=1)  # nothing is scored again: one task finds it all


if has_partition_events():  # Airflow 3.2 has neither events for several partitions nor roll-ups: no DAG there
    _arrivals()
    _score_year()
    _full_set()
