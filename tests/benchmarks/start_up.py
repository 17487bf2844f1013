"""What a task costs beside its work, in a real Airflow, next to DAGs of empty tasks. Runs in the environment .venv.

usage: python start_up.py local|celery [--rounds N] [--no-preload]

local    LocalExecutor: a scoring task of a tiny partition, and the pipeline over 17 years
celery   the scoring task on PostgreSQL, Redis and Celery's prefork pool

Runs of both DAGs alternate; figures are medians, with the quartiles. --no-preload shows what it saves.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), *(str(ROOT / folder) for folder in ("scripts", "tests", "tests/production"))]

from claims import TASK_SECONDS, YEARS_RATIO  # noqa: E402
from overhead import EMPTY_DAG, Run, alternate, celery, local  # noqa: E402
from stack import example_environment  # noqa: E402
from wta_data import find_matches  # noqa: E402

#: Of each kind in a run; one after the other, so that none waits for a core.
TASKS = 5

TINY_DAG = """
from airflow.sdk import DAG

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.operators import PlanPartitionsOperator, ScorePartitionOperator

with DAG("tiny_partitions", schedule=None):
    dataset = PartitionedDataset("{folder}/part_{{p}}.csv")
    plan = PlanPartitionsOperator(
        task_id="plan", dataset=dataset, partitions=[{{"p": number}} for number in range({tasks})], model="{model}",
        max_tasks={tasks},
    )
    ScorePartitionOperator.partial(
        task_id="score", dataset=dataset, output_uri="{folder}/scores", force=True, max_active_tis_per_dagrun=1
    ).expand(partition=plan.output)
"""

EMPTY_TASKS_DAG = """
from airflow.sdk import DAG, task

with DAG("empty_tasks", schedule=None):

    @task
    def plan():
        return list(range({tasks}))

    @task(max_active_tis_per_dagrun=1)
    def score(number):
        return number

    score.expand(number=plan())
"""


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("executor", choices=["local", "celery"])
    parser.add_argument("--rounds", type=int, default=5, choices=range(2, 101), metavar="N")
    parser.add_argument("--no-preload", action="store_true")
    given = parser.parse_args()
    print(f"{given.executor}, {given.rounds} rounds, {'without' if given.no_preload else 'with'} preload", flush=True)
    with tempfile.TemporaryDirectory() as name, ExitStack() as resources:
        folder = Path(name)
        matches, what = find_matches(folder / "matches")
        _write_dags(folder)
        extra = {
            **example_environment(matches, folder / "wta"),
            "AIRFLOW__BATCHSCORE__PRELOAD": str(not given.no_preload),
        }
        stack = resources.enter_context({"local": local, "celery": celery}[given.executor](folder, extra))
        pairs = [("tiny_partitions", "empty_tasks")]
        if given.executor == "local":
            print(what, flush=True)
            pairs.append(("wta_batch_scoring", "empty_pipeline"))
        runs = [_warm(alternate(stack, pair, given.rounds + 1, folder / "wta")) for pair in pairs]
        print(_memory(psutil.Process()))
        _report(given.executor, *runs)


def _write_dags(folder: Path) -> None:
    """The example DAGs, the empty ones, and one that scores tiny partitions with a model that is trained here."""
    from support import small

    data = small(folder / "tiny")
    for number in range(1, TASKS):
        shutil.copy(data.folder / "part_0.csv", data.folder / f"part_{number}.csv")
    dags = folder / "dags"
    shutil.copytree(ROOT / "dags", dags)
    (dags / "tiny_partitions.py").write_text(TINY_DAG.format(folder=data.folder, model=data.model.uri, tasks=TASKS))
    (dags / "empty_tasks.py").write_text(EMPTY_TASKS_DAG.format(tasks=TASKS))
    (dags / "empty_pipeline.py").write_text(EMPTY_DAG)


def _warm(runs: dict[str, list[Run]]) -> dict[str, list[Run]]:
    """Without the first round, which warms up."""
    return {dag_id: each[1:] for dag_id, each in runs.items()}


def _memory(root: psutil.Process) -> str:
    """What each process of this Airflow holds, its share of what several hold, and what it holds alone, in MB."""
    lines = []
    for process in root.children(recursive=True):
        try:
            held, title = process.memory_full_info(), " ".join(process.cmdline())
            loaded = any("sklearn" in each.path for each in process.memory_maps())
        except psutil.Error:
            continue
        rss, pss, uss = (size / 2**20 for size in (held.rss, held.pss, held.uss))
        if rss < 100:  # the database's
            continue
        libraries = ", with libraries" if loaded else ""
        lines.append(f"{title[-60:].strip()}: RSS {rss:.0f} MB, PSS {pss:.0f}, own {uss:.0f}{libraries}")
    return "\n".join(sorted(lines))


def _report(executor: str, tiny: dict[str, list[Run]], years: dict[str, list[Run]] | None = None) -> None:
    ours, empty = ([seconds for run in runs for seconds in run.scoring] for runs in tiny.values())
    more = statistics.median(ours) - statistics.median(empty)
    where = {"local": "LocalExecutor", "celery": "CeleryExecutor"}[executor]
    print("\n| | measured | target |\n| --- | --- | --- |")
    print(
        f"| scoring task over an empty one, {where} | {more:.2f} s ({_spread(ours)} against {_spread(empty)}) "
        f"| <= {TASK_SECONDS[where]} s |"
    )
    if years:
        ours, empty = ([run.wall for run in runs] for runs in years.values())
        ratio = statistics.median(a / b for a, b in zip(ours, empty, strict=True))
        print(
            f"| the 17 years against a DAG of empty tasks | {ratio:.2f} ({_spread(ours)} against {_spread(empty)}) "
            f"| <= {YEARS_RATIO} |"
        )


def _spread(seconds: list[float]) -> str:
    low, middle, high = statistics.quantiles(seconds, n=4)
    return f"{middle:.2f} s, {low:.2f} to {high:.2f}"


if __name__ == "__main__":
    main()
