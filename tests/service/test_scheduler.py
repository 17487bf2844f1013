"""The pipelines on a real scheduler: triggered as the UI does, backfilled, killed, waiting for late data."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pandas as pd
import pytest
from processes import alive
from runs import explain, parent, result_bytes, succeed, trigger_in
from stack import Stack, StackError
from support import Wta, good_rows, wait_for, write_csv

pytestmark = [pytest.mark.service, pytest.mark.timeout(600)]

WTA_DAG = "wta_batch_scoring"


def _home(stack: Stack) -> Path:
    return Path(stack.extra["WTA_HOME"])


@pytest.fixture(scope="module")
def two_years(stack: Stack) -> str:
    """A run triggered as the form of the UI does it; scored whether there are scores or not."""
    return succeed(stack, WTA_DAG, {"years": [2014, 2015], "force": True, "output": "predictions_form.parquet"})


def test_a_triggered_run_scores_the_years_of_the_form(stack: Stack, matches: Wta, two_years: str) -> None:
    found = pd.read_parquet(_home(stack) / "predictions_form.parquet")
    pd.testing.assert_frame_equal(found, matches.plain_predictions([2014, 2015]))
    scored = [task for task in stack.task_instances(WTA_DAG, two_years) if task["task_id"] == "score"]
    assert sorted(task["rendered_map_index"] for task in scored) == ["year=2014", "year=2015"]


def test_progress_of_a_scoring_task_can_be_read_over_the_api(stack: Stack, two_years: str) -> None:
    run = urllib.parse.quote(two_years)
    path = f"/api/v2/dags/{WTA_DAG}/dagRuns/{run}/taskInstances/score/state-store?map_index=0"
    values = json.dumps(stack.get(path))
    assert "batchscore_progress" in values
    assert "blocks_total" in values


def test_the_report_opens_from_the_task_and_only_with_a_login(stack: Stack, two_years: str) -> None:
    run = urllib.parse.quote(two_years)
    links = stack.get(f"/api/v2/dags/{WTA_DAG}/dagRuns/{run}/taskInstances/publish/links")["extra_links"]
    url = stack.url + links["Run report"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url, timeout=30)
    assert refused.value.code == 401
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {stack.token()}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert answer.read() == (_home(stack) / "report.html").read_bytes()
    other = urllib.request.Request(url.replace("/publish", "/plan"), headers=dict(request.header_items()))
    with pytest.raises(urllib.error.HTTPError) as missing:
        urllib.request.urlopen(other, timeout=30)
    assert missing.value.code == 404


def test_the_dashboard_opens_from_the_task_while_it_runs(stack: Stack, marks: Path, hold: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "part_0.csv", good_rows(200))
    write_csv(tmp_path / "part_1.csv", good_rows(400, 1000))
    stack.wait_for_dag("watched_pipeline")
    run_id = trigger_in(stack, tmp_path, "watched_pipeline", {"partitions": [1]})
    wait_for(lambda: any(marks.iterdir()), 120)
    path = f"/api/v2/dags/watched_pipeline/dagRuns/{urllib.parse.quote(run_id)}/taskInstances/score/links?map_index=0"
    url = stack.get(path)["extra_links"]["Dask dashboard"]
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.status == 200
    hold.unlink()
    assert stack.wait_for_run("watched_pipeline", run_id, 180) == "success", explain(stack, "watched_pipeline", run_id)
    assert stack.get(path)["extra_links"]["Dask dashboard"] is None


def test_a_task_begins_with_the_libraries_of_the_process_that_forked_it(stack: Stack) -> None:
    run = urllib.parse.quote(succeed(stack, "libraries", {}))
    value = stack.get(f"/api/v2/dags/libraries/dagRuns/{run}/taskInstances/loaded/xcomEntries/return_value")["value"]
    assert value == ["distributed", "pandas", "pyarrow.parquet", "sklearn"]


def test_a_named_model_version_is_used_without_training(stack: Stack, two_years: str) -> None:
    version = json.loads((_home(stack) / "summary.json").read_text())["model"]["version"]
    conf = {"years": "2013..2014", "model_version": version, "output": "predictions_2013.csv"}
    run_id = succeed(stack, WTA_DAG, conf)
    states = {task["task_id"]: task["state"] for task in stack.task_instances(WTA_DAG, run_id)}
    assert (states["train"], states["check_model"], states["publish"]) == ("skipped", "skipped", "success")
    summary = json.loads((_home(stack) / "summary.json").read_text())
    assert {row["partition"]: row["reused"] for row in summary["partitions"]}["year=2014"]
    assert set(pd.read_csv(_home(stack) / "predictions_2013.csv")["year"]) == {2013, 2014}


def test_overrides_that_make_no_sense_are_refused(stack: Stack, two_years: str) -> None:
    expected = "does not match '(?#a range such as 2000..2016, or years such as 2014, 2015)"
    for conf, said in (
        ({"train_year": "soon"}, "param train_year: 'soon' is not of type 'integer'"),
        ({"years": [2014, "x"]}, f"param years: 'x' {expected}"),
        ({"years": "abc"}, f"param years: 'abc' {expected}"),
        ({"force": "perhaps"}, "param force: 'perhaps' is not of type 'boolean'"),
    ):
        with pytest.raises(StackError, match=f"400 .*{re.escape(said)}"):
            stack.trigger(WTA_DAG, conf)
    run_id = stack.trigger(WTA_DAG, {"years": [2014], "model_version": "no-such-version"})
    wait_for(lambda: _state(stack, run_id, "plan") in ("failed", "up_for_retry"), 120)
    assert _state(stack, run_id, "plan") == "failed"
    plan = next(task for task in stack.task_instances(WTA_DAG, run_id) if task["task_id"] == "plan")
    assert any("'no-such-version' does not exist" in line for line in stack.task_log(plan))


def _state(stack: Stack, run_id: str, task_id: str) -> str | None:
    return next(task["state"] for task in stack.task_instances(WTA_DAG, run_id) if task["task_id"] == task_id)


def test_a_killed_task_leaves_no_process_and_its_retry_finishes_with_the_same_bytes(
    stack: Stack, marks: Path, hold: Path, tmp_path: Path
) -> None:
    write_csv(tmp_path / "part_0.csv", good_rows(200))
    write_csv(tmp_path / "part_1.csv", good_rows(400, 1000))
    stack.wait_for_dag("slow_pipeline")
    run_id = trigger_in(stack, tmp_path, "slow_pipeline", {"partitions": [1]})

    def predicting() -> set[int]:
        return {int(path.name.split("-")[0]) for path in marks.iterdir()}

    wait_for(lambda: len(list(marks.iterdir())) >= 6 and len(predicting()) == 2, 120)  # one may start long before
    workers = predicting()
    task = parent(next(iter(workers)))
    assert {parent(pid) for pid in workers} == {task}
    os.kill(task, signal.SIGKILL)
    wait_for(lambda: not any(alive(pid) for pid in {*workers, task}), 60)
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("staged/p=1/*/part-*.parquet")}
    assert kept
    hold.unlink()
    assert stack.wait_for_run("slow_pipeline", run_id, 180) == "success", explain(stack, "slow_pipeline", run_id)
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("staged/p=1/*/part-*.parquet")}
    assert {name: after[name] for name in kept} == kept
    assert len(after) > len(kept)
    killed = result_bytes(tmp_path)
    shutil.rmtree(tmp_path / "staged")
    (tmp_path / "out.parquet").unlink()
    succeed(stack, "slow_pipeline", {"partitions": [1]}, tmp_path)
    assert result_bytes(tmp_path) == killed


def test_a_deferred_sensor_is_woken_by_a_late_file(stack: Stack, tmp_path: Path) -> None:
    write_csv(tmp_path / "part_0.csv", good_rows(200))
    stack.wait_for_dag("small_pipeline")
    run_id = trigger_in(stack, tmp_path, "small_pipeline", {"partitions": [5]})

    def state() -> str | None:
        return next(t["state"] for t in stack.task_instances("small_pipeline", run_id) if t["task_id"] == "wait")

    wait_for(lambda: state() == "deferred", 60)
    write_csv(tmp_path / "part_5.csv", good_rows(20, 5000))
    assert stack.wait_for_run("small_pipeline", run_id, 120) == "success", explain(stack, "small_pipeline", run_id)
    assert pd.read_parquet(tmp_path / "out.parquet")["id"].tolist() == list(range(5000, 5020))


def test_a_search_spreads_over_worker_processes_of_the_task(stack: Stack, tmp_path: Path) -> None:
    for partition in (0, 1):
        write_csv(tmp_path / f"part_{partition}.csv", good_rows(300, 1000 * partition))
    succeed(stack, "searched", {}, tmp_path)
    (model,) = (tmp_path / "searched").glob("*/model.json")
    found = json.loads(model.read_text())
    assert len(found["training"]["search"]["candidates"]) == 3
    assert found["estimator"].startswith("LogisticRegression(")
