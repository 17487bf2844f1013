"""What the plugin adds to ``airflow dags list``: with and without its entry points, in pairs. Runs in the environment .venv.

usage: python dags_list.py [--rounds N]

Prints both medians, and the median and quartiles of the ratios of the pairs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import distribution
from pathlib import Path

AIRFLOW = str(Path(sys.executable).parent / "airflow")
DAG = """
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

with DAG("listed_{n}", schedule=None):
    EmptyOperator(task_id="nothing")
"""


def seconds(env: dict[str, str], *, with_plugin: bool) -> float:
    dist = distribution("airflow-batchscore")
    points = Path(str(dist.locate_file(f"airflow_batchscore-{dist.version}.dist-info"))) / "entry_points.txt"
    aside = points.with_suffix(".aside")
    if not with_plugin:
        points.rename(aside)
    try:
        began = time.perf_counter()
        subprocess.run([AIRFLOW, "dags", "list"], env=env, check=True, capture_output=True)
        return time.perf_counter() - began
    finally:
        if not with_plugin:
            aside.rename(points)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as home:
        for n in range(3):
            Path(home, f"listed_{n}.py").write_text(DAG.format(n=n))
        env = {
            **os.environ,
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": home,
        }
        subprocess.run([AIRFLOW, "db", "migrate"], env=env, check=True, capture_output=True)
        pairs = []
        for n in range(rounds + 1):
            order = (True, False) if n % 2 else (False, True)
            taken = {with_plugin: seconds(env, with_plugin=with_plugin) for with_plugin in order}
            pairs.append((taken[True], taken[False]))
    pairs = pairs[1:]  # the first one fills caches
    with_it, without = (statistics.median(each) for each in zip(*pairs, strict=True))
    low, middle, high = statistics.quantiles((one / other for one, other in pairs), n=4)
    print(f"with the plugin {with_it:.2f} s, without {without:.2f} s; ratio {middle:.3f} [{low:.3f}, {high:.3f}]")


if __name__ == "__main__":
    main()
