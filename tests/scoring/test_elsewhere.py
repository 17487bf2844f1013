"""Partitions scored by another process of this interpreter: the same scores, and nothing loaded here."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support import Small, good_rows, scores, small

from airflow_batchscore import LocalDask
from airflow_batchscore.engine.base import WorkerLostError
from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.plan.models import OneModel
from airflow_batchscore.scoring.elsewhere import score_elsewhere
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.tally import Tally

pytestmark = [pytest.mark.unit, pytest.mark.slow]

ENGINE = LocalDask(workers=2, processes=False)


@pytest.fixture
def data(tmp_path: Path) -> Small:
    made = small(tmp_path)
    made.add(1, good_rows(120, 1000))
    made.add(2, good_rows(60, 5000))
    return made


def _elsewhere(data: Small, job: ScoringJob, *partitions: int) -> tuple[list[tuple[Manifest, bool]], Tally]:
    tally = Tally(len(partitions))
    values = [{"p": str(partition)} for partition in partitions]
    scored = score_elsewhere(sys.executable, job, values, ENGINE, slots=1, tally=tally)
    return [(one.manifest, one.reused) for one in scored], tally


def _job(data: Small, **options: Any) -> ScoringJob:
    return ScoringJob(data.dataset, OneModel(data.model), f"{data.folder}/elsewhere", block_rows=50, **options)


def test_scores_are_the_same_and_the_model_is_not_loaded_here(data: Small) -> None:
    artifact._loaded.clear()
    found, tally = _elsewhere(data, _job(data), 1, 2)
    assert len(artifact._loaded) == 0
    here = data.score(1, 2, block_rows=50)
    for (there, reused), (manifest, _) in zip(found, here, strict=True):
        assert not reused
        assert there.identity == manifest.identity
        assert there == Manifest.read(there.location)
        pd.testing.assert_frame_equal(scores(there), scores(manifest))
    count = tally.count()
    assert (count.blocks, count.blocks_total, count.account.rows_scored) == (5, 5, 180)
    assert count.done == [[0, 1]]
    again, tally = _elsewhere(data, _job(data), 1, 2)
    assert [reused for _, reused in again] == [True, True]
    assert tally.count().rows_before == 180


def test_a_model_that_cannot_be_used_is_refused_as_in_the_task(data: Small) -> None:
    path = Path(data.model.uri) / artifact.read_manifest(data.model).file
    path.write_bytes(b"other bytes")
    with pytest.raises(ModelError, match="partition p=1.* was altered or damaged and was not loaded"):
        _elsewhere(data, _job(data), 1)


def _function(data: Small) -> ScoringJob:
    function = FunctionJob(FunctionRef.of("called_elsewhere:doubled"), columns=("a",))
    return replace(_job(data, keys=("id",)), scored_with=function)


def test_a_function_is_tried_and_run_there_alone(data: Small) -> None:
    ((manifest, _),), _ = _elsewhere(data, _function(data), 1)
    found = scores(manifest)
    assert os.getpid() not in set(found["pid"])
    assert found["twice"].tolist() == [2 * a for _, a, *_ in good_rows(120, 1000)]


def test_a_process_that_dies_names_the_partition(data: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    job = _function(data)
    _elsewhere(data, job, 2)
    monkeypatch.setenv("TEST_END_WITH", "SIGKILL")
    data.add(3, [(9000 + n, 9.0 if n > 70 else 1.0, 1, 0) for n in range(120)])
    with pytest.raises(WorkerLostError, match="ended by SIGKILL, most likely for lack of memory, while it worked on p"):
        _elsewhere(data, replace(job, scored_with=replace(job.scored_with, output_types={"twice": "double"})), 3)  # type: ignore[type-var]
