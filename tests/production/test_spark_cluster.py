"""Scoring on a Spark cluster of its own processes, whose environment has no Airflow."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from commands import run_command
from engine_work import die_once_and_tell
from servers import SparkServers
from support import ROOT, SCORE_IN_SPARK, Small, good_rows, scores

from airflow_batchscore import LocalDask, Spark
from airflow_batchscore.engine import versions
from airflow_batchscore.engine.base import WorkerLostError
from airflow_batchscore.engine.rerun import may_be_a_rerun
from airflow_batchscore.errors import BatchScoreError, EngineError
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.production


@pytest.fixture
def engine(spark: SparkServers) -> Spark:
    return Spark(master=spark.master, config=spark.config)


def test_scores_equal_those_of_the_task_itself(data: Small, engine: Spark) -> None:
    ((there, _),) = data.score(1, block_rows=30, engine=engine)
    ((here, _),) = data.score(1, block_rows=30, output_uri=f"{data.folder}/here", engine=LocalDask(workers=2))
    assert there.engine == {"engine": "Spark", "master": engine.master}
    assert len(there.blocks) > 10
    assert scores(there).equals(scores(here))


def test_bad_data_is_named_and_not_tried_again(data: Small, engine: Spark) -> None:
    data.add(2, [(n, "x", 1, 0) for n in range(50)])
    with pytest.raises(BatchScoreError, match=r"partition p=2, block 0 .*more than quarantine=3 allows"):
        data.score(2, limit=Limit(3), engine=engine)


def test_a_block_that_always_kills_its_worker_is_named(data: Small, engine: Spark) -> None:
    data.add(2, good_rows(30))
    data.model = train(
        TrainingJob(data.dataset, [0], data.recipe, "strange_models:Deadly", f"{data.folder}/deadly")
    ).ref
    with pytest.raises(WorkerLostError, match=r"block 0 .*: the executor or its Python worker died 4 times"):
        data.score(2, engine=engine)


def test_a_model_whose_module_is_not_there_is_named(data: Small, spark: SparkServers) -> None:
    data.model = train(TrainingJob(data.dataset, [0], data.recipe, "strange_models:Picky", f"{data.folder}/picky")).ref
    engine = Spark(master=spark.master, config={**spark.config, "spark.executorEnv.PYTHONPATH": ""})
    with pytest.raises(BatchScoreError, match=r"strange_models"):
        data.score(1, engine=engine)


def test_executors_with_other_versions_are_refused(data: Small, engine: Spark, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "versions_here", lambda: {"Python": "2.7", "numpy": "0.1"})
    with pytest.raises(EngineError, match=r"has Python 3\.\d+ \(task: 2.7\), numpy .* \(task: 0.1\)\. Install there"):
        data.score(1, engine=engine)


def test_a_committed_partition_needs_no_cluster(data: Small) -> None:
    data.score(1)
    ((_, reused),) = data.score(1, engine=Spark(master="spark://127.0.0.1:1"))
    assert reused


def test_a_local_master_finds_the_python_and_the_modules_of_the_task(tmp_path: Path) -> None:
    """As a process of its own: one can hold one Spark context at a time."""
    script = SCORE_IN_SPARK.format(tests=str(ROOT / "tests"), folder=str(tmp_path))
    done = run_command([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip().endswith("True"), done.stderr[-3000:]


def test_a_call_whose_worker_died_before_may_be_a_rerun(tmp_path: Path) -> None:
    with Spark(master="local[1,3]").session() as session:
        assert list(session.run(die_once_and_tell, [(str(tmp_path),)])) == [True]
        assert list(session.run(may_be_a_rerun, [()])) == [False]
