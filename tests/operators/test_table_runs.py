"""Runs over a Delta or Iceberg table: all tasks see the version of the plan, sensors wait for the newest."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from airflow.sdk.execution_time.context import OutletEventAccessors
from lakes import lake
from operator_calls import Store, context, dag, executed, planned, published, scored
from source_tables import KINDS, NAME, SourceTable, games, source_table
from support import Small, small

from airflow_batchscore import LocalDask, Recipe
from airflow_batchscore.errors import OutputError
from airflow_batchscore.operators import AnnouncePartitionsOperator, ScorePartitionOperator, TrainOperator
from airflow_batchscore.operators.assets import asset_at
from airflow_batchscore.operators.estimating import ESTIMATE_KEY
from airflow_batchscore.operators.lineage import lineage_of
from airflow_batchscore.operators.plan import PlanPartitionsOperator
from airflow_batchscore.operators.seal import unseal
from airflow_batchscore.scoring import rounds
from airflow_batchscore.sensors import PartitionSensor

pytestmark = pytest.mark.dag


@pytest.fixture
def model(tmp_path: Path) -> Small:
    return small(tmp_path / "model")


@pytest.fixture(params=KINDS)
def table(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SourceTable]:
    with source_table(request.param, tmp_path / "lake", "day") as made:
        monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "iceberg", "extra": made.options}))
        made.append(games(1))
        yield made


def test_all_tasks_read_the_version_that_was_planned(model: Small, table: SourceTable) -> None:
    (entry,) = planned(model, "r", dataset=table.dataset(), partitions=None)
    assert (entry["version"].partition("@")[0], entry["partitions"]) == (table.version, [{"day": "2026-04-01"}])
    table.replace_day(1, games(1, 3))
    table.append(games(2))
    (done,) = scored(model, entry, "r", dataset=table.dataset())["manifests"]
    assert done["rows_scored"] == 10, "the three rows came after the plan"
    entries = planned(model, "s", dataset=table.dataset(), partitions=None)
    rows = [scored(model, entry, "s", dataset=table.dataset())["manifests"][0]["rows_scored"] for entry in entries]
    assert rows == [3, 10]


def test_tasks_do_not_mix_a_table_with_one_that_was_made_anew_in_its_place(model: Small, table: SourceTable) -> None:
    (entry,) = planned(model, "r", dataset=table.dataset(), partitions=None)
    if table.kind == "delta":
        shutil.rmtree(table.uri)
    else:
        table.catalog().drop_table(NAME)
    table.append(games(1, 3))
    with pytest.raises(AirflowFailException, match=r"was deleted and made anew since the plan|has no such snapshot"):
        scored(model, entry, "r", dataset=table.dataset())


def test_the_version_is_templated_and_in_lineage(model: Small, table: SourceTable) -> None:
    first = table.version
    table.append(games(2))
    with dag():
        plan = PlanPartitionsOperator(
            task_id="plan", dataset=table.dataset(version="{{ params.version }}"), model=model.model.uri
        )
    (entry,) = executed(plan, params={"version": first})
    assert (entry["version"].partition("@")[0], entry["dataset"]) == (first, table.uri)
    assert plan.outcome is not None
    (read, *_) = lineage_of(plan.outcome).inputs
    assert (read.name, read.facets["version"].datasetVersion) == (table.uri, first)


def test_a_version_that_is_not_there_fails_at_once(model: Small, table: SourceTable) -> None:
    with pytest.raises(AirflowFailException, match=r"version='77': the .* table .* has no such"):
        planned(model, "r", dataset=table.dataset(version="77"), partitions=None)


def test_a_sensor_waits_for_the_partition_in_the_newest_version(table: SourceTable) -> None:
    def sensor(**options: Any) -> PartitionSensor:
        with dag():
            return PartitionSensor(
                task_id="wait", dataset=table.dataset(), partitions=["2026-04-02"], poke_interval=0.05, **options
            )

    with pytest.raises(TaskDeferred) as deferred:
        sensor(timeout=30).execute({})
    trigger = deferred.value.trigger

    async def late() -> Any:
        waiting = asyncio.create_task(anext(trigger.run()))
        await asyncio.sleep(0.2)
        await asyncio.to_thread(table.append, games(2))
        return (await waiting).payload

    event: Any = asyncio.run(late())
    assert event["status"] == "ready"
    assert event["found"]["partitions"] == [{"day": "2026-04-02"}]
    assert sensor(deferrable=False, stable_for=0.001).execute({})["partitions"] == [{"day": "2026-04-02"}]


def test_buckets_that_are_files_have_no_order_in_time(model: Small, tmp_path: Path) -> None:
    shops = [number for number in range(9) for _ in range(5)] + [9] * 20_000
    rows = games(1, rows=len(shops)).append_column("shop_id", pa.array(shops))
    with source_table("delta", tmp_path / "lake", "shop_id") as table:
        table.append(rows)
        entries = planned(model, "r", dataset=table.dataset("shop_id % 10"), partitions=None)
        assert sum(len(entry["partitions"]) for entry in entries) == 10
        assert not any("notices" in entry for entry in entries)


def test_a_sensor_waits_for_a_table_that_is_not_there(tmp_path: Path) -> None:
    with source_table("delta", tmp_path, "day") as table, pytest.raises(TaskDeferred):
        PartitionSensor(task_id="wait", dataset=table.dataset(), partitions=["2026-04-02"]).execute({})


def test_what_a_sensor_saw_may_be_compacted_before_the_plan(model: Small, tmp_path: Path) -> None:
    with source_table("delta", tmp_path / "lake", "day") as table:
        table.append(games(1, 5))
        table.append(games(1, 5, offset=500))
        seen = PartitionSensor(task_id="wait", dataset=table.dataset(), partitions=["2026-04-01"]).execute({})
        table.opened().optimize.compact()
        (entry,) = planned(model, "r", dataset=table.dataset(), partitions=seen)
        assert entry["files"] == [1]


def test_scores_go_back_to_a_table_beside_it_and_never_into_it(model: Small, table: SourceTable) -> None:
    (entry,) = planned(model, "r", dataset=table.dataset(), partitions=None)
    scores = [scored(model, entry, "r", dataset=table.dataset())]
    with lake("delta", table.folder / "out") as there:
        done = published(scores, "r", Path(there.output), table=there.table)
        frame = there.arrow().to_pandas()
    assert done["added"] == 1
    assert sorted(frame["id"]) == games(1)["id"].to_pylist()
    assert set(frame["day"]) == {"2026-04-01"}
    with pytest.raises(OutputError, match="it fits the dataset .*/games/, so that it could replace data"):
        published(scores, "r", Path(table.uri), table=there.table)
    with pytest.raises(AirflowFailException, match="it fits the dataset"):
        scored(model, entry, "r", dataset=table.dataset(), output_uri=f"{table.uri}/staged")


def test_a_model_is_trained_on_a_table(table: SourceTable, tmp_path: Path) -> None:
    with dag():
        train = TrainOperator(
            task_id="train",
            dataset=table.dataset(),
            partitions=["2026-04-01"],
            recipe=Recipe(target="b", keys=["id", "day"], columns=["a"]),
            estimator="sklearn.linear_model:LinearRegression",
            model_uri=f"{tmp_path}/trained",
        )
    done = executed(train)
    (entry,) = planned(small(tmp_path / "m"), "r", dataset=table.dataset(), partitions=None, model=done["model"])
    (result,) = scored(small(tmp_path / "m2"), entry, "r", dataset=table.dataset())["manifests"]
    assert result["rows_scored"] == 10


def test_a_commit_is_announced_for_the_partitions_that_it_changed(table: SourceTable) -> None:
    with dag():
        look = AnnouncePartitionsOperator(task_id="announce", dataset=table.dataset())
    asset, store = asset_at(table.uri), Store()

    def announced() -> Any:
        return executed(look, outlet_events=OutletEventAccessors(), asset_state_store={asset: store})["announced"]

    table.append(games(2))
    assert announced() == ["2026-04-01", "2026-04-02"]


def test_an_estimate_is_of_the_version_that_was_planned(
    model: Small, table: SourceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "_LEAST_SECONDS", 0.05)
    pushed: dict[str, Any] = {}
    with dag():
        plan = PlanPartitionsOperator(task_id="plan", dataset=table.dataset(), model=model.model.uri, estimate=True)
        ScorePartitionOperator.partial(
            task_id="score", dataset=table.dataset(), output_uri=f"{model.folder}/staged", engine=LocalDask(workers=1)
        ).expand(partition=plan.output)
    given = context("plan", ti=SimpleNamespace(task_id="plan", map_index=-1, xcom_push=pushed.__setitem__))
    plan.render_template_fields(given)
    plan.execute(given)
    assert unseal("the estimate", pushed[ESTIMATE_KEY], "estimate", "d/r", {"plan"})["partitions"] == 1
