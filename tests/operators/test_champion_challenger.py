"""A run of a champion and its challenger, task by task: what is planned, scored, compared, and published."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException
from operator_calls import context, dag, executed, planned, published, scored
from paired import challenger_of
from support import Small, good_rows, newest_summary, scores, small

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.data.storage import Location
from airflow_batchscore.model.reference import ModelRef, set_alias
from airflow_batchscore.operators import CheckScoresOperator, PlanPartitionsOperator, TrainOperator
from airflow_batchscore.operators.seal import seal, unseal
from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.plan.models import ChampionAndChallenger
from airflow_batchscore.publish.run_totals import models_named
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.dag

BOTH = {"method": ["predict", "predict_proba"]}


@pytest.fixture
def data(tmp_path: Path) -> Small:
    made = small(tmp_path)
    made.add(1, good_rows(60, 1000))
    made.add(2, good_rows(40, 5000))
    return made


@pytest.fixture
def challenger(data: Small) -> ModelRef:
    return challenger_of(
        data, Recipe(target="label", keys=["id"], columns=["a"]), "sklearn.linear_model:LogisticRegression"
    )


def _plan(data: Small, challenger: ModelRef, *partitions: int) -> list[dict[str, Any]]:
    return planned(data, "r", *(partitions or (1, 2)), model=[data.model.uri, challenger.uri])


#: Key -> what the last check handed on besides its result.
pushed: dict[str, Any] = {}


def _check(plan: Any, scores: Any, **limits: Any) -> dict[str, Any]:
    with dag():
        check = CheckScoresOperator(task_id="check", plan=plan, scores=scores, **limits)
    pushed.clear()
    instance = SimpleNamespace(task_id="check", map_index=-1, xcom_push=lambda key, value: pushed.update({key: value}))
    found: dict[str, Any] = executed(check, ti=instance)
    return found


def _verdict(checked: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(checked["verdict"]).read_text())
    return found


def test_both_are_pinned_and_named(data: Small, challenger: ModelRef) -> None:
    set_alias(f"{data.folder}/model", "champion", data.model, 1)
    (entry, _) = planned(data, "r", 1, 2, model=[f"{data.folder}/model@champion", challenger.uri])
    models = PlanEntry.from_dict(unseal("plan", entry, "plan", "d/r", {"plan"})).models
    assert models == ChampionAndChallenger(data.model, challenger)
    assert models_named(entry["models"]) == f"{data.model.version}, challenged by {challenger.version}"


def test_a_list_is_checked_item_by_item(data: Small, challenger: ModelRef) -> None:
    for model, said in [
        ([data.model.uri], "two models; 1 were given"),
        ([data.model.uri, ""], "one of them names no model"),
        ([data.model.uri, None], "one of them names no model"),
        ([data.model.uri, f"{challenger.uri}x"], "does not exist"),
    ]:
        with pytest.raises(AirflowFailException, match=said):
            planned(data, "r", 1, model=model)


def test_only_the_champions_scores_are_published_and_the_report_compares(
    data: Small, challenger: ModelRef, tmp_path: Path
) -> None:
    plan = _plan(data, challenger)
    handed = [scored(data, entry, "r", **BOTH) for entry in plan]
    assert [each["challenge"]["failed"] for each in handed] == [[], []]
    checked = _check(plan, handed, max_quarantined=0)
    out = tmp_path / "out.parquet"
    assert published(checked, "r", out)["partitions"] == 2
    found = pd.read_parquet(out)
    mine = pd.concat([scores(_manifest(each["manifests"][0])) for each in handed], ignore_index=True)
    theirs = pd.concat([scores(_manifest(each["challenge"]["manifests"][0])) for each in handed], ignore_index=True)
    pd.testing.assert_frame_equal(found.drop(columns="p"), mine)
    assert not found["predict_proba_0"].equals(theirs["predict_proba_0"])
    comparison = _verdict(checked)["comparison"]
    assert (comparison["champion"]["uri"], comparison["challenger"]["uri"]) == (data.model.uri, challenger.uri)
    agreed = (mine["predict"] == theirs["predict"]).mean()
    assert comparison["columns"]["predict"]["agreement"] == pytest.approx(agreed)
    assert newest_summary(tmp_path)["passed"]["comparison"] == comparison
    (page,) = (tmp_path / "_runs" / "out.parquet" / "d" / "r").glob("*.report.html")
    text = page.read_text()
    assert f"Version <code>{challenger.version}</code> scored the same rows as the champion" in text
    assert f'<td class="n">{agreed:.2%}</td>' in text
    worst = comparison["columns"]["predict_proba_0"]["rows"][0]
    assert f'<td class="text">id={worst["keys"]["id"]}</td>' in text


def _manifest(short: dict[str, Any]) -> Manifest:
    found = Manifest.read(Location(short["manifest"]))
    assert found is not None
    return found


def test_a_challenger_is_let_through_or_refused_by_how_far_it_is_from_the_champion(
    data: Small, challenger: ModelRef
) -> None:
    plan = _plan(data, challenger)
    handed = [scored(data, entry, "r", **BOTH) for entry in plan]
    checked = _check(plan, handed, min_agreement="0.1", max_difference={"max": "1", "p95": 1, "mean": 1})
    allowed = {check["what"]: check["allowed"] for check in _verdict(checked)["checks"]}
    assert allowed["challenger: agreement in predict"] == "10 %"
    assert allowed["challenger: p95 difference in predict_proba_1"] == "1"
    assert unseal("model", pushed["challenger"], "model", "d/r", {"check"})["digest"] == challenger.digest
    assert f"`{challenger.uri}` against `{data.model.uri}`" in pushed["comparison"]
    assert f"| agreement in predict | {_verdict(checked)['checks'][-7]['found']} | 10 % |" in pushed["comparison"]
    with pytest.raises(AirflowFailException, match=r"agrees with the champion in .* % of 100 rows of predict, at"):
        _check(plan, handed, min_agreement=0.999)
    assert not pushed
    with pytest.raises(AirflowFailException, match=r"predict_proba_0 is about .* from the champion's \(p50\)"):
        _check(plan, handed, max_difference="{'p50': 0.0001}")


def test_a_limit_that_is_none_and_a_gate_without_a_challenger_fail(data: Small) -> None:
    plan = planned(data, "r", 1)
    handed = [scored(data, plan[0], "r")]
    with pytest.raises(AirflowFailException, match=r"min_agreement='most': give a share of rows from 0 to 1"):
        _check(plan, handed, min_agreement="most")
    with pytest.raises(AirflowFailException, match=r"this run has none: give .*model=\[champion, challenger\]"):
        _check(plan, handed, min_agreement=0.9)


def test_a_challenger_that_fails_stops_its_promotion_and_not_the_publication(
    data: Small, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    header = ("id", "a", "b", "label", "c")
    data.add(0, [(*row, 1) for row in good_rows(200)], header=header)
    challenger = challenger_of(data, Recipe(target="label", keys=["id"], columns=["c"]))
    data.add(2, [(*row, 1) for row in good_rows(40, 5000)], header=header)
    plan = _plan(data, challenger)
    handed = [scored(data, entry, "r") for entry in plan]
    assert [[key for key, _ in each["challenge"]["failed"]] for each in handed] == [["p=1"], []]
    assert "the challenger has no scores: partition p=1" in caplog.text
    checked = _check(plan, handed)
    assert published(checked, "r", tmp_path / "out.parquet")["partitions"] == 2
    comparison = _verdict(checked)["comparison"]
    assert (comparison["partitions_compared"], comparison["partitions_in_all"]) == (1, 2)
    assert "lacks the columns ['c']" in comparison["problems"]["p=1"]
    assert list(pushed) == ["comparison"], "nobody promotes what was not compared"
    with pytest.raises(AirflowFailException, match=r"1 of 2 partitions were not compared, or not in full: p=1: "):
        _check(plan, handed, min_agreement=0)
    Path(handed[1]["challenge"]["manifests"][0]["manifest"]).unlink()
    comparison = _verdict(_check(plan, handed))["comparison"]
    assert "is gone" in comparison["problems"]["p=2"]


def test_what_a_challenger_scored_is_sealed_too(data: Small, challenger: ModelRef) -> None:
    plan = _plan(data, challenger, 1)
    handed = scored(data, plan[0], "r")
    handed["challenge"]["manifests"][0]["manifest"] = handed["manifests"][0]["manifest"]
    with pytest.raises(AirflowFailException, match="its seal does not match"):
        _check(plan, [handed])


def test_a_challenger_that_another_task_trained_is_taken_from_its_seal_alone(data: Small, challenger: ModelRef) -> None:
    with DAG("d") as pipeline:
        train = TrainOperator(
            task_id="train",
            dataset=data.dataset,
            partitions=[0],
            recipe=data.recipe,
            estimator="x:y",
            model_uri=f"{data.folder}/challenger",
        )
        plan = PlanPartitionsOperator(
            task_id="plan",
            dataset=PartitionedDataset(data.dataset.uri),
            partitions=[1],
            model=[data.model.uri, train.output],
        )
    assert plan.upstream_task_ids == {"train"}
    sealed = seal({"schema": 1, "model": challenger.uri, "digest": challenger.digest}, "model", "d/r", "train")
    for second, said in [
        (sealed, None),
        (challenger.uri, "model.1"),
        ({**sealed, "digest": "0" * 64}, "its seal does not match"),
    ]:
        task = pipeline.get_task("plan").prepare_for_execution()
        task._written = {"model": [data.model.uri, train.output]}
        task.model = [data.model.uri, second]
        given = context("plan")
        if said is None:
            (entry,) = task.execute(given)
            assert entry["models"]["challenger"]["uri"] == challenger.uri
            continue
        with pytest.raises(AirflowFailException, match=said):
            task.execute(given)
