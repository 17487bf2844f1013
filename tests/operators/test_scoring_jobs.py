"""What a scoring operator's arguments become; what the job does with them is tested with `scoring`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from operator_calls import dag
from support import Small

from airflow_batchscore.errors import InputError
from airflow_batchscore.operators import ScorePartitionOperator
from airflow_batchscore.operators.asked import Asked
from airflow_batchscore.operators.scoring_jobs import named, scoring_job
from airflow_batchscore.plan.models import NoModel, OneModel
from airflow_batchscore.scoring.job import ScoringJob

pytestmark = pytest.mark.dag

RUN: Any = {"dag_run": SimpleNamespace(dag_id="d", run_id="r", partition_key=None)}


def made(data: Small, models: Any = None, asked: Asked | None = None, **options: Any) -> ScoringJob:
    with dag():
        operator = ScorePartitionOperator(
            task_id="score", dataset=data.dataset, partition={}, output_uri=f"{data.folder}/staged", **options
        )
    return scoring_job(
        operator, OneModel(data.model) if models is None else models, {"p=1": 2}, RUN, asked or Asked(None, None)
    )


def test_arguments_become_the_job(fresh: Small) -> None:
    job = made(fresh, block_rows="7", keys=["id"], quarantine="0.5", method=["predict"], replay_quarantined="yes")
    assert (job.block_rows, job.keys, job.limit.value, job.replay) == (7, ("id",), 0.5, True)
    assert (job.files, job.token, job.output_uri) == ({"p=1": 2}, None, f"{fresh.folder}/staged")
    assert named(job.scored_with) == fresh.model.version


def test_force_scores_once_a_run_and_once_for_each_request(fresh: Small) -> None:
    assert made(fresh, force="true").token == "d/r"  # noqa: S105 - the name of a run
    assert made(fresh, asked=Asked("at noon", None)).token == "d/r, at noon"  # noqa: S105
    assert made(fresh, asked=Asked(None, "at noon")).replay


def test_a_function_stands_in_the_models_place(fresh: Small) -> None:
    job = made(fresh, NoModel(), function="test_estimating:halves", group_by="id", columns=["a"])
    assert named(job.scored_with) == "test_estimating:halves"
    with pytest.raises(InputError, match="function= replaces the model"):
        made(fresh, function="test_estimating:halves")


def test_models_by_a_column_need_one_in_the_plan(fresh: Small) -> None:
    with pytest.raises(InputError, match=r"model_by='site': the plan's model needs a field of that name"):
        made(fresh, model_by="site")
