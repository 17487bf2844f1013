"""Run the limit, this package and its peers in turn on the same workloads; write figures, a table and a plot.

usage: python bench.py quick|full [--rounds N] [--out FOLDER] [--work w1 ...]

Every run is a process of its own; the commands of a workload take turns (A B C A B C ...), a run that something
else disturbed is done again, and ratios are paired round by round. The predictions of all are compared at the end.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import common
import measure

HERE = Path(__file__).resolve().parent
#: name -> (script and arguments, package it needs). `{work}` is the workload.
COMMANDS = {
    "limit": ("limit.py {work} 2t", "pyarrow"),
    "airflow_batchscore, threads": ("engine.py {work} threads", "distributed"),
    "airflow_batchscore, processes": ("engine.py {work} processes", "distributed"),
    "Polars": ("peers.py polars {work}", "polars"),
    "DuckDB": ("peers.py duckdb {work}", "duckdb"),
    "plain pandas": ("peers.py pandas {work}", "pandas"),
    "ParallelPostFit, lazy": ("peers.py daskml {work}", "dask_ml"),
    "ParallelPostFit, gathered": ("peers.py tutorial {work}", "dask_ml"),
    "Spark mapInPandas": ("peers.py sk_mapinpandas {work}", "pyspark"),
    "Ray Data": ("peers.py ray {work}", "ray"),
    "Daft": ("peers.py daft {work}", "daft"),
}
QUICK = ("limit", "airflow_batchscore, threads", "Polars", "plain pandas")
FOLDERS = {
    "limit": "limit-{work}-2t",
    "airflow_batchscore, threads": "engine-{work}-threads",
    "airflow_batchscore, processes": "engine-{work}-processes",
    "Polars": "polars-{work}",
    "DuckDB": "duckdb-{work}",
    "plain pandas": "pandas-{work}",
    "ParallelPostFit, lazy": "daskml-{work}",
    "ParallelPostFit, gathered": "tutorial-{work}",
    "Spark mapInPandas": "sk_mapinpandas-{work}",
    "Ray Data": "ray-{work}",
    "Daft": "daft-{work}",
}
PACKAGES = ("pyarrow", "numpy", "scikit-learn", "dask", "pandas", "polars", "duckdb", "pyspark", "ray", "daft")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("form", choices=["quick", "full"])
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "batchscore-bench-results")
    parser.add_argument("--work", nargs="*")
    asked = parser.parse_args()
    works = asked.work or (["w5-2015"] if asked.form == "quick" else ["w1", "w2", "w3h", "w4"])
    rounds = asked.rounds or (2 if asked.form == "quick" else 3)
    names = [name for name, (_, package) in COMMANDS.items() if importlib.util.find_spec(package)]
    if asked.form == "quick":
        names = [name for name in names if name in QUICK]
    asked.out.mkdir(parents=True, exist_ok=True)
    results, agree = [], True
    for work in works:
        subprocess.run([sys.executable, HERE / "gen.py", work.split("-")[0].rstrip("hx") or work], check=True)
        runs = _run(work, names, rounds)
        agree = _compare(work, [name for name in names if runs[name][0]["rc"] == 0]) and agree
        results.append({"work": work, "runs": runs})
        print(_table(work, runs), flush=True)
    facts = {"machine": platform.platform(), "cores": os.cpu_count(), "versions": _versions(), "workloads": results}
    (asked.out / "results.json").write_text(json.dumps(facts, indent=1))
    tables = "\n\n".join(_table(result["work"], result["runs"]) for result in results)
    (asked.out / "results.md").write_text(f"{tables}\n")
    return 0 if agree else 1


def _run(work: str, names: list[str], rounds: int) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            common.warm(common.WORK[work][1])
            script, *arguments = COMMANDS[name][0].format(work=work).split()
            log = os.path.join(tempfile.gettempdir(), "batchscore-bench.log")
            run = measure.run_quiet([sys.executable, str(HERE / script), *arguments], timeout=600, log=log)
            marks = run.pop("in")
            run["start"] = marks.get("ready", 0.0)
            run["work"] = marks.get("scored", marks.get("end", 0.0)) - run["start"]
            run["rows"] = marks.get("rows")
            found[name].append(run)
    return found


def _compare(work: str, names: list[str]) -> bool:
    folders = [f"{common.OUT}/{FOLDERS[name].format(work=work)}" for name in names]
    done = subprocess.run([sys.executable, HERE / "check.py", *folders], text=True, capture_output=True)
    print(done.stdout, done.stderr, flush=True)
    return done.returncode == 0


def _median(runs: list[dict[str, Any]], key: str) -> float:
    return statistics.median(run[key] for run in runs)


def _table(work: str, runs: dict[str, list[dict[str, Any]]]) -> str:
    """Medians; ratios are the limit's time over the row's, so that 1.0 is the limit and more is better."""
    lines = [
        f"**{work}**: {common.describe(work)}",
        "",
        "| | wall s | work s | CPU s | peak MB | of the limit, wall | of the limit, work |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    limit = runs["limit"]
    for name, each in runs.items():
        if each[0]["rc"] != 0:
            lines.append(f"| {name} | failed (status {each[0]['rc']}) | | | | | |")
            continue
        ratios = [
            statistics.median(a[key] / b[key] for a, b in zip(limit, each, strict=True)) for key in ("wall", "work")
        ]
        numbers = [f"{_median(each, key):.2f}" for key in ("wall", "work", "cpu")]
        lines.append(
            f"| {name} | {' | '.join(numbers)} | {_median(each, 'rss') / 2**20:.0f} | {ratios[0]:.2f} | {ratios[1]:.2f} |"
        )
    return "\n".join(lines)


def _versions() -> dict[str, str]:
    there = [name for name in PACKAGES if importlib.util.find_spec(name.replace("scikit-learn", "sklearn"))]
    return {"python": platform.python_version()} | {name: version(name) for name in there}


if __name__ == "__main__":
    sys.exit(main())
