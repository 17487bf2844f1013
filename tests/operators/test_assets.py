"""The assets that operators declare when a DAG file is parsed, and the events of what they wrote."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asset_pipeline
import pytest
from airflow.sdk import DAG, Asset, AssetAlias, PartitionedAtRuntime
from airflow.sdk.execution_time.context import OutletEventAccessors
from operator_calls import dag, executed, handed_scores
from support import Small, good_rows

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.model.reference import set_alias
from airflow_batchscore.operators import (
    CheckModelOperator,
    CombineOperator,
    EvaluateOperator,
    ImportModelOperator,
    PlanPartitionsOperator,
    ScorePartitionOperator,
    TrainOperator,
)
from airflow_batchscore.operators.assets import asset_at

pytestmark = pytest.mark.dag

DATA = PartitionedDataset("s3://b/part_{p}.csv")
RECIPE = Recipe(target="label")


def _names(ports: list[Any]) -> list[str]:
    return [port.name for port in ports]


def _plan(**options: Any) -> PlanPartitionsOperator:
    return PlanPartitionsOperator(**{"task_id": "plan", "dataset": DATA, "model": "s3://b/model@champion", **options})


def _train(**options: Any) -> TrainOperator:
    given = {"dataset": DATA, "partitions": 0, "recipe": RECIPE, "estimator": "a:b", "model_uri": "s3://b/model"}
    return TrainOperator(task_id="train", **{**given, **options})


def test_data_set_model_and_predictions_are_one_chain() -> None:
    tasks = asset_pipeline.producing.task_dict
    data, model, output = "file:///nowhere/part_{p}.csv", "file:///nowhere/model", "file:///nowhere/out.parquet"
    assert {name: (_names(task.inlets), _names(task.outlets)) for name, task in tasks.items()} == {
        "train": ([data], [model]),
        "gate": ([model], [f"{model}@champion"]),
        "plan": ([data, f"{model}@champion"], []),
        "score": ([], []),  # the plan reads for them: an inlet would cost each of a thousand tasks a request
        "audit": ([], []),
        "publish": ([data, f"{model}@champion"], ["scores are new", output]),
    }


def test_a_location_is_named_as_it_is_written() -> None:
    assert asset_at("s3://b/out/").name == "s3://b/out/"
    assert asset_at("s3://b/out/").uri == asset_at("s3://b/out").uri == "s3://b/out"
    assert asset_at("/data/x_{y}.csv") == Asset("file:///data/x_{y}.csv")
    assert asset_at(Path("/data/x")).name == "file:///data/x"
    assert asset_at("s3://b/a?b#c.csv").uri == "s3://b/a%3Fb%23c.csv"


def test_a_location_of_any_letters_is_an_asset_that_airflow_stores(airflow_dags: dict[str, Any]) -> None:
    from airflow.dag_processing.collection import update_dag_parsing_results_in_db
    from airflow.models.asset import AssetModel
    from airflow.serialization.serialized_objects import LazyDeserializedDAG
    from airflow.utils.session import create_session
    from sqlalchemy import select

    assert asset_at("s3://m\u00fcsli/a%20b c_{year}.csv").uri == "s3://m%C3%BCsli/a%20b c_{year}.csv"
    assert asset_at("/home/jos\u00e9/\udcff\n") == asset_at("/home/jos%C3%A9/%FF%0A")
    data = PartitionedDataset("s3://m\u00fcsli/part_{p}.csv")
    with DAG("pr\u00e9visions", schedule=[asset_at("/home/jos\u00e9/ready")]) as stored:
        train = _train(dataset=data, model_uri="/home/jos\u00e9/model", alias="\u00e9lu")
        gate = CheckModelOperator(task_id="gate", model=train.output, require={}, promote_to="champion")
        plan = _plan(dataset=data, model=gate.output)
        CombineOperator(task_id="publish", scores=[], output_uri="/home/jos\u00e9/{{ ds }}")
    assert _names(plan.inlets) == ["s3://m%C3%BCsli/part_{p}.csv", "file:///home/jos%C3%A9/model@champion"]

    problems: dict[tuple[str, str], str] = {}
    with create_session() as session:
        dags = [LazyDeserializedDAG.from_dag(stored)]
        update_dag_parsing_results_in_db("dags-folder", None, dags, problems, None, set(), session)
        kept = set(session.scalars(select(AssetModel.uri)))
    assert problems == {}
    assert {asset.uri for asset in (*plan.inlets, *train.outlets, *gate.outlets)} <= kept


@pytest.mark.parametrize(
    ("uri", "declared"),
    [
        ("{{ params.place }}/out", [Asset("s3://b/out")]),
        ("s3://b/{{ params.missing }}", [AssetAlias("d.publish")]),
        ("s3://b/{{ ds }}", [AssetAlias("d.publish")]),
        ("{{ var.value.home }}/out", [AssetAlias("d.publish")]),
        ("airflow://b/out", [AssetAlias("d.publish")]),
    ],
)
def test_a_template_is_an_asset_if_parsing_can_render_it(uri: str, declared: list[Any]) -> None:
    with dag(params={"place": "s3://b"}):
        operator = CombineOperator(task_id="publish", scores=[], output_uri=uri)
    assert operator.outlets == declared


def test_what_the_dag_gives_stays_and_takes_the_place_of_the_same_location() -> None:
    mine, other = Asset("predictions", uri="s3://b/out"), Asset("other")
    with dag():
        operator = CombineOperator(task_id="publish", scores=[], output_uri="s3://b/out/", outlets=[other, mine])
        train = _train(inlets=other)
    assert operator.outlets == [other, mine]
    assert _names(train.inlets) == ["other", DATA.uri]


def test_a_model_is_an_asset_under_its_folder_and_its_aliases() -> None:
    with dag():
        assert _names(_plan(model="s3://b/model/0123abcd").inlets) == [DATA.uri, "s3://b/model"]
        assert _names(_plan(model="s3://b/{p}@champion", task_id="p").inlets) == [DATA.uri, "s3://b/{p}@champion"]
    with dag():
        train = _train(model_uri="s3://b/model/", alias="newest")
        plan = _plan(model=train.output)
        gate = CheckModelOperator(task_id="gate", model="s3://b/model@newest", baseline="s3://b/model@champion")
    assert _names(train.outlets) == ["s3://b/model", "s3://b/model@newest"]
    assert _names(plan.inlets) == [DATA.uri, "s3://b/model@newest"]
    assert (_names(gate.inlets), gate.outlets) == (["s3://b/model@newest", "s3://b/model@champion"], [])


def test_a_champion_and_its_challenger_are_assets_each() -> None:
    with dag():
        train = _train(model_uri="s3://b/model", alias="challenger")
        plan = _plan(model=["s3://b/model@champion", train.output])
    assert _names(plan.inlets) == [DATA.uri, "s3://b/model@champion", "s3://b/model@challenger"]


def test_a_gate_that_does_not_know_its_model_promotes_through_an_alias() -> None:
    with dag():
        gate = CheckModelOperator(task_id="gate", model="{{ var.value.model }}", promote_to="champion")
    assert (gate.inlets, gate.outlets) == ([], [AssetAlias("d.gate")])


def test_models_that_are_imported_or_watched_are_declared_too() -> None:
    with dag():
        imported = ImportModelOperator(
            task_id="import", source="/m.onnx", dataset=DATA, partitions=0, recipe=RECIPE, model_uri="s3://b/model"
        )
        watch = EvaluateOperator(task_id="watch", model="s3://b/model@champion", dataset=DATA, partitions=1, require={})
    assert (_names(imported.inlets), _names(imported.outlets)) == ([DATA.uri], ["s3://b/model"])
    assert _names(watch.inlets) == [DATA.uri, "s3://b/model@champion"]


def test_predictions_come_from_what_the_plan_read_even_without_a_gate() -> None:
    with dag():
        plan = _plan()
        score = ScorePartitionOperator.partial(task_id="score", dataset=DATA, output_uri="s3://b/staged").expand(
            partition=plan.output
        )
        publish = CombineOperator(task_id="publish", scores=score.output, output_uri="s3://b/out")
    assert _names(publish.inlets) == [DATA.uri, "s3://b/model@champion"]


def _published(
    data: Small, output_uri: str, params: dict[str, str], partitions: tuple[int, ...] = (0,), **options: Any
) -> tuple[CombineOperator, Any]:
    """A publishing task that was executed, and the events of its outlets."""
    run_id, more = options.pop("run_id", "r"), options.pop("more", {})
    scores = handed_scores(data, run_id, 1, *partitions)
    with dag(params={"output": "out.parquet"}):
        score = ScorePartitionOperator(task_id="score", dataset=data.dataset, partition={}, output_uri="/y")
        publish = CombineOperator(task_id="publish", scores=score.output, output_uri=output_uri, **options)
    publish._written = {"scores": score.output, "output_uri": output_uri}
    publish.scores = scores
    events = OutletEventAccessors()
    executed(publish, run_id, outlet_events=events, params=params, **more)
    return publish, events


def test_the_event_of_a_publication_tells_what_was_published(fresh: Small) -> None:
    publish, events = _published(fresh, f"{fresh.folder}/out.parquet", {})
    (asset,) = publish.outlets
    assert asset == asset_at(f"{fresh.folder}/out.parquet")
    extra = events[asset].extra
    assert (extra["rows"], extra["partitions"], extra["changed"]) == (200, 1, 1)
    assert (extra["version"], extra["digest"]) == (fresh.model.version, fresh.model.digest)
    assert extra["drift"] < 0.01
    assert extra["run"] == "d/r"


def test_an_output_chosen_for_the_run_gets_the_event_instead_of_the_default_one(fresh: Small) -> None:
    other = Asset("other")
    output = f"{fresh.folder}/{{{{ params.output }}}}"
    publish, events = _published(fresh, output, {"output": "mine.parquet"}, outlets=[other])
    assert publish.outlets == [other, AssetAlias("d.publish")]
    (event,) = events[AssetAlias("d.publish")].asset_alias_events
    assert event.dest_asset_key.uri == f"file://{fresh.folder}/mine.parquet"
    assert event.extra["rows"] == 200


def test_what_the_dag_gives_for_the_output_gets_its_event(fresh: Small) -> None:
    uri = f"{fresh.folder}/out.parquet"
    mine = Asset("predictions", uri=f"file://{uri}")
    publish, events = _published(fresh, uri, {}, outlets=[mine])
    assert publish.outlets == [mine]
    assert events[mine].extra["rows"] == 200


def test_an_alias_that_was_not_moved_raises_no_event(fresh: Small) -> None:
    uri = fresh.model.location.parent.uri
    events = OutletEventAccessors()
    for later in (False, True):
        with dag():
            gate = CheckModelOperator(task_id="gate", model=fresh.model.uri, promote_to="champion")
        if later:
            set_alias(uri, "champion", fresh.model, 2**62)
        executed(gate, outlet_events=events)
        assert _names(gate.outlets) == ([] if later else [f"file://{uri}@champion"])
    assert events[asset_at(f"{uri}@champion")].extra["version"] == fresh.model.version


def test_each_partition_that_changed_has_an_event_if_the_author_says_so(fresh: Small) -> None:
    fresh.add(1, good_rows(50, 1000))
    fresh.add(2, good_rows(50, 2000))
    uri = f"{fresh.folder}/out.parquet"
    asset = asset_at(uri)
    publish, events = _published(fresh, uri, {}, (1, 2), partition_events=True)
    assert events[asset].partition_keys == {"1", "2"}
    assert events[asset].extra["changed"] == 2

    fresh.add(2, good_rows(60, 2000))
    _, events = _published(fresh, uri, {}, (1, 2), partition_events=True, run_id="corrected")
    assert events[asset].partition_keys == {"2"}

    publish, events = _published(fresh, uri, {}, (1, 2), partition_events=True, run_id="again")
    assert (publish.outlets, events[asset].partition_keys) == ([], set()), "nothing changed: no event"

    # An earlier try may have published and been killed before Airflow knew.
    second_try = {"ti": SimpleNamespace(task_id="publish", map_index=-1, try_number=2)}
    _, events = _published(fresh, uri, {}, (1, 2), partition_events=True, run_id="retried", more=second_try)
    assert events[asset].partition_keys == {"1", "2"}

    publish, events = _published(fresh, uri, {}, (1, 2), run_id="usual")
    assert (publish.outlets, events[asset].partition_keys) == ([asset], set()), "as ever: one event without a key"


def test_a_place_that_only_the_run_knows_gets_its_usual_event_and_a_warning(
    fresh: Small, caplog: pytest.LogCaptureFixture
) -> None:
    output = f"{fresh.folder}/{{{{ params.output }}}}"
    publish, events = _published(fresh, output, {"output": "mine.parquet"}, partition_events=True)
    assert publish.outlets == [AssetAlias("d.publish")]
    assert len(events[AssetAlias("d.publish")].asset_alias_events) == 1
    assert "mine.parquet is known only to this run" in caplog.text


def test_a_version_is_the_key_of_a_model_in_a_dag_of_partitions(fresh: Small) -> None:
    uri, events = fresh.model.location.parent.uri, OutletEventAccessors()
    with dag(schedule=PartitionedAtRuntime()):
        gate = CheckModelOperator(task_id="gate", model=fresh.model.uri, promote_to="champion")
    executed(gate, outlet_events=events)
    assert events[asset_at(f"{uri}@champion")].partition_keys == {fresh.model.version}
