"""A run's params and XComs fill in names; where things lie is what the DAG's author wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from operator_calls import combine, rendered

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.errors import BatchScoreError, InputError, OutputError
from airflow_batchscore.operators import PlanPartitionsOperator
from airflow_batchscore.sensors import PartitionSensor

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "output",
    [
        "s3://bucket/scores.parquet",
        "s3://bucket/{{ params.name }}.parquet",
        "s3://bucket/{{ ds }}/{{ params.name }}",
        "{{ var.value.home }}/scores/{{ params.name }}",
        "{{ var.value.home }}/scores-{{ ds }}",
        "{{ own_macro('scores') }}/{{ params.name }}",
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
        ("{{ own_macro(params.name) }}/x", "x"),
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
    own = [f"{tmp_path}/airflow.cfg", f"{tmp_path}/data/{{{{ params.name }}}}", f"{tmp_path}/", f"file://{tmp_path}"]
    for place in own:
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


def test_a_path_is_a_place(tmp_path: Path) -> None:
    assert rendered(combine(tmp_path / "x.parquet")).output_uri == f"{tmp_path}/x.parquet"


@pytest.mark.parametrize("name", ["{customer}", "x{a}", "*", "a?c", "[ab]"])
def test_what_is_filled_in_makes_no_pattern_of_a_place(name: str) -> None:
    data = PartitionedDataset("s3://data/{{ params.customer }}/{day}.csv")
    plan = PlanPartitionsOperator(
        task_id="plan", dataset=data, model="s3://models/{{ params.customer }}/{day}@champion"
    )
    sensor = PartitionSensor(task_id="wait", dataset=data)
    for operator in (plan, sensor, combine("s3://bucket/{{ params.customer }}/latest.parquet")):
        with pytest.raises(InputError, match="the fields and wildcards of the pattern are the DAG's"):
            rendered(operator, customer=name)
    sensor = PartitionSensor(task_id="wait", dataset=data)
    assert rendered(sensor, customer="spring").dataset.uri == "s3://data/spring/{day}.csv"  # type: ignore[attr-defined]


@pytest.mark.parametrize("team", ["", "/", "a//b"])
def test_an_empty_name_after_the_authors_folder_is_refused(team: str) -> None:
    with pytest.raises(InputError, match="an empty segment"):
        rendered(combine("s3://bucket/scores/{{ params.team }}/latest.parquet"), team=team)


def test_the_connection_that_a_place_is_judged_by_is_the_one_that_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__OUTPUT_URIS", "prod@s3://scores/")
    data = PartitionedDataset("s3://data/x_{year}.csv")
    for conn_id, plan_conn_id, fine in [("prod", None, True), ("other", None, False), ("other", "prod", True)]:
        plan = PlanPartitionsOperator(
            task_id="plan", dataset=data, plan_uri="s3://scores/plans", conn_id=conn_id, plan_conn_id=plan_conn_id
        )
        if fine:
            rendered(plan)
        else:
            with pytest.raises(OutputError, match="lies in none of"):
                rendered(plan)
