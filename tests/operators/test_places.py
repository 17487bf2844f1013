"""A run's params and XComs fill in names; where things lie is what the DAG's author wrote."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, XComArg, task_group

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.errors import BatchScoreError, InputError, ModelError, OutputError
from airflow_batchscore.operators import (
    CheckModelOperator,
    CheckScoresOperator,
    CombineOperator,
    ImportModelOperator,
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
    macros = {"own_macro": "s3://mine/{}".format}
    with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC), user_defined_macros=macros):
        return CombineOperator(task_id="publish", scores=[], output_uri=output_uri, **more)


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


def folders(operator: PlacedOperator, field: str = "model", **params: Any) -> set[tuple[str | None, str]]:
    context: Any = {"params": params, "var": Var(), "ds": "2026-11-21"}
    if not isinstance(getattr(operator, field), XComArg):  # which asks a server for what it is
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


def executed(dag: DAG, **handed: Any) -> PlacedOperator:
    """The task ``score`` as Airflow makes it of what was expanded, and renders it: not by `render_template_fields`."""
    operator = dag.task_dict["score"].unmap(handed)
    context: Any = {"params": {"more": "s3://evil/x"}, "var": Var(), "ds": "2026-11-21"}
    environment = operator.get_template_env()
    operator._do_render_template_fields(operator, operator.template_fields, context, environment, set())
    operator.require_authored(context)
    return operator


def score(**partial: Any) -> Any:
    fixed = {"dataset": PartitionedDataset("/data/x_{year}.csv"), "output_uri": "s3://mine/x", **partial}
    return ScorePartitionOperator.partial(task_id="score", **fixed)


def test_a_mapped_task_is_held_to_what_its_author_wrote_in_partial() -> None:
    def mapped(**partial: Any) -> PlacedOperator:
        with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
            score(**partial).expand(partition=[{}])
        return executed(dag, partition={})

    assert mapped().output_uri == "s3://mine/x"
    assert mapped(output_uri="{{ var.value.home }}/x").output_uri == "s3://mine/x"
    for partial, said in [
        ({"output_uri": "{{ params.more }}"}, "was not written"),
        ({"conn_id": "{{ params.more }}"}, "does not choose the connection"),
        ({"dataset": PartitionedDataset("{{ params.more }}", format="csv")}, "was not read"),
    ]:
        with pytest.raises(BatchScoreError, match=said):
            mapped(**partial)


def test_default_arguments_of_mapped_tasks_are_held_to_what_the_author_wrote() -> None:
    def mapped(conn_id: str) -> PlacedOperator:
        with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC), default_args={"conn_id": conn_id}) as dag:
            score().expand(partition=[{}])
        return executed(dag, partition={})

    assert mapped("store").conn_id == "store"
    with pytest.raises(BatchScoreError, match="does not choose the connection"):
        mapped("{{ params.more }}")


def test_of_several_values_that_are_expanded_each_is_held_to_what_its_author_wrote() -> None:
    def listed(*conn_ids: str) -> PlacedOperator:
        with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
            score().expand_kwargs([{"partition": {}, "conn_id": conn_id} for conn_id in conn_ids])
        return executed(dag, partition={}, conn_id=conn_ids[0])

    assert listed("a", "b").conn_id == "a"
    with pytest.raises(BatchScoreError, match="does not choose the connection"):
        listed("{{ params.more }}", "b")


def _expanded(kind: Any, arguments: dict[str, Any], **partial: Any) -> Any:
    """A mapped task as it executes, given what it was expanded over."""
    with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        mapped = kind.partial(task_id="mapped", **partial)
        check = CheckScoresOperator(task_id="check", plan=[], scores=[])
        mapped.expand_kwargs(check.output) if "expand_kwargs" in arguments else mapped.expand(
            **dict.fromkeys(arguments, check.output)
        )
    return dag.task_dict["mapped"].unmap(arguments.get("expand_kwargs", arguments))


TRAINING = {"dataset": PartitionedDataset("/data/x_{year}.csv"), "recipe": Recipe(target="b"), "model_uri": "/models/m"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"estimator": "http.server:test"},
        {"flavor": "mine:Flavor"},
        {"expand_kwargs": {"estimator": "http.server:test"}},
        {"expand_kwargs": {"partitions": "2015", "flavor": "mine:Flavor"}},
    ],
)
def test_an_argument_that_is_no_template_is_never_what_an_xcom_says(arguments: dict[str, Any]) -> None:
    partial = {"partitions": "2015", "estimator": "sklearn.linear_model:LogisticRegression", **TRAINING}
    given = arguments.get("expand_kwargs", arguments)
    partial = {name: value for name, value in partial.items() if name not in given}
    operator = _expanded(TrainOperator, arguments, **partial)
    with pytest.raises(InputError, match=f"^{[*given][-1]}: expanded over what another task returned"):
        operator.require_authored({})


def test_an_argument_that_is_a_template_may_be_expanded_over_an_xcom() -> None:
    for arguments in ({"partitions": "2015"}, {"expand_kwargs": {"partitions": "2015"}}):
        operator = _expanded(TrainOperator, arguments, estimator="sklearn.linear_model:LogisticRegression", **TRAINING)
        operator.require_authored({})


def test_what_a_subclass_makes_of_what_an_xcom_expands_is_refused() -> None:
    class Team(ScorePartitionOperator):
        def __init__(self, *, team: str, **kwargs: Any) -> None:
            super().__init__(output_uri=f"s3://mine/{team}", **kwargs)

    with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        check = CheckScoresOperator(task_id="check", plan=[], scores=[])
        data = PartitionedDataset("/data/x_{year}.csv")
        Team.partial(task_id="score", dataset=data, partition={}).expand(team=check.output)
    with pytest.raises(BatchScoreError, match="was not written"):
        executed(dag, team="../escaped")


def test_a_path_is_a_place(tmp_path: Path) -> None:
    assert rendered(combine(tmp_path / "x.parquet")).output_uri == f"{tmp_path}/x.parquet"


def test_what_an_xcom_expands_is_refused_also_where_it_overrides_partial() -> None:
    def after_xcom(**options: bool) -> DAG:
        with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
            check = CheckScoresOperator(task_id="check", plan=[], scores=[])
            score(partition={}).expand_kwargs(check.output, **options)
        return dag

    with pytest.raises(BatchScoreError, match="was not"):
        executed(after_xcom(strict=False), output_uri="/etc/x")
    assert executed(after_xcom()).output_uri == "s3://mine/x"  # Airflow refuses to override it
    with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        check = CheckScoresOperator(task_id="check", plan=[], scores=[])
        data = PartitionedDataset("/data/x_{year}.csv")
        ScorePartitionOperator.partial(task_id="score", dataset=data, partition={}).expand(output_uri=check.output)
    with pytest.raises(BatchScoreError, match="was not written"):
        executed(dag, output_uri="/etc/x")


def test_a_mapped_task_group_with_places_of_its_author_is_fine() -> None:
    @task_group
    def stage(output: str) -> None:
        CombineOperator(task_id="publish", scores=[], output_uri=output)

    with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        stage.expand(output=["s3://a/x", "s3://b/x"])
    operator = dag.task_dict["stage.publish"]
    operator._written = {name: getattr(operator, name) for name in operator.template_fields}
    operator.output_uri = "s3://b/x"
    operator.require_authored({})
    operator.output_uri = "s3://c/x"
    with pytest.raises(BatchScoreError, match="was not written"):
        operator.require_authored({})


def imported(source: str, data: PartitionedDataset) -> ImportModelOperator:
    return ImportModelOperator(
        task_id="take", source=source, dataset=data, partitions="2015", recipe=Recipe(), model_uri="/models/theirs"
    )


def test_the_folder_that_a_model_is_imported_from_is_none_that_models_are_loaded_from() -> None:
    data = PartitionedDataset("/data/x_{year}.csv")
    with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        take = imported("/uploads/theirs.onnx", data)
        plan = PlanPartitionsOperator(task_id="plan", dataset=data, model=take.output)
    assert folders(plan) == {(None, "/models/theirs")}
    assert folders(take, "source") == {(None, "/uploads")}


@pytest.mark.parametrize(
    ("model", "limits", "trusted"),
    [
        ("s3://models/mine@champion", "s3://models/", {("aws_default", "s3://models/mine")}),
        ("s3://models/{{ params.name }}", "s3://models/mine", {("aws_default", "s3://models/mine")}),
        ("{{ params.name }}", "s3://models/", {("aws_default", "s3://models/")}),
    ],
)
def test_the_configuration_limits_what_the_dag_names(
    monkeypatch: pytest.MonkeyPatch, model: str, limits: str, trusted: set[tuple[str, str]]
) -> None:
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__TRUSTED_MODEL_URIS", limits)
    with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        plan = PlanPartitionsOperator(task_id="plan", dataset=PartitionedDataset("/x_{year}.csv"), model=model)
    assert folders(plan, name="mine") == trusted


def test_a_dag_whose_models_the_configuration_does_not_list_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__TRUSTED_MODEL_URIS", "s3://other/")
    with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        data = PartitionedDataset("/x_{year}.csv")
        plan = PlanPartitionsOperator(task_id="plan", dataset=data, model="s3://models/mine@champion")
    with pytest.raises(ModelError, match="the DAG names s3://models/mine, and .* lists none of it .s3://other/."):
        folders(plan)


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


def test_a_registry_is_no_folder_that_a_trigger_fills_in() -> None:
    data = PartitionedDataset("/data/x_{year}.csv")
    with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        take = imported("models:/{{ params.name }}/1", data)
    assert folders(take, "source", name="x") == {(None, "/models/theirs")}
