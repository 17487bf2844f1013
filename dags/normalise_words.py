"""No model at all: one function over every row of every partition, and another over each group of rows."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG, task
from example_home import HOME

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.operators import (
    CheckScoresOperator,
    CombineOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
)

PLACE = f"{HOME}/normalise_words"
notes = PartitionedDataset(f"{PLACE}/data/notes_{{month}}.csv")

DOC = f"""
No model at all: `words:normalise` runs over every note, and `words:lengths`, a statistical test, over the notes of
each site and month. Any library that works on a pandas DataFrame can run over a whole dataset this way, with the same
account, resume and audit as scores.

There is nothing to fill in when it is triggered.

**Reads** `{notes.uri}`, synthetic. **Publishes** the normalised notes in `{PLACE}/predictions.parquet` and the tests
in `{PLACE}/sites.parquet`; the newest report of the notes is `{PLACE}/report.html`.
"""


@task
def make_data() -> str:
    from words import make_data

    return make_data(f"{PLACE}/data")


with DAG(
    dag_id="normalise_words",
    description="Functions over partitions: normalise texts, test groups",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    default_args={"owner": "ml-platform"},
    tags=["batchscore", "example"],
    doc_md=DOC,
):
    data = make_data()
    plan = PlanPartitionsOperator(task_id="plan", dataset=notes)
    normalise = ScorePartitionOperator.partial(
        task_id="score",
        dataset=notes,
        output_uri=f"{PLACE}/staging/notes",
        function="words:normalise",
        keys=["id", "site"],
        columns=["text"],
    ).expand(partition=plan.output)
    lengths = ScorePartitionOperator.partial(
        task_id="test_sites",
        dataset=notes,
        output_uri=f"{PLACE}/staging/lengths",
        function="words:lengths",
        group_by=["site"],
        columns=["id", "text"],
    ).expand(partition=plan.output)
    audit = CheckScoresOperator(task_id="audit", plan=plan.output, scores=normalise.output)
    audit_sites = CheckScoresOperator(task_id="audit_sites", plan=plan.output, scores=lengths.output)
    publish_sites = CombineOperator(
        task_id="publish_sites", scores=audit_sites.output, output_uri=f"{PLACE}/sites.parquet"
    )
    publish = CombineOperator(
        task_id="publish",
        plan=plan.output,
        scores=audit.output,
        output_uri=f"{PLACE}/predictions.parquet",
        report_uri=f"{PLACE}/report.html",
    )
    data >> plan
