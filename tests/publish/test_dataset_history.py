"""The grid of a data set says of each partition whether its scores are those of the newest model, and why not."""

from __future__ import annotations

from typing import Any

import pytest
from run_records import entry

from airflow_batchscore.data.pattern import sort_key
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plan.models import (
    ChampionAndChallenger,
    Chosen,
    ModelByColumn,
    ModelPerPartition,
    NoModel,
    OneModel,
)
from airflow_batchscore.publish.dataset_history import (
    MOST_PARTITIONS,
    MOST_RUNS,
    GridRun,
    Stage,
    dataset_history,
    order_of,
    together,
    versions_of,
)

pytestmark = pytest.mark.unit


def _run(name: str, version: str, planned: Any, scored: Any, *, has_ended: bool = True, **own: str) -> GridRun:
    versions = {f"p={p}": own.get(f"p{p}", version) for p in planned}
    order = {f"p={p}": sort_key({"p": str(p)}) for p in planned}
    done = frozenset(f"p={p}" for p in scored)
    return GridRun("d", name, None, "success" if has_ended else "running", has_ended, versions, order, done)


def _latest(*runs: GridRun) -> dict[str, tuple[str, str | None]]:
    grid = dataset_history("/x_{p}", runs)
    return {key: (each["state"], each["version"]) for key, each in zip(grid["partitions"], grid["latest"], strict=True)}


def test_a_partition_is_stale_once_the_newest_run_uses_another_version() -> None:
    runs = _run("r1", "v1", [1, 2], [1, 2]), _run("r2", "v2", [2], [2])
    assert _latest(*runs) == {"p=1": ("stale", "v1"), "p=2": ("fresh", "v2")}
    grid = dataset_history("/x_{p}", runs)
    assert grid["latest"][0]["why"] == "Run r1 scored it with version v1; the newest run, r2, uses v2."
    assert grid["cells"] == [[0, -1], [0, 1]]
    assert grid["versions"] == ["v1", "v2"]


def test_a_partition_on_which_the_newest_try_failed_is_stale_or_missing() -> None:
    runs = _run("r1", "v1", [1], [1]), _run("r2", "v1", [1, 2], [])
    assert _latest(*runs) == {"p=1": ("stale", "v1"), "p=2": ("missing", None)}
    assert dataset_history("/x_{p}", runs)["cells"] == [[0, -2], [-1, -2]]


def test_a_run_in_progress_makes_nothing_stale_that_it_may_score_alike() -> None:
    running = _run("r2", "v1", [1, 2], [], has_ended=False)
    assert _latest(_run("r1", "v1", [1], [1]), running) == {"p=1": ("fresh", "v1"), "p=2": ("missing", None)}
    assert "has not scored it yet" in dataset_history("/x_{p}", [running])["latest"][0]["why"]


def test_where_each_partition_has_its_own_model_only_its_own_counts() -> None:
    runs = _run("r1", "a", [1, 2, 3], [1, 2, 3], p2="b"), _run("r2", "a", [1, 2], [1, 2], p2="c")
    assert _latest(*runs) == {"p=1": ("fresh", "a"), "p=2": ("fresh", "c"), "p=3": ("fresh", "a")}


def test_of_several_models_each_is_named_and_a_partition_is_scored_by_all_that_planned_it() -> None:
    champion = Stage({"p=1": "v1", "p=2": "v1", "p=3": "v1"}, {"p=1", "p=2", "p=3"})
    challenger = Stage({"p=1": "v2", "p=2": "v2"}, {"p=1"})
    both = together([champion, challenger])
    assert both.planned == {"p=1": "v1, v2", "p=2": "v1, v2", "p=3": "v1"}
    assert both.scored == {"p=1", "p=3"}
    assert together([champion, champion]) == champion


def test_partitions_are_in_the_order_of_their_values_and_the_grid_is_bounded() -> None:
    many = range(MOST_PARTITIONS + 5)
    grid = dataset_history("/x_{p}", [_run(str(n), "v", many, many) for n in range(MOST_RUNS + 2)])
    assert grid["partitions"] == [f"p={p}" for p in many][-MOST_PARTITIONS:]
    assert [run["run_id"] for run in grid["runs"]] == [str(n) for n in range(2, MOST_RUNS + 2)]


def test_the_versions_of_a_plans_entry() -> None:
    one, other = ModelRef("/m/v1", "d"), ModelRef("/m/v2", "d")
    choices = {"p=1": Chosen(one), "p=2": Chosen(None, "skipped", "missing")}

    def versions(models: Any) -> dict[str, str]:
        return versions_of(entry(0, 1, 2, models=models))

    assert versions(OneModel(other)) == {"p=1": "v2", "p=2": "v2"}
    assert versions(ChampionAndChallenger(one, other))["p=1"] == "v1"
    assert versions(ModelPerPartition(choices, one)) == {"p=1": "v1", "p=2": "missing, skipped"}
    assert versions(ModelByColumn("device", {"7": Chosen(one)}))["p=1"] == "one for each device"
    assert versions(NoModel())["p=2"] == "a function"
    assert list(order_of(entry(0, 1))) == ["p=1"]
