"""Scoring on a Dask cluster of its own processes, whose environment has no Airflow."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest
from servers import DaskServers
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from support import Small, good_rows, scores, wait_for
from tallied import Told

from airflow_batchscore import DaskCluster, LocalDask
from airflow_batchscore.engine import versions
from airflow_batchscore.engine.base import WorkerLostError
from airflow_batchscore.errors import EngineError
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.scoring.tally import Count
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.production


def test_scores_equal_those_of_the_task_itself(data: Small, dask: DaskServers) -> None:
    ((there, _),) = data.score(1, block_rows=30, engine=DaskCluster(address=dask.address))
    ((here, _),) = data.score(1, block_rows=30, output_uri=f"{data.folder}/here", engine=LocalDask(workers=2))
    assert there.engine["engine"] == "DaskCluster"
    assert len(there.blocks) > 10
    assert scores(there).equals(scores(here))


def test_a_worker_that_is_killed_midway_costs_no_row(data: Small, dask: DaskServers) -> None:
    done_before: list[int] = []

    def kill_one(count: Count) -> None:
        if count.blocks >= 3 and not done_before:
            done_before.append(count.blocks)
            dask.workers[0].send_signal(signal.SIGKILL)

    engine = DaskCluster(address=dask.address)
    ((manifest, _),) = score_partitions(data.job(block_rows=10), [{"p": "1"}], engine, tally=Told(1, kill_one))
    assert done_before[0] < len(manifest.blocks)
    assert scores(manifest)["id"].tolist() == list(range(1000, 1500))


def test_a_cluster_that_loses_all_its_workers_waits_for_others(data: Small, dask: DaskServers) -> None:
    for worker in dask.workers:
        worker.send_signal(signal.SIGKILL)
    wait_for(lambda: all(worker.poll() is not None for worker in dask.workers), 60)
    dask.add_workers(1)
    ((manifest, _),) = data.score(1, engine=DaskCluster(address=dask.address))
    assert manifest.account.rows_scored == 500


def test_a_block_that_always_kills_its_worker_is_named(data: Small, dask: DaskServers) -> None:
    dask.add_workers(3)
    data.add(2, good_rows(30))
    data.model = train(
        TrainingJob(data.dataset, [0], data.recipe, "strange_models:Deadly", f"{data.folder}/deadly")
    ).ref
    with pytest.raises(WorkerLostError, match=r"block 0 .* the worker died \d times"):
        data.score(2, engine=DaskCluster(address=dask.address))


def test_workers_with_other_versions_are_refused(
    data: Small, dask: DaskServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "versions_here", lambda: {"Python": "2.7", "numpy": "0.1"})
    with pytest.raises(EngineError, match=r"has Python 3\.\d+ \(task: 2.7\), numpy .* \(task: 0.1\)\. Install there"):
        data.score(1, engine=DaskCluster(address=dask.address))


def test_a_scheduler_that_is_not_there_is_an_error_that_a_retry_may_mend(data: Small) -> None:
    with pytest.raises(OSError, match=r"no Dask scheduler answers at tcp://127.0.0.1:1"):
        data.score(1, engine=DaskCluster(address="tcp://127.0.0.1:1"))


def test_a_committed_partition_needs_no_cluster(data: Small) -> None:
    data.score(1)
    ((_, reused),) = data.score(1, engine=DaskCluster(address="tcp://127.0.0.1:1"))
    assert reused


def test_training_spreads_over_the_cluster(data: Small, dask: DaskServers) -> None:
    search = GridSearchCV(LogisticRegression(), {"C": [0.01, 1.0]}, cv=3)
    job = TrainingJob(data.dataset, [0], data.recipe, search, f"{data.folder}/searched")
    with DaskCluster(address=dask.address).client() as client:
        trained = train(job, client)
        assert len(client.nthreads()) == 2
    alone = train(replace(job, model_uri=f"{data.folder}/alone"))
    assert trained.manifest.training.search == alone.manifest.training.search
