"""What a scoring task takes from the plan, what it hands on, and what it uses again."""

from __future__ import annotations

import shutil
import urllib.request
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from airflow.sdk.exceptions import AirflowFailException
from airflow.serialization.serialized_objects import DagSerialization
from operator_calls import Store, dag, planned, scored
from support import NUMBERED, Small, good_rows

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.data.storage import Location
from airflow_batchscore.links import DaskDashboardLink
from airflow_batchscore.operators import ScorePartitionOperator
from airflow_batchscore.operators.seal import unseal
from airflow_batchscore.operators.stored_lists import full
from airflow_batchscore.scoring.scored import ScoredTask

pytestmark = pytest.mark.dag


@pytest.fixture
def data(fresh: Small) -> Small:
    for partition in (1, 2):
        fresh.add(partition, good_rows(40, 1000 * partition))
    return fresh


def half(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[["a"]] / 2


def _score(data: Small, run_id: str = "r", **options: Any) -> dict[str, Any]:
    """Partition 1, and what of it is handed on."""
    (entry,) = planned(data, run_id, 1, model=None if "function" in options else data.model.uri)
    (short,) = scored(data, entry, run_id, **options)["manifests"]
    return dict(short)


def test_what_is_handed_on_is_sealed_and_accounts_for_every_row(data: Small) -> None:
    (entry,) = planned(data, "r", 1, 2, max_tasks=1)
    value = unseal("scores", scored(data, entry, "r"), "scores", "d/r", {"score"})
    task = ScoredTask.from_dict(value)
    assert task.label == "p=1 to p=2 (2 partitions)"
    assert [(one.key, one.account.astuple(), one.run) for one in task.partitions] == [
        ("p=1", (40, 40, 0, 0), "d/r"),
        ("p=2", (40, 40, 0, 0), "d/r"),
    ]
    assert {one.generation for one in task.partitions} == {entry["generation"]}
    assert all(Path(one.manifest).is_file() for one in task.partitions)


def test_a_committed_partition_is_used_again_until_force_scores_it_once_a_run(data: Small) -> None:
    assert not _score(data)["reused"]
    first = _score(data, "b")
    assert first["reused"]
    forced = [_score(data, run, force="True") for run in ("b", "b", "c")]
    assert [short["reused"] for short in forced] == [False, True, False]
    assert len({short["manifest"] for short in [first, *forced]}) == 3
    assert _score(data, "d", force="False")["reused"]


def test_an_entry_that_was_altered_or_is_of_another_run_scores_nothing(data: Small) -> None:
    (entry,) = planned(data, "r", 1)
    altered = {**entry, "partitions": [{"p": "2"}]}
    for given, run in [(altered, "r"), (entry, "other"), ({}, "r")]:
        with pytest.raises(AirflowFailException, match="GateError: partition: .* its seal does not match"):
            scored(data, given, run)
    assert not (data.folder / "staged").exists()


def test_a_function_stands_in_a_models_place(data: Small) -> None:
    short = _score(data, function=half, keys=["id"])
    assert short["rows_scored"] == 40
    (entry,) = planned(data, "r", 1)
    with pytest.raises(AirflowFailException, match="function= replaces the model: leave model= out of PlanPart"):
        scored(data, entry, "r", function=half)


def test_a_plan_without_a_model_needs_a_function(data: Small) -> None:
    (entry,) = planned(data, "r", 1, model=None)
    with pytest.raises(
        AirflowFailException,
        match=r"the plan has no model: give PlanPartitionsOperator\(model=...\), or ScorePartitionOperator\(function=",
    ):
        scored(data, entry, "r")


def test_a_column_that_the_plan_does_not_name_is_refused(data: Small) -> None:
    (entry,) = planned(data, "r", 1)
    with pytest.raises(AirflowFailException, match="model_by='a': the plan's model needs a field of that name"):
        scored(data, entry, "r", model_by="a")


def test_a_model_outside_of_the_trusted_folders_is_refused_where_it_is_signed(
    data: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    (entry,) = planned(data, "r", 1)
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__SIGNING_CONN_ID", "signing")
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__REQUIRE_SIGNATURE", "True")
    monkeypatch.setenv("AIRFLOW_CONN_SIGNING", '{"conn_type": "generic", "password": "the key"}')
    with pytest.raises(AirflowFailException, match="is not signed and was not loaded"):
        scored(data, entry, "r")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"block_rows": "many"}, "block_rows='many': give a whole number"),
        ({"block_rows": 0}, "block_rows=0: a block has at least 1 row"),
        ({"block_rows": "-1"}, "block_rows=-1: a block has at least 1 row"),
        ({"quarantine": "few"}, "quarantine='few': give a count of rows such as 1000, or a share"),
        ({"method": "guess"}, "guess"),
        ({"outputs": "{'prediction': "}, "cannot be read: write a JSON object"),
        ({"keys": ["nothing"]}, "nothing"),
    ],
)
def test_an_argument_that_cannot_be_used_is_named(data: Small, options: dict[str, Any], said: str) -> None:
    with pytest.raises(AirflowFailException, match=said):
        _score(data, **options)


def test_rows_that_cannot_be_scored_stop_the_task_beyond_its_limit(data: Small) -> None:
    data.add(1, [(1, "x", 2, 0), *good_rows(9)])
    assert _score(data)["rows_quarantined"] == 1
    with pytest.raises(AirflowFailException, match=r"p=1, block 0 .*1 of 10 rows cannot be scored"):
        _score(data, "b", quarantine=0, force=True)


