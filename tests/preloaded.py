"""A process that has preloaded as a scheduler does, and forks twice for each case, as Airflow does for each task.

Its arguments are a folder and the names of cases; it prints what each returns, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

THREADS = 3


def train_and_score(folder: Path) -> object:
    """Blocks in threads, with all that a task does to BLAS and OpenMP."""
    from support import good_rows, scores, small

    data = small(folder)
    data.add(1, good_rows(3000, 1000))
    ((manifest, _),) = data.score(1, block_rows=500)
    return scores(manifest)["id"].tolist() == list(range(1000, 4000))


def compute_on_three_threads(folder: Path) -> object:
    """What the pools of the libraries say, limited to more threads than there are cores, and what really runs."""
    import numpy as np
    import threadpoolctl
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows = np.random.default_rng(0).standard_normal((20_000, 20))
    with threadpoolctl.threadpool_limits(THREADS):
        model = HistGradientBoostingClassifier(max_iter=3).fit(rows, rows[:, 0] > 0)  # OpenMP
        right = (model.predict(rows) == (rows[:, 0] > 0)).mean()
        product = np.linalg.norm(rows.T @ rows)  # BLAS
        pools = {pool["user_api"]: pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
        threads = len(os.listdir("/proc/self/task"))
    return {**pools, "right": bool(right > 0.9 and np.isfinite(product)), "run": threads >= 1 + 2 * (THREADS - 1)}


def run_a_cluster(folder: Path) -> object:
    """A Dask cluster in threads of this process."""
    from airflow_batchscore.engine.thread_cluster import thread_cluster

    with thread_cluster(2) as client:
        return sum(client.gather(client.map(abs, range(-10, 0))))


def draw(folder: Path) -> object:
    """Random numbers of the global generators."""
    import random

    import numpy as np

    return [random.random(), np.random.random()]  # noqa: S311 - they are compared


def draw_seeded(folder: Path) -> object:
    """What two forks draw after this process has seeded: the same, as always with numpy."""
    import numpy as np

    np.random.seed(1)
    return [_forked(lambda _: np.random.random(), folder) for _ in range(2)]


def meet_a_replaced_module(folder: Path) -> object:
    """What a task says that starts after a module was replaced."""
    from airflow.sdk.exceptions import AirflowFailException

    from airflow_batchscore import PartitionedDataset
    from airflow_batchscore.operators import PlanPartitionsOperator
    from airflow_batchscore.preload import require_current

    require_current()
    (folder / "changing.py").write_text("VALUE = 'new'")
    try:
        PlanPartitionsOperator(task_id="plan", dataset=PartitionedDataset("/x/{p}.csv"), model="/m").execute({})
    except AirflowFailException as error:
        return str(error)
    return None


def _forked(case: Callable[[Path], object], folder: Path) -> object:
    reads, writes = os.pipe()
    if not (child := os.fork()):
        try:
            os.write(writes, json.dumps(case(folder)).encode())
        except BaseException:
            traceback.print_exc()
        os._exit(0)
    os.close(writes)
    with open(reads) as result:
        value = result.read()
    os.waitpid(child, 0)
    return json.loads(value)


def main(folder: Path, cases: list[str]) -> None:
    from airflow_batchscore.preload import preload

    (folder / "changing.py").write_text("VALUE = 1")
    (folder / "broken.py").write_text("raise ValueError('no such card')")
    sys.path.insert(0, str(folder))
    preload("changing", "broken")
    print("=", json.dumps(threading.active_count()))
    for number, case in enumerate(cases):
        place = folder if case == "meet_a_replaced_module" else folder / str(number)
        print("=", json.dumps(_forked(lambda place, case=case: _forked(globals()[case], place), place)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
