"""The routes of the run's and the task's pages, on Airflow's own database and auth manager."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from made_runs import DAG_ID, MadeRun, state_is_kept
from pages import People, data_in, run_dag
from support import write_csv

from airflow_batchscore.compat import has_task_state_store
from airflow_batchscore.publish.progress import FAILURE_KEY, GATE_KEY, Failure, GateResult
from airflow_batchscore.quality.check import Check

pytestmark = pytest.mark.dag

_ROUTES = ["", "/profiles", "/quarantine"]


def _path(run_id: str, rest: str = "") -> str:
    return f"/api/run/{DAG_ID}/{quote(run_id, safe='')}{rest}"


@pytest.fixture
def made(tmp_path: Path) -> MadeRun:
    return MadeRun(tmp_path)


def _view(client: Any, run: MadeRun, rest: str = "") -> Any:
    answer = client.get(_path(run.write(), rest))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_run_that_went_well_shows_all_of_it(people: People, airflow_dags: dict[str, Any], tmp_path: Path) -> None:
    data = data_in(tmp_path)
    write_csv(data / "part_2.csv", [(1, 1.0, 1, 0), (2, "x", 1, 0)])
    run = run_dag(airflow_dags, "small_pipeline", data, max_quarantined=5)
    client = people["viewer"]
    view = client.get(_path(run.run_id)).json()
    assert (view["is_scoring"], view["state"]) == (True, "success")
    assert [stage["kind"] for stage in view["stages"]] == [
        *("wait", "train", "check_model", "plan", "score", "check_scores", "combine")
    ]
    assert view["partitions"]["key"] == ["p=0", "p=1", "p=2", "p=3"]
    assert view["partitions"]["state"] == ["scored"] * 4
    assert (view["totals"]["rows_read"], view["totals"]["rows_quarantined"]) == (302, 1)
    assert (view["failures"], view["totals"]["eta"]) == ([], None)
    assert (view["model"]["uri"], view["model"]["aliases"]) == (f"{data}/model", ["champion"])
    (output,) = view["outputs"]
    assert (output["uri"], output["rows"], output["is_earlier"]) == (f"{data}/out.parquet", 301, False)
    assert client.get(output["report"].removeprefix("/batchscore")).status_code == 200
    profiles = client.get(_path(run.run_id, "/profiles"), params={"key": ["p=1", "p=99"]}).json()
    assert (profiles["looked_at"], profiles["committed"], profiles["problem"]) == (1, 4, None)
    quarantine = client.get(_path(run.run_id, "/quarantine")).json()
    assert [example["raw"]["a"] for example in quarantine["examples"]] == ["x"]
    assert (quarantine["files_read"], quarantine["problem"]) == (1, None)


def test_drift_of_each_partition_comes_from_the_verdict_of_the_check(
    people: People, airflow_dags: dict[str, Any], tmp_path: Path
) -> None:
    """The small pipeline sets no limit, so its check measures none; its verdict is read all the same."""
    data = data_in(tmp_path)
    run = run_dag(airflow_dags, "small_pipeline", data)
    view = people["viewer"].get(_path(run.run_id)).json()
    assert (view["totals"]["drift"], view["totals"]["drift_limit"]) == (None, None)
    verdict = next((data / "staged" / "_runs").rglob("*.audit.json"))
    assert verdict.name == "check_scores.audit.json"


def test_a_run_that_failed_on_one_partition_says_which_and_why(people: People, made: MadeRun) -> None:
    entries = made.plan([1] * 4)
    for entry in entries[:3]:
        made.scored(entry)
    made.task("score", "ScorePartitionOperator", "failed", 3)
    said = Failure(1, "InputError", "partition p=3: the column b is missing", retried=False)
    made.kept("score", 3, FAILURE_KEY, said.to_dict())
    made.task("check_scores", "CheckScoresOperator", "upstream_failed")
    view = _view(people["viewer"], made)
    assert view["totals"]["by_state"]["failed"] == 1
    assert view["partitions"]["state"] == ["scored", "scored", "scored", "failed"]
    assert [(failure["how"], failure["tasks"]) for failure in view["failures"]] == [("error", 1), ("upstream", 1)]
    assert view["failures"][0]["where"][0]["label"] == "p=3"
    assert view["outputs"] == []


def test_what_was_published_before_is_told_while_the_run_scores_again(people: People, made: MadeRun) -> None:
    made.published()
    made.tasks[-1] |= {"state": "upstream_failed", "start_date": None, "end_date": None}
    (output,) = _view(people["viewer"], made)["outputs"]
    assert (output["is_earlier"], output["published"], output["rows"]) == (True, None, 10)
    assert output["read_with"]


def test_the_page_of_another_packages_task_knows_only_its_state(people: People, made: MadeRun) -> None:
    made.task("extract", "PythonOperator", "success")
    made.write()
    view = people["viewer"].get(f"/api/task/{DAG_ID}/{made.run_id}/extract").json()
    assert (view["kind"], view["state"], view["incomplete"]) == (None, "success", False)


@state_is_kept
def test_a_killed_task_keeps_its_name(people: People, made: MadeRun) -> None:
    made.plan([1, 1])
    for index in range(2):
        made.task("score", "ScorePartitionOperator", "failed", index, try_number=2)
    (failure,) = _view(people["viewer"], made)["failures"]
    assert (failure["how"], [each["label"] for each in failure["where"]]) == ("killed", ["p=0", "p=1"])


@pytest.mark.skipif(has_task_state_store(), reason="this Airflow keeps the reason")
def test_before_airflow_3_3_a_failed_task_sends_to_its_log(people: People, made: MadeRun) -> None:
    made.plan([1])
    made.task("score", "ScorePartitionOperator", "failed", 0)
    (failure,) = _view(people["viewer"], made)["failures"]
    assert failure["message"].startswith("The task's log says why: this Airflow is older than 3.3")


@state_is_kept
def test_a_gate_shows_what_it_kept(people: People, made: MadeRun) -> None:
    made.task("check_model", "CheckModelOperator", "failed")
    made.kept("check_model", -1, GATE_KEY, GateResult([Check("accuracy", "0.8", ">=0.9", "too low")]).to_dict())
    (gate,) = _view(people["viewer"], made)["gates"]
    assert (gate["kind"], gate["checks"][0]["problem"]) == ("check_model", "too low")


@state_is_kept
def test_the_page_of_a_task_in_progress(people: People, made: MadeRun) -> None:
    (entry,) = made.plan([1])
    made.task("score", "ScorePartitionOperator", "running", 0)
    made.progress(entry, blocks=2, rows=500)
    made.task("extract", "PythonOperator", "success")
    made.write()
    client = people["viewer"]
    path = f"/api/task/{DAG_ID}/{made.run_id}"
    view = client.get(f"{path}/score", params={"map_index": 0}).json()
    assert (view["label"], view["totals"]["rows_read"], view["progress"]["engine"]) == (
        "p=0",
        500,
        "LocalDask, 2 threads",
    )
    assert client.get(f"{path}/extract").json()["kind"] is None
    assert client.get(f"{path}/score").status_code == 404
    assert client.get(f"{path}/score", params={"map_index": 2**31}).status_code == 422


def test_a_run_of_another_dag_has_nothing_to_show(people: People, made: MadeRun) -> None:
    made.task("extract", "PythonOperator", "success")
    view = _view(people["viewer"], made)
    assert (view["is_scoring"], view["stages"], view["model"]) == (False, [], None)


@pytest.mark.parametrize("rest", _ROUTES)
def test_what_is_not_there_is_404(people: People, rest: str) -> None:
    assert people["admin"].get(_path("no-such-run", rest)).status_code == 404


@pytest.mark.parametrize("rest", _ROUTES)
def test_who_may_not_see_the_dag_sees_nothing_of_its_runs(people: People, made: MadeRun, rest: str) -> None:
    run_id = made.write()
    assert people["eve of nothing"].get(_path(run_id, rest)).status_code == 403
    assert people["eve of nothing"].get(_path("no-such-run", rest)).status_code == 403
    assert people["eve of nothing"].get(f"/api/task/{DAG_ID}/{run_id}/score").status_code == 403


@pytest.mark.parametrize(("role", "rerun"), [("viewer", False), ("user", True)])
def test_it_says_what_the_user_may_do(people: People, made: MadeRun, role: str, rerun: bool) -> None:
    may = _view(people[role], made)["may"]
    assert (may["rerun"], may["ask"]) == (rerun, rerun and has_task_state_store())


def test_storage_that_is_gone_leaves_the_page(people: People, made: MadeRun) -> None:
    for entry in made.plan([1]):
        made.scored(entry)
    client = people["viewer"]
    view = _view(client, made)
    assert view["partitions"]["state"] == ["scored"]
    assert "the model cannot be read" in view["model"]["problem"]
    assert "is gone" in client.get(_path(made.run_id, "/profiles")).json()["problem"]
    quarantine = client.get(_path(made.run_id, "/quarantine")).json()
    assert (quarantine["rows"], quarantine["files_read"]) == (1, 0)
    assert "is gone" in quarantine["problem"]
