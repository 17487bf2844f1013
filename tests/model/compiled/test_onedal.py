"""oneDAL runs on the calling thread, in forked and spawned processes too, and says what to install if it is missing."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compiled_models import fitted, table

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.compiled import onedal
from airflow_batchscore.model.compiled.ensembles import read_ensemble
from airflow_batchscore.model.compiled.nodes import Nodes, nodes_of
from airflow_batchscore.model.compiled.onedal import Sums
from airflow_batchscore.model.compiled.splits import Rounding, thresholds_of

pytestmark = pytest.mark.unit


def made() -> tuple[Nodes, np.ndarray]:
    ensemble = read_ensemble(fitted("histogram boosting")[0])
    return nodes_of(ensemble), Rounding(thresholds_of(ensemble), single=False).rows(table(5000).to_numpy())


def opened(nodes: Nodes) -> Sums:
    return Sums(nodes, features=4, outputs=1, single=False)


def add_up(nodes: Nodes, rows: np.ndarray, results: Any) -> None:
    results.put(opened(nodes)(rows))


def _threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def test_no_thread_is_started() -> None:
    nodes, rows = made()
    sums = opened(nodes)
    before = _threads()
    sums(rows)
    assert _threads() == before
    assert onedal._library().num_threads() == 1


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_give_the_same_sums(method: str) -> None:
    nodes, rows = made()
    expected = opened(nodes)(rows)  # the parent has used it before the fork
    context = multiprocessing.get_context(method)
    results = context.Queue()
    process = context.Process(target=add_up, args=(nodes, rows, results))
    process.start()
    sums = results.get(timeout=200)
    process.join(60)
    assert process.exitcode == 0
    np.testing.assert_array_equal(sums, expected)


def test_a_process_that_forks_while_others_predict_is_not_stuck() -> None:
    nodes, rows = made()
    sums, stop = opened(nodes), threading.Event()

    def predict() -> None:
        while not stop.is_set():
            sums(rows)

    threads = [threading.Thread(target=predict) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            child = os.fork()
            if not child:
                os._exit(0 if len(sums(rows)) == len(rows) else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes, _ = made()
    monkeypatch.setitem(sys.modules, "daal4py", None)
    onedal._library.cache_clear()
    try:
        with pytest.raises(
            ModelError, match=r"needs daal4py.*pip install 'airflow-batchscore\[accelerate\]', on the w"
        ):
            opened(nodes)
    finally:
        onedal._library.cache_clear()
