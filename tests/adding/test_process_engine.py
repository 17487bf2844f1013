"""The engine of docs/adding/engine.md scores partitions."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from process_engine import Processes
from support import Small, good_rows, scores, small

from airflow_batchscore import LocalDask
from airflow_batchscore.engine.base import WorkerLostError
from airflow_batchscore.errors import InputError, ScoringError
from airflow_batchscore.quality.quarantine import Limit

pytestmark = [pytest.mark.unit, pytest.mark.slow]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
    made = small(tmp_path)
    made.add(1, good_rows(200, 1000))
    return made


def test_a_partition_is_scored_in_processes_as_in_threads(data: Small) -> None:
    ((manifest, _),) = data.score(1, block_rows=100, engine=Processes())
    assert manifest.engine == {"engine": "Processes", "at_once": 2}
    assert len(manifest.blocks) > 1
    threads = LocalDask(processes=False)
    ((expected, _),) = data.score(1, block_rows=100, engine=threads, output_uri=f"{data.folder}/threads")
    assert scores(manifest).equals(scores(expected))
    assert data.score(1, block_rows=100, engine=Processes())[0][1], "the partition is committed"


def test_an_error_comes_back_as_it_was_raised(data: Small) -> None:
    data.add(2, [(n, "x", 1, 0) for n in range(50)])
    with pytest.raises(ScoringError, match="partition p=2, block 0 .*more than quarantine=3 allows"):
        data.score(2, limit=Limit(3), engine=Processes())


def die(name: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_dies_fails_the_task_which_is_retried(data: Small) -> None:
    with Processes().session() as session, pytest.raises(WorkerLostError, match="'block 7': its process died while"):
        list(session.run(die, [("block 7",)]))


def test_what_an_engine_does_not_offer_is_refused_in_words() -> None:
    engine = Processes()
    assert (engine.conn_id, engine.is_local) == (None, False)
    with pytest.raises(InputError, match=r"engine=Processes\(at_once=2\): training spreads over Dask"):
        engine.client()
    with pytest.raises(InputError, match="takes no address from a connection"):
        engine.connected("host", 8786, {})
