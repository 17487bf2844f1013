from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest

from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.errors import InputError
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.scoring.plan import make_plan

pytestmark = pytest.mark.unit

MODEL = ModelRef("/m/v1", "d" * 64)


@pytest.fixture
def dataset(tmp_path: Path) -> PartitionedDataset:
    chance = random.Random(3)
    for n in range(50):
        (tmp_path / f"p_{n}.csv").write_bytes(b"x" * chance.choice([0, 10, 100, 1000]))
    return PartitionedDataset(f"{tmp_path}/p_{{n}}.csv")


def test_one_entry_a_partition_in_order(dataset: PartitionedDataset) -> None:
    plan = make_plan(dataset, "3..5", MODEL, max_tasks=100)
    assert [entry["label"] for entry in plan] == ["n=3", "n=4", "n=5"]
    assert plan[0]["model"] == MODEL.to_dict()
    assert {entry["tasks"] for entry in plan} == {3}


def test_small_neighbours_share_a_task_up_to_the_bytes_given(dataset: PartitionedDataset) -> None:
    plan = make_plan(dataset, None, MODEL, max_tasks=100, pack_bytes=1500)
    assert [values for entry in plan for values in entry["partitions"]] == [{"n": str(n)} for n in range(50)]
    assert all(entry["bytes"] <= 1500 for entry in plan)
    assert all(a["bytes"] + b["bytes"] > 1500 - 1000 for a, b in pairwise(plan))
    assert any("partitions)" in entry["label"] for entry in plan)


@pytest.mark.parametrize("tasks", [1, 7, 49])
def test_more_partitions_than_tasks_are_packed_evenly_and_none_is_lost(dataset: PartitionedDataset, tasks: int) -> None:
    plan = make_plan(dataset, None, MODEL, max_tasks=tasks)
    assert len(plan) == tasks
    planned = [values for entry in plan for values in entry["partitions"]]
    assert sorted(int(values["n"]) for values in planned) == list(range(50))
    sizes = [entry["bytes"] for entry in plan]
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes) - min(sizes) <= 1000


def test_limits_that_make_no_sense_are_refused(dataset: PartitionedDataset) -> None:
    with pytest.raises(InputError, match="must be at least 1"):
        make_plan(dataset, None, MODEL, max_tasks=0)


def test_a_partition_whose_folder_would_have_too_long_a_name_is_refused(tmp_path: Path) -> None:
    dataset = PartitionedDataset(f"{tmp_path}/p_{{name}}.csv")
    fits, too_long = "\u65e5" * 27, "\u65e5" * 28
    for name in (fits, too_long):
        (tmp_path / f"p_{name}.csv").touch()
    make_plan(dataset, [fits], MODEL, max_tasks=9)
    with pytest.raises(InputError, match=r"its folder would be called name=%E6%97%A5.*257 bytes; 255 is the limit"):
        make_plan(dataset, [too_long], MODEL, max_tasks=9)


def test_partitions_of_two_kinds_share_no_task(dataset: PartitionedDataset) -> None:
    for options in ({"max_tasks": 100}, {"max_tasks": 100, "pack_bytes": 3000}, {"max_tasks": 6}):
        plan = make_plan(dataset, None, MODEL, resources_for=lambda p: "big" if p.size == 1000 else "small", **options)
        sizes = {partition.key: partition.size for partition in dataset.discover()}
        for entry in plan:
            kinds = {sizes[f"n={values['n']}"] == 1000 for values in entry["partitions"]}
            assert kinds == {entry["resources"] == "big"}
        assert sum(len(entry["partitions"]) for entry in plan) == 50
        assert len(plan) <= options["max_tasks"]
        for kind in ("big", "small"):
            mine = [entry["tasks"] for entry in plan if entry["resources"] == kind]
            assert mine == [len(mine)] * len(mine)


def test_fewer_tasks_than_kinds_are_refused(dataset: PartitionedDataset) -> None:
    with pytest.raises(InputError, match="max_tasks=2 is fewer than the 50 kinds of resources"):
        make_plan(dataset, None, MODEL, max_tasks=2, resources_for=lambda partition: partition.key)
