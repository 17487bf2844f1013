"""An estimate of real partitions: what is sampled, counted, refused and left behind."""

from __future__ import annotations

import gzip
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from applied import NUMBERS, ROWS
from s3_server import s3_options
from support import Small, good_rows

from airflow_batchscore import DaskCluster, LocalDask, PartitionedDataset
from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import credentials, local_files
from airflow_batchscore.engine import machine
from airflow_batchscore.engine.base import Capacity
from airflow_batchscore.errors import BatchScoreError, InputError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.plan.estimate import Estimate
from airflow_batchscore.plan.models import ChampionAndChallenger, Chosen, ModelByColumn, ModelPerPartition
from airflow_batchscore.scoring import estimate as module
from airflow_batchscore.scoring import rounds
from airflow_batchscore.scoring.estimate import Asked, estimate
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds enough for every branch, and no more."""
    monkeypatch.setattr(rounds, "_LEAST_SECONDS", 0.1)


def told(job: ScoringJob, *keys: str, **options: Any) -> Estimate:
    partitions = [partition for partition in job.dataset.require() if not keys or partition.key in keys]
    return estimate(job, [partitions], options.pop("engine", LocalDask(workers=2)), **options)


def _files(folder: Path) -> dict[str, int]:
    """Paths, and when the files were written."""
    return {str(path): path.stat().st_mtime_ns if path.is_file() else 0 for path in sorted(folder.rglob("*"))}


def test_the_partitions_and_their_rows_are_counted_and_nothing_is_left(data: Small) -> None:
    for partition in (2, 3, 4):
        data.add(partition, good_rows(20_000))
    before = _files(data.folder)
    found = told(data.job(), "p=2", "p=3", "p=4", price_per_core_hour=3600.0)
    assert _files(data.folder) == before
    assert (found.partitions, found.reused, found.tasks, found.workers) == (3, 0, 1, 2)
    assert found.rows == pytest.approx(60_000, rel=0.2)
    assert found.low < found.seconds < found.high
    assert found.cost == pytest.approx(found.core_seconds, abs=0.01)
    assert found.peak_memory is not None
    assert found.peak_memory > 10 << 20
    assert found.sample_rows > 0
    assert found.sample_seconds > 0


def test_rows_of_files_that_compress_differently_are_counted(data: Small) -> None:
    for partition in range(2, 7):
        a = np.zeros(20_000) if partition < 5 else np.random.default_rng(partition).normal(size=20_000)
        frame = pd.DataFrame({"id": np.arange(20_000) // 1000, "a": a, "b": a})
        frame.to_parquet(data.folder / f"part_{partition}.parquet", index=False, row_group_size=5_000)
    files = [path.stat().st_size for path in data.folder.glob("*.parquet")]
    dataset = PartitionedDataset(f"{data.folder}/part_{{p}}.parquet")
    found = told(data.job(dataset=dataset, block_rows=5_000), engine=LocalDask(workers=1, processes=False))
    assert max(files) > 5 * min(files)
    assert found.rows == pytest.approx(100_000, rel=0.01)
    assert found.bytes == sum(files)


def test_committed_partitions_cost_nothing_unless_they_are_scored_again(data: Small) -> None:
    data.add(2, good_rows(600))
    data.score(1)
    found = told(data.job(), "p=1", "p=2")
    assert (found.partitions, found.reused) == (1, 1)
    assert found.rows == pytest.approx(600, rel=0.01)
    forced = told(data.job(token="d/r"), "p=1", "p=2")  # noqa: S106 - the name of a run
    assert (forced.partitions, forced.reused) == (2, 0)
    data.score(2)
    before = _files(data.folder)
    everything = told(data.job(), "p=1", "p=2", price_per_core_hour=1.0)
    assert (everything.partitions, everything.reused, everything.seconds, everything.cost) == (0, 2, 0, 0)
    assert everything.sample_rows == 0
    assert _files(data.folder) == before


def test_what_changed_after_it_was_committed_is_counted(data: Small) -> None:
    data.score(1)
    data.add(1, good_rows(700, 5))
    assert told(data.job(), "p=1").partitions == 1


def test_what_a_killed_estimate_left_goes_with_the_next_task(data: Small) -> None:
    left = data.folder / "staged" / f".tmp-{'0' * 12}-1-99-{'1' * 8}-estimate"
    (left / "p=1").mkdir(parents=True)
    os.utime(left, (0, 0))
    local_files._sweep.cache_clear()  # as in a new process
    data.score(1)
    assert not left.exists()


def test_a_bad_row_does_not_stop_the_estimate(data: Small) -> None:
    data.add(1, [(1, "broken", 1, 0), *good_rows(500)])
    found = told(data.job(limit=module.Limit(0)), "p=1")
    assert found.rows == pytest.approx(501, rel=0.01)


def test_kinds_are_formats_and_partitions_without_a_model(data: Small) -> None:
    data.add(2, good_rows(300))
    models = ModelPerPartition({"p=1": Chosen(data.model), "p=2": Chosen(None, "skipped", "missing")}, data.model)
    found = told(replace(data.job(), scored_with=models), "p=1", "p=2")
    assert (found.partitions, found.rows) == (2, pytest.approx(800, rel=0.01))


def test_models_by_a_column_leave_no_list_behind(data: Small) -> None:
    models = ModelByColumn("id", {str(number): Chosen(data.model) for number in range(1000, 1500)})
    before = _files(data.folder)
    found = told(replace(data.job(block_rows=50), scored_with=models), "p=1")
    assert found.rows == pytest.approx(500, rel=0.1)
    assert _files(data.folder) == before


@pytest.mark.parametrize(
    "function",
    [
        FunctionJob(FunctionRef.of("applied:doubled"), columns=("value",)),
        FunctionJob(FunctionRef.of("applied:site_means"), group_by=("site",)),
        FunctionJob(FunctionRef.of("applied:less_the_mean"), row_wise=False, columns=("value",)),
    ],
    ids=["rows", "groups", "whole partitions"],
)
def test_functions_are_estimated(frame: pd.DataFrame, tmp_path: Path, function: FunctionJob) -> None:
    job = ScoringJob(
        PartitionedDataset(f"{tmp_path}/part_{{p}}.csv", read_options=NUMBERS),
        function,
        f"{tmp_path}/staged",
        block_rows=500,
    )
    found = told(job)
    assert found.rows == pytest.approx(ROWS, rel=0.1)
    assert found.seconds > 0
    assert not (tmp_path / "staged").exists()


def test_what_cannot_be_cut_is_refused_where_its_pieces_are_too_large(
    data: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "_SMALL_BYTES", 1000)
    for partition in (1, 2, 3):
        data.add(partition, good_rows(500))
        plain = data.folder / f"part_{partition}.csv"
        (data.folder / f"part_{partition}.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    packed = data.job(dataset=PartitionedDataset(f"{data.folder}/part_{{p}}.csv.gz"))
    with pytest.raises(InputError, match=r"a compressed file is sampled by whole partitions") as refused:
        told(packed)
    assert "33.3% of the data, more than the sample may cost. Allow it to: estimate=0.35" in str(refused.value)
    assert told(packed, share=0.35).rows == pytest.approx(1500, rel=0.01)


def test_settings_that_mean_nothing_are_refused_before_anything_runs(data: Small) -> None:
    for options, match in [
        ({"share": 0}, "more than 0 and at most 1"),
        ({"share": 1.5}, "more than 0 and at most 1"),
        ({"parallel_tasks": 0}, "give at least 1"),
        ({"price_per_core_hour": -1}, "give a price from 0"),
        ({"price_per_core_hour": 1, "engine": DaskCluster("tcp://x:1")}, "does not say how many workers"),
    ]:
        with pytest.raises(InputError, match=match):
            told(data.job(), "p=1", **options)


def test_partitions_that_share_files_are_refused_before_anything_runs(data: Small) -> None:
    divided = PartitionedDataset(f"{data.folder}/*.csv", partition_by="hash(id) % 3")
    before = _files(data.folder)
    with pytest.raises(InputError, match=r"partition_by='hash\(id\) % 3' cannot be predicted yet.*Leave estimate="):
        told(data.job(dataset=divided))
    assert _files(data.folder) == before


def test_what_scoring_refuses_the_estimate_refuses_and_leaves_nothing(data: Small) -> None:
    (data.folder / "part_1.csv").write_text("id,other\n1,2\n")
    before = _files(data.folder)
    with pytest.raises(BatchScoreError, match="lacks the columns"):
        told(data.job(), "p=1")
    assert _files(data.folder) == before


def test_tasks_of_one_machine_share_its_cores_and_tasks_of_a_cluster_its_workers(
    data: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 4)
    tasks = [[partition] for partition in data.job().dataset.require()] * 8

    def room(engine: Any, **options: Any) -> tuple[int, int, int]:
        found = module._room(Asked(data.job(), tasks, engine, **options))
        return found.workers, found.tasks, found.most

    assert room(LocalDask(), slots=1, parallel_tasks=1) == (4, 1, 4)
    assert room(LocalDask(), slots=8, parallel_tasks=8) == (1, 8, 4)
    assert room(LocalDask(), slots=4, parallel_tasks=8) == (1, 8, 8)  # two machines
    assert room(LocalDask(), slots=1, parallel_tasks=8) == (4, 8, 32)  # a pod each
    monkeypatch.setattr(DaskCluster, "capacity", lambda *_: Capacity("cluster", 10))
    assert room(DaskCluster("tcp://x:1"), slots=8, parallel_tasks=8) == (10, 8, 10)


def test_the_sample_runs_in_the_engines_own_python(data: Small) -> None:
    found = told(data.job(), "p=1", python=sys.executable)
    assert (found.partitions, found.rows) == (1, pytest.approx(500, rel=0.01))


def test_an_object_store_keeps_only_what_was_there(data: Small, moto: str) -> None:
    credentials.register("test", s3_options(moto))
    try:
        job = data.job(output_uri="s3://tennis/staged", conn_id="test")
        data.add(2, good_rows(600))
        found = told(job, "p=1", "p=2")
        assert (found.partitions, found.reused) == (2, 0)
        assert storage.list_files(job.output, recursive=True) == []
        data.score(1, output_uri="s3://tennis/staged", conn_id="test")
        before = storage.list_files(job.output, recursive=True)
        found = told(job, "p=1", "p=2")
        assert (found.partitions, found.reused) == (1, 1)
        assert storage.list_files(job.output, recursive=True) == before
    finally:
        credentials.forget("test")


def test_a_run_with_a_challenger_is_not_estimated(data: Small) -> None:
    job = replace(data.job(), scored_with=ChampionAndChallenger(data.model, data.model))
    with pytest.raises(InputError, match="a champion and its challenger is not estimated"):
        estimate(job, [data.dataset.require([0])], LocalDask(workers=1))
