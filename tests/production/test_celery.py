"""The pipelines of `tests/service` on PostgreSQL, Redis and Celery's prefork workers, and the backfill.

On SQLite creating a backfill beside a scheduler loses the race for the database's lock now and then; Airflow then
deletes runs that its scheduler may have seen, and the scheduler ends.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from celery_airflow import CeleryAirflow, PostgreSQL, Redis
from stack import Stack, example_environment, free_port
from support import KEYS, Wta, copy_dags, wait_for
from test_scheduler import (  # noqa: F401 - collected here once more, with this module's Airflow
    test_a_deferred_sensor_is_woken_by_a_late_file,
    test_a_killed_task_leaves_no_process_and_its_retry_finishes_with_the_same_bytes,
    test_a_named_model_version_is_used_without_training,
    test_a_task_begins_with_the_libraries_of_the_process_that_forked_it,
    test_a_triggered_run_scores_the_years_of_the_form,
    test_overrides_that_make_no_sense_are_refused,
    two_years,
)

pytestmark = [pytest.mark.production, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def stack(matches: Wta, marks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("celery")
    extra = {**example_environment(str(matches.folder), folder / "wta"), "SLOW_MODEL_MARKS": str(marks)}
    with (
        PostgreSQL(secrets.token_hex(16), free_port(), "airflow") as database,
        Redis(folder / "redis") as broker,
        CeleryAirflow(folder, copy_dags(folder / "dags"), database, broker, extra) as airflow,
    ):
        yield airflow.stack


def _files(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {path.parent.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("scores.parquet")}


def _backfill(stack: Stack, first: str, last: str, *options: str) -> None:
    """Create a backfill and wait until its runs are done."""
    dates = ["--from-date", first, "--to-date", last]
    stack.patch("/api/v2/dags/wta_yearly_scoring", {"is_paused": False})
    stack.run("backfill", "create", "--dag-id", "wta_yearly_scoring", *dates, *options)

    def finished() -> bool:
        backfills = stack.get("/api/v2/backfills?dag_id=wta_yearly_scoring")["backfills"]
        return all(backfill["completed_at"] for backfill in backfills)

    wait_for(finished, 400)
    runs = stack.get("/api/v2/dags/wta_yearly_scoring/dagRuns?limit=100")["dag_runs"]
    assert {run["state"] for run in runs} == {"success"}


@pytest.mark.usefixtures("two_years")
def test_a_backfill_scores_a_year_a_run_and_a_reprocessed_year_replaces_itself_alone(
    stack: Stack, matches: Wta
) -> None:
    published = Path(stack.extra["WTA_HOME"]) / "predictions_by_year"
    _backfill(stack, "2000-01-01", "2016-01-01")
    expected = matches.plain_predictions()
    found = pd.read_parquet(published)
    found = found.assign(year=found["year"].astype("int64"))[["year", *KEYS, "prediction"]]
    pd.testing.assert_frame_equal(found, expected)
    first = _files(published)
    assert len(first) == 17

    _backfill(stack, "2000-01-01", "2016-01-01")
    assert _files(published) == first
    _backfill(stack, "2000-01-01", "2003-01-01", "--reprocess-behavior", "completed")
    assert _files(published) == first

    path = matches.folder / "wta_matches_2005.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    _backfill(stack, "2005-01-01", "2005-01-01", "--reprocess-behavior", "completed")
    second = _files(published)
    assert {year for year in first if first[year] != second[year]} == {"year=2005"}
    five = pd.read_parquet(published / "year=2005" / "scores.parquet")
    pd.testing.assert_frame_equal(five, matches.plain_predictions([2005]).drop(columns="year"))
