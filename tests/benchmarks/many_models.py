"""1,000 sensors with a model each, 1,440 readings each: scored in packed tasks, and in a task each, through Airflow.

    python tests/benchmarks/many_models.py --sensors 1000 --tasks 4 1000

Prints seconds from the start of the first scoring task to the end of the last, and of training and planning.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts")]

from stack import Stack, example_environment

FIELDS = ("start_date", "end_date")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sensors", type=int, default=1000)
    parser.add_argument("--tasks", type=int, nargs="+", default=[4, 1000])
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="many-models-"))
    try:
        with Stack(folder / "airflow", ROOT / "dags", extra=example_environment("", folder)) as stack:
            stack.wait_for_dag("sensor_anomaly")
            for tasks in asked.tasks:
                shutil.rmtree(folder / "sensor_anomaly" / "staging", ignore_errors=True)
                run_id = stack.trigger(
                    "sensor_anomaly", {"sensors": asked.sensors, "tasks": tasks, "day": "2026-01-02"}
                )
                state = stack.wait_for_run("sensor_anomaly", run_id, 7200)
                spans = _spans(stack, run_id)
                print(f"{asked.sensors} sensors in {tasks} tasks: {state}", flush=True)
                for task_id, (seconds, count) in spans.items():
                    print(f"  {task_id:10} {seconds:8.1f} s  {count} task(s)", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _spans(stack: Stack, run_id: str) -> dict[str, tuple[float, int]]:
    found: dict[str, list[tuple[datetime, datetime]]] = {}
    offset = 0
    while True:
        page = stack.get(f"/api/v2/dags/sensor_anomaly/dagRuns/{run_id}/taskInstances?limit=100&offset={offset}")[
            "task_instances"
        ]
        for instance in page:
            if all(instance[name] for name in FIELDS):
                began, ended = (datetime.fromisoformat(instance[name]) for name in FIELDS)
                found.setdefault(instance["task_id"], []).append((began, ended))
        if len(page) < 100:
            break
        offset += 100
    return {
        task_id: ((max(end for _, end in some) - min(begin for begin, _ in some)).total_seconds(), len(some))
        for task_id, some in found.items()
    }


if __name__ == "__main__":
    main()
