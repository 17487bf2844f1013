"""OpenLineage's inputs, outputs and facets of what a task did."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("airflow.providers.openlineage", reason="the provider is not installed")

from openlineage.client.serde import Serde
from operator_calls import dag, executed, handed_plan, handed_scores, planned
from support import Small

from airflow_batchscore import LocalDask
from airflow_batchscore.operators import (
    CheckModelOperator,
    CheckScoresOperator,
    CombineOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
)
from airflow_batchscore.operators.lineage import lineage_of, naming
from airflow_batchscore.operators.outcome import Data, Outcome

pytestmark = pytest.mark.dag


def _lineage(operator: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Inputs and outputs as events have them."""
    lineage = operator.get_openlineage_facets_on_complete(None)
    inputs, outputs = ([Serde.to_dict(data) for data in side] for side in (lineage.inputs, lineage.outputs))
    return inputs, outputs


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://b/k/x_{p}.csv", ("s3://b", "k/x_{p}.csv")),
        ("gs://b/k/", ("gs://b", "k")),
        ("abfss://c@a.dfs.core.windows.net/k", ("abfss://c@a.dfs.core.windows.net", "k")),
        ("/d/x", ("file", "/d/x")),
        ("file:///d/x", ("file", "/d/x")),
        ("s3://b", ("s3://b", "/")),
    ],
)
def test_places_have_openlineages_names(uri: str, expected: tuple[str, str]) -> None:
    assert naming(uri) == expected


def test_a_scoring_task_tells_its_partitions_rows_and_columns(fresh: Small) -> None:
    fresh.add(1, [(1, 0.5, 0.5, 1), (2, 0.5, "", 0), (3, "oops", 0.5, 1)])
    (entry,) = planned(fresh, "r", 1)
    with dag():
        operator = ScorePartitionOperator(
            task_id="score",
            dataset=fresh.dataset,
            partition=entry,
            output_uri=f"{fresh.folder}/staged",
            engine=LocalDask(workers=1),
            quarantine=10,
        )
    executed(operator)
    (data, model), (scores,) = _lineage(operator)
    assert (data["namespace"], data["name"]) == ("file", f"{fresh.folder}/part_{{p}}.csv")
    metrics = data["inputFacets"]["dataQualityMetrics"]
    assert (metrics["rowCount"], metrics["fileCount"]) == (3, 1)
    assert metrics["bytes"] == (fresh.folder / "part_1.csv").stat().st_size
    assert [part["dimensions"] for part in data["inputFacets"]["subset"]["inputCondition"]["partitions"]] == [
        {"p": "1"}
    ]
    found = {each["assertion"]: each["actual"] for each in data["inputFacets"]["dataQualityAssertions"]["assertions"]}
    assert found == {"rows scored": "1", "rows skipped": "0", "rows in quarantine": "2"}
    assert model["facets"]["version"]["datasetVersion"] == fresh.model.version
    assert scores["outputFacets"]["outputStatistics"]["rowCount"] == 1
    assert [field["name"] for field in scores["facets"]["schema"]["fields"]] == ["id", "prediction"]


def test_a_gate_that_refuses_says_why(fresh: Small) -> None:
    scores = handed_scores(fresh, "r", 1, 0)
    check = CheckScoresOperator(task_id="check", plan=handed_plan("r", 0, 1), scores=scores)
    with pytest.raises(Exception, match="1 of 2 planned partitions"):
        executed(check)
    ((staged,), outputs) = _lineage(check)
    assert (staged["name"], outputs) == (f"{fresh.folder}/staged", [])
    assertions = staged["inputFacets"]["dataQualityAssertions"]["assertions"]
    (verdict,) = (each for each in assertions if not each["success"])
    assert verdict["assertion"] == "partitions without a manifest"
    assert "1 of 2 planned partitions have no manifest (p=1" in verdict["description"]


def test_a_model_gate_that_refuses_says_why(fresh: Small) -> None:
    check = CheckModelOperator(task_id="check", model=fresh.model.uri, require={"accuracy": ">=1.1"})
    with pytest.raises(Exception, match="does not pass"):
        executed(check)
    ((model,), outputs) = _lineage(check)
    (verdict,) = model["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert (verdict["assertion"], verdict["success"], outputs) == ("accuracy", False, [])


def test_a_publication_goes_from_data_and_model_to_the_output(fresh: Small) -> None:
    scores = handed_scores(fresh, "r", 1, 0)
    with dag():
        score = ScorePartitionOperator(task_id="score", dataset=fresh.dataset, partition={}, output_uri="/y")
        publish = CombineOperator(task_id="publish", scores=score.output, output_uri=f"{fresh.folder}/out.parquet")
    publish._written = {"scores": score.output, "output_uri": publish.output_uri}
    publish.scores = scores
    executed(publish)
    inputs, (output,) = _lineage(publish)
    assert [data["name"] for data in inputs] == [f"{fresh.folder}/part_{{p}}.csv", f"{fresh.folder}/model"]
    assert output["name"] == f"{fresh.folder}/out.parquet"
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 200


def test_a_task_that_failed_before_it_read_anything_leaves_it_to_its_assets(fresh: Small) -> None:
    plan = PlanPartitionsOperator(task_id="plan", dataset=fresh.dataset, partitions=[77], model=fresh.model.uri)
    with pytest.raises(Exception, match="77"):
        executed(plan)
    assert plan.get_openlineage_facets_on_complete(None) is None
    assert [inlet.uri for inlet in plan.inlets] == [
        f"file://{fresh.folder}/part_{{p}}.csv",
        f"file://{fresh.folder}/model",
    ]


def test_the_partitions_of_a_large_task_are_left_out_of_its_event(fresh: Small) -> None:
    many = [{"p": str(number)} for number in range(1001)]
    (data,) = lineage_of(Outcome([Data("/x", many[:1000])])).inputs
    assert len(Serde.to_dict(data)["inputFacets"]["subset"]["inputCondition"]["partitions"]) == 1000
    (data,) = lineage_of(Outcome([Data("/x", many)])).inputs
    assert "subset" not in (data.inputFacets or {})