def test_templates_may_make_text_of_every_argument(data: Small) -> None:
    short = _score(
        data,
        method="predict, predict_proba",
        outputs="{'predict': 'label', 'predict_proba_1': 'likely'}",
        flags="{'sure': 'predict_proba_1>0.9'}",
        block_rows="15",
        quarantine="0.1",
    )
    folder = Path(short["manifest"]).parents[1]
    parts = [pd.read_parquet(path) for path in folder.rglob("*.parquet")]
    assert len(parts) > 1
    assert all({"id", "label", "likely", "sure"} == {*part} for part in parts)
    assert sum(map(len, parts)) == 40


def test_progress_can_be_read_while_the_task_runs(data: Small) -> None:
    store = Store()
    _score(data, block_rows=15, task_state_store=store)
    assert store["batchscore_progress"]["blocks"] == store["batchscore_progress"]["blocks_total"] > 1
    assert store["batchscore_progress"]["rows_scored"] == 40


def test_a_long_list_of_partitions_lies_below_the_staging_folder(data: Small) -> None:
    for partition in range(3, 25):
        data.add(partition, [(1, 1, 1, 1)])
    (entry,) = planned(data, "r", partitions="1..24", max_tasks=1)
    short = scored(data, entry, "r")
    assert short["manifests"]["items"] == 24
    assert Location(short["manifests"]["list"]).is_within(Location(f"{data.folder}/staged/_tasks"))
    (whole,) = full([short])
    assert len(ScoredTask.from_dict(whole).partitions) == 24


@pytest.mark.parametrize(
    ("partition", "label"),
    [({"label": "p=1"}, "p=1"), ("{'label': 'p=1'}", "p=1"), ({}, "")],
)
def test_the_label_of_a_task_is_that_of_its_entry(partition: Any, label: str) -> None:
    operator = ScorePartitionOperator(
        task_id="score", dataset=PartitionedDataset("/x_{p}.csv"), partition=partition, output_uri="/y"
    )
    assert operator.label == label


class _Instance:
    """A task instance that opens each link when it is pushed: Airflow shows it from then on."""

    task_id, map_index = "score", -1

    def __init__(self) -> None:
        self.opened: list[tuple[str, int]] = []

    def xcom_push(self, key: str, url: str) -> None:
        with urllib.request.urlopen(url, timeout=30) as answer:
            self.opened.append((key, answer.status))


@pytest.mark.slow
def test_the_link_to_the_dashboard_works_while_the_task_runs(data: Small) -> None:
    (entry,) = planned(data, "r", 1)
    instance = _Instance()
    scored(data, entry, "r", engine=LocalDask(workers=1, processes=False, dashboard=True), ti=instance)
    assert instance.opened == [(DaskDashboardLink().xcom_key, 200)]


@pytest.mark.parametrize(("engine", "links"), [(LocalDask(dashboard=True), {"Dask dashboard"}), (LocalDask(), set())])
@pytest.mark.parametrize("mapped", [False, True])
def test_airflow_is_told_of_a_link_where_a_dashboard_was_asked_for(
    engine: LocalDask, links: set[str], mapped: bool
) -> None:
    options: dict[str, Any] = {"dataset": PartitionedDataset("/x_{p}"), "output_uri": "/y", "engine": engine}
    with dag() as given:
        if mapped:
            ScorePartitionOperator.partial(task_id="score", **options).expand(partition=[{}])
        else:
            ScorePartitionOperator(task_id="score", partition={}, **options)
    task = DagSerialization.from_dict(DagSerialization.to_dict(given)).get_task("score")
    assert set(task.extra_links) == {"Batch scoring"} | links


@pytest.mark.parametrize("change", ["replaced", "added", "removed"])
def test_files_that_partitions_divide_are_those_that_were_planned(data: Small, change: str) -> None:
    (data.folder / "day").mkdir()
    files = [data.folder / "day" / f"{name}.csv" for name in "abc"]
    for number, file in enumerate(files[:2]):
        shutil.copyfile(data.folder / f"part_{number + 1}.csv", file)
    options: dict[str, Any] = {
        "dataset": PartitionedDataset(f"{data.folder}/day/*.csv", partition_by="label", read_options=NUMBERED)
    }
    plan = planned(data, "r", **options, partitions=None)
    scored(data, plan[0], "r", **options)
    if change == "replaced":
        files[1].write_bytes(files[1].read_bytes())
    elif change == "added":
        shutil.copyfile(files[0], files[2])
    else:
        files[1].unlink()
    with pytest.raises(
        AirflowFailException, match=r"label=1.* when it was planned|label=1.* after the run was planned"
    ):
        scored(data, plan[1], "r", **options)
    again = planned(data, "r", **options, partitions=None)
    rows = [scored(data, entry, "r", **options)["manifests"][0]["rows_scored"] for entry in again]
    assert sum(rows) == {"replaced": 80, "added": 120, "removed": 40}[change]


def test_partitions_with_files_of_their_own_are_scored_as_they_come(data: Small) -> None:
    plan = planned(data, "r", 1, 2)
    assert "inputs" not in plan[0]
    data.add(2, good_rows(30, 9000))
    assert scored(data, plan[1], "r")["manifests"][0]["rows_scored"] == 30
