"""The pipelines of `tests/service` on PostgreSQL, Redis and Celery's prefork workers."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery_airflow import CeleryAirflow, PostgreSQL, Redis
from stack import Stack, free_port, wta_environment
from support import Wta, copy_dags
from test_scheduler import (  # noqa: F401 - collected here once more, with this module's Airflow
    test_a_backfill_scores_a_year_a_run_and_a_reprocessed_year_replaces_itself_alone,
    test_a_deferred_sensor_is_woken_by_a_late_file,
    test_a_killed_task_leaves_no_process_and_its_retry_finishes_with_the_same_bytes,
    test_a_named_model_version_is_used_without_training,
    test_a_triggered_run_scores_the_years_of_the_form,
    test_overrides_that_make_no_sense_are_refused,
    two_years,
)

pytestmark = [pytest.mark.production, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def stack(matches: Wta, marks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("celery")
    extra = {**wta_environment(str(matches.folder), folder / "wta"), "SLOW_MODEL_MARKS": str(marks)}
    with (
        PostgreSQL(secrets.token_hex(16), free_port(), "airflow") as database,
        Redis(folder / "redis") as broker,
        CeleryAirflow(folder, copy_dags(folder / "dags"), database, broker, extra) as airflow,
    ):
        yield airflow.stack
