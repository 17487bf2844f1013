"""Which tasks of a DAG are this package's, by Airflow's serialized form of it."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.session import create_session

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.operators import (
    CheckModelOperator,
    CheckScoresOperator,
    CombineOperator,
    EvaluateOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
)
from airflow_batchscore.plugin import scoring_dags
from airflow_batchscore.plugin.cache import Cache
from airflow_batchscore.plugin.scoring_dags import ScoringDagTask, tasks_of
from airflow_batchscore.sensors import PartitionSensor

pytestmark = pytest.mark.dag

URI = "/data/{year}.csv"


class OwnScoring(ScorePartitionOperator):
    """A user's own class, with one more template."""

    template_fields = (*ScorePartitionOperator.template_fields, "more")
    more = ""


class NotOurs(BaseOperator):
    ui_color = "#e2f0e9"
    template_fields = ("dataset", "partitions")
    dataset = partitions = None


def _tasks() -> dict[str, ScoringDagTask]:
    data = PartitionedDataset(URI)
    with DAG("seen", schedule=None) as dag:
        PartitionSensor(task_id="wait", dataset=data, partitions=None)
        CheckModelOperator(task_id="gate", model="/m@a", conn_id="{{ var.value.conn }}")
        EvaluateOperator(task_id="look", model="/m@a", dataset=data, partitions=None, require={})
        plan = PlanPartitionsOperator(task_id="plan", dataset=data, model="/m@a", conn_id="mine")
        OwnScoring.partial(task_id="score", dataset=data, output_uri="/out", conn_id="mine").expand(
            partition=plan.output
        )
        CheckScoresOperator(task_id="check", plan=[], scores=[])
        CombineOperator(task_id="publish", scores=[], output_uri="/out")
        NotOurs(task_id="other")
        BaseOperator(task_id="else")
    return {task.task_id: task for task in tasks_of(DagSerialization.to_dict(dag))}


def test_tasks_are_told_apart_and_a_users_subclass_is_what_it_extends() -> None:
    assert {name: task.kind for name, task in _tasks().items()} == {
        "wait": "wait",
        "gate": "check_model",
        "look": "evaluate",
        "plan": "plan",
        "score": "score",
        "check": "check_scores",
        "publish": "combine",
    }


def test_places_are_those_that_the_author_wrote() -> None:
    tasks = _tasks()
    assert {tasks[name].dataset for name in ("wait", "plan", "score")} == {URI}
    assert tasks["gate"].dataset is None
    assert (tasks["score"].conn_id, tasks["score"].conn_is_open) == ("mine", False)
    assert (tasks["gate"].conn_id, tasks["gate"].conn_is_open) == (None, True)
    assert (tasks["wait"].conn_id, tasks["wait"].conn_is_open) == (None, False)


def test_what_comes_next_is_found_behind_tasks_of_others_and_not_behind_our_own(airflow_dags: Any) -> None:
    tasks = {task.task_id: task for task in tasks_of(DagSerialization.to_dict(airflow_dags["by_size"]))}
    assert tasks["train"].downstream == {"plan"}
    assert tasks["plan"].downstream == {"score_small", "score_big", "check", "publish"}
    assert tasks["score_small"].downstream == {"check"}
    assert tasks["publish"].downstream == frozenset()


def test_a_dag_is_read_once_for_each_of_its_versions(airflow_dags: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def counted(serialized: Any) -> Any:
        read.append(serialized["dag"]["dag_id"])
        return tasks_of(serialized)

    monkeypatch.setattr(scoring_dags, "tasks_of", counted)
    monkeypatch.setattr(scoring_dags, "_known", Cache(9))
    with create_session() as session:
        for _ in range(2):
            found = scoring_dags.scoring_dags(session, ["small_pipeline", "libraries", "no such DAG"])
    assert sorted(read) == ["libraries", "small_pipeline"]
    assert list(found) == ["small_pipeline"]
    assert [task.kind for task in found["small_pipeline"]].count("score") == 1
