"""What a task is recorded to have read, written and counted."""

from __future__ import annotations

from typing import Any

import pytest
from operator_calls import dag, executed, planned, scored
from support import Small, good_rows

from airflow_batchscore import LocalDask, Recipe
from airflow_batchscore.operators import PlanPartitionsOperator, ScorePartitionOperator, TrainOperator
from airflow_batchscore.operators.outcome import Outcome

pytestmark = pytest.mark.dag


def _score(data: Small, *partitions: int) -> Outcome:
    (entry,) = planned(data, "r", *partitions, pack_bytes=10**9)
    with dag():
        operator = ScorePartitionOperator(
            task_id="score",
            dataset=data.dataset,
            partition=entry,
            output_uri=f"{data.folder}/staged",
            engine=LocalDask(workers=1),
            quarantine=10,
        )
    executed(operator)
    assert operator.outcome is not None
    return operator.outcome


def _train(data: Small, **options: Any) -> Outcome:
    given = {"dataset": data.dataset, "partitions": 0, "recipe": Recipe(target="label", columns=["a", "b"])}
    with dag():
        operator = TrainOperator(
            task_id="train",
            estimator="sklearn.linear_model:LogisticRegression",
            **{**given, "model_uri": f"{data.folder}/mine", **options},
        )
    executed(operator)
    assert operator.outcome is not None
    return operator.outcome


def test_a_reused_partition_counts_as_read_but_not_as_work(fresh: Small) -> None:
    fresh.add(1, good_rows(50, 1000))
    fresh.add(2, [(1, "oops", 0.5, 1), *good_rows(19, 2000)])
    scored(fresh, planned(fresh, "before", 1)[0], "before")
    outcome = _score(fresh, 1, 2)
    assert outcome.account is not None
    assert outcome.account.astuple() == (20, 19, 0, 1)
    assert [data.rows for data in outcome.reads] == [70, None]
    assert set(outcome.gauges) == {"rows_per_second", "seconds_per_block"}
    assert outcome.notices[0].startswith("1 row in quarantine: p=2 (1)")


def test_a_task_that_found_everything_committed_has_no_speed(fresh: Small) -> None:
    scored(fresh, planned(fresh, "before", 0)[0], "before")
    outcome = _score(fresh, 0)
    assert (outcome.account and outcome.account.rows_read, outcome.gauges) == (0, {})


def test_training_tells_its_version_under_the_model_and_its_alias(fresh: Small) -> None:
    first, again = _train(fresh, alias="newest"), _train(fresh, alias="newest")
    assert [data.uri for data in first.writes] == [f"{fresh.folder}/mine", f"{fresh.folder}/mine@newest"]
    extras = [data.extra for data in (*first.writes, *again.writes)]
    assert all(extra and len(extra["digest"]) == 64 and extra["run"] == "d/r" for extra in extras)
    assert [extra and (extra["rows"], extra["partitions"], extra["reused"]) for extra in extras] == [
        *([(200, 1, False)] * 2),
        *([(200, 1, True)] * 2),
    ]


def test_many_models_are_told_by_their_number(fresh: Small) -> None:
    fresh.add(1, good_rows(50, 1000))
    outcome = _train(fresh, model_uri=f"{fresh.folder}/each/{{p}}", partitions=[0, 1], engine=LocalDask(workers=1))
    (model,) = outcome.writes
    assert model.uri == f"{fresh.folder}/each/{{p}}"
    assert model.extra == {"trained": 2, "reused": 0, "failed": 0, "run": "d/r"}


def test_a_plan_reads_its_partitions_and_the_model_without_its_version(fresh: Small) -> None:
    with dag():
        plan = PlanPartitionsOperator(task_id="plan", dataset=fresh.dataset, partitions=[0], model=fresh.model.uri)
    executed(plan)
    assert plan.outcome is not None
    assert [data.uri for data in plan.outcome.reads] == [fresh.dataset.uri, f"{fresh.folder}/model"]
    assert plan.outcome.reads[0].partitions == [{"p": "0"}]
