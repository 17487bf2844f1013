"""``make demo [DAG=name]``: an example pipeline through a real Airflow, everything below .demo/."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from demo_tables import print_history, print_run
from stack import ROOT, Stack, StackError, example_environment
from wta_data import find_matches

_LIMIT_SECONDS = 900
#: Example -> the conf to trigger its run with, in addition to the defaults of its parameters.
EXAMPLES: dict[str, dict[str, Any]] = {
    "wta_batch_scoring": {},
    "hazard_regression": {},
    "sensor_anomaly": {"sensors": 200, "day": "2026-01-02"},
    "purchase_likelihood": {},
    "normalise_words": {},
    "model_decay": {},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dag", choices=EXAMPLES, default="wta_batch_scoring", help="which example")
    parser.add_argument("--home", type=Path, default=ROOT / ".demo", help="where everything goes (default: .demo)")
    parser.add_argument("--sensors", type=int, help="of sensor_anomaly (default: 200)")
    asked = parser.parse_args()
    home: Path = asked.home.resolve()
    began = time.monotonic()
    matches = ""
    if asked.dag == "wta_batch_scoring":
        matches, what = find_matches(home / "synthetic-matches")
        print(f"data    {what}")
    stack = Stack(home / "airflow", ROOT / "dags", extra=example_environment(matches, home))
    print(f"airflow scheduler, DAG processor, triggerer and API server on {stack.url}, LocalExecutor, {stack.home}")
    try:
        with stack:
            _say(began, "Airflow is up")
            done = _decay(stack, began) if asked.dag == "model_decay" else _run(stack, asked, home, began)
    except (StackError, OSError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    if not done:
        return 1
    if asked.dag == "model_decay":
        print_history(home / "model_decay" / "models" / "price")
    else:
        print_run(home if asked.dag == "wta_batch_scoring" else home / asked.dag)
    print(f"done in {time.monotonic() - began:.0f} s")
    return 0


def _run(stack: Stack, asked: argparse.Namespace, home: Path, began: float) -> bool:
    conf = dict(EXAMPLES[asked.dag])
    if asked.dag == "sensor_anomaly" and asked.sensors:
        conf["sensors"] = asked.sensors
    stack.wait_for_dag(asked.dag)
    return _finished(stack, asked.dag, stack.trigger(asked.dag, conf), began)


def _decay(stack: Stack, began: float) -> bool:
    """A first model, a check that passes, one that does not, and the training that this triggers."""
    for dag_id in ("decay_start", "decay_watch", "decay_retrain"):
        stack.wait_for_dag(dag_id)
    stack.unpause("decay_retrain")
    before = stack.newest_run("decay_retrain")
    if not _finished(stack, "decay_start", stack.trigger("decay_start", {}), began):
        return False
    for month in ("2026-02", "2026-06"):
        if not _finished(stack, "decay_watch", stack.trigger("decay_watch", {"month": month}), began):
            return False
    _say(began, "waiting for decay_retrain, which nobody triggers")
    return _finished(
        stack, "decay_retrain", stack.wait_for_newer_run("decay_retrain", before, _LIMIT_SECONDS / 3), began
    )


def _finished(stack: Stack, dag_id: str, run_id: str, began: float) -> bool:
    _say(began, f"{dag_id}: run {run_id}")
    if _follow(stack, dag_id, run_id, began) == "success":
        return True
    for instance in stack.task_instances(dag_id, run_id):
        if instance["state"] == "failed":
            print(f"\ntask {instance['task_id']} {instance['rendered_map_index'] or ''} failed:", file=sys.stderr)
            print("\n".join(stack.task_log(instance)[-15:]), file=sys.stderr)
    return False


def _say(began: float, text: str) -> None:
    print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)


def _follow(stack: Stack, dag_id: str, run_id: str, began: float) -> str:
    """Print changes until the run ends."""
    said = ""
    while time.monotonic() - began < _LIMIT_SECONDS:
        state = stack.state(dag_id, run_id)
        line = _progress(stack.task_instances(dag_id, run_id))
        if line != said:
            _say(began, line)
            said = line
        if state in ("success", "failed"):
            return state
        time.sleep(1)
    raise StackError(f"the run was not done after {_LIMIT_SECONDS} s; see {stack.home}/logs")


def _progress(instances: list[dict[str, Any]]) -> str:
    scoring = [instance for instance in instances if instance["task_id"] == "score" and instance["map_index"] >= 0]
    running = sorted({instance["task_id"] for instance in instances if instance["state"] in ("running", "deferred")})
    done = Counter(instance["state"] for instance in scoring)["success"]
    text = f"scoring tasks done {done}/{len(scoring)}" if scoring else "preparing"
    return f"{text}, running: {', '.join(running)}" if running else text


if __name__ == "__main__":
    sys.exit(main())
