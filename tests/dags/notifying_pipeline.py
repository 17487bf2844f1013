"""DAGs that tell people by mail and by webhook what went wrong, for tests."""

from __future__ import annotations

import os
import signal

from airflow.providers.http.notifications.http import HttpNotifier
from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.sdk import DAG, task

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.notifications import BatchScoreNotifier
from airflow_batchscore.operators import CheckScoresOperator, PlanPartitionsOperator, ScorePartitionOperator

HOME = os.environ.get("NOTIFY_HOME", "/nowhere")

by_mail = BatchScoreNotifier(
    SmtpNotifier(
        to="oncall@example.com",
        from_email="airflow@example.com",
        subject="{{ batchscore.title }}",
        html_content="{{ batchscore.html }}",
    )
)
by_webhook = BatchScoreNotifier(HttpNotifier(endpoint="hook", json={"text": "{{ batchscore.text }}"}))

with DAG(
    "notifying_pipeline",
    schedule=None,
    params={"max_quarantined": 0},
    on_failure_callback=by_webhook,
    on_success_callback=by_webhook,
):
    dataset = PartitionedDataset(f"{HOME}/part_{{p}}.csv", read_options={"column_types": {"id": "int64"}})
    plan = PlanPartitionsOperator(task_id="plan", dataset=dataset, partitions="1..2", model=f"{HOME}/model@champion")
    score = ScorePartitionOperator.partial(
        task_id="score", dataset=dataset, output_uri=f"{HOME}/staged", engine=LocalDask(workers=1), quarantine=10
    ).expand(partition=plan.output)
    CheckScoresOperator(
        task_id="audit",
        plan=plan.output,
        scores=score.output,
        max_quarantined="{{ params.max_quarantined }}",
        on_failure_callback=[by_mail, by_webhook],
        on_success_callback=by_mail,
    )

with DAG("notifying_loss", schedule=None, on_failure_callback=by_webhook):

    @task(on_failure_callback=by_webhook)
    def lost() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    lost()
