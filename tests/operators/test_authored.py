"""What the DAG's author wrote of an argument, whatever a run fills in or a mapped task is expanded over."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG, task_group
from operator_calls import Var, context, dag

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.errors import BatchScoreError, InputError
from airflow_batchscore.operators import (
    CheckScoresOperator,
    CombineOperator,
    ImportModelOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
    TrainOperator,
)
from airflow_batchscore.operators.authored import Authored, argument, items_of, written_by_author
from airflow_batchscore.operators.places import PlacedOperator

pytestmark = pytest.mark.unit


def mapped_task(pipeline: DAG, **handed: Any) -> PlacedOperator:
    """The task ``score`` as Airflow makes it of what was expanded, and renders it: not by `render_template_fields`."""
    operator = pipeline.task_dict["score"].unmap(handed)
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
        with dag() as pipeline:
            score(**partial).expand(partition=[{}])
        return mapped_task(pipeline, partition={})

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
        with dag(default_args={"conn_id": conn_id}) as pipeline:
            score().expand(partition=[{}])
        return mapped_task(pipeline, partition={})

    assert mapped("store").conn_id == "store"
    with pytest.raises(BatchScoreError, match="does not choose the connection"):
        mapped("{{ params.more }}")


def test_of_several_values_that_are_expanded_each_is_held_to_what_its_author_wrote() -> None:
    def listed(*conn_ids: str) -> PlacedOperator:
        with dag() as pipeline:
            score().expand_kwargs([{"partition": {}, "conn_id": conn_id} for conn_id in conn_ids])
        return mapped_task(pipeline, partition={}, conn_id=conn_ids[0])

    assert listed("a", "b").conn_id == "a"
    with pytest.raises(BatchScoreError, match="does not choose the connection"):
        listed("{{ params.more }}", "b")


def _expanded(kind: Any, arguments: dict[str, Any], **partial: Any) -> Any:
    """A mapped task as it executes, given what it was expanded over."""
    with dag() as pipeline:
        mapped = kind.partial(task_id="mapped", **partial)
        check = CheckScoresOperator(task_id="check", plan=[], scores=[])
        mapped.expand_kwargs(check.output) if "expand_kwargs" in arguments else mapped.expand(
            **dict.fromkeys(arguments, check.output)
        )
    return pipeline.task_dict["mapped"].unmap(arguments.get("expand_kwargs", arguments))


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


@pytest.mark.parametrize("argument", ["environment", "python"])
def test_who_triggers_a_run_chooses_no_packages(argument: str) -> None:
    partial = {name: value for name, value in TRAINING.items() if name != "model_uri"}
    given = {argument: "{{ params.more }}"}
    with dag():
        operator = ImportModelOperator(
            task_id="take", source="/models/x.onnx", partitions="2015", model_uri="/models/m", **partial, **given
        )
    operator.render_template_fields(context("take", params={"more": "evil"}))
    assert getattr(operator, argument) == "{{ params.more }}"
    mapped = _expanded(
        ImportModelOperator, given, source="/models/x.onnx", partitions="2015", model_uri="/models/m", **partial
    )
    with pytest.raises(InputError, match=f"^{argument}: expanded over what another task returned"):
        mapped.require_authored({})


def test_an_argument_that_is_a_template_may_be_expanded_over_an_xcom() -> None:
    for arguments in ({"partitions": "2015"}, {"expand_kwargs": {"partitions": "2015"}}):
        operator = _expanded(TrainOperator, arguments, estimator="sklearn.linear_model:LogisticRegression", **TRAINING)
        operator.require_authored({})


def test_what_a_subclass_makes_of_what_an_xcom_expands_is_refused() -> None:
    class Team(ScorePartitionOperator):
        def __init__(self, *, team: str, **kwargs: Any) -> None:
            super().__init__(output_uri=f"s3://mine/{team}", **kwargs)

    with dag() as pipeline:
        check = CheckScoresOperator(task_id="check", plan=[], scores=[])
        data = PartitionedDataset("/data/x_{year}.csv")
        Team.partial(task_id="score", dataset=data, partition={}).expand(team=check.output)
    with pytest.raises(BatchScoreError, match="was not written"):
        mapped_task(pipeline, team="../escaped")


def test_what_an_xcom_expands_is_refused_also_where_it_overrides_partial() -> None:
    def after_xcom(**options: bool) -> DAG:
        with dag() as pipeline:
            check = CheckScoresOperator(task_id="check", plan=[], scores=[])
            score(partition={}).expand_kwargs(check.output, **options)
        return pipeline

    with pytest.raises(BatchScoreError, match="was not"):
        mapped_task(after_xcom(strict=False), output_uri="/etc/x")
    assert mapped_task(after_xcom()).output_uri == "s3://mine/x"  # Airflow refuses to override it
    with dag() as pipeline:
        check = CheckScoresOperator(task_id="check", plan=[], scores=[])
        data = PartitionedDataset("/data/x_{year}.csv")
        ScorePartitionOperator.partial(task_id="score", dataset=data, partition={}).expand(output_uri=check.output)
    with pytest.raises(BatchScoreError, match="was not written"):
        mapped_task(pipeline, output_uri="/etc/x")


def test_a_mapped_task_group_with_places_of_its_author_is_fine() -> None:
    @task_group
    def stage(output: str) -> None:
        CombineOperator(task_id="publish", scores=[], output_uri=output)

    with dag() as pipeline:
        stage.expand(output=["s3://a/x", "s3://b/x"])
    operator = pipeline.task_dict["stage.publish"]
    operator._written = {name: getattr(operator, name) for name in operator.template_fields}
    operator.output_uri = "s3://b/x"
    operator.require_authored({})
    operator.output_uri = "s3://c/x"
    with pytest.raises(BatchScoreError, match="was not written"):
        operator.require_authored({})


def written(text: Any) -> Authored:
    with dag(user_defined_macros={"own_macro": "s3://mine/{}".format}):
        operator = CombineOperator(task_id="publish", scores=[], output_uri=text)
    given: Any = {"params": {"name": "x"}, "var": Var(), "ds": "2026-11-21", "run_id": "r"}
    operator.render_template_fields(given)
    (only,) = operator.authored("output_uri", given)
    return only


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://b/x", Authored("s3://b/x", True)),
        ("s3://b/{day}/*", Authored("s3://b/{day}/*", True, "{}*")),
        ("s3://b/{{ ds }}/x", Authored("s3://b/2026-11-21/x", True)),
        ("{{ var.value.home }}/{day}", Authored("s3://mine/{day}", True, "{}")),
        ("{{ own_macro('x') }}", Authored("s3://mine/x", True)),
        ("s3://b/{{ params.name }}/{day}", Authored("s3://b/", False, "{}")),
        ("s3://b/{{ own_macro(params.name) }}", Authored("s3://b/", False)),
        ("s3://b/{{ ds }}-{{ run_id }}-{{ ds }}", Authored("s3://b/2026-11-21-", False, "")),
        ("s3://b/{# a remark #}x", Authored("s3://b/x", True)),
        ("s3://b/{% raw %}{day}{% endraw %}", Authored("s3://b/{day}", True, "{}")),
        ("s3://b/{% if ds %}x{% endif %}", Authored("s3://b/", False, "")),
        ("{% set place = params.name %}{{ place }}", Authored("", False)),
        ("{{ params.name ~ ds }}/x", Authored("", False)),
        ("", Authored("", True)),
        (None, Authored("", True)),
        (7, Authored("", False)),
    ],
)
def test_as_much_counts_as_the_author_wrote_without_what_a_run_fills_in(text: Any, expected: Authored) -> None:
    assert written(text) == expected


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("s3://bucket/scores/x", "s3://bucket/scores"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket", None),
        ("s3://", None),
        ("models:/", None),
        ("runs:/", None),
        ("/data/x", "/data"),
        ("/x", None),
        ("~/x", None),
        ("../x", None),
        ("data/x", "data"),
        ("", None),
    ],
)
def test_a_folder_is_more_than_a_scheme_a_registry_or_a_root(text: str, folder: str | None) -> None:
    assert Authored(text, False).folder == folder


def test_the_tasks_behind_an_argument_are_those_whose_xcoms_it_holds() -> None:
    with dag():
        check = CheckScoresOperator(task_id="check", plan=[], scores=[])
        direct = CombineOperator(task_id="direct", scores=check.output, output_uri="/x/y")
        joined = CombineOperator(task_id="joined", scores=[check.output, direct.output], output_uri="/x/y")
        text = CombineOperator(task_id="text", scores="{{ ti.xcom_pull('check') }}", output_uri="/x/y")
    assert direct.producers("scores") == [check]
    assert {task.task_id for task in joined.producers("scores")} == {"check", "direct"}
    assert text.producers("scores") == direct.producers("output_uri") == []


def test_tasks_of_one_mapped_group_are_of_the_same_instance() -> None:
    @task_group
    def stage(output: str) -> None:
        first = CheckScoresOperator(task_id="first", plan=[], scores=[])
        CombineOperator(task_id="second", scores=first.output, output_uri=output)

    with dag() as pipeline:
        outside = CheckScoresOperator(task_id="outside", plan=[], scores=[])
        stage.expand(output=["/a/x", "/b/x"])
    first, second = (pipeline.task_dict[f"stage.{name}"] for name in ("first", "second"))
    assert second.is_of_same_instance([first])
    assert not second.is_of_same_instance([first, outside])
    assert not outside.is_of_same_instance([outside])


def test_an_operator_renders_a_dataset_of_its_own() -> None:
    data = PartitionedDataset("/data/{{ params.name }}/{day}.csv")
    with dag():
        operator = ScorePartitionOperator(task_id="score", dataset=data, partition={}, output_uri="/x/y")
    operator.render_template_fields({"params": {"name": "spring"}})  # type: ignore[typeddict-item]
    assert operator.dataset.uri == "/data/spring/{day}.csv"
    assert data.uri == "/data/{{ params.name }}/{day}.csv"


def test_what_the_author_wrote_of_a_list_is_known_item_by_item() -> None:
    with dag():
        mine = PlanPartitionsOperator(
            task_id="mine", dataset=PartitionedDataset("/x_{p}.csv"), model=["/m@champion", "/m/{{ params.v }}"]
        )
        mapped = PlanPartitionsOperator.partial(task_id="mapped", dataset=PartitionedDataset("/x_{p}.csv"))
        several = mapped.expand(model=[["/a@x", "/b@x"], ["/a@y", "/b@y"]])
    given: Any = context("mine")
    whole, begun = Authored("/m@champion", True), Authored("/m/", False)
    assert mine.authored("model", given) == [whole, begun]
    assert (mine.authored("model.0", given), mine.authored("model.1", given)) == ([whole], [begun])
    assert [argument(mine, name) for name in items_of("model", mine.model)] == ["/m@champion", "/m/{{ params.v }}"]
    assert argument(mine, "model.2") is None
    environment = mine.get_template_env()
    second = written_by_author(several, "model.1", given, environment)
    assert [each.text for each in second] == ["/b@x", "/b@y"]


def test_what_a_run_fills_in_for_an_item_of_a_list_is_no_pattern() -> None:
    with dag():
        plan = PlanPartitionsOperator(
            task_id="plan", dataset=PartitionedDataset("/x_{p}.csv"), model=["/m@champion", "/m@{{ params.v }}"]
        )
    plan.model = ["/m@champion", "/m@{other}"]
    written = {name: getattr(plan, name) for name in plan.template_fields}
    plan._written = {**written, "model": ["/m@champion", "/m@{{ params.v }}"]}
    with pytest.raises(InputError, match=r"model\.1 '/m@\{other\}': what the run's params or an XCom fill in"):
        plan.require_authored(context("plan"))
