"""Operators called as Airflow calls them, without its server: rendered and executed, in a run that a test names."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow.sdk import DAG
from support import Small

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.operators import (
    CheckScoresOperator,
    CombineOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
)
from airflow_batchscore.operators.places import PlacedOperator
from airflow_batchscore.operators.seal import seal
from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.plan.models import NoModel
from airflow_batchscore.scoring.scored import ScoredPartition, ScoredTask


def dag(**options: Any) -> DAG:
    return DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC), **options)


def context(task_id: str, run_id: str = "r", map_index: int = -1, **more: Any) -> Any:
    run = SimpleNamespace(dag_id="d", run_id=run_id, partition_key=None)
    return {"dag_run": run, "ti": SimpleNamespace(task_id=task_id, map_index=map_index), "params": {}, **more}


class Store(dict[str, Any]):
    """Airflow's task state store, in a process."""

    set = dict.__setitem__

    def delete(self, key: str) -> None:
        self.pop(key, None)


def executed(operator: Any, run_id: str = "r", **more: Any) -> Any:
    """What the operator returns in that run."""
    given = context(operator.task_id, run_id, **more)
    operator.render_template_fields(given)
    return operator.execute(given)


# The tasks of a run, one after the other.


def planned(data: Small, run_id: str, *partitions: int, **options: Any) -> list[dict[str, Any]]:
    """What the plan of a run returns."""
    with dag():
        plan = PlanPartitionsOperator(
            task_id="plan",
            **{"dataset": data.dataset, "partitions": list(partitions), "model": data.model.uri, **options},
        )
    result: list[dict[str, Any]] = executed(plan, run_id)
    return result


def scored(data: Small, entry: Any, run_id: str, **options: Any) -> dict[str, Any]:
    """What the scoring task of an entry of the plan returns."""
    more = {name: options.pop(name) for name in ("params", "task_state_store", "ti") if name in options}
    with dag():
        score = ScorePartitionOperator(
            task_id="score",
            partition=entry,
            **{
                "dataset": data.dataset,
                "output_uri": f"{data.folder}/staged",
                "engine": LocalDask(workers=1),
                **options,
            },
        )
    result: dict[str, Any] = executed(score, run_id, **more)
    return result


# The same without Airflow's part of them, for tests of the tasks that come after.


def handed_plan(run_id: str, *partitions: int) -> list[dict[str, Any]]:
    """What the plan of a run hands on."""
    count = len(partitions)
    entries = [
        PlanEntry(f"p={p}", [{"p": str(p)}], [1], 9, NoModel(), None, 1, n, count, 1, "/x")
        for n, p in enumerate(partitions)
    ]
    return [seal(entry.to_dict(), "plan", f"d/{run_id}", "plan") for entry in entries]


def handed_scores(data: Small, run_id: str, generation: int, *partitions: int, **options: Any) -> list[dict[str, Any]]:
    """What the scoring tasks of a run hand on, a task a partition."""
    origin: dict[str, Any] = {"run": f"d/{run_id}", "generation": generation}
    return [
        seal(
            ScoredTask(manifest.key, [ScoredPartition.of(manifest, reused=reused, **origin)]).to_dict(),
            "scores",
            f"d/{run_id}",
            "score",
        )
        for manifest, reused in data.score(*partitions, **options)
    ]


def audited(scores: Any, run_id: str, *partitions: int, **limits: Any) -> dict[str, Any]:
    """What the check of a run returns."""
    operator = CheckScoresOperator(task_id="check", plan=handed_plan(run_id, *partitions), scores=scores, **limits)
    return operator.run_stage(context("check", run_id))


def published(scores: Any, run_id: str, output: Path, **options: Any) -> dict[str, Any]:
    """What the scoring tasks, or a check of them, returned is published by a DAG that hands it on directly."""
    return publishing(scores, output, **options).run_stage(context("publish", run_id))


def publishing(scores: Any, output: Path, **options: Any) -> CombineOperator:
    """The operator of `published`."""
    with dag():
        data = PartitionedDataset("/x_{p}")
        score = ScorePartitionOperator(task_id="score", dataset=data, partition={}, output_uri="/y")
        check = CheckScoresOperator(task_id="check", plan=[], scores=score.output)
        before = check if isinstance(scores, dict) else score
        operator = CombineOperator(task_id="publish", scores=before.output, output_uri=str(output), **options)
    operator._written = {"scores": before.output}
    operator.scores = scores
    return operator


# Operators of which only the arguments matter.


class Var:
    """Airflow's Variables, as templates see them."""

    def __init__(self) -> None:
        self.value = {"home": "s3://mine"}


def rendered(operator: PlacedOperator, **params: Any) -> PlacedOperator:
    """The operator with its places rendered and checked."""
    given: Any = {"params": params, "var": Var(), "ds": "2026-11-21", "run_id": "../x"}
    operator.render_template_fields(given)
    operator.require_authored(given)
    return operator


def combine(output_uri: Any, **more: Any) -> CombineOperator:
    with dag(user_defined_macros={"own_macro": "s3://mine/{}".format}):
        return CombineOperator(task_id="publish", scores=[], output_uri=output_uri, **more)
