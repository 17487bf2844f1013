"""Run the limit, this package and its peers in turn on the same workloads; write figures, a table and a plot.

usage: python bench.py quick|full [--rounds N] [--out FOLDER] [--work w1 ...]

Every run is a process of its own; the commands of a workload take turns (A B C A B C ...), a run that something
else disturbed is done again, and ratios are paired round by round. The predictions of all are compared at the end.
"""

from __future__ import annotations

import argparse
import compileall
import importlib.util
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# In the clone, so that no other version's data lies there.
DATA = Path(os.environ.setdefault("BENCH_DATA", str(HERE.parents[1] / ".bench")))
sys.path.insert(0, str(HERE.parents[1] / "scripts"))
from wta_data import find_matches  # noqa: E402

# The workloads are listed when `common` is imported, from the folder that this names.
os.environ["WTA_MATCHES_DIR"] = find_matches(DATA / "matches")[0]
import common  # noqa: E402
import measure  # noqa: E402
import plot  # noqa: E402

#: name -> (script and arguments, package it needs). `{work}` is the workload.
COMMANDS = {
    "limit": ("limit.py {work} 2t", "pyarrow"),
    "airflow_batchscore": ("engine.py {work} auto", "distributed"),
    "airflow_batchscore, processes": ("engine.py {work} processes", "distributed"),
    "Polars": ("peers.py polars {work}", "polars"),
    "DuckDB": ("peers.py duckdb {work}", "duckdb"),
    "plain pandas": ("peers.py pandas {work}", "pandas"),
    "ParallelPostFit, lazy": ("peers.py daskml {work}", "dask_ml"),
    "ParallelPostFit, gathered": ("peers.py tutorial {work}", "dask_ml"),
    "Spark mapInPandas": ("peers.py sk_mapinpandas {work}", "pyspark"),
    "Ray Data": ("peers.py ray {work}", "ray"),
    "Daft": ("peers.py daft {work}", "daft"),
    "Spark, a row at a time": ("peers.py sk_rowudf {work}", "pyspark"),
}
GENERATED = {"w3h": "w3", "w3x": "w3"}
QUICK = ("limit", "airflow_batchscore", "Polars", "plain pandas")
#: The workloads that all are compared on.
FULL = ("w1", "w2", "w3h", "w3x", "w4")
#: On ten times the rows: is memory the same, is the ratio the same?
LONG = ("limit", "airflow_batchscore")
MODULES = {"scikit-learn": "sklearn", "xgboost-cpu": "xgboost"}
PACKAGES = (
    "pyarrow",
    "numpy",
    "scikit-learn",
    "dask",
    "pandas",
    "polars",
    "duckdb",
    "xgboost-cpu",
    "pyspark",
    "ray",
    "daft",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("form", choices=["quick", "full"])
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--out", type=Path, default=DATA / "results")
    parser.add_argument("--work", nargs="*")
    parser.add_argument("--only", nargs="*", help="names of the table's rows; the limit always runs")
    asked = parser.parse_args()
    works = asked.work or (["w5-2015", "w1q"] if asked.form == "quick" else [*FULL, "w1x10", "w1s"])
    rounds = asked.rounds or (2 if asked.form == "quick" else 3)
    names = [name for name, (_, package) in COMMANDS.items() if importlib.util.find_spec(package)]
    # What was compiled when a package was installed should not be compiled by the first of the runs.
    compileall.compile_dir(HERE, quiet=1)
    compileall.compile_dir(HERE.parents[1] / "airflow_batchscore", quiet=1)
    asked.out.mkdir(parents=True, exist_ok=True)
    # The models as this package saves them: another version of it may have saved them otherwise.
    shutil.rmtree(DATA / "artifacts", ignore_errors=True)
    results, agree = [], True
    for work in works:
        subprocess.run([sys.executable, HERE / "gen.py", GENERATED.get(work, work.split("-")[0])], check=True)
        here = [name for name in names if _wanted(name, work, asked.form) and name in (asked.only or names)]
        here = here if "limit" in here else ["limit", *here]
        runs = _run(work, here, rounds)
        ran = [name for name in here if runs[name][0]["rc"] == 0]
        # A peer may fail on a machine; the limit and this package may not.
        agree = _compare(work, ran) and {*LONG} & {*here} <= {*ran} and agree
        results.append({"work": work, "what": common.describe(work), "runs": runs})
        print(_table(work, runs), flush=True)
    facts = {"machine": platform.platform(), "cores": os.cpu_count(), "versions": _versions(), "workloads": results}
    (asked.out / "results.json").write_text(json.dumps(facts, indent=1))
    tables = "\n\n".join(_table(result["work"], result["runs"]) for result in results)
    (asked.out / "results.md").write_text(f"{tables}\n")
    if asked.form == "full" and importlib.util.find_spec("matplotlib"):
        plot.plot(results, asked.out / "benchmark.svg")
    return 0 if agree else 1


def _wanted(name: str, work: str, form: str) -> bool:
    if work == "w1s" and form == "full":  # a sample for what would take hours on the whole
        return name in (*LONG, "Spark mapInPandas", "Spark, a row at a time")
    return name in (QUICK if form == "quick" else LONG if work == "w1x10" else COMMANDS) and "row at a time" not in name


def _run(work: str, names: list[str], rounds: int) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            common.warm(common.WORK[work][1])
            script, *arguments = COMMANDS[name][0].format(work=work).split()
            log = DATA / "run.log"
            run = measure.run_quiet([sys.executable, str(HERE / script), *arguments], timeout=600, log=str(log))
            if run["rc"] != 0:
                print(f"{name} failed on {work}:", log.read_text()[-2000:], sep="\n", flush=True)
            marks = run.pop("in")
            run["start"] = marks.get("ready", 0.0)
            run["work"] = marks.get("scored", marks.get("end", 0.0)) - run["start"]
            run["rows"] = marks.get("rows")
            found[name].append(run)
    return found


def _folder(name: str, work: str) -> str:
    """Where a command leaves its predictions: limit-w1-2t, engine-w1-auto, polars-w1."""
    script, *arguments = COMMANDS[name][0].format(work=work).split()
    parts = arguments if script == "peers.py" else [script.removesuffix(".py"), *arguments]
    return f"{common.OUT}/{'-'.join(parts)}"


def _compare(work: str, names: list[str]) -> bool:
    folders = [_folder(name, work) for name in names]
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
    there = [name for name in PACKAGES if importlib.util.find_spec(MODULES.get(name, name))]
    return {"python": platform.python_version()} | {name: version(name) for name in there}


if __name__ == "__main__":
    sys.exit(main())
