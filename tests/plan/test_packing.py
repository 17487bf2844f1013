"""How partitions become the entries of a plan, each of them once."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path

import pytest

from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.errors import InputError
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.plan.models import Chosen, ModelByColumn, ModelPerPartition, NoModel, OneModel
from airflow_batchscore.plan.packing import make_plan, requested_partitions

pytestmark = pytest.mark.unit

MODEL = OneModel(ModelRef("/m/v1", "d" * 64))


@pytest.fixture
def dataset(tmp_path: Path) -> PartitionedDataset:
    chance = random.Random(3)
    for n in range(50):
        (tmp_path / f"p_{n}.csv").write_bytes(b"x" * chance.choice([0, 10, 100, 1000]))
    return PartitionedDataset(f"{tmp_path}/p_{{n}}.csv")


def test_one_entry_a_partition_in_order(dataset: PartitionedDataset) -> None:
    plan = make_plan(requested_partitions(dataset, "3..5"), MODEL, max_tasks=100)
    assert [entry.label for entry in plan] == ["n=3", "n=4", "n=5"]
    assert plan[0].models == MODEL
    assert {entry.tasks for entry in plan} == {3}


def test_small_neighbours_share_a_task_up_to_the_bytes_given(dataset: PartitionedDataset) -> None:
    plan = make_plan(requested_partitions(dataset, None), MODEL, max_tasks=100, pack_bytes=1500)
    assert [values for entry in plan for values in entry.partitions] == [{"n": str(n)} for n in range(50)]
    assert all(entry.bytes <= 1500 for entry in plan)
    assert all(a.bytes + b.bytes > 1500 - 1000 for a, b in pairwise(plan))
    assert any("partitions)" in entry.label for entry in plan)


@pytest.mark.parametrize("tasks", [1, 7, 49])
def test_more_partitions_than_tasks_are_packed_evenly_and_none_is_lost(dataset: PartitionedDataset, tasks: int) -> None:
    plan = make_plan(requested_partitions(dataset, None), MODEL, max_tasks=tasks)
    assert len(plan) == tasks
    planned = [values for entry in plan for values in entry.partitions]
    assert sorted(int(values["n"]) for values in planned) == list(range(50))
    sizes = [entry.bytes for entry in plan]
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes) - min(sizes) <= 1000


def test_limits_that_make_no_sense_are_refused(dataset: PartitionedDataset) -> None:
    found = requested_partitions(dataset, None)
    with pytest.raises(InputError, match="^max_tasks=0 must be at least 1$"):
        make_plan(found, MODEL, max_tasks=0)
    with pytest.raises(InputError, match="^pack_bytes=-1 must be at least 1$"):
        make_plan(found, MODEL, max_tasks=5, pack_bytes=-1)


def test_a_partition_whose_folder_would_have_too_long_a_name_is_refused(tmp_path: Path) -> None:
    dataset = PartitionedDataset(f"{tmp_path}/p_{{name}}.csv")
    fits, too_long = "\u65e5" * 27, "\u65e5" * 28
    for name in (fits, too_long):
        (tmp_path / f"p_{name}.csv").touch()
    make_plan(requested_partitions(dataset, [fits]), MODEL, max_tasks=9)
    with pytest.raises(InputError, match=r"its folder would be called name=%E6%97%A5.*257 bytes; 255 is the limit"):
        make_plan(requested_partitions(dataset, [too_long]), MODEL, max_tasks=9)


def test_partitions_of_two_kinds_share_no_task(dataset: PartitionedDataset) -> None:
    for options in ({"max_tasks": 100}, {"max_tasks": 100, "pack_bytes": 3000}, {"max_tasks": 6}):
        plan = make_plan(
            requested_partitions(dataset, None),
            MODEL,
            resources_for=lambda p: "big" if p.size == 1000 else "small",
            **options,
        )
        sizes = {partition.key: partition.size for partition in dataset.discover()}
        for entry in plan:
            kinds = {sizes[f"n={values['n']}"] == 1000 for values in entry.partitions}
            assert kinds == {entry.resources == "big"}
        assert sum(len(entry.partitions) for entry in plan) == 50
        assert len(plan) <= options["max_tasks"]
        for kind in ("big", "small"):
            mine = [entry.tasks for entry in plan if entry.resources == kind]
            assert mine == [len(mine)] * len(mine)


def test_fewer_tasks_than_kinds_are_refused(dataset: PartitionedDataset) -> None:
    with pytest.raises(InputError, match="max_tasks=2 is fewer than the 50 kinds of resources"):
        make_plan(
            requested_partitions(dataset, None), MODEL, max_tasks=2, resources_for=lambda partition: partition.key
        )


def test_an_entry_comes_back_from_json_as_it_was(dataset: PartitionedDataset) -> None:
    partitions = requested_partitions(dataset, "3..5")
    like, other = ModelRef("/m/v1", "d" * 64), ModelRef("/m/v2", "e" * 64, "prod", "f" * 64)
    own = {"n=3": Chosen(like), "n=4": Chosen(None, "skipped", "missing"), "n=5": Chosen(other, "fallback", "stale")}
    by_column = {"007": Chosen(other), "": Chosen(like)}
    for models in (
        NoModel(),
        MODEL,
        ModelPerPartition(own, like),
        ModelByColumn("s", by_column, Chosen(None, "skipped")),
    ):
        plan = make_plan(partitions, models, max_tasks=2, generation=7, dataset=dataset.uri)
        assert [PlanEntry.from_dict(json.loads(json.dumps(entry.to_dict()))) for entry in plan] == plan
        assert [(entry.index, entry.count, entry.generation) for entry in plan] == [(0, 2, 7), (1, 2, 7)]
        assert {entry.dataset for entry in plan} == {dataset.uri}
    for entry in make_plan(partitions, ModelPerPartition(own, like), max_tasks=3):
        assert isinstance(entry.models, ModelPerPartition)
        assert list(entry.models.choices) == [entry.label]


def test_an_entry_of_another_version_is_not_guessed_at(dataset: PartitionedDataset) -> None:
    (entry,) = make_plan(requested_partitions(dataset, "3"), MODEL, max_tasks=1)
    with pytest.raises(InputError, match="another version of this package .schema 0, not 3.: clear the plan task"):
        PlanEntry.from_dict({**entry.to_dict(), "schema": 0})


def test_a_task_is_named_after_its_partitions_as_people_write_them(tmp_path: Path) -> None:
    for town in ("k\u00f6ln", "m\u00fcnchen"):
        (tmp_path / f"p_{town}.csv").write_text("a\n1\n")
    dataset = PartitionedDataset(f"{tmp_path}/p_{{town}}.csv")
    partitions = requested_partitions(dataset, None)
    assert [entry.label for entry in make_plan(partitions, MODEL, max_tasks=2)] == [
        "town=k\u00f6ln",
        "town=m\u00fcnchen",
    ]
    (both,) = make_plan(partitions, MODEL, max_tasks=1)
    assert both.label == "town=k\u00f6ln to town=m\u00fcnchen (2 partitions)"
    assert partitions[0].key == "town=k%C3%B6ln", "a folder's name"
