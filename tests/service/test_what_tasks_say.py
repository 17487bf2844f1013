"""What tasks leave for people on a real Airflow: the end of their log, and what its state store keeps of them."""

from __future__ import annotations

import hashlib
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from runs import explain, succeed, trigger_in
from stack import Stack
from support import good_rows, write_csv

pytestmark = [pytest.mark.service, pytest.mark.timeout(600)]

DAG = "small_pipeline"


def _path(instance: dict[str, Any]) -> str:
    run = urllib.parse.quote(instance["dag_run_id"])
    return f"/api/v2/dags/{instance['dag_id']}/dagRuns/{run}/taskInstances/{instance['task_id']}"


def _log(stack: Stack, instance: dict[str, Any]) -> list[dict[str, Any]]:
    """What the UI shows of the log: Airflow's group "Post Execute" is folded."""
    path = f"{_path(instance)}/logs/{instance['try_number']}?map_index={instance['map_index']}"
    shown, group = [], ""
    for line in stack.get(path)["content"]:
        event = line["event"]
        if "::group::" in event:
            group = event
        elif "::endgroup::" in event:
            group = ""
        elif not group:
            shown.append(line)
    return shown


def _stored(stack: Stack, instance: dict[str, Any]) -> dict[str, Any]:
    values = stack.get(f"{_path(instance)}/state-store?map_index={instance['map_index']}")["task_state_store"]
    return {value["key"]: value["value"] for value in values}


def _instances(stack: Stack, dag_id: str, run_id: str) -> dict[tuple[str, int], dict[str, Any]]:
    return {(task["task_id"], task["map_index"]): task for task in stack.task_instances(dag_id, run_id)}


@pytest.fixture(scope="module")
def said(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], dict[str, Any]]:
    """The tasks of a run whose user's code raises, in ways that a retry cannot fix."""
    folder = tmp_path_factory.mktemp("said")
    for partition in (1, 2):
        write_csv(folder / f"part_{partition}.csv", good_rows(50, 1000 * partition))
    stack.wait_for_dag("said")
    run_id = trigger_in(stack, folder, "said", {})
    assert stack.wait_for_run("said", run_id, 300) == "failed"
    return _instances(stack, "said", run_id)


@pytest.mark.parametrize(
    ("task", "begins", "user"),
    [
        (("bad_recipe", -1), "RecipeError: the recipe failed on the training rows: ZeroDiv", ["ratio", "_divided"]),
        (("bad_estimator", -1), "ModelError: Unwilling could not be fitted on 50 rows of p=1: ZeroDiv", ["fit"]),
        (("score", 1), "RecipeError: p=2: said:ratio raised ZeroDivisionError: no row of", ["ratio", "_divided"]),
    ],
)
def test_the_log_of_a_failed_task_ends_with_the_message_and_shows_only_the_users_stack(
    stack: Stack, said: dict[tuple[str, int], dict[str, Any]], task: tuple[str, int], begins: str, user: list[str]
) -> None:
    *_, airflows, last = _log(stack, said[task])
    assert last["event"].startswith(begins)
    assert (last["level"], said[task]["try_number"]) == ("error", 1)
    ours, theirs = airflows["error_detail"]
    assert sum("airflow_batchscore" in frame["filename"] for frame in ours["frames"]) == 1
    assert [frame["name"] for frame in theirs["frames"]] == user
    failure = _stored(stack, said[task])["batchscore_failure"]
    assert last["event"] == f"{failure['kind']}: {failure['message']}"
    assert failure["retried"] is False


def test_a_foreign_error_ends_the_log_of_each_try_with_what_and_where(
    stack: Stack, said: dict[tuple[str, int], dict[str, Any]]
) -> None:
    task = said["foreign", -1]
    assert task["try_number"] == 2
    *_, airflows, last = _log(stack, task)
    assert last["event"].startswith("ConnectionError: the price service does not answer (raised in run_stage, ")
    assert "run_stage" in [frame["name"] for frame in airflows["error_detail"][0]["frames"]]
    assert _stored(stack, task)["batchscore_failure"]["retried"] is True
    assert _log(stack, {**task, "try_number": 1})[-1]["event"] == last["event"]


