"""A run's params and XComs fill in names; where things lie is what the DAG's author wrote."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.errors import BatchScoreError
from airflow_batchscore.operators import (
    CheckModelOperator,
    CheckScoresOperator,
    CombineOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
    TrainOperator,
)
from airflow_batchscore.operators.places import PlacedOperator
from airflow_batchscore.operators.trust import model_trust
from airflow_batchscore.sensors import PartitionSensor

pytestmark = pytest.mark.unit


class Var:
    def __init__(self) -> None:
        self.value = {"home": "s3://mine"}


def rendered(operator: PlacedOperator, **params: Any) -> PlacedOperator:
    context: Any = {"params": params, "var": Var(), "ds": "2026-11-21", "run_id": "../x"}
    operator.render_template_fields(context)
    operator.require_authored(context)
    return operator


def combine(output_uri: Any, **more: Any) -> CombineOperator:
    with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        return CombineOperator(task_id="publish", scores=[], output_uri=output_uri, **more)


@pytest.mark.parametrize(
    "output",
    [
        "s3://bucket/scores.parquet",
        "s3://bucket/{{ params.name }}.parquet",
        "s3://bucket/{{ ds }}/{{ params.name }}",
        "{{ var.value.home }}/scores/{{ params.name }}",
        "{{ var.value.home }}/scores-{{ ds }}",
    ],
)
def test_a_place_that_begins_as_the_author_wrote_is_used(output: str) -> None:
    found = rendered(combine(output), name="spring")
    assert found.output_uri.startswith(("s3://bucket", "s3://mine"))


@pytest.mark.parametrize(
    ("output", "name"),
    [
        ("{{ params.name }}", "s3://bucket/other"),
        ("{{ params.name }}/scores", "/etc"),
        ("s3://{{ params.name }}/scores", "bucket"),
        ("/{{ params.name }}", "etc/cron.d/x"),
        ("s3://bucket/scores/{{ params.name }}", "../models/wta"),
        ("s3://bucket/scores/{{ params.name }}", "%2e%2e/models/wta"),
        ("s3://bucket/scores/{{ params.name }}", "a/./b"),
        ("s3://bucket/scores/{{ run_id }}", ""),
        ("{% if params.name %}{{ params.name }}{% endif %}", "/etc/x"),
        ("{{ var.value.home if params.name else 's3://b/x' }}", "x"),
    ],
)
def test_a_place_that_a_trigger_chooses_is_refused(output: str, name: str) -> None:
    with pytest.raises(BatchScoreError):
        rendered(combine(output), name=name)


def test_a_place_that_an_xcom_names_is_refused_unless_the_configuration_lists_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(BatchScoreError, match="was not written"):
        rendered(combine("{{ params.output }}"), output="s3://bucket/scores/x")
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__OUTPUT_URIS", "s3://bucket/scores/")
    rendered(combine("{{ params.output }}"), output="s3://bucket/scores/x")
    with pytest.raises(BatchScoreError):
        rendered(combine("{{ params.output }}"), output="s3://bucket/scores/../models/x")
    with pytest.raises(BatchScoreError, match="output_uris"):
        rendered(combine("s3://elsewhere/x"))
    with pytest.raises(BatchScoreError, match="output_uris"):  # the bucket of that name that another endpoint has
        rendered(combine("s3://bucket/scores/x", conn_id="other"))


@pytest.mark.parametrize("field", ["conn_id", "scores_conn_id"])
def test_a_connection_that_a_trigger_chooses_is_refused(field: str) -> None:
    rendered(combine("s3://bucket/x", **{field: "{{ var.value.home }}"}))
    with pytest.raises(BatchScoreError, match="does not choose the connection"):
        rendered(combine("s3://bucket/x", **{field: "{{ params.conn }}"}), conn="evil")


def test_outputs_do_not_lie_in_airflows_own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    (tmp_path / "data").mkdir()
    for place in (f"{tmp_path}/airflow.cfg", f"{tmp_path}/data/{{{{ params.name }}}}"):
        with pytest.raises(BatchScoreError, match="AIRFLOW_HOME"):
            rendered(combine(place), name="x")
    link = tmp_path.parent / f"{tmp_path.name}-link"
    link.symlink_to(tmp_path)
    with pytest.raises(BatchScoreError, match="AIRFLOW_HOME"):
        rendered(combine(f"{link}/data/x"))
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__OUTPUT_URIS", f"{tmp_path}/data")
    rendered(combine(f"{tmp_path}/data/x.parquet"))


def test_a_data_set_is_read_from_where_the_author_says() -> None:
    def sensor(uri: str, conn_id: str | None = None) -> PartitionSensor:
        return PartitionSensor(task_id="wait", dataset=PartitionedDataset(uri, format="csv", conn_id=conn_id))

    rendered(sensor("s3://bucket/{{ params.name }}/x_{year}.csv"), name="spring")
    for uri, name in [("{{ params.name }}", "/etc/{year}"), ("/data/{{ params.name }}/{year}.csv", "../../etc")]:
        with pytest.raises(BatchScoreError):
            rendered(sensor(uri), name=name)
    with pytest.raises(BatchScoreError, match="connection"):
        rendered(sensor("s3://bucket/x_{year}.csv", "{{ params.name }}"), name="evil")


def folders(operator: PlacedOperator, field: str = "model", **params: Any) -> set[tuple[str | None, str]]:
    context: Any = {"params": params, "var": Var(), "ds": "2026-11-21"}
    operator.render_template_fields(context)
    prefixes = model_trust(operator, context, field).prefixes
    assert prefixes is not None
    return set(prefixes)


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        ("/models/wta@champion", "/models/wta"),
        ("/models/wta/v1", "/models/wta"),
        ("/models/wta/{{ params.version }}", "/models/wta"),
        ("/models/wta@{{ params.version }}", "/models/wta"),
        ("/models/{device}@champion", "/models"),
        ("{{ var.value.home }}/wta/{{ params.version }}", "s3://mine/wta"),
    ],
)
def test_a_model_lies_below_what_the_author_wrote(model: str, folder: str) -> None:
    with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        plan = PlanPartitionsOperator(task_id="plan", dataset=PartitionedDataset("/x_{year}.csv"), model=model)
    known = "aws_default" if folder.startswith("s3") else None
    assert folders(plan, version="v1") == {(known, folder)}


def test_a_model_that_another_task_names_lies_below_what_the_dag_names_elsewhere() -> None:
    data = PartitionedDataset("/data/x_{year}.csv")
    with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        train = TrainOperator(
            task_id="train",
            dataset=data,
            partitions="2015",
            recipe=Recipe(target="y"),
            estimator="sklearn.linear_model:LogisticRegression",
            model_uri="s3://models/wta",
            conn_id="store",
        )
        check = CheckModelOperator(task_id="check", model=train.output)
        named = PlanPartitionsOperator(task_id="plan", dataset=data, model="{{ params.model }}")
    assert folders(named, model="/uploads/evil/v1") == {("store", "s3://models/wta")}
    check.model = {"model": "/uploads/evil/v1", "digest": "x"}
    prefixes = model_trust(check, {}, "model").prefixes  # type: ignore[typeddict-item]
    assert prefixes == (("store", "s3://models/wta"),)


def test_a_mapped_task_is_held_to_what_the_dag_says_not_to_what_it_is_handed() -> None:
    with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        check = CheckScoresOperator(task_id="check", plan=[], scores=[])
        ScorePartitionOperator.partial(
            task_id="score", dataset=PartitionedDataset("/data/x_{year}.csv"), partition={}
        ).expand(output_uri=check.output)
        ScorePartitionOperator.partial(
            task_id="listed", dataset=PartitionedDataset("/data/x_{year}.csv"), partition={}
        ).expand(output_uri=["s3://a/x", "s3://b/{{ params.name }}"])
    handed = dag.task_dict["score"].unmap({"output_uri": "/etc/x"})
    with pytest.raises(BatchScoreError, match="was not written"):
        rendered(handed)
    for place in ("s3://a/x", "s3://b/{{ params.name }}"):
        rendered(dag.task_dict["listed"].unmap({"output_uri": place}), name="spring")


def test_a_mapped_task_is_held_to_what_its_partial_says() -> None:
    data = PartitionedDataset("{{ params.data }}/x_{year}.csv")
    defaults = {"output_uri": "{{ params.output }}"}
    with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC), default_args=defaults) as dag:
        plan = PlanPartitionsOperator(task_id="plan", dataset=PartitionedDataset("/data/x_{year}.csv"))
        written = {"dataset": PartitionedDataset("/data/x_{year}.csv"), "output_uri": "s3://a/{{ params.output }}"}
        for task_id, given in {
            "good": written,
            "output": {**written, "output_uri": "{{ params.output }}"},
            "by_default": {"dataset": written["dataset"]},
            "data": {**written, "dataset": data},
            "connection": {**written, "conn_id": "{{ params.connection }}"},
        }.items():
            ScorePartitionOperator.partial(task_id=task_id, **given).expand(partition=plan.output)
        ScorePartitionOperator.partial(task_id="kwargs", output_uri="{{ params.output }}").expand_kwargs(
            [{"partition": {}, "dataset": written["dataset"]}]
        )

    def executed(task_id: str, output: str) -> None:
        mapped: Any = dag.task_dict[task_id]
        task = mapped.unmap({"partition": {}} | ({"dataset": written["dataset"]} if task_id == "kwargs" else {}))
        params = {"output": output, "data": "/etc", "connection": "other"}
        context: Any = {"params": params, "run_id": "r"}
        # As Airflow renders a mapped task.
        task._do_render_template_fields(task, task.template_fields, context, task.get_template_env(), set())
        task.require_authored(context)

    executed("good", "name")
    for task_id in ("output", "by_default", "data", "connection", "kwargs"):
        with pytest.raises(BatchScoreError, match=r"was not (written|read|used)"):
            executed(task_id, "/elsewhere")
