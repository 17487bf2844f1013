"""From training to publication through a real Airflow: this package against a tutorial's DAG, in turns.

usage: python end_to_end.py [--work w1] [--rounds N] [--json FILE]      with the development environment (.venv)

Both train a logistic regression on one partition, measure it on another, score all of them in mapped tasks and publish
a folder. `end_to_end_dags/` holds both; docs/benchmark/fairness.md says what each does and does not do.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
os.environ.setdefault("BENCH_DATA", str(ROOT / ".bench"))
sys.path[:0] = [str(ROOT / "scripts")]

import common
import measure
from overhead import seconds_of
from stack import Stack

#: Name in the table -> DAG.
DAGS = {"ParallelPostFit in Python tasks": "tutorial_end_to_end", "airflow_batchscore": "ours_end_to_end"}
#: Both fit the same rows, but not in the same layout in memory: the solver's last digits differ.
WITHIN = "1e-4"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", default="w1", help="a workload of several Parquet files of 8 features")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures there")
    asked = parser.parse_args()
    subprocess.run([sys.executable, HERE / "gen.py", asked.work], check=True)
    data = common.WORK[asked.work][1]
    rows: dict[str, dict[str, list[float]]] = {name: {"seconds": [], "cpu": []} for name in DAGS}
    with tempfile.TemporaryDirectory(prefix="batchscore-end-to-end-", dir="/dev/shm") as name:
        folder = Path(name)
        environment = {"END_TO_END_DATA": data, "END_TO_END_HOME": str(folder / "outputs")}
        with Stack(folder / "airflow", HERE / "end_to_end_dags", extra=environment) as stack:
            for dag_id in DAGS.values():
                stack.wait_for_dag(dag_id)
            for _ in range(asked.rounds):
                shutil.rmtree(folder / "outputs", ignore_errors=True)
                common.warm(data)
                for title, dag_id in DAGS.items():
                    seconds, cpu = _run(stack, dag_id)
                    rows[title]["seconds"].append(seconds)
                    rows[title]["cpu"].append(cpu)
                    print(f"{title}: {seconds:.1f} s, {cpu:.1f} s of CPU", flush=True)
        check = _check(folder / "outputs/tutorial/published", folder / "outputs/ours/published")
    print(check, flush=True)
    if asked.json:
        what = f"{len(common.files(data))} partitions, {common.describe(asked.work)}"
        asked.json.write_text(json.dumps({"what": what, "base": next(iter(DAGS)), "rows": rows, "check": check}))


def _run(stack: Stack, dag_id: str) -> tuple[float, float]:
    """Seconds of a run as Airflow counts them, and CPU seconds of the machine meanwhile."""
    used, _ = measure.machine_cpu()
    run_id = stack.trigger(dag_id, {})
    state = stack.wait_for_run(dag_id, run_id, 900)
    cpu = measure.machine_cpu()[0] - used
    if state != "success":
        failed = [each["task_id"] for each in stack.task_instances(dag_id, run_id) if each["state"] == "failed"]
        shutil.copytree(stack.home / "logs", ROOT / ".bench/end-to-end-logs", dirs_exist_ok=True)
        raise SystemExit(f"{dag_id} ended as {state} in {', '.join(failed)}; its logs are in .bench/end-to-end-logs")
    return seconds_of(stack.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")), cpu


def _check(reference: Path, found: Path) -> str:
    """One line for the results. Ends the script if the two published folders hold different scores."""
    command = [sys.executable, HERE / "check.py", "--within", WITHIN, reference, found]
    done = subprocess.run(command, text=True, capture_output=True)
    if done.returncode:
        raise SystemExit(f"the published scores differ: {done.stdout}{done.stderr}")
    return f"Both published {done.stdout.split(': ')[1].split(' rows')[0]} rows, whose scores agree within {WITHIN}."


if __name__ == "__main__":
    main()
