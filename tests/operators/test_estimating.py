"""A plan that estimates its run: what it finds in the DAG, what it pushes, its limits, and what the report shows."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import task_group
from airflow.sdk.exceptions import AirflowFailException
from operator_calls import dag, planned, scored
from support import ROOT, Small, good_rows, newest_summary

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.errors import InputError
from airflow_batchscore.operators import (
    CheckScoresOperator,
    CombineOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
)
from airflow_batchscore.operators.estimating import ESTIMATE_KEY
from airflow_batchscore.operators.seal import unseal
from airflow_batchscore.plan.estimate import Estimate
from airflow_batchscore.scoring import rounds

pytestmark = pytest.mark.dag


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "_LEAST_SECONDS", 0.05)


@pytest.fixture
def data(fresh: Small) -> Small:
    for partition in (1, 2):
        fresh.add(partition, good_rows(400 * partition))
    return fresh


class Xcoms(dict[str, Any]):
    """A task instance that keeps what is pushed."""

    def ti(self, task_id: str, **more: Any) -> Any:
        return SimpleNamespace(
            task_id=task_id,
            map_index=-1,
            xcom_push=self.__setitem__,
            xcom_pull=lambda task_ids, key: self.get(key),
            **more,
        )


def _pipeline(data: Small, score: dict[str, Any] | None = None, **plan: Any) -> tuple[Any, Any]:
    """A plan and the publication of its scores, in one DAG."""
    with dag():
        planning = PlanPartitionsOperator(
            task_id="plan",
            **{"dataset": data.dataset, "partitions": "1..2", "model": data.model.uri, "estimate": True, **plan},
        )
        scoring = ScorePartitionOperator.partial(
            task_id="score",
            dataset=data.dataset,
            output_uri=f"{data.folder}/staged",
            engine=LocalDask(workers=1),
            **(score or {}),
        ).expand(partition=planning.output)
        check = CheckScoresOperator(task_id="check", plan=planning.output, scores=scoring.output)
        combine = CombineOperator(task_id="publish", scores=check.output, output_uri=f"{data.folder}/out.parquet")
    return planning, combine


def _run(operator: Any, xcoms: Xcoms, params: dict[str, Any] | None = None, **ti: Any) -> Any:
    run = SimpleNamespace(dag_id="d", run_id="r", partition_key=None)
    given = {"dag_run": run, "ti": xcoms.ti(operator.task_id, **ti), "params": params or {}}
    operator.render_template_fields(given)
    return operator.execute(given)


def _told(xcoms: Xcoms) -> Estimate:
    return Estimate.from_dict(unseal("estimate", xcoms[ESTIMATE_KEY], "estimate", "d/r", {"plan"}))


def test_the_scoring_task_after_the_plan_is_what_is_tried(data: Small) -> None:
    xcoms = Xcoms()
    plan, _ = _pipeline(data, {"method": "predict_proba", "block_rows": "{{ params.rows }}"}, price_per_core_hour="0.5")
    started = datetime.now(UTC) - timedelta(seconds=30)
    entries = _run(plan, xcoms, {"rows": 100}, start_date=started)
    found = _told(xcoms)
    assert len(entries) == 2
    assert (found.partitions, found.tasks, found.workers, found.reused) == (2, 2, 1, 0)
    assert found.rows == pytest.approx(1200, rel=0.1)
    assert found.cost == pytest.approx((found.core_seconds or 0) / 3600 * 0.5, abs=1e-5)
    assert found.seconds > 30  # its tasks take as long to start as this one did
    assert not (data.folder / "staged").exists()


def test_without_an_estimate_the_plan_pushes_nothing_more(data: Small) -> None:
    xcoms = Xcoms()
    _run(_pipeline(data, estimate=False)[0], xcoms)
    assert not xcoms


def test_a_plan_beyond_its_limits_fails_at_once_and_shows_why(data: Small) -> None:
    xcoms = Xcoms()
    plan, _ = _pipeline(data, max_seconds="{{ params.limit }}")
    with pytest.raises(AirflowFailException, match=r"take about .*, more than max_seconds=0\.001; nothing was scored"):
        _run(plan, xcoms, {"limit": 0.001})
    assert _told(xcoms).partitions == 2
    plan, _ = _pipeline(data, price_per_core_hour=1e6, max_cost=0.01)
    with pytest.raises(AirflowFailException, match=r"would cost about .*, more than max_cost=0\.01"):
        _run(plan, xcoms)


@pytest.mark.parametrize(("given", "limit"), [(None, 25), ("", 25), (10, 10), ("10", 10), (0, 0), (99, 25)])
def test_the_limit_of_the_docs_can_be_made_stricter_alone(data: Small, given: object, limit: float) -> None:
    page = (ROOT / "docs" / "how-to" / "plan-before-you-pay.md").read_text()
    (template,) = re.findall(r'^max_cost = "(.*)"$', page, re.MULTILINE)
    plan, _ = _pipeline(data, price_per_core_hour=1, max_cost=template)
    plan.render_template_fields({"params": {"max_cost": given}})
    assert float(plan.max_cost) == limit


def test_an_empty_param_means_no_limit(data: Small) -> None:
    plan, _ = _pipeline(data, max_seconds="{{ params.limit }}", price_per_core_hour="1", max_cost="{{ params.limit }}")
    assert len(_run(plan, Xcoms(), {"limit": None})) == 2


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"max_seconds": "soon"}, "max_seconds='soon': give a number"),
        ({"max_seconds": "-1"}, "max_seconds='-1': give a number from 0"),
        ({"price_per_core_hour": "-1"}, "price_per_core_hour='-1': give a number from 0"),
        ({"max_cost": "nan", "price_per_core_hour": 1}, "max_cost='nan'"),
        ({"max_cost": 1, "price_per_core_hour": ""}, "needs a price, and price_per_core_hour= is empty in this run"),
        ({"parallel_tasks": "0"}, "parallel_tasks=0: give at least 1"),
        ({"parallel_tasks": "1.5"}, "parallel_tasks='1.5': give a whole number"),
    ],
)
def test_values_that_mean_nothing_are_refused_by_their_names(data: Small, options: dict[str, Any], match: str) -> None:
    with pytest.raises(AirflowFailException, match=match):
        _run(_pipeline(data, **options)[0], Xcoms())


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"estimate": False, "max_cost": 1}, "max_cost: only an estimate uses this; add estimate=True"),
        ({"max_cost": 1}, "max_cost= needs a price"),
        ({"estimate": 2}, "estimate=2: give True, or the share"),
        ({"estimate": "yes"}, "estimate='yes': give True, or the share"),
        (
            {"dataset": PartitionedDataset("games.csv", partition_by="n % 2")},
            r"partition_by='n % 2' cannot be predicted",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused_where_the_dag_is_read(
    data: Small, options: dict[str, Any], match: str
) -> None:
    with pytest.raises(InputError, match=match):
        _pipeline(data, **options)


def test_a_plan_needs_one_scoring_task(data: Small) -> None:
    with pytest.raises(AirflowFailException, match=r"exactly one ScorePartitionOperator .* \(there is none\)"):
        planned(data, "r", 1, estimate=True)
    plan, _ = _pipeline(data)
    with plan.dag:
        ScorePartitionOperator.partial(task_id="other", dataset=data.dataset, output_uri=f"{data.folder}/other").expand(
            partition=plan.output
        )
    with pytest.raises(AirflowFailException, match=r"\(other, score\)"):
        _run(plan, Xcoms())


def test_a_scoring_task_in_a_mapped_group_is_found(data: Small) -> None:
    with dag():
        plan = PlanPartitionsOperator(
            task_id="plan", dataset=data.dataset, partitions=1, model=data.model.uri, estimate=0.5
        )

        @task_group
        def each(entry: Any) -> None:
            ScorePartitionOperator(
                task_id="score", dataset=data.dataset, partition=entry, output_uri=f"{data.folder}/staged"
            )

        each.expand(entry=plan.output)
    xcoms = Xcoms()
    _run(plan, xcoms)
    assert _told(xcoms).partitions == 1


def test_a_scoring_task_that_is_mapped_over_more_is_refused(data: Small) -> None:
    with dag():
        plan = PlanPartitionsOperator(
            task_id="plan", dataset=data.dataset, partitions=1, model=data.model.uri, estimate=True
        )
        ScorePartitionOperator.partial(task_id="score", dataset=data.dataset, output_uri="/staged").expand(
            partition=plan.output, block_rows=[10, 20]
        )
    with pytest.raises(AirflowFailException, match="mapped over the plan alone, and not over block_rows"):
        _run(plan, Xcoms())


def test_the_sample_goes_only_where_the_scores_may(data: Small) -> None:
    plan, _ = _pipeline(data, {})
    task = plan.dag.task_dict["score"]
    task.partial_kwargs["output_uri"] = "{{ params.anywhere }}"
    with pytest.raises(AirflowFailException, match=r"output_uri .* depends on the run's params"):
        _run(plan, Xcoms(), {"anywhere": f"{data.folder}/elsewhere"})
    assert not (data.folder / "elsewhere").exists()


def test_a_function_is_estimated_as_the_scoring_task_applies_it(data: Small) -> None:
    xcoms = Xcoms()
    function = {"function": "test_estimating:halves", "columns": ["a"], "keys": ["id"]}
    plan, _ = _pipeline(data, function, model=None)
    _run(plan, xcoms)
    assert _told(xcoms).rows == pytest.approx(1200, rel=0.1)


def halves(frame: Any) -> Any:
    return frame[["a"]] / 2


def test_the_report_shows_the_estimate_beside_what_it_took(data: Small) -> None:
    xcoms = Xcoms()
    plan, combine = _pipeline(data, price_per_core_hour=1.0)
    entries = _run(plan, xcoms)
    scores = [scored(data, entry, "r") for entry in entries]
    check = combine.dag.task_dict["check"]
    check._written = {"plan": plan.output, "scores": check.scores}
    check.plan, check.scores = entries, scores
    checked = check.run_stage(
        {"dag_run": SimpleNamespace(dag_id="d", run_id="r", partition_key=None), "ti": xcoms.ti("check")}
    )
    given = {"dag_run": SimpleNamespace(dag_id="d", run_id="r", partition_key=None), "ti": xcoms.ti("publish")}

    def published(**changed: Any) -> dict[str, Any]:
        combine._written = {"scores": check.output}
        combine.scores = checked
        xcoms.update(changed)
        combine.run_stage(given)
        summary: dict[str, Any] = newest_summary(data.folder)
        return summary

    told = published()["estimate"]
    assert told["rows"] == _told(xcoms).rows
    assert told["said"].startswith("estimated ")
    assert "; took " in told["said"]
    (page,) = [path for path in data.folder.rglob("*.html") if told["said"] in path.read_text()][:1]
    assert "<dt>Scoring</dt>" in page.read_text()
    forged = {**xcoms[ESTIMATE_KEY], "cost": 0.0}
    assert published(**{ESTIMATE_KEY: forged})["estimate"] is None  # and the publication goes on
