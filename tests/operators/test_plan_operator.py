"""What a plan hands on: entries of partitions, a pinned model, and what it refuses before a task scores."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from operator_calls import context, dag, executed, handed_scores, planned
from support import Small, good_rows

from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.model.reference import set_alias
from airflow_batchscore.operators import CheckScoresOperator, PlanPartitionsOperator
from airflow_batchscore.operators.seal import unseal
from airflow_batchscore.operators.stored_lists import full
from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.plan.models import NoModel, OneModel

pytestmark = pytest.mark.dag


@pytest.fixture
def data(fresh: Small) -> Small:
    for partition in (1, 2, 3):
        fresh.add(partition, good_rows(10 * partition))
    return fresh


def _entries(plan: list[dict[str, Any]]) -> list[PlanEntry]:
    return [PlanEntry.from_dict(unseal("plan", entry, "plan", "d/r", {"plan"})) for entry in plan]


def test_an_alias_is_one_pinned_version_in_every_entry(data: Small) -> None:
    set_alias(f"{data.folder}/model", "champion", data.model, 1)
    entries = _entries(planned(data, "r", partitions="1..3", model=f"{data.folder}/model@champion"))
    assert [entry.label for entry in entries] == ["p=1", "p=2", "p=3"]
    assert [entry.models.pinned for entry in entries if isinstance(entry.models, OneModel)] == [[data.model]] * 3
    assert {(entry.count, entry.tasks, entry.generation) for entry in entries} == {(3, 3, entries[0].generation)}
    assert all(entry.models == NoModel() for entry in _entries(planned(data, "r", 1, model=None)))


def test_a_later_plan_has_a_later_generation(data: Small) -> None:
    (first,), (second,) = _entries(planned(data, "r", 1)), _entries(planned(data, "r", 1))
    assert second.generation > first.generation


def test_a_plan_has_no_more_tasks_than_airflow_maps(data: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "2")
    assert len(planned(data, "r", 1, 2, 3)) == 2
    assert len(planned(data, "r", 1, 2, 3, max_tasks="1")) == 1
    assert len(planned(data, "r", 1, 2, 3, pack_bytes="1000000", max_tasks="")) == 1


@pytest.mark.parametrize("options", [{"max_tasks": 0}, {"max_tasks": "0"}, {"pack_bytes": 0}, {"pack_bytes": "-1"}])
def test_a_limit_below_one_is_refused(data: Small, options: dict[str, Any]) -> None:
    with pytest.raises(AirflowFailException, match="must be at least 1"):
        planned(data, "r", 1, **options)


@pytest.mark.parametrize("name", ["max_tasks", "pack_bytes"])
def test_a_limit_that_is_no_number_is_refused_by_its_name(data: Small, name: str) -> None:
    with pytest.raises(AirflowFailException, match=f"{name}='many': give a whole number"):
        planned(data, "r", 1, **{name: "many"})


def big_or_small(partition: Partition) -> str:
    return "big" if partition.key == "p=3" else "small"


@pytest.mark.parametrize("chosen", [big_or_small, "test_plan_operator:big_or_small"])
def test_resources_are_named_by_a_function_or_its_import_path(data: Small, chosen: Any) -> None:
    entries = _entries(planned(data, "r", 1, 2, 3, resources_for=chosen))
    assert [(entry.label, entry.resources, entry.tasks) for entry in entries] == [
        ("p=1", "small", 2),
        ("p=2", "small", 2),
        ("p=3", "big", 1),
    ]


def test_a_long_list_of_partitions_lies_on_storage(data: Small) -> None:
    for partition in range(4, 24):
        data.add(partition, [(1, 1, 1, 1)])
    options = {"partitions": "1..23", "max_tasks": 1, "plan_uri": f"{data.folder}/plans"}
    (entry,) = planned(data, "r", **options)
    assert len(json.dumps(entry)) < 2000
    (whole,) = full([unseal("plan", entry, "plan", "d/r")])
    assert [values["p"] for values in PlanEntry.from_dict(whole).partitions] == [str(number) for number in range(1, 24)]
    (inline,) = _entries(planned(data, "r", partitions="1..23", max_tasks=1))
    assert len(inline.partitions) == 23
    assert len(list((data.folder / "plans").iterdir())) == 2  # the partitions, and the number of files of each


def test_a_missing_partition_stops_the_plan(data: Small) -> None:
    with pytest.raises(AirflowFailException, match="p=9"):
        planned(data, "r", 1, 9)


@pytest.mark.parametrize("model", ["model@champion", "own/{p}@champion", "own/{label}@champion"])
def test_no_damaged_model_is_pinned(data: Small, model: str) -> None:
    set_alias(f"{data.folder}/model", "champion", data.model, 1)
    (path,) = Path(data.model.uri).glob("model-*.joblib")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    for name in ("0", "1"):
        (data.folder / "own").mkdir(exist_ok=True)
        shutil.copytree(data.folder / "model", data.folder / "own" / name)
    message = r"the bytes of .*/model-\w+.joblib have SHA-256 .* Restore the file, or train with retrain=True"
    with pytest.raises(AirflowFailException, match=message):
        planned(data, "r", 0, 1, model=f"{data.folder}/{model}")


def test_an_unusual_size_is_told_by_the_plan_the_check_and_their_notifiers(
    data: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    for partition in range(1, 13):
        file = data.add(partition, good_rows(100 if partition < 12 else 3))
        os.utime(file, (3600 * partition, 3600 * partition))  # or the one written after a pause would be late
    with dag():
        plan = PlanPartitionsOperator(task_id="plan", dataset=data.dataset, partitions=[11, 12], model=data.model.uri)
    entries = executed(plan, "r")
    said = "partition p=12 has "
    assert plan.outcome.notices[0].startswith(said)
    assert said in capsys.readouterr().out
    assert [len(entry.notices) for entry in _entries(entries)] == [0, 1]
    operator = CheckScoresOperator(task_id="check", plan=entries, scores=handed_scores(data, "r", 1, 11, 12))
    found = operator.run_stage(context("check", "r"))
    assert operator.outcome.notices[0].startswith(said)
    verdict = json.loads(Path(found["verdict"]).read_text())
    (check,) = [check for check in verdict["checks"] if check["what"] == "unusual in the plan"]
    assert (check["found"].startswith(said), check["allowed"], check["problem"]) == (True, "no limit", None)


def test_a_volume_beyond_the_limit_fails_before_anything_is_scored(data: Small) -> None:
    for partition in range(1, 13):
        data.add(partition, good_rows(100 if partition < 12 else 3))
    with pytest.raises(AirflowFailException, match=r"not planned, because max_volume_change=3: partition p=12 has"):
        planned(data, "r", 12, max_volume_change="3")
    assert len(planned(data, "r", 11, max_volume_change=3)) == 1
    assert len(planned(data, "r", 12, max_volume_change="")) == 1
    with pytest.raises(AirflowFailException, match="max_volume_change='some': give a number"):
        planned(data, "r", 12, max_volume_change="some")


def test_rows_that_no_bucket_is_for_are_a_notice_of_the_first_entry(data: Small) -> None:
    path = data.folder / "games.csv"
    path.write_text("id,a,b\n" + "".join(f"10.612.{n},1,2\n" for n in range(100, 120)))
    games = PartitionedDataset(str(path), partition_by="id % 2")
    first, second = _entries(planned(data, "r", dataset=games, partitions="0..1"))
    assert "20 of the first 20 rows" in first.notices[0]
    assert "'10.612.100'" in first.notices[0]
    assert second.notices == ()
