"""The list of runs: what it shows of each, its filters and pages, and how many queries it needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.models.xcom import XComModel
from airflow.settings import engine
from airflow.utils.session import create_session
from made_runs import BEGAN, MadeRun
from pages import History, People
from sqlalchemy import event, select, update

from airflow_batchscore.plugin import recent_runs, run_list
from airflow_batchscore.plugin.scoring_dags import scoring_dags

pytestmark = pytest.mark.dag

ROWS = ("partitions", "rows", "rows_skipped", "rows_quarantined")


def _run(history: History, run_id: str) -> Any:
    (run,) = (run for run in history.ask("runs?dag_id=seen_pipeline")["runs"] if run["run_id"] == run_id)
    return run


def test_runs_are_listed_newest_first_with_what_they_scored(history: History) -> None:
    view = history.ask("runs?dag_id=seen_pipeline")
    assert [run["run_id"] for run in view["runs"]] == [history.newest, history.failed, history.good]
    assert (view["total"], view["page"], view["page_size"]) == (3, 1, 25)
    good = _run(history, history.good)
    assert [good[name] for name in ROWS] == [2, 100, 0, 0]
    assert good["state"] == "success"
    assert good["model"] in [version["version"] for version in history.model["versions"]]
    assert good["rows_per_second"] > 0
    assert good["started"] < good["ended"]


def test_a_run_that_no_gate_has_summed_up_shows_what_its_tasks_scored(history: History) -> None:
    failed = _run(history, history.failed)
    assert [failed[name] for name in ROWS] == [1, 50, 0, 0]
    assert failed["rows_per_second"] is None, "its only partition was scored by an earlier run"


def test_runs_are_filtered_by_dag_and_by_state(history: History) -> None:
    found = history.ask("runs?dag_id=seen_pipeline&state=failed")
    assert [run["run_id"] for run in found["runs"]] == [history.failed]
    assert found["total"] == 1
    assert history.ask("runs?dag_id=nothing")["runs"] == []
    assert "seen_pipeline" in history.ask("runs")["dags"]


def test_pages_follow_each_other(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_list, "PAGE_SIZE", 2)
    pages = [history.ask(f"runs?dag_id=seen_pipeline&page={page}")["runs"] for page in (1, 2, 3)]
    assert [run["run_id"] for page in pages for run in page] == [history.newest, history.failed, history.good]
    assert [len(page) for page in pages] == [2, 1, 0]


def test_totals_that_somebody_edited_are_not_shown(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_list, "_kept", run_list.RunCache(9))
    with create_session() as session:
        edited = _edited(session, history.good)
        try:
            assert _run(history, history.good)["rows"] == 100, "as the publication says, whose seal fits"
        finally:
            _write(session, history.good, edited)


def _edited(session: Any, run_id: str) -> Any:
    """The gate's value before it says that a million rows were read."""
    before = session.scalar(select(XComModel.value).where(*_of_check(run_id)))
    _write(session, run_id, {**before, "totals": {**before["totals"], "rows": 1_000_000}})
    return before


def _write(session: Any, run_id: str, value: Any) -> None:
    session.execute(update(XComModel).where(*_of_check(run_id)).values(value=value))
    session.commit()


def _of_check(run_id: str) -> Any:
    return XComModel.run_id == run_id, XComModel.task_id == "check_scores", XComModel.key == "return_value"


def test_more_runs_need_no_more_queries_and_runs_that_are_over_need_fewer(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_list, "_kept", run_list.RunCache(9))
    with create_session() as session:
        dags = scoring_dags(session, ["seen_pipeline"])
        counts = []
        for page_size in (2, 3, 3):
            monkeypatch.setattr(run_list, "PAGE_SIZE", page_size)
            with _counted() as queries:
                run_list.run_list(session, dags, dag_id=None, state=None, page=1)
            counts.append(len(queries))
    assert counts[1] <= counts[0]
    assert counts[2] == 3, "the page of runs, their number, the DAGs"


@pytest.mark.usefixtures("airflow_dags")
def test_a_run_that_did_not_fit_on_the_page_is_not_remembered_as_empty(
    people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_list, "_kept", run_list.RunCache(9))
    monkeypatch.setattr(recent_runs, "_MOST_TASKS", 3)
    left_out, shown = (_of_three(tmp_path, state).write() for state in ("failed", "success"))

    def rows(query: str) -> Any:
        runs = people["admin"].get(f"/api/runs?dag_id=never_run{query}").json()["runs"]
        return {run["run_id"]: run["rows"] for run in runs if run["run_id"] in (left_out, shown)}

    assert rows("") == {left_out: None, shown: 3000}
    assert rows("&state=failed") == {left_out: 3000}


def _of_three(folder: Path, state: str) -> MadeRun:
    """A run that is over, whose three tasks scored 1000 rows each."""
    run = MadeRun(folder, dag_id="never_run", state=state, ended=BEGAN + timedelta(seconds=30))
    for entry in run.plan([1, 1, 1]):
        run.scored(entry)
    return run


@pytest.mark.usefixtures("airflow_dags")
def test_the_rate_is_by_the_time_in_which_tasks_worked(people: People, tmp_path: Path) -> None:
    """A task that was cleared after a week, and a publication that waits for a worker."""
    run = MadeRun(tmp_path, dag_id="never_run")
    week_ago = datetime.now(UTC) - timedelta(days=7)
    for entry, began in zip(run.plan([1, 1]), (week_ago, week_ago + timedelta(days=3)), strict=True):
        run.scored(entry, start_date=began, end_date=began + timedelta(seconds=10))
    run.task("publish", "CombineOperator", "queued")
    run_id = run.write()
    runs = people["admin"].get("/api/runs?dag_id=never_run").json()["runs"]
    (rate,) = (each["rows_per_second"] for each in runs if each["run_id"] == run_id)
    assert rate == 100, "2000 rows in 20 seconds"


@contextmanager
def _counted() -> Iterator[list[str]]:
    queries: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        queries.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield queries
    finally:
        event.remove(engine, "before_cursor_execute", note)