def test_a_scoring_task_says_what_it_begins_and_what_it_did(
    stack: Stack, said: dict[tuple[str, int], dict[str, Any]]
) -> None:
    events = [line["event"] for line in _log(stack, said["score", 0])]
    assert any(
        event.startswith("scoring 1 partition (") and "said:ratio; LocalDask, 1 thread" in event for event in events
    )
    assert any(event.startswith("50 rows read = 50 scored + 0 skipped") for event in events)


def test_a_gate_that_fails_shows_its_table_and_ends_with_the_problems(stack: Stack, tmp_path: Path) -> None:
    for partition in (0, 1):
        write_csv(tmp_path / f"part_{partition}.csv", good_rows(200, 1000 * partition))
    stack.wait_for_dag(DAG)
    run_id = trigger_in(stack, tmp_path, DAG, {"partitions": [1], "require": ">1"})
    assert stack.wait_for_run(DAG, run_id, 300) == "failed"
    task = _instances(stack, DAG, run_id)["check_model", -1]
    *_, verdict, _, last = _log(stack, task)
    assert verdict["event"].split("\n")[1].split() == ["checked", "found", "allowed"]
    assert verdict["event"].split("\n")[2].split()[-2:] == [">1", "PROBLEM"]
    assert last["event"].startswith("GateError: model ")
    assert last["event"].endswith("required >1. It was not promoted")
    (check,) = _stored(stack, task)["batchscore_gate"]["checks"]
    assert (check["what"], check["allowed"]) == ("accuracy", ">1")


def test_one_partition_is_scored_again_by_a_key_and_a_clear_and_published(stack: Stack, tmp_path: Path) -> None:
    for partition in (0, 1, 2, 3):
        write_csv(tmp_path / f"part_{partition}.csv", good_rows(100, 1000 * partition))
    run_id = succeed(stack, DAG, {"partitions": [1, 2, 3]}, tmp_path)
    assert _manifests(tmp_path) == {1: 1, 2: 1, 3: 1}
    for number, request in enumerate(("10:00 by ann", "10:05 by ann"), start=2):
        _ask(stack, run_id, "batchscore_force", request)
        assert stack.wait_for_run(DAG, run_id, 300) == "success", explain(stack, DAG, run_id)
        assert _manifests(tmp_path) == {1: 1, 2: number, 3: 1}
        (newest,) = tmp_path.glob(f"staged/p=2/*/manifests/{number:06d}.json")
        digest = hashlib.sha256(newest.read_bytes()).hexdigest()
        assert digest.encode() in (tmp_path / "out.parquet").read_bytes()
    instance = _instances(stack, DAG, run_id)["score", 1]
    assert (instance["rendered_map_index"], instance["try_number"]) == ("p=2", 3)
    assert "batchscore_force" not in _stored(stack, instance)
    assert _stored(stack, instance)["batchscore_progress"]["done"] == [[0, 0]]


def _ask(stack: Stack, run_id: str, key: str, request: str) -> None:
    """As a page does it: a key in the task's state, then a clear of it and of what comes after it."""
    task = f"/api/v2/dags/{DAG}/dagRuns/{urllib.parse.quote(run_id)}/taskInstances/score"
    stack.put(f"{task}/state-store/{key}?map_index=1", {"value": request})
    which = {"dag_run_id": run_id, "task_ids": [["score", 1]], "include_downstream": True, "only_failed": False}
    stack.post(f"/api/v2/dags/{DAG}/clearTaskInstances", {"dry_run": False, **which})


def _manifests(folder: Path) -> dict[int, int]:
    """Partition -> number of its manifests."""
    return {p: len([*folder.glob(f"staged/p={p}/*/manifests/*.json")]) for p in (1, 2, 3)}
